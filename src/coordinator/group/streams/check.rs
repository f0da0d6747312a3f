//! What is wrong with a heartbeat, whatever the group.

use super::super::consumer::Refusal;
use super::member::STATIC_LEAVE_EPOCH;
use crate::protocol::newer::{StreamsGroupHeartbeatRequest, StreamsRequestTopology, StreamsTaskIds};
use crate::types::ErrorCode;

type Check = Result<(), Refusal>;

/// Refuses what is not supported before what is not allowed.
pub fn check_request(request: &StreamsGroupHeartbeatRequest) -> Check {
    check_support(request)?;
    check_rules(request)
}

fn check_support(request: &StreamsGroupHeartbeatRequest) -> Check {
    refuse_if(request.instance_id.is_some(), "Static membership is not yet supported.")?;
    refuse_if(request.task_offsets.is_some(), "TaskOffsets are not supported yet.")?;
    refuse_if(request.task_end_offsets.is_some(), "TaskEndOffsets are not supported yet.")?;
    refuse_if(has_some(&request.warmup_tasks), "WarmupTasks are not supported yet.")?;
    let mut subtopologies = request.topology.iter().flat_map(|topology| &topology.subtopologies);
    let has_patterns = subtopologies.any(|subtopology| !subtopology.source_topic_regex.is_empty());
    refuse_if(has_patterns, "Regular expressions for source topics are not supported yet.")
}

fn check_rules(request: &StreamsGroupHeartbeatRequest) -> Check {
    let is_blank = |text: Option<&str>| text.is_some_and(|text| text.trim().is_empty());
    refuse_if(is_blank(Some(&request.member_id)), "MemberId can't be empty.")?;
    refuse_if(is_blank(Some(&request.group_id)), "GroupId can't be empty.")?;
    refuse_if(is_blank(request.rack_id.as_deref()), "RackId can't be empty.")?;
    match request.member_epoch {
        0 => check_join(request)?,
        STATIC_LEAVE_EPOCH => refuse_if(true, "InstanceId can't be null.")?,
        ..STATIC_LEAVE_EPOCH => {
            let epoch = request.member_epoch;
            let message = format!("MemberEpoch is {epoch}, but must be greater than or equal to -2.");
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
        _ => {}
    }
    let tasks = [&request.active_tasks, &request.standby_tasks, &request.warmup_tasks];
    let said = tasks.iter().filter(|tasks| tasks.is_some()).count();
    refuse_if(said != 0 && said != tasks.len(), "If one task-type is non-null, all must be non-null.")?;
    let is_late = request.member_epoch != 0 && request.topology.is_some();
    refuse_if(is_late, "Topology can only be provided when (re-)joining.")
}

fn check_join(request: &StreamsGroupHeartbeatRequest) -> Check {
    refuse_if(request.rebalance_timeout_ms == -1, "RebalanceTimeoutMs must be provided in first request.")?;
    refuse_if(is_unsaid_or_some(&request.active_tasks), "ActiveTasks must be empty when (re-)joining.")?;
    refuse_if(is_unsaid_or_some(&request.standby_tasks), "StandbyTasks must be empty when (re-)joining.")?;
    refuse_if(is_unsaid_or_some(&request.warmup_tasks), "WarmupTasks must be empty when (re-)joining.")?;
    match &request.topology {
        None => refuse_if(true, "Topology must be non-null when (re-)joining."),
        Some(topology) => check_topology(topology),
    }
}

/// How many partitions a changelog topic has follows from what its subtopology reads.
fn check_topology(topology: &StreamsRequestTopology) -> Check {
    let mut changelogs = topology.subtopologies.iter().flat_map(|subtopology| &subtopology.state_changelog_topics);
    let Some(topic) = changelogs.find(|topic| topic.partitions != 0) else { return Ok(()) };
    let message = format!(
        "Changelog topic {} must have an undefined partition count, but it is set to {}.",
        topic.name, topic.partitions
    );
    Err(Refusal::new(ErrorCode::StreamsInvalidTopology, message))
}

fn has_some(tasks: &Option<Vec<StreamsTaskIds>>) -> bool {
    tasks.as_ref().is_some_and(|tasks| !tasks.is_empty())
}

fn is_unsaid_or_some(tasks: &Option<Vec<StreamsTaskIds>>) -> bool {
    tasks.as_ref().is_none_or(|tasks| !tasks.is_empty())
}

fn refuse_if(is_wrong: bool, message: &str) -> Check {
    if is_wrong { Err(Refusal::new(ErrorCode::InvalidRequest, message)) } else { Ok(()) }
}
