//! Produce (0), versions 3 to 13: topics by name below 13, by id from there (KIP-516).

use std::collections::HashMap;
use std::sync::Arc;

use super::verification::{self, TxnQuestion, TxnSupport, Verified};
use super::{Answer, Call};
use crate::coordinator::transaction::Producer;
use crate::metadata::{MetadataImage, TopicImage};
use crate::protocol::StrBytes;
use crate::protocol::batch::BatchHeader;
use crate::protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, PartitionProduceResponse, TopicProduceResponse,
};
use crate::protocol::messages::{ProduceRequest, ProduceResponse, ResponseKind, TopicName};
use crate::log::LogAppendInfo;
use crate::log::append::check_produce_request;
use crate::log::producer_state::VerificationGuard;
use crate::replication::{Partition, ProduceError, ProduceRecords};
use crate::types::{ErrorCode, Millis, Offset, TopicId, TopicPartition, is_internal_topic};

const ACKS_ALL: i16 = -1;
const ACKS_LEADER: i16 = 1;
/// The first version that names topics by id.
const FIRST_VERSION_WITH_IDS: i16 = 13;
/// The first versions whose clients know TRANSACTION_ABORTABLE, and leave it to the broker to add partitions to a
/// transaction (KIP-890).
const FIRST_VERSION_WITH_ABORTABLE: i16 = 11;
const FIRST_VERSION_THAT_ADDS: i16 = 12;

pub(super) async fn handle(call: &Call<'_>, request: ProduceRequest) -> Answer {
    let acks = request.acks;
    let image = call.node.image();
    let (refused, verified) = match whole_request_error(&request) {
        Some(refused) => (Some(refused), Verified::new()),
        None => match verify(call, &image, &request).await {
            Ok(verified) => (None, verified),
            Err(refused) => (Some(refused), Verified::new()),
        },
    };
    let mut responses: Vec<TopicProduceResponse> = Vec::with_capacity(request.topic_data.len());
    let mut places: HashMap<(TopicName, uuid::Uuid), usize> = HashMap::new();
    let mut waits = Vec::new();
    for topic in request.topic_data {
        if topic.partition_data.is_empty() {
            continue;
        }
        let known = find_topic(call, &image, &topic);
        let (name, topic_id) = match call.version() >= FIRST_VERSION_WITH_IDS {
            true => (TopicName::default(), topic.topic_id),
            false => (topic.name, TopicId::ZERO.into()),
        };
        // A topic that is named twice is answered once.
        let place = *places.entry((name.clone(), topic_id)).or_insert(responses.len());
        if place == responses.len() {
            responses.push(TopicProduceResponse::default().with_name(name).with_topic_id(topic_id));
        }
        let response = &mut responses[place];
        for partition in topic.partition_data {
            let index = partition.index;
            let outcome = match &refused {
                Some((error, message)) => {
                    Err(ProduceError { message: message.clone(), ..ProduceError::from(*error) })
                }
                None => known
                    .map_err(ProduceError::from)
                    .and_then(|topic| Ok((topic, guard(call, &verified, topic, index)?)))
                    .and_then(|(topic, guard)| append(call, topic, partition, acks, guard)),
            };
            if let Ok((replica, appended)) = &outcome
                && (acks == ACKS_ALL || acks == ACKS_LEADER && replica.acks_after_sync())
            {
                let at = (place, response.partition_responses.len());
                waits.push(Wait { at, replica: replica.clone(), through: appended.last_offset.next() });
            }
            response.partition_responses.push(shape(call, index, outcome.map(|(_, appended)| appended)));
        }
    }
    await_acks(&mut responses, waits, acks, Millis(request.timeout_ms.into())).await;
    if acks == 0 {
        return silence_unless_failed(&responses);
    }
    let mut response = ProduceResponse::default();
    response.responses = responses;
    ResponseKind::Produce(response).into()
}

/// What refuses every partition of a request at once.
fn whole_request_error(request: &ProduceRequest) -> Option<(ErrorCode, Option<String>)> {
    for partition in request.topic_data.iter().flat_map(|topic| &topic.partition_data) {
        let records = partition.records.as_deref().unwrap_or_default();
        if let Some(fault) = first_batch_fault(records) {
            return Some((ErrorCode::CorruptMessage, Some(fault)));
        }
        if BatchHeader::parse(records).is_ok_and(|header| header.is_transactional()) {
            let error = ErrorCode::TransactionalIdAuthorizationFailed;
            return request.transactional_id.is_none().then_some((error, None));
        }
    }
    None
}

/// Has the coordinator know of every partition that would enter the transaction with this request.
async fn verify(
    call: &Call<'_>,
    image: &MetadataImage,
    request: &ProduceRequest,
) -> Result<Verified, (ErrorCode, Option<String>)> {
    let Some(id) = request.transactional_id.as_ref() else { return Ok(Verified::new()) };
    let mut producer = None;
    let mut asked = Vec::new();
    for topic in &request.topic_data {
        let Ok(known) = find_topic(call, image, topic) else { continue };
        for partition in &topic.partition_data {
            let records = partition.records.as_deref().unwrap_or_default();
            if check_produce_request(call.version(), records).is_err() {
                continue;
            }
            let Ok(header) = BatchHeader::parse(records) else { continue };
            if !(header.is_transactional() && header.has_producer_id()) {
                continue;
            }
            let of_batch = Producer { id: header.producer_id, epoch: header.producer_epoch };
            if *producer.get_or_insert(of_batch) != of_batch {
                let message = "Transactional records contained more than one producer ID";
                return Err((ErrorCode::InvalidProducerIdMapping, Some(message.to_owned())));
            }
            if let Ok(replica) = call.node.partitions.find(known.id, partition.index) {
                asked.push((replica, header.base_sequence));
            }
        }
    }
    let Some(producer) = producer else { return Ok(Verified::new()) };
    let support = TxnSupport::of(call.version(), FIRST_VERSION_WITH_ABORTABLE, FIRST_VERSION_THAT_ADDS);
    Ok(verification::verify(call.node, &TxnQuestion { id, producer, support }, &asked).await)
}

/// With what to append to a partition, or why its transaction's coordinator is against it, in words that producers of
/// this version know.
fn guard(
    call: &Call<'_>,
    verified: &Verified,
    topic: &TopicImage,
    index: i32,
) -> Result<Option<VerificationGuard>, ProduceError> {
    if verified.is_empty() {
        return Ok(None);
    }
    let error = match verified.get(&TopicPartition::new(topic.name.clone(), index)) {
        None => return Ok(None),
        Some(Ok(guard)) => return Ok(*guard),
        Some(Err(error)) => *error,
    };
    let (code, message) = match error {
        ErrorCode::InvalidTxnState => (error, Some("Partition was not added to the transaction".to_owned())),
        ErrorCode::ConcurrentTransactions if call.version() >= FIRST_VERSION_THAT_ADDS => (error, None),
        // Known to every producer as a reason to send again, and not to ask for metadata.
        ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::CoordinatorNotAvailable
        | ErrorCode::NotCoordinator
        | ErrorCode::ConcurrentTransactions => {
            let message = "Unable to verify the partition has been added to the transaction. Underlying error: ";
            (ErrorCode::NotEnoughReplicas, Some(format!("{message}{}", error.name())))
        }
        error => (error, None),
    };
    Err(ProduceError { message, ..ProduceError::from(code) })
}

/// What Kafka stumbles over when it looks whether a request is transactional: the first batch's size and format.
fn first_batch_fault(records: &[u8]) -> Option<String> {
    const OFFSET_BYTES: usize = 8;
    const OVERHEAD_MIN: i32 = 14;
    const MAGIC_AT: usize = 16;
    const MAGIC_MAX: i8 = 2;
    let size = i32::from_be_bytes(*records.get(OFFSET_BYTES..)?.first_chunk()?);
    if size < OVERHEAD_MIN {
        return Some(format!("Record size {size} is less than the minimum record overhead ({OVERHEAD_MIN})"));
    }
    let magic = records.get(MAGIC_AT)?.cast_signed();
    (!(0..=MAGIC_MAX).contains(&magic)).then(|| format!("Invalid magic found in record: {magic}"))
}

fn find_topic<'a>(
    call: &Call<'_>,
    image: &'a MetadataImage,
    topic: &TopicProduceData,
) -> Result<&'a Arc<TopicImage>, ErrorCode> {
    if call.version() >= FIRST_VERSION_WITH_IDS {
        let id = TopicId::from(topic.topic_id);
        image.topics.with_id(id).ok_or(ErrorCode::UnknownTopicId)
    } else {
        image.topics.named(&topic.name).ok_or(ErrorCode::UnknownTopicOrPartition)
    }
}

fn append(
    call: &Call<'_>,
    topic: &TopicImage,
    partition: PartitionProduceData,
    acks: i16,
    guard: Option<VerificationGuard>,
) -> Result<(Arc<Partition>, LogAppendInfo), ProduceError> {
    let replica = call.node.replica(topic, partition.index);
    if let Err(ErrorCode::UnknownTopicOrPartition) = replica {
        return Err(ErrorCode::UnknownTopicOrPartition.into());
    }
    let Some(records) = partition.records.filter(|records| !records.is_empty()) else {
        return Err(ErrorCode::InvalidRecord.into());
    };
    if let Err(error) = check_produce_request(call.version(), &records) {
        return Err(ProduceError { message: error.error_message(), ..ProduceError::from(error.error_code()) });
    }
    if !matches!(acks, ACKS_ALL | 0 | ACKS_LEADER) {
        return Err(ErrorCode::InvalidRequiredAcks.into());
    }
    if is_internal_topic(&topic.name) {
        return Err(ErrorCode::InvalidTopicException.into());
    }
    let produced = ProduceRecords {
        records,
        all_acks: acks == ACKS_ALL,
        version: call.version(),
        guard,
        now: call.node.clock.wall(),
    };
    let replica = replica?;
    let appended = replica.produce(produced)?;
    Ok((replica, appended))
}

fn shape(call: &Call<'_>, index: i32, outcome: Result<LogAppendInfo, ProduceError>) -> PartitionProduceResponse {
    let mut response = PartitionProduceResponse::default();
    response.index = index;
    match outcome {
        Ok(appended) => {
            response.base_offset = appended.first_offset.0;
            response.log_append_time_ms = appended.log_append_time.0;
            response.log_start_offset = appended.log_start_offset.0;
        }
        Err(error) => {
            response.error_code = error.code.code();
            response.base_offset = Offset::NONE.0;
            response.log_start_offset = error.log_start_offset.0;
            response.error_message = error.message.map(StrBytes::from_string);
            response.record_errors = error.record_errors.into_iter().map(record_error).collect();
            if let (Some((leader, epoch)), true) = (error.current_leader, call.version() >= 10) {
                let mut current = LeaderIdAndEpoch::default();
                current.leader_id = leader.0.into();
                current.leader_epoch = epoch.0;
                response.current_leader = current;
            }
        }
    }
    response
}

fn record_error((batch_index, message): (i32, String)) -> BatchIndexAndErrorMessage {
    let mut error = BatchIndexAndErrorMessage::default();
    error.batch_index = batch_index;
    error.batch_index_error_message = Some(StrBytes::from_string(message));
    error
}

/// An append that awaits its replicas, or its leader's disk: where its answer stands, and up to which offset it waits.
struct Wait {
    at: (usize, usize),
    replica: Arc<Partition>,
    through: Offset,
}

async fn await_acks(responses: &mut [TopicProduceResponse], waits: Vec<Wait>, acks: i16, timeout: Millis) {
    let deadline = tokio::time::Instant::now() + timeout.duration();
    for Wait { at: (topic, partition), replica, through } in waits {
        let outcome = match acks {
            ACKS_ALL => replica.committed(through, deadline).await,
            _ => replica.synced(through, deadline).await,
        };
        if let Err(error) = outcome {
            let response = &mut responses[topic].partition_responses[partition];
            response.error_code = error.code();
        }
    }
}

/// With acks=0 a producer learns of failure only by losing its connection.
fn silence_unless_failed(responses: &[TopicProduceResponse]) -> Answer {
    let mut partitions = responses.iter().flat_map(|topic| &topic.partition_responses);
    match partitions.find(|partition| partition.error_code != 0) {
        None => Answer::Silence,
        Some(partition) => {
            let error = ErrorCode::from_code(partition.error_code).unwrap_or(ErrorCode::UnknownServerError);
            Answer::Close(format!("a produce with acks=0 to partition {} failed: {error}", partition.index))
        }
    }
}
