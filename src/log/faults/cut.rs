//! The loss of power.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Chance;
use super::notes::{Content, Name, Notes};

/// What a disk writes at once.
const SECTOR_BYTES: u64 = 512;

/// What a power cut took back.
#[derive(Clone, Copy, Default, Debug)]
pub struct Cut {
    pub files: usize,
    pub names: usize,
}

/// Takes back what may be lost of the files below `root` and of those `kept`.
pub fn cut(root: &Path, kept: &Path, notes: &Notes, chance: &mut Chance) -> io::Result<Cut> {
    let mut taken = Cut::default();
    let mut paths = HashMap::new();
    find_inodes(root, &mut paths)?;
    find_inodes(kept, &mut paths)?;
    let noted = notes.in_order();
    for inode in &noted {
        let (pending, doomed) = notes.of_file(*inode);
        if let Some(path) = paths.get(inode)
            && !(pending.is_empty() && doomed.is_empty())
        {
            taken.files += usize::from(cut_content(path, &pending, &doomed, chance)?);
        }
    }
    let mut dirs: Vec<(&PathBuf, &[Name])> =
        noted.iter().filter_map(|inode| Some((paths.get(inode)?, notes.of_dir(*inode)))).collect();
    // The names above last: they lead to those below.
    dirs.sort_by_key(|(path, _)| std::cmp::Reverse(path.components().count()));
    for (dir, names) in dirs {
        let survivors = chance.below(names.len() as u64 + 1) as usize;
        taken.names += names.len() - survivors;
        for name in names[survivors..].iter().rev() {
            undo_name(dir, kept, name)?;
        }
    }
    for entry in fs::read_dir(kept)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(taken)
}

/// The paths of everything below `dir` and of `dir` itself, by inode.
pub fn find_inodes(dir: &Path, found: &mut HashMap<u64, PathBuf>) -> io::Result<()> {
    let meta = fs::symlink_metadata(dir)?;
    found.entry(meta.ino()).or_insert_with(|| dir.to_path_buf());
    if meta.is_dir() {
        for entry in fs::read_dir(dir)? {
            find_inodes(&entry?.path(), found)?;
        }
    }
    Ok(())
}

/// Answers whether anything is lost.
fn cut_content(path: &Path, pending: &[Content], doomed: &[Content], chance: &mut Chance) -> io::Result<bool> {
    let written = fs::read(path)?;
    let mut durable = written.clone();
    pending.iter().rev().for_each(|change| undo(&mut durable, change));
    let survivors = match chance.below(4) {
        0 => 0,
        1 => pending.len(),
        _ => chance.below(pending.len() as u64 + 1) as usize,
    };
    let mut left = written.clone();
    pending[survivors..].iter().rev().for_each(|change| undo(&mut left, change));
    // Where a file was cut and grew again, sectors that were not written are zeros.
    for change in &pending[..survivors] {
        if let Content::SetLen { len, .. } = change {
            durable.truncate(*len as usize);
        }
    }
    // A file may grow by a part of a write.
    if let Some(Content::Write { position, len, .. }) = pending[..survivors].last()
        && position + len == left.len() as u64
        && chance.percent(25)
    {
        let sectors = position / SECTOR_BYTES + 1..(position + len).div_ceil(SECTOR_BYTES);
        if !sectors.is_empty() {
            let grown_to = sectors.start + chance.below(sectors.end - sectors.start);
            left.truncate((grown_to * SECTOR_BYTES) as usize);
        }
    }
    let lost_of_hundred = [0, 10, 50, 100][chance.below(4) as usize];
    for sector in sectors(&pending[..survivors]) {
        if chance.percent(lost_of_hundred) {
            revert(&mut left, &durable, sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
        }
    }
    revert_doomed(&mut left, doomed);
    fs::write(path, &left)?;
    Ok(left != written)
}

/// Takes from a file what is lost. Answers whether that is anything.
pub fn lose_doomed(path: &Path, doomed: &[Content]) -> io::Result<bool> {
    if !doomed.is_empty() {
        let mut content = fs::read(path)?;
        revert_doomed(&mut content, doomed);
        fs::write(path, content)?;
    }
    Ok(!doomed.is_empty())
}

fn revert_doomed(content: &mut [u8], doomed: &[Content]) {
    for change in doomed {
        if let Content::Write { position, len, old, .. } = change {
            let mut before = vec![0; *position as usize];
            before.extend_from_slice(old);
            revert(content, &before, *position, position + len);
        }
    }
}

fn undo(content: &mut Vec<u8>, change: &Content) {
    let (at, size, old) = match change {
        Content::Write { position, size, old, .. } => (*position, *size, old),
        Content::SetLen { len, size, old } => (*len, *size, old),
    };
    content.resize(size as usize, 0);
    let at = at as usize;
    if !old.is_empty() && at + old.len() <= content.len() {
        content[at..at + old.len()].copy_from_slice(old);
    }
}

/// The sectors that were written.
fn sectors(changes: &[Content]) -> BTreeSet<u64> {
    let written = changes.iter().filter_map(|change| match change {
        Content::Write { position, len, .. } if *len > 0 => {
            Some(position / SECTOR_BYTES..(position + len).div_ceil(SECTOR_BYTES))
        }
        Content::Write { .. } | Content::SetLen { .. } => None,
    });
    written.flatten().collect()
}

/// Puts into `content` what `before` has from `from` to `to`, and zeros where that ends.
fn revert(content: &mut [u8], before: &[u8], from: u64, to: u64) {
    let end = (to as usize).min(content.len());
    let start = (from as usize).min(end);
    for (at, byte) in content[start..end].iter_mut().enumerate() {
        *byte = before.get(start + at).copied().unwrap_or(0);
    }
}

fn undo_name(dir: &Path, kept: &Path, name: &Name) -> io::Result<()> {
    let inode_of = |path: &Path| fs::symlink_metadata(path).ok().map(|meta| meta.ino());
    let restore = |inode: u64, name: &str| match fs::rename(kept.join(inode.to_string()), dir.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    match name {
        Name::Created { name } => {
            let path = dir.join(name);
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
                Ok(_) => fs::remove_file(path),
                Err(_) => Ok(()),
            }
        }
        Name::Renamed { from, to, inode, displaced } => {
            if inode_of(&dir.join(to)) == Some(*inode) {
                fs::rename(dir.join(to), dir.join(from))?;
                displaced.map_or(Ok(()), |displaced| restore(displaced, to))?;
            }
            Ok(())
        }
        Name::Removed { name, inode } => match inode_of(&dir.join(name)) {
            None => restore(*inode, name),
            Some(_) => Ok(()),
        },
    }
}
