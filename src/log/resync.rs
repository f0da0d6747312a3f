//! Telling a torn tail from damage in the middle: is there a good batch anywhere behind?
//!
//! Bytes that look like a batch need not be one: a record may hold a copy of some batch. Within what the broken batch
//! claims to be, a batch counts only if the broken one ends right before it by its own checksum, so that just its
//! length is wrong. Where the broken batch claims nothing that makes sense, one counts if more follows it as it should.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::protocol::batch::{BATCH_HEADER_LEN, BatchHeader};
use crate::types::Offset;

use super::scan::{CRC_START, Located, Scanner, WALK_WINDOW_BYTES};
use super::segment::RELATIVE_OFFSET_MAX;
use super::{LogError, disk};

/// What a disk writes at once.
const SECTOR_BYTES: u64 = 512;
/// Where a batch's magic byte stands.
const MAGIC_AT: usize = 16;
const MAGIC: u8 = 2;
/// Where a batch's length ends, which is never zero.
const LENGTH_END: usize = 12;
/// Bytes that are checksummed before the search gives up: a tail made of headers alone would take forever.
const CHECKED_BYTES_MAX: u64 = 1 << 30;

/// Looks at every byte behind `from`, where a batch at `next` is due and broken, for a good one that follows it.
/// Where so much is plausible that the search gives up, the batch it stands at counts as good: nothing is cut unread.
pub fn find_good_batch(
    file: &Arc<File>,
    path: &Path,
    from: u64,
    end: u64,
    next: Offset,
) -> Result<Option<u64>, LogError> {
    let mut search = Search::begin(file, path, from, end, next)?;
    let mut buffer = vec![0; WALK_WINDOW_BYTES];
    let mut window = from + 1;
    while window + BATCH_HEADER_LEN as u64 <= end {
        let wanted = (end - window).min(buffer.len() as u64) as usize;
        let read = search.read(window, &mut buffer[..wanted])?;
        if read < BATCH_HEADER_LEN {
            break;
        }
        let starts = read - BATCH_HEADER_LEN + 1;
        for start in (0..starts).filter(|start| buffer[start + MAGIC_AT] == MAGIC) {
            let position = window + start as u64;
            let Ok(header) = BatchHeader::parse(&buffer[start..]) else { continue };
            let found = Located { position, header };
            if could_follow(&header, next) && found.end() <= end && search.is_good(&found)? {
                return Ok(Some(position));
            }
        }
        window += starts as u64;
    }
    Ok(None)
}

/// Where a good batch is due and none stands.
pub struct Gap {
    /// Up to the next good batch, or to the end of the file.
    pub range: Range<u64>,
    /// The offset that is due.
    pub next: Offset,
    /// What stands there is a whole batch with a right checksum, but out of place.
    pub intact: bool,
    /// There is a good batch behind.
    pub is_followed: bool,
}

impl Gap {
    /// Whether bytes are missing there that never reached the disk: what a disk did not write reads as zeros up to the end
    /// of a sector, or the file ends before it. Of an `intact` batch only the first sector is looked at, as its records may hold zeros of their own.
    pub fn is_torn(&self, file: &Arc<File>, path: &Path) -> Result<bool, LogError> {
        let mut buffer = [0; SECTOR_BYTES as usize];
        let Range { start, end } = self.range;
        let mut at = start;
        while at < end {
            // To the end of the sector also where good data begins in it: that came to the disk as the rest did.
            let to = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
            let sector = &mut buffer[..(to - at) as usize];
            let read = disk::read_at_most(file, at, sector).map_err(LogError::io("read", path))?;
            let is_zero = read > 0 && sector[..read].iter().all(|byte| *byte == 0);
            if is_zero && !(at == start && self.may_begin_with_zeros(read)) {
                return Ok(true);
            }
            if self.intact {
                break;
            }
            at = to;
        }
        Ok(!self.intact && !self.is_followed && self.is_short(file, path)?)
    }

    /// Whether the file ends inside a batch, and not with one whose length is wrong.
    fn is_short(&self, file: &Arc<File>, path: &Path) -> Result<bool, LogError> {
        let Range { start, end } = self.range;
        let mut search = Search::begin(file, path, start, end, self.next)?;
        match search.broken {
            None => Ok(end - start < BATCH_HEADER_LEN as u64),
            Some(broken) => Ok(broken.end() > end && !search.ends_at(&broken, end)?),
        }
    }

    /// Whether so many zeros may be what was to be written: a batch begins with its offset, the high bytes first, and its
    /// length.
    fn may_begin_with_zeros(&self, bytes: usize) -> bool {
        bytes < LENGTH_END && self.next.0.to_be_bytes().iter().take(bytes).all(|byte| *byte == 0)
    }
}

struct Search<'a> {
    file: &'a Arc<File>,
    path: &'a Path,
    end: u64,
    /// The broken batch, if what stands there can be the header of one.
    broken: Option<Located>,
    /// The broken batch's checksum up to a position.
    summed: (u64, u32),
    /// Bytes of other batches that were checksummed.
    checked: u64,
}

impl Search<'_> {
    fn begin<'a>(
        file: &'a Arc<File>,
        path: &'a Path,
        from: u64,
        end: u64,
        next: Offset,
    ) -> Result<Search<'a>, LogError> {
        let mut search = Search { file, path, end, broken: None, summed: (from + CRC_START, 0), checked: 0 };
        let header = search.header_at(from)?.filter(|header| could_follow(header, next));
        search.broken = header.map(|header| Located { position: from, header });
        Ok(search)
    }

    fn is_good(&mut self, found: &Located) -> Result<bool, LogError> {
        match self.broken {
            Some(broken) if found.position < broken.end() => self.ends_at(&broken, found.position),
            Some(broken) if found.position == broken.end() => self.is_whole(found),
            Some(_) | None => Ok(self.is_whole(found)? && self.leads_on(found)?),
        }
    }

    /// Whether the broken batch is a whole one that ends at `position`, its length apart.
    fn ends_at(&mut self, broken: &Located, position: u64) -> Result<bool, LogError> {
        let (mut at, mut sum) = self.summed;
        let mut buffer = [0; 16 << 10];
        while at < position {
            let wanted = (position - at).min(buffer.len() as u64) as usize;
            let read = self.read(at, &mut buffer[..wanted])?;
            if read == 0 {
                return Ok(false);
            }
            sum = crc32c::crc32c_append(sum, &buffer[..read]);
            at += read as u64;
        }
        self.summed = (at, sum);
        Ok(at == position && sum == broken.header.crc)
    }

    fn is_whole(&mut self, found: &Located) -> Result<bool, LogError> {
        self.checked += found.header.total_len() as u64;
        let (file, path) = (self.file.clone(), self.path.to_path_buf());
        let mut scanner = Scanner::new(file, path, found.position, self.end, WALK_WINDOW_BYTES);
        Ok(self.checked > CHECKED_BYTES_MAX || scanner.checksum_valid(found)?)
    }

    /// Whether the file ends behind the batch, or goes on with the batch that is due there or a beginning of it.
    fn leads_on(&self, found: &Located) -> Result<bool, LogError> {
        if self.checked > CHECKED_BYTES_MAX || self.end - found.end() < BATCH_HEADER_LEN as u64 {
            return Ok(true);
        }
        let due = found.header.next_offset();
        Ok(self.header_at(found.end())?.is_some_and(|header| could_follow(&header, due)))
    }

    fn header_at(&self, position: u64) -> Result<Option<BatchHeader>, LogError> {
        let mut bytes = [0; BATCH_HEADER_LEN];
        let read = self.read(position, &mut bytes)?;
        Ok(BatchHeader::parse(&bytes[..read]).ok())
    }

    fn read(&self, position: u64, buffer: &mut [u8]) -> Result<usize, LogError> {
        disk::read_at_most(self.file, position, buffer).map_err(LogError::io("read", self.path))
    }
}

fn could_follow(header: &BatchHeader, next: Offset) -> bool {
    let ahead = header.base_offset.0.checked_sub(next.0);
    ahead.is_some_and(|ahead| (0..RELATIVE_OFFSET_MAX).contains(&ahead))
        && header.last_offset_delta >= 0
        && header.record_count >= 0
        && i64::from(header.record_count) <= i64::from(header.last_offset_delta) + 1
}
