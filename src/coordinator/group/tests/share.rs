//! Share groups, heartbeat by heartbeat.
//!
//! The verbs: `share a` is a heartbeat of `a`, which joins when it has no epoch (`topics=t,u`); `unshare a` leaves. A member is
//! told its epoch, what it shall have where that is told, and `asks …` where share state is to be made; `made` and `unmade`
//! say that the first such wish was fulfilled or refused. `reset t-0 to=5` sets an offset, `drop t` deletes a topic's, `gone t`
//! says that they are deleted; `doom` begins the deletion of the group.

use std::collections::{BTreeMap, VecDeque};

use super::super::assignor::Assignment;
use super::super::machine::{Command, Settings};
use super::super::share::{ShareBeat, ShareChange, ShareCommand, ShareReply, StateInit};
use super::consumer::{topic_id, topic_name};
use super::script::{Bench, Words, check, check_with, name, str_bytes};
use crate::protocol::messages::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use crate::protocol::messages::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic;
use crate::protocol::messages::{
    AlterShareGroupOffsetsRequest, DeleteShareGroupOffsetsRequest, GroupId, ShareGroupHeartbeatRequest, TopicName,
};
use crate::types::{Offset, TopicId};

/// What members know of themselves, and what the share coordinator is still to do.
#[derive(Default, Debug)]
pub struct Known {
    pub epochs: BTreeMap<String, i32>,
    pub owns: BTreeMap<String, Assignment>,
    pub asks: VecDeque<StateInit>,
}

impl Known {
    pub fn hear(&mut self, who: &str, reply: &ShareReply) {
        match reply {
            ShareReply::Heartbeat { response, ask } => {
                self.asks.extend(ask.clone());
                if response.error_code != 0 || response.member_epoch < 0 {
                    self.epochs.remove(who);
                    self.owns.remove(who);
                    return;
                }
                self.epochs.insert(who.to_owned(), response.member_epoch);
                if let Some(assignment) = &response.assignment {
                    let topics = assignment.topic_partitions.iter();
                    let owns = topics.map(|topic| (topic.topic_id.into(), topic.partitions.iter().copied().collect()));
                    self.owns.insert(who.to_owned(), owns.collect());
                }
            }
            ShareReply::AlterOffsets { ask, .. } => self.asks.extend(ask.clone()),
            _ => {}
        }
    }
}

impl Bench {
    pub fn share_step(&mut self, verb: &str, words: &Words) {
        let group = || GroupId(str_bytes("g"));
        let command = match verb {
            "share" => return self.share_beat(words, None),
            "unshare" => return self.share_beat(words, Some(-1)),
            "made" | "unmade" => {
                let Some(ask) = self.share.asks.pop_front() else { return };
                ShareCommand::Asked { of: ask.of(), made: verb == "made" }
            }
            "sharers" => ShareCommand::Describe(vec![str_bytes("g")]),
            "partitions" => ShareCommand::Partitions(str_bytes("g")),
            "reset" => {
                let (topic, partition) = words.subject.rsplit_once('-').expect("topic-partition");
                let partition = AlterShareGroupOffsetsRequestPartition::default()
                    .with_partition_index(partition.parse().expect("a number"))
                    .with_start_offset(i64::from(words.number("to", 0)));
                let topic = AlterShareGroupOffsetsRequestTopic::default()
                    .with_topic_name(TopicName(str_bytes(topic)))
                    .with_partitions(vec![partition]);
                let request = AlterShareGroupOffsetsRequest::default().with_group_id(group());
                ShareCommand::AlterOffsets(request.with_topics(vec![topic]))
            }
            "drop" => {
                let topics = words.subject.split(',').map(|topic| {
                    DeleteShareGroupOffsetsRequestTopic::default().with_topic_name(TopicName(str_bytes(topic)))
                });
                let request = DeleteShareGroupOffsetsRequest::default().with_group_id(group());
                ShareCommand::DeleteOffsets(request.with_topics(topics.collect()))
            }
            "gone" => ShareCommand::OffsetsDeleted { group: str_bytes("g"), topics: vec![topic_id(words.subject)] },
            "doom" => ShareCommand::BeginDeletion(vec![str_bytes("g")]),
            other => return self.streams_step(other, words),
        };
        self.submit(verb, Command::Share(command));
    }

    fn share_beat(&mut self, words: &Words, epoch: Option<i32>) {
        let who = words.subject;
        let known = self.share.epochs.get(who).copied().unwrap_or(0);
        let epoch = epoch.unwrap_or_else(|| words.number("epoch", known));
        let topics = words.options.get("topics").copied().or((epoch == 0).then_some("t"));
        let topics = topics.map(|topics| topics.split(',').map(|name| TopicName(str_bytes(name))).collect());
        let request = ShareGroupHeartbeatRequest::default()
            .with_group_id(GroupId(str_bytes("g")))
            .with_member_id(str_bytes(who))
            .with_member_epoch(epoch)
            .with_rack_id(words.text("rack"))
            .with_subscribed_topic_names(topics);
        let beat = ShareBeat { request, client_id: who.into(), client_host: "/127.0.0.1".into() };
        self.submit(who, Command::Share(ShareCommand::Heartbeat(Box::new(beat))));
    }
}

fn shown(assignment: &Assignment) -> String {
    let each = assignment.iter().map(|(topic, partitions)| {
        let partitions: Vec<String> = partitions.iter().map(i32::to_string).collect();
        format!("{}:{}", topic_name(*topic), partitions.join(","))
    });
    format!("[{}]", each.collect::<Vec<_>>().join(" "))
}

fn shown_ask(ask: &Option<StateInit>) -> String {
    let Some(ask) = ask else { return String::new() };
    let each = ask.starts.iter().flat_map(|(topic, starts)| {
        let at = |start: &Offset| if *start == Offset::NONE { String::new() } else { format!("@{start}") };
        starts.iter().map(move |(partition, start)| format!("{}-{partition}{}", topic_name(*topic), at(start)))
    });
    format!("asks {} at e{}", each.collect::<Vec<_>>().join(" "), ask.state_epoch)
}

pub fn told(who: &str, reply: &ShareReply) -> String {
    told_loosely(who, reply).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn told_loosely(who: &str, reply: &ShareReply) -> String {
    let message = |message: &Option<crate::protocol::StrBytes>| message.as_deref().unwrap_or_default().to_owned();
    match reply {
        ShareReply::Heartbeat { response, .. } if response.error_code != 0 => {
            format!("{who} {} {}", name(response.error_code), message(&response.error_message))
        }
        ShareReply::Heartbeat { response, ask } => {
            let assignment = response.assignment.as_ref().map(|assignment| {
                let topics = assignment.topic_partitions.iter();
                shown(
                    &topics.map(|topic| (topic.topic_id.into(), topic.partitions.iter().copied().collect())).collect(),
                )
            });
            let told = format!("{who} e{} {}", response.member_epoch, assignment.unwrap_or_default());
            format!("{} {}", told.trim(), shown_ask(ask))
        }
        ShareReply::Describe(groups) => {
            let group = &groups[0];
            let members = group.members.iter().map(|member| {
                let topics = member.assignment.topic_partitions.iter();
                let has =
                    topics.map(|topic| (TopicId::from(topic.topic_id), topic.partitions.iter().copied().collect()));
                let topics: Vec<&str> = member.subscribed_topic_names.iter().map(|name| &***name).collect();
                format!("{} e{} {} {}", member.member_id, member.member_epoch, topics.join(","), shown(&has.collect()))
            });
            let told = format!(
                "{} {} e{} a{} {} {}",
                name(group.error_code),
                group.group_state,
                group.group_epoch,
                group.assignment_epoch,
                group.assignor_name,
                message(&group.error_message)
            );
            format!("{} {}", told.trim_end(), members.collect::<Vec<_>>().join("; "))
        }
        ShareReply::Noted => "noted".to_owned(),
        ShareReply::Partitions(partitions) => shown(partitions),
        ShareReply::AlterOffsets { response, ask } => {
            let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
            let each: Vec<&str> = partitions.map(|partition| name(partition.error_code)).collect();
            format!("{} {} {}", name(response.error_code), each.join(","), shown_ask(ask))
        }
        ShareReply::BeginDeletion(states) => match states.values().next() {
            None => "nothing to delete".to_owned(),
            Some(Ok(state)) => format!("delete {}", shown(&state.partitions)),
            Some(Err(error)) => error.name().to_owned(),
        },
        ShareReply::DeleteOffsets { response, delete } => {
            let each = response.responses.iter().map(|topic| {
                format!("{} {} {}", &**topic.topic_name, name(topic.error_code), message(&topic.error_message))
            });
            let told = format!("{} {}", name(response.error_code), each.collect::<Vec<_>>().join(" "));
            let delete = delete.as_ref().map(|state| format!("delete {}", shown(&state.partitions)));
            format!("{} {}", told.trim_end(), delete.unwrap_or_default())
        }
    }
}

pub fn shown_change(change: &ShareChange) -> String {
    let gone = |told: String, is_gone: bool| if is_gone { format!("{told}=gone") } else { told };
    match change {
        ShareChange::Epoch(epoch) => epoch.map_or("group=gone".to_owned(), |epoch| format!("e{}", epoch.epoch)),
        ShareChange::Member { member, metadata } => gone(member.to_string(), metadata.is_none()),
        ShareChange::TargetEpoch(epoch) => epoch.map_or("target=gone".to_owned(), |epoch| format!("a{}", epoch.epoch)),
        ShareChange::Target { member, assignment } => match assignment {
            Some(assignment) => format!("{member}:{}", shown(assignment)),
            None => format!("{member}:gone"),
        },
        ShareChange::Current { member, current } => match current {
            Some(current) => {
                format!("{member}={}<{}{}", current.epoch, current.previous_epoch, shown(&current.assigned))
            }
            None => format!("{member}=away"),
        },
        ShareChange::Partitions(None) => "partitions=gone".to_owned(),
        ShareChange::Partitions(Some(partitions)) => {
            let topics = |topics: &super::super::share::StateTopics| {
                shown(&topics.iter().map(|(id, topic)| (*id, topic.partitions.clone())).collect())
            };
            let deleting: Vec<&str> = partitions.deleting.values().map(|name| &**name).collect();
            let (asked, made) = (topics(&partitions.initializing), topics(&partitions.initialized));
            format!("asked{asked} made{made} deleting[{}]", deleting.join(" "))
        }
    }
}

#[test]
fn partitions_are_assigned_once_they_have_state() {
    check(
        "topics t=2 · share a · share a · made · share a · log · wait 1001 · share a · share a · sharers · partitions",
        "a e2 [] asks t-0 t-1 at e2 · a e2 · noted · a e2 · log \
         a e2 a:[] a2 a=2<0[] asked[t:0,1] made[] deleting[] asked[] made[t:0,1] deleting[] e3 · \
         a e3 [t:0,1] · a e3 · NONE Stable e3 a3 simple a e3 t [t:0,1] · [t:0,1]",
    );
}

#[test]
fn members_share_partitions_and_follow_at_once() {
    check(
        "topics t=2 · config share.assignment.interval.ms=0 · share a · made · share a · share b · share a · share c \
         · share a · share b · unshare a · share b · share c",
        "a e2 [] asks t-0 t-1 at e2 · noted · a e3 [t:0,1] · b e4 [t:0] · a e4 [t:1] · c e5 [t:1] \
         · a e5 [t:0,1] · b e5 · a e-1 · b e6 · c e6",
    );
}

#[test]
fn what_could_not_be_made_is_asked_for_again() {
    check(
        "topics t=1 · share a · unmade · share a · wait 29999 · share a · wait 2 · share a · reload · share a",
        "a e2 [] asks t-0 at e2 · noted · a e2 asks t-0 at e2 · a e2 · a e2 asks t-0 at e2 · a e2 asks t-0 at e2",
    );
}

#[test]
fn more_partitions_and_new_topics_get_state_too() {
    check(
        "topics t=1 · share a topics=t,u · made · wait 1001 · share a · topics t=2 u=1 · share a · made · wait 1001 · share a",
        "a e2 [] asks t-0 at e2 · noted · a e3 [t:0] · a e3 asks t-1 u-0 at e4 · noted · a e4 [t:0,1 u:0]",
    );
}

#[test]
fn members_are_fenced_by_epoch_and_by_silence() {
    check(
        "topics t=1 · share a · share a epoch=9 · share a · share a epoch=1 · share b epoch=3 · share a topics=u epoch=2 \
         · wait 45001 · sharers",
        "a e2 [] asks t-0 at e2 · a FENCED_MEMBER_EPOCH The share group member has a greater member epoch (9) than the one \
         known by the group coordinator (2). The member must abandon all its partitions and rejoin. · a e2 [] · a \
         FENCED_MEMBER_EPOCH The share group member has a smaller member epoch (1) than the one known by the group \
         coordinator (2), and it does not match the previous member epoch (0). The member must abandon all its partitions \
         and rejoin. · b UNKNOWN_MEMBER_ID Member b is not a member of group g. · a e2 [] · NONE Empty e4 a2 simple",
    );
}

#[test]
fn a_full_group_takes_nobody_else() {
    let settings = Settings { group_share_max_size: 1, ..Settings::default() };
    let full = "b GROUP_MAX_SIZE_REACHED The share group has reached its maximum capacity of 1 members.";
    check_with(settings, "share a · share b · share a", &format!("a e2 [] · {full} · a e2"));
}

#[test]
fn groups_of_other_kinds_are_told_apart() {
    check(
        "topics t=1 · join c · share a · share a epoch=1",
        "a GROUP_ID_NOT_FOUND Group g is not a share group. · a GROUP_ID_NOT_FOUND Group g is not a share group.",
    );
    check(
        "topics t=1 · share a epoch=1 · share a · hb b · join c · commit c t-0=1 g=-1 · pend c t-0=1 · describe · list \
         · list type=consumer · list state=stable type=SHARE",
        "a GROUP_ID_NOT_FOUND Share group g not found. · a e2 [] asks t-0 at e2 · b GROUP_ID_NOT_FOUND \
         · c join INCONSISTENT_GROUP_PROTOCOL · c commit GROUP_ID_NOT_FOUND · \
         c pend GROUP_ID_NOT_FOUND · described GROUP_ID_NOT_FOUND Dead \"\" \"\" [] Group g is not a classic group. \
         · groups g/share/Stable/share · groups · groups g/share/Stable/share",
    );
}

#[test]
fn offsets_are_set_in_empty_groups_only() {
    check(
        "topics t=2 · reset t-1 to=5 · made · partitions · reset t-2 · reset w-0 · share a · reset t-0 · log",
        "NONE NONE asks t-1@5 at e1 · noted · [t:1] · NONE UNKNOWN_TOPIC_OR_PARTITION · NONE UNKNOWN_TOPIC_OR_PARTITION \
         · a e2 [t:1] asks t-0 at e2 · NON_EMPTY_GROUP · log asked[t:1] made[] deleting[] asked[] made[t:1] deleting[] \
         a e2 a:[t:1] a2 a=2<0[t:1] asked[t:0] made[t:1] deleting[]",
    );
}

#[test]
fn offsets_are_deleted_topic_by_topic() {
    let nothing = "UNKNOWN_TOPIC_OR_PARTITION There is no offset information to delete.";
    check(
        "topics t=1 u=1 · share a topics=t,u · made · drop t · unshare a · drop t,w · drop t · gone t · drop t · partitions \
         · reload · drop u · log",
        &format!(
            "a e2 [] asks t-0 u-0 at e2 · noted · NON_EMPTY_GROUP · a e-1 · NONE w UNKNOWN_TOPIC_OR_PARTITION This server \
             does not host this topic-partition. delete [t:0] · NONE delete [t:0] · noted · NONE t {nothing} · [u:0] \
             · NONE delete [u:0] · log a e2 a:[] a2 a=2<0[] asked[t:0 u:0] made[] deleting[] asked[] made[t:0 u:0] deleting[] \
             a=away a:gone a=gone e3 asked[] made[u:0] deleting[t] asked[] made[u:0] deleting[] asked[] made[] deleting[u]"
        ),
    );
}

#[test]
fn a_group_ends_after_its_state() {
    check(
        "topics t=1 · doom · share a · made · doom · delete · unshare a · delete · doom · doom · delete · log · sharers",
        "nothing to delete · a e2 [] asks t-0 at e2 · noted · NON_EMPTY_GROUP · delete NON_EMPTY_GROUP · a e-1 · \
         delete NON_EMPTY_GROUP · delete [t:0] · delete [t:0] · delete NONE · log a e2 a:[] a2 a=2<0[] \
         asked[t:0] made[] deleting[] asked[] made[t:0] deleting[] a=away a:gone a=gone e3 asked[] made[] deleting[t] \
         asked[] made[] deleting[t] target=gone partitions=gone group=gone · GROUP_ID_NOT_FOUND e0 a0 Group g not found.",
    );
}

#[test]
fn deleted_topics_are_forgotten() {
    let mut bench = Bench::new(Settings::default());
    ["topics t=1", "share a", "made"].into_iter().for_each(|step| bench.step(step));
    let deleted = vec![("t".into(), topic_id("t"))];
    bench.submit("", Command::TopicsDeleted(deleted));
    bench.step("partitions");
    assert_eq!(bench.told.split_off(2), ["dropped more=false", "[]"]);
}

#[test]
fn what_could_not_be_written_has_not_happened() {
    check(
        "topics t=1 · fail leader · share a · share a · wait 44000 · fail leader · wait 1001 · sharers · wait 500 · sharers",
        "a failed: this node does not lead the journal · a e2 [] asks t-0 at e2 \
         · NONE Stable e2 a2 simple a e2 t [] · NONE Empty e3 a2 simple",
    );
}
