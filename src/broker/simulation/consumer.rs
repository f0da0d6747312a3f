//! Members of a consumer group (KIP-848): heartbeat by heartbeat they follow what they are told; what they are to give up
//! they give up late; they leave, fall silent, and a static one goes away and comes back under another member id.

use std::collections::BTreeSet;

use super::handlers::{Member, ask_group, checked, text};
use super::network::call_in_order;
use super::others;
use super::world::{Sim, TOPICS};
use crate::coordinator::group::{Command, ConsumerBeat, Reply};
use crate::protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use crate::protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, GroupId, TopicName};
use crate::types::{ErrorCode, TopicId, TopicPartition};

const REBALANCE_TIMEOUT_MS: i32 = 8_000;
/// The session timeout is the default of 45 s.
const SILENCE_MS: u64 = 70_000;
const LEAVES: i32 = -1;
const GOES_AWAY: i32 = -2;

/// A client that is a member most of the time.
pub struct Client {
    sim: Sim,
    group: &'static str,
    name: &'static str,
    instance: Option<&'static str>,
    id: String,
    epoch: i32,
    /// What it was told last, and what it has besides until it gives it up.
    assigned: BTreeSet<(TopicId, i32)>,
    leftover: BTreeSet<(TopicId, i32)>,
    topics: usize,
}

/// Lives as a member until everybody falls silent.
pub async fn member(sim: Sim, group: &'static str, name: &'static str, instance: Option<&'static str>) {
    let (assigned, leftover) = (BTreeSet::new(), BTreeSet::new());
    let topics = TOPICS.len();
    let mut client = Client { sim, group, name, instance, id: String::new(), epoch: 0, assigned, leftover, topics };
    while !client.sim.silent.get() {
        client.turn().await;
        client.sim.sleep(100 + client.sim.below(900) as i64).await;
    }
}

impl Client {
    async fn turn(&mut self) {
        if self.id.is_empty() {
            self.id = format!("{}-{}", self.name, self.sim.uid());
        }
        match self.sim.below(60) {
            0 if self.epoch > 0 => {
                self.leave(if self.instance.is_some() && self.sim.chance(60) { GOES_AWAY } else { LEAVES }).await
            }
            1 => self.sim.sleep(self.sim.below(SILENCE_MS) as i64).await,
            2 => self.crash().await,
            3 => self.topics = 3 - self.topics,
            4..=14 if self.epoch > 0 => self.commit().await,
            _ => self.beat().await,
        }
    }

    async fn beat(&mut self) {
        if self.sim.chance(50) {
            self.leftover.clear();
            self.tell();
        }
        let Some(Ok(Reply::ConsumerHeartbeat(reply))) = self.ask(self.epoch).await else { return };
        match checked(reply.error_code) {
            Ok(()) => self.hear(&reply),
            Err(error) => {
                self.sim.note(format!("{} e{} is told {error:?}", self.id, self.epoch));
                self.sim.reach(format!("ConsumerGroupHeartbeat: {error:?}"));
                match error {
                    ErrorCode::UnknownMemberId | ErrorCode::FencedMemberEpoch | ErrorCode::GroupIdNotFound => {
                        self.forget();
                    }
                    ErrorCode::FencedInstanceId => {
                        self.forget();
                        self.id.clear();
                    }
                    _ => {}
                }
            }
        }
    }

    fn hear(&mut self, reply: &ConsumerGroupHeartbeatResponse) {
        self.epoch = reply.member_epoch;
        if let Some(assignment) = &reply.assignment {
            let topics = assignment.topic_partitions.iter();
            let each =
                topics.flat_map(|topic| topic.partitions.iter().map(|index| (TopicId::from(topic.topic_id), *index)));
            let told: BTreeSet<_> = each.collect();
            self.leftover.append(&mut self.assigned);
            self.leftover.retain(|partition| !told.contains(partition));
            self.assigned = told;
            self.sim.reach("consumer: assignments told");
            self.sim.note(format!(
                "{} e{} has {} and gives up {}",
                self.id,
                self.epoch,
                self.assigned.len(),
                self.leftover.len()
            ));
        }
        self.tell();
        self.sim.oracle.borrow_mut().groups.identify(self.member());
    }

    /// What it owns by what it knows.
    fn tell(&self) {
        let owned = self.assigned.union(&self.leftover).copied().collect();
        self.sim.oracle.borrow_mut().groups.owns(&self.id, owned);
    }

    fn forget(&mut self) {
        self.epoch = 0;
        self.assigned.clear();
        self.leftover.clear();
        self.tell();
    }

    async fn leave(&mut self, epoch: i32) {
        self.assigned.clear();
        self.leftover.clear();
        self.tell();
        self.sim.reach(if epoch == LEAVES {
            "consumer: members that left"
        } else {
            "consumer: members that went away"
        });
        self.ask(epoch).await;
        self.forget();
        self.id.clear();
        self.sim.sleep(self.sim.below(4_000) as i64).await;
    }

    /// It is gone without a word, and another begins in its place.
    async fn crash(&mut self) {
        self.sim.reach("consumer: members that crashed");
        self.forget();
        self.id.clear();
        self.sim.sleep(self.sim.below(2_000) as i64).await;
    }

    async fn commit(&mut self) {
        let owned: Vec<_> = self.assigned.iter().copied().collect();
        let partition = match owned.len() as u64 {
            0 => others::partition(&self.sim),
            count => named(owned[self.sim.below(count) as usize]),
        };
        others::commit(&self.sim, self.member(), partition).await;
    }

    fn member(&self) -> Member {
        Member { group: self.group, id: self.id.clone(), instance: self.instance, epoch: self.epoch }
    }

    async fn ask(&self, epoch: i32) -> Option<Result<Reply, ErrorCode>> {
        let joins = epoch == 0;
        let full = joins || self.sim.chance(40);
        let owned = self.assigned.union(&self.leftover).filter(|_| !joins).map(|(topic, partition)| {
            TopicPartitions::default().with_topic_id((*topic).into()).with_partitions(vec![*partition])
        });
        let names = TOPICS.iter().take(self.topics).map(|(name, _)| TopicName(text(name)));
        let says_owned = joins || self.sim.chance(80);
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(text(self.group)))
            .with_member_id(text(&self.id))
            .with_member_epoch(epoch)
            .with_instance_id(self.instance.map(text))
            .with_rebalance_timeout_ms(if full { REBALANCE_TIMEOUT_MS } else { -1 })
            .with_subscribed_topic_names(full.then(|| names.collect()))
            .with_topic_partitions(says_owned.then(|| owned.collect()));
        let beat = ConsumerBeat {
            request,
            client_id: self.name.into(),
            client_host: "/127.0.0.1".into(),
            new_member_id: self.id.clone(),
        };
        call_in_order(&self.sim, ask_group(self.sim.clone(), Command::ConsumerHeartbeat(Box::new(beat)))).await
    }
}

fn named((topic, partition): (TopicId, i32)) -> TopicPartition {
    let name = TOPICS.iter().map(|(name, _)| *name).find(|name| super::world::topic_id(name) == topic);
    TopicPartition::new(name.expect("one of the topics"), partition)
}
