//! LZ4 frames as Kafka's Java code reads and writes them: independent blocks, one frame, an end mark.

use super::output::Output;
use super::xxhash::xxh32;
use super::{Compression, CompressionError};

const MAGIC: u32 = 0x184D_2204;
/// The bit of a block's length that says the block is stored as it is.
const STORED: u32 = 1 << 31;
/// Version 1, independent blocks, no checksums, no content size.
const FLAGS: u8 = 0x60;
/// Blocks of 64 KiB.
const BLOCK_DESCRIPTOR: u8 = 0x40;
const BLOCK_BYTES: usize = 64 << 10;
/// At this level lz4-java uses the fast compressor, at any other the high one.
const LEVEL_DEFAULT: i32 = 9;
/// The highest level of the C library; lz4-java's go on to 17 and mean the same.
const LEVEL_MAX: i32 = 12;

fn corrupt(reason: &'static str) -> CompressionError {
    CompressionError::Corrupt { codec: Compression::Lz4, reason }
}

struct Frame {
    block_bytes_max: usize,
    block_checksums: bool,
    content_checksum: bool,
}

/// Cuts `len` bytes off the front of `input`.
fn take<'a>(input: &mut &'a [u8], len: usize) -> Result<&'a [u8], CompressionError> {
    let (head, tail) = input.split_at_checked(len).ok_or(corrupt("the stream ends early"))?;
    *input = tail;
    Ok(head)
}

fn take_u32(input: &mut &[u8]) -> Result<u32, CompressionError> {
    take(input, 4).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

fn read_header(input: &mut &[u8]) -> Result<Frame, CompressionError> {
    if take_u32(input)? != MAGIC {
        return Err(corrupt("the magic number is not that of a frame"));
    }
    let start = *input;
    let descriptor = take(input, 2)?;
    let (flags, block) = (descriptor[0], descriptor[1]);
    if flags >> 6 != 1 || flags & 3 != 0 {
        return Err(corrupt("unknown frame version or flags"));
    }
    if flags & 0x20 == 0 {
        return Err(corrupt("blocks that depend on each other are not supported"));
    }
    let size_code = block >> 4;
    if block & 0x8F != 0 || size_code < 4 {
        return Err(corrupt("unknown block size"));
    }
    if flags & 0x08 != 0 {
        take(input, 8)?;
    }
    let hashed = &start[..start.len() - input.len()];
    if take(input, 1)?[0] != (xxh32(hashed) >> 8) as u8 {
        return Err(corrupt("the frame descriptor's checksum is wrong"));
    }
    Ok(Frame {
        block_bytes_max: 1 << (8 + 2 * size_code),
        block_checksums: flags & 0x10 != 0,
        content_checksum: flags & 0x04 != 0,
    })
}

/// Reads one frame; what follows its end mark is ignored, as Java does.
pub(super) fn decompress(mut input: &[u8], out: &mut Output) -> Result<(), CompressionError> {
    let frame = read_header(&mut input)?;
    loop {
        let length = take_u32(&mut input)?;
        let len = (length & !STORED) as usize;
        if len == 0 {
            if frame.content_checksum {
                take(&mut input, 4)?;
            }
            return Ok(());
        }
        if len > frame.block_bytes_max {
            return Err(corrupt("a block is larger than the frame allows"));
        }
        let block = take(&mut input, len)?;
        if length & STORED != 0 {
            out.extend(block)?;
        } else {
            // A byte of input stands for at most 255 of output, so small blocks take little room.
            let room_bytes = frame.block_bytes_max.min(len * 255);
            let room = &mut out.room(room_bytes)[..room_bytes];
            let written = lz4_flex::block::decompress_into(block, room).map_err(|_| corrupt("a block is malformed"))?;
            out.advance(written)?;
        }
        if frame.block_checksums && take_u32(&mut input)? != xxh32(block) {
            return Err(corrupt("a block's checksum is wrong"));
        }
    }
}

/// Compresses one block into `to`, which has room for the worst case; returns the length.
fn compress_block(level: i32, block: &[u8], to: &mut [u8]) -> usize {
    if level == LEVEL_DEFAULT {
        return lz4_flex::block::compress_into(block, to).expect("room for the worst case");
    }
    let mode = lz4::block::CompressionMode::HIGHCOMPRESSION(level.clamp(1, LEVEL_MAX));
    lz4::block::compress_to_buffer(block, Some(mode), false, to).expect("room for the worst case")
}

/// Appends `input` as one frame.
pub(super) fn compress(level: Option<i32>, input: &[u8], out: &mut Vec<u8>) {
    let level = level.unwrap_or(LEVEL_DEFAULT);
    out.extend_from_slice(&MAGIC.to_le_bytes());
    let descriptor = [FLAGS, BLOCK_DESCRIPTOR];
    out.extend_from_slice(&descriptor);
    out.push((xxh32(&descriptor) >> 8) as u8);
    for block in input.chunks(BLOCK_BYTES) {
        let start = out.len();
        out.resize(start + 4 + lz4_flex::block::get_maximum_output_size(block.len()).max(block.len() + 512), 0);
        let written = compress_block(level, block, &mut out[start + 4..]);
        let length = if written >= block.len() {
            out[start + 4..start + 4 + block.len()].copy_from_slice(block);
            block.len() as u32 | STORED
        } else {
            written as u32
        };
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        out.truncate(start + 4 + (length & !STORED) as usize);
    }
    out.extend_from_slice(&0u32.to_le_bytes());
}
