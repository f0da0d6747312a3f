//! The shape of every request and response of Kafka 4.3, and the guard that walks a frame by it.
//!
//! `table.txt` says it all. An API begins with a line `key name versions first-flexible-version`; `>` begins its
//! request, `<` its response. A field is `Name:type`, `Name:type*` (list), `Name{…}` (struct) or `Name[…]` (list of
//! structs), then `?` if it can be null (`?3-` from version 3), `@` and the versions that have it, if not all that have
//! its parent, and `#` with its tag. Text is compiled for one version when that version is first met.

mod generate;
mod guard;
mod program;
mod table;
#[cfg(test)]
mod tests;

pub use generate::{Generated, Length, LengthKind, generate, generate_marked};
pub use guard::{GuardError, Walk, guard_request, guard_response};
pub use table::{Api, Direction, api, apis, is_flexible, is_known, name};
