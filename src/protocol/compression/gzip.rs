//! Gzip as Java's streams read and write it: any number of members, whatever follows them ignored.

use std::cell::RefCell;

use flate2::{Compress, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use super::output::Output;
use super::{Compression, CompressionError};

const MAGIC: [u8; 2] = [0x1F, 0x8B];
const DEFLATE: u8 = 8;
/// Magic, method, flags, time, extra flags, operating system.
const HEADER_BYTES: usize = 10;
/// CRC-32 and length modulo 2^32.
const TRAILER_BYTES: usize = 8;
const HEADER_CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const OS_UNKNOWN: u8 = 255;
/// zlib's default, which Kafka spells -1.
const LEVEL_DEFAULT: u32 = 6;

fn corrupt(reason: &'static str) -> CompressionError {
    CompressionError::Corrupt { codec: Compression::Gzip, reason }
}

/// The length of the member header at the beginning of `input`, if there is a whole and valid one.
fn header_len(input: &[u8]) -> Option<usize> {
    let fixed = input.get(..HEADER_BYTES)?;
    if fixed[..2] != MAGIC || fixed[2] != DEFLATE {
        return None;
    }
    let flags = fixed[3];
    let mut len = HEADER_BYTES;
    if flags & EXTRA != 0 {
        let extra = input.get(len..len + 2)?;
        len += 2 + usize::from(u16::from_le_bytes([extra[0], extra[1]]));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            len += input.get(len..)?.iter().position(|&byte| byte == 0)? + 1;
        }
    }
    if flags & HEADER_CRC != 0 {
        let stored = input.get(len..len + 2)?;
        let mut crc = Crc::new();
        crc.update(&input[..len]);
        if crc.sum() as u16 != u16::from_le_bytes([stored[0], stored[1]]) {
            return None;
        }
        len += 2;
    }
    (len <= input.len()).then_some(len)
}

/// An inflater, used again for every member.
pub(super) struct Decoder {
    inflate: Option<Decompress>,
}

impl Decoder {
    pub(super) fn new() -> Decoder {
        Decoder { inflate: None }
    }

    pub(super) fn decompress(&mut self, mut input: &[u8], out: &mut Output) -> Result<(), CompressionError> {
        let mut header = header_len(input).ok_or(corrupt("there is no gzip header"))?;
        loop {
            let start = out.len();
            input = self.member(&input[header..], out)?;
            let (trailer, rest) = input.split_at_checked(TRAILER_BYTES).ok_or(corrupt("the stream ends early"))?;
            let mut crc = Crc::new();
            crc.update(out.written_since(start));
            let (sum, len) = (crc.sum().to_le_bytes(), ((out.len() - start) as u32).to_le_bytes());
            if trailer[..4] != sum || trailer[4..] != len {
                return Err(corrupt("the trailer does not match the data"));
            }
            match header_len(rest) {
                Some(next) => (input, header) = (rest, next),
                None => return Ok(()),
            }
        }
    }

    /// Inflates one member's body; returns what follows it.
    fn member<'a>(&mut self, mut input: &'a [u8], out: &mut Output) -> Result<&'a [u8], CompressionError> {
        let inflate = self.inflate.get_or_insert_with(|| Decompress::new(false));
        inflate.reset(false);
        let (mut consumed, mut produced) = (0, 0);
        loop {
            let room = out.room(1);
            let room_bytes = room.len();
            let status = inflate.decompress(input, room, FlushDecompress::None);
            let status = status.map_err(|_| corrupt("the deflate data is malformed"))?;
            let (read, written) = ((inflate.total_in() - consumed) as usize, (inflate.total_out() - produced) as usize);
            (consumed, produced) = (inflate.total_in(), inflate.total_out());
            input = &input[read..];
            out.advance(written)?;
            match status {
                Status::StreamEnd => return Ok(input),
                Status::Ok | Status::BufError if written < room_bytes && (input.is_empty() || read + written == 0) => {
                    return Err(corrupt("the stream ends early"));
                }
                Status::Ok | Status::BufError => {}
            }
        }
    }
}

thread_local! {
    /// The last level used and its deflater.
    static DEFLATE_CONTEXT: RefCell<Option<(u32, Compress)>> = const { RefCell::new(None) };
}

fn deflate(level: u32, input: &[u8], out: &mut Vec<u8>) {
    DEFLATE_CONTEXT.with_borrow_mut(|context| {
        if context.as_ref().is_none_or(|(of, _)| *of != level) {
            *context = Some((level, Compress::new(flate2::Compression::new(level), false)));
        }
        let (_, deflate) = context.as_mut().expect("set above");
        deflate.reset();
        loop {
            out.reserve((input.len() / 4).max(1 << 10));
            let read = deflate.total_in() as usize;
            let status = deflate.compress_vec(&input[read..], out, FlushCompress::Finish);
            if status.expect("deflate takes any input") == Status::StreamEnd {
                return;
            }
        }
    });
}

/// Appends `input` as one member.
pub(super) fn compress(level: Option<i32>, input: &[u8], out: &mut Vec<u8>) {
    let level = level.and_then(|level| u32::try_from(level).ok()).map_or(LEVEL_DEFAULT, |level| level.min(9));
    out.extend_from_slice(&[MAGIC[0], MAGIC[1], DEFLATE, 0, 0, 0, 0, 0, 0, OS_UNKNOWN]);
    deflate(level, input, out);
    let mut crc = Crc::new();
    crc.update(input);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&(input.len() as u32).to_le_bytes());
}
