//! The few ways in which logs touch the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::LogError;

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
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(LogError::io("create", path))
}

/// Writes all `slices` at `position`: one system call unless the kernel takes less than it was given.
pub fn write_all_vectored_at(file: &File, mut position: u64, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    #[cfg(test)]
    stop::room_for(file, position, slices)?;
    while !slices.is_empty() {
        let count = slices.len().min(SLICES_MAX);
        match rustix::io::pwritev(file, &slices[..count], position) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                position += written as u64;
                IoSlice::advance_slices(&mut slices, written);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Writes `bytes` at `position`; `path` is the file's name.
pub fn write_at(file: &File, path: &Path, position: u64, bytes: &[u8]) -> Result<(), LogError> {
    permit(path)?;
    file.write_all_at(bytes, position).map_err(LogError::io("write", path))
}

/// Gives a file another name, in place of a file that has it; answers false if there is no such file.
pub fn rename(from: &Path, to: &Path) -> Result<bool, LogError> {
    permit(from)?;
    match fs::rename(from, to) {
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
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(LogError::io("sync the directory", dir))
}

/// Makes everything durable that was written to the file system of `dir`: far less work than file by file.
pub fn sync_file_system(dir: &Path) -> Result<(), LogError> {
    let opened = File::open(dir).map_err(LogError::io("open", dir))?;
    rustix::fs::syncfs(&opened).map_err(|errno| LogError::io("sync the file system of", dir)(errno.into()))
}

/// Replaces `path` by `content` so that a crash leaves the old file or the new one, never a part.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<(), LogError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut file = create(&temporary)?;
    if let Err(error) = file.write_all(content).and_then(|()| file.sync_all()) {
        // On a full disk what is left of it would only take up room.
        let _ = fs::remove_file(&temporary);
        return Err(LogError::io("write", &temporary)(error));
    }
    fs::rename(&temporary, path).map_err(LogError::io("rename", &temporary))?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Removes a file that may be gone already; answers whether it was there.
pub fn remove(path: &Path) -> Result<bool, LogError> {
    permit(path)?;
    match fs::remove_file(path) {
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
