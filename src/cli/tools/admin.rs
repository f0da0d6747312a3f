//! The client that a tool's arguments ask for, and the calls that several tools make.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Arguments, Stop};
use crate::client::{Bootstrap, Client, ClientConfig, ClientError, Target, no_fault};
use crate::protocol::StrBytes;
use crate::protocol::messages::delete_topics_request::DeleteTopicState;
use crate::protocol::messages::describe_configs_request::DescribeConfigsResource;
use crate::protocol::messages::describe_configs_response::DescribeConfigsResult;
use crate::protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use crate::protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use crate::protocol::messages::{
    DeleteTopicsRequest, DescribeConfigsRequest, DescribeTopicPartitionsRequest, IncrementalAlterConfigsRequest,
    ListConfigResourcesRequest, ListConfigResourcesResponse, MetadataRequest, MetadataResponse, TopicName,
};
use crate::types::{ErrorCode, Uuid};

/// The properties in the file that `--command-config` names, or another flag; none without it.
pub fn properties(file: Option<&str>) -> Result<BTreeMap<String, String>, Stop> {
    let Some(file) = file else { return Ok(BTreeMap::new()) };
    match Path::new(file).exists() {
        true => Ok(ClientConfig::read_properties(Path::new(file))?),
        // Java says no more of a file that is not there.
        false => Err(Stop::Message(file.to_owned())),
    }
}

/// A client for `--bootstrap-server` and `--command-config`.
pub fn connect(arguments: &Arguments, client_id: &str) -> Result<Client, Stop> {
    let properties = properties(arguments.value("command-config").map_err(Stop::Message)?)?;
    let servers = arguments.value("bootstrap-server").map_err(Stop::Message)?.unwrap_or_default();
    open(Bootstrap::Servers(servers.to_owned()), properties, client_id)
}

/// A client with these properties.
pub fn open(bootstrap: Bootstrap, properties: BTreeMap<String, String>, client_id: &str) -> Result<Client, Stop> {
    ClientConfig::new(bootstrap, properties, client_id).and_then(Client::new).map_err(|error| {
        Stop::Message(format!("Failed to create new KafkaAdminClient\nCaused by: {}", error.as_throwable()))
    })
}

/// A string as it goes on the wire.
pub fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

/// An id, or Java's complaint about what is none.
pub fn parse_uuid(text: &str) -> Result<Uuid, String> {
    let bytes = text.trim_end_matches('=').len() * 3 / 4;
    text.parse().map_err(|_| match text.char_indices().nth(24) {
        Some((end, _)) => {
            format!("Input string with prefix `{}` is too long to be decoded as a base64 UUID", &text[..end])
        }
        None if bytes_left_over(text) => "Last unit does not have enough valid bits".to_owned(),
        None => format!(
            "Input string `{text}` decoded as {bytes} bytes, which is not equal to the expected 16 bytes of a \
             base64-encoded UUID"
        ),
    })
}

/// Whether the last of the units of four letters has only one, which stands for no byte.
fn bytes_left_over(base64: &str) -> bool {
    base64.trim_end_matches('=').len() % 4 == 1
}

/// Milliseconds that a node may take for a request.
pub fn timeout_ms(client: &Client) -> i32 {
    i32::try_from(client.config.request_timeout.as_millis()).unwrap_or(i32::MAX)
}

/// `NOT_CONTROLLER`, if one of these is.
pub fn not_controller(codes: impl IntoIterator<Item = i16>) -> i16 {
    let code = ErrorCode::NotController.code();
    if codes.into_iter().any(|found| found == code) { code } else { 0 }
}

/// A topic and whether Kafka keeps state in it.
pub struct ListedTopic {
    pub name: String,
    pub id: Uuid,
}

/// All topics in the order of their names.
pub fn list_topics(client: &mut Client, internal: bool) -> Result<Vec<ListedTopic>, ClientError> {
    let response = client.topics("listTopics", None)?;
    let topics = response.topics.into_iter().filter(|topic| internal || !topic.is_internal);
    let mut topics: Vec<ListedTopic> = topics
        .filter_map(|topic| Some(ListedTopic { name: topic.name?.to_string(), id: topic.topic_id.into() }))
        .collect();
    topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(topics)
}

/// A topic with its partitions, in the order of their numbers.
pub struct Topic {
    pub name: String,
    pub id: Uuid,
    pub partitions: Vec<Partition>,
}

/// A partition. What is `None` is not told by the cluster.
#[derive(Clone)]
pub struct Partition {
    pub index: i32,
    pub leader: i32,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
    pub eligible: Option<Vec<i32>>,
    pub last_known_eligible: Option<Vec<i32>>,
}

type Described = Vec<(String, Result<Topic, ClientError>)>;

/// Describes topics, at most `limit` partitions in one answer. Clusters that do not have the newer API are asked for
/// metadata.
pub fn describe_topics(client: &mut Client, names: &[&str], limit: i32) -> Result<Described, ClientError> {
    match describe_by_partitions(client, names, limit) {
        Err(error) if error.code() == Some(ErrorCode::UnsupportedVersion) => {
            Ok(described(client.topics("describeTopics", Some(names))?))
        }
        described => described,
    }
}

/// Describes the topic of that id.
pub fn describe_topic_id(client: &mut Client, id: Uuid) -> Result<Topic, ClientError> {
    let topic = crate::protocol::messages::metadata_request::MetadataRequestTopic::default()
        .with_topic_id(id.into())
        .with_name(None);
    let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(false);
    let response = client.call(Target::Any, "describeTopicsWithIds", &request, no_fault)?;
    match described(response).pop() {
        Some((_, topic)) => topic,
        None => Err(ClientError::of(ErrorCode::UnknownTopicId)),
    }
}

fn described(response: MetadataResponse) -> Described {
    let topics = response.topics.into_iter().map(|topic| {
        let name = topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default();
        let result = ClientError::from_wire(topic.error_code, None).map(|()| {
            let partition =
                |partition: crate::protocol::messages::metadata_response::MetadataResponsePartition| Partition {
                    index: partition.partition_index,
                    leader: partition.leader_id.0,
                    replicas: ids(&partition.replica_nodes),
                    isr: ids(&partition.isr_nodes),
                    eligible: None,
                    last_known_eligible: None,
                };
            let mut partitions: Vec<Partition> = topic.partitions.into_iter().map(partition).collect();
            partitions.sort_unstable_by_key(|partition| partition.index);
            Topic { name: name.clone(), id: topic.topic_id.into(), partitions }
        });
        (name, result)
    });
    topics.collect()
}

fn describe_by_partitions(client: &mut Client, names: &[&str], limit: i32) -> Result<Described, ClientError> {
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    let request = |name: &&str| TopicRequest::default().with_name(TopicName(text(name)));
    let mut request = DescribeTopicPartitionsRequest::default()
        .with_topics(sorted.iter().map(request).collect())
        .with_response_partition_limit(limit);
    let mut found: BTreeMap<String, Result<Topic, ClientError>> = BTreeMap::new();
    loop {
        let response = client.call(Target::Any, "describeTopicPartitions", &request, no_fault)?;
        for topic in response.topics {
            let name = topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default();
            if let Err(error) = ClientError::from_wire(topic.error_code, None) {
                found.insert(name, Err(error));
                continue;
            }
            let partitions = topic.partitions.into_iter().map(|partition| Partition {
                index: partition.partition_index,
                leader: partition.leader_id.0,
                replicas: ids(&partition.replica_nodes),
                isr: ids(&partition.isr_nodes),
                eligible: Some(partition.eligible_leader_replicas.as_deref().map(ids).unwrap_or_default()),
                last_known_eligible: Some(partition.last_known_elr.as_deref().map(ids).unwrap_or_default()),
            });
            let empty = Topic { name: name.clone(), id: topic.topic_id.into(), partitions: Vec::new() };
            if let Ok(topic) = found.entry(name).or_insert(Ok(empty)) {
                topic.partitions.extend(partitions);
            }
        }
        let Some(next) = response.next_cursor else { break };
        request.topics.retain(|topic| topic.name >= next.topic_name);
        let cursor = Cursor::default().with_topic_name(next.topic_name).with_partition_index(next.partition_index);
        if request.cursor.as_ref() == Some(&cursor) {
            return Err(ClientError::Malformed("the description of topics goes round in circles".to_owned()));
        }
        request.cursor = Some(cursor);
    }
    Ok(found.into_iter().collect())
}

fn ids(nodes: &[crate::protocol::messages::BrokerId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}

/// What became of each topic.
pub type Deleted = Vec<(String, Result<(), ClientError>)>;

/// Deletes topics.
pub fn delete_topics(client: &mut Client, topics: &[String]) -> Result<Deleted, ClientError> {
    let timeout_ms = timeout_ms(client);
    let name = |name: &String| TopicName(text(name));
    let request = |version: i16| {
        let request = DeleteTopicsRequest::default().with_timeout_ms(timeout_ms);
        Ok(match version >= 6 {
            true => request.with_topics(
                topics.iter().map(|topic| DeleteTopicState::default().with_name(Some(name(topic)))).collect(),
            ),
            false => request.with_topic_names(topics.iter().map(name).collect()),
        })
    };
    let response =
        client.call_versioned::<DeleteTopicsRequest>(Target::Controller, "deleteTopics", request, |response| {
            not_controller(response.responses.iter().map(|topic| topic.error_code))
        })?;
    let deleted = response.responses.into_iter().map(|topic| {
        let name = topic.name.map_or(String::new(), |name| name.to_string());
        (name, ClientError::from_wire(topic.error_code, topic.error_message.as_deref()))
    });
    Ok(deleted.collect())
}

/// Kinds of resources that have configs, as the wire numbers them.
pub mod resource {
    pub const TOPIC: i8 = 2;
    pub const BROKER: i8 = 4;
    pub const BROKER_LOGGER: i8 = 8;
    pub const CLIENT_METRICS: i8 = 16;
    pub const GROUP: i8 = 32;
}

/// Where a config's value comes from, as the wire numbers it.
pub mod source {
    pub const TOPIC: i8 = 1;
    pub const BROKER: i8 = 2;
    pub const BROKER_DEFAULT: i8 = 3;
    pub const DEFAULT: i8 = 5;
    pub const CLIENT_METRICS: i8 = 7;
    pub const GROUP: i8 = 8;
}

/// The configs of resources of one kind. A broker or its loggers are described by the broker itself.
pub fn describe_configs(
    client: &mut Client,
    kind: i8,
    names: &[&str],
    synonyms: bool,
) -> Result<Vec<DescribeConfigsResult>, ClientError> {
    let resource = |name: &&str| {
        DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(None)
    };
    let request = DescribeConfigsRequest::default()
        .with_resources(names.iter().map(resource).collect())
        .with_include_synonyms(synonyms);
    let target = broker_of(kind, names);
    let response = client.call(target, "describeConfigs", &request, no_fault)?;
    Ok(response.results)
}

/// Who knows these resources.
pub fn broker_of(kind: i8, names: &[&str]) -> Target<'static> {
    let is_of_broker = matches!(kind, resource::BROKER | resource::BROKER_LOGGER);
    match names.first().and_then(|name| name.parse().ok()) {
        Some(id) if is_of_broker => Target::Broker(crate::types::BrokerId(id)),
        _ => Target::Any,
    }
}

/// The names of all resources of a kind that have configs.
pub fn config_resources(client: &mut Client, kind: i8) -> Result<Vec<String>, ClientError> {
    let request = move |version: i16| match version {
        0 if kind != resource::CLIENT_METRICS => Err(ClientError::of(ErrorCode::UnsupportedVersion)),
        0 => Ok(ListConfigResourcesRequest::default()),
        _ => Ok(ListConfigResourcesRequest::default().with_resource_types(vec![kind])),
    };
    let fault = |answer: &ListConfigResourcesResponse| answer.error_code;
    let answer =
        client.call_versioned::<ListConfigResourcesRequest>(Target::Any, "listConfigResources", request, fault)?;
    ClientError::from_wire(answer.error_code, None)?;
    Ok(answer.config_resources.iter().map(|found| found.resource_name.to_string()).collect())
}

/// Sets configs of a resource, and removes those without a value.
pub fn alter_configs(
    client: &mut Client,
    kind: i8,
    name: &str,
    changes: &[(String, Option<String>)],
) -> Result<(), ClientError> {
    const SET: i8 = 0;
    const DELETE: i8 = 1;
    let operation = |(key, value): &(String, Option<String>)| {
        AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(if value.is_some() { SET } else { DELETE })
            .with_value(Some(text(value.as_deref().unwrap_or_default())))
    };
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(changes.iter().map(operation).collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let target = match (broker_of(kind, &[name]), &client.config.bootstrap) {
        (Target::Any, Bootstrap::Controllers(_)) => Target::Controller,
        (target, _) => target,
    };
    let answer = client.call(target, "incrementalAlterConfigs", &request, |answer| {
        not_controller(answer.responses.iter().map(|response| response.error_code))
    })?;
    answer
        .responses
        .iter()
        .try_for_each(|response| ClientError::from_wire(response.error_code, response.error_message.as_deref()))
}
