//! What is known about one config key: the columns of the tables.

use std::fmt;

/// A row of a table of keys.
#[derive(Clone, Copy, Debug)]
pub struct ConfigKey {
    pub name: &'static str,
    pub kind: Type,
    pub default: Default,
    pub valid: Valid,
    pub mode: UpdateMode,
    pub status: Status,
    /// The broker key whose value a topic or group takes when it has none of its own.
    pub synonym: Option<&'static str>,
    /// One sentence for the reference page, the samples and DescribeConfigs.
    pub doc: &'static str,
}

/// The types of Kafka's `ConfigDef`; the number is the one of DescribeConfigs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i8)]
pub enum Type {
    Boolean = 1,
    String = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

/// What a key is worth when nobody sets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Default {
    /// It has to be set.
    Required,
    Null,
    Is(&'static str),
}

/// How a broker key can be changed while the broker runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UpdateMode {
    ReadOnly,
    PerBroker,
    ClusterWide,
}

/// What setting the key does here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Obeyed,
    /// Accepted and listed at start; the text says why nothing follows from it.
    WithoutEffect(&'static str),
    /// A value other than the default stops the start; the text says why and what to do.
    Refused(&'static str),
}

/// Which values are allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Valid {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    GzipLevel,
    OneOf(&'static [&'static str]),
    OneOfNoCase(&'static [&'static str]),
    /// A list of these, possibly empty.
    ListOf(&'static [&'static str]),
    /// A list of at least one of these.
    SomeOf(&'static [&'static str]),
    /// A list without empty entries; whether it may be empty or unset.
    Unique {
        empty: bool,
        null: bool,
    },
    NonEmpty,
    NonNull,
    QuorumVoters,
    BootstrapServers,
    ThrottledReplicas,
    AutoOffsetReset,
}

impl Type {
    /// The name in Kafka's documentation.
    pub fn name(self) -> &'static str {
        match self {
            Type::Boolean => "boolean",
            Type::String => "string",
            Type::Int => "int",
            Type::Short => "short",
            Type::Long => "long",
            Type::Double => "double",
            Type::List => "list",
            Type::Class => "class",
            Type::Password => "password",
        }
    }

    /// The number in DescribeConfigs.
    pub fn code(self) -> i8 {
        self as i8
    }
}

impl ConfigKey {
    /// Whether values must never be shown.
    pub fn sensitive(&self) -> bool {
        self.kind == Type::Password
    }
}

impl fmt::Display for Default {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Default::Required => Ok(()),
            Default::Null => f.write_str("null"),
            Default::Is("") => f.write_str("\"\""),
            Default::Is(value) => f.write_str(value),
        }
    }
}

impl fmt::Display for UpdateMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UpdateMode::ReadOnly => "read-only",
            UpdateMode::PerBroker => "per-broker",
            UpdateMode::ClusterWide => "cluster-wide",
        })
    }
}

/// As Kafka's documentation writes it.
impl fmt::Display for Valid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Valid::Any | Valid::Unique { .. } => Ok(()),
            Valid::AtLeast(low) => write!(f, "[{low},...]"),
            Valid::Between(low, high) => write!(f, "[{low},...,{high}]"),
            Valid::GzipLevel => f.write_str("[1,...,9] or -1"),
            Valid::OneOf(values) | Valid::ListOf(values) | Valid::SomeOf(values) => {
                write!(f, "[{}]", values.join(", "))
            }
            Valid::OneOfNoCase(values) => write!(f, "(case insensitive) [{}]", values.join(", ")),
            Valid::NonEmpty => f.write_str("non-empty string"),
            Valid::NonNull => f.write_str("non-null string"),
            Valid::QuorumVoters | Valid::BootstrapServers => f.write_str("non-empty list"),
            Valid::ThrottledReplicas => f.write_str("[partitionId]:[brokerId],[partitionId]:[brokerId],..."),
            Valid::AutoOffsetReset => f.write_str("[latest, earliest, by_duration:PnDTnHnMn.nS]"),
        }
    }
}
