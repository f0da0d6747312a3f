//! The tables: one row for every key Kafka 4.3.1 has, and what it does here.
//!
//! Each area is a macro that appends its rows and hands them on; the last one, given by the user of
//! [`broker_keys`](self), turns all rows into whatever it needs: the field of a struct, its parser, the table itself.
//! A row is `field: type = "key", kind, default, valid values, update mode, status, doc;` and rows without a field of
//! their own begin with the key.

#[macro_use]
mod network;
#[macro_use]
mod quorum;
#[macro_use]
mod log;
#[macro_use]
mod replication;
#[macro_use]
mod groups;
#[macro_use]
mod share;
#[macro_use]
mod transactions;
#[macro_use]
mod security;
#[macro_use]
mod remote;
#[macro_use]
mod metrics;
pub(super) mod reasons;

macro_rules! broker_keys {
    ($then:ident) => {
        network_keys! { quorum_keys log_keys replication_keys groups_keys share_keys transactions_keys
        security_keys remote_keys metrics_keys $then; }
    };
}
