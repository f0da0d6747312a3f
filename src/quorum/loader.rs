//! Committed records on their way into images.

use std::sync::Arc;

use crate::metadata::{MetadataDelta, MetadataImage};
use crate::protocol::kraft::MetadataRecord;
use crate::types::{LeaderEpoch, Offset};

use super::QuorumError;

/// Builds images from committed batches. Records of a metadata transaction wait for its end and count for nothing if it is aborted.
#[derive(Debug)]
pub struct Loader {
    image: Arc<MetadataImage>,
    transaction: Option<Vec<MetadataRecord>>,
}

impl Loader {
    /// A loader that stands at `image`.
    pub fn new(image: MetadataImage) -> Loader {
        Loader { image: Arc::new(image), transaction: None }
    }

    /// The newest image.
    pub fn image(&self) -> &Arc<MetadataImage> {
        &self.image
    }

    /// Whether a metadata transaction has begun and not ended.
    pub fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Passes a batch without metadata records.
    pub fn skip(&mut self, last_offset: Offset, epoch: LeaderEpoch) {
        if self.transaction.is_none() {
            let image = Arc::make_mut(&mut self.image);
            image.offset = last_offset;
            image.epoch = epoch;
        }
    }

    /// Applies one batch. None while a transaction is open: nothing can be seen yet.
    pub fn apply(
        &mut self,
        base_offset: Offset,
        epoch: LeaderEpoch,
        records: &[MetadataRecord],
    ) -> Result<Option<MetadataDelta>, QuorumError> {
        let mut delta = MetadataDelta::new(self.image.clone());
        let mut ended = false;
        for (index, record) in records.iter().enumerate() {
            let offset = base_offset + index as i64;
            self.step(&mut delta, record, &mut ended).map_err(|source| QuorumError::Replay { offset, source })?;
        }
        if self.transaction.is_some() && !ended && delta.records() == 0 {
            return Ok(None);
        }
        delta.set_position(base_offset + (records.len() as i64 - 1), epoch);
        self.image = Arc::new(delta.image().clone());
        Ok(Some(delta))
    }

    fn step(
        &mut self,
        delta: &mut MetadataDelta,
        record: &MetadataRecord,
        ended: &mut bool,
    ) -> Result<(), crate::metadata::ReplayError> {
        match (record, &mut self.transaction) {
            (MetadataRecord::BeginTransaction(_), transaction) => *transaction = Some(Vec::new()),
            (MetadataRecord::EndTransaction(_), transaction) => {
                for record in transaction.take().unwrap_or_default() {
                    delta.replay(&record)?;
                }
                *ended = true;
            }
            (MetadataRecord::AbortTransaction(_), transaction) => {
                *transaction = None;
                *ended = true;
            }
            (record, Some(waiting)) => waiting.push(record.clone()),
            (record, None) => delta.replay(record)?,
        }
        Ok(())
    }
}
