//! A layer under the log, for tests and for builds with the feature `faults`: it remembers what is written and not yet
//! durable, fails calls on purpose, and cuts the power.
//!
//! What a process writes goes to the real files at once. Beside that each change is noted with what it takes to undo
//! it, until a sync makes it durable; a file that is removed or replaced is kept by a second name until the directory
//! is synced. A power cut ([`FaultyDisk::cut_power`]) then takes back what it may take back: of each file some last
//! changes, and of those before them any sectors; of the names in each directory the last changes. That is what file
//! systems that keep a journal of their names leave behind.
//!
//! In a build with the feature the notes are a file as well, so that after kill -9 another process can cut the power
//! (`ottla power-cut`). The variable `OTTLA_FAULTS` lays the layer: see [`environment`].

mod chance;
mod cut;
pub(super) mod device;
#[cfg(feature = "faults")]
pub mod environment;
mod journal;
mod notes;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use chance::Chance;
pub use plan::{Call, Omit, Plan};

use super::os;
use journal::Journal;
use notes::{Content, Event, Name, Notes};

static LAID: RwLock<Vec<Arc<FaultyDisk>>> = RwLock::new(Vec::new());

/// The layer over what is below a directory.
pub struct FaultyDisk {
    root: PathBuf,
    /// Where what was removed keeps a name, each by its inode's number.
    kept: PathBuf,
    state: Mutex<State>,
    /// Whether another process may have to cut the power: then syncs are real, too.
    journal: Option<Mutex<Journal>>,
}

struct State {
    notes: Notes,
    plan: Plan,
}

/// The layer over `path`, if one was laid there.
pub(super) fn over(path: &Path) -> Option<Arc<FaultyDisk>> {
    #[cfg(feature = "faults")]
    environment::lay();
    let laid = LAID.read().unwrap_or_else(PoisonError::into_inner);
    laid.iter().find(|disk| path.starts_with(&disk.root) && !path.starts_with(&disk.kept)).cloned()
}

impl FaultyDisk {
    /// Lays a layer over everything below `root`. `kept`, on the same file system, is emptied for its own use.
    pub fn lay(root: &Path, kept: &Path, plan: Plan) -> io::Result<Arc<FaultyDisk>> {
        FaultyDisk::lay_with(root, kept, plan, None)
    }

    fn lay_with(root: &Path, kept: &Path, plan: Plan, journal: Option<Journal>) -> io::Result<Arc<FaultyDisk>> {
        // What is left there is of a process whose power was not cut.
        let _ = fs::remove_dir_all(kept);
        fs::create_dir_all(kept)?;
        let state = Mutex::new(State { notes: Notes::default(), plan });
        let (root, kept) = (root.to_path_buf(), kept.to_path_buf());
        let disk = Arc::new(FaultyDisk { root, kept, state, journal: journal.map(Mutex::new) });
        LAID.write().unwrap_or_else(PoisonError::into_inner).push(disk.clone());
        Ok(disk)
    }

    /// Takes the layer away.
    pub fn lift(&self) {
        let mut laid = LAID.write().unwrap_or_else(PoisonError::into_inner);
        laid.retain(|disk| !std::ptr::eq(&**disk, self));
    }

    /// Puts another plan in force; answers the one before.
    pub fn set_plan(&self, plan: Plan) -> Plan {
        std::mem::replace(&mut self.lock().plan, plan)
    }

    /// Whether a call was made to fail because the process has ended there.
    pub fn has_ended(&self) -> bool {
        self.lock().plan.has_ended()
    }

    /// Takes back what the loss of power may take back, by the throw of `chance`, and begins anew with what is left.
    pub fn cut_power(&self, chance: &mut Chance) -> io::Result<()> {
        let mut state = self.lock();
        cut::cut(&self.root, &self.kept, &state.notes, chance)?;
        state.notes = Notes::default();
        Ok(())
    }

    fn create(&self, path: &Path, truncate: bool) -> io::Result<File> {
        let mut state = self.lock();
        state.plan.allow(Call::Create, path)?;
        let found = fs::metadata(path).ok();
        match &found {
            None => self.note_name(&mut state, path, |name| Name::Created { name })?,
            Some(meta) if truncate && meta.len() > 0 => {
                let old = fs::read(path)?;
                let content = Content::SetLen { size: meta.len(), len: 0, old };
                self.note(&mut state, Event::Changed { inode: meta.ino(), content })?;
            }
            Some(_) => {}
        }
        let file = if truncate { os::create(path) } else { os::open_or_create(path) }?;
        if found.is_none() {
            self.note(&mut state, Event::Forgotten { inode: file.metadata()?.ino() })?;
        }
        Ok(file)
    }

    fn write(&self, file: &File, path: &Path, position: u64, slices: &[IoSlice<'_>]) -> io::Result<()> {
        let mut bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let mut state = self.lock();
        let (len, outcome) = state.plan.allow_write(path, bytes.len());
        bytes.truncate(len);
        if len > 0 {
            let meta = file.metadata()?;
            let old = read_range(path, position, meta.len().min(position + len as u64))?;
            let content = Content::Write { position, len: len as u64, size: meta.len(), old };
            self.note(&mut state, Event::Changed { inode: meta.ino(), content })?;
            file.write_all_at(&bytes, position)?;
        }
        outcome
    }

    fn set_len(&self, file: &File, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.lock();
        if !state.plan.allow(Call::SetLen, path)? {
            return Ok(());
        }
        let meta = file.metadata()?;
        if meta.len() != len {
            let content = Content::SetLen { size: meta.len(), len, old: read_range(path, len, meta.len())? };
            self.note(&mut state, Event::Changed { inode: meta.ino(), content })?;
        }
        file.set_len(len)
    }

    fn sync(&self, file: &File, path: &Path) -> io::Result<()> {
        let inode = file.metadata()?.ino();
        let (allowed, count) = {
            let mut state = self.lock();
            (state.plan.allow(Call::Sync, path), state.notes.content_count(inode))
        };
        let synced = match (&allowed, &self.journal) {
            (Ok(true), Some(_)) => file.sync_data(),
            _ => Ok(()),
        };
        let mut state = self.lock();
        match allowed.and_then(|allowed| synced.map(|()| allowed)) {
            Ok(true) => self.note(&mut state, Event::Synced { inode, count }),
            Ok(false) => Ok(()),
            Err(error) => {
                // What the kernel could not write it drops, and says so once.
                if !state.plan.has_ended() {
                    self.note(&mut state, Event::Doomed { inode, count })?;
                }
                if state.plan.trusts_failed_syncs && !state.plan.has_ended() { Ok(()) } else { Err(error) }
            }
        }
    }

    fn drop_cached(&self, file: &File, path: &Path) -> io::Result<()> {
        let inode = file.metadata()?.ino();
        let mut state = self.lock();
        if cut::lose_doomed(path, &state.notes.of_file(inode).1)? {
            self.note(&mut state, Event::Lost { inode })?;
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if !state.plan.allow(Call::SyncDir, dir)? {
            return Ok(());
        }
        let inode = fs::metadata(dir)?.ino();
        let count = state.notes.name_count(inode);
        self.names_synced(&mut state, inode, count)
    }

    fn sync_file_system(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if !state.plan.allow(Call::SyncFileSystem, dir)? {
            return Ok(());
        }
        for (inode, count) in state.notes.all_contents() {
            self.note(&mut state, Event::Synced { inode, count })?;
        }
        for (dir, count) in state.notes.all_names() {
            self.names_synced(&mut state, dir, count)?;
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let inode = fs::metadata(from)?.ino();
        if !state.plan.allow(Call::Rename, from)? {
            return Ok(());
        }
        let displaced = match fs::metadata(to) {
            Ok(meta) => Some(self.keep(to, meta.ino())?),
            Err(_) => None,
        };
        let to_name = name_of(to);
        self.note_name(&mut state, from, |from| Name::Renamed { from, to: to_name, inode, displaced })?;
        os::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let inode = fs::metadata(path)?.ino();
        if !state.plan.allow(Call::Remove, path)? {
            return Ok(());
        }
        self.keep(path, inode)?;
        self.note_name(&mut state, path, |name| Name::Removed { name, inode })?;
        os::remove(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.plan.allow(Call::CreateDir, path)?;
        let missing: Vec<&Path> = path.ancestors().take_while(|dir| !dir.exists()).collect();
        for dir in missing.into_iter().rev() {
            self.note_name(&mut state, dir, |name| Name::Created { name })?;
            fs::create_dir(dir)?;
            self.note(&mut state, Event::Forgotten { inode: fs::metadata(dir)?.ino() })?;
        }
        Ok(())
    }

    /// Durable at once: what comes back of a tree that was on its way out harms nobody.
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.plan.allow(Call::RemoveDir, path)?;
        let mut inodes = HashMap::new();
        cut::find_inodes(path, &mut inodes)?;
        os::remove_dir(path)?;
        for inode in inodes.into_keys() {
            self.note(&mut state, Event::Forgotten { inode })?;
        }
        Ok(())
    }

    /// Gives a file that is about to lose its name another one.
    fn keep(&self, path: &Path, inode: u64) -> io::Result<u64> {
        match fs::hard_link(path, self.kept.join(inode.to_string())) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(inode),
        }
    }

    fn names_synced(&self, state: &mut State, dir: u64, count: usize) -> io::Result<()> {
        let gone = state.notes.kept_by(dir, count);
        self.note(state, Event::NamesSynced { dir, count })?;
        for inode in gone {
            // It may have been kept twice.
            let _ = fs::remove_file(self.kept.join(inode.to_string()));
            self.note(state, Event::Forgotten { inode })?;
        }
        Ok(())
    }

    fn note_name(&self, state: &mut State, path: &Path, name: impl FnOnce(String) -> Name) -> io::Result<()> {
        let dir = fs::metadata(path.parent().unwrap_or(Path::new("/")))?.ino();
        self.note(state, Event::Named { dir, name: name(name_of(path)) })
    }

    /// Written down before it is done, so that another process can undo it whether it was done or not.
    fn note(&self, state: &mut State, event: Event) -> io::Result<()> {
        if let Some(journal) = &self.journal {
            journal.lock().unwrap_or_else(PoisonError::into_inner).write(&event)?;
        }
        state.notes.apply(event);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The bytes of a file from `from` to `to`, which may be no bytes.
fn read_range(path: &Path, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; to.saturating_sub(from) as usize];
    if !bytes.is_empty() {
        File::open(path)?.read_exact_at(&mut bytes, from)?;
    }
    Ok(bytes)
}
