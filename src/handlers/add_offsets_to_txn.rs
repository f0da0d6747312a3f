//! AddOffsetsToTxn (25), versions 0 to 4: a group's partition of `__consumer_offsets` becomes part of a transaction.

use super::{Answer, Call};
use crate::coordinator::partition_of;
use crate::coordinator::transaction::{Producer, TxnAdd};
use crate::protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, ResponseKind};
use crate::types::{OFFSETS_TOPIC, ProducerEpoch, ProducerId, TopicPartition};

/// The first version whose clients know PRODUCER_FENCED.
const FIRST_VERSION_WITH_FENCED: i16 = 2;

pub(super) async fn handle(call: &Call<'_>, request: AddOffsetsToTxnRequest) -> Answer {
    let node = call.node;
    let partition = node.groups.partition_for(&request.group_id);
    // Before the topic is there, it is known how it will be.
    let partition = partition
        .unwrap_or_else(|| partition_of(&request.group_id, node.config.broker().offsets_topic_num_partitions));
    let added = TxnAdd {
        id: request.transactional_id.as_str().into(),
        producer: Producer { id: ProducerId(request.producer_id.0), epoch: ProducerEpoch(request.producer_epoch) },
        partitions: vec![TopicPartition::new(OFFSETS_TOPIC, partition)],
        // Clients of newer transactions have the offsets' partition added by its broker.
        client_version: 0,
    };
    let error = call.fenced_since(FIRST_VERSION_WITH_FENCED, node.transactions.add(added).await);
    ResponseKind::AddOffsetsToTxn(AddOffsetsToTxnResponse::default().with_error_code(error.code())).into()
}
