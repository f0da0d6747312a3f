//! Levels of the cluster's features.

use crate::metadata::{ConfigResource, Feature, MetadataVersion};
use crate::protocol::kraft::{FeatureLevelRecord, MetadataRecord};
use crate::types::ErrorCode;

use super::Denied;
use super::configs::record;
use super::machine::{Controller, Decision};

/// A level to set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeatureUpdate {
    pub feature: String,
    pub level: i16,
    /// 1 upgrade, 2 safe downgrade, 3 unsafe downgrade.
    pub upgrade_type: i8,
}

/// Levels to set together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FeatureUpdates {
    pub updates: Vec<FeatureUpdate>,
    /// The quorum's own level, which is not among the metadata.
    pub kraft_version: i16,
    pub validate_only: bool,
}

const UPGRADE: i8 = 1;
const UNSAFE_DOWNGRADE: i8 = 3;

impl Controller {
    /// All updates or none.
    pub(super) fn update_features(&self, asked: &FeatureUpdates) -> Decision<Result<(), Denied>> {
        let mut records = Vec::new();
        for update in &asked.updates {
            match self.update_feature(update, asked) {
                Ok(new) => records.extend(new),
                Err(denied) => return (Vec::new(), Err(denied)),
            }
        }
        if asked.validate_only {
            records.clear();
        }
        (records, Ok(()))
    }

    fn update_feature(&self, update: &FeatureUpdate, asked: &FeatureUpdates) -> Result<Vec<MetadataRecord>, Denied> {
        let FeatureUpdate { feature: name, level, upgrade_type } = update;
        let refuse = |reason: String| {
            let message = format!("Invalid update version {level} for feature {name}. {reason}");
            Err(Denied::new(ErrorCode::InvalidUpdateVersion, message))
        };
        if !(1..=3).contains(upgrade_type) {
            return refuse("The controller does not support the given upgrade type.".to_owned());
        }
        if *level < 0 {
            return refuse("A feature version cannot be less than 0.".to_owned());
        }
        if let Some(reason) = self.unsupported(name, *level) {
            return refuse(reason);
        }
        let current = match name.as_str() {
            Feature::KRAFT => asked.kraft_version,
            name => self.image.features.get(name).copied().unwrap_or(0),
        };
        if *level < current && *upgrade_type == UPGRADE {
            return refuse("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.".to_owned());
        }
        if *level > current && *upgrade_type != UPGRADE {
            return refuse("Can't downgrade to a newer version.".to_owned());
        }
        if Feature::named(name).is_none() {
            return refuse(format!("Feature {name} not found."));
        }
        if *level == current {
            return Ok(Vec::new());
        }
        match name.as_str() {
            Feature::KRAFT if *level < current => refuse("Can't downgrade the version of this feature.".to_owned()),
            Feature::KRAFT => refuse(
                "A quorum with static voters stays one: begin a new cluster with `storage format --standalone`."
                    .to_owned(),
            ),
            MetadataVersion::FEATURE => self.update_metadata_version(update, current),
            Feature::ELIGIBLE_LEADER_REPLICAS if *level > 0 => self.enable_elr(update, asked),
            _ => Ok(vec![level_record(update)]),
        }
    }

    /// Why a level cannot be had: this controller or a broker does not know it.
    fn unsupported(&self, name: &str, level: i16) -> Option<String> {
        let reason = |who: String, range: Option<(i16, i16)>| match range.unwrap_or((0, 0)) {
            (min, max) if (min..=max).contains(&level) => None,
            (_, 0) => Some(format!("{who} does not support this feature.")),
            (min, max) => Some(format!("{who} only supports versions {min}-{max}")),
        };
        let own = Feature::named(name).map(|feature| (feature.min, feature.max));
        reason(format!("Local controller {}", self.options.configs.broker().node_id), own).or_else(|| {
            self.image.brokers.values().find_map(|broker| {
                let range = broker.features.get(name).map(|range| (range.min, range.max));
                reason(format!("Broker {}", broker.id), range)
            })
        })
    }

    fn update_metadata_version(&self, update: &FeatureUpdate, current: i16) -> Result<Vec<MetadataRecord>, Denied> {
        // Levels that changed the records. Going back over one would need every record to be written anew.
        const CHANGED: &[i16] = &[8, 11, 13, 14, 15, 17, 23, 30];
        if update.level < current && CHANGED.iter().any(|level| (update.level + 1..=current).contains(level)) {
            let reason = match update.upgrade_type {
                UNSAFE_DOWNGRADE => "Unsafe metadata downgrade is not supported in this version.",
                _ => "Refusing to perform the requested downgrade because it might delete metadata information.",
            };
            let message =
                format!("Unsupported metadata.version downgrade from {current} to {}. {reason}", update.level);
            return Err(Denied::new(ErrorCode::InvalidUpdateVersion, message));
        }
        if self.image.elr_enabled() && update.level < 23 {
            let message = format!(
                "Invalid update version {} for feature metadata.version. eligible.leader.replicas.version 1 depends on level 23",
                update.level
            );
            return Err(Denied::new(ErrorCode::InvalidUpdateVersion, message));
        }
        Ok(vec![level_record(update)])
    }

    /// With ELR the minimum of in-sync replicas is one for the whole cluster.
    fn enable_elr(&self, update: &FeatureUpdate, asked: &FeatureUpdates) -> Result<Vec<MetadataRecord>, Denied> {
        const KEY: &str = "min.insync.replicas";
        // What is asked for together depends on what will be, not on what is.
        let metadata = asked.updates.iter().find(|update| update.feature == MetadataVersion::FEATURE);
        let version = metadata.and_then(|update| MetadataVersion::from_level(update.level)).unwrap_or(self.version());
        if !version.eligible_leader_replicas() {
            let message = format!(
                "Invalid update version {} for feature {}. {} could not be set to {} because it depends on metadata.version level 23",
                update.level, update.feature, update.feature, update.level
            );
            return Err(Denied::new(ErrorCode::InvalidUpdateVersion, message));
        }
        let mut records = Vec::new();
        let cluster = ConfigResource::default_broker();
        if !self.image.config(&cluster).contains_key(KEY) {
            let minimum = self.options.configs.broker().topic_defaults.min_insync_replicas.to_string();
            records.push(record(&cluster, KEY, Some(&minimum)));
        }
        for broker in self.image.brokers.keys().map(|id| ConfigResource::broker(*id)) {
            if self.image.config(&broker).contains_key(KEY) {
                records.push(record(&broker, KEY, None));
            }
        }
        records.push(level_record(update));
        Ok(records)
    }
}

fn level_record(update: &FeatureUpdate) -> MetadataRecord {
    let (name, feature_level) = (update.feature.clone(), update.level);
    MetadataRecord::FeatureLevel(FeatureLevelRecord { name, feature_level })
}
