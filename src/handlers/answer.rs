//! What a handler hands back.

use super::Call;
use crate::network::ReplySegment;
use crate::protocol::frame::{self, OwnBody};
use crate::protocol::message::Message;
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

impl Answer {
    /// A response that is one of our own messages: the message crate lacks it, or its newest version.
    pub(super) fn own<M: Message>(call: &Call<'_>, response: &M) -> Answer {
        let header = call.header;
        match frame::encode_response(header.api_key, header.api_version, header.correlation_id, &OwnBody(response)) {
            Ok(frame) => Answer::Frame(vec![ReplySegment::Bytes(frame.freeze())]),
            Err(error) => Answer::Close(format!("its answer cannot be encoded: {error}")),
        }
    }
}

impl From<ResponseKind> for Answer {
    fn from(response: ResponseKind) -> Answer {
        Answer::Message(Box::new(response))
    }
}
