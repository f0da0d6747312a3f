//! One connection that speaks frames.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use bytes::{Bytes, BytesMut};
use ottla::protocol::frame::{self, API_VERSIONS};
use ottla::protocol::messages::ApiVersionsRequest;
use ottla::protocol::{Request, schema};

use super::DEADLINE;

/// A connection to a broker.
pub struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub fn connect(port: u16) -> Client {
        Client::over(TcpStream::connect(("127.0.0.1", port)).expect("the broker accepts"))
    }

    pub fn over(stream: TcpStream) -> Client {
        stream.set_nodelay(true).expect("an option of every socket");
        stream.set_read_timeout(Some(DEADLINE)).expect("an option of every socket");
        Client { stream, correlation_id: 0 }
    }

    /// Closes without the usual pause, so that thousands of connections leave nothing behind.
    pub fn without_linger(self) -> Client {
        socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO)).expect("it can be set");
        self
    }

    /// This end's port.
    pub fn port(&self) -> u16 {
        self.stream.local_addr().expect("it is connected").port()
    }

    /// Whether a plain question is answered.
    pub fn is_answered(&mut self) -> bool {
        let question = frame::encode_typed_request(0, 1, None, &ApiVersionsRequest::default()).expect("it encodes");
        self.stream.write_all(&question).is_ok() && self.receive_frame().is_some()
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a request; answers with its correlation id.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        self.try_send(version, request).expect("it is sent")
    }

    /// As [`Client::send`] to a broker that may have hung up.
    pub fn try_send<R: Request>(&mut self, version: i16, request: &R) -> io::Result<i32> {
        self.correlation_id += 1;
        let frame = frame::encode_typed_request(version, self.correlation_id, Some("protocol-test"), request);
        self.send_bytes(&frame.expect("the request has only what its version has"))?;
        Ok(self.correlation_id)
    }

    /// The next whole frame without its length; None when the broker has closed the connection.
    pub fn receive_frame(&mut self) -> Option<Bytes> {
        let length = self.receive_exactly(4)?;
        let length = i32::from_be_bytes(length[..].try_into().expect("four bytes"));
        self.receive_exactly(length as usize)
    }

    fn receive_exactly(&mut self, len: usize) -> Option<Bytes> {
        let mut bytes = BytesMut::zeroed(len);
        match self.stream.read_exact(&mut bytes) {
            Ok(()) => Some(bytes.freeze()),
            Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => None,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// The body of the next response, which must be to `correlation_id` and be exactly what its version is; None when
    /// the broker has closed the connection.
    fn receive_body(&mut self, api_key: i16, version: i16, correlation_id: i32) -> Option<Bytes> {
        let frame = self.receive_frame()?;
        let (answered, body) = frame::parse_response_header(api_key, version, frame).expect("a header");
        assert_eq!(answered, correlation_id, "answers come in the order of requests");
        let walk = schema::guard_response(api_key, version, &body).expect("a response of that version");
        assert_eq!(walk.trailing, 0, "bytes behind the response");
        Some(body)
    }

    /// The response to the request `R` with that correlation id.
    pub fn receive<R: Request>(&mut self, version: i16, correlation_id: i32) -> R::Response {
        self.try_receive::<R>(version, correlation_id).expect("the connection is open")
    }

    /// As [`Client::receive`]; None when the broker has closed the connection.
    pub fn try_receive<R: Request>(&mut self, version: i16, correlation_id: i32) -> Option<R::Response> {
        let body = self.receive_body(R::KEY, version, correlation_id)?;
        let (response, _) = frame::decode_response::<R>(version, &body).expect("a response that decodes");
        Some(response)
    }

    /// Sends a request and waits for its answer.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let correlation_id = self.send(version, request);
        self.receive::<R>(version, correlation_id)
    }

    /// Whether the connection still answers. The key is that of ApiVersions, which is always served.
    pub fn still_serves(&mut self) -> bool {
        debug_assert_eq!(ApiVersionsRequest::KEY, API_VERSIONS);
        self.is_answered()
    }
}
