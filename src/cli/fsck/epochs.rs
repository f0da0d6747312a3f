//! The epochs of leaders: those that the batches bear, and those of `leader-epoch-checkpoint`.

use std::ops::Range;

use crate::protocol::batch::BatchHeader;
use crate::types::{LeaderEpoch, Offset};

/// Stretches of batches of one epoch each, in order.
#[derive(Debug, Default)]
pub(super) struct EpochRuns {
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    epoch: LeaderEpoch,
    first: Offset,
    last: Offset,
}

impl EpochRuns {
    /// Takes the next batch.
    pub(super) fn batch(&mut self, header: &BatchHeader) {
        let (epoch, last) = (header.leader_epoch, header.last_offset());
        match self.runs.last_mut() {
            Some(run) if run.epoch == epoch => run.last = last,
            _ => self.runs.push(Run { epoch, first: header.base_offset, last }),
        }
    }

    /// What is wrong with the checkpoint's `entries` as to the offsets of `told`: from the start of the log, below which
    /// no epochs are kept, to where its words can be trusted.
    pub(super) fn fault(&self, entries: &[(LeaderEpoch, Offset)], told: &Range<Offset>) -> Option<String> {
        for pair in entries.windows(2) {
            let ((epoch, first), (next, behind)) = (pair[0], pair[1]);
            if next <= epoch || behind < first {
                return Some(format!(
                    "epoch {next} from offset {behind} on stands behind epoch {epoch} from {first} on"
                ));
            }
        }
        let epoch_at = |offset: Offset| {
            let count = entries.partition_point(|(_, first)| *first <= offset);
            count.checked_sub(1).map(|last| entries[last].0)
        };
        for run in self.runs.iter().filter(|run| run.epoch > LeaderEpoch::NONE) {
            for offset in [run.first.max(told.start), run.last.min(told.end + -1)] {
                if !(run.first..=run.last).contains(&offset) || !told.contains(&offset) {
                    continue;
                }
                let found = epoch_at(offset);
                if found != Some(run.epoch) {
                    let found = found.map_or("none".to_owned(), |found| found.to_string());
                    return Some(format!("it has epoch {found} at offset {offset}, where the log has {}", run.epoch));
                }
            }
        }
        None
    }

    /// The entries that the batches from `start` on speak for; behind them one of `entries` that has no batch yet stays.
    pub(super) fn rebuilt(
        &self,
        entries: &[(LeaderEpoch, Offset)],
        start: Offset,
        end: Offset,
    ) -> Vec<(LeaderEpoch, Offset)> {
        let mut rebuilt: Vec<(LeaderEpoch, Offset)> = Vec::new();
        for run in self.runs.iter().filter(|run| run.epoch > LeaderEpoch::NONE && run.last >= start) {
            if rebuilt.last().is_none_or(|(epoch, _)| run.epoch > *epoch) {
                rebuilt.push((run.epoch, run.first.max(start)));
            }
        }
        let next = entries
            .last()
            .filter(|(epoch, first)| *first == end && rebuilt.last().is_none_or(|(last, _)| epoch > last));
        rebuilt.extend(next);
        rebuilt
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::batch::BatchBuilder;
    use crate::types::Millis;

    fn runs(batches: &[(i32, i64)]) -> EpochRuns {
        let mut runs = EpochRuns::default();
        for (epoch, offset) in batches {
            let mut builder = BatchBuilder::new(Offset(*offset)).leader_epoch(LeaderEpoch(*epoch));
            builder.append(Millis(1), None, Some(b"v"), &[]);
            let bytes: Bytes = builder.build();
            runs.batch(&BatchHeader::parse(&bytes).unwrap());
        }
        runs
    }

    fn entries(list: &[(i32, i64)]) -> Vec<(LeaderEpoch, Offset)> {
        list.iter().map(|(epoch, offset)| (LeaderEpoch(*epoch), Offset(*offset))).collect()
    }

    #[test]
    fn a_checkpoint_is_held_against_the_batches() {
        let log = runs(&[(0, 0), (0, 1), (3, 2), (3, 5)]);
        let all = Offset(0)..Offset(6);
        for good in [&[(0, 0), (3, 2)][..], &[(0, 0), (2, 2), (3, 2)], &[(0, 0), (3, 2), (4, 6)]] {
            assert_eq!(log.fault(&entries(good), &all), None, "{good:?}");
        }
        for bad in [&[][..], &[(0, 0)], &[(0, 0), (3, 3)], &[(3, 2), (0, 0)], &[(0, 0), (3, 1)], &[(7, 0)]] {
            assert!(log.fault(&entries(bad), &all).is_some(), "{bad:?}");
        }
        assert_eq!(log.fault(&entries(&[(3, 4)]), &(Offset(4)..Offset(6))), None);
        assert_eq!(log.fault(&entries(&[(0, 0)]), &(Offset(0)..Offset(2))), None);
        assert_eq!(log.fault(&[], &(Offset(0)..Offset(0))), None);
    }

    #[test]
    fn a_checkpoint_is_built_from_the_batches() {
        let log = runs(&[(0, 0), (0, 1), (3, 2), (3, 5)]);
        let rebuilt = |old: &[(i32, i64)], start| log.rebuilt(&entries(old), Offset(start), Offset(6));
        assert_eq!(rebuilt(&[(9, 1)], 0), entries(&[(0, 0), (3, 2)]));
        assert_eq!(rebuilt(&[(0, 0), (4, 6)], 0), entries(&[(0, 0), (3, 2), (4, 6)]));
        assert_eq!(rebuilt(&[], 4), entries(&[(3, 4)]));
    }
}
