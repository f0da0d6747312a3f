//! What guards access and is not enforced here: it stops the start, or is told at every start.

use super::key::ConfigKey;
use super::listeners::{Listener, SecurityProtocol};
use super::ottla::IGNORE_SECURITY;

/// Refused keys that say who may do what.
const GUARDS: [&str; 3] = ["authorizer.class.name", "principal.builder.class", "ssl.client.auth"];

/// The other way out, for who knows what it means.
pub(super) const REMEDY: &str =
    "; or set ottla.takeover.ignore.security=true, and whoever reaches a PLAINTEXT listener may do everything";

/// Whether the key may be ignored by [`IGNORE_SECURITY`].
pub(super) fn is_guard(row: &ConfigKey) -> bool {
    GUARDS.contains(&row.name)
}

/// The first listener that promises more than plaintext.
pub(super) fn secured(listeners: &[Listener]) -> Option<&Listener> {
    listeners.iter().find(|listener| listener.protocol != SecurityProtocol::Plaintext)
}

pub(super) fn not_served(listener: &Listener) -> String {
    format!(
        "its protocol is {}, and neither TLS nor SASL is served; make it a PLAINTEXT listener (listener.security.protocol.map), reachable by trusted clients only",
        listener.protocol
    )
}

pub(super) fn stays_closed(listener: &Listener) -> String {
    format!("{} is not served, and the listener stays closed", listener.protocol)
}

/// The warning about a guard that is ignored.
pub(super) fn ignored(what: &str, reason: &str) -> String {
    format!("SECURITY IS IGNORED ({IGNORE_SECURITY}=true): {what}: {reason}")
}

#[cfg(test)]
mod tests {
    use crate::config::{LoadedConfig, StartupReport, load};

    const SECURED: &[(&str, &str)] = &[
        ("listeners", "PLAINTEXT://:9092,SAFE://:9094,CONTROLLER://:9093"),
        ("advertised.listeners", "PLAINTEXT://localhost:9092,SAFE://localhost:9094,CONTROLLER://localhost:9093"),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,SAFE:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"),
        ("inter.broker.listener.name", "SAFE"),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ];

    fn loaded(more: &[(&str, &str)]) -> Result<LoadedConfig, String> {
        let overrides: Vec<_> =
            SECURED.iter().chain(more).map(|(key, value)| (key.to_string(), value.to_string())).collect();
        load(None, &overrides, &|_| None).map_err(|error| error.to_string())
    }

    #[test]
    fn guards_stop_the_start_and_name_the_way_out() {
        let authorizer = loaded(&[]).unwrap_err();
        assert!(authorizer.starts_with("--override: authorizer.class.name is set to org.apache"), "{authorizer}");
        assert!(authorizer.contains("or set ottla.takeover.ignore.security=true"), "{authorizer}");
        let listener = loaded(&[("authorizer.class.name", "")]).unwrap_err();
        assert!(listener.contains("listeners is set to SAFE://:9094, which is refused"), "{listener}");
        assert!(listener.contains("or set ottla.takeover.ignore.security=true"), "{listener}");
        let policy =
            loaded(&[("create.topic.policy.class.name", "x.Policy"), ("ottla.takeover.ignore.security", "true")]);
        let policy = policy.unwrap_err();
        assert!(policy.contains("create.topic.policy.class.name") && !policy.contains("or set"), "{policy}");
    }

    #[test]
    fn ignored_guards_are_told_and_their_listeners_stay_closed() {
        let LoadedConfig { broker, report } = loaded(&[("ottla.takeover.ignore.security", "true")]).unwrap();
        let names = |listeners: &[crate::config::Listener]| -> Vec<String> {
            listeners.iter().map(|listener| listener.name.clone()).collect()
        };
        assert_eq!(names(&broker.config.listeners), ["PLAINTEXT", "CONTROLLER"]);
        assert_eq!(names(&broker.config.advertised_listeners), ["PLAINTEXT"]);
        assert_eq!(names(&broker.config.closed_listeners), ["SAFE"]);
        assert!(broker.config.ignored_authorizer);
        let StartupReport { warnings, .. } = report;
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings.iter().all(|line| line.starts_with("SECURITY IS IGNORED")), "{warnings:?}");
        assert!(warnings[0].contains("authorizer.class.name=org.apache"), "{warnings:?}");
        assert!(warnings[1].contains("listener SAFE://:9094: SASL_PLAINTEXT is not served"), "{warnings:?}");
    }

    #[test]
    fn without_a_plaintext_listener_nothing_could_be_served() {
        let alone = [
            ("listeners", "SAFE://:9094,CONTROLLER://:9093"),
            ("advertised.listeners", "SAFE://localhost:9094,CONTROLLER://localhost:9093"),
            ("ottla.takeover.ignore.security", "true"),
        ];
        let refused = loaded(&alone).unwrap_err();
        assert!(refused.contains("listeners is set to SAFE://:9094, which is refused: none of them is"), "{refused}");
    }
}
