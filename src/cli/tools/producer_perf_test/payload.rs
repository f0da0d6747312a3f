//! What the records of a performance test hold.

use std::io::Write;
use std::path::Path;

use regex::Regex;

use crate::cli::tools::{Output, Stop};

/// Where payloads come from.
pub(super) enum Payload {
    /// Random letters.
    Letters { bytes: Vec<u8>, random: u64 },
    /// One of these, at random.
    Chosen { payloads: Vec<Vec<u8>>, random: u64 },
    /// The number of the record.
    Number(Vec<u8>),
}

impl Payload {
    pub(super) fn of_size(size: usize) -> Payload {
        Payload::Letters { bytes: vec![0; size], random: 0 }
    }

    /// The parts of a file between delimiters.
    pub(super) fn of_file(path: &Path, delimiter: &str, output: &mut Output) -> Result<Payload, Stop> {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        output.line(format!("Reading payloads from: {}", absolute.display()));
        let invalid = |message: String| Stop::Message(format!("java.lang.IllegalArgumentException: {message}"));
        let text = std::fs::read(path).unwrap_or_default();
        if text.is_empty() {
            return Err(invalid("File does not exist or empty file provided.".to_owned()));
        }
        let delimiter = Regex::new(delimiter).map_err(|error| invalid(error.to_string()))?;
        let text = String::from_utf8_lossy(&text);
        let mut payloads: Vec<Vec<u8>> = delimiter.split(&text).map(|payload| payload.as_bytes().to_vec()).collect();
        if payloads.last().is_some_and(Vec::is_empty) {
            payloads.pop();
        }
        output.line(format!("Number of records read: {}", payloads.len()));
        match payloads.is_empty() {
            true => Err(invalid("No payload file, record size or payload-monotonic option provided.".to_owned())),
            false => Ok(Payload::Chosen { payloads, random: 0 }),
        }
    }

    /// The payload of the record of that number.
    pub(super) fn next(&mut self, number: u64) -> &[u8] {
        match self {
            Payload::Letters { bytes, random } => {
                for word in bytes.chunks_mut(8) {
                    for (letter, byte) in word.iter_mut().zip(next(random).to_le_bytes()) {
                        *letter = b'A' + ((u16::from(byte) * 26) >> 8) as u8;
                    }
                }
                bytes
            }
            Payload::Chosen { payloads, random } => &payloads[(next(random) % payloads.len() as u64) as usize],
            Payload::Number(text) => {
                text.clear();
                write!(text, "{number}").expect("writing to memory");
                text
            }
        }
    }
}

/// splitmix64
fn next(random: &mut u64) -> u64 {
    *random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *random;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
