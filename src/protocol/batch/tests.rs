//! Batches written by Java and by librdkafka, read and written back; arbitrary bytes.

use proptest::prelude::*;

use super::*;
use crate::protocol::control::EndTxnMarker;

macro_rules! segment {
    ($name:literal) => {
        &include_bytes!(concat!("../testdata/", $name, ".log"))[..]
    };
}

type Headers = Vec<(Vec<u8>, Option<Vec<u8>>)>;
type Owned = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Headers);

fn owned(record: &RecordRef<'_>) -> Owned {
    let headers = record.headers.map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec))).collect();
    (record.timestamp_delta, record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec), headers)
}

fn read_all(bytes: &[u8]) -> Vec<Owned> {
    let mut decompressor = Decompressor::new();
    let mut all = Vec::new();
    let mut expected = 0;
    for batch in split_batches(bytes) {
        let batch = batch.unwrap();
        batch.check_crc().unwrap();
        for record in batch.records(&mut decompressor).unwrap() {
            let record = record.unwrap();
            assert_eq!(batch.header.offset_of(&record), Offset(expected));
            expected += 1;
            all.push(owned(&record));
        }
    }
    all
}

fn text(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(bytes.to_vec())
}

#[test]
fn batches_of_the_java_producer() {
    let segments = [
        (Compression::None, segment!("java-none")),
        (Compression::Gzip, segment!("java-gzip")),
        (Compression::Snappy, segment!("java-snappy")),
        (Compression::Lz4, segment!("java-lz4")),
        (Compression::Zstd, segment!("java-zstd")),
    ];
    for (codec, bytes) in segments {
        let first = BatchRef::parse(bytes).unwrap();
        assert_eq!(first.header.compression(), Ok(codec));
        assert_eq!(first.header.base_sequence, 0);
        assert!(first.header.has_producer_id());
        let records = read_all(bytes);
        assert_eq!(records.len(), 5);
        assert_eq!(records[0].1, text(b"k1"));
        let headers =
            vec![(b"h1".to_vec(), text(b"v1")), (b"h1".to_vec(), text(b"v2")), (b"empty".to_vec(), text(b""))];
        assert_eq!(records[0].3, headers, "a header key may repeat");
        assert_eq!(records[2].1, None);
        assert_eq!((records[3].1.clone(), records[3].2.clone()), (text(b"k4"), None));
        assert_eq!(records[4].2, text("ottla ".repeat(11).trim_end().as_bytes()));
    }
}

#[test]
fn batches_of_librdkafka() {
    let segments = [
        (Compression::None, segment!("librdkafka-none")),
        (Compression::Gzip, segment!("librdkafka-gzip")),
        (Compression::Snappy, segment!("librdkafka-snappy")),
        (Compression::Lz4, segment!("librdkafka-lz4")),
        (Compression::Zstd, segment!("librdkafka-zstd")),
    ];
    for (codec, bytes) in segments {
        let mut codecs = split_batches(bytes).map(|batch| batch.unwrap().header.compression());
        assert!(codecs.any(|of| of == Ok(codec)), "small batches stay uncompressed, the last one does not");
        let keys: Vec<_> = read_all(bytes).into_iter().map(|record| record.1.unwrap()).collect();
        assert_eq!(keys[..3], [b"a", b"b", b"c"]);
        assert_eq!(keys[3], [b'd'; 57]);
    }
}

#[test]
fn an_uncompressed_java_batch_is_rebuilt_to_the_byte() {
    let batch = BatchRef::parse(segment!("java-none")).unwrap();
    let header = batch.header;
    let mut builder = BatchBuilder::new(header.base_offset).leader_epoch(header.leader_epoch).producer(
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
    );
    for record in batch.records(&mut Decompressor::new()).unwrap() {
        let record = record.unwrap();
        builder.append_copy(header.timestamp_of(&record), &record);
    }
    assert_eq!(builder.uncompressed_len(), batch.bytes.len());
    assert_eq!(&builder.build()[..], batch.bytes);
}

#[test]
fn transaction_markers_are_rebuilt_to_the_byte() {
    let mut markers = 0;
    for batch in split_batches(segment!("java-transactions")) {
        let batch = batch.unwrap();
        assert!(batch.header.is_transactional());
        if batch.header.is_control() {
            let marker = EndTxnMarker::of(&batch, &mut Decompressor::new()).unwrap().unwrap();
            let header = batch.header;
            let producer = (header.producer_id, header.producer_epoch);
            assert_eq!(&marker.batch(header.base_offset, header.leader_epoch, producer)[..], batch.bytes);
            markers += 1;
        }
    }
    assert!(markers > 0);
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(sequence_after(i32::MAX, 1), 0);
    assert_eq!(sequence_after(i32::MAX - 1, 3), 1);
    assert_eq!(sequence_before(0, 1), i32::MAX);
    assert_eq!(sequence_before(1, 3), i32::MAX - 1);
}

#[test]
fn a_tail_ends_the_split_and_a_bad_length_is_an_error() {
    let batch = segment!("java-none");
    for cut in 0..batch.len() {
        let mut split = split_batches(&batch[..cut]);
        assert!(split.next().is_none());
        assert_eq!(split.rest().len(), cut);
    }
    let mut bytes = batch.to_vec();
    bytes.extend_from_slice(&[0; 12]);
    let results: Vec<_> = split_batches(&bytes).collect();
    assert_eq!(results.len(), 2);
    assert_eq!(results[1], Err(BatchError::Length(0)));
    bytes[16] = 1;
    assert_eq!(split_batches(&bytes).collect::<Vec<_>>(), [Err(BatchError::Magic(1))]);
}

#[test]
fn the_count_must_match_the_records() {
    let batch = segment!("java-none");
    let payload = &batch[BATCH_HEADER_LEN..];
    let last = |count| RecordIter::new(payload, count).unwrap().last().unwrap().err();
    assert_eq!(last(5), None);
    assert_eq!(last(4), Some(RecordError::Remaining));
    assert_eq!(last(6), Some(RecordError::Missing));
    assert_eq!(RecordIter::new(payload, -1).err(), Some(RecordError::Count(-1)));
}

#[test]
fn only_the_first_bytes_escape_the_crc() {
    let original = segment!("java-none");
    for at in 0..original.len() {
        let mut bytes = original.to_vec();
        bytes[at] ^= 0x10;
        let valid = BatchRef::parse(&bytes).is_ok_and(|batch| batch.crc_valid());
        assert_eq!(valid, at < 8 || (12..16).contains(&at), "byte {at}");
    }
}

fn a_record() -> impl Strategy<Value = Owned> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let headers = proptest::collection::vec((bytes(), proptest::option::of(bytes())), 0..4);
    (0i64..1 << 40, proptest::option::of(bytes()), proptest::option::of(bytes()), headers)
}

proptest! {
    #[test]
    fn any_batch_survives(records in proptest::collection::vec(a_record(), 1..30), stamp in any::<bool>()) {
        for codec in Compression::ALL {
            let mut builder = BatchBuilder::new(Offset(7)).compression(codec, None);
            if stamp {
                builder = builder.log_append_time(Millis(99));
            }
            for (timestamp, key, value, headers) in &records {
                let headers: Vec<_> =
                    headers.iter().map(|(key, value)| RecordHeader { key, value: value.as_deref() }).collect();
                builder.append(Millis(*timestamp), key.as_deref(), value.as_deref(), &headers);
            }
            let bytes = builder.build();
            let batch = BatchRef::parse(&bytes).unwrap();
            prop_assert!(batch.crc_valid());
            prop_assert_eq!(&batch.header.encode()[..], &bytes[..BATCH_HEADER_LEN]);
            prop_assert_eq!(batch.header.last_offset(), Offset(6 + records.len() as i64));
            let mut decompressor = Decompressor::new();
            let mut read = Vec::new();
            for record in batch.records(&mut decompressor).unwrap() {
                let record = record.unwrap();
                let (_, key, value, headers) = owned(&record);
                read.push((batch.header.base_timestamp.0 + record.timestamp_delta, key, value, headers));
            }
            prop_assert_eq!(&read, &records);
        }
    }

    #[test]
    fn any_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..400), count in any::<i32>()) {
        for batch in split_batches(&bytes).flatten() {
            let _ = batch.records(&mut Decompressor::new()).map(Iterator::count);
        }
        if let Ok(records) = RecordIter::new(&bytes, count) {
            for record in records.flatten() {
                let _ = record.headers.count();
            }
        }
    }

    #[test]
    fn a_damaged_batch_is_harmless(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut decompressor = Decompressor::new();
        for segment in [segment!("java-none"), segment!("java-snappy"), segment!("java-lz4"), segment!("java-zstd")] {
            let mut bytes = segment.to_vec();
            bytes[at.index(segment.len())] = byte;
            for batch in split_batches(&bytes).flatten() {
                let _ = (batch.header.last_offset(), batch.header.next_offset(), batch.header.last_sequence());
                let _ = batch.offset_of_max_timestamp(&mut decompressor);
                let _ = EndTxnMarker::of(&batch, &mut decompressor);
            }
        }
    }
}
