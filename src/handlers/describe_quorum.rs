//! DescribeQuorum (55): the leader of the metadata log and its voters.

use super::{Answer, Call};
use crate::protocol::StrBytes;
use crate::protocol::messages::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
use crate::protocol::messages::{DescribeQuorumRequest, DescribeQuorumResponse, ResponseKind};
use crate::quorum::{QuorumInfo, Voter};
use crate::types::{ErrorCode, METADATA_TOPIC};

const PARTITION: i32 = 0;
/// The first version that tells directories and where the voters are.
const FIRST_VERSION_WITH_NODES: i16 = 2;

pub(super) async fn handle(call: &Call<'_>, request: DescribeQuorumRequest) -> Answer {
    if !asks_for_metadata_log(&request) {
        return unknown_partitions(request);
    }
    let info = call.node.quorum.info();
    let mut partition = PartitionData::default();
    partition.partition_index = PARTITION;
    partition.leader_id = info.leader_id.0.into();
    partition.leader_epoch = info.leader_epoch.0;
    partition.high_watermark = info.high_watermark.0;
    let voters = info.voters.voters();
    partition.current_voters = voters.iter().map(|voter| state(call, &info, voter)).collect();
    let mut topic = TopicData::default();
    topic.topic_name = StrBytes::from_static_str(METADATA_TOPIC).into();
    topic.partitions = vec![partition];
    let mut response = DescribeQuorumResponse::default();
    response.topics = vec![topic];
    if call.version() >= FIRST_VERSION_WITH_NODES {
        response.nodes = voters.iter().map(node).collect();
    }
    ResponseKind::DescribeQuorum(response).into()
}

fn asks_for_metadata_log(request: &DescribeQuorumRequest) -> bool {
    match request.topics.as_slice() {
        [topic] => match topic.partitions.as_slice() {
            [partition] => &**topic.topic_name == METADATA_TOPIC && partition.partition_index == PARTITION,
            _ => false,
        },
        _ => false,
    }
}

fn unknown_partitions(request: DescribeQuorumRequest) -> Answer {
    let code = ErrorCode::UnknownTopicOrPartition;
    let mut response = DescribeQuorumResponse::default();
    for asked in request.topics {
        let mut topic = TopicData::default();
        topic.topic_name = asked.topic_name;
        for asked in asked.partitions {
            let mut partition = PartitionData::default();
            partition.partition_index = asked.partition_index;
            partition.error_code = code.code();
            partition.error_message = Some(StrBytes::from_static_str(code.message()));
            topic.partitions.push(partition);
        }
        response.topics.push(topic);
    }
    ResponseKind::DescribeQuorum(response).into()
}

/// How far a voter is. The leader, which is the only one, has always just caught up with itself.
fn state(call: &Call<'_>, info: &QuorumInfo, voter: &Voter) -> ReplicaState {
    let mut state = ReplicaState::default();
    state.replica_id = voter.id.0.into();
    if call.version() >= FIRST_VERSION_WITH_NODES {
        state.replica_directory_id = voter.directory_id.into();
    }
    state.log_end_offset = info.log_end_offset.0;
    state.last_fetch_timestamp = info.now.0;
    state.last_caught_up_timestamp = info.now.0;
    state
}

fn node(voter: &Voter) -> Node {
    let mut node = Node::default();
    node.node_id = voter.id.0.into();
    for (name, host, port) in &voter.endpoints {
        let mut listener = Listener::default();
        listener.name = StrBytes::from_string(name.clone());
        listener.host = StrBytes::from_string(host.clone());
        listener.port = *port;
        node.listeners.push(listener);
    }
    node
}
