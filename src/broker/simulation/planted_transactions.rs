//! The transaction coordinator with a bug.

use super::planted::{Bug, Planted, inner, outer};
use crate::coordinator::transaction::{Command, Live, Producer, Record, Reply, State, Timer, TransactionMachine};
use crate::state_machine::{JournalError, Now, Outcome, StateMachine, Ticket};
use crate::types::{ErrorCode, ProducerEpoch, ProducerId};

type Machine = Planted<TransactionMachine>;

impl Machine {
    /// Takes over one record of the log.
    pub fn load(&mut self, record: &Record) {
        self.machine.load(record);
    }

    /// What the machine is asked instead.
    fn misheard(&self, command: Command) -> Command {
        match command {
            Command::End { id, producer, commit, client_version, fresh } if self.has(Bug::LateEndEndsTheNext) => {
                let epoch =
                    self.known(&id).filter(|known| known.id == producer.id).map_or(producer.epoch, |known| known.epoch);
                let producer = Producer { epoch: epoch.max(producer.epoch), ..producer };
                Command::End { id, producer, commit, client_version, fresh }
            }
            command => command,
        }
    }

    /// Who bears the id, by way of the machine's own description.
    fn known(&self, id: &str) -> Option<Producer> {
        let mut live = Live::default();
        let now = Now { monotonic: crate::types::Millis(0), wall: crate::types::Millis(0) };
        let outcome = self.machine.decide(&mut live, Ticket(0), Command::Describe { id: id.into() }, now);
        let Some((_, Reply::Describe(told))) = outcome.replies.into_iter().next() else { return None };
        let (id, epoch) = (ProducerId(told.producer_id.0), ProducerEpoch(told.producer_epoch));
        (told.error_code == 0).then_some(Producer { id, epoch })
    }

    fn spoil(&self, outcome: &mut Outcome<TransactionMachine>, timer: Option<&Timer>, added: bool) {
        let Some(bug) = self.bug else { return };
        match bug {
            Bug::EpochNotRaisedByInit => {
                for (_, reply) in &mut outcome.replies {
                    let Reply::Init(Ok(told)) = reply else { continue };
                    let lowered = Producer { epoch: ProducerEpoch((told.epoch.0 - 1).max(0)), ..*told };
                    for record in &mut outcome.records {
                        record.transaction.iter_mut().for_each(|changed| changed.producer = lowered);
                    }
                    *told = lowered;
                }
            }
            Bug::RetriedEndAlwaysAgreed => {
                for (_, reply) in &mut outcome.replies {
                    if let Reply::End(Err(ErrorCode::InvalidTxnState | ErrorCode::ProducerFenced)) = reply {
                        *reply = Reply::End(Ok(Producer::NONE));
                    }
                }
            }
            Bug::EpochsWrapAround => {
                for changed in outcome.records.iter_mut().filter_map(|record| record.transaction.as_mut()) {
                    if changed.next_id != ProducerId::NONE {
                        changed.next_id = changed.producer.id;
                    }
                }
                for (_, reply) in &mut outcome.replies {
                    if let (Reply::End(Ok(told)), Some(Some(changed))) =
                        (reply, outcome.records.first().map(|record| &record.transaction))
                        && changed.next_id == changed.producer.id
                    {
                        told.id = changed.next_id;
                    }
                }
            }
            Bug::TimeoutDoesNotFence if timer == Some(&Timer::TimedOut) => {
                for changed in outcome.records.iter_mut().filter_map(|record| record.transaction.as_mut()) {
                    changed.producer.epoch = ProducerEpoch(changed.producer.epoch.0 - 1);
                    changed.client_version = 0;
                }
            }
            Bug::OngoingIdsExpire if timer == Some(&Timer::TimedOut) => {
                let timed_out = |record: &Record| {
                    record.transaction.as_ref().is_some_and(|changed| changed.state == State::PrepareAbort)
                };
                outcome
                    .records
                    .iter_mut()
                    .filter(|record| timed_out(record))
                    .for_each(|record| record.transaction = None);
            }
            Bug::AddedPartitionNotWritten if added => {
                let grown =
                    |record: &Record| record.transaction.as_ref().is_some_and(|changed| changed.partitions.len() > 1);
                outcome.records.retain(|record| !grown(record));
            }
            _ => {}
        }
    }
}

impl StateMachine for Machine {
    type Command = Command;
    type Reply = Reply;
    type Record = Record;
    type Timer = Timer;
    type Live = Live;

    fn start(&self, live: &mut Live, now: Now) -> Outcome<Machine> {
        let outcome = self.machine.start(live, now);
        if self.has(Bug::PreparedForgottenAtLoad) {
            live.unmarked.clear();
        }
        outer(outcome)
    }

    fn decide(&self, live: &mut Live, ticket: Ticket, command: Command, now: Now) -> Outcome<Machine> {
        let command = self.misheard(command);
        let added = matches!(command, Command::Add { .. });
        let command = match command {
            // The worker's first question must not find again what was forgotten.
            Command::NextWork { .. } if self.has(Bug::PreparedForgottenAtLoad) => Command::NextWork { anew: false },
            command => command,
        };
        let mut outcome = self.machine.decide(live, ticket, command, now);
        self.spoil(&mut outcome, None, added);
        outer(outcome)
    }

    fn expire(&self, live: &mut Live, timer: Timer, now: Now) -> Outcome<Machine> {
        let mut outcome = self.machine.expire(live, timer.clone(), now);
        self.spoil(&mut outcome, Some(&timer), false);
        outer(outcome)
    }

    fn replay(&mut self, live: &mut Live, record: &Record) {
        self.machine.replay(live, record);
    }

    fn abandon(&self, live: &mut Live, failed: &Outcome<Machine>, why: &JournalError, now: Now) -> Outcome<Machine> {
        outer(self.machine.abandon(live, &inner(failed), why, now))
    }
}
