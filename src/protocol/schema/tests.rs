//! Sweeps over every API, version and byte.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestKind, ResponseKind};

use super::*;
use crate::protocol::newer;
use crate::protocol::wire::put_unsigned_varint;

const DIRECTIONS: [Direction; 2] = [Direction::Request, Direction::Response];

fn guard(api: &Api, direction: Direction, version: i16, body: &[u8]) -> Result<Walk, GuardError> {
    match direction {
        Direction::Request => guard_request(api.key, version, body),
        Direction::Response => guard_response(api.key, version, body),
    }
}

fn for_every_version(mut check: impl FnMut(&Api, Direction, i16)) {
    for api in apis() {
        for version in api.min_version..=api.max_version {
            DIRECTIONS.iter().for_each(|direction| check(api, *direction, version));
        }
    }
}

/// Decodes and encodes by the message crate; `None` where it lacks the layout.
fn crate_round_trip(api: &Api, direction: Direction, version: i16, body: &[u8]) -> Option<Result<BytesMut, String>> {
    let key = ApiKey::try_from(api.key).ok()?;
    let layout = match direction {
        Direction::Request => newer::request_layout(api.key, version),
        Direction::Response => newer::response_layout(api.key, version),
    };
    // The crate's structs of these requests end a version before its list of versions does.
    let absent = direction == Direction::Request && matches!((api.key, version), (8 | 9, 10) | (22, 6));
    if layout > key.valid_versions().max || absent {
        return None;
    }
    let (mut bytes, mut out) = (Bytes::copy_from_slice(body), BytesMut::new());
    let encoded = match direction {
        Direction::Request => {
            RequestKind::decode(key, &mut bytes, layout).and_then(|kind| kind.encode(&mut out, layout))
        }
        Direction::Response => {
            ResponseKind::decode(key, &mut bytes, layout).and_then(|kind| kind.encode(&mut out, layout))
        }
    };
    Some(encoded.map(|()| out).map_err(|error| error.to_string()))
}

#[test]
fn the_table_has_what_kafka_has() {
    let listed = |key| api(key).map(|api| (api.name, api.min_version, api.max_version, api.flexible_since));
    assert_eq!(listed(0), Some(("Produce", 3, 13, 9)));
    assert_eq!(listed(17), Some(("SaslHandshake", 0, 1, i16::MAX)));
    assert_eq!(listed(92), Some(("DeleteShareGroupOffsets", 0, 0, 0)));
    assert_eq!((listed(4), listed(93), listed(-1), listed(i16::MAX)), (None, None, None, None));
    assert_eq!(apis().count(), 89);
    assert!(is_known(18, 4) && !is_known(18, 5) && is_flexible(18, 5));
}

#[test]
fn generated_bodies_pass_the_guard_and_the_crate_writes_the_same_bytes() {
    let (mut compared, mut failures) = (0, Vec::new());
    for_every_version(|api, direction, version| {
        for seed in 0..20 {
            let body = generate(api.key, direction, version, seed).expect("the version exists");
            let at = || format!("{} {direction:?} {version} seed {seed}", api.name);
            match guard(api, direction, version, &body) {
                Ok(walk) if walk.trailing == 0 => {}
                other => failures.push(format!("{}: {other:?}", at())),
            }
            match crate_round_trip(api, direction, version, &body) {
                Some(Ok(out)) if out == body => compared += 1,
                Some(other) => failures.push(format!("{}: {other:?}\n  {body:?}", at())),
                None => {}
            }
        }
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert!(compared > 10_000, "{compared}");
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    for_every_version(|api, direction, version| {
        for seed in 0..3 {
            let body = generate(api.key, direction, version, seed).expect("the version exists");
            for cut in 0..body.len() {
                let error = guard(api, direction, version, &body[..cut]).expect_err("the body is cut");
                assert!(error.at <= cut, "{error}");
            }
        }
    });
}

/// Whatever bytes stand anywhere, the guard returns, and what it lets pass the crate takes without a panic.
#[test]
fn damaged_bodies_never_panic() {
    for_every_version(|api, direction, version| {
        for seed in 0..2 {
            let body = generate(api.key, direction, version, seed).expect("the version exists");
            for at in 0..body.len() {
                for damage in
                    [&[0xff, 0xff, 0xff, 0xff][..], &[0x7f, 0xff, 0xff, 0xff], &[0x80, 0, 0, 0], &[0xff], &[0]]
                {
                    let mut damaged = body.clone();
                    let end = (at + damage.len()).min(body.len());
                    damaged[at..end].copy_from_slice(&damage[..end - at]);
                    if let Ok(walk) = guard(api, direction, version, &damaged) {
                        assert!(walk.decoded_size < 1 << 20, "{} {version}: {walk:?}", api.name);
                        crate_round_trip(api, direction, version, &damaged);
                    }
                }
            }
        }
    });
}

#[test]
fn bytes_behind_the_last_field_are_counted() {
    for_every_version(|api, direction, version| {
        let mut body = generate(api.key, direction, version, 1).expect("the version exists");
        body.extend_from_slice(&[9; 5]);
        assert_eq!(guard(api, direction, version, &body).map(|walk| walk.trailing), Ok(5), "{} {version}", api.name);
    });
}

/// `body` with its last byte, an empty tag section, replaced by `count` tags from `first` on, each of one byte.
fn with_tags(body: &[u8], first: u32, count: u32) -> BytesMut {
    let mut tagged = BytesMut::from(&body[..body.len() - 1]);
    put_unsigned_varint(&mut tagged, count);
    for tag in first..first + count {
        put_unsigned_varint(&mut tagged, tag);
        tagged.extend_from_slice(&[1, 0xaa]);
    }
    tagged
}

#[test]
fn unknown_tagged_fields_pass_up_to_a_limit() {
    let body = generate(60, Direction::Request, 2, 0).expect("DescribeCluster has version 2");
    assert_eq!(body[body.len() - 1], 0);
    let plain = guard_request(60, 2, &body).expect("it is valid");
    let tagged = guard_request(60, 2, &with_tags(&body, 1000, 64)).expect("64 are allowed");
    assert!(tagged.decoded_size > plain.decoded_size + 64 * 48);
    let error = |body: &[u8]| guard_request(60, 2, body).expect_err("it is refused").reason;
    assert_eq!(error(&with_tags(&body, 1000, 65)), "too many unknown tagged fields");
    let mut falling = with_tags(&body, 1000, 2);
    let (at, tag) = (falling.len() - 4, falling[falling.len() - 8]);
    falling[at] = tag;
    assert_eq!(error(&falling), "tags do not rise");
    let mut endless = BytesMut::from(&body[..body.len() - 1]);
    endless.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(error(&endless), "ends too early");
}

/// The message crate gives up on such a tag too, but by then it has read the rest.
#[test]
fn a_tag_of_other_versions_is_refused() {
    let body = generate(1, Direction::Response, 12, 0).expect("Fetch has version 12");
    let error = guard_response(1, 12, &with_tags(&body, 0, 1)).expect_err("NodeEndpoints begin with version 16");
    assert_eq!((error.field.as_str(), error.reason), ("tags.NodeEndpoints", "tag does not belong to this version"));
}

#[test]
fn errors_name_field_place_and_reason() {
    let check = |key: i16, version: i16, body: &[u8], expected: &str| {
        let error = guard_request(key, version, body).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    };
    check(3, 1, &[0x7f, 0xff, 0xff, 0xff], "Metadata version 1: Topics at byte 4: count is beyond the end");
    check(3, 0, &[0xff, 0xff, 0xff, 0xff], "Metadata version 0: Topics at byte 4: is null");
    check(3, 1, &[0xff, 0xff, 0xff, 0xfe], "Metadata version 1: Topics at byte 4: negative length");
    check(3, 1, &[0, 0, 0, 1, 0, 9, b'x'], "Metadata version 1: Topics.Name at byte 6: ends too early");
    check(3, 12, &[0x81, 0x00, 1, 0, 0], "Metadata version 12: Topics at byte 2: varint is longer than it need be");
    check(1, 4, &[0; 12], "Fetch version 4: MaxBytes at byte 0: ends too early");
    check(3, 99, &[], "Metadata version 99: key 3 at byte 0: no such version");
    check(999, 0, &[], "unknown API version 0: key 999 at byte 0: no such version");
}

/// Prints how long a walk takes: `cargo test --release guard_speed -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn guard_speed() {
    let began = std::time::Instant::now();
    for_every_version(|api, direction, version| {
        api.program(direction, version).expect("the version exists");
    });
    println!("compiling all: {:?}", began.elapsed());
    let mut body = BytesMut::from(&[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2][..]);
    body.extend_from_slice(&[1; 16]);
    put_unsigned_varint(&mut body, 10_001);
    (0..10_000).for_each(|_| body.extend_from_slice(&[0; 33]));
    body.extend_from_slice(&[0, 1, 1, 0]);
    let began = std::time::Instant::now();
    for _ in 0..100 {
        guard_request(1, 16, std::hint::black_box(&body)).expect("it is valid");
    }
    println!("a fetch partition: {:?}", began.elapsed() / 1_000_000);
}
