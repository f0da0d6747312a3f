//! How far the runs got: what was reached, what must be, and logs as the cleaner may leave them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::log::{SimLog, Stored};
use super::world::Sim;
use crate::protocol::batch::BatchBuilder;
use crate::protocol::compression::Decompressor;
use crate::types::{Offset, ProducerId};

/// What all runs together must reach, lest they become idle without anybody noticing.
pub const REQUIRED: &[&str] = &[
    "Empty -> Ongoing",
    "Ongoing -> Ongoing",
    "Ongoing -> PrepareCommit",
    "Ongoing -> PrepareAbort",
    "Empty -> PrepareAbort",
    "CompleteCommit -> PrepareAbort",
    "CompleteAbort -> PrepareAbort",
    "PrepareCommit -> CompleteCommit",
    "PrepareAbort -> CompleteAbort",
    "CompleteCommit -> Ongoing",
    "CompleteAbort -> Ongoing",
    "CompleteCommit -> Empty",
    "CompleteAbort -> Empty",
    "CompleteCommit -> forgotten",
    "aborts told",
    "appends refused",
    "classic: generations written",
    "classic: groups emptied",
    "classic: groups forgotten or upgraded",
    "classic: members that fell silent",
    "classic: members that left",
    "classic: static members that restarted",
    "commits told",
    "consumer: assignments told",
    "consumer: classic members written",
    "consumer: group epochs raised",
    "consumer: groups forgotten",
    "consumer: members Stable",
    "consumer: members UnreleasedPartitions",
    "consumer: members UnrevokedPartitions",
    "consumer: members that crashed",
    "consumer: members that went away",
    "coordinators of groups crashed",
    "coordinators of groups deposed",
    "coordinators of transactions crashed",
    "coordinators of transactions deposed",
    "epochs used up",
    "fetched: unstable",
    "groups deleted",
    "jumps of time",
    "leaders of data moved",
    "logs cleaned before they were read",
    "marker refused: TransactionCoordinatorFenced",
    "markers written again",
    "offset commits told",
    "offsets: forgotten",
    "produce: duplicate answered",
    "producers that left a transaction open",
    "producers turned zombies",
    "records lost with a leader",
    "replication stalled",
    "requests lost",
    "replies lost",
    "share: assignments told",
    "share: members that left",
    "share: state made",
    "share: state refused",
    "transaction fails: InvalidProducerEpoch",
    "ConsumerGroupHeartbeat: FencedMemberEpoch",
    "ConsumerGroupHeartbeat: UnknownMemberId",
    "ConsumerGroupHeartbeat: UnreleasedInstanceId",
    "EndTxn: ProducerFenced",
    "OffsetCommit: IllegalGeneration",
    "OffsetCommit: StaleMemberEpoch",
    "OffsetCommit: UnknownMemberId",
];

/// The figures of all runs as a table.
pub fn table(figures: &BTreeMap<String, u64>) -> String {
    let rows = figures.iter().map(|(name, count)| format!("{count:>10}  {name}\n"));
    rows.collect()
}

/// What is required and was not reached.
pub fn missing(figures: &BTreeMap<String, u64>) -> Vec<&'static str> {
    REQUIRED.iter().copied().filter(|name| !figures.contains_key(*name)).collect()
}

/// The committed batches of a log: as they are, or as the cleaner may leave them.
pub fn as_cleaned(sim: &Sim, log: &Arc<SimLog>) -> Vec<Stored> {
    let batches = log.committed_batches(0);
    if !sim.chance(50) {
        return batches;
    }
    sim.reach("logs cleaned before they were read");
    let drops_tombstones = sim.chance(50);
    let stable = log.last_stable_offset();
    let aborted = log.aborted();
    let is_aborted = |producer: ProducerId, offset: Offset| {
        let mut of = aborted.iter().filter(|aborted| aborted.producer_id == producer);
        of.any(|aborted| (aborted.first_offset..aborted.last_offset).contains(&offset))
    };
    let is_cleanable = |stored: &&Stored| stored.marker.is_none() && stored.header.last_offset() < stable;
    let mut last: BTreeMap<Bytes, Offset> = BTreeMap::new();
    for stored in batches.iter().filter(is_cleanable) {
        if !(stored.header.is_transactional() && is_aborted(stored.header.producer_id, stored.header.base_offset)) {
            last.extend(records(stored).into_iter().map(|(offset, key, _)| (key, offset)));
        }
    }
    let kept: BTreeSet<Offset> = last.into_values().collect();
    let cleaned = batches.iter().filter_map(|stored| {
        if !is_cleanable(&stored) {
            return Some(stored.clone());
        }
        let keeps = |(offset, _, value): &(Offset, Bytes, Option<Bytes>)| {
            kept.contains(offset) && (value.is_some() || !drops_tombstones)
        };
        let records: Vec<_> = records(stored).into_iter().filter(keeps).collect();
        (!records.is_empty()).then(|| rewritten(stored, &records))
    });
    cleaned.collect()
}

fn records(stored: &Stored) -> Vec<(Offset, Bytes, Option<Bytes>)> {
    Decompressor::on_this_thread(|decompressor| {
        let batch = stored.batch();
        let records = batch.records(decompressor).expect("a batch that was built here");
        let each = records.map(|record| {
            let record = record.expect("a record that was built here");
            let key = Bytes::copy_from_slice(record.key.unwrap_or_default());
            (stored.header.offset_of(&record), key, record.value.map(Bytes::copy_from_slice))
        });
        each.collect()
    })
}

fn rewritten(stored: &Stored, records: &[(Offset, Bytes, Option<Bytes>)]) -> Stored {
    let header = stored.header;
    let mut builder = BatchBuilder::new(header.base_offset).leader_epoch(header.leader_epoch);
    if header.has_producer_id() {
        builder = builder.producer(header.producer_id, header.producer_epoch, header.base_sequence);
    }
    if header.is_transactional() {
        builder = builder.transactional();
    }
    for (offset, key, value) in records {
        let headers = std::iter::empty();
        builder.append_at(*offset, header.max_timestamp, Some(&key[..]), value.as_deref(), headers);
    }
    let bytes = builder.build();
    let header = crate::protocol::batch::BatchHeader::parse(&bytes).expect("a batch that was built here");
    Stored { header, bytes, marker: None }
}
