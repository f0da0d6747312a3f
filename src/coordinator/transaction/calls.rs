//! One method per API: the checks that come before the machine, and Kafka's answers where there is none.

use std::collections::BTreeSet;
use std::sync::Arc;

use fancy_regex::Regex;

use crate::protocol::StrBytes;
use crate::protocol::messages::describe_transactions_response::TransactionState;
use crate::protocol::messages::{ListTransactionsRequest, ListTransactionsResponse};
use crate::types::{ErrorCode, ProducerId, TopicPartition};

use super::describe::{Filter, name};
use super::machine::{Command, Reply};
use super::service::Transactions;
use super::state::State;
use super::txn::{NO_TIMEOUT_MS, Producer};

/// Kafka's names of states that are never listed.
const PASSING_STATES: [&str; 2] = ["Dead", "PrepareEpochFence"];

/// Who wants to bear a transactional id.
#[derive(Clone, Debug)]
pub struct Init {
    pub id: Arc<str>,
    pub timeout_ms: i32,
    pub two_phases: TwoPhases,
    /// The producer that the client believes to be (KIP-360).
    pub expected: Option<Producer>,
}

/// What a producer asks for that takes part in two-phase commits (KIP-939).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TwoPhases {
    /// Its transactions have no timeout: somebody else decides how they end.
    pub enable: bool,
    /// The open transaction is to be kept. Kafka 4.3 has the word for it and refuses it.
    pub keep_prepared: bool,
}

/// How a transaction is to end, and on whose behalf.
#[derive(Clone, Debug)]
pub struct Ended {
    pub id: Arc<str>,
    pub producer: Producer,
    pub commit: bool,
    /// The client's `transaction.version`.
    pub client_version: i16,
}

/// Partitions that are to be part of a transaction.
#[derive(Clone, Debug)]
pub struct TxnAdd {
    pub id: Arc<str>,
    pub producer: Producer,
    pub partitions: Vec<TopicPartition>,
    /// The client's `transaction.version`.
    pub client_version: i16,
}

impl Transactions {
    /// InitProducerId with a transactional id. `Ok(None)`: to be asked again with a fresh producer id.
    pub async fn init(&self, init: Init, fresh: Option<ProducerId>) -> Result<Option<Producer>, ErrorCode> {
        let Init { id, timeout_ms, two_phases, expected } = init;
        if id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        let timeout_ms = self.allowed_timeout(timeout_ms, two_phases)?;
        let command = Command::Init { id: id.clone(), timeout_ms, expected, fresh };
        match self.shards.submit(&id, command).await? {
            Reply::Init(borne) => borne.map(Some),
            Reply::NeedsProducerId => Ok(None),
            other => unreachable!("a command is answered in kind, not by {other:?}"),
        }
    }

    fn allowed_timeout(&self, timeout_ms: i32, two_phases: TwoPhases) -> Result<i32, ErrorCode> {
        match two_phases {
            TwoPhases { enable: true, .. } if !self.settings.two_phase_commit_enable => {
                Err(ErrorCode::TransactionalIdAuthorizationFailed)
            }
            TwoPhases { keep_prepared: true, .. } => Err(ErrorCode::UnsupportedVersion),
            TwoPhases { enable: true, .. } => Ok(NO_TIMEOUT_MS),
            _ if (1..=self.settings.transaction_max_timeout_ms).contains(&timeout_ms) => Ok(timeout_ms),
            _ => Err(ErrorCode::InvalidTransactionTimeout),
        }
    }

    /// AddPartitionsToTxn and AddOffsetsToTxn, from clients or from brokers on their behalf.
    pub async fn add(&self, added: TxnAdd) -> ErrorCode {
        let TxnAdd { id, producer, partitions, client_version } = added;
        if id.is_empty() {
            return ErrorCode::InvalidRequest;
        }
        let command = Command::Add { id: id.clone(), producer, partitions, client_version };
        match self.shards.submit(&id, command).await {
            Ok(Reply::Add(told)) => told,
            Ok(other) => unreachable!("a command is answered in kind, not by {other:?}"),
            Err(error) => error,
        }
    }

    /// Whether the partitions are part of the transaction (KIP-890).
    pub async fn verify(&self, asked: TxnAdd) -> Vec<(TopicPartition, ErrorCode)> {
        let TxnAdd { id, producer, partitions, .. } = asked;
        let verified = match id.is_empty() {
            true => Err(ErrorCode::InvalidRequest),
            false => {
                let command = Command::Verify { id: id.clone(), producer, partitions: partitions.clone() };
                match self.shards.submit(&id, command).await {
                    Ok(Reply::Verify(verified)) => verified,
                    Ok(other) => unreachable!("a command is answered in kind, not by {other:?}"),
                    Err(error) => Err(error),
                }
            }
        };
        verified.unwrap_or_else(|error| partitions.into_iter().map(|partition| (partition, error)).collect())
    }

    /// EndTxn. Answers who bears the id afterwards, which only clients of `transaction.version` 2 are told. `Ok(None)`:
    /// to be asked again with a fresh producer id.
    pub async fn end(&self, ended: Ended, fresh: Option<ProducerId>) -> Result<Option<Producer>, ErrorCode> {
        let Ended { id, producer, commit, client_version } = ended;
        if id.is_empty() {
            return Err(ErrorCode::InvalidRequest);
        }
        let command = Command::End { id: id.clone(), producer, commit, client_version, fresh };
        match self.shards.submit(&id, command).await? {
            Reply::End(borne) => borne.map(Some),
            Reply::NeedsProducerId => Ok(None),
            other => unreachable!("a command is answered in kind, not by {other:?}"),
        }
    }

    /// DescribeTransactions of one id.
    pub async fn describe(&self, id: &str) -> TransactionState {
        let refuse = |error: ErrorCode| {
            TransactionState::default().with_transactional_id(name(id)).with_error_code(error.code())
        };
        if id.is_empty() {
            return refuse(ErrorCode::InvalidRequest);
        }
        match self.shards.submit(id, Command::Describe { id: id.into() }).await {
            Ok(Reply::Describe(described)) => described,
            Ok(other) => unreachable!("a command is answered in kind, not by {other:?}"),
            Err(error) => refuse(error),
        }
    }

    /// ListTransactions: those that are coordinated here.
    pub async fn list(&self, request: &ListTransactionsRequest) -> ListTransactionsResponse {
        let refuse = |error: ErrorCode| ListTransactionsResponse::default().with_error_code(error.code());
        let partitions = match self.shards.all_loaded().await {
            Ok(partitions) => partitions,
            Err(error) => return refuse(error),
        };
        let filter = match filter(request) {
            Ok(filter) => filter,
            Err(error) => return refuse(error),
        };
        let is_unknown =
            |state: &&StrBytes| State::from_name(state).is_none() && !PASSING_STATES.contains(&state.as_str());
        let mut response = ListTransactionsResponse::default();
        for state in request.state_filters.iter().filter(is_unknown) {
            if !response.unknown_state_filters.contains(state) {
                response.unknown_state_filters.push(state.clone());
            }
        }
        for partition in partitions {
            match self.shards.submit_to(partition, Command::List(filter.clone())).await {
                Ok(Reply::List(listed)) => response.transaction_states.extend(listed.transaction_states),
                Ok(other) => unreachable!("a command is answered in kind, not by {other:?}"),
                // It has moved meanwhile: its new coordinator lists it.
                Err(ErrorCode::NotCoordinator) => {}
                Err(error) => return refuse(error),
            }
        }
        response
    }
}

fn filter(request: &ListTransactionsRequest) -> Result<Filter, ErrorCode> {
    let states: BTreeSet<State> = request.state_filters.iter().filter_map(|state| State::from_name(state)).collect();
    let pattern = request.transactional_id_pattern.as_deref().filter(|pattern| !pattern.is_empty());
    let whole = |pattern: &str| Regex::new(&format!("^(?:{pattern})$"));
    Ok(Filter {
        producer_ids: request.producer_id_filters.iter().map(|id| ProducerId(id.0)).collect(),
        states: (!request.state_filters.is_empty()).then_some(states),
        duration_ms: request.duration_filter,
        pattern: pattern.map(whole).transpose().map_err(|_| ErrorCode::InvalidRegularExpression)?,
    })
}
