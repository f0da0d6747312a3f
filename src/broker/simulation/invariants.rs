//! What must hold whatever happens.

/// One promise.
pub struct Invariant {
    pub name: &'static str,
    pub statement: &'static str,
    /// The bug or proposal that it comes from.
    pub source: &'static str,
}

/// A promise that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    pub invariant: &'static str,
    pub told: String,
}

const fn row(name: &'static str, statement: &'static str, source: &'static str) -> Invariant {
    Invariant { name, statement, source }
}

/// Checked after each step, or (the last three) when everything has come to rest.
pub const INVARIANTS: &[Invariant] = &[
    row("stable reads", "the high watermark and the last stable offset never go back", "KIP-207"),
    row(
        "decided reads",
        "what lies below the last stable offset is decided, and read as its transaction ended",
        "KIP-98",
    ),
    row(
        "open is known",
        "a transaction that is open in a partition is open at its coordinator, with that partition",
        "KAFKA-9144, KIP-890",
    ),
    row(
        "only what was asked",
        "a transaction is committed only if its own producer asked for just that",
        "KIP-890, Jepsen on late EndTxn",
    ),
    row("one outcome", "all partitions of a transaction, and its offsets, end as its prepared record says", "KIP-98"),
    row("what was told", "a transaction ends as its producer was told", "KIP-98, KIP-890"),
    row("no duplicate", "a record is in its partition once, however often it was sent", "KIP-360, Redpanda 3039"),
    row(
        "fenced",
        "a producer that knows of no newer one of its transactional id is the only one that writes",
        "KIP-98, KIP-588",
    ),
    row(
        "epochs rise",
        "of a transactional id no producer id and epoch comes again, and they only rise",
        "KIP-360, KIP-98",
    ),
    row(
        "lawful moves",
        "a transactional id moves only as its table of states allows, and is forgotten only when idle",
        "KIP-98, KIP-664",
    ),
    row("acked is kept", "an offset that was acknowledged is in the committed log", "KIP-98, KAFKA-19862"),
    row(
        "fetched is true",
        "an offset that is fetched is one the committed log told meanwhile, an absent one too",
        "KIP-709, Bufstream 0.1",
    ),
    row(
        "unstable is told",
        "an offset for which a transaction is open is told as unstable to who asks for stable ones",
        "KIP-447",
    ),
    row(
        "no zombie commits",
        "offsets are committed by the group's present members in their present generation or epoch",
        "KIP-447, KIP-1251",
    ),
    row(
        "generations rise",
        "a group's generation or epoch never falls, and one generation has one assignment",
        "KIP-62, KIP-848",
    ),
    row(
        "one owner",
        "no partition belongs to two members: not in the log, and not by what members were told",
        "KIP-848",
    ),
    row("one instance", "of a static member the newer fences the older", "KIP-345"),
    row("state before sharing", "a partition is shared out only once its share state was made", "KIP-932"),
    row(
        "kept while in use",
        "offsets go when they are deleted, or unused for the retention; what is deleted stays so",
        "KIP-211",
    ),
    row("no panic", "no request and no fault ends a coordinator", "house rule"),
    row("everything is answered", "every request is answered or lost", "KAFKA-6042"),
    row(
        "everything ends",
        "no transaction stays open, and readers reach the end of every partition",
        "KIP-664, KIP-890",
    ),
    row("the silent go", "a member that says nothing is removed when its session ends", "KIP-62, KIP-848"),
];

/// The row of that name.
pub fn named(name: &str) -> Option<&'static Invariant> {
    INVARIANTS.iter().find(|row| row.name == name)
}
