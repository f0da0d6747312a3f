//! The members of the application's group: none may be left.

use std::time::Duration;

use super::super::admin::text;
use super::super::consumer_groups::{Member, describe_group};
use super::super::group_command::{Failed, Session};
use super::thrown;
use crate::client::{Client, ClientError, Target};
use crate::protocol::messages::leave_group_request::MemberIdentity;
use crate::protocol::messages::{GroupId, LeaveGroupRequest};
use crate::types::{ErrorCode, TopicPartition};

/// How long the group may take to be described.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often members are looked for again after one has left by itself.
const RETRIES: usize = 3;
/// What the group's members are told.
const REASON: &str = "member was removed by an admin";
/// The first version of LeaveGroup that takes several members, or one by its instance.
const BATCHED: i16 = 3;
/// The first version of LeaveGroup that takes a reason.
const REASONED: i16 = 5;

/// A group without members is fine, and so is none at all. Members are removed if that is asked for.
pub(super) fn make_inactive(session: &mut Session<'_>, group: &str) -> Result<(), Failed> {
    let mut retries = 0;
    loop {
        let patience = std::mem::replace(&mut session.client.config.api_timeout, DESCRIBE_TIMEOUT);
        let described = describe_group(&mut session.client, group);
        session.client.config.api_timeout = patience;
        let members = match described {
            Ok(group) => group.members,
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => return Ok(()),
            Err(ClientError::Config(message)) => {
                let cause = format!("java.lang.IllegalArgumentException: {message}");
                return Err(thrown("java.util.concurrent.ExecutionException", cause));
            }
            Err(error) => return Err(Failed::nested(&error)),
        };
        if members.is_empty() {
            return Ok(());
        }
        if !session.arguments.has("force") {
            return Err(still_active(group, &members));
        }
        session.output.line(format!("Force deleting all active members in the group: {group}"));
        match remove(&mut session.client, group, &members)? {
            Some((_, ErrorCode::UnknownMemberId)) if retries < RETRIES => retries += 1,
            Some((member, _)) => {
                let cause = "org.apache.kafka.common.KafkaException: Encounter exception when trying to remove";
                return Err(thrown("java.util.concurrent.ExecutionException", format!("{cause}: {member}")));
            }
            None => return Ok(()),
        }
    }
}

fn still_active(group: &str, members: &[Member]) -> Failed {
    let members: Vec<String> = members.iter().map(shown).collect();
    thrown(
        "java.lang.IllegalStateException",
        format!(
            "Consumer group '{group}' is still active and has following members: [{}]. Make sure to stop all running \
             application instances before running the reset tool. You can use option '--force' to remove active \
             members from the group.",
            members.join(", ")
        ),
    )
}

/// A member as Java prints its description.
fn shown(member: &Member) -> String {
    let or_null = |text: Option<String>| text.unwrap_or_else(|| "null".to_owned());
    let instance = or_null(Some(member.instance.clone()).filter(|instance| !instance.is_empty()));
    let target = match member.epoch {
        Some(_) => format!("Optional[{}]", partitions(&member.target)),
        None => "Optional.empty".to_owned(),
    };
    format!(
        "(memberId={}, groupInstanceId={instance}, rackId={}, clientId={}, host={}, assignment={}, \
         targetAssignment={target}, memberEpoch={}, upgraded={})",
        member.id,
        or_null(member.rack.clone()),
        member.client_id,
        member.host,
        partitions(&member.assigned),
        or_null(member.epoch.map(|epoch| epoch.to_string())),
        or_null(member.upgraded.map(|upgraded| upgraded.to_string())),
    )
}

/// In their own order: Java's is another in each run.
fn partitions(of: &[TopicPartition]) -> String {
    let mut of = of.to_vec();
    of.sort_unstable();
    let names: Vec<String> = of.iter().map(TopicPartition::to_string).collect();
    format!("(topicPartitions={})", names.join(","))
}

/// Removes members. The answer is the first that could not be removed, and why.
fn remove(client: &mut Client, group: &str, members: &[Member]) -> Result<Option<(String, ErrorCode)>, Failed> {
    let identity = |member: &Member, version: i16| {
        let reason = (version >= REASONED).then(|| text(REASON));
        let identity = match member.instance.is_empty() {
            true => MemberIdentity::default().with_member_id(text(&member.id)),
            false => MemberIdentity::default().with_group_instance_id(Some(text(&member.instance))),
        };
        identity.with_reason(reason)
    };
    let request = |version: i16| {
        let request = LeaveGroupRequest::default().with_group_id(GroupId(text(group)));
        match members {
            _ if version >= BATCHED => {
                Ok(request.with_members(members.iter().map(|member| identity(member, version)).collect()))
            }
            [member] if member.instance.is_empty() => Ok(request.with_member_id(text(&member.id))),
            _ => Err(ClientError::of(ErrorCode::UnsupportedVersion)),
        }
    };
    let target = Target::Group(group);
    let answer = client
        .call_versioned::<LeaveGroupRequest>(target, "leaveGroup", request, |answer| answer.error_code)
        .and_then(|answer| ClientError::from_wire(answer.error_code, None).map(|()| answer))
        .map_err(|error| Failed::nested(&error))?;
    let mut failed = answer.members.into_iter().filter(|member| member.error_code != 0);
    Ok(failed.next().map(|member| {
        let instance = member.group_instance_id.map_or("null".to_owned(), |id| format!("'{id}'"));
        let name = format!("MemberIdentity(memberId='{}', groupInstanceId={instance}, reason=null)", member.member_id);
        (name, ErrorCode::from_code(member.error_code).unwrap_or(ErrorCode::UnknownServerError))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_shown_as_java_prints_them() {
        let mut member = Member {
            id: "m-1".to_owned(),
            instance: String::new(),
            rack: None,
            client_id: "c".to_owned(),
            host: "/127.0.0.1".to_owned(),
            epoch: None,
            assigned: vec![TopicPartition::new("a", 1), TopicPartition::new("a", 0)],
            target: Vec::new(),
            upgraded: None,
        };
        assert_eq!(
            shown(&member),
            "(memberId=m-1, groupInstanceId=null, rackId=null, clientId=c, host=/127.0.0.1, \
             assignment=(topicPartitions=a-0,a-1), targetAssignment=Optional.empty, memberEpoch=null, upgraded=null)"
        );
        member.epoch = Some(3);
        member.upgraded = Some(true);
        member.instance = "i".to_owned();
        assert!(shown(&member).starts_with("(memberId=m-1, groupInstanceId=i, "));
        assert!(
            shown(&member).ends_with("targetAssignment=Optional[(topicPartitions=)], memberEpoch=3, upgraded=true)")
        );
    }
}
