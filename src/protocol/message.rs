//! One declaration per message: its struct, defaults, encoding, decoding and JSON all follow from it.
//!
//! A field reads `name: Type [since 2, until 3, tag 0, ignorable] = default;`. `Option` is Kafka's "nullable". A struct
//! with `(min..=max, flexible since)` behind its name is a [`Message`]; one without is part of another.

use bytes::{BufMut, Bytes, BytesMut};

use super::json::{Json, field_name};
use super::wire::{Layout, Reader, Wire, WireError, put_unsigned_varint};

/// Why a record cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("unknown {family} record of type {key}")]
    UnknownKey { family: &'static str, key: i16 },
    #[error("{name} has version {version}; {min} to {max} are known")]
    UnknownVersion { name: &'static str, version: i16, min: i16, max: i16 },
    #[error("{name}: {error}")]
    Malformed { name: &'static str, error: WireError },
}

/// A struct that stands alone and has versions.
pub trait Message: Wire + Default {
    /// Kafka's name of the schema.
    const NAME: &'static str;
    /// The oldest and the newest version.
    const VERSIONS: (i16, i16);
    /// The first version with the flexible encoding.
    const FLEXIBLE_SINCE: i16;

    /// How `version` is laid out, if the message has it.
    fn layout(version: i16) -> Result<Layout, RecordError> {
        let (min, max) = Self::VERSIONS;
        match (min..=max).contains(&version) {
            true => Ok(Layout { version, flexible: version >= Self::FLEXIBLE_SINCE }),
            false => Err(RecordError::UnknownVersion { name: Self::NAME, version, min, max }),
        }
    }

    /// Appends the fields.
    fn encode_into(&self, out: &mut BytesMut, version: i16) -> Result<(), RecordError> {
        self.write(out, Self::layout(version)?).map_err(|error| RecordError::Malformed { name: Self::NAME, error })
    }

    /// The fields alone.
    fn encode(&self, version: i16) -> Result<Bytes, RecordError> {
        let mut out = BytesMut::new();
        self.encode_into(&mut out, version)?;
        Ok(out.freeze())
    }

    /// The fields behind their version as an `i16`, as coordinators store values.
    fn encode_versioned(&self, version: i16) -> Result<Bytes, RecordError> {
        let mut out = BytesMut::new();
        out.put_i16(version);
        self.encode_into(&mut out, version)?;
        Ok(out.freeze())
    }

    /// Reads the fields; returns with them the count of bytes behind the last.
    fn decode(bytes: &[u8], version: i16) -> Result<(Self, usize), RecordError> {
        let mut reader = Reader::new(bytes);
        let message = Self::read(&mut reader, Self::layout(version)?)
            .map_err(|error| RecordError::Malformed { name: Self::NAME, error })?;
        Ok((message, reader.remaining()))
    }

    /// The fields as Kafka's tools print them. A version that is not known is printed as the newest.
    fn to_json(&self, version: i16) -> Json {
        self.json(Layout { version, flexible: version >= Self::FLEXIBLE_SINCE })
    }

    /// Reads an `i16` version and the fields of that version; bytes behind them are ignored, as in Kafka.
    fn decode_versioned(bytes: &[u8]) -> Result<(Self, i16), RecordError> {
        let Some((version, fields)) = bytes.split_first_chunk() else {
            let error = WireError::Malformed { field: "version".to_owned(), at: 0, reason: "ends too early" };
            return Err(RecordError::Malformed { name: Self::NAME, error });
        };
        let version = i16::from_be_bytes(*version);
        Ok((Self::decode(fields, version)?.0, version))
    }
}

/// Where a field lives: in which versions, and whether among the tagged ones.
#[derive(Clone, Copy)]
pub struct Field {
    since: i16,
    until: i16,
    tag: Option<u32>,
    ignorable: bool,
}

impl Field {
    /// A field of every version.
    pub const ALWAYS: Field = Field { since: 0, until: i16::MAX, tag: None, ignorable: false };

    /// The field begins with `version`.
    pub const fn since(self, version: i16) -> Field {
        Field { since: version, ..self }
    }

    /// The field ends with `version`.
    pub const fn until(self, version: i16) -> Field {
        Field { until: version, ..self }
    }

    /// The field is a tagged one.
    pub const fn tag(self, tag: u32) -> Field {
        Field { tag: Some(tag), ..self }
    }

    /// The field may be dropped silently in versions without it.
    pub const fn ignorable(self) -> Field {
        Field { ignorable: true, ..self }
    }

    /// Whether the field stands at its place among the untagged fields.
    pub fn is_plain(self, layout: Layout) -> bool {
        self.tag.is_none() && self.exists(layout)
    }

    /// Whether the field is the one that `tag` announces.
    pub fn is_tagged(self, tag: u32, layout: Layout) -> bool {
        self.tag == Some(tag) && self.exists(layout)
    }

    fn exists(self, layout: Layout) -> bool {
        (self.since..=self.until).contains(&layout.version) && (self.tag.is_none() || layout.flexible)
    }
}

/// Writes the fields of one struct in their declared order, holding back the tagged ones to the end.
pub struct StructWriter<'a> {
    out: &'a mut BytesMut,
    layout: Layout,
    tagged: Vec<(u32, BytesMut)>,
}

impl<'a> StructWriter<'a> {
    /// A writer for one struct.
    pub fn new(out: &'a mut BytesMut, layout: Layout) -> StructWriter<'a> {
        StructWriter { out, layout, tagged: Vec::new() }
    }

    /// Writes one field. `is_default`: a tagged field is then left out, and an absent one is no loss.
    pub fn field<T: Wire>(
        &mut self,
        name: &str,
        field: Field,
        value: &T,
        is_default: impl FnOnce(&T) -> bool,
    ) -> Result<(), WireError> {
        if field.is_plain(self.layout) {
            return value.write(self.out, self.layout).map_err(|error| error.within(name));
        }
        if is_default(value) {
            return Ok(());
        }
        match field.tag {
            Some(tag) if field.exists(self.layout) => {
                let mut bytes = BytesMut::new();
                value.write_tagged(&mut bytes, self.layout).map_err(|error| error.within(name))?;
                self.tagged.push((tag, bytes));
                Ok(())
            }
            _ if field.ignorable => Ok(()),
            _ => Err(WireError::NotInVersion { field: name.to_owned(), version: self.layout.version }),
        }
    }

    /// Writes the tag section, in versions that have one.
    pub fn finish(mut self) -> Result<(), WireError> {
        if !self.layout.flexible {
            return Ok(());
        }
        self.tagged.sort_by_key(|(tag, _)| *tag);
        put_unsigned_varint(self.out, self.tagged.len() as u32);
        for (tag, bytes) in self.tagged {
            let too_long = |_| WireError::TooLong { field: format!("tag {tag}"), version: self.layout.version };
            put_unsigned_varint(self.out, tag);
            put_unsigned_varint(self.out, u32::try_from(bytes.len()).map_err(too_long)?);
            self.out.put_slice(&bytes);
        }
        Ok(())
    }
}

/// Collects the fields of one struct as JSON, in their declared order.
pub struct JsonWriter {
    layout: Layout,
    fields: Vec<(String, Json)>,
}

impl JsonWriter {
    /// A writer for one struct.
    pub fn new(layout: Layout) -> JsonWriter {
        JsonWriter { layout, fields: Vec::new() }
    }

    /// Adds one field, unless the version lacks it or it is a tagged field with its default.
    pub fn field<T: Wire>(&mut self, name: &str, field: Field, value: &T, is_default: impl FnOnce(&T) -> bool) {
        if field.exists(self.layout) && (field.tag.is_none() || !is_default(value)) {
            self.fields.push((field_name(name), value.json(self.layout)));
        }
    }

    /// The object.
    pub fn finish(self) -> Json {
        Json::Object(self.fields)
    }
}

/// Declares message structs; see the top of this file.
macro_rules! message {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident $(($min:literal..=$max:literal $(, flexible $flexible:literal)?))? {
            $( $(#[$field_meta:meta])* $field:ident : $type:ty $([$($attribute:tt)*])? $(= $default:expr)?; )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
        }

        impl Default for $name {
            fn default() -> $name {
                $name { $( $field: $crate::protocol::message::message!(@default $($default)?), )* }
            }
        }

        $($crate::protocol::message::message! { @message $name $min $max $($flexible)? })?

        impl $crate::protocol::wire::Wire for $name {
            fn write(
                &self,
                out: &mut bytes::BytesMut,
                layout: $crate::protocol::wire::Layout,
            ) -> Result<(), $crate::protocol::wire::WireError> {
                #[allow(unused_mut)]
                let mut writer = $crate::protocol::message::StructWriter::new(out, layout);
                $({
                    const FIELD: $crate::protocol::message::Field = $crate::protocol::message::message!(
                        @field $crate::protocol::message::Field::ALWAYS; $($($attribute)*)?
                    );
                    writer.field(stringify!($field), FIELD, &self.$field, |value| {
                        let default: $type = $crate::protocol::message::message!(@default $($default)?);
                        *value == default
                    })?;
                })*
                writer.finish()
            }

            fn read(
                reader: &mut $crate::protocol::wire::Reader<'_>,
                layout: $crate::protocol::wire::Layout,
            ) -> Result<$name, $crate::protocol::wire::WireError> {
                #[allow(unused_mut)]
                let mut message = $name::default();
                $(
                    if $crate::protocol::message::message!(
                        @field $crate::protocol::message::Field::ALWAYS; $($($attribute)*)?
                    ).is_plain(layout) {
                        message.$field = $crate::protocol::wire::Wire::read(reader, layout)
                            .map_err(|error| error.within(stringify!($field)))?;
                    }
                )*
                if layout.flexible {
                    #[allow(unused_variables)]
                    reader.tags(|tag, reader| {
                        $(
                            if $crate::protocol::message::message!(
                                @field $crate::protocol::message::Field::ALWAYS; $($($attribute)*)?
                            ).is_tagged(tag, layout) {
                                message.$field = $crate::protocol::wire::Wire::read_tagged(reader, layout)
                                    .map_err(|error| error.within(stringify!($field)))?;
                                return Ok(true);
                            }
                        )*
                        Ok(false)
                    })?;
                }
                Ok(message)
            }

            fn json(&self, layout: $crate::protocol::wire::Layout) -> $crate::protocol::json::Json {
                #[allow(unused_mut)]
                let mut writer = $crate::protocol::message::JsonWriter::new(layout);
                $({
                    const FIELD: $crate::protocol::message::Field = $crate::protocol::message::message!(
                        @field $crate::protocol::message::Field::ALWAYS; $($($attribute)*)?
                    );
                    writer.field(stringify!($field), FIELD, &self.$field, |value| {
                        let default: $type = $crate::protocol::message::message!(@default $($default)?);
                        *value == default
                    });
                })*
                writer.finish()
            }
        }

        impl $crate::protocol::wire::Nullable for $name {
            fn write_nullable(
                value: Option<&$name>,
                out: &mut bytes::BytesMut,
                layout: $crate::protocol::wire::Layout,
            ) -> Result<(), $crate::protocol::wire::WireError> {
                $crate::protocol::message::write_nullable_struct(value, out, layout)
            }
            fn read_nullable(
                reader: &mut $crate::protocol::wire::Reader<'_>,
                layout: $crate::protocol::wire::Layout,
            ) -> Result<Option<$name>, $crate::protocol::wire::WireError> {
                $crate::protocol::message::read_nullable_struct(reader, layout)
            }
            fn write_nullable_tagged(
                value: Option<&$name>,
                out: &mut bytes::BytesMut,
                layout: $crate::protocol::wire::Layout,
            ) -> Result<(), $crate::protocol::wire::WireError> {
                $crate::protocol::message::write_tagged_struct(value, out, layout)
            }
            fn read_nullable_tagged(
                reader: &mut $crate::protocol::wire::Reader<'_>,
                layout: $crate::protocol::wire::Layout,
            ) -> Result<Option<$name>, $crate::protocol::wire::WireError> {
                $crate::protocol::message::read_tagged_struct(reader, layout)
            }
        }
    )*};
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
    (@field $field:expr;) => { $field };
    (@field $field:expr; since $version:literal $(, $($rest:tt)*)?) => {
        $crate::protocol::message::message!(@field $field.since($version); $($($rest)*)?)
    };
    (@field $field:expr; until $version:literal $(, $($rest:tt)*)?) => {
        $crate::protocol::message::message!(@field $field.until($version); $($($rest)*)?)
    };
    (@field $field:expr; tag $tag:literal $(, $($rest:tt)*)?) => {
        $crate::protocol::message::message!(@field $field.tag($tag); $($($rest)*)?)
    };
    (@field $field:expr; ignorable $(, $($rest:tt)*)?) => {
        $crate::protocol::message::message!(@field $field.ignorable(); $($($rest)*)?)
    };
    (@message $name:ident $min:literal $max:literal) => {
        $crate::protocol::message::message! { @message $name $min $max 0x7fff }
    };
    (@message $name:ident $min:literal $max:literal $flexible:literal) => {
        impl $crate::protocol::message::Message for $name {
            const NAME: &'static str = stringify!($name);
            const VERSIONS: (i16, i16) = ($min, $max);
            const FLEXIBLE_SINCE: i16 = $flexible;
        }
    };
}
pub(crate) use message;

/// A nullable struct stands behind a byte: 1, or -1 for null.
pub fn write_nullable_struct<T: Wire>(value: Option<&T>, out: &mut BytesMut, layout: Layout) -> Result<(), WireError> {
    match value {
        Some(value) => {
            out.put_i8(1);
            value.write(out, layout)
        }
        None => {
            out.put_i8(-1);
            Ok(())
        }
    }
}

/// Reads what [`write_nullable_struct`] writes; as in Kafka any byte below zero is null.
pub fn read_nullable_struct<T: Wire>(reader: &mut Reader<'_>, layout: Layout) -> Result<Option<T>, WireError> {
    match i8::from_be_bytes(reader.array()?) < 0 {
        true => Ok(None),
        false => T::read(reader, layout).map(Some),
    }
}

/// In a tagged field the mark of a nullable struct is not a byte of 1 or -1 but a varint of 1 or 0.
pub fn write_tagged_struct<T: Wire>(value: Option<&T>, out: &mut BytesMut, layout: Layout) -> Result<(), WireError> {
    put_unsigned_varint(out, u32::from(value.is_some()));
    value.map_or(Ok(()), |value| value.write(out, layout))
}

/// Reads what [`write_tagged_struct`] writes.
pub fn read_tagged_struct<T: Wire>(reader: &mut Reader<'_>, layout: Layout) -> Result<Option<T>, WireError> {
    match reader.unsigned_varint()? {
        0 => Ok(None),
        _ => T::read(reader, layout).map(Some),
    }
}
