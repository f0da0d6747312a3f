//! Traps of headers, and of the process they are served by.

use bytes::Bytes;
use ottla::protocol::frame::encode_typed_request;
use ottla::protocol::messages::{ApiVersionsRequest, MetadataRequest};
use ottla::protocol::{Request, StrBytes, schema};
use ottla::types::ErrorCode;

use crate::support::{Broker, Client, Directory};

/// The bytes of an answer behind its correlation id.
fn answer<R: Request>(client: &mut Client, version: i16, request: &R) -> Bytes {
    let frame = encode_typed_request(version, 77, Some("header"), request).expect("it encodes");
    client.send_bytes(&frame).expect("it is sent");
    let frame = client.receive_frame().expect("an answer");
    assert_eq!(frame[..4], 77i32.to_be_bytes());
    frame.slice(4..)
}

#[test]
fn trap_15_api_versions_answers_have_the_plain_header_and_others_do_not() {
    let broker = Broker::start(&[]);
    for port in [broker.directory.port, broker.directory.controller_port] {
        let mut client = Client::connect(port);
        for version in 0..=4 {
            let mut request = ApiVersionsRequest::default();
            if version >= 3 {
                request = request
                    .with_client_software_name(StrBytes::from_static_str("trap"))
                    .with_client_software_version(StrBytes::from_static_str("15"));
            }
            let body = answer(&mut client, version, &request);
            let walk = schema::guard_response(18, version, &body).expect("the body begins at once");
            assert_eq!(walk.trailing, 0, "version {version}");
            assert_eq!(body[..2], [0, 0], "version {version}");
        }
    }
    let mut client = broker.client();
    for version in 0..=13 {
        let body = answer(&mut client, version, &MetadataRequest::default().with_topics(Some(Vec::new())));
        let tags = usize::from(version >= 9);
        assert!(version < 9 || body[0] == 0, "version {version} has a flexible header");
        let walk = schema::guard_response(3, version, &body[tags..]).expect("the body behind the header");
        assert_eq!(walk.trailing, 0, "version {version}");
    }
}

#[test]
fn trap_15_a_version_to_come_is_answered_in_version_0() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    // A flexible header, and a body that nobody knows yet.
    let mut frame = vec![0, 18, 0, 5, 0, 0, 0, 9, 0, 1, b'x', 0];
    frame.extend([0xff; 20]);
    let mut bytes = (frame.len() as i32).to_be_bytes().to_vec();
    bytes.extend(frame);
    client.send_bytes(&bytes).expect("it is sent");
    let frame = client.receive_frame().expect("an answer");
    let mut expected = vec![0, 0, 0, 9];
    expected.extend(ErrorCode::UnsupportedVersion.code().to_be_bytes());
    expected.extend([0, 0, 0, 1, 0, 18, 0, 0, 0, 4]);
    assert_eq!(frame, expected);
    assert!(client.still_serves());
}

#[test]
fn trap_16_the_soft_limit_of_descriptors_is_raised() {
    let broker = Broker::start_in(Directory::new(&[]).after_shell("ulimit -S -n 256"));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", broker.pid())).expect("it runs");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("such a line");
    let mut numbers = line.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
    let (soft, hard) = (numbers.next().expect("a soft limit"), numbers.next().expect("a hard limit"));
    assert_eq!(soft, hard, "{line}");
    assert!(soft > 256, "the test needs a hard limit above the one it starts with");
}
