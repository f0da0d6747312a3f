//! DescribeAcls (29), as a broker without an authorizer answers it. Where one is configured and the operator has this node
//! ignore it, the ACLs that are kept are shown, as by the authorizer that wrote them.

use std::collections::BTreeMap;

use super::{Answer, Call, UNKNOWN_ACL_ELEMENT};
use crate::metadata::MetadataImage;
use crate::protocol::StrBytes;
use crate::protocol::kraft::AccessControlEntryRecord;
use crate::protocol::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use crate::protocol::messages::{DescribeAclsRequest, DescribeAclsResponse, ResponseKind};
use crate::types::ErrorCode;

/// What stands for every type, pattern, operation and permission.
const ANY: i8 = 1;
/// Every pattern that a resource's name falls under.
const MATCH: i8 = 2;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
/// The literal name that stands for all resources.
const WILDCARD: &str = "*";

pub(super) async fn handle(call: &Call<'_>, request: DescribeAclsRequest) -> Answer {
    let DescribeAclsRequest { resource_type_filter, pattern_type_filter, operation, permission_type, .. } = &request;
    if [*resource_type_filter, *pattern_type_filter, *operation, *permission_type].contains(&UNKNOWN_ACL_ELEMENT) {
        return Answer::Close("a DescribeAcls request holds unknown elements".into());
    }
    let mut response = DescribeAclsResponse::default();
    if call.node.config.broker().ignored_authorizer {
        response.resources = described(&call.node.image(), &request);
    } else {
        response.error_code = ErrorCode::SecurityDisabled.code();
        response.error_message = Some(StrBytes::from_static_str("No Authorizer is configured on the broker"));
    }
    ResponseKind::DescribeAcls(response).into()
}

/// The ACLs that the filter matches, by resource.
fn described(image: &MetadataImage, filter: &DescribeAclsRequest) -> Vec<DescribeAclsResource> {
    let mut resources: BTreeMap<(i8, &str, i8), Vec<AclDescription>> = BTreeMap::new();
    for acl in image.acls.values().filter(|acl| matches(filter, acl)) {
        let mut description = AclDescription::default();
        description.principal = StrBytes::from_string(acl.principal.clone());
        description.host = StrBytes::from_string(acl.host.clone());
        description.operation = acl.operation;
        description.permission_type = acl.permission_type;
        resources.entry((acl.resource_type, &acl.resource_name, acl.pattern_type)).or_default().push(description);
    }
    let described = resources.into_iter().map(|((resource_type, name, pattern_type), acls)| {
        let mut resource = DescribeAclsResource::default();
        resource.resource_type = resource_type;
        resource.resource_name = StrBytes::from_string(name.to_owned());
        resource.pattern_type = pattern_type;
        resource.acls = acls;
        resource
    });
    described.collect()
}

fn matches(filter: &DescribeAclsRequest, acl: &AccessControlEntryRecord) -> bool {
    let code = |wanted: i8, is: i8| wanted == ANY || wanted == is;
    let text = |wanted: &Option<StrBytes>, is: &str| wanted.as_ref().is_none_or(|wanted| **wanted == *is);
    code(filter.resource_type_filter, acl.resource_type)
        && names(filter, acl)
        && text(&filter.principal_filter, &acl.principal)
        && text(&filter.host_filter, &acl.host)
        && code(filter.operation, acl.operation)
        && code(filter.permission_type, acl.permission_type)
}

/// Whether the ACL's name and pattern are the ones asked for.
fn names(filter: &DescribeAclsRequest, acl: &AccessControlEntryRecord) -> bool {
    let pattern = filter.pattern_type_filter;
    if pattern != ANY && pattern != MATCH && pattern != acl.pattern_type {
        return false;
    }
    let Some(name) = filter.resource_name_filter.as_deref() else { return true };
    if pattern != MATCH {
        return name == acl.resource_name;
    }
    match acl.pattern_type {
        LITERAL => name == acl.resource_name || acl.resource_name == WILDCARD,
        PREFIXED => name.starts_with(&acl.resource_name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(pattern_type: i8, resource_name: &str, principal: &str) -> AccessControlEntryRecord {
        AccessControlEntryRecord {
            resource_type: 2,
            resource_name: resource_name.to_owned(),
            pattern_type,
            principal: principal.to_owned(),
            host: "*".to_owned(),
            operation: 3,
            permission_type: 3,
            ..Default::default()
        }
    }

    fn filter(pattern: i8, name: Option<&str>) -> DescribeAclsRequest {
        let mut filter = DescribeAclsRequest::default();
        filter.resource_type_filter = ANY;
        filter.resource_name_filter = name.map(|name| StrBytes::from_string(name.to_owned()));
        filter.pattern_type_filter = pattern;
        filter.principal_filter = None;
        filter.host_filter = None;
        filter.operation = ANY;
        filter.permission_type = ANY;
        filter
    }

    #[test]
    fn a_filter_matches_as_kafkas_does() {
        let kept = [acl(LITERAL, "abc", "User:a"), acl(LITERAL, "*", "User:a"), acl(PREFIXED, "ab", "User:b")];
        let check = |filter: &DescribeAclsRequest, expected: [bool; 3]| {
            assert_eq!(kept.each_ref().map(|acl| matches(filter, acl)), expected, "{filter:?}");
        };
        check(&filter(ANY, None), [true, true, true]);
        check(&filter(ANY, Some("abc")), [true, false, false]);
        check(&filter(MATCH, Some("abc")), [true, true, true]);
        check(&filter(MATCH, Some("axc")), [false, true, false]);
        check(&filter(LITERAL, Some("*")), [false, true, false]);
        check(&filter(PREFIXED, None), [false, false, true]);
        check(&filter(PREFIXED, Some("abc")), [false, false, false]);
        let mut by_user = filter(ANY, None);
        by_user.principal_filter = Some(StrBytes::from_static_str("User:b"));
        check(&by_user, [false, false, true]);
        by_user.operation = 4;
        check(&by_user, [false, false, false]);
    }
}
