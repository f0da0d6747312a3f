//! Instructions that the pure hot functions take, counted by Valgrind: the same on every run, however busy the machine.

mod work;

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use gungraun::prelude::*;
use ottla::handlers::FetchAnswer;
use ottla::log::append::ValidatedBatches;
use ottla::log::offset_index::OffsetEntry;
use ottla::network::ReplySegment;
use ottla::protocol::compression::Compression;
use ottla::protocol::frame::{AnyRequest, GuardedBody, encode_response, parse_header};
use ottla::protocol::messages::ResponseKind;
use ottla::types::{FileRange, Offset};

use work::{
    Coordinator, Index, NOW, Replica, Session, Validation, batch, fetch_answer, fetch_request, heartbeat_request,
    produce_request, produce_response,
};

/// Runs what is counted once before: tables are made at their first use.
fn warm<T>(input: T, run: impl FnOnce(&T)) -> T {
    run(&input);
    input
}

fn decoded(frame: &Bytes) -> AnyRequest {
    let request = parse_header(frame.clone()).expect("a header");
    let guarded = GuardedBody::new(request.header.api_key, request.header.api_version, &request.body).expect("a body");
    guarded.decode().expect("a request")
}

fn framed(frame: Bytes) -> Bytes {
    warm(frame, |frame| drop(decoded(frame)))
}

// Header, guard and decode of a request.
#[library_benchmark]
#[bench::produce_1_partition(framed(produce_request(1, &batch(1, 1_000, Compression::None))))]
#[bench::produce_12_partitions(framed(produce_request(12, &batch(10, 100, Compression::None))))]
#[bench::fetch_12_partitions(framed(fetch_request(12)))]
#[bench::heartbeat(framed(heartbeat_request()))]
fn decode(frame: Bytes) -> AnyRequest {
    decoded(black_box(&frame))
}

// Everything that is checked of records before they are appended.
#[library_benchmark]
#[bench::one_record_of_1_kb(Validation::of(batch(1, 1_000, Compression::None)))]
#[bench::hundred_records_of_1_kb(Validation::of(batch(100, 1_000, Compression::None)))]
#[bench::thousand_records_of_100_b(Validation::of(batch(1_000, 100, Compression::None)))]
#[bench::hundred_records_lz4(Validation::of(batch(100, 1_000, Compression::Lz4)))]
fn validate(mut validation: Validation) -> (ValidatedBatches, Validation) {
    let validated = black_box(&mut validation).run();
    (validated, validation)
}

fn appended(count: usize, value_bytes: usize) -> (Replica, ValidatedBatches) {
    (Replica::with_batches(20), Validation::of(batch(count, value_bytes, Compression::None)).run())
}

// Checked records into a log's file, page cache and all.
#[library_benchmark]
#[bench::one_record_of_1_kb(args = (1, 1_000), setup = appended)]
#[bench::hundred_records_of_1_kb(args = (100, 1_000), setup = appended)]
fn append(input: (Replica, ValidatedBatches)) -> (Offset, Replica) {
    let (replica, batches) = input;
    (replica.append(black_box(batches)), replica)
}

fn looked_up(saved: bool) -> Index {
    warm(Index::of(saved), |index| assert!(index.look_up(3).is_some()))
}

// The last index entry at or before an offset.
#[library_benchmark]
#[bench::in_memory(looked_up(false))]
#[bench::in_a_file(looked_up(true))]
fn look_up(index: Index) -> (Option<OffsetEntry>, Index) {
    (index.look_up(black_box(67_891)), index)
}

// Where the records are that a fetch asks for, and the offset of a time.
#[library_benchmark]
#[bench::of_2000_batches(warm(Replica::with_batches(2_000), |replica| drop(replica.read(0))))]
fn read(replica: Replica) -> (FileRange, Replica) {
    (replica.read(black_box(1_234)), replica)
}

#[library_benchmark]
#[bench::of_2000_batches(Replica::with_batches(2_000))]
fn offset_for_timestamp(replica: Replica) -> (Offset, Replica) {
    (replica.offset_for_timestamp(black_box(NOW)), replica)
}

// What an incremental fetch is about, and what of it is answered.
#[library_benchmark]
#[bench::of_12_partitions(Session::of(12))]
#[bench::of_1000_partitions(Session::of(1_000))]
fn plan_fetch(session: Session) -> (Vec<bool>, Session) {
    (black_box(&session).plan(), session)
}

fn encoded(response: &ResponseKind) -> BytesMut {
    encode_response(0, 12, 7, response).expect("the version carries it")
}

#[library_benchmark]
#[bench::of_1_partition(warm(produce_response(1), |response| drop(encoded(response))))]
#[bench::of_12_partitions(warm(produce_response(12), |response| drop(encoded(response))))]
fn encode_produce_response(response: ResponseKind) -> (BytesMut, ResponseKind) {
    (encoded(black_box(&response)), response)
}

fn answer(partitions: i32) -> FetchAnswer {
    fetch_answer(partitions, &Replica::with_batches(1).read(0))
}

#[library_benchmark]
#[bench::of_1_partition(answer(1))]
#[bench::of_12_partitions(answer(12))]
fn encode_fetch_response(answer: FetchAnswer) -> Vec<ReplySegment> {
    black_box(answer).into_segments(12, 7)
}

fn beating(members: usize) -> (Coordinator, usize) {
    (Coordinator::of(members), members / 2)
}

// A heartbeat in a stable classic group, request and all.
#[library_benchmark]
#[bench::of_3_members(args = (3), setup = beating)]
#[bench::of_1000_members(args = (1_000), setup = beating)]
fn heartbeat(input: (Coordinator, usize)) -> ((usize, usize), Coordinator) {
    let (mut coordinator, member) = input;
    let command = coordinator.command(member);
    (coordinator.decide(black_box(command)), coordinator)
}

library_benchmark_group!(
    name = hot,
    benchmarks = [
        decode,
        validate,
        append,
        look_up,
        read,
        offset_for_timestamp,
        plan_fetch,
        encode_produce_response,
        encode_fetch_response,
        heartbeat
    ]
);

main!(library_benchmark_groups = hot);
