//! InitProducerId (22): a fresh id for an idempotent producer. Transactional ids are refused: no coordinator keeps
//! them at the level of `transaction.version` that is finalised.

use super::{Answer, Call};
use crate::protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ResponseKind};
use crate::types::{ErrorCode, ProducerEpoch, ProducerId};

pub(super) async fn handle(call: &Call<'_>, request: InitProducerIdRequest) -> Answer {
    let half_given = (request.producer_id.0 == ProducerId::NONE.0) != (request.producer_epoch == ProducerEpoch::NONE.0);
    let given = match request.transactional_id {
        _ if half_given => Err(ErrorCode::InvalidRequest),
        Some(_) => Err(ErrorCode::InvalidRequest),
        None => call.node.producer_ids.next(call.node).await,
    };
    let mut response = InitProducerIdResponse::default();
    match given {
        Ok(id) => {
            response.producer_id = id.0.into();
            response.producer_epoch = 0;
        }
        Err(error) => {
            response.error_code = error.code();
            response.producer_id = ProducerId::NONE.0.into();
            response.producer_epoch = ProducerEpoch::NONE.0;
        }
    }
    ResponseKind::InitProducerId(response).into()
}
