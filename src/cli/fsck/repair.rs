//! Doing what findings name, and nothing else.

use std::io::{self, Write};

use super::finding::{Finding, Fix};
use crate::log::{LogError, checkpoint, repair};
use crate::types::{Offset, TopicPartition};

/// What is to be done, in order, each thing once.
#[derive(Default)]
pub(super) struct Plan {
    fixes: Vec<Fix>,
    /// Damages that nothing here can put right.
    pub(super) left: usize,
}

impl Plan {
    /// Takes what a finding asks for; notes are left to the next start, but for what is merely swept away.
    pub(super) fn add(&mut self, finding: &Finding) {
        if finding.is_damage() && finding.fixes.is_empty() {
            self.left += 1;
        }
        for fix in &finding.fixes {
            if !self.fixes.contains(fix) {
                self.fixes.push(fix.clone());
            }
        }
    }

    /// Says all that will be done, then does it and says so. Answers how many changes failed.
    pub(super) fn carry_out(&self, out: &mut dyn Write) -> io::Result<usize> {
        for fix in &self.fixes {
            writeln!(out, "will {fix}")?;
        }
        out.flush()?;
        let mut failed = 0;
        for fix in &self.fixes {
            match apply(fix) {
                Ok(()) => writeln!(out, "did {fix}")?,
                Err(error) => {
                    failed += 1;
                    writeln!(out, "did not {fix}: {error}")?;
                }
            }
            out.flush()?;
        }
        Ok(failed)
    }
}

fn apply(fix: &Fix) -> Result<(), LogError> {
    match fix {
        Fix::RebuildIndexes { dir, base, interval } => repair::rebuild_indexes(dir, *base, *interval),
        Fix::WriteTxnIndex { path, aborted } => repair::write_txn_index(path, aborted),
        Fix::CutTail { path, size } => repair::cut(path, *size),
        Fix::Remove { path } => repair::remove(path),
        Fix::WriteEpochs { path, epochs } => checkpoint::write_epochs(path, epochs),
        Fix::DropEntry { path, partition } => {
            let mut entries = sorted(checkpoint::read_offsets(path)?);
            entries.retain(|(one, _)| one != partition);
            checkpoint::write_offsets(path, entries.iter().map(|(partition, offset)| (partition, *offset)))
        }
        Fix::KeepReadable { path } => {
            let entries = sorted(checkpoint::read_offsets_leniently(path)?);
            checkpoint::write_offsets(path, entries.iter().map(|(partition, offset)| (partition, *offset)))
        }
    }
}

fn sorted(entries: impl IntoIterator<Item = (TopicPartition, Offset)>) -> Vec<(TopicPartition, Offset)> {
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort();
    entries
}
