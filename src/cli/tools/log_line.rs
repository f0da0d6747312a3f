//! Lines as the logging of Kafka's tools writes them to standard error.

use chrono::Local;

/// Writes one line: the time, the level, the message, and the class that says it.
pub fn log_line(level: &str, message: &str, class: &str) {
    eprintln!("[{}] {level} {message} ({class})", Local::now().format("%Y-%m-%d %H:%M:%S,%3f"));
}
