//! What features begin with at a release, and what they depend on.

use super::super::feature_levels::{default_level, metadata_level, metadata_name, names, requirement};
use crate::metadata::MetadataVersion;

/// The lines for a release: the level of each feature that new clusters begin with.
pub(super) fn version_mapping(release: Option<&str>) -> Result<Vec<String>, String> {
    let latest = MetadataVersion::LATEST.to_string();
    let release = release.unwrap_or(&latest);
    let level = metadata_level(release)?;
    let mut lines = vec![format!("{}={level} ({release})", MetadataVersion::FEATURE)];
    lines.extend(names().into_iter().map(|name| format!("{name}={}", default_level(name, level))));
    Ok(lines)
}

/// The lines for one `feature=level`.
pub(super) fn dependencies(text: &str) -> Result<Vec<String>, String> {
    let Some((name, level)) = text.split_once('=').map(|(name, level)| (name.trim(), level.trim())) else {
        return Err(format!(
            "Invalid feature format: {text}. Expected format: 'feature=version' (e.g. 'group.version=1')"
        ));
    };
    let number: i16 = level.parse().map_err(|_| format!("Invalid version format: {level} for feature {name}"))?;
    if name == MetadataVersion::FEATURE {
        let version = metadata_name(number).ok_or(format!("Unknown metadata.version {number}"))?;
        return Ok(vec![format!("{name}={number} ({version}) has no dependencies.")]);
    }
    if !names().contains(&name) {
        return Err(format!("Unknown feature: {name}"));
    }
    let required =
        requirement(name, number).map_err(|_| format!("Feature level {number} is not supported for feature {name}"))?;
    Ok(match required {
        None => vec![format!("{name}={number} has no dependencies.")],
        Some(version) => vec![
            format!("{name}={number} requires:"),
            format!("    {}={} ({version})", MetadataVersion::FEATURE, version.level()),
        ],
    })
}

/// A release as `--release-version` names it.
pub(super) fn parse_release(text: &str) -> Result<MetadataVersion, String> {
    MetadataVersion::parse(text).ok_or_else(|| {
        let names = MetadataVersion::names();
        format!("Unknown metadata.version '{text}'. Supported metadata.version are: {names}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_begin_with_their_features() {
        let lines = version_mapping(Some("3.7")).unwrap();
        assert_eq!(lines[..2], ["metadata.version=19 (3.7)", "kraft.version=0"]);
        let lines = version_mapping(None).unwrap();
        assert_eq!(lines.len(), 7);
        assert_eq!(lines[..2], ["metadata.version=30 (4.3-IV0)", "kraft.version=1"]);
        assert!(lines.contains(&"eligible.leader.replicas.version=1".to_owned()));
        assert!(version_mapping(Some("9.9")).unwrap_err().starts_with("Unknown metadata.version '9.9'. Supported"));
    }

    #[test]
    fn dependencies_read_as_kafkas() {
        let of = |text: &str| dependencies(text).map(|lines| lines.join("|")).unwrap_or_else(|error| error);
        for (asked, said) in [
            ("transaction.version=2", "transaction.version=2 has no dependencies."),
            ("metadata.version=17", "metadata.version=17 (3.7-IV2) has no dependencies."),
            (
                "eligible.leader.replicas.version=1",
                "eligible.leader.replicas.version=1 requires:|    metadata.version=23 (4.0-IV1)",
            ),
            ("foo=1", "Unknown feature: foo"),
            ("group.version=9", "Feature level 9 is not supported for feature group.version"),
            ("group.version=x", "Invalid version format: x for feature group.version"),
            ("metadata.version=99", "Unknown metadata.version 99"),
            ("junk", "Invalid feature format: junk. Expected format: 'feature=version' (e.g. 'group.version=1')"),
        ] {
            assert_eq!(of(asked), said);
        }
    }
}
