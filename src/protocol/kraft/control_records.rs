//! The values of the metadata log's control records.

use crate::protocol::message::message;
use crate::types::Uuid;

message! {
    /// The first record of an epoch: who leads it.
    pub struct LeaderChangeMessage(0..=1, flexible 0) {
        version: i16;
        leader_id: i32;
        voters: Vec<LeaderChangeVoter>;
        granting_voters: Vec<LeaderChangeVoter>;
    }

    /// A voter as the leader change names it.
    pub struct LeaderChangeVoter {
        voter_id: i32;
        voter_directory_id: Uuid [since 1];
    }

    /// The first record of a snapshot.
    pub struct SnapshotHeaderRecord(0..=0, flexible 0) {
        version: i16;
        last_contained_log_timestamp: i64;
    }

    /// The last record of a snapshot.
    pub struct SnapshotFooterRecord(0..=0, flexible 0) {
        version: i16;
    }

    /// The quorum protocol has been finalised at a version.
    pub struct KRaftVersionRecord(0..=0, flexible 0) {
        version: i16;
        k_raft_version: i16;
    }

    /// The set of voters (KIP-853).
    pub struct VotersRecord(0..=0, flexible 0) {
        version: i16;
        voters: Vec<Voter>;
    }

    /// A voter with everything needed to reach it.
    pub struct Voter {
        voter_id: i32;
        voter_directory_id: Uuid;
        endpoints: Vec<VoterEndpoint>;
        k_raft_version_feature: KRaftVersionFeature;
    }

    /// A listener of a voter.
    pub struct VoterEndpoint {
        name: String;
        host: String;
        port: u16;
    }

    /// The versions of the quorum protocol a voter supports.
    pub struct KRaftVersionFeature {
        min_supported_version: i16;
        max_supported_version: i16;
    }
}
