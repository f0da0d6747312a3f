//! Frames: the header in front of each request and response, and the only ways into and out of message structs.
//!
//! Whatever a peer sends is walked by the guard before the message crate sees it, because the crate trusts lengths.
//! Decoded strings and bytes are slices of the frame: keeping one keeps the whole frame in memory.

use std::fmt::Display;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestKind, ResponseKind};
use kafka_protocol::protocol::{Decodable, Encodable, Request};

use super::message::{Message, RecordError};
use super::newer;
use super::schema::{self, GuardError, Walk};
use super::wire::{Layout, Reader, Wire, WireError, put_unsigned_varint};

/// The key of ApiVersions, whose responses never have a flexible header and whose version may be too new.
pub const API_VERSIONS: i16 = 18;

/// What stands in front of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    pub client_id: Option<String>,
}

/// A request whose header is read and whose body is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFrame {
    pub header: RequestHeader,
    pub body: Bytes,
    pub header_flexible: bool,
}

impl RequestFrame {
    /// An ApiVersions request of a version that is not known: answered in version 0 with UNSUPPORTED_VERSION; its
    /// body means nothing.
    pub fn is_unsupported_api_versions(&self) -> bool {
        self.header.api_key == API_VERSIONS && !schema::is_known(API_VERSIONS, self.header.api_version)
    }
}

/// Why a frame is not a request or a response, or cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("unknown API key {0}")]
    UnknownApiKey(i16),
    #[error("{name} has no version {version}")]
    UnsupportedVersion { name: &'static str, api_key: i16, version: i16 },
    #[error("header: {0}")]
    Header(WireError),
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error("{name} version {version}: {reason}")]
    Body { name: &'static str, version: i16, reason: String },
}

/// Reads the header of a request frame (without the length in front of it).
pub fn parse_header(mut frame: Bytes) -> Result<RequestFrame, FrameError> {
    let mut reader = Reader::new(&frame);
    let api_key = short(&mut reader, "api_key")?;
    let api_version = short(&mut reader, "api_version")?;
    let header_flexible = match schema::is_known(api_key, api_version) || api_key == API_VERSIONS {
        true => schema::is_flexible(api_key, api_version),
        false => return Err(unknown(api_key, api_version)),
    };
    let plain = Layout { version: api_version, flexible: false };
    let header_error = |field: &str, error: WireError| FrameError::Header(error.within(field));
    let correlation_id = i32::read(&mut reader, plain).map_err(|error| header_error("correlation_id", error))?;
    let client_id = Option::<String>::read(&mut reader, plain).map_err(|error| header_error("client_id", error))?;
    if header_flexible {
        reader.tags(|_, _| Ok(false)).map_err(|error| header_error("tags", error))?;
    }
    let header_len = frame.len() - reader.remaining();
    frame.advance(header_len);
    let header = RequestHeader { api_key, api_version, correlation_id, client_id };
    Ok(RequestFrame { header, body: frame, header_flexible })
}

fn short(reader: &mut Reader<'_>, field: &str) -> Result<i16, FrameError> {
    Ok(i16::from_be_bytes(reader.array().map_err(|error| FrameError::Header(error.within(field)))?))
}

fn unknown(api_key: i16, version: i16) -> FrameError {
    match schema::name(api_key) {
        Some(name) => FrameError::UnsupportedVersion { name, api_key, version },
        None => FrameError::UnknownApiKey(api_key),
    }
}

/// The reason is told with all that caused it.
fn body_error(api_key: i16, version: i16, reason: impl Display) -> FrameError {
    FrameError::Body { name: schema::name(api_key).unwrap_or("?"), version, reason: format!("{reason:#}") }
}

/// A request as a struct.
#[derive(Clone, PartialEq, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all requests are of the large kind, and a box would cost each of them"
)]
pub enum AnyRequest {
    Crate(RequestKind),
    /// Of an API that the message crate does not have.
    Own(newer::OwnRequest),
}

/// The body of a request that the guard has let pass. Nothing of it is in memory yet beyond its bytes.
pub struct GuardedBody<'a> {
    api_key: i16,
    version: i16,
    body: &'a Bytes,
    /// What decoding it will take.
    pub walk: Walk,
}

impl<'a> GuardedBody<'a> {
    /// Walks the body; nothing is decoded.
    pub fn new(api_key: i16, version: i16, body: &'a Bytes) -> Result<GuardedBody<'a>, FrameError> {
        let walk = schema::guard_request(api_key, version, body)?;
        Ok(GuardedBody { api_key, version, body, walk })
    }

    /// The request as a struct.
    pub fn decode(&self) -> Result<AnyRequest, FrameError> {
        let GuardedBody { api_key, version, body, .. } = *self;
        if let Some(own) = newer::OwnRequest::decode(api_key, version, body) {
            return own.map(AnyRequest::Own).map_err(|error| body_error(api_key, version, error));
        }
        if let Some(kind) = newer::decode_as_older(api_key, version, body) {
            return kind.map(AnyRequest::Crate).map_err(|error| body_error(api_key, version, error));
        }
        let key = ApiKey::try_from(api_key).map_err(|()| unknown(api_key, version))?;
        RequestKind::decode(key, &mut body.clone(), newer::request_layout(api_key, version))
            .map(AnyRequest::Crate)
            .map_err(|error| body_error(api_key, version, error))
    }
}

/// Guards and decodes the body of a request of any kind.
pub fn decode_request_kind(api_key: i16, version: i16, body: &Bytes) -> Result<(AnyRequest, Walk), FrameError> {
    let guarded = GuardedBody::new(api_key, version, body)?;
    Ok((guarded.decode()?, guarded.walk))
}

/// Guards and decodes the body of the request `R`.
pub fn decode_request<R: Request>(version: i16, body: &Bytes) -> Result<(R, Walk), FrameError> {
    let walk = schema::guard_request(R::KEY, version, body)?;
    let request = R::decode(&mut body.clone(), newer::request_layout(R::KEY, version))
        .map_err(|error| body_error(R::KEY, version, error))?;
    Ok((request, walk))
}

/// Guards and decodes the body of the response to `R`.
pub fn decode_response<R: Request>(version: i16, body: &Bytes) -> Result<(R::Response, Walk), FrameError> {
    let walk = schema::guard_response(R::KEY, version, body)?;
    let response = R::Response::decode(&mut body.clone(), newer::response_layout(R::KEY, version))
        .map_err(|error| body_error(R::KEY, version, error))?;
    Ok((response, walk))
}

/// Guards and decodes a request that is declared in [`newer`], such as `newer::BrokerHeartbeatRequest`.
pub fn decode_own_request<M: Message>(api_key: i16, version: i16, body: &[u8]) -> Result<(M, Walk), FrameError> {
    let walk = schema::guard_request(api_key, version, body)?;
    let (message, _) = M::decode(body, version).map_err(|error| body_error(api_key, version, error))?;
    Ok((message, walk))
}

/// Guards and decodes a response that is declared in [`newer`], such as `newer::DescribeLogDirsResponse`.
pub fn decode_own_response<M: Message>(api_key: i16, version: i16, body: &[u8]) -> Result<(M, Walk), FrameError> {
    let walk = schema::guard_response(api_key, version, body)?;
    let (message, _) = M::decode(body, version).map_err(|error| body_error(api_key, version, error))?;
    Ok((message, walk))
}

/// Reads the header of a response frame (without the length in front of it); the rest is the body.
pub fn parse_response_header(api_key: i16, api_version: i16, mut frame: Bytes) -> Result<(i32, Bytes), FrameError> {
    let mut reader = Reader::new(&frame);
    let correlation_id = reader.array().map_err(|error| FrameError::Header(error.within("correlation_id")))?;
    if response_header_is_flexible(api_key, api_version) {
        reader.tags(|_, _| Ok(false)).map_err(|error| FrameError::Header(error.within("tags")))?;
    }
    let header_len = frame.len() - reader.remaining();
    frame.advance(header_len);
    Ok((i32::from_be_bytes(correlation_id), frame))
}

/// The bytes in front of a response body: length, correlation id and, in flexible headers, no tags.
pub fn response_header_len(api_key: i16, api_version: i16) -> usize {
    8 + usize::from(response_header_is_flexible(api_key, api_version))
}

fn response_header_is_flexible(api_key: i16, api_version: i16) -> bool {
    api_key != API_VERSIONS && schema::is_flexible(api_key, api_version)
}

/// A body that can be written behind a header: a struct of the message crate, or one of ours.
pub trait Body {
    /// Appends the body in the layout of `version`, which is one of `api_key`'s.
    fn write_body(&self, out: &mut BytesMut, api_key: i16, version: i16) -> Result<(), FrameError>;
}

impl Body for RequestKind {
    fn write_body(&self, out: &mut BytesMut, api_key: i16, version: i16) -> Result<(), FrameError> {
        self.encode(out, newer::request_layout(api_key, version)).map_err(|error| body_error(api_key, version, error))
    }
}

impl Body for ResponseKind {
    fn write_body(&self, out: &mut BytesMut, api_key: i16, version: i16) -> Result<(), FrameError> {
        self.encode(out, newer::response_layout(api_key, version)).map_err(|error| body_error(api_key, version, error))
    }
}

/// One of our own structs as a body.
pub struct OwnBody<'a, M>(pub &'a M);

impl<M: Message> Body for OwnBody<'_, M> {
    fn write_body(&self, out: &mut BytesMut, api_key: i16, version: i16) -> Result<(), FrameError> {
        self.0.encode_into(out, version).map_err(|error: RecordError| body_error(api_key, version, error))
    }
}

/// A whole response frame, its length in front. Fails when a field is set that `api_version` cannot carry.
pub fn encode_response(
    api_key: i16,
    api_version: i16,
    correlation_id: i32,
    body: &impl Body,
) -> Result<BytesMut, FrameError> {
    let mut out = BytesMut::with_capacity(256);
    out.put_i32(0);
    out.put_i32(correlation_id);
    if response_header_is_flexible(api_key, api_version) {
        put_unsigned_varint(&mut out, 0);
    }
    body.write_body(&mut out, api_key, api_version)?;
    with_length(out, api_key, api_version)
}

/// A whole request frame, its length in front. Fails when a field is set that the version cannot carry.
pub fn encode_request(header: &RequestHeader, body: &impl Body) -> Result<BytesMut, FrameError> {
    let mut out = BytesMut::with_capacity(256);
    let plain = Layout { version: header.api_version, flexible: false };
    out.put_i32(0);
    out.put_i16(header.api_key);
    out.put_i16(header.api_version);
    out.put_i32(header.correlation_id);
    header.client_id.write(&mut out, plain).map_err(|error| FrameError::Header(error.within("client_id")))?;
    if schema::is_flexible(header.api_key, header.api_version) {
        put_unsigned_varint(&mut out, 0);
    }
    body.write_body(&mut out, header.api_key, header.api_version)?;
    with_length(out, header.api_key, header.api_version)
}

/// A whole request frame from a struct of the message crate.
pub fn encode_typed_request<R: Request>(
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    request: &R,
) -> Result<BytesMut, FrameError> {
    let client_id = client_id.map(str::to_owned);
    let header = RequestHeader { api_key: R::KEY, api_version: version, correlation_id, client_id };
    encode_request(&header, &CrateBody(request, newer::request_layout(R::KEY, version)))
}

/// A struct of the message crate with the version it is to be laid out in.
struct CrateBody<'a, T>(&'a T, i16);

impl<T: Encodable> Body for CrateBody<'_, T> {
    fn write_body(&self, out: &mut BytesMut, api_key: i16, version: i16) -> Result<(), FrameError> {
        self.0.encode(out, self.1).map_err(|error| body_error(api_key, version, error))
    }
}

fn with_length(mut out: BytesMut, api_key: i16, version: i16) -> Result<BytesMut, FrameError> {
    let len = i32::try_from(out.len() - 4).map_err(|_| body_error(api_key, version, "longer than 2 GiB"))?;
    out[..4].copy_from_slice(&len.to_be_bytes());
    Ok(out)
}

#[cfg(test)]
mod tests;
