//! What a transaction touches, and who may say so.

use super::script::check;

#[test]
fn a_transaction_begins_with_its_first_partition() {
    check(
        "init x · state x · add x t-0 · add x t-0 · add x t-1 u-0 · state x",
        "x is 10:0 · x Empty 10:0 · x NONE · x NONE · x NONE · x Ongoing 10:0 [t-0 t-1 u-0]",
    );
}

#[test]
fn only_the_present_producer_adds() {
    check(
        "add x t-0 · init x · add x t-0 as=9:0 · init x · add x t-0 as=10:0 · add x t-0",
        "x INVALID_PRODUCER_ID_MAPPING · x is 10:0 · x INVALID_PRODUCER_ID_MAPPING · x is 10:1 · x PRODUCER_FENCED · x NONE",
    );
}

#[test]
fn nothing_is_added_while_the_end_is_being_written() {
    // The producer knows its next epoch before the end is complete.
    check(
        "init x · add x t-0 · commit x · add x t-1 · add x t-1 as=9:9 · done x · add x t-1 · state x",
        "x is 10:0 · x NONE · x is 10:1 · work x PrepareCommit 10:1 [t-0] · x CONCURRENT_TRANSACTIONS \
         · x CONCURRENT_TRANSACTIONS · x NONE · x Ongoing 10:1 [t-1]",
    );
}

#[test]
fn verification_tells_each_partition() {
    check(
        "verify x t-0 · init x · add x t-0 · verify x t-0 t-1 · verify x t-0 as=9:0 · verify x t-0 as=10:4",
        "x INVALID_PRODUCER_ID_MAPPING · x is 10:0 · x NONE · x t-0=NONE t-1=TRANSACTION_ABORTABLE \
         · x INVALID_PRODUCER_ID_MAPPING · x PRODUCER_FENCED",
    );
    check(
        "init x · add x t-0 v0 · commit x v0 · verify x t-0 · done x · verify x t-0",
        "x is 10:0 · x NONE · x NONE · work x PrepareCommit 10:0 [t-0] · x CONCURRENT_TRANSACTIONS \
         · x t-0=TRANSACTION_ABORTABLE",
    );
}
