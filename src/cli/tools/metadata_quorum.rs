//! `kafka-metadata-quorum.sh`: the state of the quorum, and controllers that join or leave it.

mod change;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::cluster::{open, thrown};
use super::{Flag, Output, Stop, Subcommand, Tool, admin, subcommands, table};
use crate::client::{Client, ClientError, Target};
use crate::protocol::messages::describe_quorum_request::{PartitionData as AskedPartition, TopicData};
use crate::protocol::messages::describe_quorum_response::{Node, PartitionData, ReplicaState};
use crate::protocol::messages::{DescribeQuorumRequest, TopicName};
use crate::types::{ErrorCode, METADATA_TOPIC, Uuid};

pub static TOOL: Tool = Tool {
    name: "metadata-quorum",
    about: "Describe the metadata quorum, or change its voters",
    flags: &[
        Flag::value("command-config", "file", "Properties of the client; those of the controller for add-controller"),
        Flag::value("bootstrap-server", "host:port,…", "The brokers to begin with").either(),
        Flag::value("bootstrap-controller", "host:port,…", "The controllers to begin with").either(),
    ],
    subcommands: &[
        Subcommand {
            name: "describe",
            about: "Describe the quorum",
            flags: &[
                Flag::switch("status", "Describe it as a whole"),
                Flag::switch("replication", "Describe each of its replicas"),
                Flag::switch("human-readable", "Tell times as ages"),
            ],
        },
        Subcommand {
            name: "add-controller",
            about: "Add a controller to the voters",
            flags: &[Flag::switch("dry-run", "Say what would be done and do nothing")],
        },
        Subcommand {
            name: "remove-controller",
            about: "Remove a controller from the voters",
            flags: &[
                Flag::value("controller-id", "id", "The controller").short("i").required(),
                Flag::value("controller-directory-id", "id", "Its metadata directory").short("d").required(),
                Flag::switch("dry-run", "Say what would be done and do nothing"),
            ],
        },
    ],
    run,
};

fn run(tool: &'static Tool, words: Vec<String>, output: &mut Output) -> Result<(), Stop> {
    let parsed = subcommands::parse(tool, &words, Stop::Done, output)?;
    let controller = subcommands::number(tool, &parsed, "controller-id")?;
    let file = parsed.value("command-config");
    if let Some(missing) = file.filter(|file| !Path::new(file).exists()) {
        return Err(Stop::Message(format!("Properties file {missing} does not exists!")));
    }
    let mut client = open(&parsed, file)?;
    match parsed.command {
        "add-controller" if file.is_none() => Err(Stop::Message(
            "You must supply the configuration file of the controller you are adding when using add-controller."
                .to_owned(),
        )),
        "add-controller" => {
            let properties = admin::properties(file)?;
            change::add(&mut client, &properties, parsed.has("dry-run"), output)
        }
        "remove-controller" => {
            let directory = parsed.value("controller-directory-id").unwrap_or_default();
            change::remove(&mut client, controller.unwrap_or_default(), directory, parsed.has("dry-run"), output)
        }
        _ => {
            let (status, replication) = (parsed.has("status"), parsed.has("replication"));
            let human = parsed.has("human-readable");
            match (status, replication) {
                (true, true) => {
                    Err(message("Only one of --status or --replication should be specified with describe sub-command"))
                }
                (false, true) => replicas(&mut client, human, output),
                (true, false) if human => {
                    Err(message("The option --human-readable is only supported along with --replication"))
                }
                (true, false) => summary(&mut client, output),
                (false, false) => {
                    Err(message("One of --status or --replication must be specified with describe sub-command"))
                }
            }
        }
    }
}

fn message(text: &str) -> Stop {
    Stop::Message(text.to_owned())
}

/// The quorum's partition and, where the cluster tells them, the nodes' listeners.
fn quorum(client: &mut Client) -> Result<(PartitionData, Vec<Node>), ClientError> {
    let partition = AskedPartition::default().with_partition_index(0);
    let topic =
        TopicData::default().with_topic_name(TopicName(admin::text(METADATA_TOPIC))).with_partitions(vec![partition]);
    let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
    let fault = |answer: &crate::protocol::messages::DescribeQuorumResponse| answer.error_code;
    let target = match client.config.bootstrap {
        crate::client::Bootstrap::Servers(_) => Target::Any,
        crate::client::Bootstrap::Controllers(_) => Target::Controller,
    };
    let mut answer = client.call(target, "describeMetadataQuorum", &request, fault)?;
    ClientError::from_wire(answer.error_code, answer.error_message.as_deref())?;
    let partition = answer.topics.pop().and_then(|mut topic| topic.partitions.pop());
    let partition = partition.ok_or_else(|| ClientError::of(ErrorCode::UnknownServerError))?;
    ClientError::from_wire(partition.error_code, partition.error_message.as_deref())?;
    Ok((partition, answer.nodes))
}

fn leader(quorum: &PartitionData) -> Result<&ReplicaState, Stop> {
    let leader = quorum.current_voters.iter().find(|voter| voter.replica_id == quorum.leader_id);
    leader.ok_or_else(|| message("No value present"))
}

fn summary(client: &mut Client, output: &mut Output) -> Result<(), Stop> {
    client.refresh("listNodes").map_err(thrown)?;
    let cluster_id = client.cluster_id().unwrap_or("null").to_owned();
    let (quorum, nodes) = quorum(client).map_err(thrown)?;
    let leader = leader(&quorum)?;
    let slowest = quorum.current_voters.iter().min_by_key(|voter| voter.log_end_offset).unwrap_or(leader);
    let lag_ms = match (leader.last_caught_up_timestamp, slowest.last_caught_up_timestamp) {
        _ if slowest.replica_id == leader.replica_id => 0,
        (leader, slowest) if leader >= 0 && slowest >= 0 => leader - slowest,
        _ => -1,
    };
    let list = |replicas: &[ReplicaState]| {
        let texts: Vec<String> = replicas.iter().map(|replica| replica_text(replica, &nodes)).collect();
        format!("[{}]", texts.join(", "))
    };
    output.line(format!("ClusterId:              {cluster_id}"));
    output.line(format!("LeaderId:               {}", quorum.leader_id.0));
    output.line(format!("LeaderEpoch:            {}", quorum.leader_epoch));
    output.line(format!("HighWatermark:          {}", quorum.high_watermark));
    output.line(format!("MaxFollowerLag:         {}", leader.log_end_offset - slowest.log_end_offset));
    output.line(format!("MaxFollowerLagTimeMs:   {lag_ms}"));
    output.line(format!("CurrentVoters:          {}", list(&quorum.current_voters)));
    output.line(format!("CurrentObservers:       {}", list(&quorum.observers)));
    Ok(())
}

fn replica_text(replica: &ReplicaState, nodes: &[Node]) -> String {
    let mut text = format!("{{\"id\": {}", replica.replica_id.0);
    let directory = Uuid::from(replica.replica_directory_id);
    if directory != Uuid::ZERO {
        text.push_str(&format!(", \"directoryId\": \"{directory}\""));
    }
    let node = nodes.iter().find(|node| node.node_id == replica.replica_id);
    let endpoints: Vec<String> = node
        .into_iter()
        .flat_map(|node| &node.listeners)
        .map(|listener| {
            let name = listener.name.as_str();
            format!("\"{}\"", change::endpoint_text(name, &listener.host, listener.port))
        })
        .collect();
    if !endpoints.is_empty() {
        text.push_str(&format!(", \"endpoints\": [{}]", endpoints.join(", ")));
    }
    text.push('}');
    text
}

fn replicas(client: &mut Client, human: bool, output: &mut Output) -> Result<(), Stop> {
    let (quorum, _) = quorum(client).map_err(thrown)?;
    let leader = leader(&quorum)?;
    let followers = quorum.current_voters.iter().filter(|voter| voter.replica_id != quorum.leader_id);
    let all = std::iter::once((leader, "Leader"))
        .chain(followers.map(|voter| (voter, "Follower")))
        .chain(quorum.observers.iter().map(|observer| (observer, "Observer")));
    let header =
        ["NodeId", "DirectoryId", "LogEndOffset", "Lag", "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status"];
    let mut rows = Vec::new();
    for (replica, status) in all {
        rows.push([
            replica.replica_id.0.to_string(),
            Uuid::from(replica.replica_directory_id).to_string(),
            replica.log_end_offset.to_string(),
            (leader.log_end_offset - replica.log_end_offset).to_string(),
            time_text(replica.last_fetch_timestamp, "last fetch", human)?,
            time_text(replica.last_caught_up_timestamp, "last caught up", human)?,
            status.to_owned(),
        ]);
    }
    table::print(header, &rows, output);
    Ok(())
}

fn time_text(at: i64, what: &str, human: bool) -> Result<String, Stop> {
    if at < 0 || !human {
        return Ok(at.max(-1).to_string());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    match at > 0 && at <= now {
        true => Ok(format!("{} ms ago", now - at)),
        false => Err(Stop::Message(format!(
            "Error while computing relative time, possible drift in system clock.\nCurrent timestamp is {now}, {what} \
             timestamp is {at}"
        ))),
    }
}
