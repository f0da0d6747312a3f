//! Groups that change their protocol, and members of both in one group.
//!
//! An assignment of the classic protocol is written `@t-0+t-1`.

use bytes::Bytes;

use super::super::consumer::MigrationPolicy;
use super::super::machine::Settings;
use super::script::{check, check_with};
use crate::protocol::internal::{AssignedPartitions, ConsumerProtocolAssignment};
use crate::protocol::message::Message;

pub fn assignment_bytes(partitions: &str) -> Bytes {
    let each = partitions.split('+').filter(|each| !each.is_empty()).map(|each| {
        let (topic, partition) = each.rsplit_once('-').expect("topic-partition");
        AssignedPartitions { topic: topic.to_owned(), partitions: vec![partition.parse().expect("a partition")] }
    });
    let message = ConsumerProtocolAssignment { assigned_partitions: each.collect(), user_data: None };
    message.encode_versioned(0).expect("it fits")
}

pub fn shown_assignment(bytes: &[u8]) -> Option<String> {
    let (message, _) = ConsumerProtocolAssignment::decode_versioned(bytes).ok()?;
    let each = message
        .assigned_partitions
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(move |partition| format!("{}-{partition}", topic.topic)));
    Some(format!("@{}", each.collect::<Vec<_>>().join("+")))
}

/// A classic group of two, which share a topic.
const CLASSIC: &str = "topics t=4 · join a · join b · wait 6000 · sync a give=a:@t-0+t-1,b:@t-2+t-3 · sync b";
const CLASSIC_TOLD: &str =
    "a-1 in g1 range led by a-1 [a-1,b-2] · b-2 in g1 range led by a-1 · a has @t-0+t-1 · b has @t-2+t-3";

#[track_caller]
fn check_classic(script: &str, expected: &str) {
    check(&format!("{CLASSIC} · {script}"), &format!("{CLASSIC_TOLD} · {expected}"));
}

#[test]
fn the_first_consumer_of_the_newer_protocol_takes_the_group_along() {
    check_classic(
        "hb n · members",
        "n e2 [] · Reconciling e2/2 uniform [a-1 e1 classic: t-0 t-1, b-2 e1 classic: t-2 t-3 -> t-2, n e2:  -> t-3]",
    );
    check_classic(
        "forgetlog · hb n · log",
        "n e2 [] · log group gone +member:a-1 +member:b-2 +epoch1 +target:a-1 +target:b-2 +target1 +current:a-1 +current:b-2 \
         +member:n +epoch2 +target:b-2 +target:n +target2 +current:n",
    );
}

#[test]
fn classic_members_go_on_in_their_own_words() {
    // The one that has to give something up is told to join again; with the join it says what it still owns.
    check_classic(
        "hb n · beat a g=1 · beat b g=1 · join a · sync a g=2 · join b · sync b g=2 · beat b g=2 · hb n · members",
        "n e2 [] · a beat REBALANCE_IN_PROGRESS · b beat REBALANCE_IN_PROGRESS · a-1 in g2 range led by  · a has @t-0+t-1 \
         · b-2 in g2 range led by  · b has @t-2 · b beat NONE · n e2 [t-3] \
         · Stable e2/2 uniform [a-1 e2 classic: t-0 t-1, b-2 e2 classic: t-2, n e2: t-3]",
    );
}

#[test]
fn classic_members_have_their_own_timeouts() {
    // Told to join again, `a` does not: its rebalance timeout ends, whatever it says meanwhile.
    check_classic(
        "hb n · join a rebalance=5000 · sync a g=2 · wait 1000 · hb m · beat a g=2 · wait 4000 · beat a g=2 · wait 1000 · beat a g=2",
        "n e2 [] · a-1 in g2 range led by · a has @t-0+t-1 · m e3 [] · a beat REBALANCE_IN_PROGRESS \
         · a beat REBALANCE_IN_PROGRESS · a beat UNKNOWN_MEMBER_ID",
    );
    // Nobody heard of them for ten seconds, which is what they asked for.
    check_classic("hb n · wait 10000 · members", "n e2 [] · Assigning e4/2 uniform [n e2:  -> t-3]");
    // Joined, but never fetched what it was given.
    check_classic(
        "hb n · join a rebalance=5000 · wait 5000 · members",
        "n e2 [] · a-1 in g2 range led by  · Assigning e3/2 uniform [b-2 e1 classic: t-2 t-3 -> t-2, n e2:  -> t-3]",
    );
}

#[test]
fn refusals_are_those_of_the_classic_protocol() {
    check_classic(
        "hb n · sync a g=1 · sync a g=9 · beat a g=9 · beat x id=x g=1 · beat n id=n g=2 · sync n id=n g=2 · commit a t-0=5 g=1 · commit a t-0=5 g=2",
        "n e2 [] · a sync REBALANCE_IN_PROGRESS · a sync ILLEGAL_GENERATION · a beat ILLEGAL_GENERATION · x beat UNKNOWN_MEMBER_ID \
         · n beat UNKNOWN_MEMBER_ID · n sync UNKNOWN_MEMBER_ID · a commit NONE · a commit ILLEGAL_GENERATION",
    );
    check_classic(
        "hb n · join c v4 · join c protocols=other v9 · join c type=connect v9",
        "n e2 [] · c join MEMBER_ID_REQUIRED (3) · c join INCONSISTENT_GROUP_PROTOCOL · c join INCONSISTENT_GROUP_PROTOCOL",
    );
}

#[test]
fn the_last_consumer_of_the_newer_protocol_leaves_the_group_behind() {
    check_classic(
        "hb n · quit n · state · members · beat a g=3",
        "n e2 [] · n e-1 · PreparingRebalance g2 [a-1,b-2] led by a-1 · GROUP_ID_NOT_FOUND: Group g is not a consumer group. \
         · a beat ILLEGAL_GENERATION",
    );
    check_classic(
        "hb n · forgetlog · quit n · log · join a · join b · sync a give=a:@t-0,b:@t-1 · sync b",
        "n e2 [] · n e-1 · log -current:a-1 -current:b-2 -current:n -target:a-1 -target:b-2 -target:n -target -member:a-1 -member:b-2 \
         -member:n -partitions -epoch g2[a-1,b-2] · a-1 in g3 range led by a-1 [a-1,b-2] · b-2 in g3 range led by a-1 \
         · a has @t-0 · b has @t-1",
    );
    // Its session ends.
    check_classic(
        "hb n · wait 9000 · beat a g=1 · beat b g=1 · wait 9000 · beat a g=1 · beat b g=1 · wait 9000 · beat a g=1 · beat b g=1 \
         · wait 9000 · beat a g=1 · beat b g=1 · wait 8999 · state · wait 1 · state",
        &format!(
            "n e2 [] {} · no group · PreparingRebalance g2 [a-1,b-2] led by a-1",
            "· a beat REBALANCE_IN_PROGRESS · b beat REBALANCE_IN_PROGRESS ".repeat(4).trim_end()
        ),
    );
}

#[test]
fn a_static_member_may_change_its_protocol() {
    let group = "topics t=2 · join a v9 instance=i · wait 3000 · sync a instance=i give=a:@t-0+t-1";
    let told = "i-1 in g1 range led by i-1 [i-1] · a has @t-0+t-1";
    check(
        &format!("{group} · hb n instance=i · members"),
        &format!("{told} · n e1 [t-0 t-1] · Stable e1/1 uniform [n e1: t-0 t-1]"),
    );
    // And back, without a rebalance: nothing has changed but the way it speaks.
    check(
        &format!("{group} · hb n instance=i · join a v9 instance=i id=none · state · sync a instance=i"),
        &format!("{told} · n e1 [t-0 t-1] · 2 in g1 range led by · Stable g1 [2] led by 2 · a has @t-0+t-1"),
    );
}

#[test]
fn the_policy_decides_which_way_groups_may_go() {
    let check = |policy: MigrationPolicy, script: &str, expected: &str| {
        let settings = Settings { group_consumer_migration_policy: policy, ..Settings::default() };
        check_with(settings, &format!("{CLASSIC} · {script}"), &format!("{CLASSIC_TOLD} · {expected}"));
    };
    check(MigrationPolicy::Downgrade, "hb n · state", "n GROUP_ID_NOT_FOUND · Stable g1 [a-1,b-2] led by a-1");
    check(MigrationPolicy::Disabled, "hb n", "n GROUP_ID_NOT_FOUND");
    check(
        MigrationPolicy::Upgrade,
        "hb n · quit n · members",
        "n e2 [] · n e-1 · Assigning e3/2 uniform [a-1 e1 classic: t-0 t-1, b-2 e1 classic: t-2 t-3 -> t-2]",
    );
    let settings = Settings { group_consumer_migration_policy: MigrationPolicy::Disabled, ..Settings::default() };
    check_with(settings, "topics t=1 · hb n · join c v9", "n e2 [t-0] · c join INCONSISTENT_GROUP_PROTOCOL");
}

#[test]
fn only_groups_of_ordinary_consumers_are_taken_along() {
    check(
        "topics t=1 · join a type=connect · wait 3000 · sync a give=a:A · hb n",
        "a-1 in g1 range led by a-1 [a-1] · a has \"A\" · n GROUP_ID_NOT_FOUND",
    );
    check(
        "topics t=1 · join a · wait 3000 · sync a give=a:A · hb n",
        "a-1 in g1 range led by a-1 [a-1] · a has \"A\" · n GROUP_ID_NOT_FOUND",
    );
}

#[test]
fn who_waits_in_a_group_that_is_taken_along_joins_again() {
    check_classic(
        "join a · hb n · join a · members",
        "a join REBALANCE_IN_PROGRESS (a-1) · n e2 [] · a-1 in g2 range led by  \
         · Reconciling e2/2 uniform [a-1 e2 classic: t-0 t-1, b-2 e1 classic: t-2 t-3 -> t-2, n e2:  -> t-3]",
    );
    check_classic(
        "join a · fail replicas · hb n · state · join a · join b",
        "n failed: too few replicas are in sync · a join REBALANCE_IN_PROGRESS (a-1) · PreparingRebalance g1 [a-1,b-2] led by a-1 \
         · a-1 in g2 range led by a-1 [a-1,b-2] · b-2 in g2 range led by a-1",
    );
}

#[test]
fn what_cannot_be_written_takes_no_group_along() {
    check_classic(
        "hb n · fail leader · quit n · members · wait 9000 · beat a g=1",
        "n e2 [] · n failed: this node does not lead the journal \
         · Reconciling e2/2 uniform [a-1 e1 classic: t-0 t-1, b-2 e1 classic: t-2 t-3 -> t-2, n e2:  -> t-3] · a beat REBALANCE_IN_PROGRESS",
    );
}

#[test]
fn a_mixed_group_outlives_a_failover() {
    check_classic(
        "hb n · reload · beat a g=1 · join b · sync b g=2 · hb n",
        "n e2 [] · a beat REBALANCE_IN_PROGRESS · b-2 in g2 range led by  · b has @t-2 · n e2 [t-3]",
    );
}

#[test]
fn classic_members_leave_a_mixed_group() {
    check_classic(
        "hb n · leave a,x · members",
        "n e2 [] · a,x leave NONE,UNKNOWN_MEMBER_ID \
        · Assigning e3/2 uniform [b-2 e1 classic: t-2 t-3 -> t-2, n e2:  -> t-3]",
    );
}
