//! AddRaftVoter (80). This node is the quorum's only voter and stays it, so every request is refused; those that Kafka
//! would refuse too, in Kafka's words.

use super::remove_raft_voter::{self, ReplicaKey};
use super::{Answer, Call};
use crate::controller::Denied;
use crate::protocol::StrBytes;
use crate::protocol::messages::{AddRaftVoterRequest, AddRaftVoterResponse, ResponseKind};
use crate::types::{BrokerId, ErrorCode};

pub(super) async fn handle(call: &Call<'_>, request: AddRaftVoterRequest) -> Answer {
    let denied = refusal(call, &request);
    let mut response = AddRaftVoterResponse::default();
    response.error_code = denied.code.code();
    response.error_message = denied.message.map(StrBytes::from_string);
    ResponseKind::AddRaftVoter(response).into()
}

fn refusal(call: &Call<'_>, request: &AddRaftVoterRequest) -> Denied {
    if let Err(denied) = remove_raft_voter::check_cluster(call, request.cluster_id.as_deref()) {
        return denied;
    }
    let key = ReplicaKey { id: BrokerId(request.voter_id), directory_id: request.voter_directory_id.into() };
    if !key.is_valid() {
        return Denied::new(ErrorCode::InvalidRequest, "Add voter request didn't include a valid voter");
    }
    let config = call.node.config.broker();
    let listener = config.controller_listener_names.first().map(String::as_str).unwrap_or_default();
    if !request.listeners.iter().any(|endpoint| *endpoint.name == *listener) {
        let told = |name: &str, host: &str, port: u16| format!("ListenerName({name})={host}/<unresolved>:{port}");
        let endpoints: Vec<String> =
            request.listeners.iter().map(|place| told(&place.name, &place.host, place.port)).collect();
        let message = format!(
            "Add voter request didn't include the endpoint (Endpoints(endpoints={{{}}})) for the default listener \
             ListenerName({listener})",
            endpoints.join(", ")
        );
        return Denied::new(ErrorCode::InvalidRequest, message);
    }
    let info = call.node.quorum.info();
    if info.kraft_version < 1 {
        let message =
            format!("Cluster doesn't support adding voter because the kraft.version feature is {}", info.kraft_version);
        return Denied::new(ErrorCode::UnsupportedVersion, message);
    }
    if info.voters.voter(key.id).is_some() {
        let voters = remove_raft_voter::keys(&info.voters);
        let message = format!("The voter id for {key} is already part of the set of voters {voters}.");
        return Denied::new(ErrorCode::DuplicateVoter, message);
    }
    Denied::new(ErrorCode::UnsupportedVersion, "This node is the only voter of its quorum: voters cannot be added.")
}
