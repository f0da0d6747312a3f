//! Who may commit and fetch the offsets of a consumer group.

use super::group::ConsumerGroup;
use super::member::ConsumerMember;
use crate::protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use crate::types::{ErrorCode, TopicId};

/// Before this version a request has no room for what members of consumer groups need to be told.
const COMMITS_SINCE: i16 = 9;

/// Who wants to commit.
pub struct Committer<'a> {
    pub member_id: &'a str,
    /// Whether the request names an instance id.
    pub is_static: bool,
    pub epoch: i32,
    /// The version of the request; none within a transaction.
    pub version: Option<i16>,
}

impl ConsumerGroup {
    /// Whether offsets may be committed for all these partitions. A member that lost an answer still names an earlier epoch:
    /// it may commit to the partitions that it has owned since then (KIP-1251).
    pub fn may_commit(
        &self,
        who: &Committer,
        mut partitions: impl Iterator<Item = (TopicId, i32)>,
    ) -> Result<(), ErrorCode> {
        if who.epoch < 0 && self.members.is_empty() {
            return Ok(());
        }
        // Producers of before KIP-447 name no member.
        let names_no_one = who.epoch == -1 && who.member_id.is_empty() && !who.is_static;
        if who.version.is_none() && names_no_one {
            return Ok(());
        }
        let member = self.members.get(who.member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if !member.uses_classic_protocol() && who.version.is_some_and(|version| version < COMMITS_SINCE) {
            return Err(ErrorCode::UnsupportedVersion);
        }
        if who.epoch == member.epoch() {
            return Ok(());
        }
        let owned_since = |(topic, partition)| {
            member.current.epoch_of(topic, partition).is_some_and(|assigned| assigned <= who.epoch)
        };
        if who.epoch < member.epoch() && partitions.all(owned_since) { Ok(()) } else { Err(stale(member)) }
    }

    /// Whether the request may fetch offsets; one that names no member may.
    pub fn may_fetch(&self, request: &OffsetFetchRequestGroup) -> Result<(), ErrorCode> {
        if request.member_id.is_none() && request.member_epoch < 0 {
            return Ok(());
        }
        let member = self.members.get(request.member_id.as_deref().unwrap_or_default());
        let member = member.ok_or(ErrorCode::UnknownMemberId)?;
        if request.member_epoch == member.epoch() { Ok(()) } else { Err(stale(member)) }
    }
}

/// In the words of the member's protocol.
fn stale(member: &ConsumerMember) -> ErrorCode {
    match member.uses_classic_protocol() {
        true => ErrorCode::IllegalGeneration,
        false => ErrorCode::StaleMemberEpoch,
    }
}
