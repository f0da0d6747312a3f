//! Reading and writing of single values in Kafka's two encodings: the plain one and the flexible one (KIP-482).
//!
//! A count on the wire never allocates by itself: lists grow as their elements are read.

use bytes::{BufMut, Bytes, BytesMut};

use super::json::Json;
use crate::types::Uuid;

/// Unknown tagged fields a struct may carry before it is taken for an attack.
pub const UNKNOWN_TAGS_MAX: u32 = 64;

/// Why bytes are not a message, or a message has no bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    #[error("{field} at byte {at}: {reason}")]
    Malformed { field: String, at: usize, reason: &'static str },
    #[error("{field} has no place in version {version}")]
    NotInVersion { field: String, version: i16 },
    #[error("{field} is too long for version {version}")]
    TooLong { field: String, version: i16 },
}

impl WireError {
    /// The same error, one level further out.
    pub fn within(mut self, parent: &str) -> WireError {
        let field = match &mut self {
            WireError::Malformed { field, .. }
            | WireError::NotInVersion { field, .. }
            | WireError::TooLong { field, .. } => field,
        };
        match field.is_empty() {
            true => parent.clone_into(field),
            false => *field = format!("{parent}.{field}"),
        }
        self
    }
}

/// The version a message is laid out for, and whether that version is flexible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    pub version: i16,
    pub flexible: bool,
}

/// A value with a place on the wire.
pub trait Wire: Sized {
    /// Appends the value.
    fn write(&self, out: &mut BytesMut, layout: Layout) -> Result<(), WireError>;
    /// Takes the value off the front.
    fn read(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, WireError>;
    /// The value as Kafka's tools print it.
    fn json(&self, layout: Layout) -> Json;

    /// Appends the value as the content of a tagged field.
    fn write_tagged(&self, out: &mut BytesMut, layout: Layout) -> Result<(), WireError> {
        self.write(out, layout)
    }
    /// Takes the value off the content of a tagged field.
    fn read_tagged(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, WireError> {
        Self::read(reader, layout)
    }
}

/// Where a message is read from; every step is checked against the end.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// An error at the place reached.
    pub fn fail(&self, reason: &'static str) -> WireError {
        WireError::Malformed { field: String::new(), at: self.at, reason }
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        if count > self.remaining() {
            return Err(self.fail("ends too early"));
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    /// The next bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// An unsigned varint of at most five bytes that fits 32 bits.
    pub fn unsigned_varint(&mut self) -> Result<u32, WireError> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            if shift == 28 && byte > 0x0f {
                return Err(self.fail("varint does not fit 32 bits"));
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.fail("varint is longer than five bytes"))
    }

    /// The length of a string; `None` is null.
    fn string_len(&mut self, layout: Layout) -> Result<Option<usize>, WireError> {
        match layout.flexible {
            true => self.compact_len(),
            false => self.signed_len(|reader| Ok(i32::from(i16::from_be_bytes(reader.array()?)))),
        }
    }

    /// The length of bytes or the count of a list; `None` is null.
    fn len(&mut self, layout: Layout) -> Result<Option<usize>, WireError> {
        match layout.flexible {
            true => self.compact_len(),
            false => self.signed_len(|reader| Ok(i32::from_be_bytes(reader.array()?))),
        }
    }

    fn signed_len(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<i32, WireError>,
    ) -> Result<Option<usize>, WireError> {
        match read(self)? {
            -1 => Ok(None),
            len if len < 0 => Err(self.fail("negative length")),
            len => self.bounded(len as usize).map(Some),
        }
    }

    fn compact_len(&mut self) -> Result<Option<usize>, WireError> {
        match self.unsigned_varint()? {
            0 => Ok(None),
            len => self.bounded(len as usize - 1).map(Some),
        }
    }

    /// Every byte and every element takes at least one byte.
    fn bounded(&self, len: usize) -> Result<usize, WireError> {
        match len <= self.remaining() {
            true => Ok(len),
            false => Err(self.fail("length is beyond the end")),
        }
    }

    /// Reads a tag section. `known` reads the value of a tag it knows from the reader it is given, else returns false.
    pub fn tags(
        &mut self,
        mut known: impl FnMut(u32, &mut Reader<'a>) -> Result<bool, WireError>,
    ) -> Result<(), WireError> {
        let (count, mut last, mut unknown) = (self.unsigned_varint()?, None, 0);
        for _ in 0..count {
            let tag = self.unsigned_varint()?;
            if last.is_some_and(|last| tag <= last) {
                return Err(self.fail("tags do not rise"));
            }
            last = Some(tag);
            let len = self.unsigned_varint()? as usize;
            let start = self.at;
            let mut value = Reader { bytes: &self.bytes[..start + self.bounded(len)?], at: start };
            match known(tag, &mut value)? {
                true if value.remaining() > 0 => return Err(value.fail("tagged field is longer than its value")),
                true => {}
                false => unknown += 1,
            }
            if unknown > UNKNOWN_TAGS_MAX {
                return Err(self.fail("too many unknown tagged fields"));
            }
            self.at = start + len;
        }
        Ok(())
    }
}

/// Appends an unsigned varint.
pub fn put_unsigned_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn put_string_len(out: &mut BytesMut, len: Option<usize>, layout: Layout) -> Result<(), WireError> {
    match (layout.flexible, len) {
        (true, _) => put_len(out, len, layout),
        (false, None) => {
            out.put_i16(-1);
            Ok(())
        }
        (false, Some(len)) => {
            let too_long = |_| WireError::TooLong { field: String::new(), version: layout.version };
            out.put_i16(i16::try_from(len).map_err(too_long)?);
            Ok(())
        }
    }
}

fn put_len(out: &mut BytesMut, len: Option<usize>, layout: Layout) -> Result<(), WireError> {
    let too_long = |_| WireError::TooLong { field: String::new(), version: layout.version };
    let len = len.map(i32::try_from).transpose().map_err(too_long)?;
    match layout.flexible {
        true => put_unsigned_varint(out, len.map_or(0, |len| len as u32 + 1)),
        false => out.put_i32(len.unwrap_or(-1)),
    }
    Ok(())
}

macro_rules! numbers {
    ($json:ident: $($number:ty),*) => {$(
        impl Wire for $number {
            fn write(&self, out: &mut BytesMut, _: Layout) -> Result<(), WireError> {
                out.put_slice(&self.to_be_bytes());
                Ok(())
            }
            fn read(reader: &mut Reader<'_>, _: Layout) -> Result<Self, WireError> {
                Ok(<$number>::from_be_bytes(reader.array()?))
            }
            fn json(&self, _: Layout) -> Json {
                Json::$json((*self).into())
            }
        }
    )*};
}
numbers!(Int: i8, i16, u16, i32, u32, i64);
numbers!(Float: f64);

impl Wire for bool {
    fn write(&self, out: &mut BytesMut, _: Layout) -> Result<(), WireError> {
        out.put_u8(u8::from(*self));
        Ok(())
    }
    fn read(reader: &mut Reader<'_>, _: Layout) -> Result<Self, WireError> {
        Ok(reader.array::<1>()? != [0])
    }
    fn json(&self, _: Layout) -> Json {
        Json::Bool(*self)
    }
}

impl Wire for Uuid {
    fn write(&self, out: &mut BytesMut, _: Layout) -> Result<(), WireError> {
        out.put_slice(&self.0);
        Ok(())
    }
    fn read(reader: &mut Reader<'_>, _: Layout) -> Result<Self, WireError> {
        Ok(Uuid(reader.array()?))
    }
    fn json(&self, _: Layout) -> Json {
        Json::Text(self.to_string())
    }
}

/// A value whose absence has an encoding of its own.
pub trait Nullable: Wire {
    /// Appends the value, or the mark of absence.
    fn write_nullable(value: Option<&Self>, out: &mut BytesMut, layout: Layout) -> Result<(), WireError>;
    /// Takes the value or the mark of absence off the front.
    fn read_nullable(reader: &mut Reader<'_>, layout: Layout) -> Result<Option<Self>, WireError>;

    /// Appends the value, or the mark of absence, as the content of a tagged field.
    fn write_nullable_tagged(value: Option<&Self>, out: &mut BytesMut, layout: Layout) -> Result<(), WireError> {
        Self::write_nullable(value, out, layout)
    }
    /// Takes the value or the mark of absence off the content of a tagged field.
    fn read_nullable_tagged(reader: &mut Reader<'_>, layout: Layout) -> Result<Option<Self>, WireError> {
        Self::read_nullable(reader, layout)
    }
}

impl<T: Nullable> Wire for Option<T> {
    fn write(&self, out: &mut BytesMut, layout: Layout) -> Result<(), WireError> {
        T::write_nullable(self.as_ref(), out, layout)
    }
    fn read(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, WireError> {
        T::read_nullable(reader, layout)
    }
    fn json(&self, layout: Layout) -> Json {
        self.as_ref().map_or(Json::Null, |value| value.json(layout))
    }
    fn write_tagged(&self, out: &mut BytesMut, layout: Layout) -> Result<(), WireError> {
        T::write_nullable_tagged(self.as_ref(), out, layout)
    }
    fn read_tagged(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, WireError> {
        T::read_nullable_tagged(reader, layout)
    }
}

macro_rules! never_null {
    () => {
        fn write(&self, out: &mut BytesMut, layout: Layout) -> Result<(), WireError> {
            Self::write_nullable(Some(self), out, layout)
        }
        fn read(reader: &mut Reader<'_>, layout: Layout) -> Result<Self, WireError> {
            Self::read_nullable(reader, layout)?.ok_or_else(|| reader.fail("is null"))
        }
    };
}

impl Wire for String {
    never_null!();
    fn json(&self, _: Layout) -> Json {
        Json::Text(self.clone())
    }
}

impl Nullable for String {
    fn write_nullable(value: Option<&Self>, out: &mut BytesMut, layout: Layout) -> Result<(), WireError> {
        put_string_len(out, value.map(String::len), layout)?;
        out.put_slice(value.map_or(&[], |text| text.as_bytes()));
        Ok(())
    }
    fn read_nullable(reader: &mut Reader<'_>, layout: Layout) -> Result<Option<Self>, WireError> {
        let Some(len) = reader.string_len(layout)? else { return Ok(None) };
        let text = std::str::from_utf8(reader.take(len)?);
        Ok(Some(text.map_err(|_| reader.fail("is not UTF-8"))?.to_owned()))
    }
}

impl Wire for Bytes {
    never_null!();
    fn json(&self, _: Layout) -> Json {
        Json::Bytes(self.clone())
    }
}

impl Nullable for Bytes {
    fn write_nullable(value: Option<&Self>, out: &mut BytesMut, layout: Layout) -> Result<(), WireError> {
        put_len(out, value.map(Bytes::len), layout)?;
        out.put_slice(value.map_or(&[], |bytes| bytes));
        Ok(())
    }
    fn read_nullable(reader: &mut Reader<'_>, layout: Layout) -> Result<Option<Self>, WireError> {
        let Some(len) = reader.len(layout)? else { return Ok(None) };
        Ok(Some(Bytes::copy_from_slice(reader.take(len)?)))
    }
}

impl<T: Wire> Wire for Vec<T> {
    never_null!();
    fn json(&self, layout: Layout) -> Json {
        Json::List(self.iter().map(|element| element.json(layout)).collect())
    }
}

impl<T: Wire> Nullable for Vec<T> {
    fn write_nullable(value: Option<&Self>, out: &mut BytesMut, layout: Layout) -> Result<(), WireError> {
        put_len(out, value.map(Vec::len), layout)?;
        value.into_iter().flatten().try_for_each(|element| element.write(out, layout))
    }
    fn read_nullable(reader: &mut Reader<'_>, layout: Layout) -> Result<Option<Self>, WireError> {
        let Some(count) = reader.len(layout)? else { return Ok(None) };
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(T::read(reader, layout)?);
        }
        Ok(Some(list))
    }
}
