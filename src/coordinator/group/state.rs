//! The states of a classic group and the moves between them.

use std::fmt;

/// Where a classic group stands.
///
/// ```text
///            first join                all joined, or time is up
///   Empty ───────────────▶ Preparing ───────────────────────────▶ Completing
///     ▲                    ▲   │  ▲                                │      │
///     └────────────────────┼───┘  └────────────────────────────────┘      │ leader's
///        nobody joined     │            member gone or changed            │ assignment
///                          └──────────────────── Stable ◀─────────────────┘
///   (any) ── deleted or expired ──▶ Dead
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// No members; there may be committed offsets.
    Empty,
    /// Waiting for members to (re)join.
    PreparingRebalance,
    /// All members know the generation; waiting for the leader's assignment.
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
    /// Gone.
    Dead,
}

impl State {
    /// Every state.
    pub const ALL: [State; 5] =
        [State::Empty, State::PreparingRebalance, State::CompletingRebalance, State::Stable, State::Dead];

    /// Whether a group may move from here to `next`.
    pub fn may_become(self, next: State) -> bool {
        match (self, next) {
            (State::PreparingRebalance, State::Empty | State::CompletingRebalance) => true,
            (State::Empty | State::CompletingRebalance | State::Stable, State::PreparingRebalance) => true,
            (State::CompletingRebalance, State::Stable) => true,
            (State::Empty | State::PreparingRebalance | State::CompletingRebalance, State::Dead) => true,
            (State::Stable | State::Dead, State::Dead) => true,
            (State::Empty | State::Stable | State::Dead, State::Empty) => false,
            (State::CompletingRebalance, State::Empty) => false,
            (State::PreparingRebalance | State::Dead, State::PreparingRebalance) => false,
            (State::Empty | State::CompletingRebalance, State::CompletingRebalance) => false,
            (State::Stable | State::Dead, State::CompletingRebalance) => false,
            (State::Empty | State::PreparingRebalance | State::Stable | State::Dead, State::Stable) => false,
        }
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            State::Empty => "Empty",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
            State::Stable => "Stable",
            State::Dead => "Dead",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::State::{self, *};

    #[test]
    fn the_moves_are_kafkas() {
        let previous = |next: State| State::ALL.into_iter().filter(|from| from.may_become(next)).collect::<Vec<_>>();
        assert_eq!(previous(Empty), [PreparingRebalance]);
        assert_eq!(previous(PreparingRebalance), [Empty, CompletingRebalance, Stable]);
        assert_eq!(previous(CompletingRebalance), [PreparingRebalance]);
        assert_eq!(previous(Stable), [CompletingRebalance]);
        assert_eq!(previous(Dead), State::ALL);
    }
}
