//! Taking back what a decision did to live groups when its records could not be written.

use std::sync::Arc;

use crate::coordinator::error_of;
use crate::state_machine::{JournalError, Outcome, Ticket};
use crate::types::Millis;

use super::join::unwritten_join;
use super::machine::{GroupMachine, Live, Reply, Timer, Turn};
use super::member::Member;

/// How long what a timer decided and could not be written waits for its next try.
const RETRY_AFTER: Millis = Millis(500);

/// How to take back the live half of a decision.
#[derive(Debug)]
pub enum Undo {
    /// The group came into being with this decision.
    NewGroup { group: Arc<str>, ticket: Ticket },
    /// The generation became stable with the leader's assignment.
    Assignment { group: Arc<str> },
    /// A classic group became a consumer group.
    Upgrade { group: Arc<str> },
    /// A consumer group became a classic group, because that timer came due if any did.
    Downgrade { group: Arc<str>, retry: Option<Timer> },
    /// That timer came due and has to do so again.
    Retry(Timer),
    /// A static member got a new member id.
    StaticMember { group: Arc<str>, new_id: Arc<str>, old: Box<Member>, ticket: Ticket },
}

impl Undo {
    /// A consumer group became a classic group by a request.
    pub fn downgrade(group: Arc<str>) -> Undo {
        Undo::Downgrade { group, retry: None }
    }
}

impl GroupMachine {
    pub(super) fn undo(
        &self,
        live: &mut Live,
        turn: &mut Turn,
        undo: Undo,
        failed: &Outcome<GroupMachine>,
        why: &JournalError,
    ) {
        let error = error_of(why);
        match undo {
            Undo::NewGroup { group, ticket } => {
                let Some(group) = live.groups.remove(&group) else { return };
                let parked = group.parked().chain([ticket]).collect::<std::collections::BTreeSet<_>>();
                for ticket in parked {
                    turn.outcome.answer(ticket, unwritten_join(&group, error));
                }
            }
            Undo::Assignment { group } => {
                let Some(group) = live.groups.get_mut(&group) else { return };
                for (ticket, _) in &failed.replies {
                    turn.answer_sync_error(*ticket, error);
                }
                for member in group.members.values_mut() {
                    member.assignment = bytes::Bytes::new();
                }
                turn.renew_sessions(group);
                turn.prepare_rebalance(group);
            }
            Undo::Upgrade { group } => {
                let Some(group) = live.groups.get_mut(&group) else { return };
                let parked: Vec<Ticket> = group.parked().collect();
                for member in group.members.values_mut() {
                    member.awaiting_join = None;
                    member.awaiting_sync = None;
                }
                // They join again, whatever the group is then.
                let told = failed.replies.iter().filter(|(ticket, _)| parked.contains(ticket));
                told.for_each(|(ticket, reply)| turn.outcome.answer(*ticket, reply.clone()));
            }
            Undo::Downgrade { group, retry } => {
                live.groups.remove(&group);
                retry.into_iter().for_each(|timer| turn.set(timer, turn.now.monotonic + RETRY_AFTER));
            }
            Undo::Retry(timer) => turn.set(timer, turn.now.monotonic + RETRY_AFTER),
            Undo::StaticMember { group, new_id, old, ticket } => {
                let Some(group) = live.groups.get_mut(&group) else { return };
                let led = group.is_leader(&new_id);
                let mut old = *old;
                old.awaiting_join = None;
                old.awaiting_sync = None;
                group.remove(&new_id);
                turn.cancel(Timer::Session(group.id.clone(), new_id));
                turn.renew_session(group.id.clone(), &old);
                if led {
                    group.leader = Some(old.id.clone());
                }
                group.add(old);
                turn.outcome.answer(ticket, unwritten_join(group, error));
                answer_fenced(turn, failed, ticket);
            }
        }
    }
}

/// Whoever was fenced by the replacement stays answered: its requests cannot be parked again.
fn answer_fenced(turn: &mut Turn, failed: &Outcome<GroupMachine>, except: Ticket) {
    for (ticket, reply) in failed.replies.iter().filter(|(ticket, _)| *ticket != except) {
        turn.outcome.answer(*ticket, Reply::clone(reply));
    }
}
