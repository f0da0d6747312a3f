//! Versions that the message crate does not have yet.
//!
//! Where a newer version is laid out as an older one, the crate is told the older one. Where it is not, the message is
//! declared here, for all its versions; and where the crate's struct has room for what a handler needs, it becomes one.

mod layout;
mod messages;
mod older;
mod streams;
#[cfg(test)]
mod tests;

pub(super) use layout::decode_as_older;
pub use layout::{request_layout, response_layout};
pub use messages::*;
pub use streams::*;
