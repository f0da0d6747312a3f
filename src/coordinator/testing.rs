//! What the tests of both coordinators share.

use std::sync::Mutex;

use crate::state_machine::{Journal, JournalError};
use crate::types::Offset;

/// A journal in memory that commits at once.
pub struct Memory<R>(pub Mutex<Vec<R>>);

impl<R> Default for Memory<R> {
    fn default() -> Memory<R> {
        Memory(Mutex::default())
    }
}

impl<R: Clone + Send + Sync + 'static> Journal for Memory<R> {
    type Record = R;

    fn append(&self, records: &[R]) -> Result<Offset, JournalError> {
        let mut kept = self.0.lock().unwrap();
        kept.extend_from_slice(records);
        Ok(Offset(kept.len() as i64 - 1))
    }

    async fn committed(&self, offset: Offset) -> Result<Offset, JournalError> {
        Ok(offset)
    }
}

/// The steps of a script, which are separated by ` · `.
pub fn steps(script: &str) -> impl Iterator<Item = &str> {
    script.split(" · ").map(str::trim)
}

/// Compares what a script's steps were told with what is expected, written as a script is.
#[track_caller]
pub fn compare(script: &str, told: &[String], expected: &str) {
    let expected: Vec<&str> = steps(expected).collect();
    assert_eq!(told.join(" · "), expected.join(" · "), "\nscript: {script}\n");
}

/// A small generator, so that a seed names a history for ever.
pub struct Random(u64);

impl Random {
    /// The generator of a history.
    pub fn seeded(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    pub fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }
}
