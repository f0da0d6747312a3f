//! What the cluster knows about itself: an immutable image, the deltas that lead from one image to the next, and the records of both.
//!
//! [`MetadataImage`] is cheap to clone: its parts are shared until one changes. [`MetadataImage::replay`] applies one record in place;
//! [`MetadataDelta`] does the same beside an account of what changed, for those who act on changes.
//! [`MetadataImage::to_records`] writes an image as the records of a snapshot, in Kafka's order and at the record versions of the image's
//! `metadata.version`, whose levels are in [`MetadataVersion`].

mod delta;
mod image;
mod records;
mod registration;
mod replay;
mod topics;
mod version;

#[cfg(test)]
mod tests;

pub use delta::{MetadataDelta, TopicChange};
pub use image::{ConfigResource, MetadataImage, QuotaEntity, ScramCredential};
pub use registration::{BrokerRegistration, ControllerRegistration, Endpoint, LeaderRecoveryState, VersionRange};
pub use replay::ReplayError;
pub use topics::{PartitionRegistration, TopicImage, Topics};
pub use version::{Feature, MetadataVersion};
