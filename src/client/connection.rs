//! One connection to one node: requests out, answers in, in order.

use std::collections::{BTreeMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Address, ClientConfig, ClientError};
use crate::protocol::frame::{self, OwnBody, RequestHeader};
use crate::protocol::message::Message;
use crate::protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use crate::protocol::{Request, StrBytes, frame::API_VERSIONS, newer, schema};
use crate::types::ErrorCode;

/// A connection whose node has told which versions it speaks.
pub struct Connection {
    stream: TcpStream,
    /// What was read and not yet taken apart.
    input: BytesMut,
    client_id: String,
    response_bytes_max: usize,
    next_correlation: i32,
    /// Requests without their answer: correlation id, API, version.
    pending: VecDeque<(i32, i16, i16)>,
    versions: BTreeMap<i16, (i16, i16)>,
    /// What the node announced.
    pub announced: ApiVersionsResponse,
}

/// How much is read at once.
const READ_BYTES: usize = 64 << 10;

impl Connection {
    /// Connects and asks for the node's versions.
    pub fn open(address: &Address, config: &ClientConfig, deadline: Instant) -> Result<Connection, ClientError> {
        let mut connection = Connection {
            stream: connect(address, config, deadline.min(Instant::now() + config.connect_timeout))?,
            input: BytesMut::new(),
            client_id: config.client_id.clone(),
            response_bytes_max: config.response_bytes_max,
            next_correlation: 0,
            pending: VecDeque::new(),
            versions: BTreeMap::new(),
            announced: ApiVersionsResponse::default(),
        };
        connection.handshake(deadline.min(Instant::now() + config.request_timeout))?;
        Ok(connection)
    }

    /// The newest version of `R` that both sides know.
    pub fn version<R: Request>(&self) -> Result<i16, ClientError> {
        self.version_within(R::KEY, client_versions::<R>())
    }

    /// The newest version of an API, at least `min` and at most `max`, that the node knows.
    pub fn version_within(&self, api_key: i16, (min, max): (i16, i16)) -> Result<i16, ClientError> {
        let name = api_name(api_key);
        let unsupported = |message| ClientError::Kafka { code: ErrorCode::UnsupportedVersion, message };
        let Some(&(oldest, newest)) = self.versions.get(&api_key) else {
            return Err(unsupported(format!("The node does not support {name}")));
        };
        let version = max.min(newest);
        match version >= min.max(oldest) {
            true => Ok(version),
            false => Err(unsupported(format!(
                "The node does not support {name} with version in range [{min},{max}]. The supported range is \
                 [{oldest},{newest}]."
            ))),
        }
    }

    /// The versions of each API that the node announced.
    pub fn versions(&self) -> &BTreeMap<i16, (i16, i16)> {
        &self.versions
    }

    /// Sends a request and waits for its answer; nothing else may be in flight.
    pub fn call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
        deadline: Instant,
    ) -> Result<R::Response, ClientError> {
        self.send(version, request, deadline)?;
        self.receive::<R>(deadline)
    }

    /// Sends a request, of which [`Connection::receive`] gets the answer.
    pub fn send<R: Request>(&mut self, version: i16, request: &R, deadline: Instant) -> Result<(), ClientError> {
        let id = self.correlate();
        let bytes = frame::encode_typed_request(version, id, Some(&self.client_id), request)?;
        self.write(&bytes, deadline)?;
        self.pending.push_back((id, R::KEY, version));
        Ok(())
    }

    /// Sends a request that is never answered: a Produce with acks=0.
    pub fn send_unanswered<R: Request>(
        &mut self,
        version: i16,
        request: &R,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        let id = self.correlate();
        let bytes = frame::encode_typed_request(version, id, Some(&self.client_id), request)?;
        self.write(&bytes, deadline)
    }

    /// Sends a request that is declared in `protocol::newer`.
    pub fn send_own<M: Message>(
        &mut self,
        api_key: i16,
        version: i16,
        request: &M,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        let client_id = Some(self.client_id.clone());
        let header = RequestHeader { api_key, api_version: version, correlation_id: self.correlate(), client_id };
        let bytes = frame::encode_request(&header, &OwnBody(request))?;
        self.write(&bytes, deadline)?;
        self.pending.push_back((header.correlation_id, api_key, version));
        Ok(())
    }

    /// The answer to the oldest request in flight, which is an `R`.
    pub fn receive<R: Request>(&mut self, deadline: Instant) -> Result<R::Response, ClientError> {
        let (version, body) = self.receive_body(R::KEY, deadline)?;
        Ok(frame::decode_response::<R>(version, &body)?.0)
    }

    /// As [`Connection::receive`], for an answer that is declared in `protocol::newer`.
    pub fn receive_own<M: Message>(&mut self, api_key: i16, deadline: Instant) -> Result<M, ClientError> {
        let (version, body) = self.receive_body(api_key, deadline)?;
        Ok(frame::decode_own_response(api_key, version, &body)?.0)
    }

    /// Requests without their answer yet.
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    fn handshake(&mut self, deadline: Instant) -> Result<(), ClientError> {
        let mut version = client_versions::<ApiVersionsRequest>().1;
        loop {
            let request = ApiVersionsRequest::default()
                .with_client_software_name(StrBytes::from_static_str("ottla"))
                .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
            let request = if version >= 3 { request } else { ApiVersionsRequest::default() };
            self.send(version, &request, deadline)?;
            let (_, body) = self.receive_body(API_VERSIONS, deadline)?;
            // A node that does not know the version answers in version 0, with the versions it does know.
            let code = body.get(..2).map_or(0, |bytes| i16::from_be_bytes([bytes[0], bytes[1]]));
            let is_unsupported = code == ErrorCode::UnsupportedVersion.code();
            let layout = if is_unsupported { 0 } else { version };
            let (response, _) = frame::decode_response::<ApiVersionsRequest>(layout, &body)?;
            let newest =
                response.api_keys.iter().find(|api| api.api_key == API_VERSIONS).map_or(0, |api| api.max_version);
            if is_unsupported && version > 0 {
                version = newest.clamp(0, version - 1);
                continue;
            }
            ClientError::from_wire(response.error_code, None)?;
            self.versions =
                response.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect();
            self.announced = response;
            return Ok(());
        }
    }

    fn correlate(&mut self) -> i32 {
        let id = self.next_correlation;
        self.next_correlation = id.checked_add(1).unwrap_or(0);
        id
    }

    fn write(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), ClientError> {
        let timeout = remaining(deadline)?;
        self.stream.set_write_timeout(Some(timeout)).map_err(broken)?;
        self.stream.write_all(bytes).map_err(broken)
    }

    fn receive_body(&mut self, api_key: i16, deadline: Instant) -> Result<(i16, Bytes), ClientError> {
        let frame = self.read_frame(deadline)?;
        let malformed = |message: String| ClientError::Malformed(message);
        let Some((id, sent_key, version)) = self.pending.pop_front() else {
            return Err(malformed("an answer to no request".to_owned()));
        };
        assert_eq!(sent_key, api_key, "answers are received in the order of their requests");
        let (answered, body) = frame::parse_response_header(api_key, version, frame)?;
        match answered == id {
            true => Ok((version, body)),
            false => Err(malformed(format!("an answer to request {answered} where {id} is due"))),
        }
    }

    /// Reads one frame. Memory grows with the bytes that arrive, not with the length they claim.
    fn read_frame(&mut self, deadline: Instant) -> Result<Bytes, ClientError> {
        self.fill(4, deadline)?;
        let len = i32::from_be_bytes([self.input[0], self.input[1], self.input[2], self.input[3]]);
        let len = usize::try_from(len).ok().filter(|len| *len <= self.response_bytes_max).ok_or_else(|| {
            ClientError::Malformed(format!("an answer of {len} bytes; at most {} are read", self.response_bytes_max))
        })?;
        self.fill(4 + len, deadline)?;
        self.input.advance(4);
        Ok(self.input.split_to(len).freeze())
    }

    fn fill(&mut self, len: usize, deadline: Instant) -> Result<(), ClientError> {
        while self.input.len() < len {
            self.stream.set_read_timeout(Some(remaining(deadline)?)).map_err(broken)?;
            let start = self.input.len();
            self.input.resize(start + READ_BYTES.max((len - start).min(READ_BYTES * 16)), 0);
            let read = self.stream.read(&mut self.input[start..]);
            self.input.truncate(start + read.as_ref().map_or(0, |count| *count));
            match read {
                Ok(0) => return Err(ClientError::disconnected("Connection to the node was closed")),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(broken(error)),
            }
        }
        Ok(())
    }
}

/// The versions of `R` that can be written and whose answer can be read.
fn client_versions<R: Request>() -> (i16, i16) {
    let (known, answers) = (R::VERSIONS, <R::Response as crate::protocol::MessageVersions>::VERSIONS);
    let newest = schema::api(R::KEY).map_or(known.max, |api| api.max_version);
    let speaks = |version: &i16| {
        newer::request_layout(R::KEY, *version) <= known.max && newer::response_layout(R::KEY, *version) <= answers.max
    };
    (known.min, (known.min..=newest).rev().find(speaks).unwrap_or(known.max))
}

/// The name as Kafka's client writes it: `LIST_OFFSETS`.
fn api_name(api_key: i16) -> String {
    let mut name = String::new();
    for letter in schema::name(api_key).unwrap_or("?").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn connect(address: &Address, config: &ClientConfig, deadline: Instant) -> Result<TcpStream, ClientError> {
    let mut failure = format!("No address of {address} can be resolved");
    for target in address.resolve() {
        let socket = unconnected(&target, config).map_err(broken)?;
        match socket.connect_timeout(&target.into(), remaining(deadline)?) {
            Ok(()) => return Ok(socket.into()),
            Err(error) => failure = format!("Connection to {address} could not be established: {error}"),
        }
    }
    Err(ClientError::disconnected(failure))
}

/// A socket whose buffers have their size, which has to be known before the window is agreed on.
fn unconnected(target: &SocketAddr, config: &ClientConfig) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(*target), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    if let Some(bytes) = config.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = config.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(socket)
}

fn broken(error: std::io::Error) -> ClientError {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => ClientError::timeout("The request timed out."),
        _ => ClientError::disconnected(error.to_string()),
    }
}

fn remaining(deadline: Instant) -> Result<Duration, ClientError> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(ClientError::timeout("The request timed out.")),
        left => Ok(left),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::client::Bootstrap;
    use crate::protocol::messages::ListGroupsRequest;

    /// A node that reads a frame before each of its answers, each given as everything behind the length.
    fn open(answers: Vec<Vec<u8>>) -> (Result<Connection, ClientError>, thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
        let node = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in answers {
                let mut len = [0; 4];
                stream.read_exact(&mut len).unwrap();
                let mut request = vec![0; u32::from_be_bytes(len) as usize];
                stream.read_exact(&mut request).unwrap();
                stream.write_all(&answer).unwrap();
            }
        });
        let servers = Bootstrap::Servers(address.to_string());
        let config = ClientConfig::new(servers, BTreeMap::new(), "test").unwrap();
        (Connection::open(&address, &config, Instant::now() + Duration::from_secs(20)), node)
    }

    fn framed(correlation: i32, body: &[u8]) -> Vec<u8> {
        let mut frame = (4 + body.len() as u32).to_be_bytes().to_vec();
        frame.extend(correlation.to_be_bytes());
        frame.extend(body);
        frame
    }

    /// ApiVersions in version 0: ListGroups from 0 to 2, ApiVersions from 0 to 1.
    const OLD_NODE: [u8; 18] = [0, 0, 0, 0, 0, 2, 0, 16, 0, 0, 0, 2, 0, 18, 0, 0, 0, 1];

    #[test]
    fn an_old_node_is_asked_again_in_its_own_version() {
        let mut refusal = OLD_NODE.to_vec();
        refusal[1] = 35;
        let mut answer = OLD_NODE.to_vec();
        answer.extend([0; 4]);
        let groups = framed(2, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, b'g', 0, 0]);
        let (connection, node) = open(vec![framed(0, &refusal), framed(1, &answer), groups]);
        let mut connection = connection.unwrap();
        assert_eq!(connection.version::<ListGroupsRequest>(), Ok(2));
        let until = Instant::now() + Duration::from_secs(20);
        let answer = connection.call(2, &ListGroupsRequest::default(), until).unwrap();
        assert_eq!(answer.groups[0].group_id.0.as_str(), "g");
        assert_eq!(
            connection.version_within(16, (4, 5)).unwrap_err().to_string(),
            "The node does not support LIST_GROUPS with version in range [4,5]. The supported range is [0,2]."
        );
        assert_eq!(connection.version_within(3, (0, 9)).unwrap_err().to_string(), "The node does not support METADATA");
        node.join().unwrap();
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        let failure = |answer: Vec<u8>| {
            let (connection, node) = open(vec![answer]);
            node.join().unwrap();
            connection.err().unwrap().to_string()
        };
        assert!(failure(vec![0x7f, 0xff, 0xff, 0xff]).contains("an answer of 2147483647 bytes"));
        assert!(failure(vec![0xff, 0xff, 0xff, 0xff]).contains("an answer of -1 bytes"));
        assert!(failure(framed(7, &OLD_NODE)).contains("an answer to request 7 where 0 is due"));
        assert!(failure(framed(0, &[0, 0, 0x7f, 0xff, 0xff, 0xff])).contains("ApiVersions"));
        assert!(failure(framed(0, &[0])).contains("ApiVersions"));
        assert_eq!(failure(vec![0, 0]), "Connection to the node was closed");
    }
}
