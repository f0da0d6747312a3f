//! Records, borrowed from the bytes they stand in.

use super::varint::{Cursor, varint_len};

/// Why the records of a batch cannot be read; the words are Kafka's where it has any.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// The header's record count is negative.
    #[error("Found invalid record count {0} in magic v2 batch")]
    Count(i32),
    /// A record is longer than what is left of the batch, or its length is negative.
    #[error("Invalid record size: expected {expected} bytes in record payload, but only {available} are left")]
    Size { expected: i32, available: usize },
    /// A record's fields do not end where its length says.
    #[error("Invalid record size: expected to read {expected} bytes in record payload, but instead read {read}")]
    FieldsEnd { expected: usize, read: usize },
    /// A negative number of headers, or more than there are bytes.
    #[error("Found invalid number of record headers {0}")]
    HeaderCount(i32),
    /// A header without a key.
    #[error("Invalid negative header key size {0}")]
    HeaderKey(i32),
    /// A field runs over the end of its record.
    #[error("Found invalid record structure")]
    Structure,
    /// Fewer records than the header counts.
    #[error("Incorrect declared batch size, premature EOF reached")]
    Missing,
    /// More bytes than the records that the header counts.
    #[error("Incorrect declared batch size, records still remaining in file")]
    Remaining,
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// Bytes of the record as it stands in the uncompressed batch, its length field included.
    pub size: usize,
    pub attributes: u8,
    /// To be added to the batch's base timestamp; see `BatchHeader::timestamp_of`.
    pub timestamp_delta: i64,
    /// To be added to the batch's base offset; see `BatchHeader::offset_of`.
    pub offset_delta: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: HeaderIter<'a>,
}

/// A key and a value beside the record's own. Keys repeat, and need not be UTF-8 as far as the broker cares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordHeader<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// The headers of a record, in order. They were checked when the record was read.
#[derive(Clone, Copy, Debug)]
pub struct HeaderIter<'a> {
    left: usize,
    cursor: Cursor<'a>,
}

impl HeaderIter<'_> {
    /// How many headers are left.
    pub fn len(&self) -> usize {
        self.left
    }

    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = RecordHeader<'a>;

    fn next(&mut self) -> Option<RecordHeader<'a>> {
        self.left = self.left.checked_sub(1)?;
        read_header(&mut self.cursor).ok()
    }
}

fn read_header<'a>(cursor: &mut Cursor<'a>) -> Result<RecordHeader<'a>, RecordError> {
    let key_len = cursor.varint().ok_or(RecordError::Structure)?;
    let len = usize::try_from(key_len).map_err(|_| RecordError::HeaderKey(key_len))?;
    let key = cursor.take(len).ok_or(RecordError::Structure)?;
    let value = cursor.nullable_bytes().ok_or(RecordError::Structure)?;
    Ok(RecordHeader { key, value })
}

impl<'a> RecordRef<'a> {
    /// Reads the record at the cursor and every field of it.
    #[inline]
    fn read(cursor: &mut Cursor<'a>) -> Result<RecordRef<'a>, RecordError> {
        let length = cursor.varint().ok_or(RecordError::Missing)?;
        let available = cursor.remaining();
        let size_error = RecordError::Size { expected: length, available };
        let len = usize::try_from(length).map_err(|_| size_error.clone())?;
        let mut body = Cursor::new(cursor.take(len).ok_or(size_error)?);
        let fixed = || -> Option<RecordRef<'a>> {
            Some(RecordRef {
                size: varint_len(length) + len,
                attributes: body.byte()?,
                timestamp_delta: body.varlong()?,
                offset_delta: body.varint()?,
                key: body.nullable_bytes()?,
                value: body.nullable_bytes()?,
                headers: HeaderIter { left: 0, cursor: Cursor::new(&[]) },
            })
        }();
        let mut record = fixed.ok_or(RecordError::Structure)?;
        let count = body.varint().ok_or(RecordError::Structure)?;
        let left = usize::try_from(count).map_err(|_| RecordError::HeaderCount(count))?;
        if left > body.remaining() {
            return Err(RecordError::HeaderCount(count));
        }
        record.headers = HeaderIter { left, cursor: body };
        for _ in 0..left {
            read_header(&mut body)?;
        }
        if body.remaining() != 0 {
            return Err(RecordError::FieldsEnd { expected: len, read: len - body.remaining() });
        }
        Ok(record)
    }
}

/// Walks the records of a batch. After an error, and after the counted records, it ends.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    cursor: Cursor<'a>,
    left: usize,
}

impl<'a> RecordIter<'a> {
    /// Walks `count` records in `bytes`, which are no longer compressed.
    pub fn new(bytes: &'a [u8], count: i32) -> Result<RecordIter<'a>, RecordError> {
        let left = usize::try_from(count).map_err(|_| RecordError::Count(count))?;
        Ok(RecordIter { cursor: Cursor::new(bytes), left })
    }

    /// How many records the batch says are left.
    pub fn left(&self) -> usize {
        self.left
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<RecordRef<'a>, RecordError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut record = RecordRef::read(&mut self.cursor);
        if record.is_ok() && self.left == 0 && self.cursor.remaining() != 0 {
            record = Err(RecordError::Remaining);
        }
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }
}
