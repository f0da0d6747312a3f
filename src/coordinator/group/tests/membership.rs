//! Joining, syncing, beating, leaving: each transition and each refusal.

use super::super::machine::Settings;
use super::script::{check, check_with};

/// Two members of a stable group in generation 2; the second join of `a` is the first rebalance's.
const STABLE: &str = "join a · join b · wait 6000 · sync a give=a:A,b:B · sync b";
const STABLE_TOLD: &str =
    "a-1 in g1 range led by a-1 [a-1,b-2] · b-2 in g1 range led by a-1 · a has \"A\" · b has \"B\"";

#[track_caller]
fn check_stable(script: &str, expected: &str) {
    check(&format!("{STABLE} · {script}"), &format!("{STABLE_TOLD} · {expected}"));
}

#[test]
fn a_group_forms() {
    check(
        "join a · join b · state · wait 6000 · state · sync b · sync a give=a:A,b:B · state · beat a · beat b · log",
        "PreparingRebalance g0 [a-1,b-2] led by a-1 · a-1 in g1 range led by a-1 [a-1,b-2] · b-2 in g1 range led by a-1 \
         · CompletingRebalance g1 [a-1,b-2] led by a-1 · a has \"A\" · b has \"B\" · Stable g1 [a-1,b-2] led by a-1 \
         · a beat NONE · b beat NONE · log g0[] g1[a-1,b-2]",
    );
}

#[test]
fn a_sync_after_the_leaders_is_answered_at_once() {
    check_stable("sync b · sync a", "b has \"B\" · a has \"A\"");
}

#[test]
fn members_without_an_assignment_get_an_empty_one() {
    check(
        "join a · join b · wait 6000 · sync b · sync a give=a:A",
        "a-1 in g1 range led by a-1 [a-1,b-2] · b-2 in g1 range led by a-1 · a has \"A\" · b has \"\"",
    );
}

#[test]
fn from_version_4_on_a_dynamic_member_gets_its_id_first() {
    check(
        "join a v4 · state · join a v4 · wait 3000 · state",
        "a join MEMBER_ID_REQUIRED (a-1) · Empty g0 [] pending 1 · a-1 in g1 range led by a-1 [a-1] \
         · CompletingRebalance g1 [a-1] led by a-1",
    );
}

#[test]
fn a_static_member_needs_no_id_first() {
    check("join a v9 instance=i · wait 3000", "i-1 in g1 range led by i-1 [i-1]");
}

#[test]
fn an_unused_member_id_is_forgotten_after_the_session_timeout() {
    check(
        "join a v4 session=6000 · wait 5999 · state · wait 1 · state · join a v4",
        "a join MEMBER_ID_REQUIRED (a-1) · Empty g0 [] pending 1 · Empty g0 [] · a join UNKNOWN_MEMBER_ID (a-1)",
    );
}

#[test]
fn a_pending_member_holds_the_join_phase_up_until_it_joins_leaves_or_expires() {
    let rebalancing = "join c v4 · join a · join b";
    check_stable(
        &format!("{rebalancing} · state · join c v4"),
        "c join MEMBER_ID_REQUIRED (c-3) · PreparingRebalance g1 [a-1,b-2] led by a-1 pending 1 \
         · a-1 in g2 range led by a-1 [a-1,b-2,c-3] · b-2 in g2 range led by a-1 · c-3 in g2 range led by a-1",
    );
    check_stable(
        &format!("{rebalancing} · leave c"),
        "c join MEMBER_ID_REQUIRED (c-3) · a-1 in g2 range led by a-1 [a-1,b-2] · b-2 in g2 range led by a-1 · c leave NONE",
    );
    check_stable(
        &format!("{rebalancing} · wait 10000"),
        "c join MEMBER_ID_REQUIRED (c-3) · a-1 in g2 range led by a-1 [a-1,b-2] · b-2 in g2 range led by a-1",
    );
}

#[test]
fn unknown_members_are_told_so() {
    check("join a id=ghost", "a join UNKNOWN_MEMBER_ID (ghost)");
    check(
        "sync a · beat a · leave ghost",
        "a sync UNKNOWN_MEMBER_ID · a beat UNKNOWN_MEMBER_ID · ghost leave UNKNOWN_MEMBER_ID",
    );
    check_stable("join x id=ghost", "x join UNKNOWN_MEMBER_ID (ghost)");
    check_stable(
        "sync x id=ghost · beat x id=ghost · leave ghost",
        "x sync UNKNOWN_MEMBER_ID · x beat UNKNOWN_MEMBER_ID · ghost leave UNKNOWN_MEMBER_ID",
    );
    check_stable("beat x id=ghost instance=i", "x beat UNKNOWN_MEMBER_ID");
}

#[test]
fn wrong_generations_are_refused() {
    check_stable(
        "sync a g=0 · beat a g=2 · commit a t-0=5 g=0",
        "a sync ILLEGAL_GENERATION · a beat ILLEGAL_GENERATION · a commit ILLEGAL_GENERATION",
    );
}

#[test]
fn members_must_have_a_protocol_in_common() {
    check("join a protocols=", "a join INCONSISTENT_GROUP_PROTOCOL");
    check("join a type= · state", "a join INCONSISTENT_GROUP_PROTOCOL · no group");
    check_stable("join c protocols=other", "c join INCONSISTENT_GROUP_PROTOCOL");
    check_stable("join c type=connect", "c join INCONSISTENT_GROUP_PROTOCOL");
    check_stable("sync a protocol=other", "a sync INCONSISTENT_GROUP_PROTOCOL");
    check_stable("sync a type=connect protocol=range", "a sync INCONSISTENT_GROUP_PROTOCOL");
    check_stable("sync a type=consumer protocol=range", "a has \"A\"");
}

#[test]
fn the_protocol_that_most_members_prefer_is_chosen_among_those_all_know() {
    check(
        "join a protocols=only+range+sticky · join b protocols=sticky+range · join c protocols=sticky+range · wait 9000",
        "a-1 in g1 sticky led by a-1 [a-1,b-2,c-3] · b-2 in g1 sticky led by a-1 · c-3 in g1 sticky led by a-1",
    );
}

#[test]
fn a_new_member_makes_everybody_join_again() {
    check_stable(
        "join c · beat a · beat b · join b · join a · state",
        "a beat REBALANCE_IN_PROGRESS · b beat REBALANCE_IN_PROGRESS · a-1 in g2 range led by a-1 [a-1,b-2,c-3] \
         · b-2 in g2 range led by a-1 · c-3 in g2 range led by a-1 · CompletingRebalance g2 [a-1,b-2,c-3] led by a-1",
    );
}

#[test]
fn a_join_during_the_sync_phase_sends_the_syncs_away() {
    check(
        "join a · join b · wait 6000 · sync b · join c · state",
        "a-1 in g1 range led by a-1 [a-1,b-2] · b-2 in g1 range led by a-1 · b sync REBALANCE_IN_PROGRESS \
         · PreparingRebalance g1 [a-1,b-2,c-3] led by a-1",
    );
}

#[test]
fn a_sync_or_heartbeat_while_others_join() {
    check_stable("join c · sync a · beat a", "a sync REBALANCE_IN_PROGRESS · a beat REBALANCE_IN_PROGRESS");
}

#[test]
fn a_follower_that_joins_again_unchanged_gets_the_current_generation() {
    check_stable("join b · state", "b-2 in g1 range led by a-1 · Stable g1 [a-1,b-2] led by a-1");
    check(
        "join a · join b · wait 6000 · join b · join a",
        "a-1 in g1 range led by a-1 [a-1,b-2] · b-2 in g1 range led by a-1 · b-2 in g1 range led by a-1 \
         · a-1 in g1 range led by a-1 [a-1,b-2]",
    );
}

#[test]
fn a_changed_follower_or_any_leader_that_joins_again_rebalances() {
    check_stable("join b protocols=range:other · state", "PreparingRebalance g1 [a-1,b-2] led by a-1");
    check_stable("join a · state", "PreparingRebalance g1 [a-1,b-2] led by a-1");
    check(
        "join a · join b · wait 6000 · join b protocols=range:other · state",
        "a-1 in g1 range led by a-1 [a-1,b-2] · b-2 in g1 range led by a-1 · PreparingRebalance g1 [a-1,b-2] led by a-1",
    );
}

#[test]
fn a_repeated_join_or_sync_supersedes_the_parked_one() {
    check_stable(
        "join a · join a · join b",
        "a join REBALANCE_IN_PROGRESS (a-1) · a-1 in g2 range led by a-1 [a-1,b-2] · b-2 in g2 range led by a-1",
    );
    check(
        "join a · join b · wait 6000 · sync b · sync b · sync a give=b:B",
        "a-1 in g1 range led by a-1 [a-1,b-2] · b-2 in g1 range led by a-1 · b sync REBALANCE_IN_PROGRESS \
         · a has \"\" · b has \"B\"",
    );
}

#[test]
fn leaving_rebalances_the_rest_and_the_last_leaves_an_empty_generation() {
    check_stable(
        "leave a · state · join b · leave b · state · log",
        "a leave NONE · PreparingRebalance g1 [b-2] led by b-2 · b-2 in g2 range led by b-2 [b-2] · b leave NONE \
         · Empty g3 [] · log g0[] g1[a-1,b-2] g3[]",
    );
}

#[test]
fn several_members_leave_in_one_request() {
    check_stable("leave a,ghost,b · state", "a,ghost,b leave NONE,UNKNOWN_MEMBER_ID,NONE · Empty g2 []");
}

#[test]
fn leaving_answers_what_the_member_had_parked() {
    check_stable("join a · leave a", "a join UNKNOWN_MEMBER_ID · a leave NONE");
    check(
        "join a · join b · wait 6000 · sync b · leave b",
        "a-1 in g1 range led by a-1 [a-1,b-2] · b-2 in g1 range led by a-1 · b sync UNKNOWN_MEMBER_ID · b leave NONE",
    );
}

#[test]
fn a_group_takes_no_more_members_than_it_may() {
    let settings = || Settings { group_max_size: 2, ..Settings::default() };
    check_with(settings(), &format!("{STABLE} · join c"), &format!("{STABLE_TOLD} · c join GROUP_MAX_SIZE_REACHED"));
    check_with(settings(), "join a · join b · join c", "c join GROUP_MAX_SIZE_REACHED");
}

#[test]
fn a_loaded_group_that_has_become_too_large_loses_the_last_to_join() {
    let settings = Settings { group_max_size: 1, ..Settings::default() };
    let mut bench = super::script::Bench::new(Settings::default());
    STABLE.split(" · ").for_each(|step| bench.step(step));
    let mut small = super::script::Bench::new(settings);
    small.log = bench.log.clone();
    small.ids = bench.ids.clone();
    small.reload();
    ["state", "join a", "join b", "state"].into_iter().for_each(|step| small.step(step));
    assert_eq!(
        small.told,
        [
            "PreparingRebalance g1 [a-1,b-2] led by a-1",
            "b join GROUP_MAX_SIZE_REACHED",
            "a-1 in g2 range led by a-1 [a-1]",
            "CompletingRebalance g2 [a-1] led by a-1",
        ]
    );
}

const STATIC: &str = "join a v5 instance=i · join b · wait 6000 · sync a give=a:A,b:B · sync b";
const STATIC_TOLD: &str =
    "b-2 in g1 range led by i-1 · i-1 in g1 range led by i-1 [b-2,i-1] · a has \"A\" · b has \"B\"";

#[track_caller]
fn check_static(script: &str, expected: &str) {
    check(&format!("{STATIC} · {script}"), &format!("{STATIC_TOLD} · {expected}"));
}

#[test]
fn a_static_member_that_restarts_keeps_its_assignment_without_a_rebalance() {
    check_static(
        "log · join a v5 instance=i id=none · sync a instance=i · state · log",
        "log g0[] g1[b-2,i-1] · i-3 in g1 range led by i-1 · a has \"A\" · Stable g1 [b-2,i-3] led by i-3 · log g1[b-2,i-3]",
    );
}

#[test]
fn a_static_leader_that_restarts_is_told_to_skip_the_assignment() {
    check_static("join a v9 instance=i id=none", "i-3 in g1 range led by i-3 [b-2,i-3] skip");
    check(
        "join a · join b v9 instance=i · wait 6000 · sync a give=a:A,b:B · join b v9 instance=i id=none",
        "a-1 in g1 range led by a-1 [a-1,i-2] · i-2 in g1 range led by a-1 · a has \"A\" · i-3 in g1 range led by a-1",
    );
}

#[test]
fn the_old_holder_of_an_instance_id_is_fenced() {
    check_static(
        "join a v5 instance=i id=none · beat x id=i-1 instance=i · sync x id=i-1 instance=i · join x v5 id=i-1 instance=i \
         · commit x t-0=1 id=i-1 instance=i · leave i-1 of=i · beat x id=i-1",
        "i-3 in g1 range led by i-1 · x beat FENCED_INSTANCE_ID · x sync FENCED_INSTANCE_ID \
         · x join FENCED_INSTANCE_ID (i-1) · x commit FENCED_INSTANCE_ID · i-1 leave FENCED_INSTANCE_ID \
         · x beat UNKNOWN_MEMBER_ID",
    );
}

#[test]
fn what_the_old_holder_has_parked_is_fenced() {
    check_static(
        "join c · join a v5 instance=i · join new v5 instance=i id=none · join b",
        "a join FENCED_INSTANCE_ID (i-1) · b-2 in g2 range led by i-5 · c-3 in g2 range led by i-5 \
         · i-5 in g2 range led by i-5 [b-2,c-3,i-5]",
    );
}

#[test]
fn a_static_member_that_returns_with_other_protocols_rebalances() {
    check_static(
        "join a v5 instance=i id=none protocols=sticky+range · state",
        "i-3 in g1 range led by i-1 · Stable g1 [b-2,i-3] led by i-3",
    );
    check(
        "join a v5 instance=i protocols=range+sticky · wait 3000 · sync a give=a:A · join a v5 instance=i id=none protocols=sticky+range",
        "i-1 in g1 range led by i-1 [i-1] · a has \"A\" · i-2 in g2 sticky led by i-2 [i-2]",
    );
}

#[test]
fn a_static_member_that_restarts_in_the_sync_phase_rebalances() {
    check(
        "join a · join b v5 instance=i · wait 6000 · sync b instance=i · join b v5 instance=i id=none · state",
        "a-1 in g1 range led by a-1 [a-1,i-2] · i-2 in g1 range led by a-1 · b sync FENCED_INSTANCE_ID \
         · PreparingRebalance g1 [a-1,i-3] led by a-1",
    );
}

#[test]
fn an_administrator_removes_a_static_member_by_its_instance_id() {
    check_static(
        "leave instance=i · leave instance=other · state",
        "leave NONE · leave UNKNOWN_MEMBER_ID · PreparingRebalance g1 [b-2] led by b-2",
    );
}

#[test]
fn a_restart_of_the_coordinator_keeps_stable_members() {
    check_stable(
        "reload · state · beat a · sync b · beat b",
        "Stable g1 [a-1,b-2] led by a-1 · a beat NONE · b has \"B\" · b beat NONE",
    );
    check(
        "join a v4 · join a v4 · wait 3000 · reload · state · beat a",
        "a join MEMBER_ID_REQUIRED (a-1) · a-1 in g1 range led by a-1 [a-1] · Empty g0 [] · a beat UNKNOWN_MEMBER_ID",
    );
}

#[test]
fn an_assignment_that_cannot_be_written_rebalances() {
    check(
        "join a · join b · wait 6000 · sync b · fail replicas · sync a give=a:A,b:B · state · beat a",
        "a-1 in g1 range led by a-1 [a-1,b-2] · b-2 in g1 range led by a-1 · a sync COORDINATOR_NOT_AVAILABLE \
         · b sync COORDINATOR_NOT_AVAILABLE · PreparingRebalance g1 [a-1,b-2] led by a-1 · a beat REBALANCE_IN_PROGRESS",
    );
    check(
        "join a · wait 3000 · fail large · sync a give=a:A · fail leader",
        "a-1 in g1 range led by a-1 [a-1] · a sync UNKNOWN_SERVER_ERROR",
    );
}

#[test]
fn a_static_restart_that_cannot_be_written_leaves_the_old_member() {
    check_static(
        "fail leader · join new v5 instance=i id=none · state · beat a instance=i",
        "new join NOT_COORDINATOR · Stable g1 [b-2,i-1] led by i-1 · a beat NONE",
    );
}

#[test]
fn a_new_group_that_cannot_be_written_does_not_exist() {
    check("fail replicas · join a v4 · state", "a join COORDINATOR_NOT_AVAILABLE · no group");
    check("fail leader · join a · state", "a join NOT_COORDINATOR · no group");
}

#[test]
fn groups_are_described_as_kafka_describes_them() {
    check(
        "describe · describe v5",
        "described GROUP_ID_NOT_FOUND Dead \"\" \"\" [] Group g not found. · described NONE Dead \"\" \"\" []",
    );
    check_stable(
        "describe · join c · describe",
        "described NONE Stable \"consumer\" \"range\" [a-1+:A,b-2+:B] \
         · described NONE PreparingRebalance \"consumer\" \"\" [a-1:A,b-2:B,c-3:]",
    );
}

#[test]
fn groups_are_listed_by_state_and_type() {
    check_stable(
        "list · list state=stable · list state=Empty · list type=Classic · list type=consumer · list type=nonsense",
        "groups g/consumer/Stable/classic · groups g/consumer/Stable/classic · groups · groups g/consumer/Stable/classic \
         · groups · groups",
    );
    check("commit - t-0=1 · list", "- commit NONE · groups g//Empty/classic");
}

#[test]
fn only_empty_groups_can_be_deleted() {
    check("delete", "delete GROUP_ID_NOT_FOUND");
    check_stable("delete · state", "delete NON_EMPTY_GROUP · Stable g1 [a-1,b-2] led by a-1");
    check_stable(
        "commit a t-0=5 · leave a,b · log · delete · state · log · fetch all",
        "a commit NONE · a,b leave NONE,NONE · log g0[] g1[a-1,b-2] t-0=5 g2[] · delete NONE · no group \
         · log t-0=gone group gone · offsets",
    );
}
