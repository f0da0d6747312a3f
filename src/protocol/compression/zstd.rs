//! Zstandard with contexts that are used again, which is most of the cost of a small batch.

use std::cell::RefCell;

use zstd::zstd_safe::{CCtx, CParameter, DCtx, InBuffer, OutBuffer, ResetDirective, compress_bound};

use super::output::Output;
use super::{Compression, CompressionError};

/// A context whose last frame had a window beyond this is not kept.
const RETAINED_BYTES_MAX: usize = 9 << 20;
const LEVEL_DEFAULT: i32 = 3;

fn corrupt(reason: &'static str) -> CompressionError {
    CompressionError::Corrupt { codec: Compression::Zstd, reason }
}

/// A decompression context. It refuses windows above 128 MiB by itself.
pub(super) struct Decoder {
    context: Option<DCtx<'static>>,
}

impl Decoder {
    pub(super) fn new() -> Decoder {
        Decoder { context: None }
    }

    /// Reads all frames of `input`.
    pub(super) fn decompress(&mut self, input: &[u8], out: &mut Output) -> Result<(), CompressionError> {
        let context = self.context.get_or_insert_with(DCtx::create);
        context.reset(ResetDirective::SessionOnly).expect("a session can always be reset");
        let result = decompress_frames(context, input, out);
        if context.sizeof() > RETAINED_BYTES_MAX {
            self.context = None;
        }
        result
    }
}

fn decompress_frames(context: &mut DCtx<'static>, input: &[u8], out: &mut Output) -> Result<(), CompressionError> {
    if input.is_empty() {
        return Ok(()); // no frame is no data
    }
    let mut from = InBuffer::around(input);
    loop {
        let room = out.room(1);
        let room_bytes = room.len();
        let mut to = OutBuffer::around(room);
        let hint = context.decompress_stream(&mut to, &mut from).map_err(|_| corrupt("a frame is malformed"))?;
        let written = to.pos();
        out.advance(written)?;
        let exhausted = from.pos() == input.len();
        if exhausted && hint == 0 {
            return Ok(());
        }
        if exhausted && written < room_bytes {
            return Err(corrupt("the stream ends early"));
        }
    }
}

thread_local! {
    static CONTEXT: RefCell<Option<CCtx<'static>>> = const { RefCell::new(None) };
}

/// Appends `input` as one frame.
pub(super) fn compress(level: Option<i32>, input: &[u8], out: &mut Vec<u8>) {
    CONTEXT.with_borrow_mut(|context| {
        let context = context.get_or_insert_with(CCtx::create);
        let level = CParameter::CompressionLevel(level.unwrap_or(LEVEL_DEFAULT));
        context.set_parameter(level).expect("zstd clamps levels that it does not have");
        let start = out.len();
        out.resize(start + compress_bound(input.len()), 0);
        let written = context.compress2(&mut out[start..], input).expect("room for the worst case");
        out.truncate(start + written);
    });
}
