//! RemoveRaftVoter (81). The last voter cannot be removed, and there is no other.

use std::fmt;

use super::{Answer, Call};
use crate::controller::Denied;
use crate::protocol::StrBytes;
use crate::protocol::messages::{RemoveRaftVoterRequest, RemoveRaftVoterResponse, ResponseKind};
use crate::quorum::VoterSet;
use crate::types::{BrokerId, DirectoryId, ErrorCode, Uuid};

pub(super) async fn handle(call: &Call<'_>, request: RemoveRaftVoterRequest) -> Answer {
    let denied = refusal(call, &request);
    let mut response = RemoveRaftVoterResponse::default();
    response.error_code = denied.code.code();
    response.error_message = denied.message.map(StrBytes::from_string);
    ResponseKind::RemoveRaftVoter(response).into()
}

fn refusal(call: &Call<'_>, request: &RemoveRaftVoterRequest) -> Denied {
    if let Err(denied) = check_cluster(call, request.cluster_id.as_deref()) {
        return denied;
    }
    let key = ReplicaKey { id: BrokerId(request.voter_id), directory_id: request.voter_directory_id.into() };
    if !key.is_valid() {
        return Denied::new(ErrorCode::InvalidRequest, "Remove voter request didn't include a valid voter");
    }
    let info = call.node.quorum.info();
    if info.kraft_version < 1 {
        let message = format!(
            "Cluster doesn't support removing voter because the kraft.version feature is {}",
            info.kraft_version
        );
        return Denied::new(ErrorCode::UnsupportedVersion, message);
    }
    let message = format!("Cannot remove voter {key} from the set of voters {}", keys(&info.voters));
    Denied::new(ErrorCode::VoterNotFound, message)
}

/// Refuses a request that names another cluster.
pub(super) fn check_cluster(call: &Call<'_>, cluster_id: Option<&str>) -> Result<(), Denied> {
    let own = &*call.node.cluster_id;
    match cluster_id {
        Some(given) if given != own => {
            let message = format!("The given id \"{given}\" doesn't match the cluster id \"{own}\"");
            Err(Denied::new(ErrorCode::InconsistentClusterId, message))
        }
        Some(_) | None => Ok(()),
    }
}

/// The voters as messages name them.
pub(super) fn keys(voters: &VoterSet) -> String {
    let key = |voter: &crate::quorum::Voter| ReplicaKey { id: voter.id, directory_id: voter.directory_id }.to_string();
    format!("[{}]", voters.voters().iter().map(key).collect::<Vec<_>>().join(", "))
}

/// A replica of the metadata log: which node, and which directory of it.
pub(super) struct ReplicaKey {
    pub id: BrokerId,
    pub directory_id: DirectoryId,
}

impl ReplicaKey {
    /// Whether both parts are given.
    pub fn is_valid(&self) -> bool {
        self.id.0 >= 0 && self.directory_id != Uuid::ZERO
    }
}

impl fmt::Display for ReplicaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id;
        match self.directory_id {
            Uuid::ZERO => write!(f, "ReplicaKey(id={id}, directoryId=<undefined>)"),
            directory_id => write!(f, "ReplicaKey(id={id}, directoryId={directory_id})"),
        }
    }
}
