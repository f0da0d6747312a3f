//! Taking back an append that a full disk refused: what was noted of it is forgotten, so that it can come again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::LogError;
use super::partition_log::Log;
use super::producer_state::ProducerStates;
use super::space::DirSpace;
use super::writer::Writer;

/// What an append changes before it is written.
#[derive(Default)]
pub(super) struct Undo {
    /// Some batch came from a producer whose state is kept.
    touches_producers: bool,
    before: Option<Box<ProducerStates>>,
}

impl Undo {
    /// Notes that batches are about to change the producers' states. While the disk is short of room these are kept as
    /// they were; a refusal that comes out of the blue has them read from the log again.
    pub fn note(&mut self, log: &Log, writer: &Writer, touches_producers: bool) {
        if touches_producers && !self.touches_producers && log.is_short_of_space() {
            self.before = Some(Box::new(writer.producers.clone()));
        }
        self.touches_producers |= touches_producers;
    }
}

impl Log {
    /// Says in which directory the log is.
    pub(super) fn lies_in(&self, space: &Arc<DirSpace>) {
        // A log that moves is another one there.
        let _ = self.space.set(space.clone());
    }

    /// Whether clients' records are refused for lack of room.
    pub fn is_short_of_space(&self) -> bool {
        self.space.get().is_some_and(|space| space.is_short())
    }

    /// Makes a log whose last append failed what it was before, unless it is out of service.
    pub(super) fn take_back(&self, writer: &mut Writer, undo: Undo) {
        if self.failure().is_some() {
            return;
        }
        let end = self.end_offset();
        // The epoch that is to begin at the end stays.
        self.change_epochs(|epochs| epochs.truncate_end(end.next()));
        let restored = match undo {
            Undo { touches_producers: false, .. } => {
                writer.producers.set_end_offset(end);
                Ok(())
            }
            Undo { before: Some(before), .. } => {
                writer.producers = *before;
                Ok(())
            }
            Undo { before: None, .. } => self.rebuild_producers(writer, end),
        };
        self.first_undecided.store(writer.first_undecided().0, Ordering::Release);
        if let Err(error) = restored {
            self.refuse_for_good(&error);
        }
    }

    /// Without its producers' states a log would take what they repeat for new.
    fn refuse_for_good(&self, error: &LogError) {
        tracing::error!(partition = %self.partition, %error, "the producers' states are lost");
        self.fail(&error.to_string());
    }
}
