//! The disk itself: what changes files and names, each as the operating system does it. In tests, and with the feature
//! `faults`, the functions of the same names in `faults/device.rs` stand between.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::path::Path;

use super::disk::{PathOf, SLICES_MAX};

/// Creates `path` empty, whatever was there.
pub fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
}

/// Opens `path` for writing, and creates it if it is not there.
pub fn open_or_create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Writes all `slices` at `position`: one system call unless the kernel takes less than it was given.
pub fn write(file: &File, _: PathOf<'_>, mut position: u64, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    // Empty ones are no reason to ask.
    IoSlice::advance_slices(&mut slices, 0);
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

/// Gives a file another length.
pub fn set_len(file: &File, _: PathOf<'_>, len: u64) -> io::Result<()> {
    file.set_len(len)
}

/// Makes the content of a file durable.
pub fn sync(file: &File, _: PathOf<'_>) -> io::Result<()> {
    file.sync_data()
}

/// Has the next reads of a file from `position` on find what is on disk, but for what is still to be written there.
pub fn drop_cached(file: &File, _: PathOf<'_>, position: u64) -> io::Result<()> {
    Ok(rustix::fs::fadvise(file, position, None, rustix::fs::Advice::DontNeed)?)
}

/// Makes everything durable that was written to the file system that `file` is on, in the directory at the path.
pub fn sync_file_system(file: &File, _: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(file)?)
}

/// Makes the names in `dir` durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Gives a file or a directory another name in the same directory.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Removes a file.
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Creates a directory, and those above it that are not there.
pub fn create_dir(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Removes a directory with everything in it.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    fs::remove_dir_all(path)
}
