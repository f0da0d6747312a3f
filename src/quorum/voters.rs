//! Who votes, and where they can be reached.

use crate::protocol::kraft::{KRaftVersionFeature, Voter as VoterFields, VoterEndpoint, VotersRecord};
use crate::types::{BrokerId, DirectoryId};

/// A voter of the quorum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voter {
    pub id: BrokerId,
    /// The directory of the voter's metadata log; zero for static voters, who have none.
    pub directory_id: DirectoryId,
    /// Listener name, host and port.
    pub endpoints: Vec<(String, String, u16)>,
}

/// The voters, in order of their ids.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VoterSet {
    voters: Vec<Voter>,
}

impl VoterSet {
    /// The set of these voters.
    pub fn new(mut voters: Vec<Voter>) -> VoterSet {
        voters.sort_by_key(|voter| voter.id);
        VoterSet { voters }
    }

    /// The set that a record describes.
    pub fn from_record(record: &VotersRecord) -> VoterSet {
        let voters = record.voters.iter().map(|fields| Voter {
            id: BrokerId(fields.voter_id),
            directory_id: fields.voter_directory_id,
            endpoints: fields
                .endpoints
                .iter()
                .map(|place| (place.name.clone(), place.host.clone(), place.port))
                .collect(),
        });
        VoterSet::new(voters.collect())
    }

    /// The record that describes this set.
    pub fn to_record(&self) -> VotersRecord {
        let voters = self.voters.iter().map(|voter| VoterFields {
            voter_id: voter.id.0,
            voter_directory_id: voter.directory_id,
            endpoints: voter
                .endpoints
                .iter()
                .map(|(name, host, port)| VoterEndpoint { name: name.clone(), host: host.clone(), port: *port })
                .collect(),
            k_raft_version_feature: KRaftVersionFeature { min_supported_version: 0, max_supported_version: 1 },
        });
        VotersRecord { version: 0, voters: voters.collect() }
    }

    /// Parses `controller.quorum.voters`: `id@host:port`, separated by commas.
    pub fn parse_static(text: &str, listener: &str) -> Result<VoterSet, String> {
        let mut voters = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let parsed = entry.split_once('@').and_then(|(id, address)| {
                let (host, port) = address.rsplit_once(':')?;
                Some((id.parse().ok()?, host.to_owned(), port.parse().ok()?))
            });
            let Some((id, host, port)) = parsed else {
                return Err(format!("\"{entry}\" is not a voter: id@host:port is expected"));
            };
            voters.push(Voter {
                id: BrokerId(id),
                directory_id: DirectoryId::ZERO,
                endpoints: vec![(listener.to_owned(), host, port)],
            });
        }
        Ok(VoterSet::new(voters))
    }

    /// The voters, in order of their ids.
    pub fn voters(&self) -> &[Voter] {
        &self.voters
    }

    /// The voter of that id.
    pub fn voter(&self, id: BrokerId) -> Option<&Voter> {
        self.voters.iter().find(|voter| voter.id == id)
    }

    /// The same set with `voter` in the place of the one with its id.
    pub fn with(&self, voter: Voter) -> VoterSet {
        let others = self.voters.iter().filter(|other| other.id != voter.id).cloned();
        VoterSet::new(others.chain([voter.clone()]).collect())
    }
}
