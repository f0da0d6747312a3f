//! Committed offsets: who may commit, what is kept, and when it goes.

use super::super::machine::Settings;
use super::script::{check, check_with};

const STABLE: &str = "join a · wait 3000 · sync a give=a:A";
const STABLE_TOLD: &str = "a-1 in g1 range led by a-1 [a-1] · a has \"A\"";

#[track_caller]
fn check_stable(script: &str, expected: &str) {
    check(&format!("{STABLE} · {script}"), &format!("{STABLE_TOLD} · {expected}"));
}

/// Offsets expire after a minute and are looked at every ten seconds.
fn short() -> Settings {
    Settings { offsets_retention_minutes: 1, offsets_retention_check_interval_ms: 10_000, ..Settings::default() }
}

#[test]
fn members_commit_and_fetch() {
    check_stable(
        "commit a t-0=5 t-1=7 metadata=m · fetch t-0 t-1 t-2 u-0 · fetch all",
        "a commit NONE,NONE · offsets t-0=5(m) t-1=7(m) t-2=-1 u-0=-1 · offsets t-0=5(m) t-1=7(m)",
    );
}

#[test]
fn a_group_of_only_offsets_needs_no_members() {
    check(
        "commit - t-0=5 · state · log · fetch all · reload · fetch all · state",
        "- commit NONE · Empty g0 [] · log t-0=5 · offsets t-0=5 · offsets · no group",
    );
    check("commit - t-0=5 · reload · fetch all · state", "- commit NONE · offsets t-0=5 · Empty g0 []");
}

#[test]
fn unknown_groups_have_no_offsets() {
    check("fetch t-0 · fetch all", "offsets t-0=-1 · offsets");
}

#[test]
fn a_generation_that_does_not_exist_is_refused_by_version() {
    check("commit a t-0=5 g=1 v9", "a commit GROUP_ID_NOT_FOUND");
    check("commit a t-0=5 g=1 v8", "a commit ILLEGAL_GENERATION");
}

#[test]
fn strangers_cannot_commit_to_a_group_with_members() {
    check_stable(
        "commit - t-0=5 · commit x t-0=5 id=ghost g=1 · commit x t-0=5 g=-1 instance=i",
        "- commit UNKNOWN_MEMBER_ID · x commit UNKNOWN_MEMBER_ID · x commit UNKNOWN_MEMBER_ID",
    );
    check_stable("leave a · commit - t-0=5", "a leave NONE · - commit NONE");
}

#[test]
fn commits_are_taken_while_members_join_and_refused_while_they_sync() {
    check_stable("join b · commit a t-0=5", "a commit NONE");
    check("join a · wait 3000 · commit a t-0=5", "a-1 in g1 range led by a-1 [a-1] · a commit REBALANCE_IN_PROGRESS");
}

#[test]
fn metadata_has_a_limit_for_each_partition() {
    let settings = Settings { offset_metadata_max_bytes: 3, ..Settings::default() };
    check_with(
        settings,
        "commit - t-0=5 metadata=four · state · commit - t-0=5 metadata=äöü · fetch t-0",
        "- commit OFFSET_METADATA_TOO_LARGE · no group · - commit NONE · offsets t-0=5(äöü)",
    );
}

#[test]
fn offsets_of_another_topic_of_the_name_are_not_given_out() {
    check(
        "commit - t-0=5 topic=1 · fetch t-0 topic=1 · fetch t-0 topic=2 · fetch t-0",
        "- commit NONE · offsets t-0=5 · offsets t-0=-1 · offsets t-0=5",
    );
    check("commit - t-0=5 topic=0 · fetch t-0 topic=2", "- commit NONE · offsets t-0=5");
}

#[test]
fn a_commit_that_cannot_be_written_has_no_effect() {
    check("fail replicas · commit - t-0=5 · fetch t-0", "- failed: too few replicas are in sync · offsets t-0=-1");
}

#[test]
fn offsets_of_an_empty_group_expire_after_it_became_empty() {
    check_with(
        short(),
        "join a session=20000 · wait 3000 · sync a give=a:A · commit a t-0=5 · wait 7000 · leave a · wait 59999 · fetch t-0 · wait 10000 \
         · fetch t-0 · state",
        "a-1 in g1 range led by a-1 [a-1] · a has \"A\" · a commit NONE · a leave NONE · offsets t-0=5 · offsets t-0=-1 · no group",
    );
}

#[test]
fn offsets_of_a_group_without_members_expire_after_the_commit() {
    check_with(
        short(),
        "commit - t-0=5 · wait 40000 · commit - t-1=6 · wait 20000 · fetch all · wait 40000 · fetch all · state · log",
        "- commit NONE · - commit NONE · offsets t-1=6 · offsets · no group · log t-0=5 t-1=6 t-0=gone t-1=gone group gone",
    );
}

#[test]
fn stable_consumers_keep_the_offsets_of_what_they_subscribe_to() {
    let beats = "wait 9000 · beat a · ".repeat(9);
    let told = "a beat NONE · ".repeat(9);
    check_with(
        short(),
        &format!("join a protocols=range:t · wait 3000 · sync a give=a:A · commit a t-0=5 u-0=6 · {beats}fetch all"),
        &format!("a-1 in g1 range led by a-1 [a-1] · a has \"A\" · a commit NONE,NONE · {told}offsets t-0=5"),
    );
    check_with(
        short(),
        &format!("join a type=connect · wait 3000 · sync a give=a:A · commit a u-0=6 · {beats}fetch all"),
        &format!("a-1 in g1 range led by a-1 [a-1] · a has \"A\" · a commit NONE · {told}offsets u-0=6"),
    );
}

#[test]
fn a_retention_named_by_the_client_wins() {
    check_with(
        short(),
        "commit - t-0=5 retention=5000 v2 · commit - t-1=6 retention=200000 v2 · wait 10000 · fetch all · wait 100000 · fetch all \
         · wait 100000 · fetch all",
        "- commit NONE · - commit NONE · offsets t-1=6 · offsets t-1=6 · offsets",
    );
    check("commit - t-0=5 retention=5000 v2 · reload · fetch all", "- commit NONE · offsets t-0=5");
}

#[test]
fn an_empty_group_without_offsets_goes_at_the_next_look() {
    check_with(
        short(),
        "join a · wait 3000 · sync a · leave a · state · wait 10000 · state · reload · state",
        "a-1 in g1 range led by a-1 [a-1] · a has \"\" · a leave NONE · Empty g2 [] · no group · no group",
    );
}

#[test]
fn more_expires_than_fits_into_one_batch() {
    let mut bench = super::script::Bench::new(short());
    for partition in 0..2_500 {
        bench.step(&format!("commit - t-{partition}=1"));
    }
    bench.wait(70_000);
    assert!(bench.machine.offsets.is_empty());
    assert!(bench.live.groups.is_empty());
}

#[test]
fn offsets_of_deleted_topics_leave_their_groups() {
    check(
        "commit - t-0=5 topic=1 · commit - t-1=6 topic=2 · commit - u-0=7 topic=0 · dropped t id=1 · fetch all · dropped u id=9 · fetch all",
        "- commit NONE · - commit NONE · - commit NONE · dropped more=false · offsets t-1=6 u-0=7 · dropped more=false · offsets t-1=6",
    );
}

#[test]
fn offsets_can_be_deleted_but_not_of_subscribed_topics() {
    check("forget t-0", "forget GROUP_ID_NOT_FOUND");
    check(
        "join a protocols=range:t · wait 3000 · sync a give=a:A · commit a t-0=5 u-0=6 · forget t-0 · forget u-0 · forget u-1 · fetch all",
        "a-1 in g1 range led by a-1 [a-1] · a has \"A\" · a commit NONE,NONE · forget NONE GROUP_SUBSCRIBED_TO_TOPIC · forget NONE NONE \
         · forget NONE NONE · offsets t-0=5",
    );
    check(
        "join a type=connect · wait 3000 · sync a · commit a t-0=5 · forget t-0 · leave a · forget t-0 · fetch all",
        "a-1 in g1 range led by a-1 [a-1] · a has \"\" · a commit NONE · forget NON_EMPTY_GROUP · a leave NONE · forget NONE NONE · offsets",
    );
}
