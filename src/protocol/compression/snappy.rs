//! Snappy in both framings met in the field: xerial's (Java, librdkafka) and one raw block.

use super::output::Output;
use super::{Compression, CompressionError};

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Magic, version, oldest compatible version.
const HEADER_BYTES: usize = 16;
const VERSION: i32 = 1;
/// The block size of xerial's writer.
const BLOCK_BYTES: usize = 32 << 10;

fn corrupt(reason: &'static str) -> CompressionError {
    CompressionError::Corrupt { codec: Compression::Snappy, reason }
}

fn decompress_block(block: &[u8], out: &mut Output) -> Result<(), CompressionError> {
    let len = snap::raw::decompress_len(block).map_err(|_| corrupt("a block has no valid length"))?;
    out.check(len)?;
    // A tag of three bytes copies at most 64, so a length beyond that ratio is a lie not worth the memory.
    if len / 32 > block.len() {
        return Err(corrupt("a block claims more than it can hold"));
    }
    let written =
        snap::raw::Decoder::new().decompress(block, out.room(len)).map_err(|_| corrupt("a block is malformed"))?;
    out.advance(written)
}

fn int(bytes: &[u8]) -> i32 {
    i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// Reads xerial's framing (which may repeat its header inside the stream), or else one raw block.
pub(super) fn decompress(mut input: &[u8], out: &mut Output) -> Result<(), CompressionError> {
    if input.is_empty() {
        return Err(corrupt("the stream is empty"));
    }
    if input.len() < HEADER_BYTES || !input.starts_with(&MAGIC) {
        return decompress_block(input, out);
    }
    while !input.is_empty() {
        if input.starts_with(&MAGIC[..4]) {
            if input.len() < HEADER_BYTES || !input.starts_with(&MAGIC) || int(&input[8..]) < VERSION {
                return Err(corrupt("a stream header is malformed"));
            }
            input = &input[HEADER_BYTES..];
            continue;
        }
        let (length, rest) = input.split_at_checked(4).ok_or(corrupt("the stream ends early"))?;
        let len = usize::try_from(int(length)).map_err(|_| corrupt("a block has a negative length"))?;
        let (block, rest) = rest.split_at_checked(len).ok_or(corrupt("the stream ends early"))?;
        decompress_block(block, out)?;
        input = rest;
    }
    Ok(())
}

/// Appends `input` in xerial's framing.
pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in input.chunks(BLOCK_BYTES) {
        let start = out.len();
        out.resize(start + 4 + snap::raw::max_compress_len(block.len()), 0);
        let written = encoder.compress(block, &mut out[start + 4..]).expect("room for the worst case");
        out[start..start + 4].copy_from_slice(&(written as i32).to_be_bytes());
        out.truncate(start + 4 + written);
    }
}
