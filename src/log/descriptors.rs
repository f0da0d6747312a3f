//! A bounded number of open files for an unbounded number of segments.
//!
//! Each segment file has a [`Slot`]. A reader finds the open file there without any lock; a miss opens it and enters
//! the slot into a ring, from which a hand takes out, as in the clock algorithm, the first slot not used since its
//! last round. Taking out closes nothing that somebody still holds: the file lives as long as its last `Arc`.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use arc_swap::ArcSwapOption;

use super::{LogError, disk};

/// The open file of one segment file, if it is open.
#[derive(Debug, Default)]
pub struct Slot {
    file: ArcSwapOption<File>,
    used: AtomicBool,
}

impl Slot {
    /// Forgets the open file: its name has been given to other bytes, or removed.
    pub fn close(&self) {
        self.file.store(None);
    }

    fn hit(&self) -> Option<Arc<File>> {
        let file = self.file.load_full()?;
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        Some(file)
    }
}

/// At most `capacity` open files, least recently used ones given up first.
#[derive(Debug)]
pub struct DescriptorCache {
    capacity: usize,
    ring: Mutex<VecDeque<Weak<Slot>>>,
}

impl DescriptorCache {
    /// A cache that keeps at most `capacity` files open by itself.
    pub fn new(capacity: usize) -> DescriptorCache {
        DescriptorCache { capacity: capacity.max(1), ring: Mutex::default() }
    }

    /// The open file of `slot`, opened at `path` if need be.
    pub fn get(&self, slot: &Arc<Slot>, path: impl FnOnce() -> std::path::PathBuf) -> Result<Arc<File>, LogError> {
        match slot.hit() {
            Some(file) => Ok(file),
            None => self.open(slot, &path()),
        }
    }

    /// Enters a file that was just created.
    pub fn insert(&self, slot: &Arc<Slot>, file: File) -> Arc<File> {
        let file = Arc::new(file);
        let mut ring = self.ring.lock().expect("the ring's lock is never held across a panic");
        self.enter(&mut ring, slot, file.clone());
        file
    }

    /// Files that the cache itself holds open.
    pub fn open_files(&self) -> usize {
        self.ring.lock().expect("the ring's lock is never held across a panic").len()
    }

    fn open(&self, slot: &Arc<Slot>, path: &Path) -> Result<Arc<File>, LogError> {
        let mut ring = self.ring.lock().expect("the ring's lock is never held across a panic");
        if let Some(file) = slot.hit() {
            return Ok(file);
        }
        let file = Arc::new(disk::open(path)?);
        self.enter(&mut ring, slot, file.clone());
        Ok(file)
    }

    fn enter(&self, ring: &mut VecDeque<Weak<Slot>>, slot: &Arc<Slot>, file: Arc<File>) {
        while ring.len() >= self.capacity {
            let Some(oldest) = ring.pop_front() else { break };
            let Some(candidate) = oldest.upgrade() else { continue };
            if candidate.used.swap(false, Ordering::Relaxed) {
                ring.push_back(oldest);
            } else {
                candidate.close();
            }
        }
        slot.used.store(false, Ordering::Relaxed);
        slot.file.store(Some(file));
        ring.push_back(Arc::downgrade(slot));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn no_more_than_the_capacity_stay_open_and_held_files_live_on() {
        let dir = tempfile::tempdir().unwrap();
        let cache = DescriptorCache::new(3);
        let slots: Vec<Arc<Slot>> = (0..10).map(|_| Arc::default()).collect();
        for n in 0..slots.len() {
            fs::write(dir.path().join(n.to_string()), [n as u8]).unwrap();
        }
        let held = cache.get(&slots[0], || dir.path().join("0")).unwrap();
        for (n, slot) in slots.iter().enumerate() {
            cache.get(slot, || dir.path().join(n.to_string())).unwrap();
            assert!(cache.open_files() <= 3);
        }
        assert!(slots.iter().filter(|slot| slot.file.load().is_some()).count() <= 3);
        let mut byte = [9];
        held.read_exact_at(&mut byte, 0).unwrap();
        assert_eq!(byte, [0]);
    }
}
