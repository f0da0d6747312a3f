//! Offsets that are committed within transactions.

use super::super::machine::Settings;
use super::script::{check, check_with};

const STABLE: &str = "join a · wait 3000 · sync a give=a:A";
const STABLE_TOLD: &str = "a-1 in g1 range led by a-1 [a-1] · a has \"A\"";

#[test]
fn offsets_count_from_the_end_of_the_transaction_on() {
    let pending = "commit - t-0=3 · pend - t-0=5 t-1=6 · fetch t-0 t-1 · fetch all";
    let told = "- commit NONE · - pend NONE,NONE · offsets t-0 UNSTABLE_OFFSET_COMMIT t-1 UNSTABLE_OFFSET_COMMIT \
        · offsets t-0 UNSTABLE_OFFSET_COMMIT";
    check(&format!("{pending} · end commit · fetch all"), &format!("{told} · commit ended · offsets t-0=5 t-1=6"));
    check(&format!("{pending} · end abort · fetch all"), &format!("{told} · abort ended · offsets t-0=3"));
    check(
        &format!("{pending} · reload · fetch t-0 · end commit · reload · fetch all"),
        &format!("{told} · offsets t-0 UNSTABLE_OFFSET_COMMIT · commit ended · offsets t-0=5 t-1=6"),
    );
}

#[test]
fn each_transaction_ends_on_its_own() {
    check(
        "pend - t-0=5 · pend - p=8 t-1=6 · end commit p=8 · fetch t-0 t-1 · end abort · fetch t-0 t-1 · end commit p=9",
        "- pend NONE · - pend NONE · commit ended · offsets t-0 UNSTABLE_OFFSET_COMMIT t-1=6 · abort ended \
         · offsets t-0=-1 t-1=6 · commit ended",
    );
}

#[test]
fn the_offset_that_was_committed_last_wins() {
    check(
        "pend - t-0=5 · commit - t-0=9 · end commit · fetch t-0",
        "- pend NONE · - commit NONE · commit ended · offsets t-0=9",
    );
    check(
        "pend - t-0=5 · pend - p=8 t-0=6 · end commit p=8 · fetch t-0 · end commit · fetch t-0",
        "- pend NONE · - pend NONE · commit ended · offsets t-0 UNSTABLE_OFFSET_COMMIT · commit ended · offsets t-0=6",
    );
    check(
        "pend - t-0=5 · pend - p=8 t-0=6 · end commit · end commit p=8 · fetch t-0",
        "- pend NONE · - pend NONE · commit ended · commit ended · offsets t-0=6",
    );
    check(
        "pend - t-0=5 · pend - p=8 t-0=6 · end abort p=8 · end commit · fetch t-0",
        "- pend NONE · - pend NONE · abort ended · commit ended · offsets t-0=5",
    );
    check(
        "pend - t-0=5 · pend - t-0=4 · end commit · fetch t-0",
        "- pend NONE · - pend NONE · commit ended · offsets t-0=4",
    );
}

#[test]
fn members_are_fenced_by_their_generation() {
    check(
        &format!(
            "{STABLE} · pend a g=1 t-0=5 · pend a g=0 t-0=5 · pend x id=ghost g=1 t-0=5 · pend - t-0=6 · pend - g=3 t-0=6"
        ),
        &format!(
            "{STABLE_TOLD} · a pend NONE · a pend ILLEGAL_GENERATION · x pend UNKNOWN_MEMBER_ID · - pend NONE \
             · - pend UNKNOWN_MEMBER_ID"
        ),
    );
    check("pend - g=3 t-0=5 · pend - t-0=5 · state", "- pend ILLEGAL_GENERATION · - pend NONE · Empty g0 []");
}

#[test]
fn metadata_has_its_limit_here_too() {
    let settings = Settings { offset_metadata_max_bytes: 3, ..Settings::default() };
    check_with(
        settings,
        "pend - t-0=5 metadata=four · state · pend - t-0=5 metadata=abc · end commit · fetch t-0",
        "- pend OFFSET_METADATA_TOO_LARGE · no group · - pend NONE · commit ended · offsets t-0=5(abc)",
    );
}

#[test]
fn what_is_deleted_is_not_committed_later() {
    check(
        "commit - t-0=3 · pend - t-0=5 · forget t-0 · fetch t-0 · end commit · fetch t-0",
        "- commit NONE · - pend NONE · forget NONE NONE · offsets t-0=-1 · commit ended · offsets t-0=-1",
    );
    check(
        "pend - t-0=5 · delete · state · end commit · fetch t-0",
        "- pend NONE · delete NONE · no group · commit ended · offsets t-0=-1",
    );
    check(
        "pend - t-0=5 · dropped t · end commit · fetch t-0",
        "- pend NONE · dropped more=false · commit ended · offsets t-0=-1",
    );
}

#[test]
fn an_open_transaction_keeps_its_group() {
    let short =
        Settings { offsets_retention_minutes: 1, offsets_retention_check_interval_ms: 10_000, ..Settings::default() };
    check_with(
        short,
        "commit - t-0=3 · pend - t-0=5 · wait 200000 · state · end abort · wait 20000 · state · fetch t-0",
        "- commit NONE · - pend NONE · Empty g0 [] · abort ended · no group · offsets t-0=-1",
    );
}

#[test]
fn a_refused_append_leaves_nothing_behind() {
    check(
        "fail replicas · pend - t-0=5 · state · fetch t-0",
        "- failed: too few replicas are in sync · no group · offsets t-0=-1",
    );
}
