//! ListConfigResources (74): everything that configs can be set on. Version 0 knows client metrics only.

use super::{Answer, Call};
use crate::metadata::{ConfigResource, MetadataImage};
use crate::protocol::StrBytes;
use crate::protocol::messages::list_config_resources_response::ConfigResource as Listed;
use crate::protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse, ResponseKind};
use crate::types::ErrorCode;

/// In the order of the answer.
const KINDS: [i8; 5] = [
    ConfigResource::GROUP,
    ConfigResource::CLIENT_METRICS,
    ConfigResource::BROKER_LOGGER,
    ConfigResource::BROKER,
    ConfigResource::TOPIC,
];

pub(super) async fn handle(call: &Call<'_>, request: ListConfigResourcesRequest) -> Answer {
    let known: &[i8] = match call.version() {
        0 => &[ConfigResource::CLIENT_METRICS],
        _ => &KINDS,
    };
    let mut response = ListConfigResourcesResponse::default();
    if !request.resource_types.iter().all(|kind| known.contains(kind)) {
        response.error_code = ErrorCode::UnsupportedVersion.code();
        return ResponseKind::ListConfigResources(response).into();
    }
    let wanted = |kind: &&i8| request.resource_types.is_empty() || request.resource_types.contains(kind);
    let image = call.node.image();
    for kind in known.iter().filter(wanted) {
        for name in names(call, &image, *kind) {
            let mut listed = Listed::default();
            listed.resource_name = StrBytes::from_string(name);
            listed.resource_type = *kind;
            response.config_resources.push(listed);
        }
    }
    ResponseKind::ListConfigResources(response).into()
}

/// The resources of one kind: topics and brokers that exist; of what need not exist, that on which something is set.
fn names(call: &Call<'_>, image: &MetadataImage, kind: i8) -> Vec<String> {
    let mut names: Vec<String> = match kind {
        ConfigResource::TOPIC => image.topics.iter().map(|topic| topic.name.to_string()).collect(),
        ConfigResource::BROKER | ConfigResource::BROKER_LOGGER => {
            let listener = &call.connection.listener.name;
            let reachable = image.brokers.values().filter(|broker| broker.listeners.contains_key(listener));
            return reachable.map(|broker| broker.id.to_string()).collect();
        }
        _ => {
            let set = image.configs.iter().filter(|(resource, set)| resource.kind == kind && !set.is_empty());
            set.map(|(resource, _)| resource.name.clone()).collect()
        }
    };
    names.sort_unstable();
    names
}
