//! Which leader epoch wrote which offsets (KIP-101, KIP-279), as `leader-epoch-checkpoint` keeps it.

use crate::types::{LeaderEpoch, Offset};

/// Epochs with the offset of their first record, both strictly ascending.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LeaderEpochs {
    entries: Vec<(LeaderEpoch, Offset)>,
}

impl LeaderEpochs {
    /// Takes over what a checkpoint file held; entries that contradict later ones are dropped.
    pub fn from_entries(entries: Vec<(LeaderEpoch, Offset)>) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::default();
        for (epoch, start) in entries {
            epochs.assign(epoch, start);
        }
        epochs
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    /// The newest epoch.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|(epoch, _)| *epoch)
    }

    /// The oldest entry.
    pub fn earliest(&self) -> Option<(LeaderEpoch, Offset)> {
        self.entries.first().copied()
    }

    /// Notes that `epoch` begins at `start`; answers whether that changed anything. Entries that claim a later epoch
    /// or offset were never committed and give way.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if epoch.0 < 0 || start.0 < 0 {
            return false;
        }
        if self.entries.last().is_some_and(|(last, last_start)| *last == epoch && start >= *last_start) {
            return false;
        }
        while self.entries.last().is_some_and(|(last, last_start)| *last >= epoch || *last_start >= start) {
            self.entries.pop();
        }
        self.entries.push((epoch, start));
        true
    }

    /// The epoch that wrote `offset`.
    pub fn epoch_for_offset(&self, offset: Offset) -> Option<LeaderEpoch> {
        let count = self.entries.partition_point(|(_, start)| *start <= offset);
        count.checked_sub(1).map(|last| self.entries[last].0)
    }

    /// The largest known epoch not above `asked` and the offset at which it ended; both `NONE` if that cannot be
    /// said. For an epoch older than all known ones: `asked` itself and the first known offset.
    pub fn end_offset_for_epoch(&self, asked: LeaderEpoch, log_end: Offset) -> (LeaderEpoch, Offset) {
        if asked != LeaderEpoch::NONE && self.latest() == Some(asked) {
            return (asked, log_end);
        }
        let floor_count = self.entries.partition_point(|(epoch, _)| *epoch <= asked);
        match self.entries.get(floor_count) {
            Some((_, next_start)) if asked != LeaderEpoch::NONE => {
                let epoch = floor_count.checked_sub(1).map_or(asked, |last| self.entries[last].0);
                (epoch, *next_start)
            }
            _ => (LeaderEpoch::NONE, Offset::NONE),
        }
    }

    /// Forgets epochs that begin at or behind the new end of the log.
    pub fn truncate_end(&mut self, end: Offset) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(_, start)| *start < end);
        self.entries.len() != before
    }

    /// Forgets epochs that ended before the new start of the log; the one that contains it begins there now.
    pub fn truncate_start(&mut self, start: Offset) -> bool {
        let covered = self.entries.partition_point(|(_, first)| *first <= start);
        if covered == 0 || (covered == 1 && self.entries[0].1 == start) {
            return false;
        }
        self.entries.drain(..covered - 1);
        self.entries[0].1 = start;
        true
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        LeaderEpochs::from_entries(entries.iter().map(|(epoch, start)| (LeaderEpoch(*epoch), Offset(*start))).collect())
    }

    #[test]
    fn end_offsets_follow_kafkas_table() {
        let known = epochs(&[(2, 10), (4, 20), (7, 30)]);
        let table = [(-1, -1, -1), (0, 0, 10), (1, 1, 10), (2, 2, 20), (3, 2, 20), (4, 4, 30), (6, 4, 30), (7, 7, 99)];
        for (asked, epoch, end) in table {
            let found = known.end_offset_for_epoch(LeaderEpoch(asked), Offset(99));
            assert_eq!(found, (LeaderEpoch(epoch), Offset(end)), "asked {asked}");
        }
        assert_eq!(known.end_offset_for_epoch(LeaderEpoch(8), Offset(99)), (LeaderEpoch(-1), Offset(-1)));
        assert_eq!(epochs(&[]).end_offset_for_epoch(LeaderEpoch(0), Offset(9)), (LeaderEpoch(-1), Offset(-1)));
    }

    #[test]
    fn offsets_belong_to_the_epoch_before() {
        let known = epochs(&[(2, 10), (4, 20)]);
        let found = [9, 10, 19, 20, 500].map(|offset| known.epoch_for_offset(Offset(offset)).map(|epoch| epoch.0));
        assert_eq!(found, [None, Some(2), Some(2), Some(4), Some(4)]);
    }

    #[test]
    fn a_later_claim_removes_contradictions() {
        let mut known = epochs(&[(1, 0), (2, 10), (4, 20)]);
        assert!(!known.assign(LeaderEpoch(4), Offset(25)));
        assert!(known.assign(LeaderEpoch(5), Offset(10)));
        assert_eq!(known, epochs(&[(1, 0), (5, 10)]));
        assert!(known.assign(LeaderEpoch(0), Offset(12)));
        assert_eq!(known.entries(), &[(LeaderEpoch(0), Offset(12))]);
    }

    #[test]
    fn truncation_keeps_the_epoch_that_contains_the_start() {
        let mut known = epochs(&[(1, 0), (2, 10), (4, 20)]);
        assert!(known.truncate_start(Offset(15)));
        assert_eq!(known, epochs(&[(2, 15), (4, 20)]));
        assert!(!known.truncate_start(Offset(15)));
        assert!(known.truncate_end(Offset(20)));
        assert_eq!(known, epochs(&[(2, 15)]));
        assert!(!known.truncate_end(Offset(16)));
    }
}
