//! Tests of the coordinator of share states.

mod combining;
mod records;
mod redundant;
mod script;
mod service;
mod states;
