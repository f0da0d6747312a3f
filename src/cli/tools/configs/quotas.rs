//! Quotas of users, clients and addresses, and credentials of users.

use std::sync::LazyLock;

use bytes::Bytes;
use regex::Regex;

use super::super::admin::text;
use super::super::{Output, hash_order};
use super::Failed;
use super::alter::Changes;
use super::entities::{CLIENTS, Entities, USERS};
use crate::client::{Client, ClientError, Target};
use crate::controller::ScramMechanism;
use crate::protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use crate::protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use crate::protocol::messages::describe_client_quotas_request::ComponentData;
use crate::protocol::messages::describe_client_quotas_response::EntryData as DescribedEntry;
use crate::protocol::messages::describe_user_scram_credentials_request::UserName;
use crate::protocol::messages::{
    AlterClientQuotasRequest, AlterUserScramCredentialsRequest, DescribeClientQuotasRequest,
    DescribeUserScramCredentialsRequest,
};
use crate::types::{ErrorCode, Uuid};

const ITERATIONS: i32 = 4096;

const MATCH_EXACT: i8 = 0;
const MATCH_DEFAULT: i8 = 1;
const MATCH_SPECIFIED: i8 = 2;

static CREDENTIAL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(?:iterations=(-?[0-9]*),)?password=(.*)$").expect("a pattern that is right"));

/// The name of an entity type on the wire.
fn wire_type(kind: &str) -> &'static str {
    match kind {
        USERS => "user",
        CLIENTS => "client-id",
        _ => "ip",
    }
}

pub(super) fn describe(client: &mut Client, entities: &Entities, output: &mut Output) -> Result<(), Failed> {
    for entry in described(client, entities)? {
        let part = |kind: &str, label: &str| {
            let found = entry.entity.iter().find(|entity| entity.entity_type.as_str() == kind)?;
            Some(match &found.entity_name {
                Some(name) => format!("{label} '{name}'"),
                None => format!("the default {label}"),
            })
        };
        let parts = [part("user", "user-principal"), part("client-id", "client-id"), part("ip", "ip")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let mut values: Vec<(String, f64)> =
            entry.values.iter().map(|value| (value.key.to_string(), value.value)).collect();
        let count = values.len();
        hash_order::sort(&mut values, Some(count), |(key, _)| hash_order::of_text(key));
        let values: Vec<String> = values.iter().map(|(key, value)| format!("{key}={}", java_double(*value))).collect();
        output.line(format!("Quota configs for {} are {}", parts.join(", "), values.join(", ")));
    }
    Ok(())
}

/// The quotas of the entities that match, in the order of Java's map.
fn described(client: &mut Client, entities: &Entities) -> Result<Vec<DescribedEntry>, Failed> {
    if entities.names.len() > entities.types.len() {
        return Err(Failed::Wrong("More entity names specified than entity types".to_owned()));
    }
    let component = |(at, kind): (usize, &String)| {
        let component = ComponentData::default().with_entity_type(text(wire_type(kind))).with_match(None);
        match entities.names.get(at).map(String::as_str) {
            Some("") => component.with_match_type(MATCH_DEFAULT),
            Some(name) => component.with_match_type(MATCH_EXACT).with_match(Some(text(name))),
            None => component.with_match_type(MATCH_SPECIFIED),
        }
    };
    let request = DescribeClientQuotasRequest::default()
        .with_components(entities.types.iter().enumerate().map(component).collect())
        .with_strict(true);
    let answer = client.call(Target::Any, "describeClientQuotas", &request, |answer| answer.error_code)?;
    ClientError::from_wire(answer.error_code, answer.error_message.as_deref())?;
    let mut entries = answer.entries.unwrap_or_default();
    let count = entries.len();
    hash_order::sort(&mut entries, Some(count), |entry| {
        let pair = |entity: &crate::protocol::messages::describe_client_quotas_response::EntityData| {
            let name = entity.entity_name.as_ref().map_or(0, |name| hash_order::of_text(name));
            hash_order::of_text(&entity.entity_type) ^ name
        };
        entry.entity.iter().map(pair).fold(31_i32, i32::wrapping_add)
    });
    Ok(entries)
}

/// A number as Java prints a double.
fn java_double(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN".to_owned()
        } else if value > 0.0 {
            "Infinity".into()
        } else {
            "-Infinity".into()
        };
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = if digits.contains('.') { digits.to_owned() } else { format!("{digits}.0") };
    format!("{digits}E{exponent}")
}

pub(super) fn alter(client: &mut Client, entities: &Entities, changes: &Changes) -> Result<(), Failed> {
    let present = described(client, entities)?;
    let present = present.first().map(|entry| entry.values.as_slice()).unwrap_or_default();
    let absent: Vec<&str> = changes
        .deleted
        .iter()
        .map(String::as_str)
        .filter(|key| !present.iter().any(|value| value.key.as_str() == *key))
        .collect();
    if !absent.is_empty() {
        return Err(Failed::Wrong(format!("Invalid config(s): {}", absent.join(","))));
    }
    let entity = |(kind, name): (&String, &String)| {
        EntityData::default()
            .with_entity_type(text(wire_type(kind)))
            .with_entity_name((!name.is_empty()).then(|| text(name)))
    };
    let mut operations = Vec::new();
    for (key, value) in &changes.added {
        let number: f64 =
            value.parse().map_err(|_| format!("Cannot parse quota configuration value for {key}: {value}"))?;
        operations.push(OpData::default().with_key(text(key)).with_value(number));
    }
    operations.extend(changes.deleted.iter().map(|key| OpData::default().with_key(text(key)).with_remove(true)));
    let entry = EntryData::default()
        .with_entity(entities.types.iter().zip(&entities.names).map(entity).collect())
        .with_ops(operations);
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    let answer = client.call(Target::Controller, "alterClientQuotas", &request, |answer| {
        super::super::admin::not_controller(answer.entries.iter().map(|entry| entry.error_code))
    })?;
    for entry in &answer.entries {
        ClientError::from_wire(entry.error_code, entry.error_message.as_deref())?;
    }
    Ok(())
}

/// Describes credentials of users, unless clients or the default user are asked for.
pub(super) fn describe_credentials(
    client: &mut Client,
    entities: &Entities,
    output: &mut Output,
) -> Result<(), Failed> {
    if entities.types.iter().any(|kind| kind == CLIENTS) || entities.names.iter().any(String::is_empty) {
        return Ok(());
    }
    let users = entities.names.iter().map(|name| UserName::default().with_name(text(name))).collect();
    let request = DescribeUserScramCredentialsRequest::default().with_users(Some(users));
    let fault = |answer: &crate::protocol::messages::DescribeUserScramCredentialsResponse| answer.error_code;
    let answer = client.call(Target::Any, "describeUserScramCredentials", &request, fault)?;
    ClientError::from_wire(answer.error_code, answer.error_message.as_deref())?;
    for result in &answer.results {
        match ClientError::from_wire(result.error_code, result.error_message.as_deref()) {
            Err(error) if error.code() == Some(ErrorCode::ResourceNotFound) => {}
            Err(error) => {
                return Err(error.into());
            }
            Ok(()) => {
                let infos = result.credential_infos.iter().map(|info| {
                    let mechanism = if info.mechanism == 1 { "SCRAM-SHA-256" } else { "SCRAM-SHA-512" };
                    format!("{mechanism}=iterations={}", info.iterations)
                });
                let infos: Vec<String> = infos.collect();
                let user = &result.user;
                output.line(format!("SCRAM credential configs for user-principal '{user}' are {}", infos.join(", ")));
            }
        }
    }
    Ok(())
}

pub(super) fn alter_credentials(client: &mut Client, user: &str, changes: &Changes) -> Result<(), Failed> {
    let mut upsertions = Vec::new();
    for (name, setting) in &changes.added {
        let (mechanism, code) = mechanism(name);
        let (iterations, password) = credential(name, setting)?;
        let salt = [Uuid::random().0, Uuid::random().0].concat();
        let salted = mechanism.salted_password(password.as_bytes(), &salt, iterations);
        upsertions.push(
            ScramCredentialUpsertion::default()
                .with_name(text(user))
                .with_mechanism(code)
                .with_iterations(iterations)
                .with_salt(Bytes::from(salt))
                .with_salted_password(Bytes::from(salted)),
        );
    }
    let deletion =
        |name: &String| ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(mechanism(name).1);
    let request = AlterUserScramCredentialsRequest::default()
        .with_deletions(changes.deleted.iter().map(deletion).collect())
        .with_upsertions(upsertions);
    let answer = client.call(Target::Controller, "alterUserScramCredentials", &request, |answer| {
        super::super::admin::not_controller(answer.results.iter().map(|result| result.error_code))
    })?;
    for result in &answer.results {
        ClientError::from_wire(result.error_code, result.error_message.as_deref())?;
    }
    Ok(())
}

fn mechanism(name: &str) -> (ScramMechanism, i8) {
    match name {
        "SCRAM-SHA-256" => (ScramMechanism::Sha256, 1),
        _ => (ScramMechanism::Sha512, 2),
    }
}

/// Reads `iterations=8192,password=secret`, of which the iterations may be left out.
fn credential<'a>(mechanism: &str, setting: &'a str) -> Result<(i32, &'a str), Failed> {
    let label = mechanism.replace('-', "_");
    let found = CREDENTIAL.captures(setting).ok_or_else(|| format!("Invalid credential property {label}={setting}"))?;
    let iterations = match found.get(1).map(|digits| digits.as_str()) {
        None | Some("-1") => ITERATIONS,
        Some(digits) => digits.parse().map_err(|_| format!("For input string: \"{digits}\""))?,
    };
    if iterations < ITERATIONS {
        return Err(Failed::Wrong(format!(
            "Iterations {iterations} is less than the minimum {ITERATIONS} required for {mechanism}"
        )));
    }
    Ok((iterations, found.get(2).map_or("", |password| password.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_javas() {
        for (value, text) in [
            (1024.0, "1024.0"),
            (2e7, "2.0E7"),
            (12_345_678.5, "1.23456785E7"),
            (0.0005, "5.0E-4"),
            (0.001, "0.001"),
            (0.0, "0.0"),
            (9_999_999.0, "9999999.0"),
        ] {
            assert_eq!(java_double(value), text);
        }
    }
}
