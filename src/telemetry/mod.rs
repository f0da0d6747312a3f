//! Metrics that clients push (KIP-714).
//!
//! [`ClientTelemetry`] owns it all. `subscriptions` are what an operator asks for: which metrics of which clients, how
//! often. `instances` remembers each client that asked or pushed and decides what it is told; time is an argument.
//! `otlp` walks what was pushed in the memory where it lies. `series` keeps the newest value of each metric of each
//! client for whoever scrapes: bounded in number, and gone with its client.

mod client_telemetry;
mod instances;
mod otlp;
mod series;
mod subscriptions;

pub use client_telemetry::{ClientTelemetry, Push, Settings};
pub use instances::{ACCEPTED_COMPRESSION, TelemetryClient, Told};
