//! Frames out of a stream of bytes.

use bytes::{Buf, Bytes, BytesMut};

/// Bytes of the length in front of each frame.
const PREFIX_LEN: usize = 4;
/// A connection keeps a buffer of this size between requests, uncharged; what exceeds it is charged and let go.
const RETAINED_MAX: usize = 64 << 10;
/// Room for the first read of a connection.
const FIRST_READ: usize = 4 << 10;
/// A connection whose frames were larger is trusted with at most this much before the bytes are there.
const TRUSTED_MAX: usize = 1 << 20;

/// The length in front of a frame is not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameLengthError {
    #[error("the frame claims a negative length of {0} bytes")]
    Negative(i32),
    #[error("the frame claims {len} bytes, more than socket.request.max.bytes ({max})")]
    TooLong { len: usize, max: usize },
}

/// Collects what arrives and cuts it into frames.
pub(super) struct FrameBuffer {
    buffer: BytesMut,
    frame_len_max: usize,
    /// How much the next read should have room for; doubles as long as reads fill it.
    read_len: usize,
    /// The largest frame that this connection has sent in full.
    trusted: usize,
    /// The most that the allocation behind the buffer can hold, of which the buffer may see a part only.
    allocated: usize,
}

impl FrameBuffer {
    /// A buffer for frames of at most `frame_len_max` bytes.
    pub(super) fn new(frame_len_max: usize) -> FrameBuffer {
        FrameBuffer { buffer: BytesMut::new(), frame_len_max, read_len: FIRST_READ, trusted: 0, allocated: 0 }
    }

    /// The next whole frame without its length, if it has arrived.
    pub(super) fn next_frame(&mut self) -> Result<Option<Bytes>, FrameLengthError> {
        let Some(len) = self.declared_len()? else { return Ok(None) };
        if self.buffer.len() < PREFIX_LEN + len {
            return Ok(None);
        }
        self.buffer.advance(PREFIX_LEN);
        self.trusted = self.trusted.max(len);
        Ok(Some(self.buffer.split_to(len).freeze()))
    }

    /// True if a frame has begun to arrive.
    pub(super) fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Bytes that have arrived of the frame that is not complete.
    pub(super) fn arrived(&self) -> usize {
        self.buffer.len()
    }

    /// The bytes after the length of the frame that is arriving.
    pub(super) fn head(&self) -> &[u8] {
        self.buffer.get(PREFIX_LEN..).unwrap_or_default()
    }

    /// How many bytes the next read needs room for. It grows with what has arrived and with what this connection has
    /// sent before, never with the length that a frame claims.
    pub(super) fn room_wanted(&self) -> usize {
        let arrived = self.buffer.len();
        let missing = match self.declared_len() {
            Ok(Some(len)) => (PREFIX_LEN + len).saturating_sub(arrived),
            _ => 0,
        };
        let earned = arrived.max(RETAINED_MAX).max(self.trusted.min(TRUSTED_MAX));
        missing.min(earned).max(self.read_len)
    }

    /// What a connection with room for `wanted` more bytes is charged.
    pub(super) fn chargeable(&self, wanted: usize) -> usize {
        let size = self.buffer.len() + wanted;
        if size > RETAINED_MAX { size } else { 0 }
    }

    /// Frees a large buffer that is empty. Answers what a connection that reads no further is charged.
    pub(super) fn let_go(&mut self) -> usize {
        if self.buffer.is_empty() && self.allocated > RETAINED_MAX {
            self.buffer = BytesMut::new();
            self.allocated = 0;
        }
        self.chargeable(0)
    }

    /// The buffer to read into, with room for `wanted` bytes.
    pub(super) fn room(&mut self, wanted: usize) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < wanted {
            self.buffer.reserve(wanted);
            self.allocated = self.allocated.max(self.buffer.capacity());
        }
        &mut self.buffer
    }

    /// Notes that a read brought `len` bytes, to give the next one fitting room.
    pub(super) fn note_read(&mut self, len: usize) {
        if len >= self.read_len {
            self.read_len = (self.read_len * 2).min(RETAINED_MAX);
        }
    }

    fn declared_len(&self) -> Result<Option<usize>, FrameLengthError> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX_LEN>() else { return Ok(None) };
        let len = i32::from_be_bytes(*prefix);
        match usize::try_from(len) {
            Err(_) => Err(FrameLengthError::Negative(len)),
            Ok(len) if len > self.frame_len_max => Err(FrameLengthError::TooLong { len, max: self.frame_len_max }),
            Ok(len) => Ok(Some(len)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(frames: &mut FrameBuffer, bytes: &[u8]) {
        let wanted = frames.room_wanted().max(bytes.len());
        frames.room(wanted).extend_from_slice(bytes);
        frames.note_read(bytes.len());
    }

    #[test]
    fn frames_arrive_in_any_cut() {
        let stream = b"\0\0\0\x03abc\0\0\0\0\0\0\0\x01d";
        for cut in 0..stream.len() {
            let mut frames = FrameBuffer::new(10);
            let mut seen: Vec<Bytes> = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                feed(&mut frames, part);
                while let Some(frame) = frames.next_frame().expect("good lengths") {
                    seen.push(frame);
                }
            }
            assert_eq!(seen, [&b"abc"[..], b"", b"d"], "cut at {cut}");
            assert!(!frames.is_partial());
        }
    }

    #[test]
    fn bad_lengths_are_errors() {
        for (prefix, error) in [
            (-1, FrameLengthError::Negative(-1)),
            (i32::MIN, FrameLengthError::Negative(i32::MIN)),
            (11, FrameLengthError::TooLong { len: 11, max: 10 }),
            (i32::MAX, FrameLengthError::TooLong { len: i32::MAX as usize, max: 10 }),
        ] {
            let mut frames = FrameBuffer::new(10);
            feed(&mut frames, &prefix.to_be_bytes());
            assert_eq!(frames.next_frame(), Err(error));
        }
    }

    #[test]
    fn room_is_earned_by_bytes_not_by_claims() {
        let mut frames = FrameBuffer::new(100 << 20);
        feed(&mut frames, &(90i32 << 20).to_be_bytes());
        assert_eq!(frames.room_wanted(), RETAINED_MAX);
        assert!(frames.room(RETAINED_MAX).capacity() <= 2 * RETAINED_MAX);
        feed(&mut frames, &vec![0; 1 << 20]);
        assert_eq!(frames.room_wanted(), (1 << 20) + PREFIX_LEN);
    }

    #[test]
    fn a_large_buffer_is_let_go_when_it_is_empty() {
        let mut frames = FrameBuffer::new(100 << 20);
        let mut frame = (2i32 << 20).to_be_bytes().to_vec();
        frame.resize(PREFIX_LEN + (2 << 20), 7);
        feed(&mut frames, &frame);
        assert!(frames.next_frame().expect("good length").is_some());
        assert_eq!(frames.chargeable(frames.room_wanted()), 0);
        let wanted = frames.room_wanted();
        assert_eq!(frames.let_go(), 0);
        assert!(frames.room(wanted).capacity() <= RETAINED_MAX);
    }
}
