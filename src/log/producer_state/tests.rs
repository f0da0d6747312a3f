//! Producers, their sequences and transactions. The snapshots are those of a Kafka 4.3.1 broker.

use proptest::prelude::*;

use super::*;
use crate::log::append::AppendOrigin;
use crate::protocol::batch::{BatchBuilder, BatchRef, split_batches};
use crate::protocol::compression::Decompressor;
use crate::protocol::control::EndTxnMarker;
use crate::types::{ErrorCode, LeaderEpoch};

const P: ProducerId = ProducerId(7);
const CLIENT: AppendContext = AppendContext { origin: AppendOrigin::Client, guard: None, transaction_version: 0 };
const FOLLOWER: AppendContext = AppendContext { origin: AppendOrigin::Replication, ..CLIENT };
const COORDINATOR: AppendContext = AppendContext { origin: AppendOrigin::Coordinator, ..CLIENT };

/// What a batch says of its producer.
#[derive(Clone, Copy)]
struct Sent {
    producer: ProducerId,
    epoch: i16,
    sequence: i32,
    records: i32,
    transactional: bool,
}

fn sent(epoch: i16, sequence: i32, records: i32) -> Sent {
    Sent { producer: P, epoch, sequence, records, transactional: false }
}

fn transactional(epoch: i16, sequence: i32) -> Sent {
    Sent { transactional: true, ..sent(epoch, sequence, 1) }
}

/// A partition without its log: the states and the next offset.
struct Partition {
    states: ProducerStates,
    end: Offset,
}

fn partition() -> Partition {
    Partition { states: ProducerStates::new(ProducerRules::default()), end: Offset::ZERO }
}

impl Partition {
    fn append(&mut self, sent: Sent, context: AppendContext) -> Result<SequenceCheck, ProducerError> {
        let mut builder = BatchBuilder::new(self.end).producer(sent.producer, ProducerEpoch(sent.epoch), sent.sequence);
        if sent.transactional {
            builder = builder.transactional();
        }
        for record in 0..sent.records {
            builder.append(Millis(1000 + self.end.0 + i64::from(record)), None, None, &[]);
        }
        let bytes = builder.build();
        let header = BatchRef::parse(&bytes).unwrap().header;
        let mut append = ProducerAppend::default();
        let check = self.states.check(&mut append, &header, None, context)?;
        if check == SequenceCheck::New {
            self.end = header.next_offset();
            assert_eq!(self.states.commit(append, self.end), []);
        }
        Ok(check)
    }

    fn send(&mut self, sent: Sent) -> Result<SequenceCheck, ErrorCode> {
        self.append(sent, CLIENT).map_err(|error| error.error_code())
    }

    /// Asks about the transaction first, as a broker does for a batch that opens one.
    fn send_verified(&mut self, sent: Sent) -> Result<SequenceCheck, ErrorCode> {
        let epoch = ProducerEpoch(sent.epoch);
        let guard = self.states.begin_verification(sent.producer, epoch, sent.sequence, false, Millis(0));
        let guard = guard.map_err(|error| error.error_code())?;
        self.append(sent, AppendContext { guard, ..CLIENT }).map_err(|error| error.error_code())
    }

    fn end_txn(
        &mut self,
        producer: ProducerId,
        epoch: i16,
        (commit, coordinator_epoch): (bool, i32),
        context: AppendContext,
    ) -> Result<Vec<CompletedTxn>, ErrorCode> {
        let marker = EndTxnMarker { commit, coordinator_epoch, timestamp: Millis(5000) };
        let bytes = marker.batch(self.end, LeaderEpoch(0), (producer, ProducerEpoch(epoch)));
        let header = BatchRef::parse(&bytes).unwrap().header;
        let mut append = ProducerAppend::default();
        let check = self.states.check(&mut append, &header, Some(&marker), context);
        check.map_err(|error| error.error_code())?;
        self.end = header.next_offset();
        Ok(self.states.commit(append, self.end))
    }
}

const NEW: Result<SequenceCheck, ErrorCode> = Ok(SequenceCheck::New);

#[test]
fn sequences_follow_each_other() {
    let mut partition = partition();
    assert_eq!(partition.send(sent(0, 0, 3)), NEW);
    assert_eq!(partition.send(sent(0, 4, 1)), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(partition.send(sent(0, 2, 2)), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(partition.send(sent(0, 3, 1)), NEW);
    assert_eq!(partition.end, Offset(4), "what was refused changed nothing");
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    let mut partition = partition();
    assert_eq!(partition.send(sent(3, 41, 1)), NEW);
    assert_eq!(partition.send(sent(3, 42, 1)), NEW);
}

#[test]
fn sequences_wrap_to_zero() {
    let mut partition = partition();
    assert_eq!(partition.send(sent(0, i32::MAX - 1, 2)), NEW);
    assert_eq!(partition.send(sent(0, 0, 1)), NEW);
    assert_eq!(partition.send(sent(0, 1, 1)), NEW);
    // Within one batch, too: the last sequence is 1, and the whole can be recognised again.
    let mut partition = self::partition();
    assert_eq!(partition.send(sent(0, i32::MAX - 1, 4)), NEW);
    assert!(matches!(partition.send(sent(0, i32::MAX - 1, 4)), Ok(SequenceCheck::Duplicate { .. })));
    assert_eq!(partition.send(sent(0, 2, 1)), NEW);
}

#[test]
fn the_last_five_batches_may_be_repeated() {
    let mut partition = partition();
    for batch in 0..6 {
        assert_eq!(partition.send(sent(0, batch * 2, 2)), NEW);
    }
    for batch in 1..6 {
        let offset = i64::from(batch) * 2;
        let duplicate = SequenceCheck::Duplicate {
            base_offset: Offset(offset),
            last_offset: Offset(offset + 1),
            timestamp: Millis(1000 + offset + 1),
        };
        assert_eq!(partition.send(sent(0, batch * 2, 2)), Ok(duplicate));
    }
    assert_eq!(partition.send(sent(0, 0, 2)), Err(ErrorCode::OutOfOrderSequenceNumber), "the sixth is forgotten");
    assert_eq!(partition.send(sent(0, 10, 1)), Err(ErrorCode::OutOfOrderSequenceNumber), "part of a batch is none");
    assert_eq!(partition.end, Offset(12));
}

#[test]
fn a_new_epoch_begins_at_zero_and_fences_the_old() {
    let mut partition = partition();
    assert_eq!(partition.send(sent(0, 0, 2)), NEW);
    assert_eq!(partition.send(sent(1, 2, 1)), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(partition.send(sent(1, 0, 1)), NEW);
    assert_eq!(partition.send(sent(0, 2, 1)), Err(ErrorCode::InvalidProducerEpoch));
    assert_eq!(
        partition.send(sent(0, 0, 2)),
        Err(ErrorCode::InvalidProducerEpoch),
        "batches of old epochs are forgotten"
    );
}

#[test]
fn coordinators_have_no_sequences_and_followers_no_doubts() {
    let mut partition = partition();
    let without_sequence = |epoch| sent(epoch, -1, 1);
    assert_eq!(partition.append(without_sequence(2), COORDINATOR), Ok(SequenceCheck::New));
    assert_eq!(partition.append(without_sequence(2), COORDINATOR), Ok(SequenceCheck::New));
    let stale = partition.append(without_sequence(1), COORDINATOR).unwrap_err();
    assert_eq!(stale.error_code(), ErrorCode::InvalidProducerEpoch);
    assert_eq!(partition.append(sent(1, 9, 1), FOLLOWER), Ok(SequenceCheck::New));
    assert_eq!(partition.append(sent(1, 9, 1), FOLLOWER), Ok(SequenceCheck::New));
}

#[test]
fn several_batches_of_one_append_are_checked_after_each_other() {
    let states = ProducerStates::new(ProducerRules::default());
    let header = |base: i64, sequence| {
        let mut builder = BatchBuilder::new(Offset(base)).producer(P, ProducerEpoch(0), sequence);
        builder.append(Millis(1), None, None, &[]);
        BatchRef::parse(&builder.build()).unwrap().header
    };
    let mut append = ProducerAppend::default();
    assert_eq!(states.check(&mut append, &header(0, 0), None, CLIENT), Ok(SequenceCheck::New));
    assert_eq!(states.check(&mut append, &header(1, 1), None, CLIENT), Ok(SequenceCheck::New));
    let mut states = states;
    states.commit(append, Offset(2));
    let entry = states.entries()[0];
    assert_eq!((entry.last_sequence(), entry.last_batch.unwrap().last_offset), (1, Offset(1)));
    assert_eq!(states.end_offset(), Offset(2));
}

#[test]
fn a_transaction_holds_the_stable_offset_until_its_marker_is_replicated() {
    let mut partition = partition();
    let other = ProducerId(8);
    assert_eq!(partition.send(sent(0, 0, 5)), NEW);
    let in_txn = |producer| Sent { producer, ..transactional(1, 0) };
    assert_eq!(partition.send_verified(in_txn(P)), NEW);
    assert_eq!(partition.send_verified(in_txn(other)), NEW);
    assert_eq!(partition.send(transactional(1, 1)), NEW, "an open transaction needs no question");
    assert_eq!(partition.states.first_undecided_offset(), Some(Offset(5)));
    assert_eq!(partition.send(sent(1, 2, 1)), Err(ErrorCode::InvalidTxnState), "all or nothing is in a transaction");

    let aborted = partition.end_txn(P, 1, (false, 0), COORDINATOR).unwrap();
    let expected = CompletedTxn {
        producer_id: P,
        first_offset: Offset(5),
        last_offset: Offset(8),
        aborted: true,
        last_stable_offset: Offset(6),
    };
    assert_eq!(aborted, [expected]);
    assert_eq!(partition.states.first_undecided_offset(), Some(Offset(6)));
    assert_eq!(partition.states.first_unstable_offset(), Some(Offset(5)), "until the marker is replicated");
    partition.states.on_high_watermark(Offset(8));
    assert_eq!(partition.states.first_unstable_offset(), Some(Offset(5)));
    partition.states.on_high_watermark(Offset(9));
    assert_eq!(partition.states.first_unstable_offset(), Some(Offset(6)));

    let committed = partition.end_txn(other, 1, (true, 0), COORDINATOR).unwrap();
    assert_eq!((committed[0].aborted, committed[0].last_stable_offset), (false, Offset(10)));
    partition.states.on_log_start_offset(Offset(20));
    assert_eq!((partition.states.first_unstable_offset(), partition.states.end_offset()), (None, Offset(20)));
}

#[test]
fn a_marker_without_a_transaction_completes_nothing() {
    let mut partition = partition();
    assert_eq!(partition.end_txn(P, 3, (true, 4), COORDINATOR), Ok(vec![]));
    assert_eq!(partition.states.entries()[0].coordinator_epoch, 4);
    assert_eq!(partition.end_txn(P, 3, (true, 3), COORDINATOR), Err(ErrorCode::TransactionCoordinatorFenced));
    assert_eq!(partition.end_txn(P, 2, (true, 4), COORDINATOR), Err(ErrorCode::InvalidProducerEpoch));
    assert_eq!(partition.end_txn(P, 2, (true, 3), FOLLOWER), Ok(vec![]), "the leader has let it pass");
}

#[test]
fn newer_transactions_raise_the_epoch_with_the_marker() {
    let newer = AppendContext { transaction_version: 2, ..COORDINATOR };
    let mut partition = partition();
    assert_eq!(partition.send_verified(transactional(4, 0)), NEW);
    assert_eq!(partition.end_txn(P, 4, (true, 0), newer), Err(ErrorCode::InvalidProducerEpoch));
    assert_eq!(partition.end_txn(P, 5, (true, 0), newer).unwrap().len(), 1);
    assert_eq!(partition.end_txn(P, 5, (true, 0), newer), Ok(vec![]), "a repeated marker");
    assert_eq!(partition.states.entries()[0].last_batch, None, "a new epoch forgets the batches");
    assert_eq!(partition.send_verified(transactional(i16::MAX, 0)), NEW);
    assert_eq!(partition.end_txn(P, i16::MAX, (true, 0), newer).unwrap().len(), 1, "the last epoch ends itself");
}

#[test]
fn a_transaction_begins_only_with_the_coordinators_word() {
    let mut partition = partition();
    assert_eq!(partition.send(transactional(0, 0)), Err(ErrorCode::InvalidTxnState));
    let ask = |partition: &mut Partition, sequence| {
        partition.states.begin_verification(P, ProducerEpoch(0), sequence, false, Millis(0)).unwrap()
    };
    let guard = ask(&mut partition, 3);
    assert_eq!(ask(&mut partition, 5), guard, "one question at a time");
    let with = |guard| AppendContext { guard, ..CLIENT };
    let late = partition.append(transactional(0, 5), with(guard)).unwrap_err();
    assert_eq!(late.error_code(), ErrorCode::OutOfOrderSequenceNumber, "an earlier batch waits for the same answer");
    assert_eq!(partition.append(transactional(0, 3), with(guard)), Ok(SequenceCheck::New));
    assert_eq!(ask(&mut partition, 4), None);
    // After the end the old guard is worth nothing.
    partition.end_txn(P, 0, (false, 0), COORDINATOR).unwrap();
    assert_ne!(ask(&mut partition, 4), guard);
    assert_eq!(partition.append(transactional(0, 4), with(guard)), Err(ProducerError::NotVerified));

    let trusting = ProducerRules { transaction_verification: false, ..ProducerRules::default() };
    partition.states.set_rules(trusting);
    partition.states.expire(Millis(86_400_000));
    assert_eq!(partition.send(transactional(0, 4)), NEW);
}

#[test]
fn a_late_marker_leaves_the_verification_of_the_next_transaction() {
    let newer = AppendContext { transaction_version: 2, ..COORDINATOR };
    for (supports_epoch_bump, verdict) in [(true, Ok(SequenceCheck::New)), (false, Err(ProducerError::NotVerified))] {
        let mut partition = partition();
        assert_eq!(partition.send_verified(transactional(0, 0)), NEW);
        let asked = partition.states.begin_verification(P, ProducerEpoch(1), 0, supports_epoch_bump, Millis(0));
        let guard = asked.unwrap();
        assert_eq!(partition.end_txn(P, 1, (true, 0), newer).unwrap().len(), 1);
        assert_eq!(partition.append(transactional(1, 0), AppendContext { guard, ..CLIENT }), verdict);
    }
}

#[test]
fn a_producer_that_can_raise_its_epoch_begins_at_zero() {
    let mut partition = partition();
    let guard = partition.states.begin_verification(P, ProducerEpoch(0), 2, true, Millis(0)).unwrap();
    let error = partition.append(transactional(0, 2), AppendContext { guard, ..CLIENT }).unwrap_err();
    assert_eq!(error.error_code(), ErrorCode::OutOfOrderSequenceNumber);
}

#[test]
fn idle_producers_are_forgotten_but_not_their_open_transactions() {
    let mut partition = partition();
    assert_eq!(partition.send(sent(0, 0, 1)), NEW);
    assert_eq!(partition.send_verified(Sent { producer: ProducerId(8), ..transactional(0, 0) }), NEW);
    let last = 1000 + 1;
    partition.states.expire(Millis(1000 + 86_400_000 - 1));
    assert_eq!(partition.states.len(), 2);
    partition.states.expire(Millis(last + 86_400_000));
    assert_eq!(partition.states.entries().iter().map(|entry| entry.producer_id.0).collect::<Vec<_>>(), [8]);
    let minutes = 60_000;
    assert!(!partition.states.has_late_transaction(Millis(last + 20 * minutes), 15 * minutes));
    assert!(partition.states.has_late_transaction(Millis(last + 20 * minutes + 1), 15 * minutes));
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// After one batch of five records; after a transaction; within a transaction; without producers.
const SNAPSHOTS: [&str; 4] = [
    "0001775a294b000000010000000000000001000000000004000000000000000400000004000001a1fcdbf04dffffffffffffffffffffffff",
    "0001051ed3180000000100000000000000050002ffffffffffffffffffffffff00000000000001a1fcdc1d1b00000000ffffffffffffffff",
    "000160cdd0a00000000100000000000000060000000001f600000000000001f600000000000001a1fcdf733dffffffff0000000000000000",
    "000148674bc700000000",
];

#[test]
fn snapshots_are_the_jvms_to_the_byte() {
    for text in SNAPSHOTS {
        let bytes = from_hex(text);
        let mut states = ProducerStates::new(ProducerRules::default());
        states.reload(&bytes, Offset(503), Millis(1_795_243_900_000)).unwrap();
        assert_eq!(states.snapshot(), bytes);
        assert_eq!(states.end_offset(), Offset(503));
        assert_eq!(states.first_undecided_offset().is_some(), text == SNAPSHOTS[2]);
    }
    let mut states = ProducerStates::new(ProducerRules::default());
    states.reload(&from_hex(SNAPSHOTS[0]), Offset(5), Millis(1_995_243_900_000)).unwrap();
    assert!(states.is_empty(), "expired meanwhile");
}

#[test]
fn replaying_the_jvms_log_gives_the_jvms_snapshot() {
    let mut states = ProducerStates::new(ProducerRules::default());
    let mut decompressor = Decompressor::new();
    let mut completed = Vec::new();
    for batch in split_batches(include_bytes!("../../protocol/testdata/java-transactions.log")) {
        let batch = batch.unwrap();
        let marker = match batch.header.is_control() {
            true => EndTxnMarker::of(&batch, &mut decompressor).unwrap(),
            false => None,
        };
        let mut append = ProducerAppend::default();
        states.check(&mut append, &batch.header, marker.as_ref(), FOLLOWER).unwrap();
        completed.extend(states.commit(append, batch.header.next_offset()));
    }
    assert_eq!(states.snapshot(), from_hex(SNAPSHOTS[1]));
    assert_eq!(completed.iter().map(|txn| txn.first_offset.0).collect::<Vec<_>>(), [0, 5]);
}

#[test]
fn a_damaged_snapshot_is_refused_and_changes_nothing() {
    let bytes = from_hex(SNAPSHOTS[0]);
    let mut states = ProducerStates::new(ProducerRules::default());
    states.reload(&bytes, Offset(5), Millis(1_795_243_900_000)).unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        assert!(states.reload(&damaged, Offset(9), Millis(0)).is_err(), "byte {at}");
        assert!(states.reload(&bytes[..at], Offset(9), Millis(0)).is_err(), "cut at {at}");
    }
    assert_eq!((states.snapshot(), states.end_offset()), (bytes, Offset(5)));
}

proptest! {
    #[test]
    fn any_snapshot_bytes_are_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_snapshot(&bytes);
    }

    /// However a producer and its network behave, what is in the log is each record once and in order.
    #[test]
    fn no_record_twice_and_none_out_of_order(sends in proptest::collection::vec((0i32..12, 1i32..3), 1..60)) {
        let mut partition = partition();
        let mut next = 0;
        for (sequence, records) in sends {
            match partition.send(sent(0, sequence, records)) {
                Ok(SequenceCheck::New) => {
                    prop_assert!(sequence == next || partition.end.0 == i64::from(records));
                    next = sequence + records;
                }
                Ok(SequenceCheck::Duplicate { base_offset, last_offset, .. }) => {
                    prop_assert!(sequence < next);
                    prop_assert_eq!(last_offset - base_offset, i64::from(records) - 1);
                }
                Err(code) => prop_assert_eq!(code, ErrorCode::OutOfOrderSequenceNumber),
            }
        }
    }
}
