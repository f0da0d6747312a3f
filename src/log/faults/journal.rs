//! The notes as a file, for another process to go on with: a line for each event, fields with tabs between.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::notes::{Content, Event, Name, Notes};

/// An open file of notes. What was written to it outlives kill -9, and needs to outlive no more.
pub struct Journal(File);

impl Journal {
    pub fn create(path: &Path) -> io::Result<Journal> {
        File::create(path).map(Journal)
    }

    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        self.0.write_all(line(event).as_bytes())
    }

    /// The notes of a process that has ended; a last line that is not whole is of what was never done.
    pub fn read(path: &Path) -> io::Result<Notes> {
        let text = fs::read_to_string(path)?;
        let mut notes = Notes::default();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let event = parse(line).ok_or_else(|| io::Error::other(format!("{}: {line:?}", path.display())))?;
            notes.apply(event);
        }
        Ok(notes)
    }
}

fn line(event: &Event) -> String {
    match event {
        Event::Changed { inode, content: Content::Write { position, len, size, old } } => {
            format!("write\t{inode}\t{position}\t{len}\t{size}\t{}\n", hex(old))
        }
        Event::Changed { inode, content: Content::SetLen { size, len, old } } => {
            format!("length\t{inode}\t{size}\t{len}\t{}\n", hex(old))
        }
        Event::Synced { inode, count } => format!("synced\t{inode}\t{count}\n"),
        Event::Doomed { inode, count } => format!("doomed\t{inode}\t{count}\n"),
        Event::Named { dir, name: Name::Created { name } } => format!("created\t{dir}\t{name}\n"),
        Event::Named { dir, name: Name::Renamed { from, to, inode, displaced } } => {
            let displaced = displaced.map_or("-".to_owned(), |inode| inode.to_string());
            format!("renamed\t{dir}\t{from}\t{to}\t{inode}\t{displaced}\n")
        }
        Event::Named { dir, name: Name::Removed { name, inode } } => format!("removed\t{dir}\t{name}\t{inode}\n"),
        Event::NamesSynced { dir, count } => format!("names\t{dir}\t{count}\n"),
        Event::Lost { inode } => format!("lost\t{inode}\n"),
        Event::Forgotten { inode } => format!("forgotten\t{inode}\n"),
    }
}

fn parse(line: &str) -> Option<Event> {
    let fields: Vec<&str> = line.split('\t').collect();
    let number = |n: usize| fields.get(n)?.parse::<u64>().ok();
    let text = |n: usize| fields.get(n).map(|text| (*text).to_owned());
    let bytes = |n: usize| unhex(fields.get(n)?);
    let (of, count) = (number(1)?, || number(2).map(|count| count as usize));
    Some(match fields[0] {
        "write" => {
            let content = Content::Write { position: number(2)?, len: number(3)?, size: number(4)?, old: bytes(5)? };
            Event::Changed { inode: of, content }
        }
        "length" => {
            let content = Content::SetLen { size: number(2)?, len: number(3)?, old: bytes(4)? };
            Event::Changed { inode: of, content }
        }
        "synced" => Event::Synced { inode: of, count: count()? },
        "doomed" => Event::Doomed { inode: of, count: count()? },
        "created" => Event::Named { dir: of, name: Name::Created { name: text(2)? } },
        "renamed" => {
            let name = Name::Renamed { from: text(2)?, to: text(3)?, inode: number(4)?, displaced: number(5) };
            Event::Named { dir: of, name }
        }
        "removed" => Event::Named { dir: of, name: Name::Removed { name: text(2)?, inode: number(3)? } },
        "names" => Event::NamesSynced { dir: of, count: count()? },
        "lost" => Event::Lost { inode: of },
        "forgotten" => Event::Forgotten { inode: of },
        _ => return None,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}
