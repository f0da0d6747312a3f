//! The member of a classic group: join, sync, heartbeat, leave.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::assignor::{self, Member};
use super::{ConsumerConfig, Partition};
use crate::client::{Client, ClientError, Target};
use crate::protocol::StrBytes;
use crate::protocol::internal::{AssignedPartitions, ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use crate::protocol::message::Message;
use crate::protocol::messages::join_group_request::JoinGroupRequestProtocol;
use crate::protocol::messages::leave_group_request::MemberIdentity;
use crate::protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use crate::protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use crate::types::ErrorCode;

/// The kind of group that consumers form.
const PROTOCOL_TYPE: &str = "consumer";
/// The version of subscriptions and assignments: the newest that all consumers read.
const EMBEDDED_VERSION: i16 = 3;

/// What a member has to do.
pub(super) enum Turn {
    Idle,
    /// Join, or join again.
    Rejoin,
}

/// This consumer in its group.
pub(super) struct Membership {
    pub(super) config: ConsumerConfig,
    pub(super) member_id: String,
    pub(super) generation: i32,
    /// What is subscribed to and exists.
    topics: Vec<String>,
    is_leader: bool,
    must_join: bool,
    next_heartbeat: Instant,
}

impl Membership {
    pub(super) fn new(config: ConsumerConfig) -> Result<Membership, ClientError> {
        if config.group.is_empty() {
            return Err(ClientError::of(ErrorCode::InvalidGroupId));
        }
        Ok(Membership {
            config,
            member_id: String::new(),
            generation: -1,
            topics: Vec::new(),
            is_leader: false,
            must_join: true,
            next_heartbeat: Instant::now(),
        })
    }

    pub(super) fn is_member(&self) -> bool {
        self.generation >= 0
    }

    /// Takes note of the topics there are; a leader divides anew when there are others, or more partitions.
    pub(super) fn note_topics(&mut self, now: &BTreeMap<String, usize>, before: &BTreeMap<String, usize>) {
        self.topics = now.keys().cloned().collect();
        self.must_join |= now != before && (self.is_leader || !now.keys().eq(before.keys()));
    }

    /// Sends a heartbeat if one is due, and tells what is to be done.
    pub(super) fn turn(&mut self, client: &mut Client) -> Result<Turn, ClientError> {
        if self.must_join {
            return Ok(if self.topics.is_empty() { Turn::Idle } else { Turn::Rejoin });
        }
        if Instant::now() < self.next_heartbeat {
            return Ok(Turn::Idle);
        }
        let request = HeartbeatRequest::default()
            .with_group_id(self.group())
            .with_generation_id(self.generation)
            .with_member_id(text(&self.member_id))
            .with_group_instance_id(self.instance());
        self.next_heartbeat = Instant::now() + self.config.heartbeat_interval;
        let group = self.config.group.clone();
        let response = client.call(Target::Group(&group), "heartbeat", &request, |response| response.error_code);
        match response.and_then(|response| ClientError::from_wire(response.error_code, None)) {
            Ok(()) => Ok(Turn::Idle),
            Err(error) => self.lost(error).map(|()| Turn::Rejoin),
        }
    }

    /// Joins, divides if this member leads, and answers with what it gets; none if it has to join again.
    pub(super) fn join(
        &mut self,
        client: &mut Client,
        topics: &BTreeMap<String, usize>,
    ) -> Result<Option<Vec<Partition>>, ClientError> {
        self.must_join = true;
        let group = self.config.group.clone();
        let joined = match self.request_join(client, &group) {
            Ok(joined) => joined,
            Err(error) => return self.lost(error).map(|()| None),
        };
        self.member_id = joined.member_id.to_string();
        self.generation = joined.generation_id;
        self.is_leader = joined.leader == joined.member_id;
        let request = self.sync_request(&joined, topics)?;
        let synced = client.call(Target::Group(&group), "syncGroup", &request, |response| response.error_code);
        let synced = synced.and_then(|synced| ClientError::from_wire(synced.error_code, None).map(|()| synced));
        match synced {
            Ok(synced) => {
                self.must_join = false;
                self.next_heartbeat = Instant::now() + self.config.heartbeat_interval;
                read_assignment(&synced.assignment).map(Some)
            }
            Err(error) => self.lost(error).map(|()| None),
        }
    }

    /// Joins; a member that has no id yet is given one and joins with it.
    fn request_join(&mut self, client: &mut Client, group: &str) -> Result<JoinGroupResponse, ClientError> {
        // The answer waits until all members have joined.
        let usual = (client.config.request_timeout, client.config.api_timeout);
        let patience = usual.0.max(self.config.max_poll_interval + Duration::from_secs(5));
        (client.config.request_timeout, client.config.api_timeout) = (patience, patience);
        let mut joined = Err(ClientError::of(ErrorCode::MemberIdRequired));
        for _ in 0..2 {
            let request = self.join_request()?;
            joined = client.call(Target::Group(group), "joinGroup", &request, |response| response.error_code);
            match &joined {
                Ok(given) if given.error_code == ErrorCode::MemberIdRequired.code() => {
                    self.member_id = given.member_id.to_string();
                }
                _ => break,
            }
        }
        (client.config.request_timeout, client.config.api_timeout) = usual;
        joined.and_then(|joined| ClientError::from_wire(joined.error_code, None).map(|()| joined))
    }

    /// Says goodbye, so that others get the partitions at once. Static members only stay away.
    pub(super) fn leave(&mut self, client: &mut Client) -> Result<(), ClientError> {
        if self.member_id.is_empty() || self.config.group_instance.is_some() {
            return Ok(());
        }
        let (group, member) = (self.config.group.clone(), text(&self.member_id));
        let leaving = |version: i16| {
            let request = LeaveGroupRequest::default().with_group_id(GroupId(text(&group)));
            Ok(match version >= 3 {
                true => request.with_members(vec![MemberIdentity::default().with_member_id(member.clone())]),
                false => request.with_member_id(member.clone()),
            })
        };
        let response = client.call_versioned(Target::Group(&group), "leaveGroup", leaving, |r| r.error_code)?;
        self.member_id.clear();
        self.generation = -1;
        ClientError::from_wire(response.error_code, None)
    }

    /// What an error of the coordinator means for the membership; those it cannot bear are handed on.
    pub(super) fn lost(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.must_join = true;
        match error.code() {
            Some(ErrorCode::RebalanceInProgress) => Ok(()),
            Some(ErrorCode::IllegalGeneration) => {
                self.generation = -1;
                Ok(())
            }
            Some(ErrorCode::UnknownMemberId) => {
                self.generation = -1;
                self.member_id.clear();
                Ok(())
            }
            _ if error.is_retriable() => Ok(()),
            _ => Err(error),
        }
    }

    pub(super) fn group(&self) -> GroupId {
        GroupId(text(&self.config.group))
    }

    pub(super) fn instance(&self) -> Option<StrBytes> {
        self.config.group_instance.as_deref().map(text)
    }

    fn join_request(&self) -> Result<JoinGroupRequest, ClientError> {
        let subscription = ConsumerProtocolSubscription {
            topics: self.topics.clone(),
            generation_id: self.generation,
            rack_id: self.config.rack.clone(),
            ..Default::default()
        };
        let metadata = subscription.encode_versioned(EMBEDDED_VERSION).map_err(malformed)?;
        let protocol = |name: &&'static str| {
            JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(metadata.clone())
        };
        let millis = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        Ok(JoinGroupRequest::default()
            .with_group_id(self.group())
            .with_session_timeout_ms(millis(self.config.session_timeout))
            .with_rebalance_timeout_ms(millis(self.config.max_poll_interval))
            .with_member_id(text(&self.member_id))
            .with_group_instance_id(self.instance())
            .with_protocol_type(text(PROTOCOL_TYPE))
            .with_protocols(self.config.assignors.iter().map(protocol).collect()))
    }

    fn sync_request(
        &self,
        joined: &JoinGroupResponse,
        topics: &BTreeMap<String, usize>,
    ) -> Result<SyncGroupRequest, ClientError> {
        let protocol = joined.protocol_name.clone().unwrap_or_default();
        let mut assignments = Vec::new();
        if self.is_leader && !joined.skip_assignment {
            let members = members_of(joined)?;
            for (member, partitions) in assignor::assign(&protocol, topics, &members) {
                let assignment = write_assignment(partitions)?;
                assignments.push(
                    SyncGroupRequestAssignment::default().with_member_id(text(&member)).with_assignment(assignment),
                );
            }
        }
        Ok(SyncGroupRequest::default()
            .with_group_id(self.group())
            .with_generation_id(self.generation)
            .with_member_id(text(&self.member_id))
            .with_group_instance_id(self.instance())
            .with_protocol_type(Some(text(PROTOCOL_TYPE)))
            .with_protocol_name(Some(protocol))
            .with_assignments(assignments))
    }
}

fn members_of(joined: &JoinGroupResponse) -> Result<Vec<Member>, ClientError> {
    let member = |found: &crate::protocol::messages::join_group_response::JoinGroupResponseMember| {
        let (subscription, _) = ConsumerProtocolSubscription::decode_versioned(&found.metadata).map_err(malformed)?;
        let owned = subscription.owned_partitions.iter();
        Ok(Member {
            id: found.member_id.to_string(),
            instance: found.group_instance_id.as_ref().map(|id| id.to_string()),
            topics: subscription.topics.clone(),
            owned: owned.flat_map(|own| own.partitions.iter().map(|p| (own.topic.clone(), *p))).collect(),
            generation: subscription.generation_id,
        })
    };
    joined.members.iter().map(member).collect()
}

fn write_assignment(partitions: Vec<Partition>) -> Result<bytes::Bytes, ClientError> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(partition);
    }
    let assigned_partitions =
        topics.into_iter().map(|(topic, partitions)| AssignedPartitions { topic, partitions }).collect();
    let assignment = ConsumerProtocolAssignment { assigned_partitions, user_data: None };
    assignment.encode_versioned(EMBEDDED_VERSION).map_err(malformed)
}

/// A member for which there is nothing gets no bytes at all from some leaders.
fn read_assignment(bytes: &[u8]) -> Result<Vec<Partition>, ClientError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let (assignment, _) = ConsumerProtocolAssignment::decode_versioned(bytes).map_err(malformed)?;
    let topics = assignment.assigned_partitions.into_iter();
    Ok(topics.flat_map(|given| given.partitions.into_iter().map(move |p| (given.topic.clone(), p))).collect())
}

fn malformed(error: crate::protocol::message::RecordError) -> ClientError {
    ClientError::Malformed(error.to_string())
}

pub(super) fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}
