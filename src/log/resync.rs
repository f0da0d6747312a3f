//! Telling a torn tail from damage in the middle: is there a good batch anywhere behind?

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::protocol::batch::{BATCH_HEADER_LEN, BatchHeader};
use crate::types::Offset;

use super::scan::{Located, Scanner, WALK_WINDOW_BYTES};
use super::segment::RELATIVE_OFFSET_MAX;
use super::{LogError, disk};

/// Where a batch's magic byte stands.
const MAGIC_AT: usize = 16;
const MAGIC: u8 = 2;
/// Bytes that are checksummed before the search gives up: a tail made of headers alone would take forever.
const CHECKED_BYTES_MAX: u64 = 1 << 30;

/// Looks at every byte behind `from` for a batch that could follow `next`: a plausible header and a right checksum.
/// Where so much is plausible that the search gives up, the batch it stands at counts as good: nothing is cut unread.
pub fn find_good_batch(
    file: &Arc<File>,
    path: &Path,
    from: u64,
    end: u64,
    next: Offset,
) -> Result<Option<u64>, LogError> {
    let mut buffer = vec![0; WALK_WINDOW_BYTES];
    let mut window = from + 1;
    let mut checked = 0;
    while window + BATCH_HEADER_LEN as u64 <= end {
        let wanted = (end - window).min(buffer.len() as u64) as usize;
        let read = disk::read_at_most(file, window, &mut buffer[..wanted]).map_err(LogError::io("read", path))?;
        if read < BATCH_HEADER_LEN {
            break;
        }
        let starts = read - BATCH_HEADER_LEN + 1;
        for start in (0..starts).filter(|start| buffer[start + MAGIC_AT] == MAGIC) {
            let position = window + start as u64;
            let Ok(header) = BatchHeader::parse(&buffer[start..]) else { continue };
            if could_follow(&header, next) && position + header.total_len() as u64 <= end {
                let mut scanner = Scanner::new(file.clone(), path.to_path_buf(), position, end, WALK_WINDOW_BYTES);
                checked += header.total_len() as u64;
                if checked > CHECKED_BYTES_MAX || scanner.checksum_valid(&Located { position, header })? {
                    return Ok(Some(position));
                }
            }
        }
        window += starts as u64;
    }
    Ok(None)
}

fn could_follow(header: &BatchHeader, next: Offset) -> bool {
    let ahead = header.base_offset.0.checked_sub(next.0);
    ahead.is_some_and(|ahead| (0..RELATIVE_OFFSET_MAX).contains(&ahead))
        && header.last_offset_delta >= 0
        && header.record_count >= 0
        && i64::from(header.record_count) <= i64::from(header.last_offset_delta) + 1
}
