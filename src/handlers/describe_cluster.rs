//! DescribeCluster (60): the brokers, or on a controller's listener the controllers (KIP-919).

use super::endpoints;
use super::{operations, Answer, Call};
use crate::protocol::StrBytes;
use crate::protocol::messages::describe_cluster_response::DescribeClusterBroker;
use crate::protocol::messages::{DescribeClusterRequest, DescribeClusterResponse, ResponseKind};
use crate::types::{BrokerId, ErrorCode};

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(super) async fn handle(call: &Call<'_>, request: DescribeClusterRequest) -> Answer {
    let served = if call.connection.listener.is_controller { CONTROLLERS } else { BROKERS };
    // Version 0 cannot say, and means brokers.
    let asked = if call.version() == 0 { BROKERS } else { request.endpoint_type };
    if asked != served {
        return mismatch(call, asked, served);
    }
    let mut response = DescribeClusterResponse::default();
    response.cluster_id = StrBytes::from_string(call.node.cluster_id.to_string());
    response.cluster_authorized_operations = match request.include_cluster_authorized_operations {
        true => operations::CLUSTER,
        false => operations::UNKNOWN,
    };
    let controller_id;
    (response.brokers, controller_id) = match served {
        CONTROLLERS => (controllers(call), call.node.quorum.info().leader_id),
        _ => brokers(call, request.include_fenced_brokers),
    };
    let listed = response.brokers.iter().any(|node| node.broker_id == controller_id.0);
    response.controller_id = if listed { controller_id } else { BrokerId::NONE }.0.into();
    if call.version() >= 1 {
        response.endpoint_type = served;
    }
    ResponseKind::DescribeCluster(response).into()
}

fn mismatch(call: &Call<'_>, asked: i8, served: i8) -> Answer {
    let name = |endpoint_type| if endpoint_type == BROKERS { "BROKER" } else { "CONTROLLER" };
    let mut response = DescribeClusterResponse::default();
    response.cluster_authorized_operations = operations::UNKNOWN;
    let (error, message) = match asked {
        BROKERS | CONTROLLERS => {
            let (served, asked) = (name(served), name(asked));
            let message = format!("The request was sent to an endpoint of type {served}, but we wanted an endpoint of type {asked}");
            (ErrorCode::MismatchedEndpointType, message)
        }
        _ => (ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {asked}")),
    };
    let error = if call.version() == 0 { ErrorCode::InvalidRequest } else { error };
    response.error_code = error.code();
    response.error_message = Some(StrBytes::from_string(message));
    response.controller_id = BrokerId::NONE.0.into();
    ResponseKind::DescribeCluster(response).into()
}

fn brokers(call: &Call<'_>, include_fenced: bool) -> (Vec<DescribeClusterBroker>, BrokerId) {
    let image = call.node.image();
    let mut nodes = Vec::new();
    for registered in image.brokers.values().filter(|broker| include_fenced || !broker.fenced) {
        if let Some(endpoint) = endpoints::endpoint(call, registered) {
            let mut node = node(endpoint.id, endpoint.host, endpoint.port);
            node.rack = endpoint.rack.map(StrBytes::from_string);
            if call.version() >= 2 {
                node.is_fenced = registered.fenced;
            }
            nodes.push(node);
        }
    }
    let controller = image.brokers.values().find(|broker| !broker.fenced).map_or(BrokerId::NONE, |broker| broker.id);
    (nodes, controller)
}

fn controllers(call: &Call<'_>) -> Vec<DescribeClusterBroker> {
    let image = call.node.image();
    let listener = &call.connection.listener.name;
    let reachable = |controller: &crate::metadata::ControllerRegistration| {
        let endpoint = controller.listeners.get(listener)?;
        Some(node(controller.id, endpoint.host.clone(), endpoint.port))
    };
    image.controllers.values().filter_map(|controller| reachable(controller)).collect()
}

fn node(id: BrokerId, host: String, port: u16) -> DescribeClusterBroker {
    let mut node = DescribeClusterBroker::default();
    node.broker_id = id.0.into();
    node.host = StrBytes::from_string(host);
    node.port = port.into();
    node
}
