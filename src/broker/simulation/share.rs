//! Members of a share group (KIP-932): they join, follow, leave and fall silent; the state of the partitions they share is
//! made by another coordinator, which may refuse or never answer.

use super::handlers::{checked, text};
use super::network::call_in_order;
use super::world::{Sim, TOPICS};
use crate::coordinator::group::{Command, Reply, ShareBeat, ShareCommand, ShareReply, StateInit};
use crate::protocol::messages::{GroupId, ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse, TopicName};
use crate::types::ErrorCode;

/// The session timeout is the default of 45 s.
const SILENCE_MS: u64 = 70_000;
const LEAVES: i32 = -1;
/// The group.
const GROUP: &str = "sharers";

/// A client that is a member most of the time.
struct Client {
    sim: Sim,
    name: &'static str,
    id: String,
    epoch: i32,
    topics: usize,
}

/// Lives as a member until everybody falls silent.
pub async fn member(sim: Sim, name: &'static str) {
    let mut client = Client { sim, name, id: name.to_owned(), epoch: 0, topics: 1 };
    while !client.sim.silent.get() {
        client.turn().await;
        client.sim.sleep(200 + client.sim.below(900) as i64).await;
    }
}

impl Client {
    async fn turn(&mut self) {
        match self.sim.below(50) {
            0 if self.epoch > 0 => {
                self.sim.reach("share: members that left");
                self.beat(LEAVES).await;
                self.epoch = 0;
            }
            1 => self.sim.sleep(self.sim.below(SILENCE_MS) as i64).await,
            2 => {
                self.id = format!("{}-{}", self.name, self.sim.uid());
                self.epoch = 0;
            }
            3 => self.topics = 3 - self.topics,
            _ => self.beat(self.epoch).await,
        }
    }

    async fn beat(&mut self, epoch: i32) {
        let full = epoch == 0 || self.sim.chance(30);
        let names = TOPICS.iter().take(self.topics).map(|(name, _)| TopicName(text(name)));
        let request = ShareGroupHeartbeatRequest::default()
            .with_group_id(GroupId(text(GROUP)))
            .with_member_id(text(&self.id))
            .with_member_epoch(epoch)
            .with_subscribed_topic_names(full.then(|| names.collect()));
        let beat = ShareBeat { request, client_id: self.name.into(), client_host: "/127.0.0.1".into() };
        let Some(Ok(response)) = call_in_order(&self.sim, heartbeat(self.sim.clone(), beat)).await else { return };
        match checked(response.error_code) {
            Ok(()) => {
                self.epoch = response.member_epoch.max(0);
                if response.assignment.is_some_and(|assignment| !assignment.topic_partitions.is_empty()) {
                    self.sim.reach("share: assignments told");
                }
            }
            Err(error) => {
                self.sim.reach(format!("ShareGroupHeartbeat: {error:?}"));
                if matches!(error, ErrorCode::UnknownMemberId | ErrorCode::FencedMemberEpoch) {
                    self.epoch = 0;
                }
            }
        }
    }
}

/// ShareGroupHeartbeat; what share state it takes is asked for behind it.
async fn heartbeat(sim: Sim, beat: ShareBeat) -> Result<ShareGroupHeartbeatResponse, ErrorCode> {
    match sim.groups.submit(Command::Share(ShareCommand::Heartbeat(Box::new(beat)))).await? {
        Reply::Share(ShareReply::Heartbeat { response, ask }) => {
            if let Some(ask) = ask {
                sim.spawn(make_state(sim.clone(), ask));
            }
            Ok(response)
        }
        other => unreachable!("a command is answered in kind, not by {other:?}"),
    }
}

async fn make_state(sim: Sim, ask: StateInit) {
    sim.sleep(sim.below(300) as i64).await;
    if sim.chance(15) {
        sim.reach("share: state never answered");
        return;
    }
    let (of, made) = (ask.of(), sim.chance(75));
    if made {
        let each = of.partitions.iter().flat_map(|(topic, all)| all.iter().map(|index| (*topic, *index)));
        sim.oracle.borrow_mut().groups.make_state(each);
    }
    sim.reach(if made { "share: state made" } else { "share: state refused" });
    // A coordinator that fails asks again.
    let _ = sim.groups.submit(Command::Share(ShareCommand::Asked { of, made })).await;
}
