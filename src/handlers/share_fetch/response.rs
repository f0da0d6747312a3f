//! The ShareFetch response, versions 1 and 2, which are the same, written so that record bytes stay in their files.

use std::collections::BTreeMap;

use bytes::{BufMut, BytesMut};

use super::super::fetch::response::{seal, uvarint};
use super::super::{Call, endpoints, share_acks::Told};
use super::in_order;
use crate::coordinator::share_partition::AcquiredRecords;
use crate::network::ReplySegment;
use crate::types::{BrokerId, ErrorCode, FileRange, LeaderEpoch, TopicIdPartition};

/// The answer for one partition.
#[derive(Clone, Debug)]
pub struct SharedRecords {
    pub partition: TopicIdPartition,
    pub error: Told,
    pub acknowledged: Told,
    pub records: Option<FileRange>,
    /// Which of the records are the member's.
    pub acquired: Vec<AcquiredRecords>,
}

impl SharedRecords {
    /// An answer without records.
    pub fn nothing(partition: TopicIdPartition) -> SharedRecords {
        let told = (ErrorCode::None, None);
        SharedRecords { partition, error: told.clone(), acknowledged: told, records: None, acquired: Vec::new() }
    }

    /// An answer that says why there are no records.
    pub fn failed(partition: TopicIdPartition, code: ErrorCode, message: Option<String>) -> SharedRecords {
        SharedRecords { error: (code, message), ..SharedRecords::nothing(partition) }
    }
}

/// A whole ShareFetch answer.
#[derive(Debug)]
pub struct ShareAnswer {
    error: ErrorCode,
    acquisition_lock_timeout_ms: i32,
    partitions: Vec<SharedRecords>,
    leaders: BTreeMap<TopicIdPartition, (BrokerId, LeaderEpoch)>,
    endpoints: BTreeMap<BrokerId, endpoints::Endpoint>,
}

impl ShareAnswer {
    /// The answer to a request that is refused as a whole.
    pub fn refusal(error: ErrorCode) -> ShareAnswer {
        ShareAnswer {
            error,
            acquisition_lock_timeout_ms: 0,
            partitions: Vec::new(),
            leaders: BTreeMap::new(),
            endpoints: BTreeMap::new(),
        }
    }

    /// The answer of these partitions, with the leaders of those that were asked for in vain.
    pub fn of(
        call: &Call<'_>,
        error: ErrorCode,
        acquisition_lock_timeout_ms: i32,
        partitions: Vec<SharedRecords>,
    ) -> ShareAnswer {
        let image = call.node.image();
        let mut answer = ShareAnswer::refusal(error);
        for partition in &partitions {
            let TopicIdPartition { topic_id, partition: index } = partition.partition;
            let is_elsewhere =
                matches!(partition.error.0, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch);
            if let Some(now) = image.topics.partition(topic_id, index).filter(|_| is_elsewhere) {
                answer.leaders.insert(partition.partition, (now.leader, now.leader_epoch));
                let endpoint = endpoints::alive_broker(call, &image, now.leader);
                answer.endpoints.extend(endpoint.map(|endpoint| (endpoint.id, endpoint)));
            }
        }
        ShareAnswer { acquisition_lock_timeout_ms, partitions, ..answer }
    }

    /// The frame of the answer, its 4-byte length included, as segments to be sent in order.
    pub fn into_segments(self, correlation_id: i32) -> Vec<ReplySegment> {
        let mut writer = Writer { buffer: BytesMut::with_capacity(512), segments: Vec::new() };
        writer.buffer.put_i32(0);
        writer.buffer.put_i32(correlation_id);
        writer.no_tags();
        // Throttle time.
        writer.buffer.put_i32(0);
        writer.told(&(self.error, None));
        writer.buffer.put_i32(self.acquisition_lock_timeout_ms);
        let topics = in_order(&self.partitions);
        let mut by_topic: BTreeMap<_, Vec<SharedRecords>> = BTreeMap::new();
        for partition in self.partitions {
            by_topic.entry(partition.partition.topic_id).or_default().push(partition);
        }
        writer.count(topics.len());
        for topic in topics {
            let partitions = by_topic.remove(&topic).unwrap_or_default();
            writer.buffer.put_slice(&topic.0);
            writer.count(partitions.len());
            for partition in partitions {
                let leader = self.leaders.get(&partition.partition).copied();
                writer.partition(partition, leader.unwrap_or((BrokerId(0), LeaderEpoch(0))));
            }
            writer.no_tags();
        }
        writer.count(self.endpoints.len());
        for endpoint in self.endpoints.values() {
            writer.buffer.put_i32(endpoint.id.0);
            writer.text(Some(&endpoint.host));
            writer.buffer.put_i32(endpoint.port.into());
            writer.text(endpoint.rack.as_deref());
            writer.no_tags();
        }
        writer.no_tags();
        writer.segments.push(ReplySegment::Bytes(writer.buffer.freeze()));
        seal(writer.segments)
    }
}

struct Writer {
    buffer: BytesMut,
    segments: Vec<ReplySegment>,
}

impl Writer {
    fn partition(&mut self, partition: SharedRecords, (leader, epoch): (BrokerId, LeaderEpoch)) {
        self.buffer.put_i32(partition.partition.partition);
        self.told(&partition.error);
        self.told(&partition.acknowledged);
        self.buffer.put_i32(leader.0);
        self.buffer.put_i32(epoch.0);
        self.no_tags();
        self.count(partition.records.as_ref().map_or(0, |range| range.len));
        if let Some(range) = partition.records {
            let before = self.buffer.split().freeze();
            self.segments.push(ReplySegment::Bytes(before));
            self.segments.push(ReplySegment::File(range));
        }
        self.count(partition.acquired.len());
        for acquired in &partition.acquired {
            self.buffer.put_i64(acquired.first.0);
            self.buffer.put_i64(acquired.last.0);
            self.buffer.put_i16(acquired.delivery_count);
            self.no_tags();
        }
        self.no_tags();
    }

    fn told(&mut self, (code, message): &Told) {
        self.buffer.put_i16(code.code());
        self.text(message.as_deref());
    }

    fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => {
                self.count(text.len());
                self.buffer.put_slice(text.as_bytes());
            }
            None => self.buffer.put_u8(0),
        }
    }

    fn count(&mut self, count: usize) {
        uvarint(&mut self.buffer, count as u32 + 1);
    }

    fn no_tags(&mut self) {
        self.buffer.put_u8(0);
    }
}
