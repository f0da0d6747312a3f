//! Metadata logs after a kill, after damage, and with batches as large as they may be.

use super::*;

const LOG_FILE: &str = "00000000000000000000.log";

fn log_file(dir: &Path) -> std::path::PathBuf {
    dir.join(METADATA_LOG).join(LOG_FILE)
}

/// What a kill leaves: the files as they are, with no word of a stop. Only the log is cut to `len` bytes.
fn killed(of: &Path, len: usize) -> TempDir {
    let copy = TempDir::new().unwrap();
    fs::create_dir(copy.path().join(METADATA_LOG)).unwrap();
    for folder in ["", METADATA_LOG] {
        for entry in fs::read_dir(of.join(folder)).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                fs::copy(entry.path(), copy.path().join(folder).join(entry.file_name())).unwrap();
            }
        }
    }
    let log = fs::OpenOptions::new().write(true).open(log_file(copy.path())).unwrap();
    log.set_len(len as u64).unwrap();
    copy
}

/// A quorum that committed three topics, one batch each, and where each batch ends in the file.
async fn three_topics(dir: &Path) -> (Uuid, Quorum, [usize; 3]) {
    let id = format(dir, standalone());
    let quorum = Quorum::open(options(dir, id)).unwrap().quorum;
    let mut ends = [0; 3];
    for (end, name) in ends.iter_mut().zip(["a", "bb", "ccc"]) {
        append(&quorum, &[topic(name)]).await;
        *end = fs::metadata(log_file(dir)).unwrap().len() as usize;
    }
    (id, quorum, ends)
}

#[tokio::test]
async fn a_metadata_log_cut_at_any_byte_keeps_every_whole_batch() {
    let dir = TempDir::new().unwrap();
    let (id, _quorum, [first, second, third]) = three_topics(dir.path()).await;
    for cut in (first..second).step_by(7).chain(second - 1..=third) {
        let copy = killed(dir.path(), cut);
        let Opened { quorum, image } = Quorum::open(options(copy.path(), id)).unwrap();
        let expected = if cut < second {
            1
        } else if cut < third {
            2
        } else {
            3
        };
        assert_eq!(image.topics.len(), expected, "cut at {cut}");
        assert_eq!(quorum.epoch(), LeaderEpoch(2));
        // The election follows the last whole batch, so nothing of the torn one is left.
        assert_eq!(append(&quorum, &[topic("dddd")]).await, Offset(10 + expected as i64 + 1), "cut at {cut}");
        quorum.close().unwrap();
        let again = Quorum::open(options(copy.path(), id)).unwrap();
        assert_eq!(again.image.topics.len(), expected + 1, "cut at {cut}");
    }
}

#[tokio::test]
async fn damage_before_committed_records_is_refused_by_file_and_offset() {
    let dir = TempDir::new().unwrap();
    let (id, _quorum, [first, second, third]) = three_topics(dir.path()).await;
    // The checksum does not cover the leader epoch, and nothing else contradicts it.
    for at in (first..first + 12).chain(first + 16..second) {
        let copy = killed(dir.path(), third);
        let mut bytes = fs::read(log_file(copy.path())).unwrap();
        bytes[at] ^= 0x11;
        fs::write(log_file(copy.path()), &bytes).unwrap();
        let error = Quorum::open(options(copy.path(), id)).map(|_| ()).unwrap_err().to_string();
        // An offset that moved ahead makes the next batch the one that is out of place.
        let places = [first, second].map(|byte| format!("damaged at byte {byte}, near offset"));
        let named = places.iter().any(|place| error.contains(place));
        assert!(error.contains(LOG_FILE) && named, "byte {at}: {error}");
        assert_eq!(fs::read(log_file(copy.path())).unwrap(), bytes, "nothing was cut");
    }
}

/// Records of a known size: `count` of `bytes` each.
fn large(first: usize, count: usize, bytes: usize) -> Vec<MetadataRecord> {
    let record = |n: usize| ConfigRecord {
        resource_type: 2,
        resource_name: format!("t{n:05}"),
        name: "retention.ms".into(),
        value: Some("9".repeat(bytes)),
    };
    (first..first + count).map(|n| record(n).into()).collect()
}

#[tokio::test]
async fn batches_of_many_megabytes_are_written_replayed_and_snapshotted() {
    let dir = TempDir::new().unwrap();
    let id = format(dir.path(), standalone());
    let quorum = Quorum::open(options(dir.path(), id)).unwrap().quorum;
    let too_large = quorum.append(&large(0, 90, 100_000)).unwrap_err();
    assert!(matches!(too_large, crate::state_machine::JournalError::TooLarge { .. }), "{too_large:?}");
    append(&quorum, &large(0, 80, 100_000)).await;
    append(&quorum, &large(80, 2, 4_000_000)).await;
    let records = quorum.image().to_records();
    let copy = killed(dir.path(), fs::metadata(log_file(dir.path())).unwrap().len() as usize);
    let replayed = Quorum::open(options(copy.path(), id)).unwrap();
    assert_eq!(replayed.image.to_records(), records);
    quorum.close().unwrap();
    let snapshots = snapshot::list(&dir.path().join(METADATA_LOG)).unwrap();
    let latest = dir.path().join(METADATA_LOG).join(snapshots.last().unwrap().file_name());
    assert!(fs::metadata(latest).unwrap().len() > 16_000_000);
    fs::write(log_file(dir.path()), []).unwrap();
    assert!(Quorum::open(options(dir.path(), id)).is_err(), "the log does not reach the snapshot any more");
}

#[test]
fn no_election_follows_the_last_epoch() {
    let dir = TempDir::new().unwrap();
    let id = format(dir.path(), standalone());
    let state = ElectionState { epoch: LeaderEpoch(i32::MAX), ..ElectionState::NONE };
    state.write(&dir.path().join(METADATA_LOG), 1, &[]).unwrap();
    let refused = Quorum::open(options(dir.path(), id)).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("epoch 2147483647 is the last"), "{refused}");
}
