//! What a handler hands back.

use crate::network::ReplySegment;
use crate::protocol::messages::ResponseKind;

/// The outcome of one request.
pub enum Answer {
    /// A response message, to be encoded at the version of the request.
    Message(Box<ResponseKind>),
    /// A whole frame, its length and header included, part of which may lie in files.
    Frame(Vec<ReplySegment>),
    /// Nothing is sent: a produce request with acks=0.
    Silence,
    /// The connection is closed, for the reason given.
    Close(String),
}

impl From<ResponseKind> for Answer {
    fn from(response: ResponseKind) -> Answer {
        Answer::Message(Box::new(response))
    }
}
