//! The shape of a message in one version as a flat program.

use super::table::{Field, Shape};

/// One step of a walk. Steps that hold others are followed by them, up to `end`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// So many bytes that are not looked at.
    Skip(usize),
    /// A string.
    Text { nullable: bool },
    /// Bytes with their length in front.
    Bytes { nullable: bool },
    /// A count and as many elements, each at least `least` bytes on the wire and about `size` on the heap.
    List { nullable: bool, least: usize, size: usize, end: usize },
    /// A struct that can be null.
    Nullable { end: usize },
    /// The tag section of a struct; its known tags are `tags[first..last]`.
    Tags { first: usize, last: usize },
}

/// A known tag: its value is walked by `steps[start..end]`. One of other versions is known too, to be refused.
pub(super) struct Tag {
    pub tag: u32,
    pub name: &'static str,
    pub in_version: bool,
    pub start: usize,
    pub end: usize,
}

/// A message in one version.
pub(super) struct Program {
    pub flexible: bool,
    pub steps: Vec<Step>,
    /// The names of the fields that each step covers, with their sizes where the step is a `Skip`.
    pub names: Vec<Vec<(&'static str, usize)>>,
    pub tags: Vec<Tag>,
    /// Where the steps of the message itself end; behind them stand those of tagged fields.
    pub end: usize,
    /// The message's own size on the heap, about.
    pub size: usize,
}

impl Program {
    /// Compiles the fields that `version` has.
    pub fn compile(fields: &[Field], version: i16, flexible: bool) -> Program {
        let (steps, names, tags) = (Vec::new(), Vec::new(), Vec::new());
        let mut compiler = Compiler {
            version,
            program: Program { flexible, steps, names, tags, end: 0, size: struct_size(fields) },
            later: Vec::new(),
        };
        compiler.fields(fields);
        compiler.program.end = compiler.program.steps.len();
        while let Some((index, field)) = compiler.later.pop() {
            compiler.program.tags[index].start = compiler.program.steps.len();
            compiler.value(field);
            compiler.program.tags[index].end = compiler.program.steps.len();
        }
        compiler.program
    }
}

struct Compiler<'a> {
    version: i16,
    program: Program,
    /// Tagged fields whose values have no steps yet.
    later: Vec<(usize, &'a Field)>,
}

impl<'a> Compiler<'a> {
    fn fields(&mut self, fields: &'a [Field]) {
        let mut after_fixed = false;
        let version = self.version;
        for field in fields.iter().filter(|field| field.exists(version) && field.tag.is_none()) {
            let fixed = fixed_size(&field.shape);
            match (fixed, self.program.steps.last_mut(), self.program.names.last_mut()) {
                (Some(size), Some(Step::Skip(bytes)), Some(names)) if after_fixed => {
                    *bytes += size;
                    names.push((field.name, size));
                }
                _ => self.value(field),
            }
            after_fixed = fixed.is_some();
        }
        if self.program.flexible {
            let first = self.program.tags.len();
            for field in fields {
                let Some(tag) = field.tag else { continue };
                let in_version = field.exists(self.version);
                if in_version {
                    self.later.push((self.program.tags.len(), field));
                }
                self.program.tags.push(Tag { tag, name: field.name, in_version, start: 0, end: 0 });
            }
            self.push(Step::Tags { first, last: self.program.tags.len() }, "tags");
        }
    }

    fn value(&mut self, field: &'a Field) {
        self.shape(&field.shape, field.name, field.is_nullable(self.version));
    }

    fn shape(&mut self, shape: &'a Shape, name: &'static str, nullable: bool) {
        match shape {
            Shape::Bool => self.skip(1, name),
            Shape::Fixed(bytes) => self.skip(*bytes, name),
            Shape::Text => self.push(Step::Text { nullable }, name),
            Shape::Bytes => self.push(Step::Bytes { nullable }, name),
            Shape::Struct(fields) if nullable => {
                let step = self.program.steps.len();
                self.push(Step::Nullable { end: 0 }, name);
                self.fields(fields);
                self.program.steps[step] = Step::Nullable { end: self.program.steps.len() };
            }
            Shape::Struct(fields) => self.fields(fields),
            Shape::List(element) => {
                let step = self.program.steps.len();
                let (least, size) = (self.least(element), heap_size(element));
                self.push(Step::List { nullable, least, size, end: 0 }, name);
                self.shape(element, name, false);
                self.program.steps[step] = Step::List { nullable, least, size, end: self.program.steps.len() };
            }
        }
    }

    fn skip(&mut self, bytes: usize, name: &'static str) {
        self.program.steps.push(Step::Skip(bytes));
        self.program.names.push(vec![(name, bytes)]);
    }

    fn push(&mut self, step: Step, name: &'static str) {
        self.program.steps.push(step);
        self.program.names.push(vec![(name, 0)]);
    }

    /// The fewest bytes a value takes on the wire.
    fn least(&self, shape: &Shape) -> usize {
        let flexible = self.program.flexible;
        match shape {
            Shape::Bool | Shape::Fixed(_) => fixed_size(shape).unwrap_or_default(),
            Shape::Text => {
                if flexible {
                    1
                } else {
                    2
                }
            }
            Shape::Bytes | Shape::List(_) => {
                if flexible {
                    1
                } else {
                    4
                }
            }
            Shape::Struct(fields) => {
                let plain = fields.iter().filter(|field| field.exists(self.version) && field.tag.is_none());
                plain.map(|field| self.least_field(field)).sum::<usize>() + usize::from(flexible)
            }
        }
    }

    fn least_field(&self, field: &Field) -> usize {
        match field.shape {
            Shape::Struct(_) if field.is_nullable(self.version) => 1,
            _ => self.least(&field.shape),
        }
    }
}

fn fixed_size(shape: &Shape) -> Option<usize> {
    match shape {
        Shape::Bool => Some(1),
        Shape::Fixed(bytes) => Some(*bytes),
        Shape::Text | Shape::Bytes | Shape::Struct(_) | Shape::List(_) => None,
    }
}

/// A decoded value's own size: strings and bytes are slices of the frame, 32 bytes each; a list is a pointer, a length
/// and a capacity.
fn heap_size(shape: &Shape) -> usize {
    match shape {
        Shape::Bool => 1,
        Shape::Fixed(bytes) => *bytes,
        Shape::Text | Shape::Bytes => 32,
        Shape::List(_) => 24,
        Shape::Struct(fields) => struct_size(fields),
    }
}

/// Structs hold the fields of all versions, and a map of unknown tagged fields.
fn struct_size(fields: &[Field]) -> usize {
    (fields.iter().map(|field| heap_size(&field.shape)).sum::<usize>() + 24).next_multiple_of(8)
}
