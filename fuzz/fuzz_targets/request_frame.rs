//! Arbitrary bytes as a frame: the header, the guard and the decoder neither panic nor take memory beyond what the
//! guard counted.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ottla::protocol::ApiKey;
use ottla::protocol::frame::{FrameError, GuardedBody, parse_header};
use ottla::protocol::messages::ResponseKind;
use ottla::protocol::newer;
use ottla::protocol::schema::{Direction, apis, generate, guard_response};
use ottla_fuzz::{peak_during, plant};

/// What a refusal may cost beyond the frame: its message.
const REFUSAL_BYTES: usize = 64 << 10;

fuzz_target!(init: plant(seeds()), |data: &[u8]| {
    let Some((&kind, frame)) = data.split_first() else { return };
    match kind & 1 {
        0 => request(frame),
        _ => response(frame),
    }
});

fn request(frame: &[u8]) {
    let bytes = Bytes::copy_from_slice(frame);
    let (outcome, peak) = peak_during(|| {
        let request = parse_header(bytes.clone())?;
        let guarded = GuardedBody::new(request.header.api_key, request.header.api_version, &request.body)?;
        Ok::<_, FrameError>((guarded.walk.decoded_size, guarded.decode().is_ok()))
    });
    let (counted, is_ok) = outcome.unwrap_or((0, false));
    check(frame, peak, counted, is_ok);
}

fn response(frame: &[u8]) {
    let Some((head, body)) = frame.split_at_checked(4) else { return };
    let (key, version) = (i16::from_be_bytes([head[0], head[1]]), i16::from_be_bytes([head[2], head[3]]));
    let Ok(walk) = guard_response(key, version, body) else { return };
    let (Ok(kind), layout) = (ApiKey::try_from(key), newer::response_layout(key, version)) else { return };
    // The crate's list of versions is ahead of its structs here; we decode these by structs of our own.
    if layout > kind.valid_versions().max {
        return;
    }
    let mut bytes = Bytes::copy_from_slice(body);
    let (decoded, peak) = peak_during(|| ResponseKind::decode(kind, &mut bytes, layout));
    check(frame, peak, walk.decoded_size, decoded.is_ok());
}

fn check(frame: &[u8], peak: usize, counted: usize, is_ok: bool) {
    let bound = counted + counted / 2 + frame.len() + REFUSAL_BYTES;
    assert!(peak <= bound, "{} bytes took {peak}; counted were {counted} (decoded: {is_ok})", frame.len());
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for api in apis() {
        for version in api.min_version..=api.max_version {
            let head = [api.key.to_be_bytes(), version.to_be_bytes()].concat();
            let mut request = [&[0], &head[..], &[0, 0, 0, 7, 0, 2, b'i', b'd']].concat();
            if version >= api.flexible_since {
                request.push(0);
            }
            request.extend(generate(api.key, Direction::Request, version, 3).expect("a version of the table"));
            seeds.push((format!("request-{}-{version}", api.key), request));
            let mut response = [&[1], &head[..]].concat();
            response.extend(generate(api.key, Direction::Response, version, 3).expect("a version of the table"));
            seeds.push((format!("response-{}-{version}", api.key), response));
        }
    }
    seeds
}
