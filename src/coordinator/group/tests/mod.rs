//! Scripts over one machine with a clock turned by hand, a seeded model, and the facade over its runtimes.

mod consumer;
mod consumer_model;
mod membership;
mod migration;
mod model;
mod offsets;
mod records;
mod script;
mod service;
mod share;
mod share_model;
mod streams;
mod streams_model;
mod timing;
mod transactions;
