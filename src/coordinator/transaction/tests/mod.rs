//! Scripts over one machine with a clock turned by hand, and the facade over its runtimes.

mod ends;
mod init;
mod partitions;
mod records;
mod script;
mod service;
mod timing;
