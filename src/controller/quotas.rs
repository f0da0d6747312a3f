//! Client quotas.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use crate::metadata::QuotaEntity;
use crate::protocol::kraft::{ClientQuotaRecord, EntityData, MetadataRecord};
use crate::types::ErrorCode;

use super::Denied;
use super::machine::{Controller, Decision};

/// Changes of one entity's quotas.
#[derive(Clone, PartialEq, Debug)]
pub struct QuotaAlteration {
    /// Type and name as they came: one type may be named twice, which is an error.
    pub entity: Vec<(String, Option<String>)>,
    /// None removes the quota.
    pub changes: Vec<(String, Option<f64>)>,
}

/// Which whole numbers a quota may be.
#[derive(Clone, Copy)]
enum Kind {
    Long,
    Int,
    Double,
}

const USER_AND_CLIENT: &[(&str, Kind)] = &[
    ("producer_byte_rate", Kind::Long),
    ("consumer_byte_rate", Kind::Long),
    ("request_percentage", Kind::Double),
    ("controller_mutation_rate", Kind::Double),
];
const IP: &[(&str, Kind)] = &[("connection_creation_rate", Kind::Int)];

impl Controller {
    /// Answers in the order of the entries.
    pub(super) fn alter_client_quotas(
        &self,
        entries: Vec<QuotaAlteration>,
        validate_only: bool,
    ) -> Decision<Vec<Result<(), Denied>>> {
        let mut records = Vec::new();
        let mut results = Vec::new();
        let mut seen = BTreeSet::new();
        for entry in entries {
            let result = self.alter_quotas_of(&entry, &mut seen).map(|new| records.extend(new));
            results.push(result);
        }
        if validate_only {
            records.clear();
        }
        (records, results)
    }

    fn alter_quotas_of(
        &self,
        entry: &QuotaAlteration,
        seen: &mut BTreeSet<QuotaEntity>,
    ) -> Result<Vec<MetadataRecord>, Denied> {
        let refuse = |message: String| Err(Denied::new(ErrorCode::InvalidRequest, message));
        let named: QuotaEntity = entry.entity.iter().cloned().collect();
        let changes: BTreeMap<&String, Option<f64>> = entry.changes.iter().map(|(key, value)| (key, *value)).collect();
        if !seen.insert(named.clone()) || changes.len() < entry.changes.len() {
            return refuse(format!("Ignoring duplicate entity {}", describe(&named)));
        }
        let entity = entity(&entry.entity)?;
        let keys = keys(&entity)?;
        let current = self.image.client_quotas.get(&entity);
        let mut records = Vec::new();
        for (key, value) in changes {
            let before = current.and_then(|quotas| quotas.get(key)).copied();
            if let Some(value) = value {
                check(keys, key, value)?;
            }
            if before == value {
                continue;
            }
            let parts =
                entity.iter().map(|(kind, name)| EntityData { entity_type: kind.clone(), entity_name: name.clone() });
            records.push(MetadataRecord::ClientQuota(ClientQuotaRecord {
                entity: parts.collect(),
                key: key.clone(),
                value: value.unwrap_or_default(),
                remove: value.is_none(),
            }));
        }
        Ok(records)
    }
}

fn entity(parts: &[(String, Option<String>)]) -> Result<QuotaEntity, Denied> {
    let refuse = |message: String| Err(Denied::new(ErrorCode::InvalidRequest, message));
    let mut entity = QuotaEntity::new();
    for (kind, name) in parts {
        if !matches!(kind.as_str(), "user" | "client-id" | "ip") {
            return refuse(format!("Unhandled client quota entity type: {kind}"));
        }
        if name.as_deref() == Some("") {
            return refuse(format!("Empty {kind} not supported"));
        }
        if entity.insert(kind.clone(), name.clone()).is_some() {
            return refuse(format!("Invalid client quota entity, duplicate entity entry {kind}"));
        }
    }
    match entity.is_empty() {
        true => refuse("Invalid empty client quota entity".to_owned()),
        false => Ok(entity),
    }
}

fn keys(entity: &QuotaEntity) -> Result<&'static [(&'static str, Kind)], Denied> {
    let Some(ip) = entity.get("ip") else { return Ok(USER_AND_CLIENT) };
    if entity.len() > 1 {
        let message = "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId";
        return Err(Denied::new(ErrorCode::InvalidRequest, message));
    }
    match ip {
        // Names would have to be resolved, which a decision must not wait for.
        Some(ip) if ip.parse::<IpAddr>().is_err() && ip != "localhost" => {
            let message = format!("{ip} is not a valid IP or resolvable host.");
            Err(Denied::new(ErrorCode::InvalidRequest, message))
        }
        Some(_) | None => Ok(IP),
    }
}

fn check(keys: &[(&str, Kind)], key: &str, value: f64) -> Result<(), Denied> {
    let refuse = |message: String| Err(Denied::new(ErrorCode::InvalidRequest, message));
    let Some((_, kind)) = keys.iter().find(|(name, _)| *name == key) else {
        return refuse(format!("Invalid configuration key {key}"));
    };
    // What is not a number passes, as in Kafka.
    if value <= 0.0 {
        return refuse(format!("Quota {key} must be greater than 0"));
    }
    let (max, name) = match kind {
        Kind::Double => return Ok(()),
        Kind::Int => (f64::from(i32::MAX), "an INT"),
        Kind::Long => (i64::MAX as f64, "a LONG"),
    };
    if value > max {
        return refuse(format!("Proposed value for {key} is too large for {name}."));
    }
    match (value % 1.0).abs() > 1e-6 {
        true => refuse(format!("{key} cannot be a fractional value.")),
        false => Ok(()),
    }
}

fn describe(entity: &QuotaEntity) -> String {
    let parts: Vec<String> =
        entity.iter().map(|(kind, name)| format!("{kind}={}", name.as_deref().unwrap_or("null"))).collect();
    format!("ClientQuotaEntity(entries={{{}}})", parts.join(", "))
}
