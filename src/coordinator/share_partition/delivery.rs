//! What becomes of a record that is delivered to a share group.
//!
//! ```text
//! Available ── acquired ──> Acquired ── accepted ──> Acknowledged
//!     ^                        │ ────── rejected ──> Archived
//!     └── released, timed out ─┘        (also when it was delivered too often)
//! ```
//!
//! A change that a member asks for is *begun* and takes effect in memory at once; it is *completed* when it is written,
//! or else rolled back. Until then no other change begins.

use std::sync::Arc;

/// Where a record stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RecordState {
    Available,
    Acquired,
    Acknowledged,
    /// Not used by Kafka 4.3, but known to it.
    Archiving,
    Archived,
}

impl RecordState {
    /// The state of that number.
    pub fn from_id(id: i8) -> Option<RecordState> {
        match id {
            0 => Some(RecordState::Available),
            1 => Some(RecordState::Acquired),
            2 => Some(RecordState::Acknowledged),
            3 => Some(RecordState::Archiving),
            4 => Some(RecordState::Archived),
            _ => None,
        }
    }

    /// Kafka's number.
    pub fn id(self) -> i8 {
        match self {
            RecordState::Available => 0,
            RecordState::Acquired => 1,
            RecordState::Acknowledged => 2,
            RecordState::Archiving => 3,
            RecordState::Archived => 4,
        }
    }

    /// Whether nothing more becomes of the record.
    pub fn is_terminal(self) -> bool {
        matches!(self, RecordState::Acknowledged | RecordState::Archived)
    }

    fn may_become(self, next: RecordState) -> bool {
        match self {
            RecordState::Acknowledged | RecordState::Archived => false,
            RecordState::Available => next == RecordState::Acquired,
            RecordState::Acquired | RecordState::Archiving => next != self,
        }
    }
}

/// The state of one record, or of several that share it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    pub state: RecordState,
    /// How often it was delivered.
    pub count: i32,
    /// Who has it, while it is acquired.
    pub member: Option<Arc<str>>,
    begun: Option<Begun>,
    /// The lock timed out while a change was under way.
    pub expired: bool,
    /// Archived for good: a change that is rolled back does not bring it back.
    is_gone: bool,
}

/// What a change goes back to if it is not written.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Begun {
    state: RecordState,
    member: Option<Arc<str>>,
    /// The limit of deliveries when the change began.
    limit: i32,
}

impl Delivery {
    /// A record that stands there.
    pub fn new(state: RecordState, count: i32, member: Option<Arc<str>>) -> Delivery {
        Delivery { state, count, member, begun: None, expired: false, is_gone: false }
    }

    /// Whether a change is under way.
    pub fn is_changing(&self) -> bool {
        self.begun.is_some()
    }

    /// Whether it can be acquired.
    pub fn is_free(&self) -> bool {
        self.state == RecordState::Available && !self.is_changing()
    }

    /// Whether `member` has it.
    pub fn is_of(&self, member: &str) -> bool {
        self.member.as_deref() == Some(member)
    }

    /// A member gets it, once more.
    pub fn acquire(&mut self, member: &Arc<str>) -> bool {
        let acquired = self.change(RecordState::Acquired, i32::MAX, Some(member.clone()));
        if acquired {
            self.count = self.count.saturating_add(1);
        }
        acquired
    }

    /// It is no one's any more. What was delivered `limit` times is not delivered again.
    pub fn leave(&mut self, next: RecordState, limit: i32) -> bool {
        self.change(next, limit, None)
    }

    /// As [`Delivery::leave`], until it is completed.
    pub fn begin(&mut self, next: RecordState, limit: i32) -> bool {
        let before = Begun { state: self.state, member: self.member.clone(), limit };
        let changed = self.leave(next, limit);
        if changed {
            self.begun = Some(before);
        }
        changed
    }

    /// Ends the change that is under way, if one is: as it was begun if that is `written`. Answers whether its lock
    /// ends too.
    pub fn complete(&mut self, written: bool) -> bool {
        let Some(before) = self.begun.take() else { return false };
        if written || self.is_gone {
            self.expired = false;
            return true;
        }
        if std::mem::take(&mut self.expired) {
            let too_often = self.count >= before.limit;
            self.state = if too_often { RecordState::Archived } else { RecordState::Available };
            self.member = None;
            return true;
        }
        self.state = before.state;
        self.member = before.member;
        false
    }

    /// It is gone from the log, or never was a record for members.
    pub fn archive(&mut self) {
        self.is_gone = true;
        self.state = RecordState::Archived;
        self.member = None;
        self.expired = false;
    }

    fn change(&mut self, next: RecordState, limit: i32, member: Option<Arc<str>>) -> bool {
        let too_often = next == RecordState::Available && self.count >= limit;
        let next = if too_often { RecordState::Archived } else { next };
        if self.is_changing() || !self.state.may_become(next) {
            return false;
        }
        self.state = next;
        self.member = member;
        true
    }
}
