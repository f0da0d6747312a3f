//! AlterClientQuotas (49): sets and removes quotas of users, client ids and addresses.

use std::collections::BTreeMap;

use super::{Answer, Call};
use crate::controller::{Denied, QuotaAlteration};
use crate::metadata::QuotaEntity;
use crate::protocol::StrBytes;
use crate::protocol::messages::alter_client_quotas_request::EntryData;
use crate::protocol::messages::alter_client_quotas_response::{EntityData, EntryData as EntryResult};
use crate::protocol::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse, ResponseKind};

pub(super) async fn handle(call: &Call<'_>, request: AlterClientQuotasRequest) -> Answer {
    let entities: Vec<QuotaEntity> = request.entries.iter().map(entity).collect();
    let changes = request.entries.iter().zip(&entities).map(|(entry, entity)| alteration(entry, entity)).collect();
    let outcomes = match call.node.controller.alter_client_quotas((changes, request.validate_only)).await {
        Ok(outcomes) => outcomes,
        Err(error) => vec![Err(super::not_submitted(&error)); entities.len()],
    };
    // An entity is answered once, by what was said last.
    let mut order: Vec<&QuotaEntity> = Vec::new();
    let mut results: BTreeMap<&QuotaEntity, Result<(), Denied>> = BTreeMap::new();
    for (entity, outcome) in entities.iter().zip(outcomes) {
        if results.insert(entity, outcome).is_none() {
            order.push(entity);
        }
    }
    let mut response = AlterClientQuotasResponse::default();
    for entity in order {
        response.entries.extend(results.remove(entity).map(|outcome| told(entity, outcome)));
    }
    ResponseKind::AlterClientQuotas(response).into()
}

/// Whom an entry is about. Of a type that is named twice, the last name counts.
fn entity(entry: &EntryData) -> QuotaEntity {
    let part = |name: &Option<StrBytes>| name.as_ref().map(|name| name.to_string());
    entry.entity.iter().map(|data| (data.entity_type.to_string(), part(&data.entity_name))).collect()
}

fn alteration(entry: &EntryData, entity: &QuotaEntity) -> QuotaAlteration {
    QuotaAlteration {
        entity: entity.clone().into_iter().collect(),
        changes: entry.ops.iter().map(|op| (op.key.to_string(), (!op.remove).then_some(op.value))).collect(),
    }
}

fn told(entity: &QuotaEntity, outcome: Result<(), Denied>) -> EntryResult {
    let mut result = EntryResult::default();
    result.error_message = None;
    if let Err(denied) = outcome {
        result.error_code = denied.code.code();
        result.error_message = denied.message.map(StrBytes::from_string);
    }
    for (kind, name) in entity {
        let mut part = EntityData::default();
        part.entity_type = StrBytes::from_string(kind.clone());
        part.entity_name = name.clone().map(StrBytes::from_string);
        result.entity.push(part);
    }
    result
}
