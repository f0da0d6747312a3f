//! Offsets committed as a consumer without membership does it.

use super::super::consumer_groups::send_commit;
use super::super::group_command::Failed;
use super::offsets::Offsets;
use super::thrown;
use crate::client::{Client, ClientError};
use crate::types::ErrorCode;

/// What the consumer says when its group has members.
const NOT_ITS_GROUP: &str = "Commit cannot be completed since the group has already rebalanced and assigned the \
    partitions to another member. This means that the time between subsequent calls to poll() was longer than the \
    configured max.poll.interval.ms, which typically implies that the poll loop is spending too much time message \
    processing. You can address this either by increasing max.poll.interval.ms or by reducing the maximum size of \
    batches returned in poll() with max.poll.records.";

/// Commits these offsets for the group.
pub(super) fn commit(client: &mut Client, group: &str, offsets: &Offsets) -> Result<(), Failed> {
    let answer = send_commit(client, group, "commitOffsets", offsets)?;
    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    let failed = partitions.map(|partition| ClientError::from_wire(partition.error_code, None)).find(Result::is_err);
    let Some(Err(error)) = failed else { return Ok(()) };
    Err(match error.code() {
        Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => {
            thrown("org.apache.kafka.clients.consumer.CommitFailedException", NOT_ITS_GROUP)
        }
        Some(ErrorCode::GroupAuthorizationFailed) => {
            thrown(&error.exception(), format!("Not authorized to access group: {group}"))
        }
        _ => Failed::from(error),
    })
}
