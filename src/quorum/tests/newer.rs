//! A log that a newer Kafka went on with is not opened, says what is unknown in it, and stays as it is.

use super::*;
use crate::quorum::batches::{BatchHead, encode_metadata};

/// Opens a log that ends with these records, which must fail, and answers why.
fn refusal(records: &[Bytes]) -> String {
    let dir = TempDir::new().unwrap();
    let id = format(dir.path(), standalone());
    let Opened { quorum, .. } = Quorum::open(options(dir.path(), id)).unwrap();
    let base_offset = quorum.next_offset();
    quorum.close().unwrap();
    drop(quorum);
    let log = dir.path().join(METADATA_LOG).join("00000000000000000000.log");
    let mut bytes = fs::read(&log).unwrap();
    bytes.extend(encode_metadata(BatchHead { base_offset, epoch: LeaderEpoch(1), timestamp: Millis(7) }, records));
    fs::write(&log, &bytes).unwrap();
    let state = dir.path().join(METADATA_LOG).join("quorum-state");
    let before = fs::read(&state).unwrap();
    let Err(error) = Quorum::open(options(dir.path(), id)) else { panic!("it opened") };
    assert_eq!((fs::read(&log).unwrap(), fs::read(&state).unwrap()), (bytes, before), "nothing is written");
    error.to_string().replace(&dir.path().display().to_string(), "DIR")
}

fn level(name: &str, feature_level: i16) -> Bytes {
    MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.into(), feature_level }).encode(0).unwrap()
}

#[test]
fn what_is_unknown_stops_the_start_with_its_name() {
    let newer = "a newer Kafka wrote it, go on with that one";
    let hint = format!("{newer}, or lower the level there (kafka-features.sh downgrade)");
    let told = refusal(&[level("metadata.version", 31)]);
    assert!(
        told.ends_with(&format!("finalises metadata.version at level 31; this node supports 7 to 30: {hint}")),
        "{told}"
    );
    let told = refusal(&[level("future.version", 1)]);
    assert!(
        told.ends_with(&format!("finalises future.version at level 1; this node supports 0 to 0: {hint}")),
        "{told}"
    );
    let unknown_type = Bytes::from_static(&[1, 40, 0, 0]);
    let told = refusal(&[level("metadata.version", 30), unknown_type]);
    assert!(told.ends_with(&format!("unknown metadata record of type 40: {newer}")), "{told}");
    let unknown_version = Bytes::from_static(&[1, 2, 9, 0]);
    let told = refusal(&[unknown_version]);
    assert!(told.ends_with(&format!("TopicRecord has version 9; 0 to 0 are known: {newer}")), "{told}");
}
