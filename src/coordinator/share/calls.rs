//! What can be asked of the state of a share partition, by requests and by the broker itself.

use std::sync::Arc;

use crate::types::{ErrorCode, LeaderEpoch, Offset, TopicId};

use super::key::SharePartitionKey;
use super::machine::{Ask, Command, Reply, Write};
use super::service::ShareStates;
use super::state::StateBatch;

/// Why something was not done, and what a client is told of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub code: ErrorCode,
    pub message: String,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into() }
    }

    pub(super) fn uninitialized(what: &str) -> Refusal {
        let message = format!("{what} operation on uninitialized share partition not allowed.");
        Refusal::new(ErrorCode::InvalidRequest, message)
    }

    /// There was no coordinator to answer.
    fn unanswered(what: &str, code: ErrorCode) -> Refusal {
        Refusal::new(code, format!("Unable to {what}: {}", code.message()))
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Refusal {
        Refusal::new(code, code.message())
    }
}

/// A state as the leader of a share partition needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadState {
    pub state_epoch: i32,
    /// [`Offset::NONE`] before the group has read anything.
    pub start_offset: Offset,
    pub batches: Vec<StateBatch>,
}

/// A state as the coordinator of the group needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Summary {
    pub state_epoch: i32,
    pub leader_epoch: LeaderEpoch,
    /// [`Offset::NONE`] before the group has read anything.
    pub start_offset: Offset,
    /// -1 if it is not known (KIP-1226).
    pub delivery_complete_count: i32,
}

impl Summary {
    /// Of a share partition without state.
    pub const UNINITIALIZED: Summary = Summary {
        state_epoch: 0,
        leader_epoch: LeaderEpoch(0),
        start_offset: Offset::NONE,
        delivery_complete_count: -1,
    };
}

impl ShareStates {
    /// Begins the state anew, from `start_offset` on if that is known ([`Offset::NONE`] if not).
    pub async fn initialize(
        &self,
        key: SharePartitionKey,
        state_epoch: i32,
        start_offset: Offset,
    ) -> Result<(), Refusal> {
        let ask = Ask::Initialize { state_epoch, start_offset };
        self.change("initialize share group state", key.clone(), ask).await.map(|()| self.tell_reset(&key))
    }

    /// Takes note of what became of records.
    pub async fn write(&self, key: SharePartitionKey, write: Write) -> Result<(), Refusal> {
        self.change("write share group state", key, Ask::Write(write)).await
    }

    /// Forgets the state, if there is one.
    pub async fn delete(&self, key: SharePartitionKey) -> Result<(), Refusal> {
        self.change("delete share group state", key.clone(), Ask::Delete).await.map(|()| self.tell_reset(&key))
    }

    fn tell_reset(&self, key: &SharePartitionKey) {
        if let Some(listener) = self.on_reset.get() {
            listener(key);
        }
    }

    /// The state, which from now on only leaders of this epoch or later ones may write; with [`LeaderEpoch::NONE`] that
    /// stays as it is.
    pub async fn read(&self, key: SharePartitionKey, leader_epoch: LeaderEpoch) -> Result<ReadState, Refusal> {
        match self.submit("read share group state", key, Ask::Read { leader_epoch }).await? {
            Reply::Read(read) => read,
            other => unreachable!("a command is answered in kind, not by {other:?}"),
        }
    }

    /// Where the group stands.
    pub async fn summary(&self, key: SharePartitionKey) -> Result<Summary, Refusal> {
        match self.submit("read share group state summary", key, Ask::Summary).await? {
            Reply::Summary(summary) => summary,
            other => unreachable!("a command is answered in kind, not by {other:?}"),
        }
    }

    /// The states of deleted topics are forgotten.
    pub async fn topics_deleted(&self, topics: Arc<[TopicId]>) {
        for handle in self.shards.active().into_values() {
            // A coordinator that fails or moves keeps them, as Kafka's does: nobody asks for them.
            while let Ok(Reply::TopicsDeleted { more: true }) =
                handle.submit(Command::TopicsDeleted(topics.clone())).await
            {}
        }
    }

    async fn change(&self, what: &str, key: SharePartitionKey, ask: Ask) -> Result<(), Refusal> {
        match self.submit(what, key, ask).await? {
            Reply::Done(done) => done,
            other => unreachable!("a command is answered in kind, not by {other:?}"),
        }
    }

    async fn submit(&self, what: &str, key: SharePartitionKey, ask: Ask) -> Result<Reply, Refusal> {
        let exists = self.image.load().topics.partition(key.topic_id, key.partition).is_some();
        let name = key.to_string();
        let submitted = self.shards.submit(&name, Command::Of { key, exists, ask }).await;
        submitted.map_err(|code| Refusal::unanswered(what, code))
    }
}
