//! The checks of appends. Expected codes and words are those a Kafka 4.3.1 broker answered to the same bytes.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::protocol::batch::{BatchBuilder, NO_TIMESTAMP, RecordHeader, RecordRef};
use crate::types::{ErrorCode, ProducerEpoch, ProducerId, TopicPartition};

const NOW: Millis = Millis(1_795_000_000_000);

struct Case {
    partition: TopicPartition,
    topic: TopicRules,
    origin: AppendOrigin,
    produce_version: Option<i16>,
}

fn client() -> Case {
    Case {
        partition: TopicPartition::new("t", 3),
        topic: TopicRules::default(),
        origin: AppendOrigin::Client,
        produce_version: Some(12),
    }
}

fn from(origin: AppendOrigin) -> Case {
    Case { origin, produce_version: None, ..client() }
}

impl Case {
    fn with(mut self, change: impl FnOnce(&mut TopicRules)) -> Case {
        change(&mut self.topic);
        self
    }

    fn validate(&self, records: &Bytes) -> Result<ValidatedBatches, AppendError> {
        let rules = AppendRules {
            partition: &self.partition,
            topic: &self.topic,
            origin: self.origin,
            now: NOW,
            leader_epoch: LeaderEpoch(4),
            produce_version: self.produce_version,
        };
        validate(records.clone(), &rules, &mut Decompressor::new())
    }

    fn one(&self, records: &Bytes) -> ValidatedBatch {
        let validated = self.validate(records).unwrap();
        assert_eq!(validated.batches.len(), 1);
        let batch = validated.batches.into_iter().next().unwrap();
        assert_eq!(BatchRef::parse(&batch.bytes).unwrap().header, batch.header);
        BatchRef::parse(&batch.bytes).unwrap().check_crc().unwrap();
        batch
    }

    fn code(&self, records: &Bytes) -> ErrorCode {
        self.validate(records).unwrap_err().error_code()
    }
}

type Keyed<'a> = (i64, Option<&'a [u8]>);

fn build(builder: BatchBuilder, records: &[Keyed<'_>]) -> Bytes {
    let mut builder = builder;
    let headers = [RecordHeader { key: b"h", value: None }, RecordHeader { key: b"h", value: Some(b"1") }];
    for (timestamp, key) in records {
        builder.append(Millis(*timestamp), *key, Some(b"value value value value"), &headers);
    }
    builder.build()
}

const THREE: [Keyed<'static>; 3] = [(NOW.0 - 5, Some(b"a")), (NOW.0 - 1, Some(b"b")), (NOW.0 - 3, Some(b"c"))];

fn batch(codec: Compression) -> Bytes {
    build(BatchBuilder::new(Offset::ZERO).compression(codec, None), &THREE)
}

fn plain() -> Bytes {
    batch(Compression::None)
}

/// `bytes` with another header, and the CRC renewed.
fn reheaded(bytes: &[u8], change: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let mut header = BatchHeader::parse(bytes).unwrap();
    change(&mut header);
    header.renew_crc(&bytes[BATCH_HEADER_LEN..]);
    Bytes::from([&header.encode()[..], &bytes[BATCH_HEADER_LEN..]].concat())
}

/// A batch of `payload` as it is, with a right header and CRC.
fn with_payload(count: i32, attributes: u16, payload: &[u8]) -> Bytes {
    let mut header = BatchHeader::parse(&plain()).unwrap();
    header.attributes = attributes;
    header.record_count = count;
    header.last_offset_delta = count - 1;
    header.batch_length = (BATCH_HEADER_LEN - 12 + payload.len()) as i32;
    header.renew_crc(payload);
    Bytes::from([&header.encode()[..], payload].concat())
}

fn contents(batch: &[u8]) -> Vec<(i32, i64, Vec<u8>)> {
    let batch = BatchRef::parse(batch).unwrap();
    let content = |record: RecordRef<'_>| {
        let timestamp = batch.header.base_timestamp.0 + record.timestamp_delta;
        (record.offset_delta, timestamp, record.key.unwrap_or_default().to_vec())
    };
    batch.records(&mut Decompressor::new()).unwrap().map(|record| content(record.unwrap())).collect()
}

#[test]
fn the_producers_bytes_are_kept_without_a_copy() {
    for codec in Compression::ALL {
        let records = batch(codec);
        let kept = client().one(&records);
        assert_eq!(kept.bytes.as_ptr(), records.as_ptr(), "{codec}");
        assert_eq!(kept.bytes.len(), records.len());
        assert_eq!(kept.max_timestamp, Millis(NOW.0 - 1));
        assert_eq!(kept.offset_of_max_timestamp_delta, 1);
    }
}

#[test]
fn an_assigned_batch_differs_only_in_its_first_bytes() {
    let mut kept = client().one(&plain());
    let prefix = kept.assign(Offset(77), LeaderEpoch(5));
    let stored = [&prefix[..], kept.after_prefix()].concat();
    let read = BatchRef::parse(&stored).unwrap();
    assert!(read.crc_valid());
    assert_eq!((read.header.base_offset, read.header.leader_epoch), (Offset(77), LeaderEpoch(5)));
    assert_eq!(read.header, kept.header);
}

#[test]
fn bytes_that_are_no_single_batch() {
    let two = Bytes::from([plain(), plain()].concat());
    let mut old_magic = plain().to_vec();
    old_magic[16] = 1;
    let mut new_magic = plain().to_vec();
    new_magic[16] = 3;
    let mut tiny = vec![0; 12 + 15];
    (tiny[11], tiny[16]) = (15, 2);
    for (records, code) in [
        (Bytes::new(), ErrorCode::InvalidRecord),
        (plain().slice(..60), ErrorCode::InvalidRecord),
        (Bytes::from_static(&[0; 30]), ErrorCode::CorruptMessage),
        (Bytes::from(tiny), ErrorCode::CorruptMessage),
        (old_magic.clone().into(), ErrorCode::InvalidRecord),
        (new_magic.clone().into(), ErrorCode::CorruptMessage),
        (two.clone(), ErrorCode::InvalidRecord),
        ([&plain()[..], &[0; 12]].concat().into(), ErrorCode::CorruptMessage),
        ([&plain()[..], &old_magic].concat().into(), ErrorCode::InvalidRecord),
        ([&plain()[..], &new_magic].concat().into(), ErrorCode::CorruptMessage),
    ] {
        let error = client().validate(&records).unwrap_err();
        assert_eq!(error.error_code(), code, "{error}");
        assert!(!error.tells_log_start_offset());
    }
    // Only where Kafka cannot even find the first batch does it say why.
    let message = |records: &[u8]| client().validate(&records.to_vec().into()).unwrap_err().error_message();
    assert_eq!(message(&[0; 30]).unwrap(), "Record size 0 is less than the minimum record overhead (14)");
    assert_eq!(message(&new_magic).unwrap(), "Invalid magic found in record: 3");
    assert_eq!(message(&old_magic), None);
    assert_eq!(message(&[&plain()[..], &new_magic].concat()), None);
    // An incomplete second batch is cut off.
    assert_eq!(client().one(&two.slice(..two.len() - 1)).bytes, plain());
    assert_eq!(client().one(&[&plain()[..], &[0; 11]].concat().into()).bytes, plain());
}

#[test]
fn zstd_needs_produce_7() {
    let old = Case { produce_version: Some(6), ..client() };
    assert_eq!(old.code(&batch(Compression::Zstd)), ErrorCode::UnsupportedCompressionType);
    assert!(old.validate(&batch(Compression::Lz4)).is_ok());
    assert!(Case { produce_version: Some(7), ..client() }.validate(&batch(Compression::Zstd)).is_ok());
}

#[test]
fn headers_that_clients_may_not_send() {
    let header = |change: fn(&mut BatchHeader)| client().code(&reheaded(&plain(), change));
    assert_eq!(header(|header| header.base_offset = Offset(1)), ErrorCode::InvalidRecord);
    assert_eq!(header(|header| header.last_offset_delta = -1), ErrorCode::InvalidRecord);
    assert_eq!(header(|header| header.record_count = 0), ErrorCode::InvalidRecord);
    assert_eq!(header(|header| header.record_count = -3), ErrorCode::InvalidRecord);
    assert_eq!(header(|header| header.record_count = 4), ErrorCode::InvalidRecord);
    assert_eq!(header(|header| header.attributes |= 0x20), ErrorCode::InvalidRecord);
    assert_eq!(header(|header| header.attributes |= 5), ErrorCode::UnknownServerError);
    assert_eq!(
        header(|header| (header.producer_id, header.base_sequence) = (ProducerId(5), -2)),
        ErrorCode::InvalidRecord
    );
    let mut bytes = plain().to_vec();
    bytes[20] ^= 1;
    let error = client().validate(&bytes.into()).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::CorruptMessage);
    assert!(!error.tells_log_start_offset());
}

#[test]
fn records_and_their_number_must_fill_the_batch() {
    for codec in Compression::ALL {
        for count in [2, 4] {
            let bytes = reheaded(&batch(codec), |header| {
                (header.record_count, header.last_offset_delta) = (count, count - 1);
            });
            assert_eq!(client().code(&bytes), ErrorCode::InvalidRecord, "{codec} {count}");
        }
    }
}

#[test]
fn payloads_that_no_codec_can_read() {
    for codec in 1..=4 {
        assert_eq!(client().code(&with_payload(1, codec, b"garbage")), ErrorCode::UnknownServerError, "codec {codec}");
    }
    // An LZ4 frame whose end mark is missing holds all its records.
    let lz4 = batch(Compression::Lz4);
    let cut = with_payload(3, 3, &lz4[BATCH_HEADER_LEN..lz4.len() - 4]);
    assert_eq!(client().code(&cut), ErrorCode::UnknownServerError);
}

#[test]
fn sizes_have_limits() {
    let small = client().with(|topic| topic.max_message_bytes = 100);
    let error = small.validate(&plain()).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::MessageTooLarge);
    assert!(!error.tells_log_start_offset());
    let size = plain().len();
    assert!(client().with(|topic| topic.max_message_bytes = size).validate(&plain()).is_ok());
    assert_eq!(client().with(|topic| topic.segment_bytes = size - 1).code(&plain()), ErrorCode::RecordListTooLarge);
    // A batch may be small enough only until it is rebuilt.
    let compressed = batch(Compression::Zstd);
    let unpacked = client().with(|topic| {
        topic.max_message_bytes = compressed.len();
        topic.compression = TargetCompression::Codec(Compression::None, None);
    });
    assert_eq!(unpacked.code(&compressed), ErrorCode::MessageTooLarge);
}

#[test]
fn compacted_topics_need_keys() {
    let records: [Keyed<'_>; 5] = [(NOW.0, Some(b"k")), (NOW.0, None), (NOW.0, None), (NOW.0, None), (NOW.0, None)];
    let case = client().with(|topic| topic.compacted = true);
    for codec in Compression::ALL {
        let bytes = build(BatchBuilder::new(Offset::ZERO).compression(codec, None), &records);
        let error = case.validate(&bytes).unwrap_err();
        assert_eq!(error.error_code(), ErrorCode::InvalidRecord);
        assert!(error.tells_log_start_offset());
        let indexes: Vec<i32> = error.record_errors().iter().map(|error| error.batch_index).collect();
        assert_eq!(indexes, [1, 2, 3, 4]);
        let message = "Compacted topic cannot accept message without key in topic partition t-3";
        assert_eq!(error.record_errors()[0].message, message);
        let expected = format!(
            "One or more records have been rejected due to 4 record errors in total, and only showing the first three \
             errors at most: [RecordError(batchIndex=1, message='{message}'), RecordError(batchIndex=2, \
             message='{message}'), RecordError(batchIndex=3, message='{message}')]"
        );
        assert_eq!(error.error_message(), Some(expected));
    }
    assert!(case.validate(&plain()).is_ok());
}

#[test]
fn the_number_of_named_records_is_limited() {
    let records = vec![(NOW.0, None); 1500];
    let case = client().with(|topic| topic.compacted = true);
    let error = case.validate(&build(BatchBuilder::new(Offset::ZERO), &records)).unwrap_err();
    assert_eq!(error.record_errors().len(), 1000);
    assert!(error.error_message().unwrap().contains("due to 1500 record errors"));
}

#[test]
fn timestamps_have_bounds() {
    let hour = 3_600_000;
    let case = client().with(|topic| topic.message_timestamp_before_max_ms = hour);
    let at = |timestamp: i64| build(BatchBuilder::new(Offset::ZERO), &[(NOW.0, Some(b"k")), (timestamp, Some(b"k"))]);
    for timestamp in [NOW.0 - hour, NOW.0 + hour, -1] {
        assert!(case.validate(&at(timestamp)).is_ok());
    }
    for timestamp in [NOW.0 - hour - 1, NOW.0 + hour + 1, 0] {
        let error = case.validate(&at(timestamp)).unwrap_err();
        assert_eq!(error.error_code(), ErrorCode::InvalidTimestamp);
        let [rejection] = error.record_errors() else { panic!("one record is wrong") };
        let expected = format!(
            "Timestamp {timestamp} of message with offset 1 is out of range. The timestamp should be within [{}, {}]",
            NOW.0 - hour,
            NOW.0 + hour
        );
        assert_eq!((rejection.batch_index, &rejection.message), (1, &expected));
        let message = "One or more records have been rejected due to invalid timestamp";
        assert_eq!(error.error_message().as_deref(), Some(message));
    }
    assert!(client().validate(&at(0)).is_ok(), "by default nothing is too old");
    assert_eq!(client().code(&at(NOW.0 + hour + 1)), ErrorCode::InvalidTimestamp);
    // Where the broker stamps the records, theirs do not matter.
    let stamping = case.with(|topic| topic.timestamp_type = TimestampType::LogAppendTime);
    assert!(stamping.validate(&at(0)).is_ok());
}

#[test]
fn a_bad_timestamp_decides_the_code_over_a_missing_key() {
    let case = client().with(|topic| topic.compacted = true);
    let records = build(BatchBuilder::new(Offset::ZERO), &[(NOW.0, None), (NOW.0 * 2, Some(b"k"))]);
    let error = case.validate(&records).unwrap_err();
    assert_eq!((error.error_code(), error.record_errors().len()), (ErrorCode::InvalidTimestamp, 2));
}

#[test]
fn a_producer_may_not_stamp_for_the_broker() {
    let stamping = client().with(|topic| topic.timestamp_type = TimestampType::LogAppendTime);
    let forged = |codec| {
        let builder = BatchBuilder::new(Offset::ZERO).compression(codec, None).log_append_time(Millis(9));
        build(builder, &[(NOW.0, None)])
    };
    for (codec, record) in [
        (Compression::None, "DefaultRecord(offset=0, timestamp=9, key=0 bytes, value=23 bytes)"),
        (Compression::Gzip, "PartialDefaultRecord(offset=0, timestamp=9, key=-1 bytes, value=23 bytes)"),
    ] {
        let error = stamping.validate(&forged(codec)).unwrap_err();
        assert_eq!(error.error_code(), ErrorCode::InvalidTimestamp);
        let expected = format!(
            "Invalid timestamp type in message {record}. Producer should not set timestamp type to LogAppendTime."
        );
        assert_eq!(error.record_errors()[0].message, expected);
    }
    // On a topic of create time the claim is taken back, and the stamp counts as the records' time.
    let forged = build(BatchBuilder::new(Offset::ZERO).log_append_time(NOW), &THREE);
    let kept = client().one(&forged);
    assert_eq!(kept.header.timestamp_type(), TimestampType::CreateTime);
    assert_eq!(kept.max_timestamp, NOW);
}

#[test]
fn log_append_time_is_stamped_in_the_header_alone() {
    for codec in Compression::ALL {
        let records = batch(codec);
        let stamping = client().with(|topic| topic.timestamp_type = TimestampType::LogAppendTime);
        assert_eq!(stamping.validate(&records).unwrap().log_append_time, Some(NOW));
        let stamped = stamping.one(&records);
        let before = BatchHeader::parse(&records).unwrap();
        assert_eq!(stamped.header.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!(stamped.header.max_timestamp, NOW);
        assert_eq!(stamped.header.base_timestamp, before.base_timestamp);
        assert_eq!(stamped.header.attributes, before.attributes | 8);
        assert_eq!(stamped.bytes[BATCH_HEADER_LEN..], records[BATCH_HEADER_LEN..]);
        assert_eq!((stamped.max_timestamp, stamped.offset_of_max_timestamp_delta), (NOW, 0));
    }
}

#[test]
fn a_wrong_max_timestamp_is_put_right() {
    for codec in Compression::ALL {
        let wrong = reheaded(&batch(codec), |header| {
            header.max_timestamp = Millis(5);
            header.attributes |= 0x180;
        });
        let kept = client().one(&wrong);
        assert_eq!(kept.header.max_timestamp, Millis(NOW.0 - 1));
        assert_eq!(kept.header.attributes, u16::from(codec.id()), "meaningless bits are dropped with it");
        assert_eq!(kept.bytes[BATCH_HEADER_LEN..], wrong[BATCH_HEADER_LEN..]);
    }
}

#[test]
fn topics_that_name_a_codec_get_it() {
    for source in Compression::ALL {
        for target in Compression::ALL {
            let producer = (ProducerId(7), ProducerEpoch(2));
            let builder = BatchBuilder::new(Offset::ZERO).compression(source, None);
            let records = build(builder.producer(producer.0, producer.1, 40).transactional(), &THREE);
            let case = client().with(|topic| topic.compression = TargetCompression::Codec(target, Some(1)));
            let rebuilt = case.one(&records);
            assert_eq!(rebuilt.header.compression(), Ok(target));
            assert_eq!(contents(&rebuilt.bytes), contents(&records));
            assert_eq!(rebuilt.bytes == records, source == target, "the level alone changes nothing");
            let header = rebuilt.header;
            assert_eq!((header.producer_id, header.producer_epoch), producer);
            assert_eq!((header.base_sequence, header.is_transactional()), (40, true));
            assert_eq!((rebuilt.max_timestamp, rebuilt.offset_of_max_timestamp_delta), (Millis(NOW.0 - 1), 1));
        }
    }
    let both = client().with(|topic| {
        topic.compression = TargetCompression::Codec(Compression::Zstd, Some(3));
        topic.timestamp_type = TimestampType::LogAppendTime;
    });
    let rebuilt = both.one(&plain());
    assert_eq!((rebuilt.header.timestamp_type(), rebuilt.max_timestamp), (TimestampType::LogAppendTime, NOW));
    assert_eq!(contents(&rebuilt.bytes), contents(&plain()));
}

#[test]
fn what_cannot_be_written_again_is_refused_only_where_it_must_be() {
    let old = build(BatchBuilder::new(Offset::ZERO), &[(-5, Some(b"k"))]);
    let ownerless = reheaded(&plain(), |header| header.attributes |= 0x10);
    let rebuilding = client().with(|topic| topic.compression = TargetCompression::Codec(Compression::Gzip, None));
    for records in [&old, &ownerless] {
        assert!(client().validate(records).is_ok());
        assert_eq!(rebuilding.code(records), ErrorCode::UnknownServerError);
    }
    assert_eq!(client().one(&old).max_timestamp, NO_TIMESTAMP);
}

/// Kafka keeps such offsets where nothing is compressed and fails inside where the codec stays; only where the codec
/// changes does it do what its authors meant.
#[test]
fn offsets_with_gaps_are_renumbered() {
    for codec in Compression::ALL {
        let mut gaps = BatchBuilder::new(Offset::ZERO).compression(codec, None);
        gaps.append_at(Offset(0), NOW, Some(b"a"), None, []);
        gaps.append_at(Offset(5), NOW, Some(b"b"), None, []);
        let records = reheaded(&gaps.build(), |header| header.last_offset_delta = 1);
        let rebuilt = client().one(&records);
        let deltas: Vec<i32> = contents(&rebuilt.bytes).iter().map(|record| record.0).collect();
        assert_eq!(deltas, [0, 1]);
        assert_eq!(rebuilt.header.compression(), Ok(codec));
    }
}

#[test]
fn coordinators_write_markers_and_need_no_sequences() {
    let marker = EndTxnMarker { commit: false, coordinator_epoch: 6, timestamp: NOW };
    let records = marker.batch(Offset(9), LeaderEpoch(1), (ProducerId(5), ProducerEpoch(1)));
    let compressing = |topic: &mut TopicRules| topic.compression = TargetCompression::Codec(Compression::Gzip, None);
    let batch = from(AppendOrigin::Coordinator).with(compressing).one(&records);
    assert_eq!(batch.marker, Some(marker));
    assert_eq!(batch.header.compression(), Ok(Compression::None), "control batches are not compressed");
    assert!(from(AppendOrigin::Coordinator).validate(&Bytes::new()).unwrap().is_empty());
}

#[test]
fn followers_and_the_quorum_take_batches_as_they_are() {
    let at = |offset: i64, epoch: i32| {
        let builder = BatchBuilder::new(Offset(offset)).leader_epoch(LeaderEpoch(epoch));
        build(builder.log_append_time(Millis(1)), &THREE)
    };
    let records = Bytes::from([at(10, 3), at(13, 4), at(16, 5), at(19, 4)].concat());
    let tight = |topic: &mut TopicRules| (topic.max_message_bytes, topic.segment_bytes) = (1, 1);
    let follower = from(AppendOrigin::Replication).with(tight).validate(&records).unwrap();
    let offsets: Vec<Offset> = follower.batches.iter().map(|batch| batch.header.base_offset).collect();
    assert_eq!(offsets, [Offset(10), Offset(13)], "what a later leader wrote is left out, and what follows it");
    assert_eq!(follower.batches[1].bytes, at(13, 4));
    assert_eq!((follower.record_count, follower.log_append_time), (6, None));

    let quorum = from(AppendOrigin::RaftLeader);
    assert_eq!(quorum.validate(&at(13, 4)).unwrap().batches.len(), 1);
    assert_eq!(quorum.code(&at(13, 3)), ErrorCode::InvalidRecord);
    let backwards = Bytes::from([at(13, 4), at(10, 4)].concat());
    assert_eq!(quorum.code(&backwards), ErrorCode::UnknownServerError);
}

proptest! {
    #[test]
    fn damage_is_harmless(codec in 0u8..5, at in any::<prop::sample::Index>(), byte in any::<u8>(), fix in any::<bool>()) {
        let mut bytes = batch(Compression::from_id(codec).unwrap()).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if fix && BatchHeader::parse(&bytes).is_ok() {
            bytes = reheaded(&bytes, |_| {}).to_vec();
        }
        let records = Bytes::from(bytes);
        for origin in
            [AppendOrigin::Client, AppendOrigin::Coordinator, AppendOrigin::RaftLeader, AppendOrigin::Replication]
        {
            let rebuild = |topic: &mut TopicRules| topic.compression = TargetCompression::Codec(Compression::Lz4, None);
            let stamp = |topic: &mut TopicRules| topic.timestamp_type = TimestampType::LogAppendTime;
            for case in [from(origin), from(origin).with(rebuild), from(origin).with(stamp)] {
                let _ = case.validate(&records).map_err(|error| (error.error_code(), error.to_string()));
            }
        }
    }
}
