//! DescribeUserScramCredentials (50): mechanisms and iterations, never the keys.

use std::collections::BTreeMap;

use super::{Answer, Call};
use crate::metadata::MetadataImage;
use crate::protocol::StrBytes;
use crate::protocol::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use crate::protocol::messages::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, ResponseKind,
};
use crate::types::ErrorCode;

pub(super) async fn handle(call: &Call<'_>, request: DescribeUserScramCredentialsRequest) -> Answer {
    let image = call.node.image();
    let users = request.users.unwrap_or_default();
    // By user, how often it is asked for.
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for user in users {
        *asked.entry(user.name.to_string()).or_default() += 1;
    }
    if asked.is_empty() {
        asked.extend(image.scram.values().flat_map(BTreeMap::keys).map(|user| (user.clone(), 1)));
    }
    let mut response = DescribeUserScramCredentialsResponse::default();
    response.results = asked.into_iter().map(|(user, times)| describe(&image, user, times > 1)).collect();
    ResponseKind::DescribeUserScramCredentials(response).into()
}

fn describe(image: &MetadataImage, user: String, repeated: bool) -> DescribeUserScramCredentialsResult {
    let mut result = DescribeUserScramCredentialsResult::default();
    let refuse = |result: &mut DescribeUserScramCredentialsResult, code: ErrorCode, message: String| {
        result.error_code = code.code();
        result.error_message = Some(StrBytes::from_string(message));
    };
    if repeated {
        let message = format!("Cannot describe SCRAM credentials for the same user twice in a single request: {user}");
        refuse(&mut result, ErrorCode::DuplicateResource, message);
    } else {
        for (mechanism, users) in image.scram.iter() {
            if let Some(credential) = users.get(&user) {
                let mut info = CredentialInfo::default();
                info.mechanism = *mechanism;
                info.iterations = credential.iterations;
                result.credential_infos.push(info);
            }
        }
        if result.credential_infos.is_empty() {
            let message = format!("Attempt to describe a user credential that does not exist: {user}");
            refuse(&mut result, ErrorCode::ResourceNotFound, message);
        }
    }
    result.user = StrBytes::from_string(user);
    result
}
