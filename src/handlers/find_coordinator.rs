//! FindCoordinator (10): one key below version 4, many from there (KIP-699).
//!
//! The internal topic of the coordinators is created on the way, so that a coordinator is found by the first request.

use super::endpoints::{self, Endpoint};
use super::{Answer, Call, auto_create};
use crate::protocol::StrBytes;
use crate::protocol::messages::find_coordinator_response::Coordinator;
use crate::protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse, ResponseKind};
use crate::coordinator::share::SharePartitionKey;
use crate::types::{BrokerId, ErrorCode, OFFSETS_TOPIC, SHARE_STATE_TOPIC, TRANSACTIONS_TOPIC};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;
/// The first version that asks for many keys.
const FIRST_VERSION_WITH_BATCHES: i16 = 4;
/// The first version that asks for the state of share groups (KIP-932).
const FIRST_VERSION_WITH_SHARE: i16 = 6;

pub(super) async fn handle(call: &Call<'_>, request: FindCoordinatorRequest) -> Answer {
    let mut response = FindCoordinatorResponse::default();
    if call.version() >= FIRST_VERSION_WITH_BATCHES {
        for key in request.coordinator_keys {
            let found = find(call, request.key_type, &key).await;
            let mut coordinator = coordinator(key, found);
            // Kafka explains every refusal of a kind but that of share groups.
            if coordinator.error_code == ErrorCode::InvalidRequest.code() && request.key_type != SHARE {
                coordinator.error_message = Some(StrBytes::from_static_str(ErrorCode::InvalidRequest.message()));
            }
            response.coordinators.push(coordinator);
        }
        return ResponseKind::FindCoordinator(response).into();
    }
    let message = |error: ErrorCode| match call.version() {
        0 => None,
        _ if error.is_none() => Some(StrBytes::from_static_str("NONE")),
        _ => Some(StrBytes::from_static_str(error.message())),
    };
    match find(call, request.key_type, &request.key).await {
        Ok(endpoint) => {
            response.error_message = message(ErrorCode::None);
            response.node_id = endpoint.id.0.into();
            response.host = StrBytes::from_string(endpoint.host);
            response.port = endpoint.port.into();
        }
        Err(error) => {
            response.error_code = error.code();
            response.error_message = message(error);
            response.node_id = BrokerId::NONE.0.into();
            response.port = -1;
        }
    }
    ResponseKind::FindCoordinator(response).into()
}

fn coordinator(key: StrBytes, found: Result<Endpoint, ErrorCode>) -> Coordinator {
    let mut coordinator = Coordinator::default();
    coordinator.key = key;
    match found {
        Ok(endpoint) => {
            coordinator.node_id = endpoint.id.0.into();
            coordinator.host = StrBytes::from_string(endpoint.host);
            coordinator.port = endpoint.port.into();
        }
        Err(error) => {
            coordinator.error_code = error.code();
            coordinator.node_id = BrokerId::NONE.0.into();
            coordinator.port = -1;
        }
    }
    coordinator
}

async fn find(call: &Call<'_>, key_type: i8, key: &str) -> Result<Endpoint, ErrorCode> {
    let name = match key_type {
        GROUP => OFFSETS_TOPIC,
        TRANSACTION => TRANSACTIONS_TOPIC,
        SHARE if call.version() >= FIRST_VERSION_WITH_SHARE => SHARE_STATE_TOPIC,
        _ => return Err(ErrorCode::InvalidRequest),
    };
    let share_partition = match key_type {
        SHARE => Some(SharePartitionKey::parse(key).ok_or(ErrorCode::InvalidRequest)?),
        _ => None,
    };
    auto_create::internal_topic(call.node, name).await?;
    let image = call.node.image();
    let topic = image.topics.named(name).ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let partition = match (key_type, &share_partition) {
        (_, Some(share_partition)) => call.node.share_states.partition_for(share_partition),
        (TRANSACTION, None) => call.node.transactions.partition_for(key),
        (_, None) => call.node.groups.partition_for(key),
    };
    let partition = partition.ok_or(ErrorCode::CoordinatorNotAvailable)?;
    let leader = topic.partitions.get(&partition).ok_or(ErrorCode::CoordinatorNotAvailable)?.leader;
    endpoints::alive_broker(call, &image, leader).ok_or(ErrorCode::CoordinatorNotAvailable)
}
