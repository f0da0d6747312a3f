//! Which log is to be cleaned, and how far.

use std::sync::Arc;

use crate::log::LogError;
use crate::log::partition_log::Log;
use crate::log::segment::Segment;
use crate::types::{Millis, Offset};

/// A log and the part of it that can be cleaned.
#[derive(Clone, Debug)]
pub struct Cleanable {
    pub log: Arc<Log>,
    /// The round in which this was found; once it is over, none of this holds.
    pub round: u64,
    /// Everything before it was cleaned.
    pub first_dirty: Offset,
    /// The base of the first segment in which records may still change or are too young.
    pub first_uncleanable: Offset,
    /// Bytes of segments that hold something clean.
    pub clean_bytes: u64,
    /// Bytes of segments that would be cleaned for the first time.
    pub cleanable_bytes: u64,
    /// For how long the oldest dirty record has exceeded `max.compaction.lag.ms`.
    pub overdue: Millis,
}

impl Cleanable {
    /// Looks at a log at `now`. `round` was read before anything that may end it was looked for.
    pub fn of(log: &Arc<Log>, round: u64, now: Millis) -> Result<Cleanable, LogError> {
        let config = log.config();
        let segments = log.segments.load_full();
        let active = segments.last().expect("a log always has a segment").base();
        let first_dirty = first_dirty(log);
        let dirty = between(&segments, first_dirty, active);

        let lag = Millis(config.min_compaction_lag_ms.max(0));
        let mut limit = log.last_stable_offset(log.high_watermark()).min(active);
        if lag > Millis(0) {
            for segment in dirty {
                if segment.retention_timestamp()? > now - lag {
                    limit = limit.min(segment.base());
                    break;
                }
            }
        }
        let limit = limit.max(first_dirty);

        let first_uncleanable = between(&segments, limit, active).first().map_or(active, |segment| segment.base());
        let bytes = |segments: &[Arc<Segment>]| -> u64 { segments.iter().map(|segment| segment.size()).sum() };
        let before = segments.partition_point(|segment| segment.base() < first_dirty);
        Ok(Cleanable {
            log: log.clone(),
            round,
            first_dirty,
            first_uncleanable,
            clean_bytes: bytes(&segments[..before]),
            cleanable_bytes: bytes(between(&segments, first_dirty.min(first_uncleanable), first_uncleanable)),
            overdue: overdue(dirty, Millis(config.max_compaction_lag_ms.max(0)), now)?,
        })
    }

    /// Whether there is anything in the part that is or can be cleaned.
    pub fn has_bytes(&self) -> bool {
        self.clean_bytes + self.cleanable_bytes > 0
    }

    /// The share of bytes that were not cleaned yet, of those that are or could be.
    pub fn dirty_ratio(&self) -> f64 {
        match self.clean_bytes + self.cleanable_bytes {
            0 => 0.0,
            total => self.cleanable_bytes as f64 / total as f64,
        }
    }

    /// Whether the log is dirty enough, or has been for too long.
    pub fn is_due(&self) -> bool {
        let ratio = self.dirty_ratio();
        self.overdue > Millis(0) && self.cleanable_bytes > 0 || ratio > self.log.config().min_cleanable_dirty_ratio
    }
}

/// Where the last cleaning ended. A mark outside the log, as after a crash or retention, counts for nothing.
fn first_dirty(log: &Log) -> Offset {
    let start = log.log_start_offset();
    let Some(marked) = log.cleaning.cleaned_to() else { return start };
    if marked >= start && marked <= log.end_offset() {
        return marked;
    }
    if !log.config().cleanup_policy.delete {
        let end = log.end_offset();
        tracing::warn!(partition = %log.partition(), %marked, %start, %end, "cleaned up to outside the log; all is dirty");
    }
    log.cleaning.set_cleaned_to(start);
    start
}

/// By how much the first batch of the oldest of these segments is older than it may be before it is cleaned.
fn overdue(dirty: &[Arc<Segment>], lag: Millis, now: Millis) -> Result<Millis, LogError> {
    let clean_until = now - lag;
    let mut earliest = Millis::MAX;
    // Without a limit nothing can be overdue, and no segment need be opened.
    for segment in dirty.iter().filter(|_| clean_until > Millis(0)) {
        if let Some(first) = segment.first_timestamp()?.filter(|first| *first > Millis(0)) {
            earliest = earliest.min(first);
        }
    }
    Ok(if earliest < clean_until { clean_until - earliest } else { Millis(0) })
}

/// The segments from the one that holds `from` to the last one that begins before `to`.
pub fn between(segments: &[Arc<Segment>], from: Offset, to: Offset) -> &[Arc<Segment>] {
    if from >= to {
        return &[];
    }
    let first = segments.partition_point(|segment| segment.base() <= from).saturating_sub(1);
    let end = segments.partition_point(|segment| segment.base() < to);
    &segments[first.min(end)..end]
}
