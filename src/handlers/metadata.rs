//! Metadata (3), versions 0 to 13: brokers, topics and leaders, and the topics that clients create by asking.
//!
//! A request that creates a topic answers with it: the topic serves before the answer is sent.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::endpoints::{self, Endpoint};
use super::{operations, Answer, Call, auto_create};
use crate::metadata::{MetadataImage, PartitionRegistration, TopicImage};
use crate::protocol::StrBytes;
use crate::protocol::messages::metadata_request::MetadataRequestTopic;
use crate::protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::protocol::messages::{MetadataRequest, MetadataResponse, ResponseKind};
use crate::types::{BrokerId, ErrorCode, TopicId, is_internal_topic, topic_name_fault};

/// The first version whose answer has an error of its own.
const FIRST_VERSION_WITH_ERROR: i16 = 13;

pub(super) async fn handle(call: &Call<'_>, request: MetadataRequest) -> Answer {
    let version = call.version();
    let named = request.topics.as_deref().unwrap_or_default();
    let nameless = named.iter().any(|topic| topic.name.is_none());
    if version < 12 && (nameless || named.iter().any(|topic| !topic.topic_id.is_nil())) {
        return failed_answer(call, ErrorCode::InvalidRequest, named);
    }
    if nameless && named.iter().all(|topic| topic.topic_id.is_nil()) {
        return failed_answer(call, ErrorCode::UnknownServerError, named);
    }
    let all = request.topics.is_none() || (version == 0 && named.is_empty());
    let wanted = wanted(named);
    if let Wanted::Names(names) = &wanted
        && request.allow_auto_topic_creation
        && !all
    {
        auto_create::topics(call, names).await;
    }
    let image = call.node.image();
    let mut response = MetadataResponse::default();
    response.topics = match wanted {
        _ if all => image.topics.iter().map(|topic| describe(call, &image, topic)).collect(),
        Wanted::Names(names) => names.iter().map(|name| by_name(call, &image, name)).collect(),
        Wanted::Ids(ids) => ids.iter().map(|id| by_id(call, &image, *id)).collect(),
    };
    if request.include_topic_authorized_operations {
        for topic in response.topics.iter_mut().filter(|topic| topic.name.is_some()) {
            topic.topic_authorized_operations = operations::TOPIC;
        }
    }
    response.cluster_authorized_operations = match request.include_cluster_authorized_operations && version <= 10 {
        true => operations::CLUSTER,
        false => operations::UNKNOWN,
    };
    cluster(call, &image, &mut response);
    ResponseKind::Metadata(response).into()
}

fn cluster(call: &Call<'_>, image: &MetadataImage, response: &mut MetadataResponse) {
    let brokers = endpoints::alive_brokers(call, image);
    response.controller_id = brokers.first().map_or(BrokerId::NONE, |broker| broker.id).0.into();
    response.brokers = brokers.into_iter().map(broker).collect();
    response.cluster_id = (call.version() >= 2).then(|| StrBytes::from_string(call.node.cluster_id.to_string()));
}

fn broker(endpoint: Endpoint) -> MetadataResponseBroker {
    let mut broker = MetadataResponseBroker::default();
    broker.node_id = endpoint.id.0.into();
    broker.host = StrBytes::from_string(endpoint.host);
    broker.port = endpoint.port.into();
    broker.rack = endpoint.rack.map(StrBytes::from_string);
    broker
}

/// What a request asks for: ids, if it holds one, else names.
enum Wanted {
    Names(BTreeSet<Arc<str>>),
    Ids(BTreeSet<TopicId>),
}

fn wanted(topics: &[MetadataRequestTopic]) -> Wanted {
    let ids: BTreeSet<TopicId> =
        topics.iter().filter(|topic| !topic.topic_id.is_nil()).map(|topic| topic.topic_id.into()).collect();
    match ids.is_empty() {
        false => Wanted::Ids(ids),
        true => Wanted::Names(topics.iter().filter_map(|topic| topic.name.as_deref()).map(|name| Arc::from(&**name)).collect()),
    }
}

/// Kafka's answer to a request that cannot be: every topic it names, with the error.
fn failed_answer(call: &Call<'_>, error: ErrorCode, topics: &[MetadataRequestTopic]) -> Answer {
    let mut response = MetadataResponse::default();
    response.cluster_authorized_operations = operations::UNKNOWN;
    if call.version() >= FIRST_VERSION_WITH_ERROR {
        response.error_code = error.code();
    }
    for asked in topics {
        let mut topic = failed(error, None);
        topic.name = Some(asked.name.clone().unwrap_or_default());
        if call.version() >= 10 {
            topic.topic_id = asked.topic_id;
        }
        response.topics.push(topic);
    }
    ResponseKind::Metadata(response).into()
}

fn by_name(call: &Call<'_>, image: &MetadataImage, name: &Arc<str>) -> MetadataResponseTopic {
    if let Some(topic) = image.topics.named(name) {
        return describe(call, image, topic);
    }
    let error = match topic_name_fault(name) {
        Some(_) => ErrorCode::InvalidTopicException,
        None => ErrorCode::UnknownTopicOrPartition,
    };
    failed(error, Some(name))
}

fn by_id(call: &Call<'_>, image: &MetadataImage, id: TopicId) -> MetadataResponseTopic {
    match image.topics.with_id(id) {
        Some(topic) => describe(call, image, topic),
        None => {
            let mut unknown = failed(ErrorCode::UnknownTopicId, None);
            unknown.topic_id = id.into();
            unknown
        }
    }
}

fn failed(error: ErrorCode, name: Option<&str>) -> MetadataResponseTopic {
    let mut topic = MetadataResponseTopic::default();
    topic.error_code = error.code();
    topic.name = name.map(|name| StrBytes::from_string(name.to_owned()).into());
    topic.is_internal = name.is_some_and(is_internal_topic);
    topic.topic_authorized_operations = operations::UNKNOWN;
    topic
}

fn describe(call: &Call<'_>, image: &MetadataImage, topic: &TopicImage) -> MetadataResponseTopic {
    let mut described = failed(ErrorCode::None, Some(&topic.name));
    if call.version() >= 10 {
        described.topic_id = topic.id.into();
    }
    let partitions = topic.partitions.iter();
    described.partitions = partitions.map(|(index, registration)| partition(call, image, *index, registration)).collect();
    described
}

fn partition(
    call: &Call<'_>,
    image: &MetadataImage,
    index: i32,
    registration: &PartitionRegistration,
) -> MetadataResponsePartition {
    let version = call.version();
    let reachable = |id: &BrokerId| version > 0 || endpoints::alive_broker(call, image, *id).is_some();
    let nodes = |ids: &[BrokerId]| ids.iter().filter(|id| reachable(id)).map(|id| id.0.into()).collect::<Vec<_>>();
    let mut partition = MetadataResponsePartition::default();
    partition.partition_index = index;
    partition.replica_nodes = nodes(&registration.replicas);
    partition.isr_nodes = nodes(&registration.isr);
    match endpoints::leader(call, image, registration) {
        Ok(leader) => {
            partition.leader_id = leader.0.into();
            let complete = partition.replica_nodes.len() == registration.replicas.len()
                && partition.isr_nodes.len() == registration.isr.len();
            partition.error_code = if complete { 0 } else { ErrorCode::ReplicaNotAvailable.code() };
        }
        Err(error) => {
            partition.leader_id = BrokerId::NONE.0.into();
            partition.error_code = match error {
                ErrorCode::ListenerNotFound if version < 6 => ErrorCode::LeaderNotAvailable.code(),
                error => error.code(),
            };
        }
    }
    if version >= 7 {
        partition.leader_epoch = registration.leader_epoch.0;
    }
    if version >= 5 {
        let offline = endpoints::offline_replicas(image, registration);
        partition.offline_replicas = offline.into_iter().map(|id| id.0.into()).collect();
    }
    partition
}
