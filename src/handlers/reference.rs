//! What people read about the served APIs: a page made from the table.

use std::fmt::Write;

use super::{API_TABLE, Listeners};
use crate::generated::check;

const INTRODUCTION: &str = "\
# Served APIs

Each API of Kafka 4.3.1 that this broker serves, with all versions of that release. This page is made from the table in
`src/handlers/mod.rs`; `UPDATE=1 cargo test --lib handlers::` writes it anew. A running broker tells the same:
`ottla broker-api-versions --bootstrap-server localhost:9092`.

What is not listed is not announced, and a request for it closes the connection, as Kafka does with requests it does not
know. [limits.md](limits.md) says which features that leaves out.

| key | API | versions | listeners |
| ---: | --- | --- | --- |
";

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for api in API_TABLE {
        let listeners = match api.listeners {
            Listeners::Broker => "broker",
            Listeners::Both => "broker, controller",
        };
        let (key, name) = (api.key, api.name);
        let mut versions = format!("{} – {}", api.min_version, api.max_version);
        if api.max_unstable_version > api.max_version {
            let _ = write!(versions, "; {} with `unstable.api.versions.enable`", api.max_unstable_version);
        }
        let _ = writeln!(page, "| {key} | {name} | {versions} | {listeners} |");
    }
    page
}

#[test]
fn the_page_of_apis_is_current() {
    check("docs/apis.md", &page());
}
