//! From a frame to a reply: header, version, guard, decode, handler, encode.
//!
//! A frame that is no request of a served API closes its connection: there is no telling where the next one begins.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;

use super::{Answer, Api, Call, Node, api_versions, handle};
use crate::network::{ConnectionInfo, Reply, Service};
use crate::protocol::frame::{self, FrameError, GuardedBody, RequestFrame, RequestHeader};
use crate::types::ErrorCode;

/// The service behind the listeners of a node: the listener a connection came through says which APIs it may call.
pub struct Dispatch {
    node: Arc<Node>,
}

impl Dispatch {
    /// Answers requests with what `node` owns.
    pub fn new(node: Arc<Node>) -> Dispatch {
        Dispatch { node }
    }
}

impl Service for Dispatch {
    async fn call(&self, connection: &Arc<ConnectionInfo>, frame: Bytes) -> Reply {
        let began = Instant::now();
        let request = match frame::parse_header(frame) {
            Ok(request) => request,
            Err(error) => return Reply::Close(error.to_string()),
        };
        let reply = match self.admit(connection, &request) {
            Admitted::Served => self.serve(connection, &request).await,
            Admitted::UnknownApiVersions => api_versions::unsupported(&request.header),
            Admitted::Refused(reason) => Reply::Close(reason),
        };
        if let Some(api) = self.node.metrics.requests.api(request.header.api_key) {
            api.observe(began.elapsed());
        }
        reply
    }

    fn ended(&self, connection: &ConnectionInfo) {
        self.node.share_partitions.disconnected(connection.id);
    }
}

enum Admitted {
    Served,
    UnknownApiVersions,
    Refused(String),
}

impl Dispatch {
    fn admit(&self, connection: &ConnectionInfo, request: &RequestFrame) -> Admitted {
        if request.is_unsupported_api_versions() {
            return Admitted::UnknownApiVersions;
        }
        let RequestHeader { api_key, api_version, .. } = request.header;
        let Some(api) = Api::find(api_key).filter(|api| api.served_on(connection.listener.is_controller)) else {
            let listener = &connection.listener.name;
            return Admitted::Refused(format!("API key {api_key} is not served on listener {listener}"));
        };
        let highest = api.highest_version(api_version > api.max_version && self.node.serves_unstable_versions());
        if !(api.min_version..=highest).contains(&api_version) {
            return Admitted::Refused(format!("{} is served in versions {} to {highest}", api.name, api.min_version));
        }
        Admitted::Served
    }

    async fn serve(&self, connection: &Arc<ConnectionInfo>, request: &RequestFrame) -> Reply {
        let RequestHeader { api_key, api_version, correlation_id, .. } = request.header;
        let guarded = match GuardedBody::new(api_key, api_version, &request.body) {
            Ok(guarded) => guarded,
            Err(error) => return self.malformed(&request.header, error),
        };
        // Charged before it is decoded: many large requests at once wait as bytes, not as structs.
        let charge = self.node.budget.charge(guarded.walk.decoded_size).await;
        let kind = match guarded.decode() {
            Ok(kind) => kind,
            Err(error) => return self.malformed(&request.header, error),
        };
        let (header, body, charge) = (&request.header, &request.body, Mutex::new(charge));
        let call = Call { node: &self.node, connection, header, body, charge };
        match handle(&call, kind).await {
            Answer::Message(response) => {
                match frame::encode_response(api_key, api_version, correlation_id, response.as_ref()) {
                    Ok(frame) => Reply::bytes(frame),
                    Err(error) => Reply::Close(format!("its answer cannot be encoded: {error}")),
                }
            }
            Answer::Frame(segments) => Reply::Frame(segments),
            Answer::Silence => Reply::None,
            Answer::Close(reason) => Reply::Close(reason),
        }
    }

    fn malformed(&self, header: &RequestHeader, error: FrameError) -> Reply {
        if let Some(api) = self.node.metrics.requests.api(header.api_key) {
            api.error(ErrorCode::InvalidRequest.code());
        }
        Reply::Close(error.to_string())
    }
}
