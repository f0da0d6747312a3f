//! Files of the tree that are made from tables in the sources, and kept current by tests.

use std::path::Path;
use std::{env, fs};

/// Compares the file at `path`, relative to the package, with what the tables say; `UPDATE=1` writes it anew.
pub fn check(path: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("a file of the package is in a folder")).unwrap();
        fs::write(&path, text).unwrap();
    }
    let current = fs::read_to_string(&path).unwrap_or_default();
    assert!(current == text, "{} is out of date; UPDATE=1 writes it anew", path.display());
}
