//! What a log knows of its cleaning.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::types::Offset;

/// How far a log is cleaned, and whether a cleaning under way may go on.
#[derive(Debug)]
pub struct CleaningMark {
    cleaned_to: AtomicI64,
    round: AtomicU64,
    uncleanable: OnceLock<Arc<str>>,
}

impl Default for CleaningMark {
    fn default() -> CleaningMark {
        let cleaned_to = AtomicI64::new(Offset::NONE.0);
        CleaningMark { cleaned_to, round: AtomicU64::new(0), uncleanable: OnceLock::new() }
    }
}

impl CleaningMark {
    /// Where the last cleaning ended and the next one begins (`cleaner-offset-checkpoint`), if there was one.
    pub fn cleaned_to(&self) -> Option<Offset> {
        Some(Offset(self.cleaned_to.load(Ordering::Acquire))).filter(|offset| *offset >= Offset::ZERO)
    }

    /// Notes where a cleaning ended.
    pub fn set_cleaned_to(&self, offset: Offset) {
        self.cleaned_to.store(offset.0, Ordering::Release);
    }

    /// Gives up the cleaning that is under way. The caller has the writer's lock of the log, so that from then on
    /// nothing of that cleaning takes effect.
    pub fn abort(&self) {
        self.round.fetch_add(1, Ordering::AcqRel);
    }

    /// What a cleaning belongs to until it is given up.
    pub fn round(&self) -> u64 {
        self.round.load(Ordering::Acquire)
    }

    /// The log was cut: what is appended from `offset` on is not clean. As [`CleaningMark::abort`] for its callers.
    pub fn truncate(&self, offset: Offset) {
        self.abort();
        self.cleaned_to.fetch_min(offset.0, Ordering::AcqRel);
    }

    /// Why the log is not cleaned any more, if it is not.
    pub fn uncleanable(&self) -> Option<Arc<str>> {
        self.uncleanable.get().cloned()
    }

    /// Has the log not cleaned any more, until it is opened anew.
    pub fn set_uncleanable(&self, reason: &str) {
        let _ = self.uncleanable.set(reason.into());
    }

    /// Takes over what is known of the log that this one is a copy of.
    pub fn take_over(&self, other: &CleaningMark) {
        self.cleaned_to.store(other.cleaned_to.load(Ordering::Acquire), Ordering::Release);
        if let Some(reason) = other.uncleanable.get() {
            self.set_uncleanable(reason);
        }
    }
}
