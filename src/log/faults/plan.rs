//! Which calls fail, and how.

use std::fmt;
use std::io;
use std::path::Path;

use super::Chance;

/// What is asked of the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    Create,
    Write,
    SetLen,
    Sync,
    SyncDir,
    SyncFileSystem,
    Rename,
    Remove,
    CreateDir,
    RemoveDir,
}

/// Calls that are answered as done and not done: a bug of who should have made them.
pub type Omit = Box<dyn Fn(Call, &Path) -> bool + Send>;

/// A plan of faults; by default there are none.
#[derive(Default)]
pub struct Plan {
    /// So many calls from now the process ends: that call may be done in part, those behind it are not done at all.
    pub ends_in: Option<u64>,
    /// So many calls from now one fails with this error, once.
    pub fails_in: Option<(u64, io::ErrorKind)>,
    /// Of a million calls so many fail with an input or output error, and so many for lack of room.
    pub failing: u64,
    pub full: u64,
    pub omit: Option<Omit>,
    /// A sync that fails is answered as done: a bug of who should have looked.
    pub trusts_failed_syncs: bool,
    pub chance: Option<Chance>,
    pub has_ended: bool,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ends_in, fails_in) = (self.ends_in, self.fails_in);
        f.debug_struct("Plan").field("ends_in", &ends_in).field("fails_in", &fails_in).finish_non_exhaustive()
    }
}

impl Plan {
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether a call is to be done; `Ok(false)` if it is only to look as if it were.
    pub fn allow(&mut self, call: Call, path: &Path) -> io::Result<bool> {
        self.strike(call)?;
        Ok(!self.omit.as_ref().is_some_and(|omit| omit(call, path)))
    }

    /// How much of a write of `len` bytes is to be done, and what is answered then.
    pub fn allow_write(&mut self, path: &Path, len: usize) -> (usize, io::Result<()>) {
        let ended_before = self.has_ended;
        match self.strike(Call::Write) {
            Ok(()) if self.omit.as_ref().is_some_and(|omit| omit(Call::Write, path)) => (0, Ok(())),
            Ok(()) => (len, Ok(())),
            Err(error) if ended_before => (0, Err(error)),
            Err(error) => (self.below(len as u64 + 1) as usize, Err(error)),
        }
    }

    fn strike(&mut self, call: Call) -> io::Result<()> {
        if self.has_ended || self.ends_in == Some(0) {
            self.has_ended = true;
            return Err(io::Error::other("the process has ended"));
        }
        self.ends_in = self.ends_in.map(|calls| calls - 1);
        match &mut self.fails_in {
            Some((0, kind)) if can_fail(call, *kind) => {
                let kind = *kind;
                self.fails_in = None;
                return Err(error(kind));
            }
            Some((0, _)) | None => {}
            Some((calls, _)) => *calls -= 1,
        }
        if self.failing > 0 && self.below(1_000_000) < self.failing {
            return Err(error(io::ErrorKind::Other));
        }
        if self.full > 0 && can_fail(call, io::ErrorKind::StorageFull) && self.below(1_000_000) < self.full {
            return Err(error(io::ErrorKind::StorageFull));
        }
        Ok(())
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.chance.get_or_insert_with(|| Chance::new(0)).below(bound)
    }
}

/// A disk is full for what takes room.
fn can_fail(call: Call, kind: io::ErrorKind) -> bool {
    let takes_room = matches!(call, Call::Create | Call::Write | Call::Sync | Call::CreateDir | Call::Rename);
    kind != io::ErrorKind::StorageFull || takes_room
}

fn error(kind: io::ErrorKind) -> io::Error {
    match kind {
        io::ErrorKind::StorageFull => io::Error::from_raw_os_error(libc::ENOSPC),
        _ => io::Error::from_raw_os_error(libc::EIO),
    }
}
