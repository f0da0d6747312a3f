//! Black-box tests: the real binary as a process, bytes over real sockets.
//!
//! `OTTLA_BINARY` names another build to test than the one of this package.

mod behaviours;
mod support;
mod sweep;
mod traps;
