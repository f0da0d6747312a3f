//! UpdateFeatures (57): raises and lowers the levels of the cluster's features (KIP-584, KIP-778).

use super::{Answer, Call};
use crate::controller::{FeatureUpdate, FeatureUpdates};
use crate::protocol::StrBytes;
use crate::protocol::messages::update_features_response::UpdatableFeatureResult;
use crate::protocol::messages::{ResponseKind, UpdateFeaturesRequest, UpdateFeaturesResponse};
use crate::types::ErrorCode;

/// The last version that answers for each feature.
const LAST_VERSION_WITH_RESULTS: i16 = 1;

pub(super) async fn handle(call: &Call<'_>, request: UpdateFeaturesRequest) -> Answer {
    let features: Vec<_> = request.feature_updates.iter().map(|update| update.feature.clone()).collect();
    let updates = FeatureUpdates {
        updates: request
            .feature_updates
            .into_iter()
            .map(|update| FeatureUpdate {
                feature: update.feature.to_string(),
                level: update.max_version_level,
                upgrade_type: update.upgrade_type,
            })
            .collect(),
        kraft_version: call.node.quorum.info().kraft_version,
        validate_only: request.validate_only,
    };
    let outcome = call.node.controller.update_features(updates).await;
    let mut response = UpdateFeaturesResponse::default();
    match outcome.unwrap_or_else(|error| Err(super::not_submitted(&error))) {
        Ok(()) => {
            response.error_message = None;
            if call.version() <= LAST_VERSION_WITH_RESULTS {
                response.results = features.into_iter().map(updated).collect();
            }
        }
        Err(denied) => {
            response.error_code = denied.code.code();
            let reason = denied.message.unwrap_or_default();
            response.error_message = Some(StrBytes::from_string(format!(
                "The update failed for all features since the following feature had an error: {reason}"
            )));
        }
    }
    ResponseKind::UpdateFeatures(response).into()
}

/// Kafka gives the name of "no error" as its message here.
fn updated(feature: StrBytes) -> UpdatableFeatureResult {
    let mut result = UpdatableFeatureResult::default();
    result.feature = feature;
    result.error_code = ErrorCode::None.code();
    result.error_message = Some(StrBytes::from_static_str("NONE"));
    result
}
