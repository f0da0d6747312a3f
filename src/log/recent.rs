//! The places of the batches that a segment got last: whoever reads at the end of a log finds them without its files.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use crate::types::Offset;

use super::scan::Located;

/// Batches remembered of a segment; a reader that lags further behind asks the index.
const REMEMBERED_MAX: usize = 16;

/// Where a batch lies in its segment's log file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub base_offset: Offset,
    pub last_offset: Offset,
    /// Bytes from the beginning of the file.
    pub position: u64,
    /// The whole batch's length in bytes.
    pub len: usize,
}

impl Place {
    /// Where the next batch begins.
    pub fn end(&self) -> u64 {
        self.position + self.len as u64
    }
}

impl From<Located> for Place {
    fn from(batch: Located) -> Place {
        Place {
            base_offset: batch.header.base_offset,
            last_offset: batch.header.last_offset(),
            position: batch.position,
            len: batch.header.total_len(),
        }
    }
}

/// The last batches of a segment, without a gap between them.
#[derive(Debug, Default)]
pub struct Recent {
    places: Mutex<VecDeque<Place>>,
}

impl Recent {
    /// Enters batches that follow those entered before.
    pub fn push(&self, batches: impl ExactSizeIterator<Item = Place>) {
        let mut places = self.lock();
        let skipped = batches.len().saturating_sub(REMEMBERED_MAX);
        for place in batches.skip(skipped) {
            if places.len() == REMEMBERED_MAX {
                places.pop_front();
            }
            places.push_back(place);
        }
    }

    /// The batch that contains `offset`, or the first one behind it, if it is known that no earlier one does.
    pub fn find(&self, offset: Offset) -> Option<Place> {
        let places = self.lock();
        if places.front()?.base_offset > offset {
            return None;
        }
        places.get(places.partition_point(|place| place.last_offset < offset)).copied()
    }

    /// Forgets all of them: the file was cut, or is read at its end no more.
    pub fn clear(&self) {
        *self.lock() = VecDeque::new();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Place>> {
        self.places.lock().expect("this lock is never held across a panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(base: i64, last: i64, position: u64) -> Place {
        Place { base_offset: Offset(base), last_offset: Offset(last), position, len: 100 }
    }

    #[test]
    fn finds_what_a_walk_over_the_file_would_find() {
        let recent = Recent::default();
        assert_eq!(recent.find(Offset(0)), None);
        recent.push([place(10, 14, 0), place(15, 15, 100), place(20, 29, 200)].into_iter());
        assert_eq!(recent.find(Offset(9)), None, "an earlier batch may have it");
        for (offset, position) in [(10, 0), (14, 0), (15, 100), (16, 200), (29, 200)] {
            assert_eq!(recent.find(Offset(offset)).map(|place| place.position), Some(position), "{offset}");
        }
        assert_eq!(recent.find(Offset(30)), None);
    }

    #[test]
    fn forgets_the_oldest_first() {
        let recent = Recent::default();
        recent.push([place(0, 0, 0)].into_iter());
        let many: Vec<Place> = (1..100).map(|n| place(n, n, n as u64 * 100)).collect();
        recent.push(many.into_iter());
        assert_eq!(recent.find(Offset(99 - REMEMBERED_MAX as i64)), None);
        assert_eq!(recent.find(Offset(100 - REMEMBERED_MAX as i64)), Some(place(84, 84, 8_400)));
        recent.clear();
        assert_eq!(recent.find(Offset(99)), None);
    }
}
