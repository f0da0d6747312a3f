//! A small language for what members do and what they are told.
//!
//! Steps are separated by ` · `. A member is named by its client id; its member id is that name, a dash and the number
//! of the join that created it. `join a` joins in version 3, which hands out no ids beforehand; `join a v9` and so on
//! choose another.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::{BufMut, Bytes, BytesMut};

use super::super::join::JoinCommand;
use super::super::machine::{Command, GroupMachine, Live, Reply, Settings, Timer};
use super::super::records::Record;
use super::super::surroundings::Surroundings;
use crate::config::{ConfigStore, load};
use crate::coordinator::testing;
use crate::metadata::MetadataImage;
use crate::protocol::StrBytes;
use crate::protocol::control::TxnMarker;
use crate::protocol::messages::join_group_request::JoinGroupRequestProtocol;
use crate::protocol::messages::leave_group_request::MemberIdentity;
use crate::protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use crate::protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use crate::protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use crate::protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use crate::protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, OffsetCommitRequest, OffsetDeleteRequest, SyncGroupRequest, TopicName,
    TxnOffsetCommitRequest,
};
use crate::state_machine::{Deadlines, JournalError, Now, Outcome, StateMachine, Ticket};
use crate::types::{ErrorCode, Millis, ProducerEpoch, ProducerId, TopicId};

/// Runs a script in a fresh coordinator and compares everything that was answered.
#[track_caller]
pub fn check(script: &str, expected: &str) {
    check_with(Settings::default(), script, expected);
}

/// As [`check`], with other settings.
#[track_caller]
pub fn check_with(settings: Settings, script: &str, expected: &str) {
    let mut bench = Bench::new(settings);
    testing::steps(script).for_each(|step| bench.step(step));
    testing::compare(script, &bench.told, expected);
}

/// Topics as they are in `image`, and configs as they are by default.
pub fn surroundings(image: &Arc<ArcSwap<MetadataImage>>) -> Surroundings {
    let configs = Arc::new(ConfigStore::new(load(None, &[], &|_| None).expect("the defaults").broker));
    Surroundings::new(image.clone(), configs)
}

/// One machine with everything that a runtime would do for it.
pub struct Bench {
    pub machine: GroupMachine,
    pub live: Live,
    pub deadlines: Deadlines<Timer>,
    pub now: i64,
    pub log: Vec<Record>,
    pub told: Vec<String>,
    pub open: BTreeMap<Ticket, String>,
    pub failing: Option<JournalError>,
    pub ids: BTreeMap<String, String>,
    /// What consumers of the newer protocol know of themselves.
    pub consumers: BTreeMap<String, super::consumer::Consumer>,
    pub share: super::share::Known,
    pub instances: BTreeMap<String, super::streams::Instance>,
    settings: Arc<Settings>,
    surroundings: Arc<Surroundings>,
    /// The topics, which a test may change.
    pub image: Arc<ArcSwap<MetadataImage>>,
    tickets: u64,
    joins: u64,
}

pub struct Words<'a> {
    pub subject: &'a str,
    pub options: BTreeMap<&'a str, &'a str>,
    rest: Vec<&'a str>,
    version: Option<i16>,
}

impl<'a> Words<'a> {
    fn of(step: &'a str) -> (&'a str, Words<'a>) {
        let mut words = step.split_whitespace();
        let verb = words.next().expect("a step begins with a verb");
        let mut parsed = Words { subject: "", options: BTreeMap::new(), rest: Vec::new(), version: None };
        for word in words {
            let version = word.strip_prefix('v').and_then(|number| number.parse().ok());
            match word.split_once('=') {
                Some((key, value)) if !key.contains('-') => {
                    parsed.options.insert(key, value);
                }
                _ if version.is_some() => parsed.version = version,
                _ if parsed.subject.is_empty() && !word.contains('=') => parsed.subject = word,
                _ => parsed.rest.push(word),
            }
        }
        (verb, parsed)
    }

    pub fn number(&self, key: &str, default: i32) -> i32 {
        self.options.get(key).map_or(default, |value| value.parse().expect("a number"))
    }

    pub fn text(&self, key: &str) -> Option<StrBytes> {
        self.options.get(key).map(|value| str_bytes(value))
    }
}

impl Bench {
    pub fn new(settings: Settings) -> Bench {
        let settings = Arc::new(settings);
        let image = Arc::new(ArcSwap::from_pointee(MetadataImage::default()));
        let surroundings = Arc::new(surroundings(&image));
        let mut bench = Bench {
            machine: GroupMachine::new(settings.clone(), surroundings.clone()),
            live: Live::default(),
            deadlines: Deadlines::default(),
            now: 1_000_000,
            log: Vec::new(),
            told: Vec::new(),
            open: BTreeMap::new(),
            failing: None,
            ids: BTreeMap::new(),
            consumers: BTreeMap::new(),
            share: Default::default(),
            instances: BTreeMap::new(),
            settings,
            surroundings,
            image,
            tickets: 0,
            joins: 0,
        };
        bench.start();
        bench
    }

    /// Both clocks show the same.
    pub fn now(&self) -> Now {
        Now { monotonic: Millis(self.now), wall: Millis(self.now) }
    }

    /// Forgets everything that is not in the log, as after a failover.
    pub fn reload(&mut self) {
        self.machine = GroupMachine::new(self.settings.clone(), self.surroundings.clone());
        self.live = Live::default();
        self.deadlines = Deadlines::default();
        self.open.clear();
        for record in self.log.clone() {
            if let Record::EndTxn(_) = record {
                // A batch of its own, which has no key.
                self.machine.load(&record);
                continue;
            }
            let (key, value) = record.encode().expect("it was valid when it was written");
            let read = Record::decode(&key, value.as_deref()).expect("what was written can be read");
            self.machine.load(&match record {
                Record::TxnOffset { producer, .. } => read.in_transaction(producer),
                _ => read,
            });
        }
        self.start();
    }

    pub fn wait(&mut self, millis: i64) {
        let end = self.now + millis;
        while let Some(at) = self.deadlines.next().filter(|at| at.0 <= end) {
            self.now = self.now.max(at.0);
            let timer = self.deadlines.pop_due(at).expect("it is due");
            let now = self.now();
            let outcome = self.machine.expire(&mut self.live, timer, now);
            self.carry_out(outcome);
        }
        self.now = end;
    }

    pub fn submit(&mut self, who: &str, command: Command) -> Ticket {
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        self.open.insert(ticket, who.to_owned());
        let now = self.now();
        let outcome = self.machine.decide(&mut self.live, ticket, command, now);
        self.carry_out(outcome);
        ticket
    }

    pub fn generation(&self) -> i32 {
        self.live.groups.get("g").map_or(0, |group| group.generation)
    }

    pub fn step(&mut self, step: &str) {
        let (verb, words) = Words::of(step);
        match verb {
            "join" => self.join(&words),
            "sync" => self.sync(&words),
            "beat" => self.beat(&words),
            "leave" => self.leave(&words),
            "commit" => self.commit(&words),
            "fetch" => self.fetch(&words),
            "pend" => self.pend(&words),
            "end" => self.end(&words),
            "forget" => self.forget(&words),
            "delete" => drop(self.submit("", Command::DeleteGroups(vec![str_bytes("g")]))),
            "describe" => {
                let version = words.version.unwrap_or(6);
                self.submit("", Command::Describe { groups: vec![str_bytes("g")], version });
            }
            "list" => {
                let filter = |key| words.text(key).into_iter().collect();
                self.submit("", Command::List { states: filter("state"), types: filter("type") });
            }
            "dropped" => {
                let id = TopicId::from_halves(0, i64::from(words.number("id", 1)));
                self.submit("", Command::TopicsDeleted(vec![(words.subject.into(), id)]));
            }
            "wait" => self.wait(words.subject.parse().expect("milliseconds")),
            "state" => self.tell_state(),
            "log" => self.tell_log(),
            "reload" => self.reload(),
            "fail" => {
                self.failing = Some(match words.subject {
                    "leader" => JournalError::NotLeader,
                    "large" => JournalError::TooLarge { size: 2, max: 1 },
                    "replicas" => JournalError::NotEnoughReplicas,
                    other => panic!("unknown failure {other}"),
                });
            }
            other => self.consumer_step(other, &words),
        }
    }

    fn start(&mut self) {
        let now = self.now();
        let outcome = self.machine.start(&mut self.live, now);
        self.carry_out(outcome);
    }

    fn carry_out(&mut self, outcome: Outcome<GroupMachine>) {
        let mut outcome = outcome;
        if !outcome.records.is_empty()
            && let Some(why) = self.failing.take()
        {
            let now = self.now();
            let instead = self.machine.abandon(&mut self.live, &outcome, &why, now);
            assert!(instead.records.is_empty(), "what cannot be appended is not followed by more records");
            for (ticket, _) in &outcome.replies {
                if !instead.replies.iter().any(|(answered, _)| answered == ticket) {
                    let who = self.open.remove(ticket).expect("a ticket is answered once");
                    self.told.push(format!("{who} failed: {why}"));
                }
            }
            outcome = instead;
        }
        for record in &outcome.records {
            self.log.push(record.clone());
            self.machine.replay(&mut self.live, record);
        }
        outcome.timers.into_iter().for_each(|change| self.deadlines.apply(change));
        for (ticket, reply) in outcome.replies {
            let who = self.open.remove(&ticket).expect("a ticket is answered once");
            if let Reply::Join(reply) = &reply
                && !reply.member_id.is_empty()
                && reply.error_code != ErrorCode::FencedInstanceId.code()
            {
                self.ids.insert(who.clone(), reply.member_id.to_string());
            }
            self.listen(&who, &reply);
            let told = told(&who, &reply);
            self.told.push(told.trim().to_owned());
        }
    }

    fn id(&self, words: &Words) -> StrBytes {
        match (words.options.get("id"), self.ids.get(words.subject)) {
            (Some(&"none"), _) | (None, None) => StrBytes::new(),
            (Some(id), _) => str_bytes(id),
            (None, Some(id)) => str_bytes(id),
        }
    }

    fn join(&mut self, words: &Words) {
        let protocols = words.options.get("protocols").copied().unwrap_or("range").split('+');
        let protocols = protocols.filter(|name| !name.is_empty()).map(|protocol| {
            let (name, topics) = protocol.split_once(':').unwrap_or((protocol, "t"));
            JoinGroupRequestProtocol::default().with_name(str_bytes(name)).with_metadata(subscription(topics))
        });
        let request = JoinGroupRequest::default()
            .with_group_id(GroupId(str_bytes("g")))
            .with_session_timeout_ms(words.number("session", 10_000))
            .with_rebalance_timeout_ms(words.number("rebalance", 60_000))
            .with_member_id(self.id(words))
            .with_group_instance_id(words.text("instance"))
            .with_protocol_type(words.text("type").unwrap_or(str_bytes("consumer")))
            .with_protocols(protocols.collect());
        self.joins += 1;
        let join = JoinCommand {
            request,
            version: words.version.unwrap_or(3),
            client_id: words.subject.into(),
            client_host: "/127.0.0.1".into(),
            unique: self.joins.to_string(),
        };
        self.submit(words.subject, Command::Join(Box::new(join)));
    }

    fn sync(&mut self, words: &Words) {
        let given = words.options.get("give").copied().unwrap_or_default().split(',').filter(|each| !each.is_empty());
        let assignments = given.map(|each| {
            let (member, what) = each.split_once(':').expect("member:assignment");
            let id = self.ids.get(member).cloned().unwrap_or(member.to_owned());
            let what = match what.strip_prefix('@') {
                Some(partitions) => super::migration::assignment_bytes(partitions),
                None => Bytes::copy_from_slice(what.as_bytes()),
            };
            SyncGroupRequestAssignment::default().with_member_id(str_bytes(&id)).with_assignment(what)
        });
        let request = SyncGroupRequest::default()
            .with_group_id(GroupId(str_bytes("g")))
            .with_member_id(self.id(words))
            .with_generation_id(words.number("g", self.generation()))
            .with_group_instance_id(words.text("instance"))
            .with_protocol_type(words.text("type"))
            .with_protocol_name(words.text("protocol"))
            .with_assignments(assignments.collect());
        self.submit(words.subject, Command::Sync(request));
    }

    fn beat(&mut self, words: &Words) {
        let request = HeartbeatRequest::default()
            .with_group_id(GroupId(str_bytes("g")))
            .with_member_id(self.id(words))
            .with_group_instance_id(words.text("instance"))
            .with_generation_id(words.number("g", self.generation()));
        self.submit(words.subject, Command::Heartbeat(request));
    }

    fn leave(&mut self, words: &Words) {
        let named = words.subject.split(',').filter(|name| !name.is_empty()).map(|name| {
            let id = self.ids.get(name).cloned().unwrap_or(name.to_owned());
            MemberIdentity::default().with_member_id(str_bytes(&id)).with_group_instance_id(words.text("of"))
        });
        let by_instance =
            words.text("instance").map(|instance| MemberIdentity::default().with_group_instance_id(Some(instance)));
        let members = named.chain(by_instance).collect();
        self.submit(words.subject, Command::Leave { group: str_bytes("g"), members });
    }

    fn commit(&mut self, words: &Words) {
        let topics = words.rest.iter().map(|each| {
            let (partition, offset) = each.split_once('=').expect("topic-partition=offset");
            let (topic, partition) = topic_partition(partition);
            let id = TopicId::from_halves(0, i64::from(words.number("topic", 1)));
            OffsetCommitRequestTopic::default().with_name(topic).with_topic_id(id.into()).with_partitions(vec![
                OffsetCommitRequestPartition::default()
                    .with_partition_index(partition)
                    .with_committed_offset(offset.parse().expect("an offset"))
                    .with_committed_leader_epoch(words.number("epoch", -1))
                    .with_committed_metadata(words.text("metadata")),
            ])
        });
        let simple = words.subject == "-";
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(str_bytes("g")))
            .with_member_id(self.id(words))
            .with_group_instance_id(words.text("instance"))
            .with_generation_id_or_member_epoch(words.number("g", if simple { -1 } else { self.generation() }))
            .with_retention_time_ms(i64::from(words.number("retention", -1)))
            .with_topics(topics.collect());
        self.submit(words.subject, Command::Commit { request, version: words.version.unwrap_or(9) });
    }

    fn fetch(&mut self, words: &Words) {
        let each = |word: &&str| {
            let (topic, partition) = topic_partition(word);
            let id = TopicId::from_halves(0, i64::from(words.number("topic", 0)));
            let topic = OffsetFetchRequestTopics::default().with_name(topic).with_topic_id(id.into());
            topic.with_partition_indexes(vec![partition])
        };
        let topics = match words.subject {
            "all" => None,
            subject => Some([subject].iter().chain(&words.rest).map(each).collect()),
        };
        let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(str_bytes("g"))).with_topics(topics);
        self.submit("", Command::Fetch { group, require_stable: true });
    }

    /// An offset committed by the producer `p` within its transaction.
    fn pend(&mut self, words: &Words) {
        let topics = words.rest.iter().map(|each| {
            let (partition, offset) = each.split_once('=').expect("topic-partition=offset");
            let (topic, partition) = topic_partition(partition);
            TxnOffsetCommitRequestTopic::default().with_name(topic).with_partitions(vec![
                TxnOffsetCommitRequestPartition::default()
                    .with_partition_index(partition)
                    .with_committed_offset(offset.parse().expect("an offset"))
                    .with_committed_metadata(words.text("metadata")),
            ])
        });
        let request = TxnOffsetCommitRequest::default()
            .with_group_id(GroupId(str_bytes("g")))
            .with_producer_id(i64::from(words.number("p", 7)).into())
            .with_member_id(self.id(words))
            .with_group_instance_id(words.text("instance"))
            .with_generation_id(words.number("g", -1))
            .with_topics(topics.collect());
        self.submit(words.subject, Command::CommitInTransaction { request, guard: None });
    }

    /// `end commit` or `end abort` of the producer `p`'s transaction.
    fn end(&mut self, words: &Words) {
        let marker = TxnMarker {
            producer_id: ProducerId(i64::from(words.number("p", 7))),
            producer_epoch: ProducerEpoch(0),
            commit: words.subject == "commit",
            coordinator_epoch: 0,
            transaction_version: 0,
        };
        self.submit(words.subject, Command::EndTransaction(marker));
    }

    fn forget(&mut self, words: &Words) {
        let (topic, partition) = topic_partition(words.subject);
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(partition);
        let topic = OffsetDeleteRequestTopic::default().with_name(topic).with_partitions(vec![partition]);
        let request = OffsetDeleteRequest::default().with_group_id(GroupId(str_bytes("g"))).with_topics(vec![topic]);
        self.submit("", Command::DeleteOffsets(request));
    }

    fn tell_state(&mut self) {
        let told = match self.live.groups.get("g") {
            None => "no group".to_owned(),
            Some(group) => {
                let members = group.members.keys().cloned().collect::<Vec<_>>().join(",");
                let mut told = format!("{} g{} [{members}]", group.state, group.generation);
                if let Some(leader) = &group.leader {
                    let _ = write!(told, " led by {leader}");
                }
                if !group.pending.is_empty() {
                    let _ = write!(told, " pending {}", group.pending.len());
                }
                told
            }
        };
        self.told.push(told);
    }

    fn tell_log(&mut self) {
        let each = self.log.iter().map(|record| match record {
            Record::Offset { topic, partition, committed: Some(committed), .. } => {
                format!("{topic}-{partition}={}", committed.offset)
            }
            Record::TxnOffset { producer, topic, partition, committed, .. } => {
                format!("{}:{topic}-{partition}={}", producer.id.0, committed.offset)
            }
            Record::EndTxn(marker) => format!("{}:end", marker.producer_id.0),
            Record::Offset { topic, partition, committed: None, .. } => format!("{topic}-{partition}=gone"),
            Record::Group { snapshot: Some(group), .. } => {
                let members = group.members.iter().map(|member| &*member.member_id).collect::<Vec<_>>().join(",");
                format!("g{}[{members}]", group.generation)
            }
            Record::Group { snapshot: None, .. } => "group gone".to_owned(),
            Record::Consumer { change, .. } => super::consumer::shown_change(change),
            Record::Share { change, .. } => super::share::shown_change(change),
            Record::Streams { change, .. } => super::streams::shown_change(change),
        });
        let told = each.collect::<Vec<_>>().join(" ");
        self.told.push(format!("log {told}"));
        self.log.clear();
    }
}

fn told(who: &str, reply: &Reply) -> String {
    match reply {
        Reply::Join(reply) if reply.error_code == ErrorCode::None.code() => {
            let members: Vec<&str> = reply.members.iter().map(|member| &*member.member_id).collect();
            let roster = if members.is_empty() { String::new() } else { format!(" [{}]", members.join(",")) };
            let skip = if reply.skip_assignment { " skip" } else { "" };
            let protocol = reply.protocol_name.as_deref().unwrap_or("?");
            format!("{} in g{} {protocol} led by {}{roster}{skip}", reply.member_id, reply.generation_id, reply.leader)
        }
        Reply::Join(reply) => {
            let id = if reply.member_id.is_empty() { String::new() } else { format!(" ({})", reply.member_id) };
            format!("{who} join {}{id}", name(reply.error_code))
        }
        Reply::Sync(reply) if reply.error_code == ErrorCode::None.code() => {
            match super::migration::shown_assignment(&reply.assignment) {
                Some(partitions) => format!("{who} has {partitions}"),
                None => format!("{who} has {:?}", String::from_utf8_lossy(&reply.assignment)),
            }
        }
        Reply::Sync(reply) => format!("{who} sync {}", name(reply.error_code)),
        Reply::Heartbeat(reply) => format!("{who} beat {}", name(reply.error_code)),
        Reply::Leave(reply) => {
            let members: Vec<_> = reply.members.iter().map(|member| name(member.error_code)).collect();
            format!("{who} leave {}", members.join(","))
        }
        Reply::Commit(reply) => {
            let partitions = reply.topics.iter().flat_map(|topic| &topic.partitions);
            let each: Vec<_> = partitions.map(|partition| name(partition.error_code)).collect();
            format!("{who} commit {}", each.join(","))
        }
        Reply::TxnCommit(reply) => {
            let partitions = reply.topics.iter().flat_map(|topic| &topic.partitions);
            let each: Vec<_> = partitions.map(|partition| name(partition.error_code)).collect();
            format!("{who} pend {}", each.join(","))
        }
        Reply::TransactionEnded => format!("{who} ended"),
        Reply::Fetch(reply) => {
            let each = reply.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    if partition.error_code != 0 {
                        return format!(
                            "{}-{} {}",
                            &*topic.name,
                            partition.partition_index,
                            name(partition.error_code)
                        );
                    }
                    let metadata = partition.metadata.as_deref().unwrap_or("?");
                    let metadata = if metadata.is_empty() { String::new() } else { format!("({metadata})") };
                    format!("{}-{}={}{metadata}", &*topic.name, partition.partition_index, partition.committed_offset)
                })
            });
            format!("offsets {}", each.collect::<Vec<_>>().join(" ")).trim_end().to_owned()
        }
        Reply::DeleteOffsets(reply) => {
            let partitions = reply.topics.iter().flat_map(|topic| &topic.partitions);
            let each: Vec<_> = partitions.map(|partition| name(partition.error_code)).collect();
            format!("forget {} {}", name(reply.error_code), each.join(",")).trim_end().to_owned()
        }
        Reply::DeleteGroups(reply) => format!("delete {}", name(reply.results[0].error_code)),
        Reply::Describe(groups) => {
            let group = &groups[0];
            let each = group.members.iter().map(|member| {
                let assignment = String::from_utf8_lossy(&member.member_assignment).into_owned();
                format!("{}{}:{assignment}", member.member_id, if member.member_metadata.is_empty() { "" } else { "+" })
            });
            let members = each.collect::<Vec<_>>().join(",");
            let message = group.error_message.as_deref().unwrap_or_default();
            let told = format!(
                "described {} {} {:?} {:?} [{members}] {message}",
                name(group.error_code),
                &*group.group_state,
                &*group.protocol_type,
                &*group.protocol_data
            );
            told.trim_end().to_owned()
        }
        Reply::List(groups) => {
            let each = groups.iter().map(|group| {
                format!("{}/{}/{}/{}", &**group.group_id, group.protocol_type, group.group_state, group.group_type)
            });
            format!("groups {}", each.collect::<Vec<_>>().join(" ")).trim_end().to_owned()
        }
        Reply::ConsumerHeartbeat(reply) => super::consumer::told_heartbeat(who, reply),
        Reply::ConsumerDescribe(groups) => super::consumer::told_describe(&groups[0]),
        Reply::Share(reply) => super::share::told(who, reply),
        Reply::StreamsHeartbeat(answer) => super::streams::told_heartbeat(who, answer),
        Reply::StreamsDescribe(groups) => super::streams::told_describe(&groups[0]),
        Reply::TopicsDeleted { more } => format!("dropped more={more}"),
    }
}

pub fn name(code: i16) -> &'static str {
    ErrorCode::from_code(code).expect("one of Kafka's codes").name()
}

fn topic_partition(text: &str) -> (TopicName, i32) {
    let (topic, partition) = text.rsplit_once('-').expect("topic-partition");
    (TopicName(str_bytes(topic)), partition.parse().expect("a partition"))
}

pub fn str_bytes(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A consumer's subscription to the topics, which are separated by commas.
pub fn subscription(topics: &str) -> Bytes {
    let topics: Vec<&str> = topics.split(',').collect();
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(topics.len() as i32);
    for topic in topics {
        bytes.put_i16(topic.len() as i16);
        bytes.put_slice(topic.as_bytes());
    }
    bytes.put_i32(-1);
    bytes.freeze()
}
