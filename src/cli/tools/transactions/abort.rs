//! `abort`: a transaction is ended in one partition, whatever its coordinator thinks.

use super::calls::{self, AbortSpec};
use super::{Numbers, Parsed, Stop, failed, producers_of};
use crate::client::Client;
use crate::types::TopicPartition;

pub(super) fn abort(client: &mut Client, parsed: &Parsed, numbers: &Numbers) -> Result<(), Stop> {
    let partition = numbers.partition_of(parsed);
    let missing = |flag: &str| Stop::Message(format!("Missing required argument --{flag}"));
    let spec = match (numbers.start_offset, numbers.producer_id) {
        (None, None) => {
            return Err(Stop::Message(
                "The transaction to abort must be identified either with --start-offset (for brokers on 3.0 or above) \
                 or with --producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)"
                    .to_owned(),
            ));
        }
        (None, Some(producer_id)) => AbortSpec {
            partition,
            producer_id,
            producer_epoch: numbers.producer_epoch.ok_or_else(|| missing("producer-epoch"))?,
            // A producer that never ended a transaction has no coordinator's epoch; no leader is below 0.
            coordinator_epoch: numbers.coordinator_epoch.ok_or_else(|| missing("coordinator-epoch"))?.max(0),
        },
        (Some(offset), _) => spec_of(client, partition, offset)?,
    };
    let what = format!("Failed to abort transaction {spec}");
    calls::write_abort_marker(client, &spec).map_err(|error| failed(&what, &error))
}

/// The transaction that begins at that offset.
fn spec_of(client: &mut Client, partition: TopicPartition, offset: i64) -> Result<AbortSpec, Stop> {
    let what = format!("Failed to validate producer state for partition {partition}");
    let producers = producers_of(client, &partition, None).map_err(|error| failed(&what, &error))?;
    let found = producers.iter().find(|producer| offset >= 0 && producer.current_txn_start_offset == offset);
    let producer = found.ok_or_else(|| {
        Stop::Message(format!(
            "Could not find any open transactions starting at offset {offset} on partition {partition}"
        ))
    })?;
    Ok(AbortSpec {
        partition,
        producer_id: producer.producer_id.0,
        producer_epoch: producer.producer_epoch as i16,
        coordinator_epoch: producer.coordinator_epoch.max(0),
    })
}
