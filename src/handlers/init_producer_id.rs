//! InitProducerId (22), versions 0 to 5: a fresh id for an idempotent producer, the next epoch for a transactional one
//! (KIP-98, KIP-360). Version 6, which is not stable, asks for transactions without a timeout (KIP-939).

use super::producer_ids::ProducerIds;
use super::{Answer, Call};
use crate::coordinator::transaction::{Init, Producer, TwoPhases};
use crate::protocol::message::Message;
use crate::protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ResponseKind};
use crate::protocol::newer;
use crate::types::{ErrorCode, ProducerEpoch, ProducerId};

/// The first version whose clients know PRODUCER_FENCED.
const FIRST_VERSION_WITH_FENCED: i16 = 4;
const FIRST_VERSION_WITH_TWO_PHASES: i16 = 6;

pub(super) async fn handle(call: &Call<'_>, request: InitProducerIdRequest) -> Answer {
    let two_phases = match two_phases(call) {
        Ok(asked) => asked,
        Err(reason) => return Answer::Close(reason),
    };
    let expected = Producer { id: ProducerId(request.producer_id.0), epoch: ProducerEpoch(request.producer_epoch) };
    let half_given = (expected.id == ProducerId::NONE) != (expected.epoch == ProducerEpoch::NONE);
    let given = match request.transactional_id {
        _ if half_given => Err(ErrorCode::InvalidRequest),
        Some(id) => {
            let init = Init {
                id: id.as_str().into(),
                timeout_ms: request.transaction_timeout_ms,
                two_phases,
                expected: (expected != Producer::NONE).then_some(expected),
            };
            let init = |fresh| call.node.transactions.init(init.clone(), fresh);
            ProducerIds::supply(call.node, init).await
        }
        None => {
            let fresh = call.node.producer_ids.next(call.node).await;
            fresh.map(|id| Producer { id, epoch: ProducerEpoch(0) })
        }
    };
    let mut response = InitProducerIdResponse::default();
    let producer = given.unwrap_or_else(|error| {
        response.error_code = call.fenced_since(FIRST_VERSION_WITH_FENCED, error).code();
        Producer::NONE
    });
    response.producer_id = producer.id.0.into();
    response.producer_epoch = producer.epoch.0;
    ResponseKind::InitProducerId(response).into()
}

/// What the client asks of two-phase commits, which the older layout has no place for.
fn two_phases(call: &Call<'_>) -> Result<TwoPhases, String> {
    if call.version() < FIRST_VERSION_WITH_TWO_PHASES {
        return Ok(TwoPhases::default());
    }
    let (asked, _) =
        newer::InitProducerIdRequest::decode(call.body, call.version()).map_err(|error| error.to_string())?;
    Ok(TwoPhases { enable: asked.enable2_pc, keep_prepared: asked.keep_prepared_txn })
}
