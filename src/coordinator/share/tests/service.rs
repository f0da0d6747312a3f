//! The facade over its runtimes.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use arc_swap::ArcSwap;

use super::super::calls::{ReadState, Summary};
use super::super::key::SharePartitionKey;
use super::super::machine::{Settings, Write};
use super::super::records::Record;
use super::super::service::ShareStates;
use super::script::batch;
use crate::coordinator::testing::Memory;
use crate::metadata::{MetadataDelta, MetadataImage};
use crate::protocol::kraft::{MetadataRecord, PartitionRecord, TopicRecord};
use crate::types::{Clock, ErrorCode, LeaderEpoch, Millis, Offset, TopicId};

const TOPIC: TopicId = TopicId::METADATA_TOPIC_ID;

fn image() -> MetadataImage {
    let mut delta = MetadataDelta::new(Arc::new(MetadataImage::default()));
    let topic = TopicRecord { name: "t".to_owned(), topic_id: TOPIC };
    let partition = PartitionRecord {
        partition_id: 0,
        topic_id: TOPIC,
        replicas: vec![1],
        isr: vec![1],
        leader: 1,
        ..Default::default()
    };
    delta.replay(&MetadataRecord::Topic(topic)).unwrap();
    delta.replay(&MetadataRecord::Partition(partition)).unwrap();
    delta.image().clone()
}

fn coordinator() -> ShareStates {
    let clock = Clock::Manual(Arc::new(AtomicI64::new(1_000_000)));
    let (image, runtime) = (Arc::new(ArcSwap::from_pointee(image())), tokio::runtime::Handle::current());
    let states = ShareStates::new(Settings::default(), image, clock, runtime, Millis(5_000));
    states.set_partition_count(50);
    states
}

fn elect(states: &ShareStates, partition: i32, journal: &Arc<Memory<Record>>) {
    let election = states.begin(partition);
    let mut machine = states.machine();
    journal.0.lock().unwrap().iter().for_each(|record| machine.load(record));
    states.elect(election, machine, journal.clone(), None);
}

fn write() -> Write {
    Write {
        state_epoch: 0,
        leader_epoch: LeaderEpoch(2),
        start_offset: Offset(0),
        delivery_complete_count: 1,
        batches: vec![batch(0, 4, 1, 2)],
    }
}

#[tokio::test]
async fn a_state_lives_where_its_key_hashes_to_and_outlives_its_coordinator() {
    let (states, journal) = (coordinator(), Arc::new(Memory::default()));
    let key = SharePartitionKey::new("g", TOPIC, 0);
    let refused = states.initialize(key.clone(), 0, Offset::NONE).await.unwrap_err();
    let told = "Unable to initialize share group state: This is not the correct coordinator.";
    assert_eq!((refused.code, &*refused.message), (ErrorCode::NotCoordinator, told));
    let partition = states.partition_for(&key).unwrap();
    // Java: Math.abs("g:AAAAAAAAAAAAAAAAAAAAAQ:0".hashCode()) % 50.
    assert_eq!(partition, crate::coordinator::partition_of("g:AAAAAAAAAAAAAAAAAAAAAQ:0", 50));
    elect(&states, partition, &journal);
    states.initialize(key.clone(), 0, Offset::NONE).await.unwrap();
    states.read(key.clone(), LeaderEpoch(2)).await.unwrap();
    states.write(key.clone(), write()).await.unwrap();
    elect(&states, partition, &journal);
    let read = ReadState { state_epoch: 0, start_offset: Offset(0), batches: vec![batch(0, 4, 1, 2)] };
    assert_eq!(states.read(key.clone(), LeaderEpoch(2)).await, Ok(read));
    let refused = states.read(key.clone(), LeaderEpoch(1)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::FencedLeaderEpoch);
    states.topics_deleted([TOPIC].into()).await;
    assert_eq!(states.summary(key.clone()).await, Ok(Summary::UNINITIALIZED));
    states.resign(partition);
    assert_eq!(states.summary(key).await.unwrap_err().code, ErrorCode::NotCoordinator);
}

#[tokio::test]
async fn bad_input_leaves_nothing_behind() {
    let (states, journal) = (coordinator(), Arc::new(Memory::default()));
    (0..50).for_each(|partition| elect(&states, partition, &journal));
    let key = SharePartitionKey::new("g", TOPIC, 0);
    let unknown = SharePartitionKey::new("g", TOPIC, 1);
    assert_eq!(states.initialize(unknown, 0, Offset::NONE).await.unwrap_err().code, ErrorCode::UnknownTopicOrPartition);
    let refused = states.write(key.clone(), write()).await.unwrap_err();
    let told = "Write operation on uninitialized share partition not allowed.";
    assert_eq!((refused.code, &*refused.message), (ErrorCode::InvalidRequest, told));
    assert!(journal.0.lock().unwrap().is_empty());
    states.initialize(key.clone(), 0, Offset::NONE).await.unwrap();
    let reversed = Write { batches: vec![batch(0, 10, 1, 0), batch(5, 2, 2, 0)], ..write() };
    assert_eq!(states.write(key, reversed).await.unwrap_err().code, ErrorCode::InvalidRequest);
    assert_eq!(journal.0.lock().unwrap().len(), 1);
}
