//! Streams groups, heartbeat by heartbeat.
//!
//! The verbs: `exist t=3` has the cluster have topics beside those it has, `vanish t` takes one away; `sb a` is a heartbeat of
//! the instance `a`, which joins when it has no epoch, with the topology `app=…`; `squit a` leaves. An instance is told its
//! epoch, its active tasks and behind a bar its standby tasks where they are told, and statuses; it then says in its next
//! heartbeat that it has just these, unless `has=` says else. Every instance is a process of its own, unless `proc=` says
//! else.
//!
//! A topology reads `0:t,>r;1:~r,!c`: subtopology 0 reads the topic t and writes the repartition topic r, subtopology 1
//! reads it and keeps state in the changelog c. `~r*4` has partitions of its own, and `&` before topics that are read
//! together.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::machine::{Command, Settings};
use super::super::streams::{Change, StreamsAnswer, StreamsBeat};
use super::consumer::{image_of, topic_id};
use super::script::{Bench, Words, check, check_with, name};
use crate::metadata::MetadataImage;
use crate::protocol::internal::{StreamsCopartitionGroup, StreamsEndpoint, StreamsSubtopology, StreamsTopicInfo};
use crate::protocol::kraft::RemoveTopicRecord;
use crate::protocol::newer::{
    StreamsDescribedGroup, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse, StreamsRequestTopology,
    StreamsTaskIds,
};
use crate::types::Offset;

/// A task: subtopology and partition.
pub type Task = (String, i32);

/// What an instance knows of itself.
#[derive(Clone, Default, Debug)]
pub struct Instance {
    pub epoch: i32,
    pub process: String,
    pub active: BTreeSet<Task>,
    pub standby: BTreeSet<Task>,
}

const APP: &str = "0:t,!c";
const STATUSES: [&str; 6] = ["stale", "no-source", "unequal", "no-internal", "shutdown", "delayed"];

impl Bench {
    pub fn streams_step(&mut self, verb: &str, words: &Words) {
        match verb {
            "exist" => {
                let before = self.image.load_full();
                let topics: Vec<(String, i32)> = before
                    .topics
                    .iter()
                    .map(|topic| (topic.name.to_string(), topic.partitions.len() as i32))
                    .chain(words.options.iter().map(|(name, count)| ((*name).to_owned(), count.parse().unwrap())))
                    .collect();
                let topics = topics.iter().map(|(name, count)| (name.as_str(), *count));
                let made = image_of(topics, before.offset.0 + 1);
                self.image.store(Arc::new(MetadataImage { configs: before.configs.clone(), ..made }));
            }
            "vanish" => {
                let mut image = MetadataImage::clone(&self.image.load());
                image.replay(&RemoveTopicRecord { topic_id: topic_id(words.subject) }.into()).expect("a topic");
                image.offset = Offset(image.offset.0 + 1);
                self.image.store(Arc::new(image));
            }
            "sb" => self.streams_beat(words, None),
            "squit" => self.streams_beat(words, Some(-1)),
            "sgroup" => drop(self.submit("", Command::StreamsDescribe(vec!["g".to_owned()]))),
            other => panic!("unknown verb {other}"),
        }
    }

    /// Takes over what an instance is told.
    pub fn hear_streams(&mut self, who: &str, reply: &StreamsGroupHeartbeatResponse) {
        let instance = self.instances.entry(who.to_owned()).or_default();
        if reply.error_code != 0 || reply.member_epoch < 0 {
            *instance = Instance::default();
            return;
        }
        instance.epoch = reply.member_epoch;
        if let (Some(active), Some(standby)) = (&reply.active_tasks, &reply.standby_tasks) {
            instance.active = tasks(active).collect();
            instance.standby = tasks(standby).collect();
        }
    }

    fn streams_beat(&mut self, words: &Words, epoch: Option<i32>) {
        let who = words.subject;
        let process = words.options.get("proc").copied().unwrap_or(who).to_owned();
        let known = self.instances.entry(who.to_owned()).or_default();
        known.process.clone_from(&process);
        let known = known.clone();
        let epoch = epoch.unwrap_or_else(|| words.number("epoch", known.epoch));
        let joins = epoch == 0;
        let has = words.options.get("has").copied();
        let active = match has {
            _ if joins => BTreeSet::new(),
            Some(list) => list.split(',').filter(|each| !each.is_empty()).map(task).collect(),
            None => known.active,
        };
        let standby = if joins { BTreeSet::new() } else { known.standby };
        let said = |tasks: Vec<StreamsTaskIds>| Some(tasks).filter(|_| has != Some("unsaid_0"));
        let topology = words.options.get("app").copied().or(Some(APP).filter(|_| joins));
        let endpoint = words.options.get("endpoint").map(|host| StreamsEndpoint { host: (*host).into(), port: 1 });
        let request = StreamsGroupHeartbeatRequest {
            group_id: "g".to_owned(),
            member_id: who.to_owned(),
            member_epoch: epoch,
            endpoint_information_epoch: words.number("seen", 0),
            rebalance_timeout_ms: words.number("rebalance", if joins { 60_000 } else { -1 }),
            topology: topology.map(|text| topology_of(text, words.number("te", 0))),
            active_tasks: said(task_ids(&active)),
            standby_tasks: said(task_ids(&standby)),
            warmup_tasks: said(Vec::new()),
            process_id: Some(process).filter(|_| joins || words.options.contains_key("proc")),
            user_endpoint: endpoint,
            shutdown_application: words.options.contains_key("shutdown"),
            ..Default::default()
        };
        let beat = StreamsBeat { request, client_id: who.into(), client_host: "/127.0.0.1".into() };
        self.submit(who, Command::StreamsHeartbeat(Box::new(beat)));
    }
}

fn task(text: &str) -> Task {
    let (subtopology, partition) = text.split_once('_').expect("subtopology_partition");
    (subtopology.to_owned(), partition.parse().expect("a partition"))
}

fn tasks(ids: &[StreamsTaskIds]) -> impl Iterator<Item = Task> {
    ids.iter().flat_map(|of| of.partitions.iter().map(|partition| (of.subtopology_id.clone(), *partition)))
}

fn task_ids(tasks: &BTreeSet<Task>) -> Vec<StreamsTaskIds> {
    let ids: BTreeSet<&String> = tasks.iter().map(|(id, _)| id).collect();
    let of = |id: &String| tasks.iter().filter(|(other, _)| other == id).map(|(_, partition)| *partition).collect();
    ids.into_iter().map(|id| StreamsTaskIds { subtopology_id: id.clone(), partitions: of(id) }).collect()
}

/// A topology in the words of these tests.
pub fn topology_of(text: &str, epoch: i32) -> StreamsRequestTopology {
    let each = text.split(';').filter(|each| !each.is_empty()).map(|each| {
        let (id, topics) = each.split_once(':').expect("id:topics");
        let mut subtopology = StreamsSubtopology { subtopology_id: id.to_owned(), ..Default::default() };
        let mut together = StreamsCopartitionGroup::default();
        for topic in topics.split(',') {
            let (is_together, topic) = topic.strip_prefix('&').map_or((false, topic), |topic| (true, topic));
            let info = |text: &str| {
                let (name, partitions) = text.split_once('*').unwrap_or((text, "0"));
                let partitions = partitions.parse().expect("a number");
                StreamsTopicInfo { name: name.to_owned(), partitions, ..Default::default() }
            };
            if let Some(sink) = topic.strip_prefix('>') {
                subtopology.repartition_sink_topics.push(sink.to_owned());
            } else if let Some(source) = topic.strip_prefix('~') {
                if is_together {
                    together.repartition_source_topics.push(subtopology.repartition_source_topics.len() as i16);
                }
                subtopology.repartition_source_topics.push(info(source));
            } else if let Some(changelog) = topic.strip_prefix('!') {
                subtopology.state_changelog_topics.push(info(changelog));
            } else {
                if is_together {
                    together.source_topics.push(subtopology.source_topics.len() as i16);
                }
                subtopology.source_topics.push(topic.to_owned());
            }
        }
        if together != StreamsCopartitionGroup::default() {
            subtopology.copartition_groups.push(together);
        }
        subtopology
    });
    StreamsRequestTopology { epoch, subtopologies: each.collect() }
}

fn shown(ids: &[StreamsTaskIds]) -> String {
    tasks(ids).map(|(id, partition)| format!("{id}_{partition}")).collect::<Vec<_>>().join(" ")
}

fn shown_both(active: &[StreamsTaskIds], standby: &[StreamsTaskIds]) -> String {
    let bar = if standby.is_empty() { String::new() } else { format!("|{}", shown(standby)) };
    format!("{}{bar}", shown(active))
}

pub fn told_heartbeat(who: &str, answer: &StreamsAnswer) -> String {
    let reply = &answer.response;
    if reply.error_code != 0 {
        return format!("{who} {}", name(reply.error_code));
    }
    let mut told = format!("{who} e{}", reply.member_epoch);
    if let (Some(active), Some(standby)) = (&reply.active_tasks, &reply.standby_tasks) {
        told.push_str(&format!(" [{}]", shown_both(active, standby)));
    }
    for status in reply.status.iter().flatten() {
        told.push_str(&format!(" {}", STATUSES[status.status_code as usize]));
    }
    if !answer.missing.is_empty() {
        let each = answer.missing.iter().map(|topic| format!("{}*{}", topic.name, topic.partitions));
        told.push_str(&format!(" make {}", each.collect::<Vec<_>>().join(",")));
    }
    for endpoint in reply.partitions_by_user_endpoint.iter().flatten() {
        let each = endpoint.active_partitions.iter().map(|of| format!("{}{:?}", of.topic, of.partitions));
        let each = each.collect::<Vec<_>>().join(",");
        told.push_str(&format!(" {}@{}={each}", endpoint.user_endpoint.host, reply.endpoint_information_epoch));
    }
    told
}

pub fn told_describe(group: &StreamsDescribedGroup) -> String {
    if group.error_code != 0 {
        return format!("{}: {}", name(group.error_code), group.error_message.as_deref().unwrap_or_default());
    }
    let members = group.members.iter().map(|member| {
        let has = shown_both(&member.assignment.active_tasks, &member.assignment.standby_tasks);
        let shall = shown_both(&member.target_assignment.active_tasks, &member.target_assignment.standby_tasks);
        let shall = if has == shall { String::new() } else { format!(" -> {shall}") };
        format!("{} e{}: {has}{shall}", member.member_id, member.member_epoch)
    });
    let members = members.collect::<Vec<_>>().join(", ");
    format!("{} e{}/{} [{members}]", group.group_state, group.group_epoch, group.assignment_epoch)
}

pub fn shown_change(change: &Change) -> String {
    let sign = if change.is_end() { "-" } else { "+" };
    match change {
        Change::Epoch(epoch) => {
            format!("{sign}epoch{}", epoch.as_ref().map_or(String::new(), |epoch| epoch.epoch.to_string()))
        }
        Change::Topology(_) => format!("{sign}topology"),
        Change::Member { member, .. } => format!("{sign}member:{member}"),
        Change::TargetEpoch(epoch) => {
            format!("{sign}target{}", epoch.map_or(String::new(), |epoch| epoch.epoch.to_string()))
        }
        Change::Target { member, .. } => format!("{sign}target:{member}"),
        Change::Current { member, .. } => format!("{sign}current:{member}"),
    }
}

/// Nobody waits for others, and time passes between two assignments.
const READY: &str =
    "exist t=4 c=4 · config streams.initial.rebalance.delay.ms=0 · config streams.assignment.interval.ms=0";
const A_TOLD: &str = "a e2 [0_0 0_1 0_2 0_3]";
const AB: &str = "sb a · sb b · sb a · sb a · sb b";
const AB_TOLD: &str = "a e2 [0_0 0_1 0_2 0_3] · b e3 [] · a e2 [0_0 0_1] · a e3 · b e3 [0_2 0_3]";

#[track_caller]
fn check_ready(script: &str, expected: &str) {
    check(&format!("{READY} · {script}"), expected);
}

#[track_caller]
fn check_ab(script: &str, expected: &str) {
    check_ready(&format!("{AB} · {script}"), &format!("{AB_TOLD} · {expected}"));
}

#[test]
fn a_member_joins_and_has_everything() {
    check_ready(
        "sb a · sgroup · log · sb a · list",
        &format!(
            "{A_TOLD} · Stable e2/2 [a e2: 0_0 0_1 0_2 0_3] \
             · log +member:a +topology +epoch2 +target:a +target2 +current:a · a e2 · groups g/streams/Stable/streams"
        ),
    );
}

#[test]
fn the_first_members_wait_for_others() {
    check(
        "exist t=4 c=4 · sb a · wait 2000 · sb b · wait 1000 · sgroup · sb a · sb b",
        "a e1 [] delayed · b e1 [] delayed · Reconciling e3/3 [a e1:  -> 0_0 0_2, b e1:  -> 0_1 0_3] \
         · a e3 [0_0 0_2] · b e3 [0_1 0_3]",
    );
    // Nobody is left when the time is up; the next one begins anew.
    check(
        "exist t=4 c=4 · sb a · squit a · wait 3000 · sgroup · sb a",
        "a e1 [] delayed · a e-1 · Empty e3/1 [] · a e1 [] delayed",
    );
}

#[test]
fn internal_topics_are_asked_for_and_then_tasks_are_given() {
    check(
        "exist t=4 · config streams.initial.rebalance.delay.ms=0 · sb a app=0:t,>r;1:~r,!c · sgroup · exist r=4 c=4 · wait 1000 · sb a · sgroup",
        "a e2 [] no-internal make c*4,r*4 · NotReady e2/2 [a e2: ] \
         · a e3 [0_0 0_1 0_2 0_3 1_0 1_1 1_2 1_3] · Stable e3/3 [a e3: 0_0 0_1 0_2 0_3 1_0 1_1 1_2 1_3]",
    );
    check_ready("vanish t · sb a · exist t=4 · sb a", &format!("a e2 [] no-source · {}", A_TOLD.replace("e2", "e3")));
    check_ready("vanish c · exist c=3 · sb a", "a e2 [] unequal");
    // A topology that was ready is not any more.
    check_ready(
        "sb a · vanish c · sb a · sb a",
        &format!("{A_TOLD} · a e2 [] no-internal make c*4 · a e3 no-internal make c*4"),
    );
}

#[test]
fn topologies_that_contradict_themselves_are_refused() {
    check_ready("sb a app=0:>r", "a STREAMS_INVALID_TOPOLOGY");
    check_ready("sb a app=0:~r,>s;1:~s,>r", "a STREAMS_INVALID_TOPOLOGY");
    check_ready("sb a app=0:t,~r", "a STREAMS_INVALID_TOPOLOGY");
    check_ready("sb a te=-1", "a UNKNOWN_SERVER_ERROR");
    check_ready("sb a app=0:t;0:t", "a UNKNOWN_SERVER_ERROR");
    check_ready("sb a · sb b app=0:t,!d · sb b te=1", &format!("{A_TOLD} · b INVALID_REQUEST · b INVALID_REQUEST"));
}

#[test]
fn topics_that_are_read_together_have_equally_many_partitions() {
    check_ready("exist u=3 · sb a app=0:&t,&u", "a e2 [] unequal");
    check_ready("exist u=2 · sb a app=0:u,>r;1:&t,&~r", "a e2 [] no-internal make r*4");
    check_ready("exist u=2 · sb a app=0:u,>r;1:&t,&~r*2", "a e2 [] unequal");
    check_ready("exist u=2 · sb a app=0:u,>r;1:t,>s;2:&~r,&~s,!d", "a e2 [] no-internal make d*4,r*4,s*4");
}

#[test]
fn a_member_of_an_older_topology_is_told() {
    check_ready("sb a te=3 · sb b · sb b", &format!("{A_TOLD} · b e3 [] stale · b e3 stale"));
}

#[test]
fn a_task_changes_hands_when_it_is_given_up() {
    check_ab("sgroup", "Stable e3/3 [a e3: 0_0 0_1, b e3: 0_2 0_3]");
    // While it says that it has them still, nobody else gets them.
    check_ready(
        "sb a · sb b · sb a · sb a has=0_0,0_1,0_2 · sb b · sb a has=0_0,0_1 · sb b",
        &format!("{A_TOLD} · b e3 [] · a e2 [0_0 0_1] · a e2 · b e3 · a e3 · b e3 [0_2 0_3]"),
    );
    check_ready("sb a · sb b · sb a · sb a has=unsaid_0", &format!("{A_TOLD} · b e3 [] · a e2 [0_0 0_1] · a e2"));
    // It does not give them up in time.
    check_ready(
        "sb a · sb b · sb a · wait 30000 · sb a has=unsaid_0 · sb b · wait 30000 · sgroup",
        &format!("{A_TOLD} · b e3 [] · a e2 [0_0 0_1] · a e2 · b e3 · Assigning e4/3 [b e3:  -> 0_2 0_3]"),
    );
}

#[test]
fn a_member_leaves_or_is_silent_and_others_get_its_tasks() {
    check_ab("squit b · sb a · sgroup", "b e-1 · a e4 [0_0 0_1 0_2 0_3] · Stable e4/4 [a e4: 0_0 0_1 0_2 0_3]");
    check_ab("wait 40000 · sb a · wait 5001 · sb a", "a e3 · a e4 [0_0 0_1 0_2 0_3]");
    check_ab(
        "forgetlog · squit b · squit a · list · log · delete · log · sgroup",
        "b e-1 · a e-1 · groups g/streams/Empty/streams \
         · log -current:b -target:b -member:b +epoch4 -current:a -target:a -member:a +epoch5 \
         · delete NONE · log -target -epoch -topology · GROUP_ID_NOT_FOUND: Group g not found.",
    );
    check_ab("delete", "delete NON_EMPTY_GROUP");
    check_ab("squit c", "c UNKNOWN_MEMBER_ID");
}

#[test]
fn epochs_are_checked() {
    check_ab("sb a epoch=9", "a FENCED_MEMBER_EPOCH");
    check_ab("sb a epoch=1", "a FENCED_MEMBER_EPOCH");
    check_ab("sb a epoch=2", "a e3");
    check_ab("sb a epoch=2 has=0_2", "a FENCED_MEMBER_EPOCH");
    check_ab("sb c epoch=3", "c UNKNOWN_MEMBER_ID");
    check_ab("sb a has=0_4", "a INVALID_REQUEST");
    check_ab("sb a has=7_0", "a INVALID_REQUEST");
    check_ready("sb a epoch=3", "a GROUP_ID_NOT_FOUND");
    check_with(
        Settings { group_streams_max_size: 1, ..Settings::default() },
        "exist t=1 c=1 · sb a · sb b",
        "a e1 [] delayed · b GROUP_MAX_SIZE_REACHED",
    );
}

#[test]
fn standby_tasks_are_in_other_processes() {
    check_ready(
        "config streams.num.standby.replicas=1 · sb a · sb b · sb a · sb a · sb b · sb a · sgroup",
        &format!(
            "{A_TOLD} · b e3 [|0_0 0_1] · a e2 [0_0 0_1] · a e3 · b e3 [0_2 0_3|0_0 0_1] · a e3 [0_0 0_1|0_2 0_3] \
             · Stable e3/3 [a e3: 0_0 0_1|0_2 0_3, b e3: 0_2 0_3|0_0 0_1]"
        ),
    );
}

#[test]
fn a_group_lives_over_a_failover() {
    check_ab(
        "reload · sb a · sb b · sgroup · wait 45000 · sgroup",
        "a e3 · b e3 · Stable e3/3 [a e3: 0_0 0_1, b e3: 0_2 0_3] · Empty e5/3 []",
    );
}

#[test]
fn everybody_is_told_of_a_shutdown_until_the_group_is_empty() {
    check_ab(
        "sb a shutdown=1 · sb b · squit a · sb b · squit b · sb b",
        "a e3 shutdown · b e3 shutdown · a e-1 · b e4 [0_0 0_1 0_2 0_3] shutdown · b e-1 · b e6 [0_0 0_1 0_2 0_3]",
    );
}

#[test]
fn endpoints_are_told_when_what_is_behind_them_changes() {
    check_ready(
        "sb a endpoint=h · sb a · sb b · sb a · sb a seen=1 · sb a seen=1",
        &format!("{A_TOLD} h@0=t[0, 1, 2, 3] · a e2 · b e3 [] · a e2 [0_0 0_1] h@1=t[0, 1] · a e3 · a e3"),
    );
}

#[test]
fn the_number_of_standbys_is_a_config_of_the_group() {
    check_ab(
        "config streams.num.standby.replicas=1 · sb a · sgroup",
        "a e4 [0_0 0_1|0_2 0_3] · Reconciling e4/4 [a e4: 0_0 0_1|0_2 0_3, b e3: 0_2 0_3 -> 0_2 0_3|0_0 0_1]",
    );
}

#[test]
fn groups_change_their_kind_only_while_they_are_empty() {
    check_ready(
        "join x · wait 3000 · sync x give=x:all · sb a",
        "x-1 in g1 range led by x-1 [x-1] · x has \"all\" · a GROUP_ID_NOT_FOUND",
    );
    check_ready(
        "sb a · join x · hb c",
        &format!("{A_TOLD} · x join INCONSISTENT_GROUP_PROTOCOL · c GROUP_ID_NOT_FOUND"),
    );
    check_ready(
        "sb a · squit a · forgetlog · join x · wait 3000 · list · log",
        &format!(
            "{A_TOLD} · a e-1 · x-1 in g1 range led by x-1 [x-1] · groups g/consumer/CompletingRebalance/classic \
             · log -target -epoch -topology g0[]"
        ),
    );
    check_ready(
        "commit - t-0=5 · sb a · fetch t-0 · list",
        &format!("- commit NONE · {A_TOLD} · offsets t-0=5 · groups g/streams/Stable/streams"),
    );
}

#[test]
fn offsets_are_fenced_by_the_members_epochs() {
    check_ab(
        "commit a id=a g=3 t-0=5 · commit a id=a g=2 t-1=5 · commit a id=a g=2 t-3=5 · commit a id=a g=4 t-0=5 \
         · commit x id=x g=3 t-0=5 · commit a id=a g=3 v8 t-0=1 · commit - t-0=5 · fetch t-0",
        "a commit NONE · a commit NONE · a commit STALE_MEMBER_EPOCH · a commit STALE_MEMBER_EPOCH \
         · x commit UNKNOWN_MEMBER_ID · a commit UNSUPPORTED_VERSION · - commit UNKNOWN_MEMBER_ID · offsets t-0=5",
    );
    check_ab(
        "pend a id=a g=3 t-0=5 · pend a id=a g=1 t-0=5 · pend x id=none t-0=6 · end commit · fetch t-0",
        "a pend NONE · a pend ILLEGAL_GENERATION · x pend NONE · commit ended · offsets t-0=6",
    );
    check_ab(
        "commit a id=a g=3 t-0=5 · forget t-0 · squit a · squit b · forget t-0",
        "a commit NONE · forget NONE GROUP_SUBSCRIBED_TO_TOPIC · a e-1 · b e-1 · forget NONE NONE",
    );
}
