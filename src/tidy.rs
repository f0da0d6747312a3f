//! The house rules that a machine can check: layers, sizes, and what files that only decide may not touch.
//!
//! It reads the sources as text, so it sees what stands there and not what it means: keep paths spelled out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Lines a file may have, tests not counted.
const FILE_LINES_MAX: usize = 600;
/// Lines a function may have.
const FUNCTION_LINES_MAX: usize = 70;

/// What stands on which layer. A file may use what is below its own layer, and its own folder.
const LAYERS: [(&str, u8); 24] = [
    ("generated", 0),
    ("types", 0),
    ("metrics", 0),
    ("logging", 0),
    ("seeds", 0),
    ("state_machine", 1),
    ("config", 1),
    ("protocol", 1),
    ("log", 2),
    ("metadata", 2),
    ("network", 2),
    ("client", 2),
    ("replication", 3),
    ("coordinator", 3),
    ("controller", 3),
    ("quorum", 3),
    ("security", 3),
    ("telemetry", 3),
    ("handlers", 4),
    ("broker", 5),
    ("cli", 6),
    ("main", 7),
    ("lib", 8),
    ("tidy", 8),
];

/// Tables: files and functions that are lists of facts, which no cut would make easier to read.
const TABLES: [&str; 1] = ["src/config/table"];

/// Files that decide and never act: time, chance, files and tasks reach them as arguments or not at all.
const DECIDING: [&str; 6] = [
    "src/log/append",
    "src/log/producer_state",
    "src/replication/leader",
    "src/coordinator/",
    "src/controller/",
    "src/broker/simulation/",
];

/// What would make a decision depend on more than its arguments.
const WORLD: [&str; 10] = [
    "Instant::now",
    "SystemTime",
    "Clock::system",
    "thread_rng",
    "rand::",
    "Uuid::random",
    "std::fs",
    "TcpStream",
    "tokio::spawn",
    "tokio::time",
];

/// Among those, what also walks its state: in the order of keys, never in the order of hashes.
const ORDERED: [&str; 4] = ["src/replication/leader", "src/coordinator/", "src/controller/", "src/broker/simulation/"];

struct Source {
    /// Relative to the package.
    path: String,
    lines: Vec<String>,
    /// The number of lines in front of the file's test module.
    production: usize,
}

#[test]
fn imports_go_down() {
    check(|source, complain| {
        let own = layer_of(module(&source.path));
        for (number, line) in source.lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for (at, _) in code.match_indices("crate::") {
                let used = first_name(&code[at + "crate::".len()..]);
                if used == module(&source.path) || is_own_text(&source.path) {
                    continue;
                }
                let Some(used_layer) = layer_of(used) else {
                    complain(number, format!("crate::{used} is on no layer"));
                    continue;
                };
                if own.is_none_or(|own| used_layer >= own) {
                    complain(number, format!("crate::{used} is not below this file"));
                }
            }
        }
        if own.is_none() {
            complain(0, "this file is on no layer".to_string());
        }
    });
}

#[test]
fn files_fit_a_reader() {
    check(|source, complain| {
        if source.production > FILE_LINES_MAX && !is_table(&source.path) {
            complain(0, format!("{} lines, more than {FILE_LINES_MAX}", source.production));
        }
        let has_doc = source.lines.first().is_some_and(|line| line.starts_with("//!"));
        if !has_doc {
            complain(0, "no line that says what the file is for".to_string());
        }
    });
}

#[test]
fn functions_fit_a_screen() {
    check(|source, complain| {
        if is_table(&source.path) {
            return;
        }
        for (start, len) in functions(&source.lines[..source.production]) {
            if len > FUNCTION_LINES_MAX {
                complain(start, format!("a function of {len} lines, more than {FUNCTION_LINES_MAX}"));
            }
        }
    });
}

#[test]
fn what_decides_does_not_touch_the_world() {
    check(|source, complain| {
        if !DECIDING.iter().any(|prefix| source.path.starts_with(prefix)) || is_test_file(&source.path) {
            return;
        }
        let is_ordered = ORDERED.iter().any(|prefix| source.path.starts_with(prefix));
        for (number, line) in source.lines[..source.production].iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in WORLD.iter().filter(|word| code.contains(**word)) {
                complain(number, format!("{word} in a file that only decides"));
            }
            if is_ordered && (code.contains("HashMap") || code.contains("HashSet")) {
                complain(number, "the order of hashes in a file that only decides".to_string());
            }
        }
    });
}

/// Reads every source, and fails with all complaints.
fn check(rule: impl Fn(&Source, &mut dyn FnMut(usize, String))) {
    let mut complaints = Vec::new();
    for source in sources() {
        rule(&source, &mut |line, text| complaints.push(format!("{}:{}: {text}", source.path, line + 1)));
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(read(root, path));
            }
        }
    }
    sources.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn read(root: &Path, path: PathBuf) -> Source {
    let text = std::fs::read_to_string(&path).expect("a source");
    let lines: Vec<String> = text.lines().map(str::to_string).collect();
    let path = path.strip_prefix(root).expect("below the package").to_string_lossy().into_owned();
    let production = if is_test_file(&path) { 0 } else { test_module(&lines).unwrap_or(lines.len()) };
    Source { path, lines, production }
}

/// Where the test module at the end of a file begins.
fn test_module(lines: &[String]) -> Option<usize> {
    let is_start = |pair: &[String]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{');
    lines.windows(2).position(is_start)
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path == "src/tidy.rs"
}

/// This file speaks of paths without using them.
fn is_own_text(path: &str) -> bool {
    path == "src/tidy.rs"
}

fn is_table(path: &str) -> bool {
    TABLES.iter().any(|table| path.starts_with(table))
}

/// The folder or file directly below `src`.
fn module(path: &str) -> &str {
    let below = path.strip_prefix("src/").unwrap_or(path);
    below.split('/').next().unwrap_or(below).trim_end_matches(".rs")
}

fn layer_of(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

fn first_name(path: &str) -> &str {
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    &path[..end]
}

/// First line and length of each function: from its `fn` to the closing brace in the same column.
fn functions(lines: &[String]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut open: BTreeMap<usize, usize> = BTreeMap::new();
    for (number, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        let column = line.len() - text.len();
        if is_function(text) && !text.ends_with('}') && !text.ends_with(';') {
            open.insert(column, number);
        } else if text == "}"
            && let Some(start) = open.remove(&column)
        {
            found.push((start, number - start + 1));
        }
    }
    found
}

fn is_function(text: &str) -> bool {
    let words: Vec<&str> =
        text.split_whitespace().take_while(|word| !word.contains('(') || word.starts_with("pub(")).collect();
    let qualifiers = ["pub", "async", "const", "unsafe", "extern", "\"C\""];
    match words.iter().position(|word| *word == "fn") {
        Some(at) => words[..at].iter().all(|word| qualifiers.contains(word) || word.starts_with("pub(")),
        None => false,
    }
}

#[test]
fn the_reader_of_sources_can_read() {
    let text =
        "\npub(super) async fn long(\n    x: u8,\n) {\n    if x { y() }\n}\nfn short() {}\n    fn inner() {\n    }\n";
    let lines: Vec<String> = text.lines().map(str::to_string).collect();
    assert_eq!(functions(&lines), [(1, 5), (7, 2)]);
    assert!(!is_function("type F = fn(u8) -> u8;") && !is_function("// fn x() {"));
    assert_eq!(module("src/log/append.rs"), "log");
    assert_eq!(first_name("metrics::{A, B}"), "metrics");
    let with_tests: Vec<String> = ["a", "#[cfg(test)]", "mod tests {", "}"].map(str::to_string).to_vec();
    assert_eq!(test_module(&with_tests), Some(1));
}
