//! Arbitrary bytes as record batches: reading them, checking them for an append under many rules, and remembering
//! their producers neither panics nor takes memory without bound; what passes is a batch that can be read.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla::log::append::{
    AppendOrigin, AppendRules, TargetCompression, TopicRules, ValidatedBatches, check_produce_request, validate,
};
use ottla::log::producer_state::{AppendContext, ProducerAppend, ProducerRules, ProducerStates};
use ottla::protocol::batch::{BatchBuilder, BatchRef, RecordHeader, TimestampType, split_batches};
use ottla::protocol::compression::{Compression, Decompressor};
use ottla::protocol::control::EndTxnMarker;
use ottla::types::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, TopicPartition};
use ottla_fuzz::{mend_batches, peak_during, plant};

const NOW: Millis = Millis(1_700_000_000_000);
/// What the decompressor may put out.
const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;

fuzz_target!(init: plant(seeds()), |data: &[u8]| {
    let Some((&[origin, target, flags], records)) = data.split_first_chunk() else { return };
    let mut records = records.to_vec();
    if flags & 1 != 0 {
        mend_batches(&mut records, flags & 2 != 0);
    }
    let bound = 8 * DECOMPRESSED_BYTES_MAX + (8 << 20) + 64 * records.len();
    let (_, peak) = peak_during(|| {
        let mut decompressor = Decompressor::with_limit(DECOMPRESSED_BYTES_MAX);
        read(&records, &mut decompressor);
        append(Bytes::from(records), origin, target, flags, &mut decompressor);
    });
    assert!(peak <= bound, "{} bytes took {peak}, more than {bound}", data.len());
});

/// Every batch, record and header.
fn read(records: &[u8], decompressor: &mut Decompressor) {
    let mut batches = split_batches(records);
    for batch in batches.by_ref() {
        let Ok(batch) = batch else { break };
        let _ = (batch.crc_valid(), batch.header.last_sequence(), batch.header.next_offset());
        let _ = EndTxnMarker::of(&batch, decompressor);
        let _ = batch.offset_of_max_timestamp(decompressor);
        let Ok(found) = batch.records(decompressor) else { continue };
        for record in found {
            let Ok(record) = record else { break };
            let _ = (batch.header.offset_of(&record), batch.header.timestamp_of(&record));
            assert_eq!(record.headers.len(), record.headers.count(), "headers that were counted can be read");
        }
    }
    let _ = batches.rest();
}

fn append(records: Bytes, origin: u8, target: u8, flags: u8, decompressor: &mut Decompressor) {
    let origins =
        [AppendOrigin::Client, AppendOrigin::Coordinator, AppendOrigin::RaftLeader, AppendOrigin::Replication];
    let origin = origins[usize::from(origin % 4)];
    let compression = match Compression::from_id(target % 8) {
        Some(codec) => TargetCompression::Codec(codec, (target & 8 != 0).then_some(1)),
        None => TargetCompression::Producer,
    };
    let timestamp_type = if flags & 4 != 0 { TimestampType::LogAppendTime } else { TimestampType::CreateTime };
    let topic = TopicRules { compression, timestamp_type, compacted: flags & 8 != 0, ..TopicRules::default() };
    let partition = TopicPartition::new("t", 0);
    let rules = AppendRules {
        partition: &partition,
        topic: &topic,
        origin,
        now: NOW,
        leader_epoch: LeaderEpoch(5),
        produce_version: (flags & 16 != 0).then_some(i16::from(target >> 4)),
    };
    let _ = check_produce_request(3, &records);
    let Ok(validated) = validate(records, &rules, decompressor) else { return };
    remember(&validated, origin, decompressor);
}

/// What passed can be stamped, read, and is remembered as its snapshot says.
fn remember(validated: &ValidatedBatches, origin: AppendOrigin, decompressor: &mut Decompressor) {
    let mut states = ProducerStates::new(ProducerRules { transaction_verification: false, ..ProducerRules::default() });
    let mut next = Offset(100);
    for batch in &validated.batches {
        let mut batch = batch.clone();
        if origin.assigns_offsets() {
            let head = batch.assign(next, LeaderEpoch(6));
            let stored = [&head[..], batch.after_prefix()].concat();
            let stored = BatchRef::parse(&stored).expect("what passed is a batch");
            assert!(stored.crc_valid(), "the checksum of what passed is right");
            assert_eq!(stored.header, batch.header);
            stored.records(decompressor).expect("its records can be found").for_each(|record| {
                record.expect("its records can be read");
            });
        }
        let mut append = ProducerAppend::default();
        let context = AppendContext::new(origin);
        if states.check(&mut append, &batch.header, batch.marker.as_ref(), context).is_ok() {
            next = batch.header.next_offset();
            states.commit(append, next);
        }
    }
    states.on_high_watermark(next);
    let mut reloaded = ProducerStates::new(ProducerRules::default());
    reloaded.reload(&states.snapshot(), next, Millis(i64::MIN)).expect("a snapshot of ours");
    assert_eq!(reloaded.entries().len(), states.entries().len());
    states.expire(NOW);
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    let mut seed = |name: String, head: [u8; 3], bytes: &[u8]| seeds.push((name, [&head[..], bytes].concat()));
    for codec in Compression::ALL {
        let mut builder =
            BatchBuilder::new(Offset::ZERO).compression(codec, None).producer(ProducerId(7), ProducerEpoch(1), 0);
        for n in 0..3u8 {
            let headers = [RecordHeader { key: b"h", value: Some(b"v") }, RecordHeader { key: b"h", value: None }];
            builder.append(NOW + Millis(n.into()), (n > 0).then_some(b"key"), Some(&[n; 40]), &headers);
        }
        let batch = builder.build();
        for (n, head) in [[0, 7, 1], [0, 4, 1], [0, 0, 5], [1, 3, 9], [3, 7, 1]].into_iter().enumerate() {
            seed(format!("{codec}-{n}"), head, &batch);
        }
        seed(format!("{codec}-twice"), [3, 7, 1], &[&batch[..], &batch[..]].concat());
    }
    let marker = EndTxnMarker { commit: false, coordinator_epoch: 3, timestamp: NOW };
    let producer = (ProducerId(7), ProducerEpoch(1));
    let mut open = BatchBuilder::new(Offset::ZERO).producer(producer.0, producer.1, 0).transactional();
    open.append(NOW, None, None, &[]);
    let aborted = [open.build(), marker.batch(Offset(1), LeaderEpoch(5), producer)].concat();
    seed("aborted-replicated".to_string(), [3, 7, 1], &aborted);
    seed("aborted-raft".to_string(), [2, 7, 1], &aborted);
    seed("marker".to_string(), [1, 7, 1], &marker.batch(Offset::ZERO, LeaderEpoch(5), producer));
    seeds
}
