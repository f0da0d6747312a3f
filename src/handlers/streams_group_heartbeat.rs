//! StreamsGroupHeartbeat (88): membership in a streams group, all of it (KIP-1071). Internal topics that the group lacks
//! are made while the member waits for its answer.

use super::{Answer, Call, auto_create};
use crate::coordinator::group::{STREAMS_MISSING_INTERNAL_TOPICS, StreamsAnswer};
use crate::protocol::newer::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse, StreamsRequestTopology};
use crate::types::{ErrorCode, is_internal_topic, topic_name_fault};

/// How many failures a status tells of.
const FAILURES_TOLD_AT_MOST: usize = 3;

pub(super) async fn handle(call: &Call<'_>, request: Box<StreamsGroupHeartbeatRequest>) -> Answer {
    let refused = match &request.topology {
        _ if !call.streams_groups_enabled() => Some((ErrorCode::UnsupportedVersion, None)),
        Some(topology) => check_names(topology).err().map(|why| (ErrorCode::StreamsInvalidTopology, Some(why))),
        None => None,
    };
    if let Some((error, error_message)) = refused {
        let error_code = error.code();
        return Answer::own(call, &StreamsGroupHeartbeatResponse { error_code, error_message, ..Default::default() });
    }
    let StreamsAnswer { mut response, missing } = call.node.groups.streams_heartbeat(&call.client(), *request).await;
    if !missing.is_empty() {
        let failures = auto_create::streams_topics(call, missing).await;
        let status = response.status.iter_mut().flatten();
        let mut status = status.filter(|status| status.status_code == STREAMS_MISSING_INTERNAL_TOPICS);
        if let (Some(status), false) = (status.next(), failures.is_empty()) {
            status.status_detail.push_str(&told(&failures));
        }
    }
    Answer::own(call, &response)
}

/// Topics of a topology are ordinary ones with allowed names.
fn check_names(topology: &StreamsRequestTopology) -> Result<(), String> {
    let mut names: Vec<&str> = Vec::new();
    for subtopology in &topology.subtopologies {
        let internal = subtopology.repartition_source_topics.iter().chain(&subtopology.state_changelog_topics);
        let plain = subtopology.source_topics.iter().chain(&subtopology.repartition_sink_topics);
        names.extend(plain.map(String::as_str).chain(internal.map(|topic| topic.name.as_str())));
    }
    let listed = |is_wrong: fn(&str) -> bool| {
        let mut wrong: Vec<&str> = Vec::new();
        names.iter().filter(|name| is_wrong(name)).for_each(|name| {
            if !wrong.contains(name) {
                wrong.push(name);
            }
        });
        wrong.join(",")
    };
    let prohibited = listed(is_internal_topic);
    if !prohibited.is_empty() {
        return Err(format!("Use of Kafka internal topics {prohibited} in a Kafka Streams topology is prohibited."));
    }
    match names.iter().any(|name| topic_name_fault(name).is_some()) {
        true => {
            let invalid = listed(|name| topic_name_fault(name).is_some());
            Err(format!("Topic names {invalid} are not valid topic names."))
        }
        false => Ok(()),
    }
}

/// Why topics could not be made, as the end of a sentence.
fn told(failures: &[(String, String)]) -> String {
    let each = failures.iter().take(FAILURES_TOLD_AT_MOST).map(|(topic, why)| format!("{topic} ({why})"));
    let each = each.collect::<Vec<_>>().join(", ");
    match failures.len().saturating_sub(FAILURES_TOLD_AT_MOST) {
        0 => format!("; Creation failed: {each}."),
        more => format!("; Creation failed: {each} and {more} more."),
    }
}
