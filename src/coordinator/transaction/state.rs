//! The states of a transactional id and the moves between them.

/// Where a transactional id stands.
///
/// ```text
///                                 commit                    all markers stand
///   ┌───────┐ add   ┌─────────┐ ──────────▶ PrepareCommit ───────────────────▶ CompleteCommit
///   │ Empty │ ────▶ │ Ongoing │                                                     │
///   └───────┘       └─────────┘ ──────────▶ PrepareAbort ────────────────────▶ CompleteAbort
///       ▲              ▲          abort, fence    ▲         all markers stand         │
///       │              │                          │                                   │
///       │              └────── add ───────────────┼─── from a complete state ─────────┤
///       │                                         └─── abort without transaction ─────┤
///       └───────────── init ──────────────────────────────────────────────────────────┘
/// ```
///
/// What each event does; `CT` is CONCURRENT_TRANSACTIONS, `ITS` is INVALID_TXN_STATE, *retry* is an EndTxn of
/// `transaction.version` 2 that repeats the one which led here. *CT, then ITS*: a commit within a tenth of a second has
/// overtaken its batches.
///
/// | event                  | Empty                | Ongoing                | PrepareCommit | PrepareAbort | CompleteCommit | CompleteAbort |
/// |------------------------|----------------------|------------------------|---------------|--------------|----------------|---------------|
/// | InitProducerId         | Empty, epoch raised  | PrepareAbort, then CT  | CT            | CT           | Empty          | Empty         |
/// | partitions added       | Ongoing              | Ongoing                | CT            | CT           | Ongoing        | Ongoing       |
/// | commit, versions 0, 1  | ITS                  | PrepareCommit          | CT            | CT           | as it is       | ITS           |
/// | abort, versions 0, 1   | ITS                  | PrepareAbort           | CT            | CT           | ITS            | as it is      |
/// | commit, version 2      | ITS                  | PrepareCommit          | CT            | CT           | CT, then ITS   | CT, then ITS  |
/// | abort, version 2       | PrepareAbort         | PrepareAbort           | CT            | CT           | PrepareAbort   | PrepareAbort  |
/// | retry of a commit      | fenced               | fenced                 | CT            | CT           | as it is       | ITS           |
/// | retry of an abort      | fenced               | fenced                 | CT            | CT           | ITS            | as it is      |
/// | all markers stand      | –                    | –                      | CompleteCommit| CompleteAbort| –              | –             |
/// | timeout                | –                    | PrepareAbort           | –             | –            | –              | –             |
/// | expiration of the id   | forgotten            | –                      | –             | –            | forgotten      | forgotten     |
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// The producer has begun nothing yet.
    Empty,
    /// Partitions may have records of the transaction.
    Ongoing,
    /// It will be committed, whatever happens.
    PrepareCommit,
    /// It will be aborted, whatever happens.
    PrepareAbort,
    CompleteCommit,
    CompleteAbort,
}

impl State {
    /// Every state, by its number in records.
    pub const ALL: [State; 6] = [
        State::Empty,
        State::Ongoing,
        State::PrepareCommit,
        State::PrepareAbort,
        State::CompleteCommit,
        State::CompleteAbort,
    ];

    /// The number in records.
    pub fn id(self) -> i8 {
        self as i8
    }

    /// The state of that number. The numbers behind these are Kafka's for states that are never written.
    pub fn from_id(id: i8) -> Option<State> {
        usize::try_from(id).ok().and_then(|id| State::ALL.get(id)).copied()
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::Ongoing => "Ongoing",
            State::PrepareCommit => "PrepareCommit",
            State::PrepareAbort => "PrepareAbort",
            State::CompleteCommit => "CompleteCommit",
            State::CompleteAbort => "CompleteAbort",
        }
    }

    /// The state of that name.
    pub fn from_name(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether markers are being written.
    pub fn is_prepared(self) -> bool {
        match self {
            State::PrepareCommit | State::PrepareAbort => true,
            State::Empty | State::Ongoing | State::CompleteCommit | State::CompleteAbort => false,
        }
    }

    /// Whether the id may move from here to `next`.
    pub fn may_become(self, next: State) -> bool {
        use State::*;
        match next {
            Empty | Ongoing if self == next => true,
            Empty => matches!(self, CompleteCommit | CompleteAbort),
            Ongoing => matches!(self, Empty | CompleteCommit | CompleteAbort),
            PrepareCommit => self == Ongoing,
            PrepareAbort => matches!(self, Ongoing | Empty | CompleteCommit | CompleteAbort),
            CompleteCommit => self == PrepareCommit,
            CompleteAbort => self == PrepareAbort,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::State::{self, *};

    #[test]
    fn the_moves_are_kafkas() {
        let previous = |next: State| State::ALL.into_iter().filter(|from| from.may_become(next)).collect::<Vec<_>>();
        assert_eq!(previous(Empty), [Empty, CompleteCommit, CompleteAbort]);
        assert_eq!(previous(Ongoing), [Empty, Ongoing, CompleteCommit, CompleteAbort]);
        assert_eq!(previous(PrepareCommit), [Ongoing]);
        assert_eq!(previous(PrepareAbort), [Empty, Ongoing, CompleteCommit, CompleteAbort]);
        assert_eq!(previous(CompleteCommit), [PrepareCommit]);
        assert_eq!(previous(CompleteAbort), [PrepareAbort]);
    }

    #[test]
    fn numbers_and_names_lead_back() {
        for (number, state) in State::ALL.into_iter().enumerate() {
            assert_eq!((state.id() as usize, State::from_id(number as i8)), (number, Some(state)));
            assert_eq!(State::from_name(state.name()), Some(state));
        }
        assert_eq!((State::from_id(6), State::from_id(-1), State::from_name("Dead")), (None, None, None));
    }
}
