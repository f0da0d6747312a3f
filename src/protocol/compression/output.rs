//! The bounded, reused memory that codecs write into.

use super::CompressionError;

/// Memory is first taken and then grown by at least this much.
const GROWTH_BYTES_MIN: usize = 64 << 10;
/// What a decompressor keeps between batches.
const RETAINED_BYTES_MAX: usize = 2 << 20;

/// A buffer that is always initialised to its whole length, so that codecs can be given slices of it.
pub(super) struct Output {
    buffer: Vec<u8>,
    filled: usize,
    limit: usize,
}

impl Output {
    pub(super) fn new(limit: usize) -> Output {
        Output { buffer: Vec::new(), filled: 0, limit }
    }

    /// Forgets the last batch, and its memory if that was a large one.
    pub(super) fn restart(&mut self) {
        self.filled = 0;
        if self.buffer.len() > RETAINED_BYTES_MAX {
            self.buffer = Vec::new();
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// Fails if `len` more bytes would exceed the limit.
    pub(super) fn check(&self, len: usize) -> Result<(), CompressionError> {
        if len > self.limit.saturating_sub(self.filled) {
            return Err(CompressionError::TooLarge { limit: self.limit });
        }
        Ok(())
    }

    /// Space for at least `len` bytes (`len` is at most one block of the codec, so the limit may be passed by that).
    pub(super) fn room(&mut self, len: usize) -> &mut [u8] {
        if self.buffer.len() - self.filled < len {
            let doubled = (self.buffer.len() * 2).clamp(GROWTH_BYTES_MIN, self.limit.saturating_add(GROWTH_BYTES_MIN));
            self.buffer.resize(doubled.max(self.filled + len), 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// `len` bytes of the room were written.
    pub(super) fn advance(&mut self, len: usize) -> Result<(), CompressionError> {
        self.check(len)?;
        self.filled += len;
        Ok(())
    }

    /// Appends bytes that needed no decompression.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> Result<(), CompressionError> {
        self.check(bytes.len())?;
        self.room(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.advance(bytes.len())
    }

    /// What was written from `start` on.
    pub(super) fn written_since(&self, start: usize) -> &[u8] {
        &self.buffer[start..self.filled]
    }

    pub(super) fn len(&self) -> usize {
        self.filled
    }
}
