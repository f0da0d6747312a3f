//! The file `quorum-state`: what a node must remember of elections across restarts.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use crate::types::{BrokerId, DirectoryId, LeaderEpoch};

use super::QuorumError;
use super::snapshot::write_durably;

/// The epoch a node is in, whom it follows there, and for whom it voted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ElectionState {
    pub epoch: LeaderEpoch,
    pub leader: Option<BrokerId>,
    pub voted: Option<(BrokerId, DirectoryId)>,
}

impl ElectionState {
    /// The file's name inside the metadata log's directory.
    pub const FILE: &str = "quorum-state";

    /// Before any election.
    pub const NONE: ElectionState = ElectionState { epoch: LeaderEpoch(0), leader: None, voted: None };

    /// Reads the file of either data version; None if there is no file.
    pub fn read(directory: &Path) -> Result<Option<ElectionState>, QuorumError> {
        let path = directory.join(ElectionState::FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(QuorumError::io("read", &path)(error)),
        };
        ElectionState::parse(&text).map(Some).map_err(|reason| QuorumError::damaged(&path, reason))
    }

    /// Parses the file's text.
    pub fn parse(text: &str) -> Result<ElectionState, String> {
        let json: Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let number = |key: &str| json.get(key).and_then(Value::as_i64).and_then(|value| i32::try_from(value).ok());
        let required = |key: &str| number(key).ok_or_else(|| format!("\"{key}\" is not a number"));
        let directory = match required("data_version")? {
            0 => DirectoryId::ZERO,
            1 => {
                let text = json.get("votedDirectoryId").and_then(Value::as_str).unwrap_or_default();
                text.parse().map_err(|_| format!("\"votedDirectoryId\" is not an id: {text}"))?
            }
            other => return Err(format!("data version {other} is not known; 0 and 1 are")),
        };
        let id = |number: i32| (number >= 0).then_some(BrokerId(number));
        Ok(ElectionState {
            epoch: LeaderEpoch(required("leaderEpoch")?),
            leader: id(required("leaderId")?),
            voted: id(number("votedId").unwrap_or(-1)).map(|voted| (voted, directory)),
        })
    }

    /// The text of data version 0 (with the voters, for `kraft.version` 0) or 1.
    pub fn to_json(&self, kraft_version: i16, voters: &[BrokerId]) -> String {
        let id = |id: Option<BrokerId>| id.map_or(-1, |id| id.0);
        let (leader, epoch, voted) = (id(self.leader), self.epoch, id(self.voted.map(|voted| voted.0)));
        if kraft_version >= 1 {
            let directory = self.voted.map_or(DirectoryId::ZERO, |voted| voted.1);
            return format!(
                "{{\"leaderId\":{leader},\"leaderEpoch\":{epoch},\"votedId\":{voted},\"votedDirectoryId\":\"{directory}\",\"data_version\":1}}"
            );
        }
        let voters: Vec<String> = voters.iter().map(|id| format!("{{\"voterId\":{id}}}")).collect();
        let voters = voters.join(",");
        format!(
            "{{\"clusterId\":\"\",\"leaderId\":{leader},\"leaderEpoch\":{epoch},\"votedId\":{voted},\"appliedOffset\":0,\
             \"currentVoters\":[{voters}],\"data_version\":0}}"
        )
    }

    /// Replaces the file and syncs it.
    pub fn write(&self, directory: &Path, kraft_version: i16, voters: &[BrokerId]) -> Result<(), QuorumError> {
        write_durably(&directory.join(ElectionState::FILE), self.to_json(kraft_version, voters).as_bytes())
    }
}
