//! AlterConfigs (33): replaces everything that is set on a resource.

use super::config_changes::{self, Asked, Change, Manner};
use super::{Answer, Call};
use crate::protocol::StrBytes;
use crate::protocol::messages::alter_configs_request::AlterConfigsResource;
use crate::protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use crate::protocol::messages::{AlterConfigsRequest, AlterConfigsResponse, ResponseKind};

pub(super) async fn handle(call: &Call<'_>, request: AlterConfigsRequest) -> Answer {
    let asked = request.resources.into_iter().map(asked).collect();
    let outcomes = config_changes::alter(call, asked, Manner::Replace, request.validate_only).await;
    let mut response = AlterConfigsResponse::default();
    for outcome in outcomes {
        let mut result = AlterConfigsResourceResponse::default();
        result.resource_type = outcome.kind;
        result.resource_name = StrBytes::from_string(outcome.name);
        (result.error_code, result.error_message) = config_changes::told(outcome.result);
        response.responses.push(result);
    }
    ResponseKind::AlterConfigs(response).into()
}

fn asked(resource: AlterConfigsResource) -> Asked {
    let set = |name: StrBytes, value: Option<StrBytes>| Change {
        name: name.to_string(),
        operation: config_changes::SET,
        value: value.map(|value| value.to_string()),
    };
    Asked {
        kind: resource.resource_type,
        name: resource.resource_name.to_string(),
        changes: resource.configs.into_iter().map(|config| set(config.name, config.value)).collect(),
    }
}
