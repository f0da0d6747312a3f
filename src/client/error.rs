//! What can go wrong on the way to an answer, in Kafka's terms.

use crate::protocol::frame::FrameError;
use crate::types::ErrorCode;

/// Why a call has no answer, or one that is an error. As text it is the message alone.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClientError {
    /// A broker said so, or the client found it out in the same terms.
    #[error("{message}")]
    Kafka { code: ErrorCode, message: String },
    /// The configuration of the client, or an argument that becomes one, is wrong.
    #[error("{0}")]
    Config(String),
    /// An answer that is none.
    #[error("{0}")]
    Malformed(String),
}

impl ClientError {
    /// The error of that code with its usual message.
    pub fn of(code: ErrorCode) -> ClientError {
        ClientError::Kafka { code, message: code.message().to_owned() }
    }

    /// The error of that code with a message of its own; without one, the usual.
    pub fn with_message(code: ErrorCode, message: Option<&str>) -> ClientError {
        ClientError::Kafka { code, message: message.unwrap_or(code.message()).to_owned() }
    }

    /// The error that a code on the wire stands for; codes that are not known count as `UNKNOWN_SERVER_ERROR`.
    pub fn from_wire(code: i16, message: Option<&str>) -> Result<(), ClientError> {
        match ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError) {
            ErrorCode::None => Ok(()),
            code => Err(ClientError::with_message(code, message)),
        }
    }

    /// Time ran out.
    pub fn timeout(message: impl Into<String>) -> ClientError {
        ClientError::Kafka { code: ErrorCode::RequestTimedOut, message: message.into() }
    }

    /// The connection was refused, or closed before the answer.
    pub fn disconnected(message: impl Into<String>) -> ClientError {
        ClientError::Kafka { code: ErrorCode::NetworkException, message: message.into() }
    }

    /// The code, if the error has one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Kafka { code, .. } => Some(*code),
            ClientError::Config(_) | ClientError::Malformed(_) => None,
        }
    }

    /// Whether the same call may succeed a moment later.
    pub fn is_retriable(&self) -> bool {
        self.code().is_some_and(is_retriable)
    }

    /// The full name of the exception that Kafka's own client throws.
    pub fn exception(&self) -> String {
        match self {
            ClientError::Kafka { code, .. } => format!("org.apache.kafka.common.errors.{}", exception_of(*code)),
            ClientError::Config(_) => "org.apache.kafka.common.config.ConfigException".to_owned(),
            ClientError::Malformed(_) => "org.apache.kafka.common.protocol.types.SchemaException".to_owned(),
        }
    }

    /// Exception and message in one line, as Java prints a throwable.
    pub fn as_throwable(&self) -> String {
        format!("{}: {self}", self.exception())
    }
}

impl From<FrameError> for ClientError {
    fn from(error: FrameError) -> ClientError {
        ClientError::Malformed(error.to_string())
    }
}

fn is_retriable(code: ErrorCode) -> bool {
    use ErrorCode::*;
    matches!(
        code,
        CorruptMessage
            | UnknownTopicOrPartition
            | LeaderNotAvailable
            | NotLeaderOrFollower
            | RequestTimedOut
            | ReplicaNotAvailable
            | NetworkException
            | CoordinatorLoadInProgress
            | CoordinatorNotAvailable
            | NotCoordinator
            | NotEnoughReplicas
            | NotEnoughReplicasAfterAppend
            | NotController
            | ConcurrentTransactions
            | KafkaStorageError
            | FetchSessionIdNotFound
            | InvalidFetchSessionEpoch
            | ListenerNotFound
            | FencedLeaderEpoch
            | UnknownLeaderEpoch
            | OffsetNotAvailable
            | UnstableOffsetCommit
            | ThrottlingQuotaExceeded
            | UnknownTopicId
            | InconsistentTopicId
            | FetchSessionTopicIdError
    )
}

/// The simple name of the Java exception that a code becomes. Most are the code's name in camel case.
pub fn exception_of(code: ErrorCode) -> String {
    use ErrorCode::*;
    let irregular = match code {
        CorruptMessage => "CorruptRecord",
        RequestTimedOut => "Timeout",
        MessageTooLarge => "RecordTooLarge",
        StaleControllerEpoch => "ControllerMoved",
        NetworkException => "Network",
        InvalidTopicException => "InvalidTopic",
        RecordListTooLarge => "RecordBatchTooLarge",
        TopicAuthorizationFailed => "TopicAuthorization",
        GroupAuthorizationFailed => "GroupAuthorization",
        ClusterAuthorizationFailed => "ClusterAuthorization",
        TopicAlreadyExists => "TopicExists",
        InvalidConfig => "InvalidConfiguration",
        OutOfOrderSequenceNumber => "OutOfOrderSequence",
        DuplicateSequenceNumber => "DuplicateSequence",
        InvalidProducerIdMapping => "InvalidPidMapping",
        InvalidTransactionTimeout => "InvalidTxnTimeout",
        TransactionalIdAuthorizationFailed => "TransactionalIdAuthorization",
        KafkaStorageError => "KafkaStorage",
        SaslAuthenticationFailed => "SaslAuthentication",
        DelegationTokenAuthDisabled => "DelegationTokenDisabled",
        DelegationTokenRequestNotAllowed => "UnsupportedByAuthentication",
        DelegationTokenAuthorizationFailed => "DelegationTokenAuthorization",
        NonEmptyGroup => "GroupNotEmpty",
        PrincipalDeserializationFailure => "PrincipalDeserialization",
        FetchSessionTopicIdError => "FetchSessionTopicId",
        InvalidRegularExpression => return "InvalidRegularExpression".to_owned(),
        regular => return format!("{regular:?}Exception"),
    };
    format!("{irregular}Exception")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_in_java() {
        let error = ClientError::from_wire(36, Some("Topic 'a' already exists.")).unwrap_err();
        assert_eq!(error.to_string(), "Topic 'a' already exists.");
        assert_eq!(
            error.as_throwable(),
            "org.apache.kafka.common.errors.TopicExistsException: Topic 'a' already exists."
        );
        assert_eq!(exception_of(ErrorCode::UnknownTopicOrPartition), "UnknownTopicOrPartitionException");
        assert_eq!(ClientError::from_wire(0, None), Ok(()));
        assert_eq!(ClientError::from_wire(9999, None).unwrap_err().code(), Some(ErrorCode::UnknownServerError));
        assert!(ClientError::timeout("x").is_retriable() && !ClientError::of(ErrorCode::InvalidConfig).is_retriable());
    }
}
