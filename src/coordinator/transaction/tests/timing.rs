//! What happens by itself: timeouts and expiration.

use super::super::machine::Settings;
use super::script::{check, check_with};

#[test]
fn a_transaction_that_is_open_for_too_long_is_aborted_and_its_producer_fenced() {
    check(
        "init x timeout=15000 · add x t-0 · wait 15000 · state x · wait 10000 · done x · add x t-0 · commit x",
        "x is 10:0 · x NONE · x Ongoing 10:0 [t-0] · work x PrepareAbort 10:1 [t-0] · x PRODUCER_FENCED \
         · x INVALID_TXN_STATE",
    );
    check(
        "init x timeout=1000 · wait 60000 · state x · add x t-0 · commit x · wait 60000 · state x",
        "x is 10:0 · x Empty 10:0 · x NONE · x is 10:1 · work x PrepareCommit 10:1 [t-0] · x PrepareCommit 10:1 [t-0]",
    );
}

#[test]
fn a_timeout_counts_from_the_first_partition() {
    check(
        "init x timeout=15000 · add x t-0 · wait 9000 · add x t-1 · wait 9000 · wait 9000",
        "x is 10:0 · x NONE · x NONE · work x PrepareAbort 10:1 [t-0 t-1]",
    );
}

#[test]
fn a_timeout_in_the_last_epoch_takes_another_producer_id() {
    check(
        "init x timeout=1000 · epoch x 32766 · add x t-0 · wait 10000 · done x · state x",
        "x is 10:0 · x NONE · work x needs an id · work x PrepareAbort 10:32767 [t-0] · x CompleteAbort 11:0 []",
    );
}

#[test]
fn an_abort_that_cannot_be_written_is_tried_again() {
    check(
        "init x timeout=1000 · add x t-0 · fail · wait 10000 · state x · wait 10000",
        "x is 10:0 · x NONE · x Ongoing 10:0 [t-0] · work x PrepareAbort 10:1 [t-0]",
    );
}

#[test]
fn two_phase_commits_have_no_timeout() {
    check(
        "init x timeout=2147483647 · add x t-0 · wait 3000000 · state x",
        "x is 10:0 · x NONE · x Ongoing 10:0 [t-0]",
    );
}

#[test]
fn ids_that_nobody_uses_are_forgotten() {
    let short = || Settings {
        transactional_id_expiration_ms: 60_000,
        remove_expired_interval_ms: 10_000,
        ..Settings::default()
    };
    check_with(short(), "init x · wait 59000 · state x · wait 2000 · state x", "x is 10:0 · x Empty 10:0 · x unknown");
    check_with(
        short(),
        "init x timeout=900000 · add x t-0 · wait 200000 · state x · commit x · wait 100000 · state x · done x \
         · wait 50000 · state x · wait 20000 · state x · reload · state x",
        "x is 10:0 · x NONE · x Ongoing 10:0 [t-0] · x is 10:1 · work x PrepareCommit 10:1 [t-0] \
         · x PrepareCommit 10:1 [t-0] · x CompleteCommit 10:1 [] · x unknown · x unknown",
    );
}
