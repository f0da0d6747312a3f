//! ApiVersions (18): what is served on this listener, and the feature levels of node and cluster (KIP-35, KIP-584).

use super::{API_TABLE, Answer, Api, Call};
use crate::metadata::Feature;
use crate::network::{ClientSoftware, Reply};
use crate::protocol::StrBytes;
use crate::protocol::frame::{self, RequestHeader};
use crate::protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use crate::protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, ResponseKind};
use crate::types::ErrorCode;

const API_KEY: i16 = 18;
/// The first version that names the client's software, and tells of features.
const FIRST_VERSION_WITH_SOFTWARE: i16 = 3;
/// The first version whose clients bear a feature that begins at level 0 (KAFKA-17492).
const FIRST_VERSION_WITH_LEVEL_0: i16 = 4;

pub(super) async fn handle(call: &Call<'_>, request: ApiVersionsRequest) -> Answer {
    let mut response = ApiVersionsResponse::default();
    if call.version() >= FIRST_VERSION_WITH_SOFTWARE {
        let (name, version) = (request.client_software_name.to_string(), request.client_software_version.to_string());
        if !is_software(&name) || !is_software(&version) {
            response.error_code = ErrorCode::InvalidRequest.code();
            return ResponseKind::ApiVersions(response).into();
        }
        // Only the first request of a connection counts.
        let _ = call.connection.client_software.set(ClientSoftware { name, version });
        features(call, &mut response);
    }
    let controller = call.connection.listener.is_controller;
    let unstable = call.node.serves_unstable_versions();
    let served = API_TABLE.iter().filter(|api| api.served_on(controller));
    response.api_keys = served.map(|api| version_range(api, unstable)).collect();
    ResponseKind::ApiVersions(response).into()
}

/// The answer to a version that is not known: version 0, with the range that is (KIP-511).
pub(super) fn unsupported(header: &RequestHeader) -> Reply {
    let mut response = ApiVersionsResponse::default();
    response.error_code = ErrorCode::UnsupportedVersion.code();
    response.api_keys = Api::find(API_KEY).map(|api| version_range(api, false)).into_iter().collect();
    match frame::encode_response(API_KEY, 0, header.correlation_id, &ResponseKind::ApiVersions(response)) {
        Ok(frame) => Reply::bytes(frame),
        Err(error) => Reply::Close(error.to_string()),
    }
}

fn version_range(api: &Api, unstable: bool) -> ApiVersion {
    let mut range = ApiVersion::default();
    range.api_key = api.key;
    range.min_version = api.announced_min_version();
    range.max_version = api.highest_version(unstable);
    range
}

fn features(call: &Call<'_>, response: &mut ApiVersionsResponse) {
    let image = call.node.image();
    let bears_level_0 = call.version() >= FIRST_VERSION_WITH_LEVEL_0;
    for feature in Feature::SUPPORTED.iter().filter(|feature| bears_level_0 || feature.min > 0) {
        let mut supported = SupportedFeatureKey::default();
        supported.name = StrBytes::from_static_str(feature.name);
        supported.min_version = feature.min;
        supported.max_version = feature.max;
        response.supported_features.push(supported);
    }
    // The quorum's own level is in control records, which are no part of the image.
    let mut levels = (*image.features).clone();
    levels.insert(Feature::KRAFT.to_owned(), call.node.quorum.info().kraft_version);
    for (name, level) in levels.into_iter().filter(|(_, level)| *level != 0) {
        let mut finalized = FinalizedFeatureKey::default();
        finalized.name = StrBytes::from_string(name);
        finalized.min_version_level = level;
        finalized.max_version_level = level;
        response.finalized_features.push(finalized);
    }
    response.finalized_features_epoch = image.offset.0;
}

/// Kafka's pattern for the name and the version of a client: letters, digits, and in between dots and dashes.
fn is_software(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
}
