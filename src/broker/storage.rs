//! The log directories of a node, from nothing to open logs.

use std::sync::Arc;

use super::{BrokerError, ClusterError};
use crate::config::BrokerConfig;
use crate::log::producer_state::ProducerRules;
use crate::log::{LogContext, LogDirs, LogDirsOptions, MetaProperties, unopened};
use crate::metadata::MetadataImage;
use crate::quorum::{self, METADATA_LOG};
use crate::types::{BrokerId, Clock, METADATA_TOPIC, Millis};

/// Descriptors left to connections and to what is not cached.
const DESCRIPTORS_RESERVED: u64 = 4096;
/// The most that the logs keep open by themselves.
const DESCRIPTORS_MAX: u64 = 8192;
/// The fewest.
const DESCRIPTORS_MIN: u64 = 128;

/// What all logs share.
pub fn context(config: &BrokerConfig, clock: &Clock) -> Arc<LogContext> {
    LogContext::new(descriptors(), clock.clone(), producer_rules(config))
}

/// Looks whether the directories are whole, this node's, and nobody else's; answers whose they are. Nothing in them changes.
pub fn examine(config: &BrokerConfig) -> Result<MetaProperties, BrokerError> {
    let identity = identity(config)?;
    check_metadata_dir(config)?;
    unopened::examine(&config.log_dirs, &identity)?;
    refuse_without_metadata(config)?;
    Ok(identity)
}

/// Partitions of which the metadata knows nothing would be strangers in a cluster that begins anew.
fn refuse_without_metadata(config: &BrokerConfig) -> Result<(), BrokerError> {
    if !quorum::is_new(&config.metadata_log_dir).map_err(ClusterError::from)? {
        return Ok(());
    }
    for dir in &config.log_dirs {
        let partitions = unopened::partitions(dir)?;
        if let Some(partition) = partitions.iter().find(|partition| &*partition.topic != METADATA_TOPIC) {
            let found = dir.join(partition.to_string());
            return Err(BrokerError::NoMetadata { found, expected: config.metadata_log_dir.join(METADATA_LOG) });
        }
    }
    Ok(())
}

/// Locks the directories and makes them this node's, as [`examine`] found it.
pub fn claim(
    config: &BrokerConfig,
    identity: MetaProperties,
    context: Arc<LogContext>,
) -> Result<LogDirs, BrokerError> {
    let options = LogDirsOptions {
        dirs: config.log_dirs.clone(),
        identity,
        recovery_threads_per_dir: config.num_recovery_threads_per_data_dir.max(1) as usize,
        retention_check_interval: Millis(config.log_retention_check_interval_ms),
        recovery_checkpoint_interval: Millis(config.log_flush_offset_checkpoint_interval_ms.into()),
        log_start_checkpoint_interval: Millis(config.log_flush_start_offset_checkpoint_interval_ms.into()),
        high_watermark_checkpoint_interval: Millis(config.replica_high_watermark_checkpoint_interval_ms),
        reserve_bytes: config.ottla_disk_reserve_bytes,
    };
    Ok(LogDirs::claim(options, context)?)
}

/// What logs ask of their producers, and when they forget them.
pub fn producer_rules(config: &BrokerConfig) -> ProducerRules {
    ProducerRules {
        producer_id_expiration_ms: config.producer_id_expiration_ms.into(),
        transaction_verification: config.transaction_partition_verification_enable,
    }
}

/// Whose the directories are: what the first formatted one says, which the others must agree with.
fn identity(config: &BrokerConfig) -> Result<MetaProperties, BrokerError> {
    let node_id = BrokerId(config.node_id);
    let mut unreadable = None;
    for dir in &config.log_dirs {
        match MetaProperties::read(dir) {
            Ok(Some(found)) => {
                return Ok(MetaProperties { cluster_id: found.cluster_id, node_id, directory_id: None });
            }
            Ok(None) => {}
            Err(error) => unreadable = unreadable.or(Some(error)),
        }
    }
    let first = config.log_dirs.first().cloned().unwrap_or_default();
    if let Some(error) = unreadable {
        return Err(error.into());
    }
    for dir in &config.log_dirs {
        if let Some(partition) = unopened::partitions(dir)?.first() {
            return Err(BrokerError::HalfCopied { dir: dir.clone(), partition: partition.to_string() });
        }
    }
    Err(BrokerError::NotFormatted(first))
}

/// A metadata log in another directory than the configured one means that the configuration was changed: starting
/// with an empty one would lose sight of every topic.
fn check_metadata_dir(config: &BrokerConfig) -> Result<(), BrokerError> {
    let elsewhere = config.log_dirs.iter().filter(|dir| **dir != config.metadata_log_dir);
    let found = elsewhere.map(|dir| dir.join(METADATA_LOG)).find(|log| log.exists());
    let expected = config.metadata_log_dir.clone();
    found.map_or(Ok(()), |found| Err(BrokerError::MetadataElsewhere { found, expected }))
}

/// How many files the logs may keep open, given the limit of the process.
fn descriptors() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    limit.saturating_sub(DESCRIPTORS_RESERVED).clamp(DESCRIPTORS_MIN, DESCRIPTORS_MAX) as usize
}

/// Metadata that guards access stops the start: it would be kept and not enforced. What lets somebody in who cannot come in here
/// (SCRAM credentials and delegation tokens, without a SASL listener) guards nothing.
pub fn refuse_guards(image: &MetadataImage, config: &BrokerConfig) -> Result<(), BrokerError> {
    match image.acls.values().next() {
        Some(acl) if !config.ottla_takeover_ignore_security => {
            let what = format!("an ACL for {} on {}", acl.principal, acl.resource_name);
            Err(BrokerError::Guarded { what, count: image.acls.len() })
        }
        Some(_) | None => Ok(()),
    }
}
