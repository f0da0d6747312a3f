//! What was written and is not durable yet, each change with what undoes it.

use std::collections::BTreeMap;

/// A change of a file's content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// `len` bytes at `position` of a file of `size` bytes; `old` is what they replace.
    Write { position: u64, len: u64, size: u64, old: Vec<u8> },
    /// From `size` bytes to `len`; `old` is what is cut off.
    SetLen { size: u64, len: u64, old: Vec<u8> },
}

/// A change of the names in a directory. What loses its name is kept by its inode's number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Name {
    Created { name: String },
    Renamed { from: String, to: String, inode: u64, displaced: Option<u64> },
    Removed { name: String, inode: u64 },
}

/// Something that happened. Files and directories go by the numbers of their inodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    Changed {
        inode: u64,
        content: Content,
    },
    /// The first `count` changes of the file are durable.
    Synced {
        inode: u64,
        count: usize,
    },
    /// The first `count` changes of the file are lost, though it looks as if they were there.
    Doomed {
        inode: u64,
        count: usize,
    },
    /// What was doomed does not look as if it were there any more.
    Lost {
        inode: u64,
    },
    Named {
        dir: u64,
        name: Name,
    },
    NamesSynced {
        dir: u64,
        count: usize,
    },
    /// The inode is no more, or a new one.
    Forgotten {
        inode: u64,
    },
}

/// Everything that is not durable.
#[derive(Default, Debug)]
pub struct Notes {
    contents: BTreeMap<u64, Vec<Content>>,
    doomed: BTreeMap<u64, Vec<Content>>,
    names: BTreeMap<u64, Vec<Name>>,
    /// When each was first noted, which unlike its number follows from what the process did.
    order: BTreeMap<u64, u64>,
    noted: u64,
}

impl Notes {
    pub fn apply(&mut self, event: Event) {
        if let Event::Changed { inode, .. } | Event::Named { dir: inode, .. } = event {
            self.noted += 1;
            self.order.entry(inode).or_insert(self.noted);
        }
        match event {
            Event::Changed { inode, content } => {
                if let Some(doomed) = self.doomed.get_mut(&inode) {
                    *doomed = doomed.iter().flat_map(|lost| left_of(lost, &content)).collect();
                }
                self.contents.entry(inode).or_default().push(content);
            }
            Event::Lost { inode } => drop(self.doomed.remove(&inode)),
            Event::Synced { inode, count } => drop(take(&mut self.contents, inode, count)),
            Event::Doomed { inode, count } => {
                let lost = take(&mut self.contents, inode, count);
                let doomed = self.doomed.entry(inode).or_default();
                for change in lost {
                    *doomed = doomed.iter().flat_map(|lost| left_of(lost, &change)).collect();
                    doomed.push(change);
                }
            }
            Event::Named { dir, name } => self.names.entry(dir).or_default().push(name),
            Event::NamesSynced { dir, count } => drop(take(&mut self.names, dir, count)),
            Event::Forgotten { inode } => {
                self.contents.remove(&inode);
                self.doomed.remove(&inode);
                self.names.remove(&inode);
                self.order.remove(&inode);
            }
        }
    }

    /// Files and directories of which anything is noted, in the order in which that began.
    pub fn in_order(&self) -> Vec<u64> {
        let mut inodes: Vec<u64> = self.order.keys().copied().collect();
        inodes.sort_by_key(|inode| self.order[inode]);
        inodes
    }

    pub fn content_count(&self, inode: u64) -> usize {
        self.contents.get(&inode).map_or(0, Vec::len)
    }

    pub fn name_count(&self, dir: u64) -> usize {
        self.names.get(&dir).map_or(0, Vec::len)
    }

    pub fn all_contents(&self) -> Vec<(u64, usize)> {
        self.contents.iter().map(|(inode, changes)| (*inode, changes.len())).collect()
    }

    pub fn all_names(&self) -> Vec<(u64, usize)> {
        self.names.iter().map(|(dir, changes)| (*dir, changes.len())).collect()
    }

    /// What the first `count` changes of a directory keep.
    pub fn kept_by(&self, dir: u64, count: usize) -> Vec<u64> {
        let names = self.names.get(&dir).map_or(&[][..], Vec::as_slice);
        let kept = |name: &Name| match name {
            Name::Created { .. } => None,
            Name::Renamed { displaced, .. } => *displaced,
            Name::Removed { inode, .. } => Some(*inode),
        };
        names[..count.min(names.len())].iter().filter_map(kept).collect()
    }

    /// The changes of a file that may be lost, and those that are.
    pub fn of_file(&self, inode: u64) -> (Vec<Content>, Vec<Content>) {
        let of = |all: &BTreeMap<u64, Vec<Content>>| all.get(&inode).cloned().unwrap_or_default();
        (of(&self.contents), of(&self.doomed))
    }

    pub fn of_dir(&self, dir: u64) -> &[Name] {
        self.names.get(&dir).map_or(&[], Vec::as_slice)
    }
}

/// What a later change leaves of a write that was lost.
fn left_of(lost: &Content, change: &Content) -> Vec<Content> {
    let Content::Write { position, len, size, old } = lost else { return Vec::new() };
    let (begin, end) = (*position, position + len);
    let part = |from: u64, to: u64| {
        let at = |offset: u64| ((offset - begin) as usize).min(old.len());
        Content::Write { position: from, len: to - from, size: *size, old: old[at(from)..at(to)].to_vec() }
    };
    let parts = match change {
        Content::Write { position, len, .. } => [(begin, end.min(*position)), (begin.max(position + len), end)],
        Content::SetLen { len, .. } => [(begin, end.min(*len)), (end, end)],
    };
    parts.into_iter().filter(|(from, to)| from < to).map(|(from, to)| part(from, to)).collect()
}

fn take<T>(all: &mut BTreeMap<u64, Vec<T>>, inode: u64, count: usize) -> Vec<T> {
    let Some(changes) = all.get_mut(&inode) else { return Vec::new() };
    let rest = changes.split_off(count.min(changes.len()));
    std::mem::replace(changes, rest)
}
