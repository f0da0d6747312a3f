//! Configs, quotas and credentials altered.

use fancy_regex::Regex;

use super::super::admin::{alter_configs, properties, resource};
use super::super::{Arguments, Output, Stop, hash_order};
use super::describe::configs_of;
use super::entities::{BROKER_LOGGERS, BROKERS, CLIENT_METRICS, CLIENTS, Entities, GROUPS, IPS, TOPICS, USERS};
use super::{Failed, quotas};
use crate::client::Client;

/// Configs of users and clients that are quotas.
const QUOTAS: [&str; 4] =
    ["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"];
const IP_QUOTAS: [&str; 1] = ["connection_creation_rate"];
const MECHANISMS: [&str; 2] = ["SCRAM-SHA-256", "SCRAM-SHA-512"];

/// What to set and what to remove.
pub(super) struct Changes {
    pub added: Vec<(String, String)>,
    pub deleted: Vec<String>,
}

pub(super) fn alter(
    client: &mut Client,
    arguments: &Arguments,
    entities: &Entities,
    output: &mut Output,
) -> Result<(), Failed> {
    let changes = Changes::read(arguments)?;
    let kind = entities.kind();
    let name = entities.names.first().map_or("", String::as_str);
    match kind {
        TOPICS => alter_resource(client, resource::TOPIC, name, &changes)?,
        CLIENT_METRICS => alter_resource(client, resource::CLIENT_METRICS, name, &changes)?,
        BROKERS => alter_resource(client, resource::BROKER, name, &changes)?,
        GROUPS => alter_resource(client, resource::GROUP, name, &changes)?,
        BROKER_LOGGERS => {
            changes.check_loggers(client, name)?;
            alter_resource(client, resource::BROKER_LOGGER, name, &changes)?;
        }
        USERS | CLIENTS => alter_users_and_clients(client, entities, &changes)?,
        _ => {
            let names = changes.added.iter().map(|(key, _)| key).chain(&changes.deleted);
            let unknown: Vec<&str> = names.map(String::as_str).filter(|key| !IP_QUOTAS.contains(key)).collect();
            if !unknown.is_empty() {
                return Err(Failed::Wrong(format!(
                    "Only connection quota configs can be added for '{IPS}' using --bootstrap-server. Unexpected config \
                     names: {}",
                    unknown.join(",")
                )));
            }
            quotas::alter(client, entities, &changes)?;
        }
    }
    match name.is_empty() {
        true => output.line(format!("Completed updating default config for {kind} in the cluster.")),
        false => output.line(format!("Completed updating config for {} {name}.", &kind[..kind.len() - 1])),
    }
    Ok(())
}

impl Changes {
    fn read(arguments: &Arguments) -> Result<Changes, Failed> {
        let mut added: Vec<(String, String)> = Vec::new();
        let mut set = |key: &str, value: &str| {
            added.retain(|(present, _)| present != key);
            added.push((key.to_owned(), value.to_owned()));
        };
        if let Some(file) = arguments.value("add-config-file")? {
            let read = properties(Some(file)).map_err(|stop| match stop {
                Stop::Message(message) => Failed::Thrown(format!("java.nio.file.NoSuchFileException: {message}")),
                _ => Failed::Wrong(file.to_owned()),
            })?;
            read.iter().for_each(|(key, value)| set(key, value));
        }
        if let Some(list) = arguments.value("add-config")? {
            for (key, value) in pairs(list)? {
                set(&key, &value);
            }
        }
        hash_order::sort(&mut added, Some(16), |(key, _)| hash_order::of_text(key));
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "$._-".contains(c);
        if let Some((key, _)) = added.iter().find(|(key, _)| !key.chars().all(is_allowed)) {
            return Err(Failed::Wrong(format!("Invalid character found for config key: {key}")));
        }
        let lists = arguments.values("delete-config");
        let deleted = lists.iter().flat_map(|list| list.split(',')).map(|key| key.trim().to_owned()).collect();
        Ok(Changes { added, deleted })
    }

    fn check_loggers(&self, client: &mut Client, broker: &str) -> Result<(), Failed> {
        let known = configs_of(client, BROKER_LOGGERS, broker, false, false)?;
        let wanted = self.deleted.iter().chain(self.added.iter().map(|(key, _)| key));
        let unknown: Vec<&str> = wanted
            .map(String::as_str)
            .filter(|logger| !known.iter().any(|config| config.name.as_str() == *logger))
            .collect();
        match unknown.is_empty() {
            true => Ok(()),
            false => Err(Failed::Wrong(format!("Invalid broker logger(s): {}", unknown.join(",")))),
        }
    }
}

/// Reads `k1=v1,k2=[v2,v3]`. A comma or an equals sign in brackets separates nothing; the brackets are dropped.
fn pairs(list: &str) -> Result<Vec<(String, String)>, Failed> {
    let outside = r"(?=[^\]]*(?:\[|$))";
    let split = |pattern: String, text: &str| -> Vec<String> {
        let separator = Regex::new(&pattern).expect("a pattern that is right");
        separator.split(text).filter_map(Result::ok).map(str::to_owned).collect()
    };
    let mut pairs = Vec::new();
    let parts = split(format!(",{outside}"), list.trim_end_matches(','));
    for part in parts {
        let sides = split(format!(r"\s*=\s*{outside}"), &part);
        let [key, value] = &sides[..] else {
            return Err(Failed::Wrong(
                "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\" or  \
                 \"key=[val1,val2]\" to group values which contain commas."
                    .to_owned(),
            ));
        };
        pairs.push((key.trim().to_owned(), value.replace(['[', ']'], "").trim().to_owned()));
    }
    Ok(pairs)
}

fn alter_resource(client: &mut Client, kind: i8, name: &str, changes: &Changes) -> Result<(), Failed> {
    let deleted = changes.deleted.iter().map(|key| (key.clone(), None));
    let added = changes.added.iter().map(|(key, value)| (key.clone(), Some(value.clone())));
    Ok(alter_configs(client, kind, name, &deleted.chain(added).collect::<Vec<_>>())?)
}

fn alter_users_and_clients(client: &mut Client, entities: &Entities, changes: &Changes) -> Result<(), Failed> {
    let is_quota = |key: &str| QUOTAS.contains(&key);
    let is_scram = |key: &str| MECHANISMS.contains(&key);
    let added: Vec<&str> = changes.added.iter().map(|(key, _)| key.as_str()).collect();
    let deleted: Vec<&str> = changes.deleted.iter().map(String::as_str).collect();
    let is_of_client = entities.kind() == CLIENTS || entities.types.len() == 2;
    let (owner, what) = match is_of_client {
        true => (CLIENTS, "quota configs"),
        false => (USERS, "quota and SCRAM credential configs"),
    };
    let unknown = |keys: &[&str]| {
        let mut unknown: Vec<String> =
            keys.iter().filter(|key| !is_quota(key) && !is_scram(key)).map(|key| key.to_string()).collect();
        if is_of_client {
            unknown.extend(keys.iter().filter(|key| is_scram(key)).map(|key| key.to_string()));
        }
        unknown
    };
    for (keys, done, collection) in [(&added, "added", "Set"), (&deleted, "deleted", "ArrayBuffer")] {
        let unknown = unknown(keys);
        if !unknown.is_empty() {
            return Err(Failed::Wrong(format!(
                "Only {what} can be {done} for '{owner}' using --bootstrap-server. Unexpected config names: \
                 {collection}({})",
                unknown.join(", ")
            )));
        }
    }
    let any = |wanted: &dyn Fn(&str) -> bool| added.iter().chain(&deleted).any(|key| wanted(key));
    if !is_of_client && any(&is_scram) {
        if entities.names.iter().any(String::is_empty) {
            return Err(Failed::Wrong(
                "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using \
                 --bootstrap-server."
                    .to_owned(),
            ));
        }
        if any(&is_quota) {
            return Err(Failed::Wrong(
                "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using \
                 --bootstrap-server."
                    .to_owned(),
            ));
        }
    }
    match any(&is_quota) {
        true => quotas::alter(client, entities, changes),
        false => quotas::alter_credentials(client, &entities.names[0], changes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_kafkas() {
        let read = |list: &str| pairs(list).ok();
        let owned = |list: &[(&str, &str)]| {
            Some(list.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect::<Vec<_>>())
        };
        assert_eq!(read("a=1, b = 2,c=[3,4=5],d="), owned(&[("a", "1"), ("b", "2"), ("c", "3,4=5"), ("d", "")]));
        assert_eq!(
            read("S=[iterations=1,password=x],T=[y=z]"),
            owned(&[("S", "iterations=1,password=x"), ("T", "y=z")])
        );
        assert!(read("a").is_none() && read("a=b=c").is_none() && read("a=1,b").is_none());
    }
}
