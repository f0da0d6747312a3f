//! SCRAM credentials.

use std::collections::BTreeMap;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256, Sha512};

use crate::protocol::kraft::{MetadataRecord, RemoveUserScramCredentialRecord, UserScramCredentialRecord};
use crate::types::ErrorCode;

use super::Denied;
use super::machine::{Controller, Decision};

/// The most iterations that are taken.
const ITERATIONS_MAX: i32 = 16_384;
/// The fewest, for both mechanisms.
const ITERATIONS_MIN: i32 = 4_096;

/// A mechanism, by Kafka's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScramMechanism {
    Sha256,
    Sha512,
}

impl ScramMechanism {
    /// The mechanism of that number.
    pub fn from_code(code: i8) -> Option<ScramMechanism> {
        match code {
            1 => Some(ScramMechanism::Sha256),
            2 => Some(ScramMechanism::Sha512),
            _ => None,
        }
    }

    /// The password under salt and iterations: Hi() of RFC 5802.
    pub fn salted_password(self, password: &[u8], salt: &[u8], iterations: i32) -> Vec<u8> {
        fn hi<M: Mac + hmac::digest::KeyInit + Clone>(password: &[u8], salt: &[u8], iterations: i32) -> Vec<u8> {
            let keyed = <M as Mac>::new_from_slice(password).expect("any key length is taken");
            let mut round = keyed.clone().chain_update(salt).chain_update([0, 0, 0, 1]).finalize().into_bytes();
            let mut sum = round.to_vec();
            for _ in 1..iterations {
                round = keyed.clone().chain_update(&round).finalize().into_bytes();
                sum.iter_mut().zip(&round).for_each(|(sum, byte)| *sum ^= byte);
            }
            sum
        }
        match self {
            ScramMechanism::Sha256 => hi::<Hmac<Sha256>>(password, salt, iterations),
            ScramMechanism::Sha512 => hi::<Hmac<Sha512>>(password, salt, iterations),
        }
    }

    /// What the server keeps of a salted password: the stored key and the server key (RFC 5802).
    pub fn keys(self, salted_password: &[u8]) -> (Bytes, Bytes) {
        match self {
            ScramMechanism::Sha256 => {
                let mac = |text: &[u8]| {
                    let mac = Hmac::<Sha256>::new_from_slice(salted_password).expect("any key length is taken");
                    mac.chain_update(text).finalize().into_bytes()
                };
                (Bytes::from(Sha256::digest(mac(b"Client Key")).to_vec()), Bytes::from(mac(b"Server Key").to_vec()))
            }
            ScramMechanism::Sha512 => {
                let mac = |text: &[u8]| {
                    let mac = Hmac::<Sha512>::new_from_slice(salted_password).expect("any key length is taken");
                    mac.chain_update(text).finalize().into_bytes()
                };
                (Bytes::from(Sha512::digest(mac(b"Client Key")).to_vec()), Bytes::from(mac(b"Server Key").to_vec()))
            }
        }
    }
}

/// A change of one user's credential.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ScramChange {
    Delete { user: String, mechanism: i8 },
    Set { user: String, mechanism: i8, iterations: i32, salt: Bytes, salted_password: Bytes },
}

impl ScramChange {
    fn user(&self) -> &str {
        match self {
            ScramChange::Delete { user, .. } | ScramChange::Set { user, .. } => user,
        }
    }

    fn mechanism(&self) -> i8 {
        match self {
            ScramChange::Delete { mechanism, .. } | ScramChange::Set { mechanism, .. } => *mechanism,
        }
    }
}

impl Controller {
    /// One user may be changed once in a request, whatever the mechanism; the first thing wrong is what is told.
    pub(super) fn alter_scram(&self, changes: Vec<ScramChange>) -> Decision<Vec<(String, Result<(), Denied>)>> {
        let mut decided = BTreeMap::<String, Result<MetadataRecord, Denied>>::new();
        for change in changes {
            match decided.get_mut(change.user()) {
                None => drop(decided.insert(change.user().to_owned(), self.alter_credential(&change))),
                Some(Err(_)) => {}
                Some(outcome) => {
                    let message = "A user credential cannot be altered twice in the same request";
                    *outcome = Err(Denied::new(ErrorCode::DuplicateResource, message));
                }
            }
        }
        let mut records = Vec::new();
        let results = decided.into_iter().map(|(user, outcome)| (user, outcome.map(|record| records.push(record))));
        let results = results.collect();
        (records, results)
    }

    fn alter_credential(&self, change: &ScramChange) -> Result<MetadataRecord, Denied> {
        if !self.version().scram() {
            let message = "The current metadata.version does not support SCRAM";
            return Err(Denied::new(ErrorCode::UnsupportedVersion, message));
        }
        let unacceptable = |message: &str| Err(Denied::new(ErrorCode::UnacceptableCredential, message));
        if change.user().is_empty() {
            return unacceptable("Username must not be empty");
        }
        let Some(mechanism) = ScramMechanism::from_code(change.mechanism()) else {
            return Err(Denied::new(ErrorCode::UnsupportedSaslMechanism, "Unknown SCRAM mechanism"));
        };
        match change {
            ScramChange::Delete { user, mechanism } => {
                if !self.image.scram.get(mechanism).is_some_and(|users| users.contains_key(user)) {
                    let message = "Attempt to delete a user credential that does not exist";
                    return Err(Denied::new(ErrorCode::ResourceNotFound, message));
                }
                let (name, mechanism) = (user.clone(), *mechanism);
                Ok(MetadataRecord::RemoveUserScramCredential(RemoveUserScramCredentialRecord { name, mechanism }))
            }
            ScramChange::Set { iterations, .. } if *iterations < ITERATIONS_MIN => unacceptable("Too few iterations"),
            ScramChange::Set { iterations, .. } if *iterations > ITERATIONS_MAX => unacceptable("Too many iterations"),
            // No key can be made of nothing, over which Kafka fails without a word.
            ScramChange::Set { salted_password, .. } if salted_password.is_empty() => {
                Err(Denied { code: ErrorCode::UnknownServerError, message: None })
            }
            ScramChange::Set { user, mechanism: code, iterations, salt, salted_password } => {
                let (stored_key, server_key) = mechanism.keys(salted_password);
                Ok(MetadataRecord::UserScramCredential(UserScramCredentialRecord {
                    name: user.clone(),
                    mechanism: *code,
                    salt: salt.clone(),
                    stored_key,
                    server_key,
                    iterations: *iterations,
                }))
            }
        }
    }
}
