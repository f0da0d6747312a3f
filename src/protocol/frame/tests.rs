//! Headers of every flexibility, and the way through guard and crate.

use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse};

use super::*;
use crate::protocol::newer::DescribeLogDirsResponse;
use crate::protocol::schema::{Direction, apis, generate};

fn header(api_key: i16, api_version: i16) -> RequestHeader {
    RequestHeader { api_key, api_version, correlation_id: 7, client_id: Some("me".to_owned()) }
}

/// A frame behind its length.
fn behind_length(frame: BytesMut) -> Bytes {
    let mut frame = frame.freeze();
    assert_eq!(frame.get_i32() as usize, frame.len());
    frame
}

#[test]
fn every_request_goes_through() {
    for api in apis() {
        for version in api.min_version..=api.max_version {
            let body = generate(api.key, Direction::Request, version, 3).expect("the version exists").freeze();
            let decoded = decode_request_kind(api.key, version, &body);
            assert!(decoded.is_ok(), "{} {version}: {decoded:?}", api.name);
        }
    }
}

/// What a request will take is known before any of it is taken.
#[test]
fn a_guarded_body_is_counted_before_it_is_decoded() {
    let body = generate(3, Direction::Request, 12, 3).expect("Metadata has version 12").freeze();
    let guarded = GuardedBody::new(3, 12, &body).expect("it is valid");
    let (kind, walk) = decode_request_kind(3, 12, &body).expect("it is valid");
    assert_eq!((guarded.walk, guarded.decode()), (walk, Ok(kind)));
    assert!(walk.decoded_size > 0);
    assert!(GuardedBody::new(3, 12, &body.slice(1..)).is_err());
}

#[test]
fn headers_are_read_as_they_are_written() {
    for (version, flexible) in [(8, false), (9, true)] {
        let request = MetadataRequest::default().with_topics(None);
        let frame = encode_request(&header(3, version), &RequestKind::Metadata(request.clone())).expect("it encodes");
        assert_eq!(frame, encode_typed_request(version, 7, Some("me"), &request).expect("it encodes"));
        let parsed = parse_header(behind_length(frame)).expect("a header");
        assert_eq!((&parsed.header, parsed.header_flexible), (&header(3, version), flexible));
        let (decoded, walk) = decode_request::<MetadataRequest>(version, &parsed.body).expect("a body");
        assert_eq!((decoded, walk.trailing), (request, 0));
    }
}

#[test]
fn responses_are_read_as_they_are_written() {
    for (version, header_len) in [(8, 8), (9, 9)] {
        let response = MetadataResponse::default().with_controller_id(3.into());
        let kind = ResponseKind::Metadata(response.clone());
        let frame = behind_length(encode_response(3, version, 7, &kind).expect("it encodes"));
        assert_eq!(response_header_len(3, version), header_len);
        let (correlation_id, body) = parse_response_header(3, version, frame).expect("a header");
        assert_eq!(correlation_id, 7);
        assert_eq!(decode_response::<MetadataRequest>(version, &body).expect("a body").0, response);
    }
}

/// Clients read the answer to ApiVersions before they know what the broker speaks.
#[test]
fn the_answer_to_api_versions_has_a_plain_header() {
    let kind = ResponseKind::ApiVersions(ApiVersionsResponse::default());
    let frame = encode_response(18, 4, 7, &kind).expect("it encodes");
    assert_eq!(response_header_len(18, 4), 8);
    assert_eq!(frame[..], [0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 1, 0, 0, 0, 0, 0]);
}

#[test]
fn api_versions_from_the_future_is_recognised() {
    let frame = encode_typed_request(3, 7, Some("me"), &ApiVersionsRequest::default()).expect("it encodes");
    let mut frame = BytesMut::from(&behind_length(frame)[..]);
    frame[3] = 99;
    let parsed = parse_header(frame.freeze()).expect("a header");
    assert!(parsed.is_unsupported_api_versions());
    assert_eq!((parsed.header.correlation_id, parsed.header.api_version), (7, 99));
}

#[test]
fn what_is_no_header_is_refused() {
    let error = |bytes: &'static [u8]| parse_header(Bytes::from_static(bytes)).expect_err("no header").to_string();
    assert_eq!(error(&[0, 93, 0, 0, 0, 0, 0, 1, 0xff, 0xff]), "unknown API key 93");
    assert_eq!(error(&[0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff]), "Produce has no version 2");
    assert_eq!(error(&[0, 3, 0]), "header: api_version at byte 2: ends too early");
    assert_eq!(error(&[0, 3, 0, 1, 0, 0, 0, 1, 0, 9]), "header: client_id at byte 10: length is beyond the end");
    assert_eq!(error(&[0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 0xff]), "header: tags at byte 11: ends too early");
}

#[test]
fn an_overcounted_body_never_reaches_the_crate() {
    let body = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff]);
    let error = decode_request_kind(3, 1, &body).expect_err("it is refused");
    assert_eq!(error.to_string(), "Metadata version 1: Topics at byte 4: count is beyond the end");
}

#[test]
fn a_field_without_a_place_is_an_error_and_not_dropped() {
    let request = MetadataRequest::default().with_include_topic_authorized_operations(true);
    let error = encode_typed_request(1, 7, None, &request).expect_err("version 1 has no such field");
    assert!(error.to_string().starts_with("Metadata version 1: "), "{error}");
}

#[test]
fn our_own_structs_are_bodies() {
    let response = DescribeLogDirsResponse { error_code: 5, ..Default::default() };
    let frame = encode_response(35, 5, 7, &OwnBody(&response)).expect("it encodes");
    assert_eq!(frame[..], [0, 0, 0, 13, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 5, 1, 0]);
    let (_, body) = parse_response_header(35, 5, behind_length(frame)).expect("a header");
    assert_eq!(decode_own_response::<DescribeLogDirsResponse>(35, 5, &body).expect("a body").0, response);
}
