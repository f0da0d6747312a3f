//! What `kafka-features.sh` knows of levels without asking a cluster.

use super::super::{Output, Stop, hash_order};
use crate::cli::feature_levels::{default_level, metadata_level, metadata_name, names, parse, requirement};
use crate::metadata::MetadataVersion;

/// A feature's level as it is told.
pub(super) fn level_text(name: &str, level: i16) -> String {
    match name == MetadataVersion::FEATURE {
        true => metadata_name(level).unwrap_or(format!("UNKNOWN {level}")),
        false => level.to_string(),
    }
}

/// `metadata.version` at that release.
pub(super) fn of_metadata(release: &str) -> Result<(String, i16), String> {
    Ok((MetadataVersion::FEATURE.to_owned(), metadata_level(release)?))
}

/// All features at the levels of a release. An upgrade leaves out those at level 0.
pub(super) fn of_release(release: &str, upgrade: bool) -> Result<Vec<(String, i16)>, String> {
    let metadata = of_metadata(release)?;
    let defaults = names().into_iter().map(|name| (name.to_owned(), default_level(name, metadata.1)));
    let mut levels: Vec<(String, i16)> = defaults.filter(|(_, level)| !upgrade || *level > 0).collect();
    levels.insert(0, metadata);
    hash_order::sort(&mut levels, None, |(name, _)| hash_order::of_text(name));
    Ok(levels)
}

/// Prints the levels of a release.
pub(super) fn version_mapping(release: Option<&str>, output: &mut Output) -> Result<(), Stop> {
    let latest = MetadataVersion::LATEST.to_string();
    let release = release.unwrap_or(&latest);
    let (name, level) = of_metadata(release).map_err(Stop::Message)?;
    output.line(format!("{name}={level} ({release})"));
    for name in names() {
        output.line(format!("{name}={}", default_level(name, level)));
    }
    Ok(())
}

/// Prints what levels depend on.
pub(super) fn dependencies(features: &[&str], output: &mut Output) -> Result<(), Stop> {
    for text in features {
        for line in dependencies_of(text).map_err(Stop::Message)? {
            output.line(line);
        }
    }
    Ok(())
}

fn dependencies_of(text: &str) -> Result<Vec<String>, String> {
    let (name, level) = parse(text)?;
    if name == MetadataVersion::FEATURE {
        let version = metadata_name(level).ok_or(format!("Unknown metadata.version {level}"))?;
        return Ok(vec![format!("{name}={level} ({version}) has no dependencies.")]);
    }
    if !names().contains(&name.as_str()) {
        return Err(format!("Unknown feature: {name}"));
    }
    let required = requirement(&name, level).map_err(|_| format!("No feature:{name} with feature level {level}"))?;
    Ok(match required {
        None => vec![format!("{name}={level} has no dependencies.")],
        Some(version) => vec![
            format!("{name}={level} requires:"),
            format!("    {}={} ({version})", MetadataVersion::FEATURE, version.level()),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_read_as_kafkas() {
        for (asked, said) in [
            ("transaction.version=2", "transaction.version=2 has no dependencies."),
            ("metadata.version=31", "metadata.version=31 (4.4-IV0) has no dependencies."),
            (
                "eligible.leader.replicas.version=1",
                "eligible.leader.replicas.version=1 requires:|    metadata.version=23 (4.0-IV1)",
            ),
            ("x=1", "Unknown feature: x"),
            ("group.version=7", "No feature:group.version with feature level 7"),
            ("group.version=x", "Can't parse feature=level string group.version=x: unable to parse x as a short."),
            ("group.version", "Can't parse feature=level string group.version: equals sign not found."),
            ("metadata.version=99", "Unknown metadata.version 99"),
        ] {
            assert_eq!(dependencies_of(asked).map_or_else(|error| error, |lines| lines.join("|")), said);
        }
    }

    #[test]
    fn releases_have_levels() {
        let level = |release: &str, upgrade: bool, name: &str| {
            let levels = of_release(release, upgrade).unwrap();
            levels.into_iter().find(|(found, _)| found == name).map(|(_, level)| level)
        };
        assert_eq!(level("4.3", true, "metadata.version"), Some(30));
        assert_eq!(level("4.4-IV0", true, "metadata.version"), Some(31));
        assert_eq!(level("3.7", true, "kraft.version"), None);
        assert_eq!(level("3.7", false, "kraft.version"), Some(0));
        assert!(of_release("9.7", true).unwrap_err().ends_with("4.3-IV0, 4.4-IV0"));
        assert_eq!(level_text("metadata.version", 20), "3.8-IV0");
        assert_eq!(level_text("metadata.version", 90), "UNKNOWN 90");
    }
}
