//! The group coordinator with a bug.

use std::sync::Arc;

use super::planted::{Bug, Planted, inner, outer};
use crate::coordinator::group::{Change, Command, GroupMachine, Live, Record, Reply, ShareCommand, Timer};
use crate::protocol::StrBytes;
use crate::state_machine::{JournalError, Now, Outcome, StateMachine, Ticket, TimerChange};

type Machine = Planted<GroupMachine>;

impl Machine {
    /// Takes over one record of the log.
    pub fn load(&mut self, record: &Record) {
        if self.has(Bug::PendingOffsetsForgottenAtLoad) && matches!(record, Record::TxnOffset { .. }) {
            return;
        }
        let record = self.misread(record);
        self.remember(&record);
        self.machine.load(&record);
    }

    /// What the machine reads instead.
    fn misread(&self, record: &Record) -> Record {
        let mut record = record.clone();
        match &mut record {
            Record::EndTxn(marker) if self.has(Bug::AbortedOffsetsCommitted) => marker.commit = true,
            Record::EndTxn(marker) if self.has(Bug::WrongProducersOffsetsEnd) => {
                let other = self.pending.keys().find(|id| **id != marker.producer_id);
                marker.producer_id = other.copied().unwrap_or(marker.producer_id);
            }
            Record::Consumer { change: Change::Current { current: Some(current), .. }, .. }
                if self.has(Bug::HandedOverBeforeRevoked) =>
            {
                current.pending_revocation.clear();
            }
            _ => {}
        }
        record
    }

    fn remember(&mut self, record: &Record) {
        match record {
            Record::Offset { group, topic, partition, committed } => {
                let place = (group.clone(), topic.clone(), *partition);
                if committed.is_some() {
                    self.kept.insert(place)
                } else {
                    self.kept.remove(&place)
                };
            }
            Record::TxnOffset { producer, .. } => *self.pending.entry(producer.id).or_default() += 1,
            Record::EndTxn(marker) => drop(self.pending.remove(&marker.producer_id)),
            Record::Consumer { change: Change::Current { member, current: Some(current) }, .. } => {
                self.epochs.insert(member.clone(), current.epoch);
            }
            Record::Consumer { change: Change::Member { member, metadata: Some(metadata) }, .. } => {
                if let Some(instance) = &metadata.instance_id {
                    self.holders.insert(instance.clone(), member.clone());
                }
            }
            Record::Group { snapshot: Some(snapshot), .. } => {
                for member in &snapshot.members {
                    if let Some(instance) = &member.instance_id {
                        self.holders.insert(instance.clone(), member.member_id.clone());
                    }
                }
            }
            _ => {}
        }
    }

    /// What the machine is asked instead.
    fn misheard(&self, command: Command) -> Command {
        match command {
            Command::Commit { mut request, version } => {
                if self.has(Bug::StaleEpochCommits)
                    && let Some(epoch) = self.epochs.get(request.member_id.as_str())
                {
                    request.generation_id_or_member_epoch = *epoch;
                }
                self.take_for_holder(&request.group_instance_id, &mut request.member_id);
                Command::Commit { request, version }
            }
            Command::Heartbeat(mut request) => {
                self.take_for_holder(&request.group_instance_id, &mut request.member_id);
                Command::Heartbeat(request)
            }
            Command::Fetch { group, .. } if self.has(Bug::PendingOffsetsToldAsStable) => {
                Command::Fetch { group, require_stable: false }
            }
            Command::Share(ShareCommand::Asked { of, .. }) if self.has(Bug::RefusedStateTakenAsMade) => {
                Command::Share(ShareCommand::Asked { of, made: true })
            }
            command => command,
        }
    }

    fn take_for_holder(&self, instance: &Option<StrBytes>, member: &mut StrBytes) {
        let holder: Option<&Arc<str>> = instance.as_ref().and_then(|instance| self.holders.get(instance.as_str()));
        if let Some(holder) = holder.filter(|_| self.has(Bug::OldStaticMemberNotFenced)) {
            *member = StrBytes::from_string(holder.to_string());
        }
    }

    fn spoil(&self, live: &mut Live, before: &[(Arc<str>, i32)], outcome: &mut Outcome<GroupMachine>) {
        if self.has(Bug::GenerationNotRaised) {
            for (id, generation) in before.iter().filter(|(_, generation)| *generation > 0) {
                let Some(group) = live.groups.get_mut(id).filter(|group| group.generation > *generation) else {
                    continue;
                };
                group.generation = *generation;
                for (_, reply) in &mut outcome.replies {
                    if let Reply::Join(told) = reply
                        && told.error_code == 0
                    {
                        told.generation_id = *generation;
                    }
                }
            }
        }
        if self.has(Bug::DeletedOffsetsKeepTheirRecords) {
            let deletes = outcome.replies.iter().any(|(_, reply)| matches!(reply, Reply::DeleteGroups(_)));
            outcome.records.retain(|record| !(deletes && matches!(record, Record::Offset { committed: None, .. })));
        }
    }

    fn generations(&self, live: &Live) -> Vec<(Arc<str>, i32)> {
        let groups = live.groups.iter().filter(|_| self.has(Bug::GenerationNotRaised));
        groups.map(|(id, group)| (id.clone(), group.generation)).collect()
    }
}

impl StateMachine for Machine {
    type Command = Command;
    type Reply = Reply;
    type Record = Record;
    type Timer = Timer;
    type Live = Live;

    fn start(&self, live: &mut Live, now: Now) -> Outcome<Machine> {
        let mut outcome = self.machine.start(live, now);
        if self.has(Bug::SessionsNotRenewedAtLoad) {
            outcome.timers.retain(|change| !matches!(change, TimerChange::Set(Timer::Session(..), _)));
        }
        outer(outcome)
    }

    fn decide(&self, live: &mut Live, ticket: Ticket, command: Command, now: Now) -> Outcome<Machine> {
        let before = self.generations(live);
        let mut outcome = self.machine.decide(live, ticket, self.misheard(command), now);
        self.spoil(live, &before, &mut outcome);
        outer(outcome)
    }

    fn expire(&self, live: &mut Live, timer: Timer, now: Now) -> Outcome<Machine> {
        let before = self.generations(live);
        let mut outcome = self.machine.expire(live, timer.clone(), now);
        if self.has(Bug::OffsetsInUseExpire) && timer == Timer::Expiry {
            let gone = self.kept.iter().cloned();
            let gone =
                gone.map(|(group, topic, partition)| Record::Offset { group, topic, partition, committed: None });
            outcome.records = gone.collect();
        }
        self.spoil(live, &before, &mut outcome);
        outer(outcome)
    }

    fn replay(&mut self, live: &mut Live, record: &Record) {
        let record = self.misread(record);
        self.remember(&record);
        self.machine.replay(live, &record);
    }

    fn abandon(&self, live: &mut Live, failed: &Outcome<Machine>, why: &JournalError, now: Now) -> Outcome<Machine> {
        outer(self.machine.abandon(live, &inner(failed), why, now))
    }
}
