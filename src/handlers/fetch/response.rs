//! The Fetch response, versions 4 to 18, written so that record bytes stay in their files.
//!
//! Everything but the records is written into buffers; between them stand file ranges, which the connection sends
//! without copying. An empty answer carries empty records, never null: librdkafka takes null for a broken set.

use bytes::{BufMut, BytesMut};

use crate::network::ReplySegment;
use crate::types::{BrokerId, ErrorCode, FileRange, LeaderEpoch, Offset, ProducerId, TopicId};

/// The answer for one partition.
#[derive(Clone, Debug)]
pub struct FetchedPartition {
    pub partition: i32,
    pub error: ErrorCode,
    pub high_watermark: Offset,
    pub last_stable_offset: Offset,
    pub log_start_offset: Offset,
    /// Where the fetcher's log left the leader's (KIP-595): the largest common epoch and its end.
    pub diverging_epoch: Option<(LeaderEpoch, Offset)>,
    /// Who leads, for a fetcher that asked the wrong node (KIP-951).
    pub current_leader: Option<(BrokerId, LeaderEpoch)>,
    /// The aborted transactions in the range; null when reading uncommitted.
    pub aborted_transactions: Option<Vec<(ProducerId, Offset)>>,
    pub preferred_read_replica: BrokerId,
    pub records: Option<FileRange>,
    /// Bytes that could be fetched, were there no limit but that of the partition.
    pub available: usize,
    /// Whether the partition holds more that only another fetch can have, from a later segment.
    pub continues: bool,
    /// The base offset of the first batch where the records have to come from the disk.
    pub unchecked: Option<Offset>,
}

impl FetchedPartition {
    /// An answer that says only why there is none.
    pub fn failed(partition: i32, error: ErrorCode) -> FetchedPartition {
        FetchedPartition {
            partition,
            error,
            high_watermark: Offset::NONE,
            last_stable_offset: Offset::NONE,
            log_start_offset: Offset::NONE,
            diverging_epoch: None,
            current_leader: None,
            aborted_transactions: None,
            preferred_read_replica: BrokerId::NONE,
            records: None,
            available: 0,
            continues: false,
            unchecked: None,
        }
    }

    /// Bytes of records in the answer.
    pub fn records_len(&self) -> usize {
        self.records.as_ref().map_or(0, |range| range.len)
    }
}

/// The topic of an answer, by name below version 13, by id from there.
#[derive(Clone, Debug)]
pub struct FetchedTopic {
    pub name: std::sync::Arc<str>,
    pub topic_id: TopicId,
    pub partitions: Vec<FetchedPartition>,
}

/// A node that a client may need to reach, with the address it should use.
#[derive(Clone, Debug)]
pub struct NodeEndpoint {
    pub id: BrokerId,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
}

/// A whole Fetch answer.
#[derive(Clone, Debug, Default)]
pub struct FetchAnswer {
    pub throttle_time_ms: i32,
    pub error: Option<ErrorCode>,
    pub session_id: i32,
    pub topics: Vec<FetchedTopic>,
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl FetchAnswer {
    /// The frame of the answer, its 4-byte length included, as segments to be sent in order.
    pub fn into_segments(self, version: i16, correlation_id: i32) -> Vec<ReplySegment> {
        let mut writer = Writer { version, flexible: version >= 12, buffer: BytesMut::with_capacity(512), segments: Vec::new() };
        writer.buffer.put_i32(0);
        writer.buffer.put_i32(correlation_id);
        writer.tags_none();
        writer.answer(self);
        writer.finish()
    }
}

struct Writer {
    version: i16,
    flexible: bool,
    buffer: BytesMut,
    segments: Vec<ReplySegment>,
}

impl Writer {
    fn answer(&mut self, answer: FetchAnswer) {
        self.buffer.put_i32(answer.throttle_time_ms);
        if self.version >= 7 {
            self.buffer.put_i16(answer.error.map_or(0, ErrorCode::code));
            self.buffer.put_i32(answer.session_id);
        }
        self.count(answer.topics.len());
        for topic in answer.topics {
            if self.version >= 13 {
                self.buffer.put_slice(&topic.topic_id.0);
            } else {
                self.string(&topic.name);
            }
            self.count(topic.partitions.len());
            for partition in topic.partitions {
                self.partition(partition);
            }
            self.tags_none();
        }
        if self.version >= 16 && !answer.node_endpoints.is_empty() {
            self.node_endpoints(&answer.node_endpoints);
        } else {
            self.tags_none();
        }
    }

    fn partition(&mut self, partition: FetchedPartition) {
        self.buffer.put_i32(partition.partition);
        self.buffer.put_i16(partition.error.code());
        self.buffer.put_i64(partition.high_watermark.0);
        self.buffer.put_i64(partition.last_stable_offset.0);
        if self.version >= 5 {
            self.buffer.put_i64(partition.log_start_offset.0);
        }
        match &partition.aborted_transactions {
            None => self.null_count(),
            Some(aborted) => {
                self.count(aborted.len());
                for (producer_id, first_offset) in aborted {
                    self.buffer.put_i64(producer_id.0);
                    self.buffer.put_i64(first_offset.0);
                    self.tags_none();
                }
            }
        }
        if self.version >= 11 {
            self.buffer.put_i32(partition.preferred_read_replica.0);
        }
        self.count(partition.records_len());
        if let Some(range) = partition.records {
            let before = self.buffer.split().freeze();
            self.segments.push(ReplySegment::Bytes(before));
            self.segments.push(ReplySegment::File(range));
        }
        if self.flexible {
            self.partition_tags(partition.diverging_epoch, partition.current_leader);
        }
    }

    fn partition_tags(
        &mut self,
        diverging_epoch: Option<(LeaderEpoch, Offset)>,
        current_leader: Option<(BrokerId, LeaderEpoch)>,
    ) {
        uvarint(&mut self.buffer, u32::from(diverging_epoch.is_some()) + u32::from(current_leader.is_some()));
        if let Some((epoch, end_offset)) = diverging_epoch {
            self.buffer.put_slice(&[0, 13]);
            self.buffer.put_i32(epoch.0);
            self.buffer.put_i64(end_offset.0);
            self.buffer.put_u8(0);
        }
        if let Some((leader, epoch)) = current_leader {
            self.buffer.put_slice(&[1, 9]);
            self.buffer.put_i32(leader.0);
            self.buffer.put_i32(epoch.0);
            self.buffer.put_u8(0);
        }
    }

    fn node_endpoints(&mut self, endpoints: &[NodeEndpoint]) {
        let mut field = Writer { version: self.version, flexible: true, buffer: BytesMut::new(), segments: Vec::new() };
        field.count(endpoints.len());
        for endpoint in endpoints {
            field.buffer.put_i32(endpoint.id.0);
            field.string(&endpoint.host);
            field.buffer.put_i32(endpoint.port);
            match &endpoint.rack {
                Some(rack) => field.string(rack),
                None => field.buffer.put_u8(0),
            }
            field.tags_none();
        }
        self.buffer.put_slice(&[1, 0]);
        uvarint(&mut self.buffer, field.buffer.len() as u32);
        self.buffer.put_slice(&field.buffer);
    }

    fn finish(mut self) -> Vec<ReplySegment> {
        self.segments.push(ReplySegment::Bytes(self.buffer.freeze()));
        seal(self.segments)
    }

    fn count(&mut self, count: usize) {
        if self.flexible {
            uvarint(&mut self.buffer, count as u32 + 1);
        } else {
            self.buffer.put_i32(count as i32);
        }
    }


    fn null_count(&mut self) {
        if self.flexible {
            self.buffer.put_u8(0);
        } else {
            self.buffer.put_i32(-1);
        }
    }

    fn string(&mut self, text: &str) {
        if self.flexible {
            uvarint(&mut self.buffer, text.len() as u32 + 1);
        } else {
            self.buffer.put_i16(text.len() as i16);
        }
        self.buffer.put_slice(text.as_bytes());
    }

    fn tags_none(&mut self) {
        if self.flexible {
            self.buffer.put_u8(0);
        }
    }
}

/// Writes the length of a frame into its first four bytes.
pub fn seal(mut segments: Vec<ReplySegment>) -> Vec<ReplySegment> {
    let total: usize = segments.iter().map(ReplySegment::len).sum();
    let Some(ReplySegment::Bytes(first)) = segments.first_mut() else {
        unreachable!("the frame begins with its length");
    };
    let mut head = BytesMut::from(std::mem::take(first));
    head[..4].copy_from_slice(&((total - 4) as u32).to_be_bytes());
    *first = head.freeze();
    segments
}

/// Appends an unsigned varint.
pub fn uvarint(buffer: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        buffer.put_u8((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    buffer.put_u8(value as u8);
}
