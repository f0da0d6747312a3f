//! What the metadata log holds: the controller's records, and KRaft's own control records.
//!
//! A record stands behind three unsigned varints: frame version 1, its key, its version. A key or a version that is not
//! known is an error that names it, and stops the node: a record skipped is cluster state lost.

mod control;
mod control_records;
mod metadata;
mod records;
#[cfg(test)]
mod tests;

pub use control::ControlRecord;
pub use control_records::*;
pub use metadata::MetadataRecord;
pub use records::*;
