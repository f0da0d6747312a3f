//! What a power cut leaves of single files, and the notes as another process reads them.

use std::fs;

use super::*;
use crate::log::disk;

struct Bench {
    root: tempfile::TempDir,
    disk: Arc<FaultyDisk>,
}

impl Bench {
    fn new() -> Bench {
        let root = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::lay(root.path(), &root.path().join("kept"), Plan::default()).unwrap();
        disk::create_dir(&root.path().join("d")).unwrap();
        disk::sync_dir(root.path()).unwrap();
        Bench { root, disk }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("d").join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        disk::write_file(&self.path(name), content).unwrap();
    }

    fn sync(&self, name: &str) {
        disk::sync_path(&self.path(name)).unwrap();
        disk::sync_dir(&self.root.path().join("d")).unwrap();
    }

    /// What may be left of a file, by the throws of some seeds. The change is made anew for each.
    fn outcomes(change: impl Fn(&Bench), name: &str) -> std::collections::BTreeSet<Option<Vec<u8>>> {
        let outcome = |seed| {
            let bench = Bench::new();
            change(&bench);
            bench.disk.cut_power(&mut Chance::new(seed)).unwrap();
            fs::read(bench.path(name)).ok()
        };
        (0..60).map(outcome).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.disk.lift();
    }
}

fn some(text: &[u8]) -> Option<Vec<u8>> {
    Some(text.to_vec())
}

#[test]
fn what_is_synced_stays_and_what_is_not_may_go() {
    let synced = |bench: &Bench| {
        bench.write("a", b"one");
        bench.sync("a");
    };
    assert_eq!(Bench::outcomes(synced, "a"), [some(b"one")].into());
    let unnamed = |bench: &Bench| {
        bench.write("a", b"one");
        disk::sync_path(&bench.path("a")).unwrap();
    };
    assert_eq!(Bench::outcomes(unnamed, "a"), [None, some(b"one")].into());
    let appended = |bench: &Bench| {
        synced(bench);
        let file = disk::open(&bench.path("a")).unwrap();
        disk::write_at(&file, &bench.path("a"), 3, b"two").unwrap();
    };
    assert_eq!(Bench::outcomes(appended, "a"), [some(b"one"), some(b"one\0\0\0"), some(b"onetwo")].into());
}

#[test]
fn renames_and_removals_are_undone_with_what_they_displaced() {
    let replaced = |bench: &Bench| {
        bench.write("a", b"old");
        bench.sync("a");
        bench.write("b", b"new");
        disk::sync_path(&bench.path("b")).unwrap();
        disk::rename(&bench.path("b"), &bench.path("a")).unwrap();
    };
    assert_eq!(Bench::outcomes(replaced, "a"), [some(b"old"), some(b"new")].into());
    let removed = |bench: &Bench| {
        bench.write("a", b"old");
        bench.sync("a");
        disk::remove(&bench.path("a")).unwrap();
    };
    assert_eq!(Bench::outcomes(removed, "a"), [None, some(b"old")].into());
    let cut = |bench: &Bench| {
        bench.write("a", b"0123456789");
        bench.sync("a");
        disk::set_len(&disk::open(&bench.path("a")).unwrap(), &bench.path("a"), 4).unwrap();
    };
    assert_eq!(Bench::outcomes(cut, "a"), [some(b"0123"), some(b"0123456789")].into());
}

#[test]
fn a_failed_sync_loses_its_bytes_whatever_is_synced_later() {
    let failed = |bench: &Bench| {
        bench.write("a", b"one");
        bench.sync("a");
        let (path, file) = (bench.path("a"), disk::open(&bench.path("a")).unwrap());
        disk::write_at(&file, &path, 3, b"two").unwrap();
        bench.disk.set_plan(Plan { fails_in: Some((0, io::ErrorKind::Other)), ..Plan::default() });
        assert!(disk::sync(&file, &path).unwrap_err().is_disk_failure());
        disk::write_at(&file, &path, 6, b"three").unwrap();
        disk::sync(&file, &path).unwrap();
    };
    assert_eq!(Bench::outcomes(failed, "a"), [some(b"one\0\0\0three")].into());
}

#[test]
fn a_write_may_be_done_in_part_before_it_fails_or_the_process_ends() {
    let lengths = |plan: fn(u64) -> Plan| -> std::collections::BTreeSet<usize> {
        let length = |seed| {
            let bench = Bench::new();
            let file = disk::create(&bench.path("a")).unwrap();
            bench.disk.set_plan(plan(seed));
            assert!(disk::write_at(&file, &bench.path("a"), 0, b"012").is_err());
            fs::read(bench.path("a")).unwrap().len()
        };
        (0..40).map(length).collect()
    };
    let full = |seed| Plan {
        fails_in: Some((0, io::ErrorKind::StorageFull)),
        chance: Some(Chance::new(seed)),
        ..Plan::default()
    };
    assert_eq!(lengths(full), [0, 1, 2, 3].into());
    assert_eq!(
        lengths(|seed| Plan { ends_in: Some(0), chance: Some(Chance::new(seed)), ..Plan::default() }),
        [0, 1, 2, 3].into()
    );
}

#[test]
fn another_process_reads_the_same_notes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes");
    let mut journal = Journal::create(&path).unwrap();
    let write = Content::Write { position: 3, len: 2, size: 4, old: vec![0, 255] };
    let events = [
        Event::Changed { inode: 7, content: write.clone() },
        Event::Changed { inode: 7, content: Content::SetLen { size: 5, len: 1, old: vec![1, 2, 3, 4] } },
        Event::Synced { inode: 7, count: 1 },
        Event::Changed { inode: 8, content: write },
        Event::Doomed { inode: 8, count: 1 },
        Event::Named { dir: 1, name: Name::Created { name: "a b".into() } },
        Event::Named { dir: 1, name: Name::Renamed { from: "a".into(), to: "b".into(), inode: 9, displaced: Some(3) } },
        Event::Named { dir: 1, name: Name::Renamed { from: "b".into(), to: "c".into(), inode: 9, displaced: None } },
        Event::Named { dir: 1, name: Name::Removed { name: "c".into(), inode: 9 } },
        Event::NamesSynced { dir: 1, count: 1 },
        Event::Lost { inode: 98 },
        Event::Forgotten { inode: 99 },
    ];
    let mut notes = Notes::default();
    for event in events {
        journal.write(&event).unwrap();
        notes.apply(event);
    }
    assert_eq!(format!("{:?}", Journal::read(&path).unwrap()), format!("{notes:?}"));
    fs::OpenOptions::new().append(true).open(&path).unwrap().set_len(fs::metadata(&path).unwrap().len() - 1).unwrap();
    assert_eq!(Journal::read(&path).unwrap().of_file(7).0.len(), 1);
}
