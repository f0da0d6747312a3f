//! What becomes of states, step by step.

use super::script::check;

#[test]
fn a_state_begins_is_written_read_and_forgotten() {
    check(
        "summary a · init a start=-1 · summary a · write a start=0 leader=3 done=2 0-9:1,0 4-5:1,2 · read a leader=3 · \
         summary a · delete a · delete a · summary a",
        "state=0 leader=0 start=-1 done=-1 · ok · state=0 leader=0 start=-1 done=-1 · ok · \
         state=0 start=0 [0-3:1,0 4-5:1,2 6-9:1,0] · state=0 leader=3 start=0 done=2 · ok · ok · \
         state=0 leader=0 start=-1 done=-1",
    );
}

#[test]
fn what_is_not_initialized_can_neither_be_read_nor_written() {
    check("read a · write a start=0 · delete a", "INVALID_REQUEST · INVALID_REQUEST · ok");
    check(
        "init a partition=-1 · init a absent · init a · read a absent · write a absent · delete a absent · summary a absent",
        "INVALID_REQUEST · UNKNOWN_TOPIC_OR_PARTITION · ok · UNKNOWN_TOPIC_OR_PARTITION · UNKNOWN_TOPIC_OR_PARTITION · \
         UNKNOWN_TOPIC_OR_PARTITION · UNKNOWN_TOPIC_OR_PARTITION",
    );
}

#[test]
fn older_leaders_and_older_beginnings_are_fenced() {
    check(
        "init a · read a leader=5 · write a leader=4 · read a leader=4 · write a leader=-1 · write a leader=5 · read a leader=6 · \
         write a leader=5",
        "ok · state=0 start=-1 [] · FENCED_LEADER_EPOCH · FENCED_LEADER_EPOCH · ok · ok · state=0 start=-1 [] · \
         FENCED_LEADER_EPOCH",
    );
    check(
        "init a state=2 start=7 · init a state=1 · init a state=-1 · write a state=1 · write a state=2 · init a state=3 · \
         write a state=2 · summary a",
        "ok · FENCED_STATE_EPOCH · ok · FENCED_STATE_EPOCH · ok · ok · FENCED_STATE_EPOCH · state=3 leader=0 start=-1 done=-1",
    );
}

#[test]
fn a_new_beginning_drops_what_was() {
    check(
        "init a · write a start=0 0-9:1,0 · init a state=1 start=50 · read a · summary a · written",
        "ok · ok · ok · state=1 start=50 [] · state=1 leader=0 start=50 done=0 · \
         a snapshot 0 [] + a update 0 [0-9:1,0] + a snapshot 1 []",
    );
}

#[test]
fn enough_updates_become_a_snapshot() {
    check(
        "init a start=0 · write a 0-4:1,0 · write a 5-9:1,2 · write a start=3 4-6:2,0 · write a 20-20:1,0 · written · read a",
        "ok · ok · ok · ok · ok · \
         a snapshot 0 [] + a update 0 [0-4:1,0] + a update 0 [5-9:1,2] + a snapshot 1 [3-3:1,0 4-6:2,0 7-9:1,2] + a update 1 [20-20:1,0] · \
         state=0 start=3 [3-3:1,0 4-6:2,0 7-9:1,2 20-20:1,0]",
    );
}

#[test]
fn a_read_is_written_only_if_its_leader_is_new() {
    check(
        "init a start=0 · written · read a · read a leader=0 · written · read a leader=1 · read a leader=1 · written",
        "ok · a snapshot 0 [] · state=0 start=0 [] · state=0 start=0 [] ·  · state=0 start=0 [] · state=0 start=0 [] · \
         a update 0 []",
    );
}

#[test]
fn the_next_coordinator_goes_on() {
    check(
        "init a start=0 state=4 · read a leader=2 · write a leader=2 state=4 0-9:1,0 · reload · read a leader=1 · write a state=3 · \
         write a leader=2 state=4 5-5:1,2 · written · read a · delete a · reload · read a",
        "ok · state=4 start=0 [] · ok · FENCED_LEADER_EPOCH · FENCED_STATE_EPOCH · ok · \
         a snapshot 0 [] + a update 0 [] + a update 0 [0-9:1,0] + a snapshot 1 [0-4:1,0 5-5:1,2 6-9:1,0] · \
         state=4 start=0 [0-4:1,0 5-5:1,2 6-9:1,0] · ok · INVALID_REQUEST",
    );
}

#[test]
fn states_of_deleted_topics_are_forgotten() {
    check(
        "init a · init b · init a partition=1 · written · gone a · written · summary b · gone c",
        "ok · ok · ok · a snapshot 0 [] + b snapshot 0 [] + a snapshot 0 [] · more=false · a forgotten + a forgotten · \
         state=0 leader=0 start=-1 done=-1 · more=false",
    );
}

#[test]
fn cold_states_get_a_snapshot_while_others_move() {
    check(
        "init a start=0 · write a 0-4:1,0 · wait 200000 · init b · written · wait 100000 · written · wait 300000 · written · \
         wait 900000 · written",
        "ok · ok · ok · a snapshot 0 [] + a update 0 [0-4:1,0] + b snapshot 0 [] · a snapshot 1 [0-4:1,0] · \
         a snapshot 2 [0-4:1,0] + b snapshot 1 [] · ",
    );
    check(
        "init a · wait 100000 · init b · off · written · wait 900000 · written",
        "ok · ok · a snapshot 0 [] + b snapshot 0 [] · ",
    );
    check(
        "init a · init b · written · wait 299999 · fail · wait 1 · wait 299999 · written · wait 1 · written",
        "ok · ok · a snapshot 0 [] + b snapshot 0 [] · not written ·  · a snapshot 1 [] + b snapshot 1 []",
    );
}

#[test]
fn what_could_not_be_written_has_not_been() {
    check("init a start=0 · fail · write a start=9 · read a", "ok · not written · state=0 start=0 []");
}
