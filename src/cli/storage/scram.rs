//! `--add-scram`: the credentials that a directory is formatted with.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::controller::ScramMechanism;
use crate::protocol::kraft::{MetadataRecord, UserScramCredentialRecord};
use crate::types::Uuid;

/// Iterations where none are given, which is also the fewest that are taken.
const ITERATIONS: i32 = 4_096;
const ITERATIONS_MAX: i32 = 16_384;

/// The record for `SCRAM-SHA-256=[name=alice,password=alice-secret]`, or with `iterations`, `salt` and
/// `saltedpassword` in base 64. The messages are Kafka's.
pub(super) fn credential(argument: &str) -> Result<MetadataRecord, String> {
    let argument = argument.trim();
    let (name, settings) =
        argument.split_once('=').ok_or_else(|| format!("Failed to find equals sign in SCRAM argument '{argument}'"))?;
    let (mechanism, code, label) = match name {
        "SCRAM-SHA-256" => (ScramMechanism::Sha256, 1, "SCRAM_SHA_256"),
        "SCRAM-SHA-512" => (ScramMechanism::Sha512, 2, "SCRAM_SHA_512"),
        _ => return Err(format!("The add-scram mechanism {name} is not supported.")),
    };
    let settings = settings.strip_prefix('[').ok_or("Expected configuration string to start with [")?;
    let settings = settings.strip_suffix(']').ok_or("Expected configuration string to end with ]")?;
    let mut settings = components(settings)?;
    let name = settings.remove("name").ok_or("You must supply 'name' to add-scram")?;
    let salt = settings.remove("salt").map(|text| decode(text, "salt")).transpose()?;
    let iterations = match settings.remove("iterations") {
        None => ITERATIONS,
        Some(text) => text.parse().map_err(|_| format!("Failed to parse iterations count: {text}"))?,
    };
    let (password, salted) = (settings.remove("password"), settings.remove("saltedpassword"));
    if let Some((unknown, _)) = settings.first_key_value() {
        return Err(format!("Unknown SCRAM configurations: {unknown}"));
    }
    if iterations < ITERATIONS {
        return Err(format!("The 'iterations' value must be >= {ITERATIONS} for add-scram using {label}"));
    }
    if iterations > ITERATIONS_MAX {
        return Err(format!("The 'iterations' value must be <= {ITERATIONS_MAX} for add-scram using {label}"));
    }
    let (salt, salted_password) = match (password, salted) {
        (Some(password), _) => {
            let salt = salt.unwrap_or_else(random_salt);
            let salted = mechanism.salted_password(password.as_bytes(), &salt, iterations);
            (salt, salted)
        }
        (None, None) => return Err("You must supply one of 'password' or 'saltedpassword' to add-scram".to_owned()),
        (None, Some(salted)) => {
            let salt = salt.ok_or("You must supply 'salt' with 'saltedpassword' to add-scram")?;
            (salt, decode(salted, "saltedPassword")?)
        }
    };
    let (stored_key, server_key) = mechanism.keys(&salted_password);
    let (name, salt) = (name.to_owned(), Bytes::from(salt));
    let record = UserScramCredentialRecord { name, mechanism: code, salt, stored_key, server_key, iterations };
    Ok(MetadataRecord::UserScramCredential(record))
}

/// `a=b,c="d"` by key.
fn components(text: &str) -> Result<BTreeMap<&str, &str>, String> {
    let component = |component| {
        let (key, value): (&str, &str) = str::split_once(component, '=')
            .ok_or_else(|| format!("No equals sign found in SCRAM component: {component}"))?;
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        Ok((key, quoted.unwrap_or(value)))
    };
    text.split(',').map(component).collect()
}

fn decode(text: &str, what: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|_| format!("Failed to decode given {what}: {text}"))
}

/// As unguessable as two random ids.
fn random_salt() -> Vec<u8> {
    format!("{}{}", Uuid::random(), Uuid::random()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_becomes_the_keys_that_kafka_stores() {
        let salt = "cTdlc3kyZWxpNGU4MzFtb2N4dzBtcDdhag==";
        let made = credential(&format!("SCRAM-SHA-256=[name=alice,password=alice-secret,salt=\"{salt}\"]")).unwrap();
        let MetadataRecord::UserScramCredential(record) = made else { panic!("a credential") };
        assert_eq!((&*record.name, record.mechanism, record.iterations), ("alice", 1, 4096));
        assert_eq!(STANDARD.encode(&record.stored_key), "o0MTX8DMD/Z/P93Hb5PoxLGNL8fa047/JO2U86whw5U=");
        assert_eq!(STANDARD.encode(&record.server_key), "t8k91Mmd5Z12nR5jjLSlpYI+AC3+TOFf+L7DD4pkDms=");
        let given = "SCRAM-SHA-512=[name=bob,salt=\"MWx2NHBkbnc0ZndxN25vdGN4bTB5Y3A=\",\
             saltedpassword=\"mT0yyUUxnlJaC99HXgRTSYlbuqa4FSGtJCJfTMvjYCE=\",iterations=8192]";
        let MetadataRecord::UserScramCredential(record) = credential(given).unwrap() else { panic!("a credential") };
        assert_eq!((&*record.name, record.mechanism, record.iterations), ("bob", 2, 8192));
        assert!(STANDARD.encode(&record.stored_key).starts_with("OTJaI0xrVVArw2MNM35eGNVvo7ZObfdmB6j25TPoky/3TryB"));
    }

    #[test]
    fn what_is_wrong_is_told_as_kafka_tells_it() {
        for (argument, said) in [
            ("junk", "Failed to find equals sign in SCRAM argument 'junk'"),
            ("SCRAM-SHA-1=[name=a,password=b]", "The add-scram mechanism SCRAM-SHA-1 is not supported."),
            ("SCRAM-SHA-256=name=a", "Expected configuration string to start with ["),
            ("SCRAM-SHA-256=[name=a]", "You must supply one of 'password' or 'saltedpassword' to add-scram"),
            ("SCRAM-SHA-256=[password=a]", "You must supply 'name' to add-scram"),
            (
                "SCRAM-SHA-256=[name=a,password=x,iterations=1]",
                "The 'iterations' value must be >= 4096 for add-scram using SCRAM_SHA_256",
            ),
            ("SCRAM-SHA-256=[name=a,password=x,foo=1]", "Unknown SCRAM configurations: foo"),
            ("SCRAM-SHA-256=[name=a,saltedpassword=eA==]", "You must supply 'salt' with 'saltedpassword' to add-scram"),
        ] {
            assert_eq!(credential(argument).unwrap_err(), said);
        }
    }
}
