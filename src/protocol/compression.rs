//! The codecs of record batches: bounded decompression into reused memory, compression in the shapes Java reads.

mod gzip;
mod lz4;
mod output;
mod snappy;
#[cfg(test)]
mod tests;
mod xxhash;
mod zstd;

use std::cell::RefCell;
use std::fmt;

use output::Output;

/// The most a batch may decompress to, in bytes, unless a [`Decompressor`] is made with another limit.
pub const DECOMPRESSED_BYTES_MAX: usize = 128 << 20;

/// The codec of a batch's records, as numbered in the batch's attributes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum Compression {
    #[default]
    None = 0,
    Gzip = 1,
    Snappy = 2,
    Lz4 = 3,
    Zstd = 4,
}

impl Compression {
    /// Every codec, in order of its number.
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// The codec of that number, if Kafka has one.
    pub fn from_id(id: u8) -> Option<Compression> {
        Compression::ALL.get(usize::from(id)).copied()
    }

    /// The number in the batch's attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// Kafka's name of the codec.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// The codec of that name, if Kafka has one.
    pub fn from_name(name: &str) -> Option<Compression> {
        Compression::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// Appends `input`, compressed at `level` (`None`: the codec's default), to `out`.
    pub fn compress(self, level: Option<i32>, input: &[u8], out: &mut Vec<u8>) {
        match self {
            Compression::None => out.extend_from_slice(input),
            Compression::Gzip => gzip::compress(level, input, out),
            Compression::Snappy => snappy::compress(input, out),
            Compression::Lz4 => lz4::compress(level, input, out),
            Compression::Zstd => zstd::compress(level, input, out),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a compressed payload could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CompressionError {
    /// The bytes are not what the codec writes.
    #[error("{codec} data is corrupt: {reason}")]
    Corrupt { codec: Compression, reason: &'static str },
    /// The output would exceed the limit.
    #[error("decompressed data exceeds {limit} bytes")]
    TooLarge { limit: usize },
}

/// Contexts and memory for decompression, to be used again and again.
pub struct Decompressor {
    output: Output,
    zstd: zstd::Decoder,
    gzip: gzip::Decoder,
}

thread_local! {
    static SHARED: RefCell<Decompressor> = RefCell::new(Decompressor::new());
}

impl Decompressor {
    /// A decompressor with the usual limit.
    pub fn new() -> Decompressor {
        Decompressor::with_limit(DECOMPRESSED_BYTES_MAX)
    }

    /// A decompressor whose output is at most `limit` bytes a batch.
    pub fn with_limit(limit: usize) -> Decompressor {
        Decompressor { output: Output::new(limit), zstd: zstd::Decoder::new(), gzip: gzip::Decoder::new() }
    }

    /// Runs `work` with this thread's decompressor; within `work`, another call gets a fresh one.
    pub fn on_this_thread<R>(work: impl FnOnce(&mut Decompressor) -> R) -> R {
        SHARED.with(|shared| match shared.try_borrow_mut() {
            Ok(mut decompressor) => work(&mut decompressor),
            Err(_) => work(&mut Decompressor::new()),
        })
    }

    /// The bytes that `input` stands for. `Compression::None` is the input itself.
    pub fn decompress<'a>(&'a mut self, codec: Compression, input: &'a [u8]) -> Result<&'a [u8], CompressionError> {
        self.output.restart();
        match codec {
            Compression::None => return Ok(input),
            Compression::Gzip => self.gzip.decompress(input, &mut self.output)?,
            Compression::Snappy => snappy::decompress(input, &mut self.output)?,
            Compression::Lz4 => lz4::decompress(input, &mut self.output)?,
            Compression::Zstd => self.zstd.decompress(input, &mut self.output)?,
        }
        Ok(self.output.bytes())
    }
}

impl Default for Decompressor {
    fn default() -> Decompressor {
        Decompressor::new()
    }
}
