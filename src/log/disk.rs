//! The few ways in which logs touch the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::LogError;
#[cfg(any(test, feature = "faults"))]
use super::faults::device;
#[cfg(not(any(test, feature = "faults")))]
use super::os as device;

/// The name of a file, for who needs it.
pub type PathOf<'a> = &'a dyn Fn() -> PathBuf;

/// Slices in one vectored write; the kernel's own limit is 1024.
pub const SLICES_MAX: usize = 1024;

/// Opens `path` for reading and writing, which must exist.
pub fn open(path: &Path) -> Result<File, LogError> {
    OpenOptions::new().read(true).write(true).open(path).map_err(LogError::io("open", path))
}

/// Asked before the disk is changed where a test may want to see what is left when the process ends right there.
#[cfg(not(test))]
pub fn permit(_: &Path) -> Result<(), LogError> {
    Ok(())
}

#[cfg(test)]
pub use stop::permit;

/// Creates `path` empty, whatever was there.
pub fn create(path: &Path) -> Result<File, LogError> {
    permit(path)?;
    device::create(path).map_err(LogError::io("create", path))
}

/// Opens `path` for writing as it is, and creates it if it is not there.
pub fn open_or_create(path: &Path) -> Result<File, LogError> {
    permit(path)?;
    device::open_or_create(path).map_err(LogError::io("open", path))
}

/// Writes all `slices` at `position`: one system call unless the kernel takes less than it was given.
pub fn write_all_vectored_at(
    file: &File,
    path: PathOf<'_>,
    position: u64,
    slices: &mut [IoSlice<'_>],
) -> io::Result<()> {
    #[cfg(test)]
    stop::room_for(file, position, slices)?;
    device::write(file, path, position, slices)
}

/// Writes `bytes` at `position`; `path` is the file's name.
pub fn write_at(file: &File, path: &Path, position: u64, bytes: &[u8]) -> Result<(), LogError> {
    permit(path)?;
    let written = device::write(file, &|| path.to_path_buf(), position, &mut [IoSlice::new(bytes)]);
    written.map_err(LogError::io("write", path))
}

/// Gives `file`, whose name is `path`, another length.
pub fn set_len(file: &File, path: &Path, len: u64) -> Result<(), LogError> {
    permit(path)?;
    device::set_len(file, &|| path.to_path_buf(), len).map_err(LogError::io("truncate", path))
}

/// Makes the content of `file`, whose name is `path`, durable.
pub fn sync(file: &File, path: &Path) -> Result<(), LogError> {
    permit(path)?;
    device::sync(file, &|| path.to_path_buf()).map_err(LogError::io("sync", path))
}

/// Has the next reads of `file`, whose name is `path`, from `position` on find what is on disk: after a sync that failed,
/// memory may hold what never got there.
pub fn drop_cached(file: &File, path: &Path, position: u64) -> Result<(), LogError> {
    device::drop_cached(file, &|| path.to_path_buf(), position).map_err(LogError::io("read", path))
}

/// As [`sync`], of a file that is not open.
pub fn sync_path(path: &Path) -> Result<(), LogError> {
    sync(&File::open(path).map_err(LogError::io("sync", path))?, path)
}

/// Replaces the content of a file, or creates it; not synced.
pub fn write_file(path: &Path, content: &[u8]) -> Result<File, LogError> {
    let file = create(path)?;
    write_at(&file, path, 0, content)?;
    Ok(file)
}

/// Gives a directory another name, which nothing has.
pub fn rename_dir(from: &Path, to: &Path) -> Result<(), LogError> {
    device::rename(from, to).map_err(LogError::io("rename", from))
}

/// Creates a directory, and those above it that are not there.
pub fn create_dir(path: &Path) -> Result<(), LogError> {
    device::create_dir(path).map_err(LogError::io("create the directory", path))
}

/// Removes a directory with everything in it, if it is there.
pub fn remove_dir(path: &Path) -> Result<(), LogError> {
    match device::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LogError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Gives a file another name, in place of a file that has it; answers false if there is no such file.
pub fn rename(from: &Path, to: &Path) -> Result<bool, LogError> {
    permit(from)?;
    match device::rename(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(LogError::io("rename", from)(error)),
    }
}

/// Reads until `buffer` is full or the file ends; answers how much was read.
pub fn read_at_most(file: &File, mut position: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], position) {
            Ok(0) => break,
            Ok(read) => {
                filled += read;
                position += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Asks the kernel to begin writing back these bytes, without waiting for them: the dirty pages never pile up to
/// the point where writers are throttled.
pub fn start_write_back(file: &File, position: u64, len: u64) {
    // SAFETY: a plain system call on a descriptor that `file` keeps open; it touches no memory of ours.
    unsafe {
        libc::sync_file_range(file.as_raw_fd(), position as i64, len as i64, libc::SYNC_FILE_RANGE_WRITE);
    }
}

/// Makes names created, renamed or removed in `dir` durable.
pub fn sync_dir(dir: &Path) -> Result<(), LogError> {
    permit(dir)?;
    device::sync_dir(dir).map_err(LogError::io("sync the directory", dir))
}

/// Makes everything durable that was written to the file system of `dir`, where `file` is. Tells of what could not be
/// written since `file` was opened.
pub fn sync_file_system(file: &File, dir: &Path) -> Result<(), LogError> {
    device::sync_file_system(file, dir).map_err(LogError::io("sync the file system of", dir))
}

/// Replaces `path` by `content` so that a crash leaves the old file or the new one, never a part.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<(), LogError> {
    write_beside(path, content, sync)?;
    take_place(path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Writes what is to take the place of `path`, once the caller has made it durable.
pub fn write_beside_unsynced(path: &Path, content: &[u8]) -> Result<(), LogError> {
    write_beside(path, content, |_, _| Ok(()))
}

fn write_beside(
    path: &Path,
    content: &[u8],
    then: impl FnOnce(&File, &Path) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let temporary = beside(path);
    let written = write_file(&temporary, content).and_then(|file| then(&file, &temporary));
    if written.is_err() {
        // On a full disk what is left of it would only take up room.
        let _ = device::remove(&temporary);
    }
    written
}

/// Puts what was written beside `path`, and is durable, in its place. The caller syncs the directory.
pub fn take_place(path: &Path) -> Result<(), LogError> {
    let temporary = beside(path);
    permit(&temporary)?;
    device::rename(&temporary, path).map_err(LogError::io("rename", &temporary))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Removes a file that may be gone already; answers whether it was there.
pub fn remove(path: &Path) -> Result<bool, LogError> {
    permit(path)?;
    match device::remove(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(LogError::io("remove", path)(error)),
    }
}

/// Reads a whole small file, if it exists.
pub fn read_small(path: &Path) -> Result<Option<String>, LogError> {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| LogError::BadFile { path: path.to_path_buf(), reason: "it is not text".to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogError::io("read", path)(error)),
    }
}

/// Ending the process at a chosen change of the disk, as far as files can tell: from then on none succeeds.
#[cfg(test)]
pub mod stop {
    use std::cell::Cell;
    use std::fs::File;
    use std::io::{self, IoSlice};
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    use super::LogError;

    thread_local! {
        static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
        static ROOM: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// Lets this thread write so many bytes at once into a log and no more; `None` lets it write all.
    pub fn fill(room: Option<usize>) {
        ROOM.set(room);
    }

    /// What does not fit is written in part, as a disk that fills up does it.
    pub fn room_for(file: &File, position: u64, slices: &[IoSlice<'_>]) -> io::Result<()> {
        let Some(room) = ROOM.get() else { return Ok(()) };
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(room + 1).collect();
        if bytes.len() <= room {
            return Ok(());
        }
        file.write_all_at(&bytes[..room], position)?;
        Err(io::ErrorKind::StorageFull.into())
    }

    /// Lets `changes` more happen on this thread; `None` lets all.
    pub fn after(changes: Option<usize>) {
        LEFT.set(changes);
    }

    pub fn permit(path: &Path) -> Result<(), LogError> {
        match LEFT.get() {
            None => Ok(()),
            Some(0) => Err(LogError::io("change", path)(io::Error::other("the process has ended"))),
            Some(left) => {
                LEFT.set(Some(left - 1));
                Ok(())
            }
        }
    }
}
