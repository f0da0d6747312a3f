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

const UPGRADE: i8 = 1;

impl Controller {
    /// All updates or none.
    pub(super) fn update_features(
        &self,
        updates: Vec<FeatureUpdate>,
        validate_only: bool,
    ) -> Decision<Result<(), Denied>> {
        let mut records = Vec::new();
        for update in &updates {
            match self.update_feature(update) {
                Ok(new) => records.extend(new),
                Err(denied) => return (Vec::new(), Err(denied)),
            }
        }
        if validate_only {
            records.clear();
        }
        (records, Ok(()))
    }

    fn update_feature(&self, update: &FeatureUpdate) -> Result<Vec<MetadataRecord>, Denied> {
        let FeatureUpdate { feature: name, level, upgrade_type } = update;
        let refuse = |reason: String| {
            let message = format!("Invalid update version {level} for feature {name}. {reason}");
            Err(Denied::new(ErrorCode::InvalidUpdateVersion, message))
        };
        if !(1..=3).contains(upgrade_type) {
            return refuse("The controller does not support the given upgrade type.".to_owned());
        }
        let Some(feature) = Feature::named(name) else {
            return refuse("Local controller 0 does not support this feature.".to_owned());
        };
        if *level < 0 {
            return refuse("A feature version cannot be less than 0.".to_owned());
        }
        if *level < feature.min || *level > feature.max {
            return refuse(format!("Local controller only supports versions {}-{}", feature.min, feature.max));
        }
        for broker in self.image.brokers.values() {
            let range = broker.features.get(name);
            if range.map_or(*level != 0, |range| *level < range.min || *level > range.max) {
                let (min, max) = range.map_or((0, 0), |range| (range.min, range.max));
                return refuse(format!("Broker {} only supports versions {min}-{max}", broker.id));
            }
        }
        let current = self.image.features.get(name).copied().unwrap_or(0);
        if *level < current && *upgrade_type == UPGRADE {
            return refuse("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.".to_owned());
        }
        if *level == current {
            return Ok(Vec::new());
        }
        match name.as_str() {
            Feature::KRAFT => refuse("Can't change kraft.version of a quorum that runs.".to_owned()),
            MetadataVersion::FEATURE => self.update_metadata_version(update, current),
            Feature::ELIGIBLE_LEADER_REPLICAS if *level > 0 => self.enable_elr(update),
            _ => Ok(vec![level_record(update)]),
        }
    }

    fn update_metadata_version(&self, update: &FeatureUpdate, current: i16) -> Result<Vec<MetadataRecord>, Denied> {
        // Levels that changed the records. Going back over one would need every record to be written anew.
        const CHANGED: &[i16] = &[8, 11, 13, 14, 15, 17, 23, 30];
        if update.level < current && CHANGED.iter().any(|level| (update.level + 1..=current).contains(level)) {
            let message = format!(
                "Invalid metadata.version {}. Refusing to perform the requested downgrade because it might delete metadata \
                 information.",
                update.level
            );
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
    fn enable_elr(&self, update: &FeatureUpdate) -> Result<Vec<MetadataRecord>, Denied> {
        const KEY: &str = "min.insync.replicas";
        if !self.version().eligible_leader_replicas() {
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
