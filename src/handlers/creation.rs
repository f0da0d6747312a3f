//! Topics and partitions come into being only where there is room for them. Without room a request is checked all the
//! same, and what could be created is refused with Kafka's storage error.

use super::Node;
use crate::controller::{CreateResult, Denied, NewPartitions, NewTopic};
use crate::state_machine::SubmitError;
use crate::types::ErrorCode;

pub(super) async fn create_topics(
    node: &Node,
    topics: Vec<NewTopic>,
    validate_only: bool,
) -> Result<Result<Vec<CreateResult>, Denied>, SubmitError> {
    let refusal = refusal(node, validate_only);
    let answered = node.controller.create_topics((topics, validate_only || refusal.is_some())).await?;
    Ok(answered.map(|results| refuse(results, refusal)))
}

pub(super) async fn create_partitions(
    node: &Node,
    topics: Vec<NewPartitions>,
    validate_only: bool,
) -> Result<Vec<(String, Result<(), Denied>)>, SubmitError> {
    let refusal = refusal(node, validate_only);
    let results = node.controller.create_partitions((topics, validate_only || refusal.is_some())).await?;
    Ok(refuse(results, refusal))
}

fn refusal(node: &Node, validate_only: bool) -> Option<Denied> {
    let error = node.log_dirs.room_for_partitions().err().filter(|_| !validate_only)?;
    Some(Denied::new(ErrorCode::KafkaStorageError, error.to_string()))
}

fn refuse<T>(results: Vec<(String, Result<T, Denied>)>, refusal: Option<Denied>) -> Vec<(String, Result<T, Denied>)> {
    let Some(refusal) = refusal else { return results };
    let refuse = |(name, result): (String, Result<T, Denied>)| (name, result.and(Err(refusal.clone())));
    results.into_iter().map(refuse).collect()
}
