//! The walk over a body before anything is decoded: nothing is allocated, and nothing is believed.

use super::program::{Program, Step};
use super::table::{Direction, api};
use crate::protocol::wire::UNKNOWN_TAGS_MAX;

/// The longest string that Kafka reads.
const TEXT_BYTES_MAX: usize = i16::MAX as usize;

/// What the map of a struct's unknown tagged fields takes: its first node, and each entry.
const UNKNOWN_TAGS_SIZE: usize = 512;
const UNKNOWN_TAG_SIZE: usize = 64;

/// What a walk over a body has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Walk {
    /// What the decoded structs take on the heap, about; strings and bytes stay in the frame.
    pub decoded_size: usize,
    /// Bytes behind the last field; ignored, as in Kafka.
    pub trailing: usize,
}

/// Why a body is refused: the field, the byte where the reading of it stopped, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{api} version {version}: {field} at byte {at}: {reason}")]
pub struct GuardError {
    pub api: &'static str,
    pub version: i16,
    pub field: String,
    pub at: usize,
    pub reason: &'static str,
}

/// Walks a request body; the message crate may decode it if this returns `Ok`.
pub fn guard_request(api_key: i16, version: i16, body: &[u8]) -> Result<Walk, GuardError> {
    guard(api_key, Direction::Request, version, body)
}

/// Walks a response body; the message crate may decode it if this returns `Ok`.
pub fn guard_response(api_key: i16, version: i16, body: &[u8]) -> Result<Walk, GuardError> {
    guard(api_key, Direction::Response, version, body)
}

fn guard(api_key: i16, direction: Direction, version: i16, body: &[u8]) -> Result<Walk, GuardError> {
    let name = api(api_key).map_or("unknown API", |api| api.name);
    let Some(program) = api(api_key).and_then(|api| api.program(direction, version)) else {
        let field = format!("key {api_key}");
        return Err(GuardError { api: name, version, field, at: 0, reason: "no such version" });
    };
    let mut walker =
        Walker { program, bytes: body, at: 0, end: body.len(), decoded_size: program.size, path: Vec::new() };
    match walker.run(0, program.end) {
        Ok(()) => Ok(Walk { decoded_size: walker.decoded_size, trailing: body.len() - walker.at }),
        Err(reason) => {
            walker.path.reverse();
            Err(GuardError { api: name, version, field: walker.path.join("."), at: walker.at, reason })
        }
    }
}

/// Why a walk ends early; where is the walker's `at`, and which field its `path`.
type Stop = &'static str;

const TOO_SHORT: Stop = "ends too early";

struct Walker<'a> {
    program: &'a Program,
    bytes: &'a [u8],
    at: usize,
    /// The end of the body, or of the tagged field being walked.
    end: usize,
    decoded_size: usize,
    /// After a stop: the names from the field outwards.
    path: Vec<&'static str>,
}

impl Walker<'_> {
    fn run(&mut self, mut step: usize, end: usize) -> Result<(), Stop> {
        while step < end {
            match self.step(step) {
                Ok(next) => step = next,
                Err(stop) => {
                    self.name_stop(step);
                    return Err(stop);
                }
            }
        }
        Ok(())
    }

    /// Does one step; returns the next.
    #[inline]
    fn step(&mut self, step: usize) -> Result<usize, Stop> {
        match self.program.steps[step] {
            Step::Skip(bytes) => {
                self.skip(bytes)?;
                Ok(step + 1)
            }
            Step::Text { nullable } => {
                if let Some(len) = self.text_len(nullable)? {
                    self.skip(len)?;
                }
                Ok(step + 1)
            }
            Step::Bytes { nullable } => {
                if let Some(len) = self.len(nullable)? {
                    self.skip(len)?;
                }
                Ok(step + 1)
            }
            Step::List { nullable, least, size, end } => {
                if let Some(count) = self.len(nullable)? {
                    self.list(count, least, size, step + 1, end)?;
                }
                Ok(end)
            }
            Step::Nullable { end } => {
                match self.array()? {
                    [1] => self.run(step + 1, end)?,
                    [0xff] => {}
                    // Kafka takes 0 and 2 for a struct too, the message crate for null; nobody writes them.
                    _ => return Err("is neither there nor null"),
                }
                Ok(end)
            }
            Step::Tags { first, last } => {
                match self.bytes[self.at..self.end].first() {
                    Some(0) => self.at += 1,
                    _ => self.tags(first, last)?,
                }
                Ok(step + 1)
            }
        }
    }

    fn list(&mut self, count: usize, least: usize, size: usize, start: usize, end: usize) -> Result<(), Stop> {
        if count.saturating_mul(least) > self.remaining() {
            return Err("count is beyond the end");
        }
        self.decoded_size = self.decoded_size.saturating_add(count.saturating_mul(size));
        if let (Step::Skip(bytes), true) = (self.program.steps[start], end == start + 1) {
            return self.skip(bytes.saturating_mul(count));
        }
        for _ in 0..count {
            self.run(start, end)?;
        }
        Ok(())
    }

    fn tags(&mut self, first: usize, last: usize) -> Result<(), Stop> {
        let count = self.varint()?;
        let (mut next_tag, mut unknown) = (0, 0);
        for _ in 0..count {
            let tag = self.varint()?;
            if tag < next_tag {
                return Err("tags do not rise");
            }
            next_tag = tag.checked_add(1).ok_or("tag is too large")?;
            let len = self.varint()? as usize;
            if len > self.remaining() {
                return Err("tagged field is beyond the end");
            }
            match self.program.tags[first..last].iter().position(|known| known.tag == tag) {
                Some(known) => self.known_tag(first + known, len)?,
                None => {
                    unknown += 1;
                    self.at += len;
                }
            }
            if unknown > UNKNOWN_TAGS_MAX {
                return Err("too many unknown tagged fields");
            }
        }
        if unknown > 0 {
            self.decoded_size += UNKNOWN_TAGS_SIZE + UNKNOWN_TAG_SIZE * unknown as usize;
        }
        Ok(())
    }

    fn known_tag(&mut self, index: usize, len: usize) -> Result<(), Stop> {
        let known = &self.program.tags[index];
        if !known.in_version {
            self.path.push(known.name);
            return Err("tag does not belong to this version");
        }
        let outer_end = std::mem::replace(&mut self.end, self.at + len);
        let walked = self.run(known.start, known.end);
        if walked.is_ok() && self.at < self.end {
            self.path.push(known.name);
            return Err("tagged field is longer than its value");
        }
        self.end = outer_end;
        walked
    }

    fn remaining(&self) -> usize {
        self.end - self.at
    }

    #[inline]
    fn skip(&mut self, bytes: usize) -> Result<(), Stop> {
        if bytes > self.remaining() {
            return Err(TOO_SHORT);
        }
        self.at += bytes;
        Ok(())
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let array = *self.bytes[self.at..self.end].first_chunk().ok_or(TOO_SHORT)?;
        self.at += N;
        Ok(array)
    }

    /// An unsigned varint in its shortest form, of 32 bits at most.
    #[inline]
    fn varint(&mut self) -> Result<u32, Stop> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            if shift == 28 && byte > 0x0f {
                return Err("varint does not fit 32 bits");
            }
            value |= u32::from(byte & 0x7f) << shift;
            match byte {
                0 if shift > 0 => return Err("varint is longer than it need be"),
                0..0x80 => return Ok(value),
                _ => {}
            }
        }
        Err("varint does not fit 32 bits")
    }

    #[inline]
    fn text_len(&mut self, nullable: bool) -> Result<Option<usize>, Stop> {
        let len = match self.program.flexible {
            true => i64::from(self.varint()?) - 1,
            false => i64::from(i16::from_be_bytes(self.array()?)),
        };
        match checked_len(len, nullable)? {
            Some(len) if len > TEXT_BYTES_MAX => Err("string is longer than 32767 bytes"),
            len => Ok(len),
        }
    }

    #[inline]
    fn len(&mut self, nullable: bool) -> Result<Option<usize>, Stop> {
        let len = match self.program.flexible {
            true => i64::from(self.varint()?) - 1,
            false => i64::from(i32::from_be_bytes(self.array()?)),
        };
        checked_len(len, nullable)
    }

    /// Adds the name of the field at which `step` stopped to the path, unless something deeper is the same field.
    #[cold]
    fn name_stop(&mut self, step: usize) {
        let names = &self.program.names[step];
        let mut left = self.remaining();
        let name = names.iter().find(|(_, size)| {
            let fits = *size <= left;
            left = left.saturating_sub(*size);
            !fits || *size == 0
        });
        let name = name.or(names.last()).map_or("?", |(name, _)| name);
        if self.path.last() != Some(&name) {
            self.path.push(name);
        }
    }
}

#[inline]
fn checked_len(len: i64, nullable: bool) -> Result<Option<usize>, Stop> {
    match len {
        0.. => Ok(Some(len as usize)),
        -1 if nullable => Ok(None),
        -1 => Err("is null"),
        _ => Err("negative length"),
    }
}
