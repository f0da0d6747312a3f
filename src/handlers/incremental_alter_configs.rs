//! IncrementalAlterConfigs (44): changes single settings of a resource, levels of loggers among them.

use super::config_changes::{self, Asked, Change, Manner};
use super::{Answer, Call};
use crate::protocol::StrBytes;
use crate::protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use crate::protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use crate::protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, ResponseKind};

pub(super) async fn handle(call: &Call<'_>, request: IncrementalAlterConfigsRequest) -> Answer {
    let asked = request.resources.into_iter().map(asked).collect();
    let outcomes = config_changes::alter(call, asked, Manner::Change, request.validate_only).await;
    let mut response = IncrementalAlterConfigsResponse::default();
    for outcome in outcomes {
        let mut result = AlterConfigsResourceResponse::default();
        result.resource_type = outcome.kind;
        result.resource_name = StrBytes::from_string(outcome.name);
        (result.error_code, result.error_message) = config_changes::told(outcome.result);
        response.responses.push(result);
    }
    ResponseKind::IncrementalAlterConfigs(response).into()
}

fn asked(resource: AlterConfigsResource) -> Asked {
    let change = |config: AlterableConfig| Change {
        name: config.name.to_string(),
        operation: config.config_operation,
        value: config.value.map(|value| value.to_string()),
    };
    Asked {
        kind: resource.resource_type,
        name: resource.resource_name.to_string(),
        changes: resource.configs.into_iter().map(change).collect(),
    }
}
