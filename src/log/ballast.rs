//! A little room in each directory that is given up on a full disk only: to start, as an election and a recovery have to
//! write, and for metadata, as a topic's deletion makes room. What is left of it is kept for the next time.
//!
//! Kafka looks at directories only inside a log directory: it does not see the file.

use std::fs::{self, File};
use std::path::Path;

use rustix::fs::FallocateFlags;

/// The file's name.
const FILE: &str = ".ottla-ballast";
/// The most that is kept, and the least that is worth keeping.
const BYTES_MAX: u64 = 4 << 20;
const BYTES_MIN: u64 = 64 << 10;
/// No more than this part of the reserve.
const RESERVE_SHARE: u64 = 8;

/// Gives up the ballast of `dir` where less than a ballast is free, before a start.
pub fn release(dir: &Path) {
    let free = rustix::fs::statvfs(dir).map_or(u64::MAX, |found| found.f_bavail.saturating_mul(found.f_frsize));
    if free < BYTES_MAX {
        give_up(dir);
    }
}

/// Gives up the ballast of `dir`; answers whether there was any.
pub fn give_up(dir: &Path) -> bool {
    let had_any = fs::remove_file(dir.join(FILE)).is_ok();
    if had_any {
        tracing::warn!(dir = %dir.display(), "the disk is full: what was kept for this is given up");
    }
    had_any
}

/// Has as much ballast as `reserve` and `free` bytes allow, if there is none yet.
pub fn keep(dir: &Path, reserve: u64, free: u64) {
    let path = dir.join(FILE);
    let bytes = (reserve / RESERVE_SHARE).min(BYTES_MAX).min(free / 2);
    if bytes < BYTES_MIN || path.exists() {
        return;
    }
    let kept =
        File::create_new(&path).and_then(|file| Ok(rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes)?));
    if let Err(error) = kept {
        // A file system without this, or one that has filled up meanwhile, goes without.
        tracing::debug!(dir = %dir.display(), %error, "no ballast is kept");
        let _ = fs::remove_file(&path);
    }
}
