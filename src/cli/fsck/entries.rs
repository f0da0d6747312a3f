//! Index files, read entry by entry and held against the batches of their log as those come along.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::log::offset_index::OffsetEntry;
use crate::log::scan::Located;
use crate::log::sparse_index::Entry;
use crate::log::time_index::TimeEntry;
use crate::types::{Millis, Offset};

/// No entry is larger than this.
const ENTRY_BYTES_MAX: usize = 12;
/// Log bytes without an index entry that no usual `index.interval.bytes` explains, where nothing tells of that.
const UNINDEXED_BYTES_MAX: u64 = 1 << 20;
/// How many times the largest distance between two entries the last one may be from the end of the log.
const UNINDEXED_GAPS_MAX: u64 = 8;

/// What is wrong with an index file, and at which byte of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) position: u64,
    pub(super) what: String,
}

/// The entries of a file, one after the other.
struct Entries<E> {
    file: BufReader<File>,
    /// The entry that is due, and where it stands.
    front: Option<(u64, E)>,
    /// Bytes behind the entry that is due.
    left: u64,
    position: u64,
}

impl<E: Entry> Entries<E> {
    fn open(path: &Path) -> io::Result<Entries<E>> {
        let file = File::open(path)?;
        let left = file.metadata()?.len();
        let mut entries = Entries { file: BufReader::new(file), front: None, left, position: 0 };
        entries.advance()?;
        Ok(entries)
    }

    fn advance(&mut self) -> io::Result<()> {
        let mut bytes = [0; ENTRY_BYTES_MAX];
        self.front = None;
        if self.left >= E::SIZE as u64 {
            self.file.read_exact(&mut bytes[..E::SIZE])?;
            self.front = Some((self.position, E::parse(&bytes[..E::SIZE])));
            self.position += E::SIZE as u64;
            self.left -= E::SIZE as u64;
        }
        Ok(())
    }

    /// Looks at nothing more.
    fn stop(&mut self) {
        self.front = None;
        self.left = 0;
    }

    /// What stands behind the last entry that has a batch.
    fn rest(&self, what: impl Fn(&E) -> String) -> Option<Fault> {
        match (&self.front, self.left) {
            (Some((position, entry)), _) => Some(Fault { position: *position, what: what(entry) }),
            (None, 0) => None,
            (None, left) => {
                Some(Fault { position: self.position, what: format!("its last {left} bytes are no whole entry") })
            }
        }
    }
}

/// An offset index beside the batches of its log. Of its faults the first is kept.
pub(super) struct OffsetIndexCheck {
    entries: Entries<OffsetEntry>,
    base: Offset,
    /// Entries from here on are made again by the next start; zeros may stand behind them. None: all are trusted.
    until: Option<Offset>,
    fault: Option<Fault>,
    /// An entry of an offset behind its batch: good if some later batch ends there, as older brokers wrote it.
    awaited: Option<(u64, Offset)>,
    /// The last offset of the batch before.
    previous: Option<Offset>,
    last_entry_at: u64,
    largest_gap: u64,
    last_batch_at: u64,
}

impl OffsetIndexCheck {
    /// Begins with the first batch of the segment of `base`. `usual_gap` is the largest distance of entries elsewhere.
    pub(super) fn open(
        path: &Path,
        base: Offset,
        until: Option<Offset>,
        usual_gap: u64,
    ) -> io::Result<OffsetIndexCheck> {
        Ok(OffsetIndexCheck {
            entries: Entries::open(path)?,
            base,
            until,
            fault: None,
            awaited: None,
            previous: None,
            last_entry_at: 0,
            largest_gap: usual_gap,
            last_batch_at: 0,
        })
    }

    /// Holds the next batch against the entries that lead to it.
    pub(super) fn batch(&mut self, batch: &Located) -> io::Result<()> {
        let last = batch.header.last_offset();
        while let Some((at, entry)) = self.entries.front
            && u64::from(entry.position) <= batch.position
            && self.fault.is_none()
        {
            if !self.is_trusted(&entry) {
                self.entries.stop();
                break;
            }
            self.entry(at, entry, batch);
            self.entries.advance()?;
        }
        if let Some((at, awaited)) = self.awaited.filter(|(_, awaited)| *awaited <= last) {
            self.awaited = None;
            if awaited != last {
                self.fail(at, format!("its entry of offset {awaited} names an offset at which no batch ends"));
            }
        }
        self.previous = Some(last);
        self.last_batch_at = batch.position;
        Ok(())
    }

    fn entry(&mut self, at: u64, entry: OffsetEntry, batch: &Located) {
        let (offset, last) = (self.base + i64::from(entry.relative_offset), batch.header.last_offset());
        let position = u64::from(entry.position);
        if position < batch.position {
            self.fail(at, format!("its entry of offset {offset} leads to byte {position}, where no batch begins"));
        } else if offset < last || self.previous.is_some_and(|previous| previous >= offset) {
            let what =
                format!("its entry of byte {position} says that the batch there ends at offset {offset}, not {last}");
            self.fail(at, what);
        } else {
            if offset > last {
                self.awaited = Some((at, offset));
            }
            self.largest_gap = self.largest_gap.max(position - self.last_entry_at);
            self.last_entry_at = position;
        }
    }

    fn is_trusted(&self, entry: &OffsetEntry) -> bool {
        let is_zero = entry.relative_offset == 0 && entry.position == 0;
        self.until.is_none_or(|until| !is_zero && self.base + i64::from(entry.relative_offset) < until)
    }

    fn fail(&mut self, position: u64, what: String) {
        self.fault.get_or_insert(Fault { position, what });
    }

    /// What is wrong, once the last batch has been seen; and the largest distance of two entries.
    pub(super) fn end(mut self) -> (Option<Fault>, u64) {
        if self.entries.front.is_none_or(|(_, entry)| !self.is_trusted(&entry)) && self.until.is_some() {
            return (self.fault, self.largest_gap);
        }
        if let Some((at, offset)) = self.awaited {
            self.fail(at, format!("its entry of offset {offset} names an offset at which no batch ends"));
        }
        let base = self.base;
        let rest = self.entries.rest(|entry| {
            let (offset, position) = (base + i64::from(entry.relative_offset), entry.position);
            format!("its entry of offset {offset} leads to byte {position}, where no batch begins")
        });
        let unindexed = self.last_batch_at - self.last_entry_at;
        let usual = if self.largest_gap == 0 { UNINDEXED_BYTES_MAX } else { self.largest_gap * UNINDEXED_GAPS_MAX };
        let short = (unindexed > usual).then(|| {
            let what = format!("it ends early: the last {unindexed} bytes of the log have no entry");
            Fault { position: self.entries.position, what }
        });
        (self.fault.or(rest).or(short), self.largest_gap)
    }
}

/// A time index beside the batches of its log. Of its faults the first is kept.
pub(super) struct TimeIndexCheck {
    entries: Entries<TimeEntry>,
    base: Offset,
    /// As for the offset index.
    until: Option<Offset>,
    fault: Option<Fault>,
    last: Option<TimeEntry>,
    largest: Millis,
}

impl TimeIndexCheck {
    pub(super) fn open(path: &Path, base: Offset, until: Option<Offset>) -> io::Result<TimeIndexCheck> {
        Ok(TimeIndexCheck { entries: Entries::open(path)?, base, until, fault: None, last: None, largest: Millis(-1) })
    }

    /// Holds the next batch against the entries that speak of it.
    pub(super) fn batch(&mut self, batch: &Located) -> io::Result<()> {
        let header = &batch.header;
        while let Some((at, entry)) = self.entries.front
            && self.base + i64::from(entry.relative_offset) <= header.last_offset()
            && self.fault.is_none()
        {
            let offset = self.base + i64::from(entry.relative_offset);
            let is_zero = entry.relative_offset == 0 && entry.timestamp == 0;
            if self.until.is_some_and(|until| is_zero || offset >= until) {
                self.entries.stop();
                break;
            }
            let late = self.last.is_some_and(|last| last.timestamp >= entry.timestamp);
            let of_batch = offset >= header.base_offset && entry.timestamp != header.max_timestamp.0;
            if late || of_batch || entry.timestamp < self.largest.0 {
                let latest = self.largest.0.max(header.max_timestamp.0);
                let time = entry.timestamp;
                let what = format!("its entry of offset {offset} has time {time}, where the batches have {latest}");
                self.fault = Some(Fault { position: at, what });
            }
            self.last = Some(entry);
            self.entries.advance()?;
        }
        self.largest = self.largest.max(header.max_timestamp);
        Ok(())
    }

    /// What is wrong, once the last batch has been seen.
    pub(super) fn end(self) -> Option<Fault> {
        if self.until.is_some() {
            return self.fault;
        }
        let base = self.base;
        let rest = self.entries.rest(|entry| {
            format!("its entry of offset {} is behind the end of the log", base + i64::from(entry.relative_offset))
        });
        let short = (self.last.map_or(-1, |last| last.timestamp) < self.largest.0).then(|| {
            let what = format!("it ends early: the time {} of the log has no entry", self.largest.0);
            Fault { position: self.entries.position, what }
        });
        self.fault.or(rest).or(short)
    }
}
