//! Members of a classic group as Java's consumers are: they join, the leader assigns, they send heartbeats and commit; they
//! leave, fall silent, and a static one restarts while its old self still lives.

use super::handlers::{self, Member, ask_group, text};
use super::network::call_in_order;
use super::others;
use super::world::{Sim, TOPICS};
use crate::coordinator::group::{Command, JoinCommand, Reply};
use crate::protocol::messages::join_group_request::JoinGroupRequestProtocol;
use crate::protocol::messages::leave_group_request::MemberIdentity;
use crate::protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use crate::protocol::messages::{GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, SyncGroupRequest};
use crate::types::ErrorCode;
use bytes::{BufMut, Bytes, BytesMut};

const SESSION_TIMEOUT_MS: i32 = 6_000;
const REBALANCE_TIMEOUT_MS: i32 = 5_000;

/// A client that is a member most of the time.
pub struct Client {
    sim: Sim,
    group: &'static str,
    name: &'static str,
    instance: Option<&'static str>,
    id: String,
    generation: i32,
    protocols: u64,
}

/// Lives as a member until everybody falls silent.
pub async fn member(sim: Sim, group: &'static str, name: &'static str, instance: Option<&'static str>) {
    let mut client = Client { sim, group, name, instance, id: String::new(), generation: -1, protocols: 0 };
    while !client.sim.silent.get() {
        if client.join().await {
            client.sim.reach("classic: generations joined");
            client.live().await;
        } else {
            client.sim.sleep(50 + client.sim.below(300) as i64).await;
        }
    }
}

impl Client {
    /// Joins and takes its assignment; false if it has to begin anew.
    async fn join(&mut self) -> bool {
        let Some(Ok(Reply::Join(joined))) = self.ask(self.join_command()).await else { return false };
        self.sim.note(format!(
            "{} joins as {:?}: {} g{}",
            self.name, joined.member_id, joined.error_code, joined.generation_id
        ));
        match handlers::checked(joined.error_code) {
            Ok(()) => {}
            Err(error) => {
                self.sim.reach(format!("JoinGroup: {error:?}"));
                match error {
                    ErrorCode::MemberIdRequired => self.id = joined.member_id.to_string(),
                    ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => self.id.clear(),
                    _ => {}
                }
                return false;
            }
        }
        self.id = joined.member_id.to_string();
        self.generation = joined.generation_id;
        self.sim.step().await;
        let Some(Ok(Reply::Sync(synced))) = self.ask(self.sync_command(&joined)).await else { return false };
        if let Err(error) = handlers::checked(synced.error_code) {
            self.sim.reach(format!("SyncGroup: {error:?}"));
            self.refused(error);
            return false;
        }
        self.sim.oracle.borrow_mut().groups.identify(self.member());
        true
    }

    async fn live(&mut self) {
        loop {
            self.sim.sleep(200 + self.sim.below(1_500) as i64).await;
            if self.sim.silent.get() {
                return;
            }
            let told = match self.sim.below(40) {
                0..=9 => others::commit(&self.sim, self.member(), others::partition(&self.sim)).await,
                10 => return self.leave().await,
                11 => return self.fall_silent().await,
                12 => {
                    self.protocols += 1;
                    return;
                }
                13 if self.instance.is_some() => return self.restart().await,
                _ => beat(&self.sim, &self.member()).await,
            };
            if let Some(Err(error)) = told {
                self.sim.reach(format!("classic member told: {error:?}"));
                if !super::producer::passes(error) {
                    return self.refused(error);
                }
            }
        }
    }

    fn refused(&mut self, error: ErrorCode) {
        if matches!(error, ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId) {
            self.id.clear();
        }
    }

    async fn leave(&mut self) {
        let member =
            MemberIdentity::default().with_member_id(text(&self.id)).with_group_instance_id(self.instance.map(text));
        self.sim.reach("classic: members that left");
        self.ask(Command::Leave { group: text(self.group), members: vec![member] }).await;
        self.id.clear();
        self.sim.sleep(self.sim.below(5_000) as i64).await;
    }

    async fn fall_silent(&mut self) {
        self.sim.reach("classic: members that fell silent");
        self.sim.sleep(self.sim.below(2 * SESSION_TIMEOUT_MS as u64) as i64).await;
    }

    /// Comes back under the same instance id, while its old self still sends heartbeats.
    async fn restart(&mut self) {
        let old = self.member();
        self.id.clear();
        for _ in 0..20 {
            if self.sim.silent.get() {
                return;
            }
            if self.join().await {
                self.sim.reach("classic: static members that restarted");
                for _ in 0..2 {
                    if beat(&self.sim, &old).await == Some(Ok(())) {
                        let told = format!("{} is alive beside {}", old.id, self.id);
                        self.sim.violate("one instance", told);
                    }
                }
                return self.live_on().await;
            }
            self.sim.sleep(100).await;
        }
    }

    /// As [`Client::live`], which began the restart.
    fn live_on(&mut self) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(self.live())
    }

    async fn ask(&self, command: Command) -> Option<Result<Reply, ErrorCode>> {
        call_in_order(&self.sim, ask_group(self.sim.clone(), command)).await
    }

    fn member(&self) -> Member {
        Member { group: self.group, id: self.id.clone(), instance: self.instance, epoch: self.generation }
    }

    fn join_command(&self) -> Command {
        let protocol =
            JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(subscription(self.protocols));
        let request = JoinGroupRequest::default()
            .with_group_id(GroupId(text(self.group)))
            .with_session_timeout_ms(SESSION_TIMEOUT_MS)
            .with_rebalance_timeout_ms(REBALANCE_TIMEOUT_MS)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.map(text))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        Command::Join(Box::new(JoinCommand {
            request,
            version: 9,
            client_id: self.name.into(),
            client_host: "/127.0.0.1".into(),
            unique: self.sim.uid().to_string(),
        }))
    }

    fn sync_command(&self, joined: &JoinGroupResponse) -> Command {
        let leads = *joined.leader == self.id && !joined.skip_assignment;
        let count = joined.members.len();
        let members = joined.members.iter().filter(|_| leads).enumerate();
        let assignments = members.map(|(index, member)| {
            let assignment = assignment(index, count, self.sim.uid());
            SyncGroupRequestAssignment::default().with_member_id(member.member_id.clone()).with_assignment(assignment)
        });
        let request = SyncGroupRequest::default()
            .with_group_id(GroupId(text(self.group)))
            .with_member_id(text(&self.id))
            .with_generation_id(self.generation)
            .with_group_instance_id(self.instance.map(text))
            .with_assignments(assignments.collect());
        Command::Sync(request)
    }
}

/// One heartbeat of a member, as it believes to be.
async fn beat(sim: &Sim, member: &Member) -> Option<Result<(), ErrorCode>> {
    let request = HeartbeatRequest::default()
        .with_group_id(GroupId(text(member.group)))
        .with_member_id(text(&member.id))
        .with_group_instance_id(member.instance.map(text))
        .with_generation_id(member.epoch);
    match call_in_order(sim, ask_group(sim.clone(), Command::Heartbeat(request))).await? {
        Ok(Reply::Heartbeat(reply)) => Some(handlers::checked(reply.error_code)),
        Ok(other) => unreachable!("a command is answered in kind, not by {other:?}"),
        Err(error) => Some(Err(error)),
    }
}

/// A consumer's subscription to all topics, with user data.
fn subscription(user_data: u64) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(TOPICS.len() as i32);
    for (topic, _) in TOPICS {
        bytes.put_i16(topic.len() as i16);
        bytes.put_slice(topic.as_bytes());
    }
    bytes.put_i32(8);
    bytes.put_u64(user_data);
    bytes.freeze()
}

/// A consumer's assignment: each `of`th partition from the `index`th on, with user data.
fn assignment(index: usize, of: usize, user_data: i64) -> Bytes {
    let all = TOPICS.iter().flat_map(|(topic, count)| (0..*count).map(move |partition| (*topic, partition)));
    let own: Vec<_> = all.skip(index).step_by(of.max(1)).collect();
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(own.len() as i32);
    for (topic, partition) in own {
        bytes.put_i16(topic.len() as i16);
        bytes.put_slice(topic.as_bytes());
        bytes.put_i32(1);
        bytes.put_i32(partition);
    }
    bytes.put_i32(8);
    bytes.put_i64(user_data);
    bytes.freeze()
}
