//! What time does to a group.

use super::super::machine::Settings;
use super::script::{check, check_with};

#[test]
fn the_first_rebalance_waits_for_more_members_and_longer_while_they_come() {
    check(
        "join a · wait 2999 · state · wait 1 · state",
        "PreparingRebalance g0 [a-1] led by a-1 · a-1 in g1 range led by a-1 [a-1] · CompletingRebalance g1 [a-1] led by a-1",
    );
    check(
        "join a · wait 2000 · join b · wait 1000 · state · wait 2999 · state · wait 1 · state",
        "PreparingRebalance g0 [a-1,b-2] led by a-1 · PreparingRebalance g0 [a-1,b-2] led by a-1 \
         · a-1 in g1 range led by a-1 [a-1,b-2] · b-2 in g1 range led by a-1 · CompletingRebalance g1 [a-1,b-2] led by a-1",
    );
}

#[test]
fn the_first_rebalance_is_put_off_no_longer_than_the_rebalance_timeout() {
    check(
        "join a rebalance=5000 · wait 1000 · join b rebalance=5000 · wait 3000 · join c rebalance=5000 · wait 999 · state · wait 1",
        "PreparingRebalance g0 [a-1,b-2,c-3] led by a-1 · a-1 in g1 range led by a-1 [a-1,b-2,c-3] \
         · b-2 in g1 range led by a-1 · c-3 in g1 range led by a-1",
    );
}

#[test]
fn without_a_delay_the_first_member_starts_at_once() {
    let settings = Settings { group_initial_rebalance_delay_ms: 0, ..Settings::default() };
    check_with(settings, "join a · wait 0", "a-1 in g1 range led by a-1 [a-1]");
}

const STABLE: &str = "join a session=10000 · join b session=30000 · wait 6000 · sync a give=a:A,b:B · sync b";
const STABLE_TOLD: &str =
    "a-1 in g1 range led by a-1 [a-1,b-2] · b-2 in g1 range led by a-1 · a has \"A\" · b has \"B\"";

#[track_caller]
fn check_stable(script: &str, expected: &str) {
    check(&format!("{STABLE} · {script}"), &format!("{STABLE_TOLD} · {expected}"));
}

#[test]
fn a_silent_member_is_out_after_its_session_timeout() {
    check_stable(
        "wait 9999 · state · wait 1 · state · beat b",
        "Stable g1 [a-1,b-2] led by a-1 · PreparingRebalance g1 [b-2] led by b-2 · b beat REBALANCE_IN_PROGRESS",
    );
}

#[test]
fn heartbeats_and_commits_keep_a_session() {
    check_stable(
        "wait 9000 · beat a · wait 9000 · commit a t-0=1 · wait 9000 · state",
        "a beat NONE · a commit NONE · Stable g1 [a-1,b-2] led by a-1",
    );
}

#[test]
fn a_parked_join_keeps_a_session_and_a_new_members_for_five_minutes() {
    check(
        "join a session=6000 · wait 3000 · sync a give=a:A · join b session=6000 · beat a · join a · wait 60000 · state",
        "a-1 in g1 range led by a-1 [a-1] · a has \"A\" · a beat REBALANCE_IN_PROGRESS · a-1 in g2 range led by a-1 [a-1,b-2] \
         · b-2 in g2 range led by a-1 · Empty g3 []",
    );
    check_stable(
        "join c rebalance=900000 · wait 5000 · beat a · wait 5000 · beat a · wait 20000 · state",
        "a beat REBALANCE_IN_PROGRESS · a beat REBALANCE_IN_PROGRESS · c-3 in g2 range led by c-3 [c-3] \
         · CompletingRebalance g2 [c-3] led by c-3",
    );
}

#[test]
fn members_that_do_not_come_back_in_time_are_left_behind() {
    check_stable(
        "join b protocols=range:other session=30000 · wait 9000 · beat a · wait 9000 · beat a · wait 9000 · beat a · wait 9000 · beat a \
         · wait 9000 · beat a · wait 9000 · beat a · wait 5999 · state · wait 1 · state · beat a",
        "a beat REBALANCE_IN_PROGRESS · a beat REBALANCE_IN_PROGRESS · a beat REBALANCE_IN_PROGRESS · a beat REBALANCE_IN_PROGRESS \
         · a beat REBALANCE_IN_PROGRESS · a beat REBALANCE_IN_PROGRESS · PreparingRebalance g1 [a-1,b-2] led by a-1 \
         · b-2 in g2 range led by b-2 [b-2] · CompletingRebalance g2 [b-2] led by b-2 · a beat UNKNOWN_MEMBER_ID",
    );
}

#[test]
fn static_members_that_do_not_come_back_stay_until_their_session_ends() {
    check(
        "join a · join b v5 instance=i session=900000 · wait 6000 · sync a give=a:A,b:B · sync b instance=i · join a · wait 60000 · state",
        "a-1 in g1 range led by a-1 [a-1,i-2] · i-2 in g1 range led by a-1 · a has \"A\" · b has \"B\" \
         · a-1 in g2 range led by a-1 [a-1,i-2] · CompletingRebalance g2 [a-1,i-2] led by a-1",
    );
    check(
        "join a session=6000 · join b v5 instance=i session=200000 · wait 6000 · sync a give=a:A,b:B · sync b instance=i · wait 6000 \
         · wait 60000 · state · wait 60000 · state · wait 68000 · state · wait 6000 · state",
        "a-1 in g1 range led by a-1 [a-1,i-2] · i-2 in g1 range led by a-1 · a has \"A\" · b has \"B\" \
         · PreparingRebalance g1 [i-2] led by i-2 · PreparingRebalance g1 [i-2] led by i-2 · PreparingRebalance g1 [i-2] led by i-2 \
         · Empty g2 []",
    );
}

#[test]
fn members_that_do_not_sync_in_time_are_out() {
    check(
        "join a rebalance=20000 session=30000 · join b rebalance=20000 session=30000 · wait 6000 · sync a give=a:A,b:B · wait 19999 \
         · state · wait 1 · state · beat b",
        "a-1 in g1 range led by a-1 [a-1,b-2] · b-2 in g1 range led by a-1 · a has \"A\" · Stable g1 [a-1,b-2] led by a-1 \
         · PreparingRebalance g1 [a-1] led by a-1 · b beat UNKNOWN_MEMBER_ID",
    );
    check(
        "join a rebalance=20000 session=30000 · join b rebalance=20000 session=30000 · wait 6000 · sync b · wait 20000 · state",
        "a-1 in g1 range led by a-1 [a-1,b-2] · b-2 in g1 range led by a-1 · b sync REBALANCE_IN_PROGRESS \
         · PreparingRebalance g1 [b-2] led by b-2",
    );
}

#[test]
fn sessions_start_anew_when_the_coordinator_moves() {
    check_stable(
        "wait 9000 · reload · wait 9999 · state · wait 1 · state",
        "Stable g1 [a-1,b-2] led by a-1 · PreparingRebalance g1 [b-2] led by b-2",
    );
}
