//! What must be true of the log, kept in memory.

use std::collections::BTreeMap;

/// A record, as it was appended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    pub key: Option<String>,
    /// `None`: a tombstone, or a marker of a transaction.
    pub value: Option<String>,
    pub epoch: i32,
}

/// Records by their offsets.
pub type Content = BTreeMap<i64, Kept>;

/// The log as it should be, and what a crash may make of it.
#[derive(Default)]
pub struct Model {
    /// Also of what was begun and not answered, behind the end.
    pub content: Content,
    pub start: i64,
    pub end: i64,
    /// Everything before it was acknowledged as durable.
    pub durable: i64,
    /// The start cannot lie before this any more.
    pub durable_start: i64,
    /// What truncations to an offset were about to take away when the process ended; until something behind that is durable,
    /// a power cut may bring it back.
    pub before: Vec<(i64, Content)>,
    pub is_compacted: bool,
}

impl Model {
    /// Notes records that are about to be appended.
    pub fn begin_append(&mut self, records: impl Iterator<Item = Kept>) {
        self.content.retain(|offset, _| *offset < self.end);
        self.content.extend((self.end..).zip(records));
    }

    /// The append was answered.
    pub fn appended(&mut self) {
        self.end = self.content.last_key_value().map_or(self.end, |(last, _)| last + 1).max(self.end);
    }

    /// Notes a truncation that is about to be done.
    pub fn begin_truncation(&mut self, to: i64) {
        self.before.push((to, self.content.clone()));
        self.content.retain(|offset, _| *offset < to);
        self.end = to;
        self.durable = self.durable.min(to);
        self.start = self.start.min(to);
        self.durable_start = self.durable_start.min(to);
    }

    /// The truncation was answered: it is on disk.
    pub fn truncated(&mut self) {
        self.before.clear();
    }

    /// Holds what was found from `start` to `end` after a crash against what may be there, and goes on with it.
    pub fn adopt(&mut self, found: &Content, start: i64, end: i64, may_lose: bool) -> Result<(), String> {
        if end < self.durable {
            return Err(format!("{} was acknowledged as durable, and the log ends at {end}", self.durable));
        }
        if !may_lose && end < self.end {
            return Err(format!("{} was appended, the power stayed, and the log ends at {end}", self.end));
        }
        if start > self.start {
            return Err(format!("the log began at {} and begins at {start}", self.start));
        }
        if start < self.durable_start.min(end) {
            return Err(format!("the log's start was written down as {} and is {start}", self.durable_start));
        }
        let before = self.before.iter().filter(|(to, _)| *to >= self.durable).map(|(_, content)| content);
        let candidates: Vec<&Content> = std::iter::once(&self.content).chain(before).collect();
        let faults: Vec<Option<String>> =
            candidates.iter().map(|candidate| self.fault(candidate, found, start, end)).collect();
        let Some(fits) = faults.iter().position(Option::is_none) else {
            return Err(faults[0].clone().unwrap_or_default());
        };
        self.content = candidates[fits].range(..end).map(|(offset, kept)| (*offset, kept.clone())).collect();
        if self.is_compacted {
            self.content = found.clone();
        }
        (self.start, self.end) = (start, end);
        Ok(())
    }

    /// How what was found differs from a clean prefix of `candidate`.
    fn fault(&self, candidate: &Content, found: &Content, start: i64, end: i64) -> Option<String> {
        let unknown = found.iter().find(|(offset, kept)| candidate.get(offset) != Some(kept));
        if let Some((offset, kept)) = unknown {
            return Some(format!("at {offset} stands {kept:?}, expected {:?}", candidate.get(offset)));
        }
        let missing = candidate.range(start..end.max(start)).filter(|(offset, _)| !found.contains_key(offset));
        for (offset, kept) in missing {
            let replaced = |(_, later): (&i64, &Kept)| later.key == kept.key;
            // What was not durable may be missing before the next segment.
            let may_go = kept.key.is_none() || kept.value.is_none() || *offset >= self.durable;
            if !self.is_compacted || !(may_go || candidate.range(offset + 1..end).any(replaced)) {
                return Some(format!("{offset} is missing of {start} to {end}: {kept:?}"));
            }
        }
        None
    }
}
