//! InitProducerId: who bears an id, and who is fenced by that.

use super::script::check;

#[test]
fn each_instance_gets_the_next_epoch() {
    check("init x · init x · init y · init x", "x is 10:0 · x is 10:1 · y is 11:0 · x is 10:2");
    check("init x · init x · reload · init x", "x is 10:0 · x is 10:1 · x is 10:2");
}

#[test]
fn an_open_transaction_is_aborted_before_the_id_is_borne_anew() {
    check(
        "init x · add x t-0 · init x · init x · done x · state x · init x",
        "x is 10:0 · x NONE · x CONCURRENT_TRANSACTIONS · work x PrepareAbort 10:1 [t-0] · x CONCURRENT_TRANSACTIONS \
         · x CompleteAbort 10:1 [] · x is 10:2",
    );
}

#[test]
fn below_version_two_fencing_raises_the_epoch_before_the_abort() {
    check(
        "level 1 · init x · add x t-0 v0 · init x · done x · state x · init x · add x t-0 v0 as=10:0",
        "x is 10:0 · x NONE · x CONCURRENT_TRANSACTIONS · work x PrepareAbort 10:1 [t-0] · x CompleteAbort 10:1 [] \
         · x is 10:2 · x PRODUCER_FENCED",
    );
}

#[test]
fn a_producer_that_lost_its_place_claims_the_next_epoch_once() {
    // KIP-360: the answer may be lost, and then the same is asked again.
    check(
        "init x · init x expect=10:0 · init x expect=10:0 · init x expect=10:1 · init x expect=10:0",
        "x is 10:0 · x is 10:1 · x is 10:1 · x is 10:2 · x PRODUCER_FENCED",
    );
    check("init x · init x · init x expect=10:0", "x is 10:0 · x is 10:1 · x PRODUCER_FENCED");
    check("init x · init x expect=9:0", "x is 10:0 · x PRODUCER_FENCED");
    // The epoch before is not kept in the log.
    check("init x · init x expect=10:0 · reload · init x expect=10:0", "x is 10:0 · x is 10:1 · x PRODUCER_FENCED");
}

#[test]
fn a_new_id_believes_any_producer() {
    check("init x expect=7:3", "x is 10:0");
}

#[test]
fn when_the_epochs_are_used_up_another_producer_id_follows() {
    check("init x · epoch x 32766 · init x", "x is 10:0 · x is 11:0");
    check(
        "init x · epoch x 32766 · init x expect=10:32766 · init x expect=10:32766",
        "x is 10:0 · x is 11:0 · x is 11:0",
    );
    check("init x · epoch x 32766 · init x expect=10:3", "x is 10:0 · x UNKNOWN_SERVER_ERROR");
    check(
        "init x · epoch x 32766 · add x t-0 · init x · done x · state x · init x",
        "x is 10:0 · x NONE · x CONCURRENT_TRANSACTIONS · work x PrepareAbort 10:32767 [t-0] \
         · x CompleteAbort 11:0 [] · x is 11:1",
    );
}

#[test]
fn a_refused_append_leaves_everything_as_it_was() {
    check("fail · init x · state x · init x", "x too few replicas are in sync · x unknown · x is 11:0");
    check(
        "init x · add x t-0 · fail · init x · state x",
        "x is 10:0 · x NONE · x too few replicas are in sync · x Ongoing 10:0 [t-0]",
    );
}
