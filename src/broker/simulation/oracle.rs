//! What the committed logs say, batch by batch, held against what must hold.

use std::collections::BTreeMap;

use super::log::Stored;
use super::oracle_groups::Groups;
use super::oracle_transactions::Transactions;
use super::world::World;
use crate::broker::{group_log, transaction_log};
use crate::protocol::compression::Decompressor;
use crate::types::{OFFSETS_TOPIC, Offset, ProducerId, TopicPartition};

/// A broken invariant and how.
pub type Broken = (&'static str, String);

/// Everything that was committed so far.
#[derive(Default)]
pub struct Oracle {
    pub transactions: Transactions,
    pub groups: Groups,
    logs: BTreeMap<TopicPartition, Seen>,
}

/// How far a log was looked at.
#[derive(Default)]
struct Seen {
    batches: usize,
    high_watermark: Offset,
    stable: Offset,
    /// Records of open transactions by producer, and of all: offset to producer and value.
    open: BTreeMap<ProducerId, Vec<i64>>,
    records: BTreeMap<Offset, (ProducerId, i64)>,
    values: BTreeMap<i64, Offset>,
    /// Where the reader of committed records stands.
    read: Offset,
}

impl Oracle {
    /// Looks at everything that was committed since the last time; the transactions' log comes first, as markers follow it.
    pub fn observe(&mut self, world: &World) {
        let mut broken = Vec::new();
        let (batches, mut seen) = self.next(world, &world.transaction_log.partition);
        for stored in &batches {
            transaction_log::read_batch(&stored.batch(), |record| {
                broken.extend(self.transactions.moved(world, record, stored.header.max_timestamp));
            })
            .expect("what was written can be read");
        }
        self.positions(world, &world.transaction_log.partition, &mut seen, &mut broken);
        for log in world.logs().skip(1) {
            let (batches, mut seen) = self.next(world, &log.partition);
            for stored in &batches {
                match &*log.partition.topic == OFFSETS_TOPIC {
                    true => self.group_batch(world, stored, &mut broken),
                    false => self.data_batch(&mut seen, stored, &mut broken),
                }
            }
            self.positions(world, &log.partition, &mut seen, &mut broken);
        }
        broken.extend(self.transactions.open_is_known(world));
        broken.extend(self.groups.owners());
        for (invariant, told) in broken {
            world.violate(invariant, told);
        }
    }

    fn next(&mut self, world: &World, partition: &TopicPartition) -> (Vec<Stored>, Seen) {
        let mut seen = self.logs.remove(partition).unwrap_or_default();
        let log = world.logs().find(|log| log.partition == *partition).expect("one of the logs");
        let batches = log.committed_batches(seen.batches);
        seen.batches += batches.len();
        (batches, seen)
    }

    fn positions(&mut self, world: &World, partition: &TopicPartition, seen: &mut Seen, broken: &mut Vec<Broken>) {
        let log = world.logs().find(|log| log.partition == *partition).expect("one of the logs");
        let (high_watermark, stable) = (log.high_watermark(), log.last_stable_offset());
        if high_watermark < seen.high_watermark || stable < seen.stable {
            let told = format!(
                "{partition}: from {} and {} to {high_watermark} and {stable}",
                seen.high_watermark, seen.stable
            );
            broken.push(("stable reads", told));
        }
        (seen.high_watermark, seen.stable) = (high_watermark, stable);
        if seen.read < stable && world.data.contains_key(partition) {
            let aborted = log.aborted();
            for (offset, (producer, value)) in seen.records.range(seen.read..stable) {
                let skipped = aborted.iter().any(|aborted| {
                    aborted.producer_id == *producer && (aborted.first_offset..aborted.last_offset).contains(offset)
                });
                broken.extend(self.transactions.read(*value, !skipped));
            }
            seen.read = stable;
        }
        self.logs.insert(partition.clone(), std::mem::take(seen));
    }

    fn data_batch(&mut self, seen: &mut Seen, stored: &Stored, broken: &mut Vec<Broken>) {
        let producer = stored.header.producer_id;
        if let Some(marker) = &stored.marker {
            let epoch = stored.header.producer_epoch;
            broken.extend(self.transactions.marked((producer, epoch), marker.commit));
            for value in seen.open.remove(&producer).unwrap_or_default() {
                broken.extend(self.transactions.ended(value, marker.commit));
            }
            return;
        }
        for (offset, value) in values(stored) {
            if let Some(before) = seen.values.insert(value, offset) {
                broken.push(("no duplicate", format!("{value} is at {before} and at {offset}")));
            }
            seen.open.entry(producer).or_default().push(value);
            seen.records.insert(offset, (producer, value));
        }
    }

    fn group_batch(&mut self, world: &World, stored: &Stored, broken: &mut Vec<Broken>) {
        let header = stored.header;
        if let Some(marker) = &stored.marker {
            broken.extend(self.transactions.marked((header.producer_id, header.producer_epoch), marker.commit));
        }
        let mut records = Vec::new();
        group_log::read_batch(&stored.batch(), |record| records.push(record.clone()))
            .expect("what was written can be read");
        let ended = self.groups.wrote(world, &records, header.last_offset(), header.max_timestamp, broken);
        for (value, committed) in ended {
            broken.extend(self.transactions.ended(value, committed));
        }
    }

    /// What must hold once everything has come to rest.
    pub fn at_rest(&self, world: &World) -> Vec<Broken> {
        let mut broken = Vec::new();
        for log in world.logs() {
            if log.last_stable_offset() != log.end() {
                let told = format!("{} ends at {}, readers at {}", log.partition, log.end(), log.last_stable_offset());
                broken.push(("everything ends", told));
            }
        }
        broken.extend(self.transactions.at_rest());
        broken.extend(self.groups.at_rest());
        broken
    }
}

fn values(stored: &Stored) -> Vec<(Offset, i64)> {
    Decompressor::on_this_thread(|decompressor| {
        let batch = stored.batch();
        let records = batch.records(decompressor).expect("a batch that was built here");
        let each = records.map(|record| {
            let record = record.expect("a record that was built here");
            let value = record.value.and_then(|value| value.try_into().ok()).map(i64::from_be_bytes);
            (stored.header.offset_of(&record), value.expect("eight bytes"))
        });
        each.collect()
    })
}
