//! What must hold between several broker keys, with Kafka's messages.

use super::broker::Texts;
use super::derived::{Derived, log_retention_ms, log_roll_jitter_ms, log_roll_ms};
use super::listeners::Listener;
use super::value::{InvalidValue, Values};

/// The assignors of consumer groups, by their names and by those of their classes in Kafka.
pub const CONSUMER_ASSIGNORS: [&str; 4] = [
    "uniform",
    "range",
    "org.apache.kafka.coordinator.group.assignor.UniformAssignor",
    "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
];

const SHARE_ASSIGNORS: [&str; 2] = ["simple", "org.apache.kafka.coordinator.group.assignor.SimpleAssignor"];

/// Checks all rules; the first one broken is the answer.
pub(super) fn check(values: &Values, texts: &Texts, derived: &Derived) -> Result<(), InvalidValue> {
    logs(values, derived)?;
    replication(values)?;
    quorum(values, texts, derived)?;
    listeners(derived)?;
    connections(values, derived)?;
    groups(values)
}

fn require(holds: bool, key: &str, message: impl FnOnce() -> String) -> Result<(), InvalidValue> {
    if holds { Ok(()) } else { Err(InvalidValue { requirement: true, ..InvalidValue::because(key, message()) }) }
}

/// As [`require`], where Kafka's message has no lead.
fn demand(holds: bool, key: &str, message: impl FnOnce() -> String) -> Result<(), InvalidValue> {
    if holds { Ok(()) } else { Err(InvalidValue::because(key, message())) }
}

fn logs(values: &Values, derived: &Derived) -> Result<(), InvalidValue> {
    let (node_id, broker_id): (i32, i32) = (values.get("node.id"), values.get("broker.id"));
    demand(node_id == broker_id, "node.id", || "You must set `node.id` to the same value as `broker.id`.".to_owned())?;
    let stated = |message: &str| message.to_owned();
    require(log_roll_ms(values) >= 1, "log.roll.ms", || stated("log.roll.ms must be greater than or equal to 1"))?;
    require(log_roll_jitter_ms(values) >= 0, "log.roll.jitter.ms", || {
        stated("log.roll.jitter.ms must be greater than or equal to 0")
    })?;
    require(log_retention_ms(values) != 0, "log.retention.ms", || {
        stated("log.retention.ms must be unlimited (-1) or, greater than or equal to 1")
    })?;
    require(!derived.log_dirs.is_empty(), "log.dirs", || {
        stated("At least one log directory must be defined via log.dirs or log.dir.")
    })?;
    let (buffer, threads): (i64, i32) =
        (values.get("log.cleaner.dedupe.buffer.size"), values.get("log.cleaner.threads"));
    require(threads > 0 && buffer / i64::from(threads) > 1024 * 1024, "log.cleaner.dedupe.buffer.size", || {
        stated("log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.")
    })?;
    let (min, max): (i64, i64) =
        (values.get("log.cleaner.min.compaction.lag.ms"), values.get("log.cleaner.max.compaction.lag.ms"));
    demand(min <= max, "log.cleaner.min.compaction.lag.ms", || {
        format!("conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})")
    })?;
    cordoned(values, derived)
}

fn cordoned(values: &Values, derived: &Derived) -> Result<(), InvalidValue> {
    let key = "cordoned.log.dirs";
    let cordoned: Vec<String> = values.get::<Option<Vec<String>>>(key).unwrap_or_default();
    if !derived.process_roles.broker {
        return Ok(());
    }
    if cordoned.iter().any(|dir| dir == "*") {
        return require(cordoned.len() == 1, key, || {
            format!("When {key} is set to *, it must not contain other values")
        });
    }
    let known = |dir: &&String| derived.log_dirs.iter().any(|known| known.as_os_str() == dir.as_str());
    let unknown: Vec<&str> = cordoned.iter().filter(|dir| !known(dir)).map(String::as_str).collect();
    require(unknown.is_empty(), key, || {
        format!("All entries in {key} must be present in log.dirs or log.dir. Missing entries : {}", unknown.join(", "))
    })
}

fn replication(values: &Values) -> Result<(), InvalidValue> {
    let wait = i64::from(values.get::<i32>("replica.fetch.wait.max.ms"));
    let socket = i64::from(values.get::<i32>("replica.socket.timeout.ms"));
    require(wait <= socket, "replica.fetch.wait.max.ms", || {
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary socket timeouts".to_owned()
    })?;
    require(wait <= values.get::<i64>("replica.lag.time.max.ms"), "replica.fetch.wait.max.ms", || {
        "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent frequent changes in ISR".to_owned()
    })
}

fn quorum(values: &Values, texts: &Texts, derived: &Derived) -> Result<(), InvalidValue> {
    let node_id: i32 = values.get("node.id");
    let voters = &derived.controller_quorum_voters;
    demand(!voters.is_empty() || !derived.controller_quorum_bootstrap_servers.is_empty(), "process.roles", || {
        "If using process.roles, either controller.quorum.bootstrap.servers must contain the set of bootstrap controllers or controller.quorum.voters must contain a parseable set of controllers.".to_owned()
    })?;
    let ids: Vec<String> = voters.iter().map(|voter| voter.id.to_string()).collect();
    let shown = format!("controller.quorum.voters=Set({})", ids.join(", "));
    let is_voter = voters.iter().any(|voter| voter.id == node_id);
    if !derived.process_roles.controller {
        require(!is_voter, "controller.quorum.voters", || {
            format!(
                "If process.roles contains just the 'broker' role, the node id {node_id} must not be included in the set of voters {shown}"
            )
        })?;
        return broker_only(values, derived);
    }
    if !derived.process_roles.broker {
        controller_only(texts, derived)?;
    }
    require(voters.is_empty() || is_voter, "controller.quorum.voters", || {
        format!(
            "If process.roles contains the 'controller' role, the node id {node_id} must be included in the set of voters {shown}"
        )
    })?;
    let names = "controller.listener.names";
    require(!derived.advertised_controller_listeners.is_empty(), names, || {
        format!(
            "{names} must contain at least one value appearing in the 'listeners' configuration when running the KRaft controller role"
        )
    })?;
    let opened = |name: &String| derived.listeners.iter().any(|listener| listener.name == *name);
    require(derived.controller_listener_names.iter().all(opened), names, || {
        format!(
            "{names} must only contain values appearing in the 'listeners' configuration when running the KRaft controller role"
        )
    })
}

fn broker_only(values: &Values, derived: &Derived) -> Result<(), InvalidValue> {
    let names = "controller.listener.names";
    let opened = |name: &String| derived.listeners.iter().any(|listener| listener.name == *name);
    require(!derived.controller_listener_names.iter().any(opened), names, || {
        format!(
            "{names} must not contain a value appearing in the 'listeners' configuration when running KRaft with just the broker role"
        )
    })?;
    require(!values.get::<bool>("controller.quorum.auto.join.enable"), "controller.quorum.auto.join.enable", || {
        "controller.quorum.auto.join.enable is only supported when process.roles contains the 'controller' role."
            .to_owned()
    })
}

fn controller_only(texts: &Texts, derived: &Derived) -> Result<(), InvalidValue> {
    require(derived.advertised_controller_listeners.len() == derived.listeners.len(), "listeners", || {
        "The listeners config must only contain KRaft controller listeners from controller.listener.names when process.roles=controller".to_owned()
    })?;
    let names = &derived.controller_listener_names;
    let explicit = texts.contains_key("inter.broker.listener.name");
    require(!explicit || !names.contains(&derived.inter_broker_listener_name), "inter.broker.listener.name", || {
        "controller.listener.names must not contain an explicitly set inter.broker.listener.name configuration value when process.roles=controller".to_owned()
    })
}

fn listeners(derived: &Derived) -> Result<(), InvalidValue> {
    let key = "advertised.listeners";
    let names =
        |listeners: &[Listener]| listeners.iter().map(|listener| listener.name.clone()).collect::<Vec<_>>().join(",");
    if derived.process_roles.broker {
        let advertised = &derived.advertised_listeners;
        require(!advertised.is_empty(), key, || {
            "There must be at least one broker advertised listener. Perhaps all listeners appear in controller.listener.names?".to_owned()
        })?;
        let inter = &derived.inter_broker_listener_name;
        require(advertised.iter().any(|listener| listener.name == *inter), "inter.broker.listener.name", || {
            format!(
                "inter.broker.listener.name must be a listener name defined in {key}. The valid options based on currently configured listeners are {}",
                names(advertised)
            )
        })?;
        let opened = |listener: &Listener| derived.listeners.iter().any(|other| other.name == listener.name);
        require(advertised.iter().all(opened), key, || {
            format!(
                "{key} listener names must be equal to or a subset of the ones defined in listeners. Found {}. The valid options based on the current configuration are {}",
                names(advertised),
                names(&derived.listeners)
            )
        })?;
    }
    let mut advertised = derived.advertised_listeners.iter().chain(&derived.advertised_controller_listeners);
    require(!advertised.any(|listener| listener.host == "0.0.0.0"), key, || {
        format!("{key} cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.")
    })
}

fn connections(values: &Values, derived: &Derived) -> Result<(), InvalidValue> {
    let queued: i64 = values.get("queued.max.request.bytes");
    let largest = i64::from(values.get::<i32>("socket.request.max.bytes"));
    require(queued <= 0 || queued >= largest, "queued.max.request.bytes", || {
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes".to_owned()
    })?;
    let per_ip: i32 = values.get("max.connections.per.ip");
    require(per_ip != 0 || !derived.max_connections_per_ip_overrides.is_empty(), "max.connections.per.ip", || {
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.".to_owned()
    })?;
    let delay = i64::from(values.get::<i32>("connection.failed.authentication.delay.ms"));
    let idle: i64 = values.get("connections.max.idle.ms");
    require(idle < 0 || delay < idle, "connections.max.idle.ms", || {
        format!(
            "connection.failed.authentication.delay.ms={delay} should always be less than connections.max.idle.ms={idle} to prevent failed authentication responses from timing out"
        )
    })?;
    let selector: Option<String> = values.get("replica.selector.class");
    let known = |class: &str| {
        class.rsplit('.').next().is_some_and(|name| matches!(name, "RackAwareReplicaSelector" | "LeaderSelector"))
    };
    require(selector.as_deref().is_none_or(known), "replica.selector.class", || {
        "Invalid value for configuration replica.selector.class: only org.apache.kafka.common.replica.RackAwareReplicaSelector and org.apache.kafka.common.replica.LeaderSelector are known".to_owned()
    })
}

/// The bounds of the newer groups' settings must enclose the settings.
fn groups(values: &Values) -> Result<(), InvalidValue> {
    let protocols: Vec<String> = values.get("group.coordinator.rebalance.protocols");
    demand(protocols.iter().any(|name| name == "classic"), "group.coordinator.rebalance.protocols", || {
        "Disabling the 'classic' protocol is not supported.".to_owned()
    })?;
    let assignors: Vec<String> = values.get("group.consumer.assignors");
    for assignor in &assignors {
        demand(CONSUMER_ASSIGNORS.contains(&assignor.as_str()), "group.consumer.assignors", || {
            format!("{assignor} is none of uniform and range, which are built in; Java classes cannot be loaded")
        })?;
    }
    let assignors: Vec<String> = values.get("group.share.assignors");
    demand(matches!(&*assignors, [only] if SHARE_ASSIGNORS.contains(&only.as_str())), "group.share.assignors", || {
        "only simple is built in, and share groups have one assignor; Java classes cannot be loaded".to_owned()
    })?;
    for kind in ["consumer", "share", "streams"] {
        for setting in ["heartbeat.interval.ms", "session.timeout.ms", "assignment.interval.ms"] {
            let key = |part: &str| format!("group.{kind}.{part}{setting}");
            enclosed(values, &key(""), &key("min."), &key("max."))?;
        }
        let (heartbeat, session) =
            (format!("group.{kind}.heartbeat.interval.ms"), format!("group.{kind}.session.timeout.ms"));
        demand(values.get::<i32>(&heartbeat) < values.get::<i32>(&session), &heartbeat, || {
            format!("{heartbeat} must be less than {session}")
        })?;
    }
    for setting in ["delivery.count.limit", "partition.max.record.locks", "record.lock.duration.ms"] {
        let key = |part: &str| format!("group.share.{part}{setting}");
        enclosed(values, &key(""), &key("min."), &key("max."))?;
    }
    let (standby, most) = ("group.streams.num.standby.replicas", "group.streams.max.standby.replicas");
    demand(values.get::<i32>(standby) <= values.get::<i32>(most), standby, || {
        format!("{standby} must be less than or equal to {most}")
    })?;
    let assignors: Vec<String> = values.get("group.share.assignors");
    demand(assignors.len() == 1, "group.share.assignors", || {
        format!("group.share.assignors must contain exactly one assignor, but found {}", assignors.len())
    })
}

fn enclosed(values: &Values, key: &str, min: &str, max: &str) -> Result<(), InvalidValue> {
    let (low, value, high): (i32, i32, i32) = (values.get(min), values.get(key), values.get(max));
    demand(high >= low, max, || format!("{max} must be greater than or equal to {min}"))?;
    demand(value >= low, key, || format!("{key} must be greater than or equal to {min}"))?;
    demand(value <= high, key, || format!("{key} must be less than or equal to {max}"))
}
