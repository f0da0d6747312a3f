//! Consumer groups, heartbeat by heartbeat.
//!
//! The verbs: `topics t=3 u=2` has the cluster have these topics; `hb a` is a heartbeat of `a`, which joins when it has no
//! epoch (`topics=t,u`, or `regex=…`); `quit a` and `away a` leave. A consumer is told its epoch, and what it shall own where
//! that is told; it then says in its next heartbeat that it owns just that, unless `owns=` says else.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::consumer::{Change, ConsumerBeat};
use super::super::machine::{Command, Reply, Settings};
use super::script::{Bench, Words, check, check_with, name, str_bytes};
use crate::metadata::{ConfigResource, MetadataImage};
use crate::protocol::kraft::{ConfigRecord, PartitionRecord, TopicRecord};
use crate::protocol::messages::consumer_group_describe_response::{Assignment, DescribedGroup};
use crate::protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use crate::protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, GroupId, TopicName};
use crate::types::{Offset, TopicId};

/// What a consumer knows of itself.
#[derive(Clone, Default, Debug)]
pub struct Consumer {
    pub epoch: i32,
    pub owns: BTreeSet<(TopicId, i32)>,
}

/// A topic's id: its name behind zeros, so that it can be read back.
pub fn topic_id(name: &str) -> TopicId {
    let mut id = [0; 16];
    id[16 - name.len()..].copy_from_slice(name.as_bytes());
    TopicId::from(uuid::Uuid::from_bytes(id))
}

pub fn topic_name(id: TopicId) -> String {
    String::from_utf8(id.0.into_iter().filter(|byte| *byte != 0).collect()).expect("a name")
}

/// An image with topics of these names and numbers of partitions, at that offset.
pub fn image_of<'a>(topics: impl Iterator<Item = (&'a str, i32)>, offset: i64) -> MetadataImage {
    let mut image = MetadataImage { offset: Offset(offset), ..MetadataImage::default() };
    for (name, partitions) in topics {
        let topic_id = topic_id(name);
        image.replay(&TopicRecord { name: name.to_owned(), topic_id }.into()).expect("a new topic");
        for partition_id in 0..partitions {
            let replicas = vec![1];
            let record =
                PartitionRecord { partition_id, topic_id, replicas, isr: vec![1], leader: 1, ..Default::default() };
            image.replay(&record.into()).expect("a new partition");
        }
    }
    image
}

impl Bench {
    pub fn consumer_step(&mut self, verb: &str, words: &Words) {
        match verb {
            "topics" => {
                let offset = self.image.load().offset.0 + 1;
                let topics = words.options.iter().map(|(name, count)| (*name, count.parse().expect("a number")));
                self.image.store(Arc::new(image_of(topics, offset)));
                self.machine.surroundings.topics_created(Offset(offset));
            }
            "config" => {
                let mut image = MetadataImage::clone(&self.image.load());
                for (name, value) in &words.options {
                    let (resource_type, resource_name) = (ConfigResource::GROUP, "g".to_owned());
                    let (name, value) = ((*name).to_owned(), Some((*value).to_owned()));
                    let record = ConfigRecord { resource_type, resource_name, name, value };
                    image.replay(&record.into()).expect("a config");
                }
                self.image.store(Arc::new(image));
            }
            "hb" => self.heartbeat_of(words, None),
            "quit" => self.heartbeat_of(words, Some(-1)),
            "away" => self.heartbeat_of(words, Some(-2)),
            "members" => {
                self.submit("", Command::ConsumerDescribe(vec![str_bytes("g")]));
            }
            "forgetlog" => self.log.clear(),
            other => self.share_step(other, words),
        }
    }

    /// Takes over what members are told.
    pub fn listen(&mut self, who: &str, reply: &Reply) {
        match reply {
            Reply::ConsumerHeartbeat(reply) => self.hear(who, reply),
            Reply::Share(reply) => self.share.hear(who, reply),
            Reply::StreamsHeartbeat(answer) => self.hear_streams(who, &answer.response),
            _ => {}
        }
    }

    /// Takes over what a consumer is told.
    fn hear(&mut self, who: &str, reply: &ConsumerGroupHeartbeatResponse) {
        let consumer = self.consumers.entry(who.to_owned()).or_default();
        if reply.error_code != 0 || reply.member_epoch < 0 {
            *consumer = Consumer::default();
            return;
        }
        consumer.epoch = reply.member_epoch;
        if let Some(assignment) = &reply.assignment {
            let each = assignment
                .topic_partitions
                .iter()
                .flat_map(|topic| topic.partitions.iter().map(|partition| (TopicId::from(topic.topic_id), *partition)));
            consumer.owns = each.collect();
        }
    }

    fn heartbeat_of(&mut self, words: &Words, epoch: Option<i32>) {
        let who = words.subject;
        let known = self.consumers.get(who).cloned().unwrap_or_default();
        let epoch = epoch.unwrap_or_else(|| words.number("epoch", known.epoch));
        let joins = epoch == 0;
        let owned: Vec<(TopicId, i32)> = match words.options.get("owns") {
            _ if joins => Vec::new(),
            Some(&"unsaid") => Vec::new(),
            Some(list) => list.split(',').filter(|each| !each.is_empty()).map(topic_partition).collect(),
            None => known.owns.into_iter().collect(),
        };
        let owned = owned.into_iter().map(|(topic, partition)| {
            TopicPartitions::default().with_topic_id(topic.into()).with_partitions(vec![partition])
        });
        let default_topics = if words.options.contains_key("regex") { None } else { Some("t") };
        let topics = words.options.get("topics").copied().or(default_topics.filter(|_| joins));
        let topics = topics.map(|topics| {
            let names = topics.split(',').filter(|name| !name.is_empty());
            names.map(|name| TopicName(str_bytes(name))).collect()
        });
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(str_bytes("g")))
            .with_member_id(words.text("id").unwrap_or(str_bytes(who)))
            .with_member_epoch(epoch)
            .with_instance_id(words.text("instance"))
            .with_rebalance_timeout_ms(words.number("rebalance", if joins { 60_000 } else { -1 }))
            .with_subscribed_topic_names(topics)
            .with_subscribed_topic_regex(words.text("regex"))
            .with_server_assignor(words.text("assignor"))
            .with_topic_partitions(Some(owned.collect()).filter(|_| words.options.get("owns") != Some(&"unsaid")));
        let beat = ConsumerBeat {
            request,
            client_id: who.into(),
            client_host: "/127.0.0.1".into(),
            new_member_id: "made".to_owned(),
        };
        self.submit(who, Command::ConsumerHeartbeat(Box::new(beat)));
    }
}

fn topic_partition(text: &str) -> (TopicId, i32) {
    let (topic, partition) = text.rsplit_once('-').expect("topic-partition");
    (topic_id(topic), partition.parse().expect("a partition"))
}

fn shown<'a>(topics: impl Iterator<Item = (TopicId, &'a [i32])>) -> String {
    let each = topics.flat_map(|(topic, partitions)| {
        partitions.iter().map(move |partition| format!("{}-{partition}", topic_name(topic)))
    });
    each.collect::<Vec<_>>().join(" ")
}

pub fn told_heartbeat(who: &str, reply: &ConsumerGroupHeartbeatResponse) -> String {
    if reply.error_code != 0 {
        return format!("{who} {}", name(reply.error_code));
    }
    let owns = reply.assignment.as_ref().map(|assignment| {
        let topics = assignment.topic_partitions.iter();
        format!(" [{}]", shown(topics.map(|topic| (TopicId::from(topic.topic_id), &*topic.partitions))))
    });
    let id = reply.member_id.as_deref().filter(|id| *id != who).map(|id| format!("({id})")).unwrap_or_default();
    format!("{who}{id} e{}{}", reply.member_epoch, owns.unwrap_or_default())
}

pub fn told_describe(group: &DescribedGroup) -> String {
    if group.error_code != 0 {
        return format!("{}: {}", name(group.error_code), group.error_message.as_deref().unwrap_or_default());
    }
    let named = |assignment: &Assignment| {
        let topics = assignment.topic_partitions.iter();
        shown(topics.map(|topic| (TopicId::from(topic.topic_id), &*topic.partitions)))
    };
    let members = group.members.iter().map(|member| {
        let kind = if member.member_type == 0 { " classic" } else { "" };
        let (has, shall) = (named(&member.assignment), named(&member.target_assignment));
        let shall = if has == shall { String::new() } else { format!(" -> {shall}") };
        format!("{} e{}{kind}: {has}{shall}", member.member_id, member.member_epoch)
    });
    let members = members.collect::<Vec<_>>().join(", ");
    let (state, assignor) = (&*group.group_state, &*group.assignor_name);
    format!("{state} e{}/{} {assignor} [{members}]", group.group_epoch, group.assignment_epoch)
}

pub fn shown_change(change: &Change) -> String {
    let sign = if change.is_end() { "-" } else { "+" };
    match change {
        Change::Epoch(epoch) => format!("{sign}epoch{}", epoch.map_or(String::new(), |epoch| epoch.epoch.to_string())),
        Change::PartitionMetadata { .. } => format!("{sign}partitions"),
        Change::Member { member, .. } => format!("{sign}member:{member}"),
        Change::TargetEpoch(epoch) => {
            format!("{sign}target{}", epoch.map_or(String::new(), |epoch| epoch.epoch.to_string()))
        }
        Change::Target { member, .. } => format!("{sign}target:{member}"),
        Change::Current { member, .. } => format!("{sign}current:{member}"),
        Change::Regex { regex, .. } => format!("{sign}regex:{regex}"),
    }
}

/// The interval between two assignments is not what these scripts are about: time passes.
const A: &str = "topics t=4 u=2 · hb a";
const A_TOLD: &str = "a e2 [t-0 t-1 t-2 t-3]";
const AB: &str = "topics t=4 u=2 · hb a · wait 1000 · hb b · hb a · hb a · hb b";
const AB_TOLD: &str = "a e2 [t-0 t-1 t-2 t-3] · b e3 [] · a e2 [t-0 t-1] · a e3 · b e3 [t-2 t-3]";

#[track_caller]
fn check_a(script: &str, expected: &str) {
    check(&format!("{A} · {script}"), &format!("{A_TOLD} · {expected}"));
}

#[track_caller]
fn check_ab(script: &str, expected: &str) {
    check(&format!("{AB} · {script}"), &format!("{AB_TOLD} · {expected}"));
}

#[test]
fn a_member_joins_and_has_everything() {
    check_a(
        "members · log · hb a · list",
        "Stable e2/2 uniform [a e2: t-0 t-1 t-2 t-3] · log +member:a +epoch2 +target:a +target2 +current:a · a e2 \
         · groups g/consumer/Stable/consumer",
    );
}

#[test]
fn a_partition_changes_hands_when_it_is_given_up() {
    check_ab(
        "members · log",
        "Stable e3/3 uniform [a e3: t-0 t-1, b e3: t-2 t-3] \
        · log +member:a +epoch2 +target:a +target2 +current:a +member:b +epoch3 +target:a +target:b +target3 +current:b \
        +current:a +current:a +current:b",
    );
    // While it says that it owns them still, nobody else gets them.
    check_a(
        "wait 1000 · hb b · hb a · hb a owns=t-0,t-1,t-2 · hb b · members · hb a owns=t-0,t-1 · hb b",
        "b e3 [] · a e2 [t-0 t-1] · a e2 · b e3 · Reconciling e3/3 uniform [a e2: t-0 t-1 t-2 t-3 -> t-0 t-1, b e3:  -> t-2 t-3] \
         · a e3 · b e3 [t-2 t-3]",
    );
    check_a("wait 1000 · hb b · hb a · hb a owns=unsaid", "b e3 [] · a e2 [t-0 t-1] · a e2");
}

#[test]
fn what_is_taken_away_is_told_with_a_full_request_even_if_nothing_changed() {
    check_a("hb a topics=t rebalance=60000", "a e2 [t-0 t-1 t-2 t-3]");
}

#[test]
fn a_member_leaves_or_is_silent_and_others_get_its_partitions() {
    check_ab(
        "quit b · wait 1000 · hb a · members",
        "b e-1 · a e4 [t-0 t-1 t-2 t-3] · Stable e4/4 uniform [a e4: t-0 t-1 t-2 t-3]",
    );
    check_ab("wait 40000 · hb a · wait 5001 · hb a", "a e3 · a e4 [t-0 t-1 t-2 t-3]");
    check_ab(
        "quit b · quit a · members · list · log",
        "b e-1 · a e-1 · Empty e5/3 uniform [] · groups g/consumer/Empty/consumer \
        · log +member:a +epoch2 +target:a +target2 +current:a +member:b +epoch3 +target:a +target:b +target3 +current:b \
        +current:a +current:a +current:b -current:b -target:b -member:b +epoch4 -current:a -target:a -member:a +epoch5",
    );
}

#[test]
fn a_member_that_does_not_give_up_in_time_is_out() {
    check_a(
        "wait 1000 · hb b · hb a · wait 40000 · hb a owns=t-0,t-2 · hb b · wait 20000 · members · hb a · hb b",
        "b e3 [] · a e2 [t-0 t-1] · a e2 · b e3 · Assigning e4/3 uniform [b e3:  -> t-2 t-3] · a UNKNOWN_MEMBER_ID · b e4 [t-0 t-1 t-2 t-3]",
    );
    // One that has given up has no such limit.
    check_a(
        "wait 1000 · hb b · hb a · hb a · wait 40000 · hb a · hb b · wait 30000 · hb a",
        "b e3 [] · a e2 [t-0 t-1] · a e3 · a e3 · b e3 [t-2 t-3] · a e3",
    );
}

#[test]
fn the_session_is_the_brokers_and_a_heartbeat_renews_it() {
    check_a("wait 44999 · hb a · wait 44999 · hb a · wait 45000 · members", "a e2 · a e2 · Empty e3/2 uniform []");
}

#[test]
fn a_group_may_have_a_pace_of_its_own() {
    check(
        "topics t=1 · config consumer.session.timeout.ms=60000 · hb a · wait 59999 · hb a · reload · wait 59999 · members · wait 1 · members",
        "a e2 [t-0] · a e2 · Stable e2/2 uniform [a e2: t-0] · Empty e3/2 uniform []",
    );
    check(
        "topics t=2 · config consumer.assignment.interval.ms=0 · hb a · hb b · hb a · hb a · hb b",
        "a e2 [t-0 t-1] · b e3 [] · a e2 [t-0] · a e3 · b e3 [t-1]",
    );
}

#[test]
fn epochs_fence() {
    check_ab("hb a epoch=4", "a FENCED_MEMBER_EPOCH");
    check_ab("hb a epoch=1", "a FENCED_MEMBER_EPOCH");
    // The answer with the new epoch may have been lost.
    check_ab("hb a epoch=2", "a e3");
    check_ab("hb a epoch=2 owns=t-0,t-3", "a FENCED_MEMBER_EPOCH");
    check_ab("hb a epoch=2 owns=unsaid", "a FENCED_MEMBER_EPOCH");
    // A fenced member begins anew and gets what it is to have.
    check_ab("hb a epoch=9 · hb a", "a FENCED_MEMBER_EPOCH · a e3 [t-0 t-1]");
    check("topics t=1 · hb x epoch=1", "x GROUP_ID_NOT_FOUND");
    check_a("hb x epoch=1 · quit x", "x UNKNOWN_MEMBER_ID · x UNKNOWN_MEMBER_ID");
}

#[test]
fn a_member_without_an_id_gets_one() {
    check("topics t=1 · hb a id= · members", "a(made) e2 [t-0] · Stable e2/2 uniform [made e2: t-0]");
}

#[test]
fn subscriptions_change() {
    check_a(
        "wait 1000 · hb a topics=u · hb a · members",
        "a e2 [] · a e3 [u-0 u-1] · Stable e3/3 uniform [a e3: u-0 u-1]",
    );
    check_a("wait 1000 · hb b topics=u · hb a", "b e3 [u-0 u-1] · a e3");
    check("topics t=1 · hb a topics= · members", "a e1 [] · Stable e1/1 uniform [a e1: ]");
}

#[test]
fn topics_come_grow_and_go() {
    check_a(
        "wait 1000 · topics t=5 u=2 · hb a · hb a · wait 1000 · topics u=2 · hb a · hb a · wait 1000 · topics u=2 t=1 · hb a",
        "a e3 [t-0 t-1 t-2 t-3 t-4] · a e3 · a e3 [] · a e4 · a e5 [t-0]",
    );
    check("hb a · wait 1000 · topics t=1 · hb a", "a e2 [] · a e3 [t-0]");
    // Topics that nobody wants, and leaders that change, are nothing to the group.
    check_a("wait 1000 · topics t=4 u=3 · hb a · members", "a e2 · Stable e2/2 uniform [a e2: t-0 t-1 t-2 t-3]");
}

#[test]
fn assignments_are_not_computed_all_the_time() {
    check_a("wait 500 · hb b · hb a · wait 500 · hb a", "b e2 [] · a e2 · a e2 [t-0 t-1]");
}

#[test]
fn the_assignor_is_the_one_that_most_members_ask_for() {
    check(
        "topics t=2 u=2 · hb a topics=t,u assignor=range · wait 1000 · hb b topics=t,u assignor=range · hb a · members",
        "a e2 [t-0 t-1 u-0 u-1] · b e3 [] · a e2 [t-0 u-0] · Reconciling e3/3 range [a e2: t-0 t-1 u-0 u-1 -> t-0 u-0, b e3:  -> t-1 u-1]",
    );
}

#[test]
fn a_static_member_comes_back_to_what_it_had() {
    let instance = "topics t=4 · hb a instance=i · wait 1000 · hb b · hb a · hb a · hb b";
    let told = "a e2 [t-0 t-1 t-2 t-3] · b e3 [] · a e2 [t-0 t-1] · a e3 · b e3 [t-2 t-3]";
    let check =
        |script: &str, expected: &str| check(&format!("{instance} · {script}"), &format!("{told} · {expected}"));
    check(
        "away a instance=i · wait 1000 · hb b · hb c instance=i · members",
        "a e-2 · b e3 · c e3 [t-0 t-1] · Stable e3/3 uniform [b e3: t-2 t-3, c e3: t-0 t-1]",
    );
    check(
        "hb c instance=i · quit x instance=i · away x instance=j",
        "c UNRELEASED_INSTANCE_ID · x FENCED_INSTANCE_ID · x UNKNOWN_MEMBER_ID",
    );
    check(
        "away a instance=i · hb c instance=i · hb a epoch=3 instance=i",
        "a e-2 · c e3 [t-0 t-1] · a FENCED_INSTANCE_ID",
    );
    check("hb x epoch=3 instance=j", "x UNKNOWN_MEMBER_ID");
    check("quit a instance=i · wait 1000 · hb b", "a e-1 · b e4 [t-0 t-1 t-2 t-3]");
    // It did not come back in time.
    check("away a instance=i · wait 44000 · hb b · wait 1000 · hb b", "a e-2 · b e3 · b e4 [t-0 t-1 t-2 t-3]");
}

#[test]
fn patterns_are_resolved_behind_the_heartbeat() {
    check(
        "topics t=1 tt=1 u=1 · hb a regex=t+ · wait 1000 · hb a · members · log",
        "a e1 [] · a e2 [t-0 tt-0] · Stable e2/2 uniform [a e2: t-0 tt-0] \
         · log +member:a +current:a +regex:t+ +epoch2 +target:a +target2 +current:a",
    );
    check("topics t=1 · hb a regex=[", "a INVALID_REGULAR_EXPRESSION");
    // New topics are seen with the next heartbeat, but looked for at most every ten seconds.
    check(
        "topics t=1 · hb a regex=t+ · wait 1 · hb a · wait 9000 · topics t=1 tt=1 · hb a · wait 2000 · hb a · wait 1 · hb a",
        "a e1 [] · a e2 [t-0] · a e2 · a e2 · a e3 [t-0 tt-0]",
    );
    // What nobody describes any more is forgotten.
    check(
        "topics t=1 u=1 · hb a regex=t · wait 1 · hb a · wait 1000 · hb a regex=u · wait 11000 · hb a · wait 1 · hb a",
        "a e1 [] · a e2 [t-0] · a e2 [] · a e2 · a e3 [u-0]",
    );
}

#[test]
fn two_members_may_share_a_pattern() {
    check(
        "topics t=2 · hb a regex=t · wait 1 · hb a · wait 1000 · hb b regex=t · hb a · hb a · hb b · members",
        "a e1 [] · a e2 [t-0 t-1] · b e3 [] · a e2 [t-0] · a e3 · b e3 [t-1] · Stable e3/3 uniform [a e3: t-0, b e3: t-1]",
    );
}

#[test]
fn a_failover_changes_nothing() {
    check_ab("reload · hb a · hb b · members", "a e3 · b e3 · Stable e3/3 uniform [a e3: t-0 t-1, b e3: t-2 t-3]");
    check_ab(
        "reload · wait 44999 · hb a · wait 1 · hb a · members",
        "a e3 · a e4 [t-0 t-1 t-2 t-3] · Stable e4/4 uniform [a e4: t-0 t-1 t-2 t-3]",
    );
    check_a(
        "wait 1000 · hb b · hb a · reload · hb b · hb a · hb b",
        "b e3 [] · a e2 [t-0 t-1] · b e3 · a e3 · b e3 [t-2 t-3]",
    );
    check_a(
        "wait 1000 · hb b · hb a · reload · wait 44000 · hb a owns=t-3 · hb b · wait 16000 · members",
        "b e3 [] · a e2 [t-0 t-1] · a e2 · b e3 · Assigning e4/3 uniform [b e3:  -> t-2 t-3]",
    );
}

#[test]
fn what_cannot_be_written_did_not_happen() {
    check(
        "topics t=1 · fail replicas · hb a · members · hb a",
        "a failed: too few replicas are in sync · GROUP_ID_NOT_FOUND: Group g not found. · a e2 [t-0]",
    );
    check_a(
        "wait 1000 · fail leader · hb a topics=u · hb a topics=u",
        "a failed: this node does not lead the journal · a e2 []",
    );
    // A session that ends while nothing can be written ends a little later.
    check_a(
        "fail replicas · wait 45000 · members · wait 500 · members",
        "Stable e2/2 uniform [a e2: t-0 t-1 t-2 t-3] · Empty e3/2 uniform []",
    );
}

#[test]
fn groups_have_a_size() {
    let settings = Settings { group_consumer_max_size: 1, ..Settings::default() };
    check_with(settings, "topics t=1 · hb a · hb b · hb a", "a e2 [t-0] · b GROUP_MAX_SIZE_REACHED · a e2");
}

#[test]
fn offsets_are_committed_by_members_at_their_epochs() {
    check_ab(
        "commit a id=a t-0=5 g=3 · commit a id=a t-0=6 g=4 · commit x id=x t-0=6 g=3 · commit - t-0=6 · commit a id=a t-0=7 g=3 v8 · fetch all",
        "a commit NONE · a commit STALE_MEMBER_EPOCH · x commit UNKNOWN_MEMBER_ID · - commit UNKNOWN_MEMBER_ID \
         · a commit UNSUPPORTED_VERSION · offsets t-0=5",
    );
    check_ab(
        "quit a · quit b · commit - t-0=6 · fetch all · forget t-0 · fetch all",
        "a e-1 · b e-1 · - commit NONE · offsets t-0=6 · forget NONE NONE · offsets",
    );
    check_ab(
        "commit a id=a t-0=5 g=3 · forget t-0 · forget u-0",
        "a commit NONE · forget NONE GROUP_SUBSCRIBED_TO_TOPIC · forget NONE NONE",
    );
}

#[test]
fn groups_end() {
    check_a(
        "delete · quit a · delete · members · list",
        "delete NON_EMPTY_GROUP · a e-1 · delete NONE · GROUP_ID_NOT_FOUND: Group g not found. · groups",
    );
    check_a(
        "forgetlog · quit a · commit - t-0=6 · delete · log · reload · members",
        "a e-1 · - commit NONE · delete NONE · log -current:a -target:a -member:a +epoch3 t-0=6 t-0=gone -target -partitions -epoch · GROUP_ID_NOT_FOUND: Group g not found.",
    );
    // Offsets of topics that are subscribed to do not expire; the rest goes, and then the empty group.
    check_a(
        "commit a id=a t-0=5 g=2 · commit a id=a u-0=5 g=2 · quit a · wait 605400000 · list",
        "a commit NONE · a commit NONE · a e-1 · groups",
    );
}

#[test]
fn the_classic_apis_tell_it_apart() {
    check_a(
        "describe · describe v5",
        "described GROUP_ID_NOT_FOUND Dead \"\" \"\" [] Group g is not a classic group. · described NONE Dead \"\" \"\" []",
    );
    check_a("list type=classic · list type=consumer state=stable", "groups · groups g/consumer/Stable/consumer");
    check(
        "join a · wait 3000 · members",
        "a-1 in g1 range led by a-1 [a-1] · GROUP_ID_NOT_FOUND: Group g is not a consumer group.",
    );
}

#[test]
fn offsets_are_committed_within_transactions() {
    check_ab(
        "pend a id=a g=3 t-0=5 · pend a id=a g=4 t-0=5 · pend x id=x g=3 t-0=5 · pend - t-1=6 · list · end commit · fetch all",
        "a pend NONE · a pend ILLEGAL_GENERATION · x pend UNKNOWN_MEMBER_ID · - pend NONE · groups g/consumer/Stable/consumer \
         · commit ended · offsets t-0=5 t-1=6",
    );
    // What is pending holds the empty group, too; it is deleted with it.
    check_ab(
        "pend a id=a g=3 t-0=5 · quit a · quit b · wait 605400000 · list · delete · list · reload · list",
        "a pend NONE · a e-1 · b e-1 · groups g/consumer/Empty/consumer · delete NONE · groups · groups",
    );
}

#[test]
fn a_member_that_lost_an_answer_commits_what_it_has_owned_since() {
    // Partition 0 was assigned at epoch 2; 2 and 3 only at epoch 3. Those of a topic that was recreated are others.
    let lost = "topics t=4 u=2 · hb a · wait 1000 · hb b · hb a · hb a · hb b · quit b · wait 1000 · hb a";
    let told =
        "a e2 [t-0 t-1 t-2 t-3] · b e3 [] · a e2 [t-0 t-1] · a e3 · b e3 [t-2 t-3] · b e-1 · a e4 [t-0 t-1 t-2 t-3]";
    check(
        &format!(
            "{lost} · pend a id=a g=2 t-0=5 · pend a id=a g=3 t-1=5 · pend a id=a g=3 t-2=5 · pend a id=a g=1 t-0=5"
        ),
        &format!("{told} · a pend NONE · a pend NONE · a pend ILLEGAL_GENERATION · a pend ILLEGAL_GENERATION"),
    );
    check(
        &format!("{lost} · commit a id=a g=3 t-0=5 · commit a id=a g=3 v8 t-0=5"),
        &format!("{told} · a commit STALE_MEMBER_EPOCH · a commit UNSUPPORTED_VERSION"),
    );
}

#[test]
fn a_leave_that_could_not_be_written_leaves_the_session_running() {
    let mut bench = Bench::new(Settings::default());
    ["topics t=1", "hb a", "fail replicas", "quit a"].into_iter().for_each(|step| bench.step(step));
    assert_eq!(bench.machine.consumers["g"].members.len(), 1, "{:?}", bench.told);
    bench.wait(45_001);
    assert!(bench.machine.consumers["g"].members.is_empty(), "{:?}", bench.told);
}
