//! EndTxn (26), versions 0 to 5: commits or aborts; from version 5 on with the producer's next epoch (KIP-890).

use super::producer_ids::ProducerIds;
use super::{Answer, Call};
use crate::coordinator::transaction::{Ended, Producer};
use crate::protocol::messages::{EndTxnRequest, EndTxnResponse, ResponseKind};
use crate::types::{ProducerEpoch, ProducerId};

/// The first version whose clients know PRODUCER_FENCED.
const FIRST_VERSION_WITH_FENCED: i16 = 2;
/// The first version of `transaction.version` 2.
const FIRST_VERSION_WITH_EPOCHS: i16 = 5;

pub(super) async fn handle(call: &Call<'_>, request: EndTxnRequest) -> Answer {
    let ended = Ended {
        id: request.transactional_id.as_str().into(),
        producer: Producer { id: ProducerId(request.producer_id.0), epoch: ProducerEpoch(request.producer_epoch) },
        commit: request.committed,
        client_version: if call.version() >= FIRST_VERSION_WITH_EPOCHS { 2 } else { 0 },
    };
    let mut response = EndTxnResponse::default();
    let end = |fresh| call.node.transactions.end(ended.clone(), fresh);
    let producer = ProducerIds::supply(call.node, end).await.unwrap_or_else(|error| {
        response.error_code = call.fenced_since(FIRST_VERSION_WITH_FENCED, error).code();
        Producer::NONE
    });
    response.producer_id = producer.id.0.into();
    response.producer_epoch = producer.epoch.0;
    ResponseKind::EndTxn(response).into()
}
