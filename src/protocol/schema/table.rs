//! The table of APIs, and its text as a tree of fields.

use std::sync::{LazyLock, OnceLock};

use super::program::Program;

const TABLE: &str = include_str!("table.txt");

static APIS: LazyLock<Vec<Option<Api>>> = LazyLock::new(parse_table);

/// Which of an API's two messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Request,
    Response,
}

/// An API: its key, its name, its versions.
pub struct Api {
    pub key: i16,
    pub name: &'static str,
    pub min_version: i16,
    pub max_version: i16,
    /// The first version with the flexible encoding; beyond the last version if there is none.
    pub flexible_since: i16,
    request: &'static str,
    response: &'static str,
    programs: Vec<[OnceLock<Program>; 2]>,
}

impl Api {
    /// Whether that version is one of Kafka's.
    pub fn has_version(&self, version: i16) -> bool {
        (self.min_version..=self.max_version).contains(&version)
    }

    /// The compiled shape of a message, if the API has that version.
    pub(super) fn program(&self, direction: Direction, version: i16) -> Option<&Program> {
        let programs = self.programs.get(usize::try_from(version.checked_sub(self.min_version)?).ok()?)?;
        let compile = || Program::compile(&self.fields(direction), version, version >= self.flexible_since);
        Some(programs[direction as usize].get_or_init(compile))
    }

    /// The fields of a message, in all versions.
    pub(super) fn fields(&self, direction: Direction) -> Vec<Field> {
        let text = match direction {
            Direction::Request => self.request,
            Direction::Response => self.response,
        };
        Parser { rest: text }.fields((self.min_version, self.max_version))
    }
}

/// The API of that key.
pub fn api(key: i16) -> Option<&'static Api> {
    APIS.get(usize::try_from(key).ok()?)?.as_ref()
}

/// All APIs, in order of their keys.
pub fn apis() -> impl Iterator<Item = &'static Api> {
    APIS.iter().flatten()
}

/// Whether Kafka has that version of that API.
pub fn is_known(api_key: i16, version: i16) -> bool {
    api(api_key).is_some_and(|api| api.has_version(version))
}

/// Whether that version of the API has the flexible encoding; a version beyond the last has it if the last has.
pub fn is_flexible(api_key: i16, version: i16) -> bool {
    api(api_key).is_some_and(|api| version >= api.flexible_since)
}

/// Kafka's name of the API.
pub fn name(api_key: i16) -> Option<&'static str> {
    api(api_key).map(|api| api.name)
}

/// Versions from the first to the last, both included.
type Versions = (i16, i16);

/// A field in all its versions.
pub(super) struct Field {
    pub name: &'static str,
    pub versions: Versions,
    pub nullable: Option<Versions>,
    pub tag: Option<u32>,
    pub shape: Shape,
}

impl Field {
    /// Whether `version` has the field.
    pub fn exists(&self, version: i16) -> bool {
        contains(self.versions, version)
    }

    /// Whether the field can be null in `version`.
    pub fn is_nullable(&self, version: i16) -> bool {
        self.nullable.is_some_and(|versions| contains(versions, version))
    }
}

fn contains((min, max): Versions, version: i16) -> bool {
    (min..=max).contains(&version)
}

/// What a field consists of.
pub(super) enum Shape {
    Bool,
    /// So many bytes.
    Fixed(usize),
    Text,
    Bytes,
    Struct(Vec<Field>),
    List(Box<Shape>),
}

fn parse_table() -> Vec<Option<Api>> {
    let mut apis = Vec::new();
    let mut rest = TABLE;
    while !rest.is_empty() {
        let (head, body) = rest.split_once("\n> ").expect("a head line before each request");
        let (request, body) = body.split_once("\n<").expect("a response after each request");
        let end = body.match_indices('\n').find(|(at, _)| !body[at + 1..].starts_with(' ')).map(|(at, _)| at + 1);
        let (response, next) = body.split_at(end.unwrap_or(body.len()));
        let api = parse_head(head, request, response);
        let index = usize::try_from(api.key).expect("keys are not negative");
        apis.resize_with(index + 1, || None);
        apis[index] = Some(api);
        rest = next;
    }
    apis
}

fn parse_head(head: &'static str, request: &'static str, response: &'static str) -> Api {
    let mut words = head.split(' ');
    let mut word = || words.next().expect("four words in a head line");
    let (key, name, versions, flexible) = (number(word()), word(), word(), word());
    let (min_version, max_version) = parse_versions(versions, (0, 0));
    let flexible_since = if flexible == "none" { i16::MAX } else { number(flexible) };
    let programs = (min_version..=max_version).map(|_| Default::default()).collect();
    Api { key, name, min_version, max_version, flexible_since, request, response, programs }
}

fn number(text: &str) -> i16 {
    text.parse().unwrap_or_else(|_| panic!("\"{text}\" is not a number of the schema table"))
}

/// `3`, `3-`, `-5`, `3-5`, or nothing; open ends are the parent's.
fn parse_versions(text: &str, parent: Versions) -> Versions {
    let end = |text: &str, open: i16| if text.is_empty() { open } else { number(text) };
    match text.split_once('-') {
        Some((min, max)) => (end(min, parent.0), end(max, parent.1)),
        None if text.is_empty() => parent,
        None => (number(text), number(text)),
    }
}

struct Parser {
    rest: &'static str,
}

impl Parser {
    fn fields(&mut self, parent: Versions) -> Vec<Field> {
        let mut fields = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() || self.rest.starts_with([']', '}']) {
                return fields;
            }
            fields.push(self.field(parent));
        }
    }

    fn field(&mut self, parent: Versions) -> Field {
        let name = self.word();
        let opening = self.rest.as_bytes()[0];
        self.rest = &self.rest[1..];
        let shape = match opening {
            b':' => self.scalar(),
            // Versions behind the closing bracket bound only ends that the fields inside spell out themselves.
            _ => {
                let inner = Shape::Struct(self.fields((0, i16::MAX)));
                self.rest = &self.rest[1..];
                if opening == b'[' { Shape::List(Box::new(inner)) } else { inner }
            }
        };
        let nullable = self.suffix('?').map(|text| parse_versions(text, parent));
        let versions = self.suffix('@').map_or(parent, |text| parse_versions(text, parent));
        let tag = self.suffix('#').map(|text| text.parse().expect("a tag is a number"));
        Field { name, versions, nullable, tag, shape }
    }

    fn scalar(&mut self) -> Shape {
        let shape = match self.word() {
            "bool" => Shape::Bool,
            "i8" => Shape::Fixed(1),
            "i16" | "u16" => Shape::Fixed(2),
            "i32" | "u32" => Shape::Fixed(4),
            "i64" | "f64" => Shape::Fixed(8),
            "uuid" => Shape::Fixed(16),
            "string" => Shape::Text,
            "bytes" => Shape::Bytes,
            other => panic!("\"{other}\" is not a type of the schema table"),
        };
        match self.suffix('*') {
            Some(_) => Shape::List(Box::new(shape)),
            None => shape,
        }
    }

    fn word(&mut self) -> &'static str {
        self.take_while(|c| c.is_ascii_alphanumeric())
    }

    fn suffix(&mut self, mark: char) -> Option<&'static str> {
        self.rest = self.rest.strip_prefix(mark)?;
        Some(self.take_while(|c| c.is_ascii_digit() || c == '-'))
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'static str {
        let end = self.rest.find(|c| !accept(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }
}
