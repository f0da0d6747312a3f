//! The election of a lone voter: which epoch begins, and which control records begin it.

use crate::protocol::kraft::{ControlRecord, KRaftVersionRecord, LeaderChangeMessage, LeaderChangeVoter};
use crate::types::{BrokerId, LeaderEpoch};

use super::{ElectionState, Voter, VoterSet};

/// What a node knows before it stands for election.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    pub node: &'a Voter,
    /// From the file.
    pub state: ElectionState,
    /// The epoch of the log's last batch.
    pub log_epoch: LeaderEpoch,
    pub kraft_version: i16,
    pub voters: &'a VoterSet,
    /// Whether the voters stand in the log or in a snapshot of it. They do not when they come from the file that formatting left.
    pub voters_in_log: bool,
}

/// A won election.
#[derive(Clone, PartialEq, Debug)]
pub struct Elected {
    /// To be synced before the records are appended.
    pub state: ElectionState,
    /// One control batch, the first of the epoch.
    pub records: Vec<ControlRecord>,
    pub voters: VoterSet,
}

/// Elects the candidate if its own vote is a majority. Every election raises the epoch above all it has seen.
pub fn elect(candidate: &Candidate<'_>) -> Result<Elected, String> {
    let node = candidate.node.id;
    let Some(registered) = candidate.voters.voter(node) else {
        return Err(format!(
            "node {node} is not a voter of its metadata quorum; the voters are {}",
            names(candidate.voters)
        ));
    };
    if candidate.voters.voters().len() > 1 {
        return Err(format!(
            "the metadata quorum has several voters ({}); only a quorum of one is served",
            names(candidate.voters)
        ));
    }
    let dynamic = candidate.kraft_version >= 1;
    if dynamic && registered.directory_id != candidate.node.directory_id {
        let (expected, found) = (registered.directory_id, candidate.node.directory_id);
        return Err(format!(
            "the voter of node {node} has its metadata log in directory {expected}, but this is directory {found}"
        ));
    }
    let latest = candidate.state.epoch.max(candidate.log_epoch).max(LeaderEpoch(0));
    let Some(epoch) = latest.0.checked_add(1).map(LeaderEpoch) else {
        return Err(format!("epoch {latest} is the last there can be; no election can follow it"));
    };
    let state = ElectionState { epoch, leader: Some(node), voted: None };
    let mut records = vec![leader_change(node)];
    let mut voters = candidate.voters.clone();
    if dynamic && (!candidate.voters_in_log || registered.endpoints != candidate.node.endpoints) {
        voters = voters.with(candidate.node.clone());
        records.push(ControlRecord::KRaftVersion(KRaftVersionRecord {
            version: 0,
            k_raft_version: candidate.kraft_version,
        }));
        records.push(ControlRecord::Voters(voters.to_record()));
    }
    Ok(Elected { state, records, voters })
}

/// Kafka writes version 0, whose voters have no directory, at every `kraft.version`.
fn leader_change(node: BrokerId) -> ControlRecord {
    let voter = || vec![LeaderChangeVoter { voter_id: node.0, ..Default::default() }];
    ControlRecord::LeaderChange(LeaderChangeMessage {
        version: 0,
        leader_id: node.0,
        voters: voter(),
        granting_voters: voter(),
    })
}

fn names(voters: &VoterSet) -> String {
    let names: Vec<String> = voters.voters().iter().map(|voter| voter.id.to_string()).collect();
    names.join(", ")
}
