//! The levels of `metadata.version`, what each brought, and the other features of the cluster.

use std::fmt;

/// A level of the feature `metadata.version`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MetadataVersion(i16);

/// Level, release and sub-version, in order.
const LEVELS: &[(i16, &str, &str)] = &[
    (7, "3.3", "IV3"),
    (8, "3.4", "IV0"),
    (9, "3.5", "IV0"),
    (10, "3.5", "IV1"),
    (11, "3.5", "IV2"),
    (12, "3.6", "IV0"),
    (13, "3.6", "IV1"),
    (14, "3.6", "IV2"),
    (15, "3.7", "IV0"),
    (16, "3.7", "IV1"),
    (17, "3.7", "IV2"),
    (18, "3.7", "IV3"),
    (19, "3.7", "IV4"),
    (20, "3.8", "IV0"),
    (21, "3.9", "IV0"),
    (22, "4.0", "IV0"),
    (23, "4.0", "IV1"),
    (24, "4.0", "IV2"),
    (25, "4.0", "IV3"),
    (26, "4.1", "IV0"),
    (27, "4.1", "IV1"),
    (28, "4.2", "IV0"),
    (29, "4.2", "IV1"),
    (30, "4.3", "IV0"),
];

impl MetadataVersion {
    /// The feature's name.
    pub const FEATURE: &str = "metadata.version";
    /// 3.3-IV3, the oldest level that is still read.
    pub const MINIMUM: MetadataVersion = MetadataVersion(7);
    /// 4.3-IV0.
    pub const LATEST: MetadataVersion = MetadataVersion(30);

    /// The version at that feature level.
    pub fn from_level(level: i16) -> Option<MetadataVersion> {
        (MetadataVersion::MINIMUM.0..=MetadataVersion::LATEST.0).contains(&level).then_some(MetadataVersion(level))
    }

    /// Parses `3.7-IV4` or a release (`3.7`, `3.7.1`), which means its newest level.
    pub fn parse(text: &str) -> Option<MetadataVersion> {
        if let Some(row) = LEVELS.iter().find(|(_, release, sub)| text == format!("{release}-{sub}")) {
            return Some(MetadataVersion(row.0));
        }
        let release = text.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        LEVELS
            .iter()
            .rev()
            .find(|(_, name, sub)| *name == release || format!("{name}-{sub}") == release)
            .map(|row| MetadataVersion(row.0))
    }

    /// All levels as Kafka prints them, for messages.
    pub fn names() -> String {
        LEVELS.iter().map(|(_, release, sub)| format!("{release}-{sub}")).collect::<Vec<_>>().join(", ")
    }

    /// The feature level.
    pub fn level(self) -> i16 {
        self.0
    }

    /// Whether SCRAM credentials may be written (3.5-IV2).
    pub fn scram(self) -> bool {
        self.0 >= 11
    }

    /// Whether every shrinking of the ISR must raise the leader epoch (before 3.6-IV0).
    pub fn isr_shrink_raises_leader_epoch(self) -> bool {
        self.0 < 12
    }

    /// Whether metadata transactions may be written (3.6-IV1).
    pub fn metadata_transactions(self) -> bool {
        self.0 >= 13
    }

    /// Whether delegation tokens may be written (3.6-IV2).
    pub fn delegation_tokens(self) -> bool {
        self.0 >= 14
    }

    /// Whether controllers register (3.7-IV0).
    pub fn controller_registration(self) -> bool {
        self.0 >= 15
    }

    /// Whether replicas are assigned to directories (3.7-IV2).
    pub fn directory_assignment(self) -> bool {
        self.0 >= 17
    }

    /// Whether eligible leader replicas may be kept (4.0-IV1).
    pub fn eligible_leader_replicas(self) -> bool {
        self.0 >= 23
    }

    /// Whether brokers report cordoned directories (4.3-IV0).
    pub fn cordoned_directories(self) -> bool {
        self.0 >= 30
    }

    /// The version of RegisterBrokerRecord.
    pub fn register_broker_record(self) -> i16 {
        match self.0 {
            30.. => 4,
            17.. => 3,
            8.. => 2,
            _ => 1,
        }
    }

    /// The version of PartitionRecord and PartitionChangeRecord.
    pub fn partition_record(self) -> i16 {
        match self.0 {
            23.. => 2,
            17.. => 1,
            _ => 0,
        }
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, release, sub) = LEVELS.iter().find(|row| row.0 == self.0).expect("only levels of the table are built");
        write!(f, "{release}-{sub}")
    }
}

/// A feature this node supports, with the levels it can run at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feature {
    pub name: &'static str,
    pub min: i16,
    pub max: i16,
    /// The highest level whose records this node keeps and hands on without acting on them: a directory that another Kafka has finalised
    /// at that level opens.
    pub readable: i16,
}

impl Feature {
    /// The quorum's own feature; its level is kept in control records, not in FeatureLevelRecords.
    pub const KRAFT: &str = "kraft.version";
    /// KIP-890.
    pub const TRANSACTIONS: &str = "transaction.version";
    /// KIP-966.
    pub const ELIGIBLE_LEADER_REPLICAS: &str = "eligible.leader.replicas.version";
    /// KIP-848.
    pub const GROUP: &str = "group.version";
    /// KIP-932.
    pub const SHARE: &str = "share.version";
    /// KIP-1071.
    pub const STREAMS: &str = "streams.version";

    /// Every feature this node knows. A level above `max` is refused in requests, one above `readable` in the metadata log.
    pub const SUPPORTED: &[Feature] = &[
        Feature { name: Feature::ELIGIBLE_LEADER_REPLICAS, min: 0, max: 1, readable: 1 },
        Feature { name: Feature::GROUP, min: 0, max: 1, readable: 1 },
        Feature { name: Feature::KRAFT, min: 0, max: 1, readable: 1 },
        Feature {
            name: MetadataVersion::FEATURE,
            min: MetadataVersion::MINIMUM.0,
            max: MetadataVersion::LATEST.0,
            readable: MetadataVersion::LATEST.0,
        },
        Feature { name: Feature::SHARE, min: 0, max: 1, readable: 1 },
        Feature { name: Feature::STREAMS, min: 0, max: 1, readable: 1 },
        Feature { name: Feature::TRANSACTIONS, min: 0, max: 2, readable: 2 },
    ];

    /// The feature of that name.
    pub fn named(name: &str) -> Option<&'static Feature> {
        Feature::SUPPORTED.iter().find(|feature| feature.name == name)
    }
}
