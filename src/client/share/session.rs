//! A share session: what is fetched from one leader, and what it is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use super::{Place, ShareConfig, Verdict};
use crate::client::{ClientError, Connection};
use crate::protocol::StrBytes;
use crate::protocol::messages::share_acknowledge_request::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch as ToldBatch,
};
use crate::protocol::messages::share_fetch_request::{
    AcknowledgementBatch, FetchPartition, FetchTopic, ForgottenTopic,
};
use crate::protocol::messages::share_fetch_response::PartitionData;
use crate::protocol::messages::{GroupId, ShareAcknowledgeRequest, ShareFetchRequest};
use crate::types::{BrokerId, ErrorCode, Uuid};

/// A session begins with this epoch.
const FIRST_EPOCH: i32 = 0;
/// A session ends with this epoch.
const LAST_EPOCH: i32 = -1;

/// Offsets from the first to the last, and what became of them.
type Told = (i64, i64, Verdict);

/// What goes on with one leader.
#[derive(Default)]
pub(super) struct Session {
    epoch: i32,
    partitions: BTreeSet<Place>,
    told: BTreeMap<Place, Vec<Told>>,
}

/// Records that a leader gave.
pub(super) struct Given {
    pub broker: BrokerId,
    pub place: Place,
    pub records: Bytes,
    /// Offsets that were given and not handed over yet, with the number of their delivery.
    acquired: VecDeque<(i64, i64, i16)>,
}

/// What a leader answered.
pub(super) struct Answer {
    pub given: Vec<Given>,
    /// The metadata has turned out to be old.
    pub is_stale: bool,
}

/// Whether the session has to begin anew, and nothing else is wrong.
pub(super) fn is_over(error: &ClientError) -> bool {
    use ErrorCode::{InvalidShareSessionEpoch, ShareSessionLimitReached, ShareSessionNotFound};
    let codes = [ShareSessionNotFound, InvalidShareSessionEpoch, ShareSessionLimitReached];
    error.code().is_some_and(|code| codes.contains(&code))
}

impl Session {
    /// Notes what became of records.
    pub(super) fn judge(&mut self, place: Place, (first, last): (i64, i64), verdict: Verdict) {
        let told = self.told.entry(place).or_default();
        match told.last_mut() {
            Some((_, end, before)) if *before == verdict && *end + 1 == first => *end = last,
            _ => told.push((first, last, verdict)),
        }
    }

    /// Asks for records of these partitions, and tells what became of those before.
    pub(super) fn ask(
        &mut self,
        connection: &mut Connection,
        config: &ShareConfig,
        member_id: &str,
        places: &BTreeSet<Place>,
        until: Instant,
    ) -> Result<(), ClientError> {
        let mut told = std::mem::take(&mut self.told);
        let mut topics: BTreeMap<Uuid, Vec<FetchPartition>> = BTreeMap::new();
        for place in places {
            let batches = told.remove(place);
            if batches.is_some() || !self.partitions.contains(place) {
                let batch = |(first, last, verdict): Told| {
                    AcknowledgementBatch::default()
                        .with_first_offset(first)
                        .with_last_offset(last)
                        .with_acknowledge_types(vec![verdict as i8])
                };
                let partition = FetchPartition::default()
                    .with_partition_index(place.1)
                    .with_acknowledgement_batches(batches.into_iter().flatten().map(batch).collect());
                topics.entry(place.0).or_default().push(partition);
            }
        }
        let mut forgotten: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in self.partitions.difference(places) {
            forgotten.entry(*topic).or_default().push(*partition);
        }
        let topic = |(id, partitions): (Uuid, Vec<FetchPartition>)| {
            FetchTopic::default().with_topic_id(id.into()).with_partitions(partitions)
        };
        let forget = |(id, partitions): (Uuid, Vec<i32>)| {
            ForgottenTopic::default().with_topic_id(id.into()).with_partitions(partitions)
        };
        let request = ShareFetchRequest::default()
            .with_group_id(Some(GroupId(StrBytes::from_string(config.group.clone()))))
            .with_member_id(Some(StrBytes::from_string(member_id.to_owned())))
            .with_share_session_epoch(self.epoch)
            .with_max_wait_ms(i32::try_from(config.fetch_max_wait.as_millis()).unwrap_or(i32::MAX))
            .with_min_bytes(config.fetch_min_bytes)
            .with_max_bytes(config.fetch_max_bytes)
            .with_max_records(config.max_poll_records)
            .with_batch_size(config.max_poll_records)
            .with_topics(topics.into_iter().map(topic).collect())
            .with_forgotten_topics_data(forgotten.into_iter().map(forget).collect());
        let version = connection.version::<ShareFetchRequest>()?;
        connection.send(version, &request, until)
    }

    /// Takes in the answer to what was asked last.
    pub(super) fn answer(
        &mut self,
        broker: BrokerId,
        connection: &mut Connection,
        places: BTreeSet<Place>,
        until: Instant,
    ) -> Result<Answer, ClientError> {
        if connection.in_flight() == 0 {
            return Ok(Answer { given: Vec::new(), is_stale: true });
        }
        let response = connection.receive::<ShareFetchRequest>(until)?;
        ClientError::from_wire(response.error_code, response.error_message.as_deref())?;
        self.epoch = self.epoch.checked_add(1).unwrap_or(FIRST_EPOCH + 1);
        self.partitions = places;
        let mut answer = Answer { given: Vec::new(), is_stale: false };
        for topic in response.responses {
            let id = Uuid::from(topic.topic_id);
            for data in topic.partitions {
                match ClientError::from_wire(data.error_code, data.error_message.as_deref()) {
                    Ok(()) => answer.given.extend(Given::new(broker, (id, data.partition_index), data)),
                    Err(error) if error.is_retriable() => answer.is_stale = true,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(answer)
    }

    /// Tells what is left to tell; the leader gives the rest to others.
    pub(super) fn end(
        self,
        connection: &mut Connection,
        config: &ShareConfig,
        member_id: &str,
        until: Instant,
    ) -> Result<(), ClientError> {
        if self.epoch == FIRST_EPOCH {
            return Ok(());
        }
        let mut topics: BTreeMap<Uuid, Vec<AcknowledgePartition>> = BTreeMap::new();
        for ((id, index), told) in self.told {
            let batch = |(first, last, verdict): Told| {
                ToldBatch::default()
                    .with_first_offset(first)
                    .with_last_offset(last)
                    .with_acknowledge_types(vec![verdict as i8])
            };
            let partition = AcknowledgePartition::default()
                .with_partition_index(index)
                .with_acknowledgement_batches(told.into_iter().map(batch).collect());
            topics.entry(id).or_default().push(partition);
        }
        let topic = |(id, partitions): (Uuid, Vec<AcknowledgePartition>)| {
            AcknowledgeTopic::default().with_topic_id(id.into()).with_partitions(partitions)
        };
        let request = ShareAcknowledgeRequest::default()
            .with_group_id(Some(GroupId(StrBytes::from_string(config.group.clone()))))
            .with_member_id(Some(StrBytes::from_string(member_id.to_owned())))
            .with_share_session_epoch(LAST_EPOCH)
            .with_topics(topics.into_iter().map(topic).collect());
        let version = connection.version::<ShareAcknowledgeRequest>()?;
        connection.call(version, &request, until).map(drop)
    }
}

impl Given {
    fn new(broker: BrokerId, place: Place, data: PartitionData) -> Option<Given> {
        let acquired = data.acquired_records.iter();
        let acquired: VecDeque<(i64, i64, i16)> =
            acquired.map(|range| (range.first_offset, range.last_offset, range.delivery_count)).collect();
        let records = data.records.unwrap_or_default();
        (!acquired.is_empty()).then_some(Given { broker, place, records, acquired })
    }

    pub(super) fn is_done(&self) -> bool {
        self.acquired.is_empty()
    }

    /// The first offset that is left.
    pub(super) fn next(&self) -> i64 {
        self.acquired.front().map_or(i64::MAX, |(first, ..)| *first)
    }

    /// Takes an offset out, with those before it, at which there is nothing; `None` if it was not given.
    pub(super) fn take(&mut self, offset: i64) -> Option<(Vec<(i64, i64)>, i16)> {
        let mut gaps = Vec::new();
        while let Some((first, last, _)) = self.acquired.front().copied().filter(|(_, last, _)| *last < offset) {
            gaps.push((first, last));
            self.acquired.pop_front();
        }
        let (first, last, delivery) = self.acquired.front().copied().filter(|(first, ..)| *first <= offset)?;
        if first < offset {
            gaps.push((first, offset - 1));
        }
        match offset < last {
            true => self.acquired[0].0 = offset + 1,
            false => drop(self.acquired.pop_front()),
        }
        Some((gaps, delivery))
    }

    /// Takes out everything that is left.
    pub(super) fn rest(&mut self) -> Vec<(i64, i64)> {
        self.acquired.drain(..).map(|(first, last, _)| (first, last)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_without_a_record_are_gaps() {
        let acquired = VecDeque::from([(3, 5, 1), (9, 9, 2), (11, 14, 1)]);
        let place = (Uuid::ZERO, 0);
        let mut given = Given { broker: BrokerId(1), place, records: Bytes::new(), acquired };
        assert_eq!(given.take(2), None);
        assert_eq!(given.take(4), Some((vec![(3, 3)], 1)));
        assert_eq!(given.next(), 5);
        assert_eq!(given.take(12), Some((vec![(5, 5), (9, 9), (11, 11)], 1)));
        assert_eq!(given.rest(), [(13, 14)]);
        assert!(given.is_done());
    }

    #[test]
    fn what_follows_is_told_together() {
        let mut session = Session::default();
        let place = (Uuid::ZERO, 0);
        for offset in [1, 2, 4] {
            session.judge(place, (offset, offset), Verdict::Accept);
        }
        session.judge(place, (5, 7), Verdict::Gap);
        let expected = [(1, 2, Verdict::Accept), (4, 4, Verdict::Accept), (5, 7, Verdict::Gap)];
        assert_eq!(session.told[&place], expected);
    }
}
