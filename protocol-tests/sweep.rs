//! Every row of the API table in every version: valid requests are answered, malformed ones close their connection
//! with one log line and harm nobody else.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use ottla::handlers::{API_TABLE, Api};
use ottla::protocol::frame::parse_response_header;
use ottla::protocol::schema::{self, Direction, Generated, LengthKind};
use ottla::protocol::wire::put_unsigned_varint;

use crate::support::{Broker, Client};

const CLIENT_ID: &[u8] = b"sweep";
/// Longer bodies are cut at so many bytes, evenly spread.
const CUTS_MAX: usize = 100;

/// Every served API with each of its versions.
fn served() -> impl Iterator<Item = (&'static Api, i16)> {
    API_TABLE.iter().flat_map(|api| (api.min_version..=api.max_version).map(move |version| (api, version)))
}

/// A request header; `correlation_id` is 7.
fn header(api_key: i16, version: i16) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_i16(api_key);
    out.put_i16(version);
    out.put_i32(7);
    out.put_i16(CLIENT_ID.len() as i16);
    out.put_slice(CLIENT_ID);
    if schema::is_flexible(api_key, version) {
        out.put_u8(0);
    }
    out
}

fn framed(content: &[u8]) -> Vec<u8> {
    let mut frame = (content.len() as i32).to_be_bytes().to_vec();
    frame.extend_from_slice(content);
    frame
}

/// A valid body with something in most of its lists.
fn rich_body(api_key: i16, version: i16) -> Generated {
    let bodies = (0..12).filter_map(|seed| schema::generate_marked(api_key, Direction::Request, version, seed));
    bodies.filter(|made| made.body.len() < 600).max_by_key(|made| made.body.len()).expect("a version of the table")
}

#[test]
fn every_valid_request_is_answered_in_its_version() {
    let broker = Broker::start(&[]);
    for (port, controller) in [(broker.directory.port, false), (broker.directory.controller_port, true)] {
        for (api, version) in served().filter(|(api, _)| api.served_on(controller)) {
            let mut client = Client::connect(port);
            for seed in 0..6 {
                let body =
                    schema::generate(api.key, Direction::Request, version, seed).expect("a version of the table");
                let mut content = header(api.key, version);
                content.put_slice(&body);
                client.send_bytes(&framed(&content)).expect("it is sent");
                let what = format!("{} version {version}, seed {seed}", api.name);
                let frame = client.receive_frame().unwrap_or_else(|| panic!("{what} closed the connection"));
                let (correlation_id, body) = parse_response_header(api.key, version, frame).expect("a header");
                assert_eq!(correlation_id, 7, "{what}");
                let walk = schema::guard_response(api.key, version, &body).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(walk.trailing, 0, "{what}");
            }
        }
    }
}

/// A body with bytes replaced by others.
fn replaced(body: &[u8], at: usize, old: usize, new: &[u8]) -> Vec<u8> {
    [&body[..at], new, &body[at + old..]].concat()
}

fn varint(value: u32) -> Vec<u8> {
    let mut out = BytesMut::new();
    put_unsigned_varint(&mut out, value);
    out.to_vec()
}

/// What a length is turned into, none of which a frame can be long enough for, or which no length can be.
fn bad_lengths(kind: LengthKind, nullable: bool) -> Vec<Vec<u8>> {
    let mut bad: Vec<Vec<u8>> = match kind {
        LengthKind::Short => [i16::MAX, 0x4000, i16::MIN, -2].map(|len| len.to_be_bytes().to_vec()).into(),
        LengthKind::Int => [i32::MAX, 0x0100_0000, i32::MIN, -2].map(|len| len.to_be_bytes().to_vec()).into(),
        LengthKind::Varint | LengthKind::Tags => {
            let mut bad: Vec<_> = [u32::MAX, 0x8000_0000, 0x7fff_ffff, 0x0100_0000].map(varint).into();
            // More than 32 bits, and a varint that does not end.
            bad.extend([vec![0xff, 0xff, 0xff, 0xff, 0x7f], vec![0xff; 11], vec![0x80; 700]]);
            bad
        }
    };
    match kind {
        LengthKind::Short if !nullable => bad.push((-1i16).to_be_bytes().into()),
        LengthKind::Int if !nullable => bad.push((-1i32).to_be_bytes().into()),
        LengthKind::Varint if !nullable => bad.push(vec![0]),
        _ => {}
    }
    bad
}

/// Everything that is wrong with a request of that version, as the content of a frame.
fn malformed(api_key: i16, version: i16) -> Vec<Vec<u8>> {
    let (header, made) = (header(api_key, version), rich_body(api_key, version));
    let valid = [&header[..], &made.body].concat();
    let step = (valid.len() / CUTS_MAX).max(1);
    let mut bad: Vec<Vec<u8>> = (0..valid.len()).step_by(step).map(|cut| valid[..cut].to_vec()).collect();
    let mut with_body = |body: Vec<u8>| bad.push([&header[..], &body].concat());
    for length in &made.lengths {
        let width = match length.kind {
            LengthKind::Short => 2,
            LengthKind::Int => 4,
            LengthKind::Varint | LengthKind::Tags => 1,
        };
        for new in bad_lengths(length.kind, length.nullable) {
            with_body(replaced(&made.body, length.at, width, &new));
        }
        if length.kind == LengthKind::Tags {
            // Tagged fields that go on and on, each of them in order.
            let mut tags = varint(1_000_000);
            (1_000..3_000).for_each(|tag| tags.extend([varint(tag), vec![0]].concat()));
            with_body(replaced(&made.body, length.at, 1, &tags));
            // One tagged field that claims to be long.
            with_body(replaced(&made.body, length.at, 1, &[varint(1), varint(5_000), varint(u32::MAX)].concat()));
        }
    }
    if schema::is_flexible(api_key, version) {
        let plain = &header[..header.len() - 1];
        for tags in bad_lengths(LengthKind::Tags, false) {
            bad.push([plain, &tags, &made.body].concat());
        }
    }
    bad
}

/// What the line about a closed connection says of its client and its API.
fn description(content: &[u8]) -> String {
    let Some((key, rest)) = content.split_first_chunk::<2>() else {
        return format!("client unknown, a frame of {} bytes", content.len());
    };
    let Some(version) = rest.first_chunk::<2>() else {
        return format!("client unknown, a frame of {} bytes", content.len());
    };
    let client = match content.get(8..15) {
        Some([0, 5, id @ ..]) if id == CLIENT_ID => "client \"sweep\"",
        _ => "client without id",
    };
    let (key, version) = (i16::from_be_bytes(*key), i16::from_be_bytes(*version));
    let name = schema::name(key).map_or(format!("API key {key}"), str::to_string);
    format!("{client}, {name} version {version}")
}

/// Sends malformed frames to a broker, each on a connection of its own, and remembers what the log must say.
struct Sweep {
    broker: Broker,
    expected: BTreeMap<String, usize>,
    count: usize,
}

impl Sweep {
    fn new() -> Sweep {
        Sweep { broker: Broker::start(&[]), expected: BTreeMap::new(), count: 0 }
    }

    /// Sends the bytes, of which `content` is what follows the length; the connection must be closed.
    fn refuse(&mut self, bytes: &[u8], content: &[u8]) {
        let mut client = self.broker.client().without_linger();
        // The broker may close before it has read everything.
        let _ = client.send_bytes(bytes);
        let what = || format!("{}: {:02x?}", description(content), &bytes[..bytes.len().min(400)]);
        assert!(client.receive_frame().is_none(), "answered: {}", what());
        let port = client.port();
        let line = format!("closed the connection from 127.0.0.1:{port} on PLAINTEXT ({}): ", description(content));
        *self.expected.entry(line).or_default() += 1;
        self.count += 1;
    }

    fn refuse_content(&mut self, content: &[u8]) {
        self.refuse(&framed(content), content);
    }

    /// One line for each, with a reason; nothing else was closed.
    fn check_log(mut self) {
        let log = self.broker.directory.log();
        for line in log.lines().filter_map(|line| Some(&line[line.find("closed the connection")?..])) {
            let end = line.find("): ").expect("a description") + 3;
            assert!(line.len() > end, "no reason: {line}");
            let left = self.expected.get_mut(&line[..end]).unwrap_or_else(|| panic!("not expected: {line}"));
            *left = left.checked_sub(1).unwrap_or_else(|| panic!("logged twice: {line}"));
        }
        let missing: Vec<_> = self.expected.iter().filter(|(_, left)| **left > 0).take(5).collect();
        assert!(missing.is_empty(), "of {}, not logged: {missing:?}", self.count);
        assert!(!log.contains("panicked"), "{log}");
    }
}

#[test]
fn malformed_requests_close_their_connection_and_no_other() {
    let mut sweep = Sweep::new();
    let mut witness = sweep.broker.client();
    let before = sweep.broker.memory("VmRSS");
    for (api, version) in served() {
        for content in malformed(api.key, version) {
            sweep.refuse_content(&content);
        }
        assert!(witness.still_serves(), "{} version {version} disturbed another connection", api.name);
    }
    let grown = sweep.broker.memory("VmRSS").saturating_sub(before);
    assert!(sweep.count > 10_000, "only {} frames", sweep.count);
    assert!(grown < 32 << 20, "{grown} bytes remain of {} frames", sweep.count);
    sweep.check_log();
}

#[test]
fn unknown_apis_versions_and_lengths_close_the_connection() {
    let mut sweep = Sweep::new();
    let mut witness = sweep.broker.client();
    let body = [0; 30];
    for key in (-2..200).chain([i16::MIN, i16::MAX]).filter(|key| Api::find(*key).is_none()) {
        for version in [0, 1, 7] {
            sweep.refuse_content(&[&header(key, version)[..], &body].concat());
        }
    }
    for api in API_TABLE.iter().filter(|api| api.name != "ApiVersions") {
        for version in [api.min_version - 1, api.max_version + 1, i16::MIN, i16::MAX, -1] {
            sweep.refuse_content(&[&header(api.key, version)[..], &body].concat());
        }
    }
    let valid = header(3, 1);
    for len in [-1, -2, i32::MIN, i32::MAX, 104_857_601] {
        let prefix = i32::to_be_bytes(len);
        sweep.refuse(&prefix, &[]);
        sweep.refuse(&[&prefix[..], &valid].concat(), &valid);
    }
    sweep.refuse_content(&[]);
    assert!(witness.still_serves());
    sweep.check_log();
}

#[test]
fn answers_before_a_malformed_frame_are_sent() {
    let broker = Broker::start(&[]);
    let mut client = broker.client();
    let valid = framed(&[&header(18, 0)[..]].concat());
    let bytes = [&valid[..], &valid, &framed(&header(999, 0)), &valid].concat();
    client.send_bytes(&bytes).expect("it is sent");
    assert!(client.receive_frame().is_some());
    assert!(client.receive_frame().is_some());
    assert!(client.receive_frame().is_none());
}

/// Large frames of every API, with lengths that claim much of what follows, and what they are.
fn expensive(len: usize) -> impl Iterator<Item = (Vec<u8>, String)> {
    served().filter(|(api, version)| *version == api.max_version).flat_map(move |(api, version)| {
        let (header, made) = (header(api.key, version), rich_body(api.key, version));
        let lengths = made.lengths.clone();
        lengths.into_iter().filter(|length| length.kind != LengthKind::Tags).map(move |length| {
            let (width, new) = match length.kind {
                LengthKind::Short => (2, i16::MAX.to_be_bytes().to_vec()),
                LengthKind::Int => (4, (len as i32 / 2).to_be_bytes().to_vec()),
                _ => (1, varint(len as u32 / 2)),
            };
            let body = replaced(&made.body, length.at, width, &new);
            let mut content = [&header[..], &body].concat();
            content.resize(len.max(content.len()), 0xff);
            (content, format!("{} version {version}, the length at byte {}", api.name, length.at))
        })
    })
}

#[test]
fn malformed_frames_cost_at_most_their_length_and_a_mebibyte() {
    const LEN: usize = 1 << 20;
    const TRIES: usize = 5;
    let broker = Broker::start(&[]);
    let peak_of = |content: &[u8]| {
        // From here on, the peak is counted anew.
        std::fs::write(format!("/proc/{}/clear_refs", broker.pid()), "5").expect("the peak can be forgotten");
        let before = broker.memory("VmRSS");
        let mut client = broker.client();
        let _ = client.send_bytes(&framed(content));
        // Some of them have lengths that are right after all.
        let answered = client.receive_frame().is_some();
        (answered, broker.memory("VmHWM").saturating_sub(before))
    };
    for (content, _) in expensive(LEN).step_by(10) {
        peak_of(&content);
    }
    let mut refused = 0;
    for (content, what) in expensive(LEN) {
        let limit = (content.len() + (1 << 20)) as u64;
        // The broker's other threads may take pages meanwhile, and new ones of its own program count: what a frame
        // costs, it costs each time.
        let mut tries = (0..TRIES).map(|_| peak_of(&content));
        let fits = |(answered, peak): &(bool, u64)| *answered || *peak <= limit;
        let fitting = tries.find(fits);
        let Some((answered, _)) = fitting else { panic!("{what} costs more than {limit} bytes") };
        refused += usize::from(!answered);
    }
    assert!(refused > 100, "only {refused} were refused");
}

#[test]
fn a_claimed_length_costs_nothing_before_its_bytes_arrive() {
    let broker = Broker::start(&[]);
    let mut warm: Vec<Client> = (0..100).map(|_| broker.client()).collect();
    warm.iter_mut().for_each(|client| assert!(client.still_serves()));
    let before = broker.memory("VmRSS");
    let prefix = Bytes::from([&104_857_600i32.to_be_bytes()[..], &header(0, 9)].concat());
    for client in &mut warm {
        client.send_bytes(&prefix).expect("it is sent");
    }
    // The broker has seen all of them when it has answered one who came later, a hundred times.
    (0..100).for_each(|_| assert!(broker.client().still_serves()));
    let grown = broker.memory("VmRSS").saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes for frames that have not arrived");
}
