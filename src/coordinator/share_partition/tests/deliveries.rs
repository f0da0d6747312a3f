//! Who gets what, step by step.

use super::super::acquire::FetchedBatch;
use super::super::partition::{Limits, SharePartition};
use super::bench::*;
use crate::coordinator::share::ReadState;
use crate::types::{LeaderEpoch, Offset, ProducerId};

#[test]
fn each_record_goes_to_one_member_and_not_again_once_it_is_accepted() {
    check(
        "get a max=10 · get b · get c · ack a 0-9 accept · next · ack b 10-39 accept · next · all",
        "0-9*1 · 10-39*1 · 40-49*1 · ok · 10..50 · ok · 40..50 · 40-49 c*1",
    );
}

#[test]
fn released_and_timed_out_records_are_delivered_again() {
    check(
        "get a max=10 · ack a 0-4 release · get b max=5 · all · wait 30000 · all · get c batches=1",
        "0-9*1 · ok · 0-4*2 · 0-4 b*2, 5-9 a*1 · 0-4 free*2, 5-9 free*1 · 0-4*3 5-9*2",
    );
    check("get a max=10 · release a · next · get b max=10", "0-9*1 · 0..0 · 0-9*2");
    check(
        "get a max=10 · wait 29999 · ack a 0-9 renew · wait 29999 · all · wait 1 · all",
        "0-9*1 · ok · 0-9 a*1 · 0-9 free*1",
    );
}

#[test]
fn what_is_delivered_too_often_is_given_up() {
    let limits = Limits { delivery_count: 2, ..LIMITS };
    check_over(
        fresh(0),
        limits,
        "get a max=10 · release a · get a max=10 · release a · next · all",
        "0-9*1 · 0-9*2 · 10..10 · ",
    );
}

#[test]
fn the_nearer_the_limit_the_fewer_are_delivered_together() {
    check(
        "get a max=10 · wait 30000 · get a batches=1 · wait 30000 · get a batches=1 · wait 30000 · get a batches=1 · wait 30000 · all",
        "0-9*1 · 0-9*2 · 0-9*3 · 0-4*4 · 0-4 free*4, 5-9 free*3",
    );
}

#[test]
fn a_record_limit_is_kept_and_the_rest_stays_free() {
    check(
        "get a max=4 limit · next · get b max=4 limit · all · ack a 0-3 accept · next",
        "0-3*1 · 0..4 · 4-7*1 · 0-3 a*1, 4-7 b*1, 8-9 free*0 · ok · 4..8",
    );
    check("get a max=12 limit batches=3 · next", "0-11*1 · 0..12");
}

#[test]
fn large_deliveries_are_told_in_batches_of_about_the_wanted_size() {
    check("get a size=10 max=30 · ack a 0-9 accept · next", "0-9*1 10-19*1 20-29*1 · ok · 10..30");
    check("get a size=0 max=20 batches=2", "0-9*1 10-19*1");
}

#[test]
fn locks_are_limited() {
    check(
        "get a batches=9 max=500 · next · ack a 20-29 release · next · get b · next",
        "0-49*1 · 0..50 full · ok · 0..20 · 20-29*2 · 0..50 full",
    );
}

#[test]
fn only_who_has_a_record_may_speak_of_it() {
    check(
        "ack a 0-4 accept · get a max=10 · ack b 0-9 accept · ack b 0-4 accept · ack a 5-12 accept · ack a 10-12 accept · \
         ack a 0-9 accept · ack a 0-9 accept · get b max=10 · ack b 5-14 accept · ack b 12-13 release · ack b 12-13 accept",
        "not yours · 0-9*1 · not yours · not yours · no such records · no such records · ok · ok · 10-19*1 · ok · ok · ok",
    );
}

#[test]
fn a_refused_acknowledgement_leaves_nothing_behind() {
    check(
        "get a max=10 · ack a 0-1 accept · ack a 0-9 release · all · get b max=10 batches=1 · ack a 2-14 reject · all",
        "0-9*1 · ok · ok · 2-9 free*1 · 2-9*2 · no such records · 2-9 b*2",
    );
    check(
        "get a max=10 · ack a 3-4 release · get b max=2 · ack a 0-9 accept · all",
        "0-9*1 · ok · 3-4*2 · not yours · 0-2 a*1, 3-4 b*2, 5-9 a*1",
    );
}

#[test]
fn one_word_for_each_record_of_a_batch() {
    check(
        "get a max=10 · ack a 0-4 accept,release,reject,gap,renew · all · next",
        "0-9*1 · ok · 1-1 free*1, 2-3 gone*1, 4-9 a*1 · 1..1",
    );
    let limits = Limits { may_renew: false, ..LIMITS };
    check_over(fresh(0), limits, "get a max=10 · ack a 0-1 accept,renew · all", "0-9*1 · not yours · 0-9 a*1");
}

#[test]
fn nothing_is_decided_while_a_change_is_written() {
    check(
        "get a max=10 · ack a 0-9 release open · next · ack a 0-9 accept · get b · written · get b max=10",
        "0-9*1 · ok · 0..10 · not yours · 10-39*1 · 0-9*2",
    );
    check(
        "get a max=10 · ack a 0-9 accept open · lost · all · ack a 0-9 accept · next",
        "0-9*1 · ok · 0-9 a*1 · ok · 10..10",
    );
    check("get a max=10 · ack a 0-9 accept open · wait 30000 · lost · all", "0-9*1 · ok · 0-9 free*1");
    check(
        "get a max=10 · ack a 0-4 accept open · wait 30000 · all · written · next",
        "0-9*1 · ok · 0-4 done*1, 5-9 free*1 · 5..5",
    );
}

#[test]
fn what_the_log_no_longer_has_is_given_up() {
    check("get a max=10 · release a · lso 5 · next · get b max=5 batches=1", "0-9*1 · 5..5 · 5-9*2");
    check(
        "get a max=10 · lso 15 · next · get b max=5 batches=1 · wait 30000 · all",
        "0-9*1 · 15..15 · 15-19*1 · 15-19 free*1",
    );
    // What a member has of records that are gone counts until its lock times out.
    check("get a max=10 · lso 5 · ack a 0-9 accept · next · wait 30000 · next", "0-9*1 · ok · 5..10 · 10..10");
    check("lso 20 · next", "20..20");
}

#[test]
fn what_was_compacted_away_is_given_up() {
    let mut bench = Bench {
        partition: fresh(0),
        limits: LIMITS,
        log: vec![batch(0, 9), batch(10, 19)],
        aborted: Vec::new(),
        now: 0,
        open: Vec::new(),
        told: Vec::new(),
    };
    for step in ["get a", "release a"] {
        bench.step(step);
    }
    bench.log = vec![batch(15, 19)];
    for step in ["get b", "all"] {
        bench.step(step);
    }
    assert_eq!(bench.told, ["0-19*1", "15-19*2", "0-14 gone*1, 15-19 b*2"]);
}

#[test]
fn aborted_records_are_not_delivered() {
    let of = |first, last, producer, is_abort_marker| FetchedBatch {
        producer: ProducerId(producer),
        is_transactional: true,
        is_abort_marker,
        ..batch(first, last)
    };
    let log = vec![of(0, 3, 7, false), of(4, 5, 8, false), of(6, 6, 7, true), of(7, 9, 7, false)];
    let mut bench = Bench {
        partition: fresh(0),
        limits: LIMITS,
        log,
        aborted: vec![(ProducerId(7), Offset(0))],
        now: 0,
        open: Vec::new(),
        told: Vec::new(),
    };
    for step in ["get a batches=9", "all"] {
        bench.step(step);
    }
    assert_eq!(bench.told, ["4-9*1", "0-3 gone*1, 4-9 a*1"]);
}

#[test]
fn what_was_written_is_known_after_a_restart() {
    let written = || load(10, vec![state(15, 17, 1, 2), state(18, 19, 2, 0), state(30, 34, 1, 4)]);
    // What is not in the state was perhaps delivered, and is delivered again.
    check_over(
        written(),
        LIMITS,
        "next · get a max=5 batches=1 · next · ack a 10-14 accept · next · get b batches=4 · next",
        "10..10 · 10-14*1 · 10..18 · ok · 15..18 · 18-19*3 20-29*1 35-49*1 · 15..50",
    );
    check_over(load(5, vec![state(5, 9, 1, 2)]), LIMITS, "next", "10..10");
}

#[test]
fn states_without_meaning_are_refused() {
    for batches in [
        vec![state(0, 4, 1, 0), state(3, 5, 1, 0)],
        vec![state(5, 4, 1, 0)],
        vec![state(0, 4, 1, 9)],
        vec![state(0, i64::MAX, 1, 2)],
    ] {
        let read = ReadState { state_epoch: 0, start_offset: Offset(0), batches };
        assert!(SharePartition::load(Offset(0), &read, LeaderEpoch(0)).is_err());
    }
}
