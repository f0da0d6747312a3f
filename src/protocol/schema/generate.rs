//! Valid message bodies by a seed, for tests, fuzzing and comparison with other implementations.

use bytes::{BufMut, BytesMut};

use super::table::{Direction, Field, Shape, api};
use crate::protocol::wire::put_unsigned_varint;

/// A body of that version with every value drawn from `seed`, in the one encoding that Kafka's writers produce: tagged
/// fields are there only with values that are no defaults. `None`: there is no such version.
pub fn generate(api_key: i16, direction: Direction, version: i16, seed: u64) -> Option<BytesMut> {
    generate_marked(api_key, direction, version, seed).map(|generated| generated.body)
}

/// A body as [`generate`] makes it, and where its lengths stand: what a test of bad input turns into other numbers.
pub fn generate_marked(api_key: i16, direction: Direction, version: i16, seed: u64) -> Option<Generated> {
    let api = api(api_key).filter(|api| api.has_version(version))?;
    let state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut generator = Generator { state, version, flexible: version >= api.flexible_since, lengths: Vec::new() };
    let mut body = BytesMut::new();
    generator.fields(&mut body, &api.fields(direction));
    Some(Generated { body, lengths: generator.lengths })
}

/// A valid body.
#[derive(Clone, Debug)]
pub struct Generated {
    pub body: BytesMut,
    pub lengths: Vec<Length>,
}

/// Where a length or a count stands in a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Length {
    /// The first of its bytes.
    pub at: usize,
    pub kind: LengthKind,
    /// It can say that there is nothing.
    pub nullable: bool,
}

/// How a length is written. Those that are generated are small, so that a varint is one byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LengthKind {
    Short,
    Int,
    /// One more than the length.
    Varint,
    /// The number of tagged fields.
    Tags,
}

struct Generator {
    state: u64,
    version: i16,
    flexible: bool,
    /// Those of the bytes being written, from their beginning.
    lengths: Vec<Length>,
}

impl Generator {
    /// A number below `bound` (splitmix64).
    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn fields(&mut self, out: &mut BytesMut, fields: &[Field]) {
        let version = self.version;
        for field in fields.iter().filter(|field| field.exists(version) && field.tag.is_none()) {
            let nullable = field.is_nullable(version);
            let null = nullable && self.below(4) == 0;
            self.value(out, &field.shape, nullable, null, 0);
        }
        if self.flexible {
            self.tags(out, fields);
        }
    }

    fn tags(&mut self, out: &mut BytesMut, fields: &[Field]) {
        let (version, mut tagged, outer) = (self.version, Vec::new(), std::mem::take(&mut self.lengths));
        for field in fields.iter().filter(|field| field.exists(version)) {
            if let (Some(tag), true) = (field.tag, self.below(2) == 0) {
                let mut value = BytesMut::new();
                self.value(&mut value, &field.shape, field.is_nullable(version), false, 1);
                tagged.push((tag, value, std::mem::take(&mut self.lengths)));
            }
        }
        self.lengths = outer;
        tagged.sort_by_key(|(tag, ..)| *tag);
        self.mark(out, LengthKind::Tags, false);
        put_unsigned_varint(out, tagged.len() as u32);
        for (tag, value, lengths) in tagged {
            put_unsigned_varint(out, tag);
            put_unsigned_varint(out, value.len() as u32);
            let start = out.len();
            self.lengths.extend(lengths.into_iter().map(|length| Length { at: start + length.at, ..length }));
            out.put_slice(&value);
        }
    }

    fn mark(&mut self, out: &BytesMut, kind: LengthKind, nullable: bool) {
        self.lengths.push(Length { at: out.len(), kind, nullable });
    }

    /// Appends a value; strings and lists have at least `least` elements.
    fn value(&mut self, out: &mut BytesMut, shape: &Shape, nullable: bool, null: bool, least: u64) {
        let len = (!null).then(|| least + self.below(4));
        match shape {
            Shape::Bool => out.put_u8(if least > 0 { 1 } else { self.below(2) as u8 }),
            Shape::Fixed(bytes) => (0..*bytes).for_each(|_| out.put_u8(1 + self.below(0x7e) as u8)),
            Shape::Text => {
                self.text_len(out, len, nullable);
                (0..len.unwrap_or(0)).for_each(|_| out.put_u8(b'a' + self.below(26) as u8));
            }
            Shape::Bytes => {
                self.len(out, len, nullable);
                (0..len.unwrap_or(0)).for_each(|_| out.put_u8(self.below(256) as u8));
            }
            Shape::List(element) => {
                self.len(out, len, nullable);
                (0..len.unwrap_or(0)).for_each(|_| self.value(out, element, false, false, 0));
            }
            Shape::Struct(_) if null => out.put_i8(-1),
            Shape::Struct(fields) => {
                if nullable {
                    out.put_i8(1);
                }
                self.fields(out, fields);
            }
        }
    }

    fn text_len(&mut self, out: &mut BytesMut, len: Option<u64>, nullable: bool) {
        match self.flexible {
            true => self.len(out, len, nullable),
            false => {
                self.mark(out, LengthKind::Short, nullable);
                out.put_i16(len.map_or(-1, |len| len as i16));
            }
        }
    }

    fn len(&mut self, out: &mut BytesMut, len: Option<u64>, nullable: bool) {
        self.mark(out, if self.flexible { LengthKind::Varint } else { LengthKind::Int }, nullable);
        match self.flexible {
            true => put_unsigned_varint(out, len.map_or(0, |len| len as u32 + 1)),
            false => out.put_i32(len.map_or(-1, |len| len as i32)),
        }
    }
}
