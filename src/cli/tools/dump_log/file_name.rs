//! The name of a file to dump, as Java's `File` spells it.

use std::fmt;
use std::path::{Path, PathBuf};

/// A path without doubled or trailing slashes.
pub(super) struct FileName {
    path: String,
}

impl FileName {
    /// The file that `argument` names.
    pub(super) fn new(argument: &str) -> FileName {
        let mut path = String::with_capacity(argument.len());
        for letter in argument.chars() {
            if letter != '/' || !path.ends_with('/') {
                path.push(letter);
            }
        }
        if path.len() > 1 && path.ends_with('/') {
            path.pop();
        }
        FileName { path }
    }

    pub(super) fn path(&self) -> &Path {
        Path::new(&self.path)
    }

    /// The last part of the path.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The name's last dot and what follows it.
    pub(super) fn suffix(&self) -> Option<&str> {
        self.name().rfind('.').map(|dot| &self.name()[dot..])
    }

    /// The path from the root.
    pub(super) fn absolute(&self) -> String {
        match self.path.starts_with('/') {
            true => self.path.clone(),
            false => {
                let current = std::env::current_dir().unwrap_or_default();
                format!("{}/{}", current.display(), self.path).trim_end_matches('/').to_owned()
            }
        }
    }

    /// The offset that the name begins with.
    pub(super) fn base_offset(&self) -> Result<i64, String> {
        let digits = self.stem();
        digits.parse().map_err(|_| format!("{self}: the name must begin with an offset, and \"{digits}\" is none"))
    }

    /// The file of the same segment with another suffix.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        self.path().with_file_name(format!("{}{suffix}", self.stem()))
    }

    fn stem(&self) -> &str {
        self.name().split('.').next().unwrap_or_default()
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}
