//! The functions of `os.rs`, done by the layer where one was laid.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;

use super::over;
use crate::log::disk::PathOf;
use crate::log::os;

pub fn create(path: &Path) -> io::Result<File> {
    over(path).map_or_else(|| os::create(path), |disk| disk.create(path, true))
}

pub fn open_or_create(path: &Path) -> io::Result<File> {
    over(path).map_or_else(|| os::open_or_create(path), |disk| disk.create(path, false))
}

pub fn write(file: &File, path: PathOf<'_>, position: u64, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    let name = path();
    match over(&name) {
        None => os::write(file, path, position, slices),
        Some(disk) => disk.write(file, &name, position, slices),
    }
}

pub fn set_len(file: &File, path: PathOf<'_>, len: u64) -> io::Result<()> {
    let name = path();
    over(&name).map_or_else(|| os::set_len(file, path, len), |disk| disk.set_len(file, &name, len))
}

pub fn sync(file: &File, path: PathOf<'_>) -> io::Result<()> {
    let name = path();
    over(&name).map_or_else(|| os::sync(file, path), |disk| disk.sync(file, &name))
}

pub fn drop_cached(file: &File, path: PathOf<'_>, position: u64) -> io::Result<()> {
    let name = path();
    over(&name).map_or_else(|| os::drop_cached(file, path, position), |disk| disk.drop_cached(file, &name))
}

pub fn sync_file_system(file: &File, dir: &Path) -> io::Result<()> {
    over(dir).map_or_else(|| os::sync_file_system(file, dir), |disk| disk.sync_file_system(dir))
}

pub fn sync_dir(dir: &Path) -> io::Result<()> {
    over(dir).map_or_else(|| os::sync_dir(dir), |disk| disk.sync_dir(dir))
}

pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    over(from).map_or_else(|| os::rename(from, to), |disk| disk.rename(from, to))
}

pub fn remove(path: &Path) -> io::Result<()> {
    over(path).map_or_else(|| os::remove(path), |disk| disk.remove(path))
}

pub fn create_dir(path: &Path) -> io::Result<()> {
    over(path).map_or_else(|| os::create_dir(path), |disk| disk.create_dir(path))
}

pub fn remove_dir(path: &Path) -> io::Result<()> {
    over(path).map_or_else(|| os::remove_dir(path), |disk| disk.remove_dir(path))
}
