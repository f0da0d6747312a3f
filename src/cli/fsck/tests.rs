//! A small directory, healthy and with one thing wrong at a time.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::check;
use super::finding::Finding;
use super::repair::Plan;
use crate::log::names::{FileKind, FileState, file_path};
use crate::log::{MetaProperties, checkpoint, repair};
use crate::protocol::batch::BatchBuilder;
use crate::types::{BrokerId, LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId, TopicPartition, Uuid};

/// Batches of a segment, and records of a batch.
const BATCHES: i64 = 40;
const RECORDS: i64 = 5;
const SEGMENT: i64 = BATCHES * RECORDS;

/// A cleanly stopped directory of one partition with three segments.
fn directory() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let meta = MetaProperties { cluster_id: "c".to_owned(), node_id: BrokerId(1), directory_id: Some(Uuid::random()) };
    meta.write(dir.path()).unwrap();
    fs::write(dir.path().join(".kafka_cleanshutdown"), "{\"version\":0,\"brokerEpoch\":1}").unwrap();
    let topic = dir.path().join("t-0");
    fs::create_dir(&topic).unwrap();
    for base in [0, SEGMENT, 2 * SEGMENT] {
        let log: Vec<u8> = (0..BATCHES).flat_map(|n| batch(base + n * RECORDS)).collect();
        fs::write(log_path(dir.path(), base), log).unwrap();
        repair::rebuild_indexes(&topic, Offset(base), 1024).unwrap();
    }
    checkpoint::write_epochs(&topic.join(checkpoint::LEADER_EPOCH), &[(LeaderEpoch(3), Offset(0))]).unwrap();
    let partition = TopicPartition::new("t", 0);
    for name in [checkpoint::RECOVERY_POINT, checkpoint::HIGH_WATERMARK] {
        let entry = [(&partition, Offset(3 * SEGMENT))];
        checkpoint::write_offsets(&dir.path().join(name), entry.into_iter()).unwrap();
    }
    dir
}

fn batch(base: i64) -> Vec<u8> {
    let builder = BatchBuilder::new(Offset(base)).leader_epoch(LeaderEpoch(3));
    let mut builder = builder.producer(ProducerId(7), ProducerEpoch(0), base as i32);
    for n in 0..RECORDS {
        builder.append(Millis(1_000_000 + base + n), Some(b"key"), Some(&[b'v'; 100]), &[]);
    }
    builder.build().to_vec()
}

fn log_path(dir: &Path, base: i64) -> PathBuf {
    file_path(&dir.join("t-0"), Offset(base), FileKind::Log, FileState::Live)
}

fn run(dir: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    let told = check::run(&[dir.to_path_buf()], &mut |finding| {
        found.push(finding);
        Ok(())
    });
    assert!(told.is_ok());
    found
}

fn damages(dir: &Path) -> Vec<String> {
    let root = format!("{}/", dir.display());
    run(dir).iter().filter(|one| one.is_damage()).map(|one| one.to_string().replace(&root, "")).collect()
}

/// Repairs once; answers what is left.
fn mend(dir: &Path) -> Vec<String> {
    let mut plan = Plan::default();
    run(dir).iter().for_each(|finding| plan.add(finding));
    let mut said = Vec::new();
    assert_eq!(plan.carry_out(&mut said).unwrap(), 0, "{}", String::from_utf8_lossy(&said));
    damages(dir)
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_healthy_directory_has_no_damage() {
    let dir = directory();
    assert_eq!(damages(dir.path()), [""; 0]);
    fs::remove_file(dir.path().join(".kafka_cleanshutdown")).unwrap();
    assert_eq!(damages(dir.path()), [""; 0]);
}

#[test]
fn damage_before_good_data_is_named_and_left_alone() {
    type Plant = fn(&Path);
    let len = batch(0).len();
    let cases: [(Plant, String); 4] = [
        (
            |dir| change(&log_path(dir, SEGMENT), |log| log[batch(0).len() * 3 + 200] ^= 1),
            format!("byte {}, offset 215: the batch's checksum does not match", len * 3),
        ),
        (
            |dir| change(&log_path(dir, SEGMENT), |log| log[batch(0).len() + 16] = 0),
            format!("byte {len}, offset 205: "),
        ),
        (|dir| fs::remove_file(log_path(dir, SEGMENT)).unwrap(), "the offsets 200 to 399 are missing".to_owned()),
        (
            |dir| {
                let aside = dir.join("aside");
                fs::rename(log_path(dir, 0), &aside).unwrap();
                fs::rename(log_path(dir, SEGMENT), log_path(dir, 0)).unwrap();
                fs::rename(&aside, log_path(dir, SEGMENT)).unwrap();
            },
            "byte 0, offset 200: a batch of offsets 200 to 204 stands in the segment of 0".to_owned(),
        ),
    ];
    for (plant, expected) in cases {
        let dir = directory();
        plant(dir.path());
        let found = damages(dir.path());
        assert!(found.first().is_some_and(|line| line.contains(&expected)), "{expected}: {found:?}");
        assert_eq!(mend(dir.path()), found);
    }
}

#[test]
fn what_loses_nothing_is_mended() {
    type Plant = fn(&Path);
    let cases: [(Plant, &str); 6] = [
        (
            |dir| change(&log_path(dir, 2 * SEGMENT), |log| log.truncate(log.len() - 9)),
            "records from offset 595 on are lost",
        ),
        (|dir| change(&dir.join("t-0/00000000000000000200.index"), |index| index.truncate(13)), ".index: byte 8"),
        (|dir| change(&dir.join("t-0/00000000000000000200.index"), |index| index[15] ^= 1), ".index: byte 8"),
        (|dir| change(&dir.join("t-0/00000000000000000200.timeindex"), |index| index[19] ^= 1), ".timeindex: byte 12"),
        (|dir| fs::write(dir.join("t-0/leader-epoch-checkpoint"), "0\n1\n5 0\n").unwrap(), "epoch 5 at offset 0"),
        (
            |dir| fs::write(dir.join("recovery-point-offset-checkpoint"), "0\n1\nt 0 601\n").unwrap(),
            "offset 601 for t-0, whose log ends at 600",
        ),
    ];
    for (plant, expected) in cases {
        let dir = directory();
        plant(dir.path());
        let found = damages(dir.path());
        assert!(found.first().is_some_and(|line| line.contains(expected)), "{expected}: {found:?}");
        assert_eq!(mend(dir.path()), [""; 0], "{expected}");
    }
}

#[test]
fn a_torn_tail_behind_the_recovery_point_is_no_damage() {
    let dir = directory();
    fs::remove_file(dir.path().join(".kafka_cleanshutdown")).unwrap();
    fs::write(dir.path().join(checkpoint::RECOVERY_POINT), "0\n1\nt 0 400\n").unwrap();
    change(&log_path(dir.path(), 2 * SEGMENT), |log| log.truncate(log.len() - 9));
    let found = run(dir.path());
    assert!(found.iter().all(|finding| !finding.is_damage()), "{found:?}");
    assert!(found.iter().any(|finding| finding.what.contains("the next start cuts them")), "{found:?}");
}

#[test]
fn indexes_are_trusted_up_to_the_recovery_point() {
    for (entry, expected) in [(0, 1), (12, 0)] {
        let dir = directory();
        fs::remove_file(dir.path().join(".kafka_cleanshutdown")).unwrap();
        fs::write(dir.path().join(checkpoint::RECOVERY_POINT), "0\n1\nt 0 500\n").unwrap();
        let index = file_path(&dir.path().join("t-0"), Offset(2 * SEGMENT), FileKind::OffsetIndex, FileState::Live);
        change(&index, |index| {
            assert!(index.len() > 13 * 8);
            index[entry * 8 + 7] ^= 1;
            index.extend([0; 64]);
        });
        assert_eq!(damages(dir.path()).len(), expected, "entry {entry}");
    }
}

#[test]
fn records_around_damage_are_exported() {
    let dir = directory();
    change(&log_path(dir.path(), SEGMENT), |log| log[batch(0).len() * 3 + 200] ^= 1);
    let mut offsets = Vec::new();
    let salvaged = super::export::salvage(&dir.path().join("t-0"), &mut |header, record, _| {
        offsets.push(header.offset_of(record).0);
        Ok::<(), crate::log::LogError>(())
    });
    let salvaged = salvaged.unwrap();
    assert_eq!(offsets, (0..215).chain(220..600).collect::<Vec<i64>>());
    assert_eq!((salvaged.records, salvaged.lost_bytes, salvaged.places), (595, batch(0).len() as u64, 1));
}
