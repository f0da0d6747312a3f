//! Where the group goes on: at the beginnings of its input, or where the arguments say; behind all of what is
//! intermediate.

use std::collections::BTreeMap;

use super::super::consumer_groups::{ago, committed, in_map_order, parse_date_time};
use super::super::group_command::{Failed, Session};
use super::super::hash_order;
use super::super::leaders::{list_offsets_of, timestamp};
use super::topics::{Named, partitions, shown};
use super::{commit, number, only, plan, thrown};
use crate::client::consumer::{ConsumerConfig, Reset};
use crate::types::TopicPartition;

/// Offsets by partition.
pub(super) type Offsets = BTreeMap<TopicPartition, i64>;

/// Moves the group in all topics that the arguments name, and tells where to. The answer is whether all are there.
pub(super) fn move_all(
    session: &mut Session<'_>,
    group: &str,
    all: &[String],
    properties: BTreeMap<String, String>,
) -> Result<bool, Failed> {
    let named = Named::of(session);
    if named.is_empty() {
        session.output.line("No input or intermediate topics specified. Skipping seek.");
        return Ok(true);
    }
    if !named.input.is_empty() {
        session.output.line(format!("Reset-offsets for input topics {}", shown(&named.input)));
    }
    if !named.intermediate.is_empty() {
        session.output.line(format!("Seek-to-end for intermediate topics {}", shown(&named.intermediate)));
    }
    let all_found = named.tell_missing(session, all);
    let topics = named.found(all);
    if topics.is_empty() {
        return Ok(all_found);
    }
    let reader = Reader::new(properties, group)?;
    let partitions = partitions(session, &topics)?;
    let is_input = |partition: &TopicPartition| named.input.contains(&&*partition.topic);
    let (mut input, mut intermediate): (Vec<_>, Vec<_>) = partitions.into_iter().partition(is_input);
    in_map_order(&mut input);
    in_map_order(&mut intermediate);
    let mut offsets = reader.move_input(session, &input)?;
    if !intermediate.is_empty() {
        let what = "Following intermediate topics offsets will be reset to end";
        session.output.line(format!("{what} (for consumer group {group})"));
        for partition in &intermediate {
            session.output.line(format!("Topic: {}", partition.topic));
        }
    }
    if !session.arguments.has("dry-run") {
        offsets.extend(reader.offsets_at(session, &intermediate, timestamp::LATEST)?);
        commit::commit(&mut session.client, group, &offsets)?;
    }
    session.output.line("Done.");
    Ok(all_found)
}

/// How the consumer of the arguments' properties finds offsets.
struct Reader<'a> {
    group: &'a str,
    config: ConsumerConfig,
}

impl<'a> Reader<'a> {
    fn new(mut properties: BTreeMap<String, String>, group: &'a str) -> Result<Reader<'a>, Failed> {
        // Partitions that are assigned by hand are the same under each protocol.
        properties.remove("group.protocol");
        Ok(Reader { group, config: ConsumerConfig::new(&properties)? })
    }

    fn move_input(&self, session: &mut Session<'_>, input: &[TopicPartition]) -> Result<Offsets, Failed> {
        if input.is_empty() {
            return Ok(Offsets::new());
        }
        let what = "Following input topics offsets will be reset to";
        session.output.line(format!("{what} (for consumer group {})", self.group));
        let offsets = self.new_offsets(session, input)?;
        for partition in input {
            let TopicPartition { topic, partition: id } = partition;
            let offset = offsets.get(partition).copied().unwrap_or_default();
            session.output.line(format!("Topic: {topic} Partition: {id} Offset: {offset}"));
        }
        Ok(offsets)
    }

    /// The offsets that the arguments' scenario means.
    fn new_offsets(&self, session: &mut Session<'_>, input: &[TopicPartition]) -> Result<Offsets, Failed> {
        let arguments = session.arguments;
        if let Some(offset) = number(arguments, "to-offset")? {
            let wanted = input.iter().map(|partition| (partition.clone(), offset)).collect();
            return self.within_logs(session, input, wanted);
        }
        if arguments.has("to-latest") {
            return self.offsets_at(session, input, timestamp::LATEST);
        }
        if let Some(by) = number(arguments, "shift-by")? {
            let current = self.positions(session, input)?;
            let wanted = input.iter().map(|partition| (partition.clone(), current[partition].wrapping_add(by)));
            return self.within_logs(session, input, wanted.collect());
        }
        if let Some(text) = only(arguments, "to-datetime")? {
            let at = parse_date_time(text).map_err(not_reset)?;
            return self.at_time(session, input, at);
        }
        if let Some(text) = only(arguments, "by-duration")? {
            let at = ago(text).map_err(|message| thrown("java.time.format.DateTimeParseException", message))?;
            return self.at_time(session, input, at);
        }
        if let Some(file) = only(arguments, "from-file")? {
            let planned = plan::read(file)?;
            if let Some(missing) = input.iter().find(|partition| !planned.iter().any(|(named, _)| named == *partition))
            {
                return Err(Failed::Told(format!("the reset plan {file} has no offset for partition {missing}")));
            }
            return self.within_logs(session, input, planned);
        }
        self.offsets_at(session, input, timestamp::EARLIEST)
    }

    /// The first offsets at a time; where there is none, the end.
    fn at_time(&self, session: &mut Session<'_>, input: &[TopicPartition], at: i64) -> Result<Offsets, Failed> {
        if at < 0 {
            let mut first = input.to_vec();
            hash_order::sort(&mut first, Some(input.len()), hash);
            let named = first.first().map(TopicPartition::to_string).unwrap_or_default();
            let message = format!("The target time for partition {named} is {at}. The target time cannot be negative.");
            return Err(thrown("java.lang.IllegalArgumentException", message));
        }
        let mut offsets = self.offsets_at(session, input, at)?;
        let late: Vec<TopicPartition> =
            input.iter().filter(|partition| offsets.get(partition) == Some(&-1)).cloned().collect();
        for TopicPartition { topic, partition } in &late {
            session.output.line(format!(
                "Partition {partition} from topic {topic} is empty, without a committed record. Falling back to latest \
                 known offset."
            ));
        }
        offsets.extend(self.offsets_at(session, &late, timestamp::LATEST)?);
        Ok(offsets)
    }

    /// Where the group stands; where it stands nowhere, what `auto.offset.reset` says.
    fn positions(&self, session: &mut Session<'_>, input: &[TopicPartition]) -> Result<Offsets, Failed> {
        let standing = committed(&mut session.client, self.group)?;
        let (mut offsets, mut strangers) = (Offsets::new(), Vec::new());
        for partition in input {
            match standing.get(partition) {
                Some(found) => drop(offsets.insert(partition.clone(), found.offset)),
                None => strangers.push(partition.clone()),
            }
        }
        let at = match (self.config.reset, &strangers[..]) {
            (_, []) => return Ok(offsets),
            (Reset::Earliest, _) => timestamp::EARLIEST,
            (Reset::Latest, _) => timestamp::LATEST,
            (Reset::None, strangers) => {
                let names: Vec<String> = strangers.iter().map(TopicPartition::to_string).collect();
                let class = "org.apache.kafka.clients.consumer.NoOffsetForPartitionException";
                let message = "Undefined offset with no reset policy for partitions";
                return Err(thrown(class, format!("{message}: [{}]", names.join(", "))));
            }
        };
        offsets.extend(self.offsets_at(session, &strangers, at)?);
        Ok(offsets)
    }

    /// Moves offsets that lie outside of their logs to the nearer end, and tells of it. `wanted` comes in the order of
    /// its making, and may have partitions beside the input only by mistake.
    fn within_logs(
        &self,
        session: &mut Session<'_>,
        input: &[TopicPartition],
        mut wanted: Vec<(TopicPartition, i64)>,
    ) -> Result<Offsets, Failed> {
        let ends = self.offsets_at(session, input, timestamp::LATEST)?;
        let starts = self.offsets_at(session, input, timestamp::EARLIEST)?;
        let capacity = (!session.arguments.has("from-file")).then_some(wanted.len());
        hash_order::sort(&mut wanted, capacity, |(partition, _)| hash(partition));
        let mut offsets = Offsets::new();
        for (partition, offset) in wanted {
            let (Some(start), Some(end)) = (starts.get(&partition).copied(), ends.get(&partition).copied()) else {
                return Err(Failed::Told(format!(
                    "the reset plan has partition {partition}, which is not among the input"
                )));
            };
            let within = if offset >= end {
                session
                    .output
                    .line(format!("New offset ({offset}) is higher than latest offset. Value will be set to {end}"));
                end
            } else if offset <= start {
                session
                    .output
                    .line(format!("New offset ({offset}) is lower than earliest offset. Value will be set to {start}"));
                start
            } else {
                offset
            };
            offsets.insert(partition, within);
        }
        Ok(offsets)
    }

    fn offsets_at(&self, session: &mut Session<'_>, of: &[TopicPartition], at: i64) -> Result<Offsets, Failed> {
        let timeout = session.client.config.api_timeout;
        let outcomes = list_offsets_of(&mut session.client, of, at, self.config.read_committed, timeout);
        outcomes.into_iter().map(|(partition, outcome)| Ok((partition, outcome?))).collect()
    }
}

fn hash(partition: &TopicPartition) -> i32 {
    hash_order::of_partition(&partition.topic, partition.partition)
}

/// What cannot be read is told ahead of its reason.
pub(super) fn not_reset(reason: String) -> Failed {
    eprintln!("ERROR: Resetting offsets failed.");
    Failed::Told(reason)
}
