//! DescribeConfigs (32): what is set on a resource, where it comes from, and what it would be otherwise.

use super::config_changes::KINDS;
use super::{Answer, Call};
use crate::config::{ConfigEntry, describe_client_metrics, describe_loggers};
use crate::metadata::ConfigResource;
use crate::protocol::StrBytes;
use crate::protocol::messages::describe_configs_request::DescribeConfigsResource;
use crate::protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse, ResponseKind};
use crate::types::{ErrorCode, topic_name_fault};

/// The first version that tells a value's type and documentation.
const FIRST_VERSION_WITH_TYPE: i16 = 3;

pub(super) async fn handle(call: &Call<'_>, request: DescribeConfigsRequest) -> Answer {
    let shape = Shape {
        synonyms: request.include_synonyms,
        documentation: request.include_documentation,
        with_type: call.version() >= FIRST_VERSION_WITH_TYPE,
    };
    let mut response = DescribeConfigsResponse::default();
    // One resource of an unknown kind fails the request.
    let failed = request.resources.iter().any(|resource| !KINDS.contains(&resource.resource_type));
    for resource in request.resources {
        let mut result = DescribeConfigsResult::default();
        let described = match failed {
            true => Err(invalid(ErrorCode::InvalidRequest.message().to_owned())),
            false => entries(call, &resource),
        };
        match described {
            Ok(entries) => {
                let wanted = |entry: &ConfigEntry| match &resource.configuration_keys {
                    Some(keys) if !keys.is_empty() => keys.iter().any(|key| **key == *entry.name),
                    Some(_) | None => true,
                };
                result.configs = entries.into_iter().filter(wanted).map(|entry| shape.entry(entry)).collect();
            }
            Err((error, message)) => {
                result.error_code = error.code();
                result.error_message = message.map(StrBytes::from_string);
            }
        }
        result.resource_type = resource.resource_type;
        result.resource_name = resource.resource_name;
        response.results.push(result);
    }
    ResponseKind::DescribeConfigs(response).into()
}

type Refusal = (ErrorCode, Option<String>);

fn invalid(message: String) -> Refusal {
    (ErrorCode::InvalidRequest, Some(message))
}

fn entries(call: &Call<'_>, resource: &DescribeConfigsResource) -> Result<Vec<ConfigEntry>, Refusal> {
    let name = &*resource.resource_name;
    let config = &call.node.config;
    let image = call.node.image();
    match resource.resource_type {
        ConfigResource::TOPIC => {
            if let Some(fault) = topic_name_fault(name) {
                return Err((ErrorCode::InvalidTopicException, Some(format!("Topic name is invalid: {fault}"))));
            }
            if image.topics.named(name).is_none() {
                return Err((ErrorCode::UnknownTopicOrPartition, Some(String::new())));
            }
            Ok(config.describe_topic(&image.config(&ConfigResource::topic(name))))
        }
        ConfigResource::BROKER if name.is_empty() => Ok(config.describe_default_broker()),
        ConfigResource::BROKER => {
            this_broker(call, name, "or empty string, ")?;
            Ok(config.describe_broker())
        }
        ConfigResource::BROKER_LOGGER if name.is_empty() => Err(invalid("Broker id must not be empty".into())),
        ConfigResource::BROKER_LOGGER => {
            this_broker(call, name, "")?;
            Ok(describe_loggers(&call.node.log_levels))
        }
        ConfigResource::GROUP if name.is_empty() => Err(invalid("Group name must not be empty".into())),
        ConfigResource::GROUP => Ok(config.describe_group(&image.config(&ConfigResource::group(name)))),
        ConfigResource::CLIENT_METRICS => {
            let set = image.config(&ConfigResource { kind: ConfigResource::CLIENT_METRICS, name: name.to_owned() });
            describe_client_metrics(name, &set).map_err(|error| invalid(error.message()))
        }
        _ => Err(invalid(ErrorCode::InvalidRequest.message().to_owned())),
    }
}

fn this_broker(call: &Call<'_>, name: &str, or: &str) -> Result<(), Refusal> {
    let id: i32 = name
        .parse()
        .map_err(|_| invalid(format!("Broker id must be an integer, but it is: {name}")))?;
    let expected = call.node.broker_id;
    match id == expected.0 {
        true => Ok(()),
        false if or.is_empty() => Err(invalid(format!("Unexpected broker id, expected {expected} but received {name}"))),
        false => Err(invalid(format!("Unexpected broker id, expected {expected} {or}but received {name}"))),
    }
}

/// How much is told of each entry.
struct Shape {
    synonyms: bool,
    documentation: bool,
    with_type: bool,
}

impl Shape {
    fn entry(&self, entry: ConfigEntry) -> DescribeConfigsResourceResult {
        let mut result = DescribeConfigsResourceResult::default();
        result.name = StrBytes::from_string(entry.name);
        result.value = entry.value.map(StrBytes::from_string);
        result.read_only = entry.read_only;
        result.config_source = entry.source.code();
        result.is_sensitive = entry.sensitive;
        if self.synonyms {
            for synonym in entry.synonyms {
                let mut told = DescribeConfigsSynonym::default();
                told.name = StrBytes::from_string(synonym.name);
                told.value = synonym.value.map(StrBytes::from_string);
                told.source = synonym.source.code();
                result.synonyms.push(told);
            }
        }
        if self.with_type {
            result.config_type = entry.config_type;
            let documentation = entry.documentation.filter(|_| self.documentation);
            result.documentation = documentation.map(StrBytes::from_static_str);
        }
        result
    }
}
