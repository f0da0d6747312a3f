//! Batches of states laid over one another.

use std::collections::BTreeSet;

use crate::types::Offset;

use super::state::StateBatch;

/// Lays new batches over those so far. What lies before the start offset is dropped ([`Offset::NONE`] drops nothing),
/// neighbours in the same state become one, and where two overlap the one with the higher delivery count holds, at the
/// same count the one in the later state. A batch that ends before it begins says nothing.
pub fn combine(so_far: &[StateBatch], new: &[StateBatch], start_offset: Offset) -> Vec<StateBatch> {
    let batches = so_far.iter().chain(new).filter(|batch| batch.first <= batch.last);
    let mut left: BTreeSet<StateBatch> = batches.filter_map(|batch| from_start(*batch, start_offset)).collect();
    let mut combined = Vec::with_capacity(left.len());
    while let Some(batch) = left.pop_first() {
        match left.first().copied() {
            Some(next) if next.first <= batch.last || continues(&batch, &next) => {
                left.remove(&next);
                left.extend(merge(batch, next).into_iter().flatten());
            }
            Some(_) | None => combined.push(batch),
        }
    }
    combined
}

fn from_start(batch: StateBatch, start_offset: Offset) -> Option<StateBatch> {
    match start_offset {
        Offset::NONE => Some(batch),
        start if batch.last < start => None,
        start => Some(StateBatch { first: batch.first.max(start), ..batch }),
    }
}

fn rank(batch: &StateBatch) -> (i16, i8) {
    (batch.delivery_count, batch.delivery_state)
}

fn continues(batch: &StateBatch, next: &StateBatch) -> bool {
    batch.last < next.first && batch.last.next() == next.first && rank(batch) == rank(next)
}

/// Two batches, the first of which begins no later, as up to three that do not overlap; or, if they are in the same
/// state, as one.
fn merge(batch: StateBatch, next: StateBatch) -> [Option<StateBatch>; 3] {
    if rank(&batch) == rank(&next) {
        return [Some(StateBatch { last: batch.last.max(next.last), ..batch }), None, None];
    }
    if rank(&next) < rank(&batch) {
        let rest = (next.last > batch.last).then(|| StateBatch { first: batch.last.next(), ..next });
        return [Some(batch), rest, None];
    }
    let before = (batch.first < next.first).then(|| StateBatch { last: next.first + -1, ..batch });
    let after = (next.last < batch.last).then(|| StateBatch { first: next.last.next(), ..batch });
    [before, Some(next), after]
}
