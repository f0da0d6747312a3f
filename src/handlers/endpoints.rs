//! How clients of a listener reach the nodes of the cluster, and what its partitions look like from there.

use super::Call;
use crate::metadata::{BrokerRegistration, MetadataImage, PartitionRegistration};
use crate::types::{BrokerId, ErrorCode};

/// A node as a client of one listener reaches it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub id: BrokerId,
    pub host: String,
    pub port: u16,
    pub rack: Option<String>,
}

/// The unfenced brokers, in order of their ids.
pub fn alive_brokers(call: &Call<'_>, image: &MetadataImage) -> Vec<Endpoint> {
    image.brokers.values().filter(|broker| !broker.fenced).filter_map(|broker| endpoint(call, broker)).collect()
}

/// The broker `id`, if it is unfenced and has the listener of this call.
pub fn alive_broker(call: &Call<'_>, image: &MetadataImage, id: BrokerId) -> Option<Endpoint> {
    image.broker(id).filter(|broker| !broker.fenced).and_then(|broker| endpoint(call, broker))
}

/// Where a client that came through this call's listener reaches `broker`. This broker, without an advertised
/// address, is where the client reached it already.
pub fn endpoint(call: &Call<'_>, broker: &BrokerRegistration) -> Option<Endpoint> {
    let listener = &call.connection.listener;
    let (id, rack) = (broker.id, broker.rack.clone());
    if broker.id == call.node.broker_id && !listener.is_controller {
        let local = call.connection.local;
        let (host, port) = listener.advertised.clone().unwrap_or_else(|| (local.ip().to_string(), local.port()));
        return Some(Endpoint { id, host, port, rack });
    }
    let registered = broker.listeners.get(&listener.name)?;
    Some(Endpoint { id, host: registered.host.clone(), port: registered.port, rack })
}

/// The leader of a partition as clients of a listener see it: none while it is fenced or has no such listener.
pub fn leader(
    call: &Call<'_>,
    image: &MetadataImage,
    partition: &PartitionRegistration,
) -> Result<BrokerId, ErrorCode> {
    match alive_broker(call, image, partition.leader) {
        Some(_) => Ok(partition.leader),
        None if image.broker(partition.leader).is_none() => Err(ErrorCode::LeaderNotAvailable),
        None => Err(ErrorCode::ListenerNotFound),
    }
}

/// The replicas that cannot serve: their broker is gone or fenced, or their directory is offline.
pub fn offline_replicas(image: &MetadataImage, partition: &PartitionRegistration) -> Vec<BrokerId> {
    let offline = |id: &BrokerId| match image.broker(*id) {
        Some(broker) if !broker.fenced => {
            partition.directory(*id).is_some_and(|directory| !broker.has_online_directory(directory))
        }
        _ => true,
    };
    partition.replicas.iter().copied().filter(offline).collect()
}
