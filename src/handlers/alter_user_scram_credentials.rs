//! AlterUserScramCredentials (51): sets and deletes SCRAM credentials.

use super::{Answer, Call};
use crate::controller::{Denied, ScramChange};
use crate::protocol::StrBytes;
use crate::protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use crate::protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use crate::protocol::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, ResponseKind};

pub(super) async fn handle(call: &Call<'_>, request: AlterUserScramCredentialsRequest) -> Answer {
    let deletions = request.deletions.into_iter().map(delete);
    let changes: Vec<ScramChange> = deletions.chain(request.upsertions.into_iter().map(set)).collect();
    let mut response = AlterUserScramCredentialsResponse::default();
    if changes.is_empty() {
        return ResponseKind::AlterUserScramCredentials(response).into();
    }
    let mut users: Vec<String> = changes.iter().map(|change| user(change).to_owned()).collect();
    let results = match call.node.controller.alter_scram(changes).await {
        Ok(results) => results,
        Err(error) => {
            let denied = super::not_submitted(&error);
            users.sort_unstable();
            users.dedup();
            users.into_iter().map(|user| (user, Err(denied.clone()))).collect()
        }
    };
    response.results = results.into_iter().map(|(user, outcome)| told(user, outcome)).collect();
    ResponseKind::AlterUserScramCredentials(response).into()
}

fn delete(deletion: ScramCredentialDeletion) -> ScramChange {
    ScramChange::Delete { user: deletion.name.to_string(), mechanism: deletion.mechanism }
}

fn set(upsertion: ScramCredentialUpsertion) -> ScramChange {
    ScramChange::Set {
        user: upsertion.name.to_string(),
        mechanism: upsertion.mechanism,
        iterations: upsertion.iterations,
        salt: upsertion.salt,
        salted_password: upsertion.salted_password,
    }
}

fn user(change: &ScramChange) -> &str {
    match change {
        ScramChange::Delete { user, .. } | ScramChange::Set { user, .. } => user,
    }
}

fn told(user: String, outcome: Result<(), Denied>) -> AlterUserScramCredentialsResult {
    let mut result = AlterUserScramCredentialsResult::default();
    result.user = StrBytes::from_string(user);
    result.error_message = None;
    if let Err(denied) = outcome {
        result.error_code = denied.code.code();
        result.error_message = denied.message.map(StrBytes::from_string);
    }
    result
}
