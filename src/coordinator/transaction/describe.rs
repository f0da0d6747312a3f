//! DescribeTransactions and ListTransactions.

use std::collections::{BTreeMap, BTreeSet};

use fancy_regex::Regex;

use crate::protocol::StrBytes;
use crate::protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use crate::protocol::messages::{ListTransactionsResponse, TopicName, TransactionalId, list_transactions_response};
use crate::types::{ErrorCode, Millis, ProducerId, TopicPartition};

use super::machine::TransactionMachine;
use super::state::State;
use super::txn::Transaction;

/// Which transactions are to be listed.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Empty for all.
    pub producer_ids: BTreeSet<ProducerId>,
    /// Empty for all; names of no state match nothing.
    pub states: Option<BTreeSet<State>>,
    /// Only those that began longer ago than this, in milliseconds; negative for all.
    pub duration_ms: i64,
    pub pattern: Option<Regex>,
}

impl Filter {
    fn lets_pass(&self, id: &str, known: &Transaction, now: Millis) -> bool {
        (self.producer_ids.is_empty() || self.producer_ids.contains(&known.producer.id))
            && self.states.as_ref().is_none_or(|states| states.contains(&known.state))
            && (self.duration_ms < 0 || (now - known.started).0 > self.duration_ms)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(id).unwrap_or(false))
    }
}

impl TransactionMachine {
    pub(super) fn describe(&self, id: &str) -> TransactionState {
        let described = TransactionState::default().with_transactional_id(name(id));
        let Some(known) = self.transactions.get(id) else {
            return described.with_error_code(ErrorCode::TransactionalIdNotFound.code());
        };
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for TopicPartition { topic, partition } in &known.partitions {
            topics.entry(topic).or_default().push(*partition);
        }
        let topic = |(topic, partitions): (&str, Vec<i32>)| {
            TopicData::default()
                .with_topic(TopicName(StrBytes::from_string(topic.to_owned())))
                .with_partitions(partitions)
        };
        described
            .with_transaction_state(StrBytes::from_static_str(known.state.name()))
            .with_transaction_timeout_ms(known.timeout_ms)
            .with_transaction_start_time_ms(known.started.0)
            .with_producer_id(known.producer.id.0.into())
            .with_producer_epoch(known.producer.epoch.0)
            .with_topics(topics.into_iter().map(topic).collect())
    }

    pub(super) fn list(&self, filter: &Filter, now: Millis) -> ListTransactionsResponse {
        let listed = self.transactions.iter().filter(|(id, known)| filter.lets_pass(id, known, now));
        let listed = listed.map(|(id, known)| {
            list_transactions_response::TransactionState::default()
                .with_transactional_id(name(id))
                .with_producer_id(known.producer.id.0.into())
                .with_transaction_state(StrBytes::from_static_str(known.state.name()))
        });
        ListTransactionsResponse::default().with_transaction_states(listed.collect())
    }
}

pub(super) fn name(id: &str) -> TransactionalId {
    TransactionalId(StrBytes::from_string(id.to_owned()))
}
