//! A cluster as a client sees it: its nodes, who leads what, and calls that find the right one.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Address, Bootstrap, ClientConfig, ClientError, Connection};
use crate::protocol::message::Message;
use crate::protocol::messages::metadata_request::MetadataRequestTopic;
use crate::protocol::messages::{
    DescribeClusterRequest, FindCoordinatorRequest, MetadataRequest, MetadataResponse, TopicName,
};
use crate::protocol::{Request, StrBytes};
use crate::types::{BrokerId, ErrorCode};

/// A node of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    pub id: BrokerId,
    pub address: Address,
    pub rack: Option<String>,
}

/// Whom a call is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target<'a> {
    /// Whoever can be reached.
    Any,
    /// The controller, or the broker that forwards to it.
    Controller,
    Broker(BrokerId),
    /// The coordinator of this group.
    Group(&'a str),
    /// The coordinator of this transactional id.
    Transaction(&'a str),
}

/// What a coordinator is of, as FindCoordinator numbers it.
const GROUP_KEY: i8 = 0;
const TRANSACTION_KEY: i8 = 1;

/// For answers that have no error of their own above the errors of their parts.
pub fn no_fault<T>(_: &T) -> i16 {
    0
}

/// A client of one cluster.
pub struct Client {
    pub config: ClientConfig,
    /// The connection to the first address that could be reached.
    bootstrap: Option<Connection>,
    connections: BTreeMap<BrokerId, Connection>,
    nodes: BTreeMap<BrokerId, Node>,
    controller: BrokerId,
    cluster_id: Option<String>,
    /// By the kind of their key, and the key.
    coordinators: BTreeMap<(i8, String), BrokerId>,
}

impl Client {
    /// A client that has not connected yet. At least one address must have a name that can be resolved.
    pub fn new(config: ClientConfig) -> Result<Client, ClientError> {
        let mut resolvable = false;
        for address in &config.addresses {
            match address.resolve().is_empty() {
                true => eprintln!(
                    "WARN Couldn't resolve server {address} from bootstrap.servers as DNS resolution failed for {}",
                    address.host
                ),
                false => {
                    resolvable = true;
                    break;
                }
            }
        }
        if !resolvable {
            return Err(ClientError::Config("No resolvable bootstrap urls given in bootstrap.servers".to_owned()));
        }
        Ok(Client {
            config,
            bootstrap: None,
            connections: BTreeMap::new(),
            nodes: BTreeMap::new(),
            controller: BrokerId::NONE,
            cluster_id: None,
            coordinators: BTreeMap::new(),
        })
    }

    /// Calls `target` with the newest version both sides know. `name` is the call's in Kafka's client; it appears in
    /// messages about time that ran out. `fault` is the error code of the answer as a whole: while it is one that may
    /// pass, the call is repeated; any other is left to the caller.
    pub fn call<R: Request + Clone>(
        &mut self,
        target: Target<'_>,
        name: &str,
        request: &R,
        fault: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response, ClientError> {
        self.call_versioned(target, name, |_| Ok(request.clone()), fault)
    }

    /// As [`Client::call`], for a request that depends on the version.
    pub fn call_versioned<R: Request>(
        &mut self,
        target: Target<'_>,
        name: &str,
        request: impl Fn(i16) -> Result<R, ClientError>,
        fault: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response, ClientError> {
        self.call_up_to(i16::MAX, target, name, request, fault)
    }

    /// As [`Client::call_versioned`], with no version above `newest`.
    pub fn call_up_to<R: Request>(
        &mut self,
        newest: i16,
        target: Target<'_>,
        name: &str,
        request: impl Fn(i16) -> Result<R, ClientError>,
        fault: impl Fn(&R::Response) -> i16,
    ) -> Result<R::Response, ClientError> {
        let deadline = Instant::now() + self.config.api_timeout;
        self.retry(name, deadline, |client| {
            let until = deadline.min(Instant::now() + client.config.request_timeout);
            let connection = client.connect_to(target, deadline)?;
            let version = connection.version::<R>()?.min(newest);
            let response = match connection.call(version, &request(version)?, until) {
                Ok(response) => response,
                Err(error) => {
                    client.forget(target);
                    return Err(error);
                }
            };
            let error = ClientError::from_wire(fault(&response), None);
            match error {
                Err(error) if error.is_retriable() => {
                    client.moved(target);
                    Err(error)
                }
                Err(_) | Ok(()) => Ok(response),
            }
        })
    }

    /// As [`Client::call`], for an answer that is declared in `protocol::newer`; no version above `newest`.
    pub fn call_own<R: Request, M: Message>(
        &mut self,
        newest: i16,
        target: Target<'_>,
        name: &str,
        request: &R,
        fault: impl Fn(&M) -> i16,
    ) -> Result<M, ClientError> {
        let ask = |connection: &mut Connection, version: i16, until: Instant| {
            connection.send(version, request, until)?;
            connection.receive_own::<M>(R::KEY, until)
        };
        self.exchange((R::KEY, (R::VERSIONS.min, newest)), target, name, ask, fault)
    }

    /// As [`Client::call`], for a request and an answer that are both declared in `protocol::newer`.
    pub fn call_newer<Q: Message, M: Message>(
        &mut self,
        api_key: i16,
        target: Target<'_>,
        name: &str,
        request: &Q,
        fault: impl Fn(&M) -> i16,
    ) -> Result<M, ClientError> {
        let ask = |connection: &mut Connection, version: i16, until: Instant| {
            connection.send_own(api_key, version, request, until)?;
            connection.receive_own::<M>(api_key, until)
        };
        self.exchange((api_key, Q::VERSIONS), target, name, ask, fault)
    }

    fn exchange<M>(
        &mut self,
        (api_key, versions): (i16, (i16, i16)),
        target: Target<'_>,
        name: &str,
        ask: impl Fn(&mut Connection, i16, Instant) -> Result<M, ClientError>,
        fault: impl Fn(&M) -> i16,
    ) -> Result<M, ClientError> {
        let deadline = Instant::now() + self.config.api_timeout;
        self.retry(name, deadline, |client| {
            let until = deadline.min(Instant::now() + client.config.request_timeout);
            let connection = client.connect_to(target, deadline)?;
            let version = connection.version_within(api_key, versions)?;
            let response = match ask(connection, version, until) {
                Ok(response) => response,
                Err(error) => {
                    client.forget(target);
                    return Err(error);
                }
            };
            match ClientError::from_wire(fault(&response), None) {
                Err(error) if error.is_retriable() => {
                    client.moved(target);
                    Err(error)
                }
                Err(_) | Ok(()) => Ok(response),
            }
        })
    }

    /// Repeats `attempt` until it succeeds, fails for good, or the time or the retries are used up; waiting for a first
    /// connection counts as time only.
    pub fn retry<T>(
        &mut self,
        name: &str,
        deadline: Instant,
        mut attempt: impl FnMut(&mut Client) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut pause = self.config.retry_backoff;
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match attempt(self) {
                Err(error) if error.is_retriable() => error,
                result => return result,
            };
            let no_more = self.is_connected() && u64::from(tries) > self.config.retries;
            if no_more || Instant::now() + pause >= deadline {
                if !no_more {
                    sleep(deadline.saturating_duration_since(Instant::now()));
                }
                return Err(out_of_time(name, self.is_connected(), tries, deadline, &error));
            }
            sleep(pause);
            pause = (pause * 2).clamp(Duration::from_millis(1), self.config.retry_backoff_max);
        }
    }

    /// A connection to whomever can be reached.
    pub fn any(&mut self, deadline: Instant) -> Result<&mut Connection, ClientError> {
        self.connect_to(Target::Any, deadline)
    }

    /// A connection to a node; nodes are looked up when this one is not known.
    pub fn connection(&mut self, node: BrokerId, deadline: Instant) -> Result<&mut Connection, ClientError> {
        self.connect_to(Target::Broker(node), deadline)
    }

    /// Closes the connection to a node, so that the next call makes another.
    pub fn disconnect(&mut self, node: BrokerId) {
        self.connections.remove(&node);
    }

    /// The nodes of the cluster as last seen; asked for if they never were.
    pub fn nodes(&mut self) -> Result<Vec<Node>, ClientError> {
        if self.nodes.is_empty() {
            self.refresh("listNodes")?;
        }
        Ok(self.nodes.values().cloned().collect())
    }

    /// The address of a node as last seen.
    pub fn node(&self, id: BrokerId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// The coordinator of a group.
    pub fn coordinator(&mut self, group: &str) -> Result<Node, ClientError> {
        let deadline = Instant::now() + self.config.request_timeout;
        let id = self.find_coordinator(GROUP_KEY, group, deadline)?;
        self.nodes.get(&id).cloned().ok_or_else(|| ClientError::of(ErrorCode::CoordinatorNotAvailable))
    }

    /// The coordinator that answered the last call to it.
    pub fn last_coordinator(&self, target: Target<'_>) -> Option<BrokerId> {
        coordinator_key(target).and_then(|key| self.coordinators.get(&key).copied())
    }

    /// The id of the cluster as last seen.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// Metadata of these topics, or of all. No topic is created by asking. Errors of single topics are left to the
    /// caller.
    pub fn topics(&mut self, name: &str, topics: Option<&[&str]>) -> Result<MetadataResponse, ClientError> {
        let topics = topics.map(|names| names.iter().map(|name| topic_of(name)).collect());
        let request = MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(false);
        let response = self.call(Target::Any, name, &request, no_fault)?;
        self.learn(&response);
        Ok(response)
    }

    fn connect_to(&mut self, target: Target<'_>, deadline: Instant) -> Result<&mut Connection, ClientError> {
        let node = match target {
            Target::Any => return self.connect_bootstrap(deadline),
            Target::Broker(node) => node,
            Target::Controller => self.find_controller(deadline)?,
            Target::Group(group) => self.find_coordinator(GROUP_KEY, group, deadline)?,
            Target::Transaction(id) => self.find_coordinator(TRANSACTION_KEY, id, deadline)?,
        };
        self.connect_node(node, deadline)
    }

    fn connect_bootstrap(&mut self, deadline: Instant) -> Result<&mut Connection, ClientError> {
        if self.bootstrap.is_none() {
            let mut failure = ClientError::disconnected("no address");
            for address in &self.config.addresses {
                match Connection::open(address, &self.config, deadline) {
                    Ok(connection) => {
                        self.bootstrap = Some(connection);
                        break;
                    }
                    Err(error) => failure = error,
                }
            }
            if self.bootstrap.is_none() {
                warn_once(&failure);
                return Err(failure);
            }
        }
        self.bootstrap.as_mut().ok_or_else(|| ClientError::disconnected("no connection"))
    }

    fn connect_node(&mut self, id: BrokerId, deadline: Instant) -> Result<&mut Connection, ClientError> {
        if !self.connections.contains_key(&id) {
            if !self.nodes.contains_key(&id) {
                self.look(deadline)?;
            }
            let node = self
                .nodes
                .get(&id)
                .ok_or_else(|| ClientError::disconnected(format!("Node {} is not in the cluster", id.0)))?;
            let connection = Connection::open(&node.address, &self.config, deadline).inspect_err(warn_once)?;
            self.connections.insert(id, connection);
        }
        self.connections.get_mut(&id).ok_or_else(|| ClientError::disconnected("no connection"))
    }

    fn find_controller(&mut self, deadline: Instant) -> Result<BrokerId, ClientError> {
        if self.controller == BrokerId::NONE {
            self.look(deadline)?;
        }
        match self.controller {
            BrokerId::NONE => Err(ClientError::of(ErrorCode::NotController)),
            controller => Ok(controller),
        }
    }

    fn find_coordinator(&mut self, kind: i8, id: &str, deadline: Instant) -> Result<BrokerId, ClientError> {
        let place = (kind, id.to_owned());
        if let Some(node) = self.coordinators.get(&place) {
            return Ok(*node);
        }
        let until = deadline.min(Instant::now() + self.config.request_timeout);
        let connection = self.connect_bootstrap(deadline)?;
        let version = connection.version::<FindCoordinatorRequest>()?;
        let key = StrBytes::from_string(id.to_owned());
        let request = match version >= 4 {
            true => FindCoordinatorRequest::default().with_coordinator_keys(vec![key]),
            false => FindCoordinatorRequest::default().with_key(key),
        };
        let request = if version >= 1 { request.with_key_type(kind) } else { request };
        let mut response = connection.call(version, &request, until).inspect_err(|_| self.bootstrap = None)?;
        let (code, message, id, host, port) = match response.coordinators.pop() {
            Some(found) => (found.error_code, found.error_message, found.node_id, found.host, found.port),
            None => (response.error_code, response.error_message, response.node_id, response.host, response.port),
        };
        ClientError::from_wire(code, message.as_deref())?;
        let id = BrokerId(id.0);
        self.nodes.entry(id).or_insert(Node { id, address: address_of(&host, port)?, rack: None });
        self.coordinators.insert(place, id);
        Ok(id)
    }

    /// Asks for the nodes of the cluster, repeatedly.
    pub fn refresh(&mut self, name: &str) -> Result<(), ClientError> {
        let deadline = Instant::now() + self.config.api_timeout;
        self.retry(name, deadline, |client| client.look(deadline))
    }

    /// Asks for the nodes of the cluster, once.
    pub fn look(&mut self, deadline: Instant) -> Result<(), ClientError> {
        let until = deadline.min(Instant::now() + self.config.request_timeout);
        let is_controllers = matches!(self.config.bootstrap, Bootstrap::Controllers(_));
        let connection = self.connect_bootstrap(deadline)?;
        if is_controllers {
            let request = DescribeClusterRequest::default().with_endpoint_type(2);
            let version = connection.version_within(60, (1, 2))?;
            let response = connection.call(version, &request, until).inspect_err(|_| self.bootstrap = None)?;
            ClientError::from_wire(response.error_code, response.error_message.as_deref())?;
            self.nodes = response
                .brokers
                .iter()
                .map(|broker| node_of(broker.broker_id.0, &broker.host, broker.port, broker.rack.as_deref()))
                .collect::<Result<_, _>>()?;
            self.controller = BrokerId(response.controller_id.0);
            self.cluster_id = Some(response.cluster_id.to_string());
            return Ok(());
        }
        let version = connection.version::<MetadataRequest>()?;
        // Version 0 has no way to ask for no topics.
        let topics = (version > 0).then(Vec::new);
        let request = MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(version < 4);
        let response = connection.call(version, &request, until).inspect_err(|_| self.bootstrap = None)?;
        self.learn(&response);
        Ok(())
    }

    fn learn(&mut self, response: &MetadataResponse) {
        let nodes = response.brokers.iter();
        self.nodes = nodes
            .filter_map(|broker| node_of(broker.node_id.0, &broker.host, broker.port, broker.rack.as_deref()).ok())
            .collect();
        self.controller = BrokerId(response.controller_id.0);
        self.cluster_id = response.cluster_id.as_ref().map(|id| id.to_string());
    }

    /// The connection did not answer.
    fn forget(&mut self, target: Target<'_>) {
        match target {
            Target::Any => self.bootstrap = None,
            Target::Broker(node) => self.disconnect(node),
            Target::Controller => self.disconnect(self.controller),
            Target::Group(_) | Target::Transaction(_) => {
                if let Some(&node) = coordinator_key(target).and_then(|key| self.coordinators.get(&key)) {
                    self.disconnect(node);
                }
            }
        }
        self.moved(target);
    }

    /// The node is no longer the one to ask.
    fn moved(&mut self, target: Target<'_>) {
        match target {
            Target::Any => {}
            Target::Broker(node) => drop(self.nodes.remove(&node)),
            Target::Controller => self.controller = BrokerId::NONE,
            Target::Group(_) | Target::Transaction(_) => {
                coordinator_key(target).and_then(|key| self.coordinators.remove(&key));
            }
        }
    }

    fn is_connected(&self) -> bool {
        self.bootstrap.is_some()
    }
}

/// The error of a call whose time is over. `is_connected`: whether any node was ever reached.
pub fn out_of_time(name: &str, is_connected: bool, tries: u32, deadline: Instant, last: &ClientError) -> ClientError {
    if !is_connected {
        return ClientError::timeout(format!("Timed out waiting for a node assignment. Call: {name}"));
    }
    if last.code() == Some(ErrorCode::RequestTimedOut) {
        return last.clone();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = deadline.saturating_duration_since(Instant::now());
    let (now, deadline) = (now.as_millis(), (now + left).as_millis());
    ClientError::timeout(format!(
        "Call(callName={name}, deadlineMs={deadline}, tries={tries}, nextAllowedTryMs={now}) timed out at {now} after \
         {tries} attempt(s)"
    ))
}

/// Where a coordinator is remembered.
fn coordinator_key(target: Target<'_>) -> Option<(i8, String)> {
    match target {
        Target::Group(id) => Some((GROUP_KEY, id.to_owned())),
        Target::Transaction(id) => Some((TRANSACTION_KEY, id.to_owned())),
        Target::Any | Target::Controller | Target::Broker(_) => None,
    }
}

/// Says once in a run that a node cannot be reached: the calls go on trying.
fn warn_once(error: &ClientError) {
    static WARNED: std::sync::Once = std::sync::Once::new();
    WARNED.call_once(|| eprintln!("WARN {error}. Node may not be available."));
}

fn topic_of(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic::default().with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
}

fn node_of(id: i32, host: &str, port: i32, rack: Option<&str>) -> Result<(BrokerId, Node), ClientError> {
    let id = BrokerId(id);
    Ok((id, Node { id, address: address_of(host, port)?, rack: rack.map(str::to_owned) }))
}

fn address_of(host: &str, port: i32) -> Result<Address, ClientError> {
    let port = u16::try_from(port).map_err(|_| ClientError::Malformed(format!("a node at port {port}")))?;
    Ok(Address { host: host.to_owned(), port })
}
