//! The layer as the variable `OTTLA_FAULTS` asks for it, and the power cut of a process that was killed under it.
//!
//! The value is a list such as `dir=/tmp/faults,seed=7,failing=20,full=0`: the directory of the notes, which is on the
//! file system of the log directories; the seed; of a million calls how many fail, and how many find the disk full.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;

use super::cut::Cut;
use super::journal::Journal;
use super::{Chance, FaultyDisk, Plan, cut};

/// What says which faults there are.
pub const VARIABLE: &str = "OTTLA_FAULTS";

static LAY: Once = Once::new();

/// What the variable says.
struct Asked {
    dir: PathBuf,
    seed: u64,
    failing: u64,
    full: u64,
}

/// Lays the layer over everything if the variable asks for it; once.
pub fn lay() {
    LAY.call_once(|| {
        let Some(asked) = asked() else { return };
        let plan =
            Plan { failing: asked.failing, full: asked.full, chance: Some(Chance::new(asked.seed)), ..Plan::default() };
        let journal = std::fs::create_dir_all(&asked.dir).and_then(|()| Journal::create(&notes(&asked.dir)));
        let laid =
            journal.and_then(|journal| FaultyDisk::lay_with(Path::new("/"), &kept(&asked.dir), plan, Some(journal)));
        laid.expect("the faults that were asked for");
        tracing::warn!("faults are laid under the logs: {VARIABLE}");
    });
}

/// Takes back from the files below `root` what the killed process that kept notes had not made durable.
pub fn cut_power(root: &Path) -> io::Result<Cut> {
    let asked = asked().ok_or_else(|| io::Error::other(format!("{VARIABLE} does not say where the notes are")))?;
    let notes_file = notes(&asked.dir);
    let found = Journal::read(&notes_file)?;
    let taken = cut::cut(root, &kept(&asked.dir), &found, &mut Chance::new(asked.seed))?;
    std::fs::remove_file(notes_file)?;
    Ok(taken)
}

fn notes(dir: &Path) -> PathBuf {
    dir.join("notes")
}

fn kept(dir: &Path) -> PathBuf {
    dir.join("kept")
}

fn asked() -> Option<Asked> {
    let text = std::env::var(VARIABLE).ok()?;
    let field = |name: &str| text.split(',').find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='));
    let number = |name: &str| field(name).map_or(0, |text| text.parse().expect("a number"));
    Some(Asked {
        dir: PathBuf::from(field("dir")?),
        seed: number("seed"),
        failing: number("failing"),
        full: number("full"),
    })
}
