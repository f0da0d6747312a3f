//! EndTxn by the rules before and since KIP-890.

use super::script::check;

#[test]
fn since_version_two_every_end_raises_the_epoch() {
    check(
        "init x · add x t-0 · commit x · done x · state x · add x t-0 · abort x · done x · state x",
        "x is 10:0 · x NONE · x is 10:1 · work x PrepareCommit 10:1 [t-0] · x CompleteCommit 10:1 [] \
         · x NONE · x is 10:2 · work x PrepareAbort 10:2 [t-0] · x CompleteAbort 10:2 []",
    );
}

#[test]
fn before_version_two_the_epoch_stays() {
    check(
        "init x · add x t-0 v0 · commit x v0 · done x · add x t-0 v0 · abort x v0 · done x · state x",
        "x is 10:0 · x NONE · x NONE · work x PrepareCommit 10:0 [t-0] · x NONE · x NONE \
         · work x PrepareAbort 10:0 [t-0] · x CompleteAbort 10:0 []",
    );
}

#[test]
fn before_version_two_the_state_tells_a_repeated_end() {
    let ended = "init x · add x t-0 v0 · commit x v0 · commit x v0 · done x";
    let told = "x is 10:0 · x NONE · x NONE · work x PrepareCommit 10:0 [t-0] · x CONCURRENT_TRANSACTIONS";
    check(&format!("{ended} · commit x v0 · abort x v0"), &format!("{told} · x NONE · x INVALID_TXN_STATE"));
    check("init x · commit x v0 · abort x v0", "x is 10:0 · x INVALID_TXN_STATE · x INVALID_TXN_STATE");
}

#[test]
fn since_version_two_the_epoch_tells_a_repeated_end() {
    let committed = "init x · add x t-0 · commit x · commit x as=10:0 · done x";
    let told = "x is 10:0 · x NONE · x is 10:1 · work x PrepareCommit 10:1 [t-0] · x CONCURRENT_TRANSACTIONS";
    for (end, answer) in [
        ("commit x as=10:0", "x is 10:1"),
        ("abort x as=10:0", "x INVALID_TXN_STATE"),
        ("wait 100 · commit x", "x INVALID_TXN_STATE"),
        ("abort x", "x is 10:2 · work x PrepareAbort 10:2 []"),
        ("commit x as=10:2", "x PRODUCER_FENCED"),
    ] {
        check(&format!("{committed} · {end}"), &format!("{told} · {answer}"));
    }
    let aborted = "init x · add x t-0 · abort x · done x";
    let told = "x is 10:0 · x NONE · x is 10:1 · work x PrepareAbort 10:1 [t-0]";
    for (end, answer) in [
        ("abort x as=10:0", "x is 10:1"),
        ("commit x as=10:0", "x INVALID_TXN_STATE"),
        ("wait 100 · commit x", "x INVALID_TXN_STATE"),
        ("abort x", "x is 10:2 · work x PrepareAbort 10:2 []"),
    ] {
        check(&format!("{aborted} · {end}"), &format!("{told} · {answer}"));
    }
}

#[test]
fn an_abort_without_transaction_only_raises_the_epoch() {
    check(
        "init x · abort x · done x · state x · wait 100 · commit x · abort x as=10:0",
        "x is 10:0 · x is 10:1 · work x PrepareAbort 10:1 [] · x CompleteAbort 10:1 [] · x INVALID_TXN_STATE · x is 10:1",
    );
    check("init x · abort x as=10:1", "x is 10:0 · x PRODUCER_FENCED");
}

#[test]
fn a_commit_that_overtakes_its_batches_is_to_come_again() {
    let told = "x is 10:0 · x NONE · x is 10:1 · work x PrepareAbort 10:1 [t-0] · x CONCURRENT_TRANSACTIONS";
    check(
        "init x · add x t-0 · abort x · done x · wait 99 · commit x · add x t-0 · commit x",
        &format!("{told} · x NONE · x is 10:2 · work x PrepareCommit 10:2 [t-0]"),
    );
    check(
        "init x · add x t-0 · abort x · done x · wait 99 · commit x · wait 1 · commit x",
        &format!("{told} · x INVALID_TXN_STATE"),
    );
}

#[test]
fn only_the_present_producer_ends() {
    check(
        "commit x · init x · add x t-0 · commit x as=9:0 · commit x as=10:3 · commit x v0 as=9:0 · commit x v0 as=10:3",
        "x INVALID_PRODUCER_ID_MAPPING · x is 10:0 · x NONE · x INVALID_PRODUCER_ID_MAPPING · x PRODUCER_FENCED \
         · x INVALID_PRODUCER_ID_MAPPING · x PRODUCER_FENCED",
    );
}

#[test]
fn the_last_epoch_ends_into_another_producer_id() {
    let ended = "init x · epoch x 32766 · add x t-0 · commit x · done x";
    let told = "x is 10:0 · x NONE · x is 11:0 · work x PrepareCommit 10:32767 [t-0]";
    check(&format!("{ended} · state x"), &format!("{told} · x CompleteCommit 11:0 []"));
    // The client that missed the answer asks as it was.
    check(&format!("{ended} · commit x as=10:32766"), &format!("{told} · x is 11:0"));
    check(&format!("{ended} · abort x as=10:32766"), &format!("{told} · x INVALID_TXN_STATE"));
    check(&format!("{ended} · commit x as=10:32765"), &format!("{told} · x INVALID_PRODUCER_ID_MAPPING"));
}

#[test]
fn what_is_prepared_is_finished_after_a_failover() {
    check(
        "init x · add x t-0 · commit x · reload · commit x as=10:0 · done x · reload · state x",
        "x is 10:0 · x NONE · x is 10:1 · work x PrepareCommit 10:1 [t-0] · work x PrepareCommit 10:1 [t-0] \
         · x CONCURRENT_TRANSACTIONS · x CompleteCommit 10:1 []",
    );
}

#[test]
fn an_end_that_is_not_written_has_not_happened() {
    check(
        "init x · add x t-0 · fail · commit x · state x · commit x",
        "x is 10:0 · x NONE · x too few replicas are in sync · x Ongoing 10:0 [t-0] · x is 10:1 \
         · work x PrepareCommit 10:1 [t-0]",
    );
}
