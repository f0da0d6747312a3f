//! DescribeClientQuotas (48): the quotas whose entity passes a filter.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Call};
use crate::controller::Denied;
use crate::metadata::QuotaEntity;
use crate::protocol::StrBytes;
use crate::protocol::messages::describe_client_quotas_request::ComponentData;
use crate::protocol::messages::describe_client_quotas_response::{EntityData, EntryData, ValueData};
use crate::protocol::messages::{DescribeClientQuotasRequest, DescribeClientQuotasResponse, ResponseKind};
use crate::types::ErrorCode;

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const SPECIFIED: i8 = 2;

pub(super) async fn handle(call: &Call<'_>, request: DescribeClientQuotasRequest) -> Answer {
    let mut response = DescribeClientQuotasResponse::default();
    match Filter::new(&request.components, request.strict) {
        Ok(filter) => {
            let image = call.node.image();
            let matching = image.client_quotas.iter().filter(|(entity, _)| filter.passes(entity));
            response.entries = Some(matching.map(|(entity, quotas)| entry(entity, quotas)).collect());
        }
        Err(denied) => {
            response.error_code = denied.code.code();
            response.error_message = denied.message.map(StrBytes::from_string);
            response.entries = None;
        }
    }
    ResponseKind::DescribeClientQuotas(response).into()
}

fn entry(entity: &QuotaEntity, quotas: &BTreeMap<String, f64>) -> EntryData {
    let mut entry = EntryData::default();
    for (kind, name) in entity {
        let mut part = EntityData::default();
        part.entity_type = StrBytes::from_string(kind.clone());
        part.entity_name = name.clone().map(StrBytes::from_string);
        entry.entity.push(part);
    }
    for (key, value) in quotas {
        let mut told = ValueData::default();
        told.key = StrBytes::from_string(key.clone());
        told.value = *value;
        entry.values.push(told);
    }
    entry
}

/// Which entities are asked for.
#[derive(Default)]
struct Filter {
    /// By entity type, the name that is wanted; None for the default entity.
    exact: BTreeMap<String, Option<String>>,
    /// The types that must be part of the entity, whatever the name.
    any: BTreeSet<String>,
    /// Other types must not be part of it.
    strict: bool,
}

impl Filter {
    fn new(components: &[ComponentData], strict: bool) -> Result<Filter, Denied> {
        let mut filter = Filter { strict, ..Filter::default() };
        components.iter().try_for_each(|component| filter.add(component))?;
        if filter.names(IP) && (filter.names(USER) || filter.names(CLIENT_ID)) {
            let message = "Invalid entity filter component combination. IP filter component should not be used with \
                           user or clientId filter component.";
            return Err(Denied::new(ErrorCode::InvalidRequest, message));
        }
        Ok(filter)
    }

    fn add(&mut self, component: &ComponentData) -> Result<(), Denied> {
        let invalid = |message: String| Err(Denied::new(ErrorCode::InvalidRequest, message));
        let kind = component.entity_type.to_string();
        if kind.is_empty() {
            return invalid("Invalid empty entity type.".to_owned());
        }
        if self.names(&kind) {
            return invalid(format!("Entity type {kind} cannot appear more than once in the filter."));
        }
        if ![USER, CLIENT_ID, IP].contains(&kind.as_str()) {
            return Err(Denied::new(ErrorCode::UnsupportedVersion, format!("Unsupported entity type {kind}")));
        }
        match (component.match_type, &component._match) {
            (EXACT, Some(name)) => drop(self.exact.insert(kind, Some(name.to_string()))),
            (EXACT, None) => {
                return invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.".to_owned());
            }
            (DEFAULT, None) => drop(self.exact.insert(kind, None)),
            (SPECIFIED, None) => drop(self.any.insert(kind)),
            (DEFAULT | SPECIFIED, Some(_)) => {
                let name = if component.match_type == DEFAULT { "DEFAULT" } else { "SPECIFIED" };
                return invalid(format!("Request specified MATCH_TYPE_{name}, but also specified a match string."));
            }
            (unknown, _) => return invalid(format!("Unknown match type {unknown}")),
        }
        Ok(())
    }

    fn names(&self, kind: &str) -> bool {
        self.exact.contains_key(kind) || self.any.contains(kind)
    }

    fn passes(&self, entity: &QuotaEntity) -> bool {
        (!self.strict || entity.len() == self.exact.len() + self.any.len())
            && self.exact.iter().all(|(kind, name)| entity.get(kind) == Some(name))
            && self.any.iter().all(|kind| entity.contains_key(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(kind: &'static str, match_type: i8, name: Option<&'static str>) -> ComponentData {
        let mut component = ComponentData::default();
        component.entity_type = StrBytes::from_static_str(kind);
        component.match_type = match_type;
        component._match = name.map(StrBytes::from_static_str);
        component
    }

    fn entity(parts: &[(&str, Option<&str>)]) -> QuotaEntity {
        parts.iter().map(|(kind, name)| ((*kind).to_owned(), name.map(str::to_owned))).collect()
    }

    #[test]
    fn filters_pass_what_they_name() {
        let alice = entity(&[(USER, Some("alice"))]);
        let everyone = entity(&[(USER, None)]);
        let client = entity(&[(USER, Some("alice")), (CLIENT_ID, None)]);
        let passed = |components: &[ComponentData], strict| {
            let filter = Filter::new(components, strict).unwrap();
            [&alice, &everyone, &client].map(|entity| filter.passes(entity))
        };
        assert_eq!(passed(&[], false), [true, true, true]);
        assert_eq!(passed(&[], true), [false, false, false]);
        assert_eq!(passed(&[component(USER, EXACT, Some("alice"))], false), [true, false, true]);
        assert_eq!(passed(&[component(USER, EXACT, Some("alice"))], true), [true, false, false]);
        assert_eq!(passed(&[component(USER, DEFAULT, None)], false), [false, true, false]);
        let both = [component(USER, SPECIFIED, None), component(CLIENT_ID, DEFAULT, None)];
        assert_eq!(passed(&both, true), [false, false, true]);
    }

    #[test]
    fn filters_that_mean_nothing_are_refused() {
        let refused = |components: &[ComponentData]| {
            let denied = Filter::new(components, false).err().unwrap();
            (denied.code, denied.message.unwrap())
        };
        let unsupported = (ErrorCode::UnsupportedVersion, "Unsupported entity type bogus".to_owned());
        assert_eq!(refused(&[component("bogus", SPECIFIED, None)]), unsupported);
        let twice = [component(USER, SPECIFIED, None), component(USER, DEFAULT, None)];
        assert_eq!(refused(&twice).1, "Entity type user cannot appear more than once in the filter.");
        assert_eq!(
            refused(&[component(USER, DEFAULT, Some("a"))]).1,
            "Request specified MATCH_TYPE_DEFAULT, but also specified a match string."
        );
        assert_eq!(refused(&[component(USER, 3, None)]).1, "Unknown match type 3");
        let mixed = [component(IP, SPECIFIED, None), component(USER, SPECIFIED, None)];
        assert_eq!(refused(&mixed).0, ErrorCode::InvalidRequest);
    }
}
