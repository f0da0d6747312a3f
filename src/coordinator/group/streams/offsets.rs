//! Who may commit and fetch the offsets of a streams group.

use super::super::consumer::Committer;
use super::group::StreamsGroup;
use crate::protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use crate::types::ErrorCode;

/// Before this version a request has no room for what members of streams groups need to be told.
const COMMITS_SINCE: i16 = 9;

impl StreamsGroup {
    /// Whether offsets may be committed for all these partitions, named by their topics. A member that lost an answer still
    /// names an earlier epoch: it may commit for the active tasks that it has had since then (KIP-1251).
    pub fn may_commit<'a>(
        &self,
        who: &Committer,
        mut partitions: impl Iterator<Item = (&'a str, i32)>,
    ) -> Result<(), ErrorCode> {
        if who.epoch < 0 && self.members.is_empty() {
            return Ok(());
        }
        let names_no_one = who.epoch == -1 && who.member_id.is_empty() && !who.is_static;
        if who.version.is_none() && names_no_one {
            return Ok(());
        }
        let member = self.members.get(who.member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if who.version.is_some_and(|version| version < COMMITS_SINCE) {
            return Err(ErrorCode::UnsupportedVersion);
        }
        if who.epoch == member.epoch() {
            return Ok(());
        }
        let topology = self.topology.as_ref().filter(|_| who.epoch < member.epoch());
        let topology = topology.ok_or(ErrorCode::StaleMemberEpoch)?;
        let (assigned, pending) = (&member.current.assigned, &member.current.pending_revocation);
        let owned_since = |(topic, partition)| {
            let reader = topology.reader_of(topic).map(|subtopology| subtopology.subtopology_id.as_str());
            let epoch_in = |id: &str| assigned.epoch_of(id, partition).or_else(|| pending.epoch_of(id, partition));
            reader.and_then(epoch_in).is_some_and(|epoch| epoch <= who.epoch)
        };
        if partitions.all(owned_since) { Ok(()) } else { Err(ErrorCode::StaleMemberEpoch) }
    }

    /// Whether the request may fetch offsets; one that names no member may.
    pub fn may_fetch(&self, request: &OffsetFetchRequestGroup) -> Result<(), ErrorCode> {
        if request.member_id.is_none() && request.member_epoch < 0 {
            return Ok(());
        }
        let member = self.members.get(request.member_id.as_deref().unwrap_or_default());
        let member = member.ok_or(ErrorCode::UnknownMemberId)?;
        if request.member_epoch == member.epoch() { Ok(()) } else { Err(ErrorCode::StaleMemberEpoch) }
    }
}
