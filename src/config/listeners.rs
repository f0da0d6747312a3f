//! Listeners: what `listeners`, `advertised.listeners` and `listener.security.protocol.map` say, by Kafka's rules.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::value::split_list;

/// What is spoken on a listener.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SecurityProtocol {
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

/// An address with the name and protocol it is known by.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Listener {
    /// In capitals.
    pub name: String,
    /// Empty for every address of the machine.
    pub host: String,
    pub port: u16,
    pub protocol: SecurityProtocol,
}

/// The protocol of each listener name in capitals.
pub type ProtocolMap = BTreeMap<String, SecurityProtocol>;

impl SecurityProtocol {
    const ALL: [SecurityProtocol; 4] = [
        SecurityProtocol::Plaintext,
        SecurityProtocol::Ssl,
        SecurityProtocol::SaslPlaintext,
        SecurityProtocol::SaslSsl,
    ];

    /// The protocol of that name, in either case.
    pub fn parse(name: &str) -> Option<SecurityProtocol> {
        SecurityProtocol::ALL.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }

    /// The number in metadata records.
    pub fn id(self) -> i16 {
        match self {
            SecurityProtocol::Plaintext => 0,
            SecurityProtocol::Ssl => 1,
            SecurityProtocol::SaslPlaintext => 2,
            SecurityProtocol::SaslSsl => 3,
        }
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{}://{open}{}{close}:{}", self.name, self.host, self.port)
    }
}

/// `host:port`, with an optional scheme and brackets, as Kafka takes addresses of other nodes.
pub fn host_and_port(address: &str) -> Option<(String, u16)> {
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    valid_host(host).then_some(())?;
    Some((host.to_owned(), port.parse().ok()?))
}

/// Whether the text could be a host name or address; the empty one is.
pub fn valid_host(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-%._:".contains(&byte))
}

/// Reads `listener.security.protocol.map`. Without one of their own, the controller's listeners speak plaintext as
/// long as nothing else suggests otherwise.
pub fn protocol_map(
    text: &str,
    explicit: bool,
    controllers: &[String],
    listeners: &[String],
) -> Result<ProtocolMap, String> {
    let mut map = ProtocolMap::new();
    for entry in split_list(text) {
        let Some((name, protocol)) = entry.rsplit_once(':') else {
            return Err(format!(
                "Error parsing configuration property 'listener.security.protocol.map': {entry} is not NAME:PROTOCOL"
            ));
        };
        let protocol = protocol.trim();
        let parsed = SecurityProtocol::parse(protocol).ok_or_else(|| {
            format!("Invalid security protocol `{protocol}` defined in listener.security.protocol.map")
        })?;
        if map.insert(name.trim().to_uppercase(), parsed).is_some() {
            return Err(format!("listener.security.protocol.map names {} twice", name.trim()));
        }
    }
    let secured =
        |name: &str| SecurityProtocol::parse(name).is_some_and(|protocol| protocol != SecurityProtocol::Plaintext);
    let any_secured = controllers.iter().any(|name| secured(name))
        || listeners.iter().any(|listener| secured(listener.split(':').next().unwrap_or("")));
    if !explicit && !any_secured {
        for name in controllers {
            map.entry(name.to_uppercase()).or_insert(SecurityProtocol::Plaintext);
        }
    }
    Ok(map)
}

/// Reads a list of listeners. `bound` says that they are opened here, so that ports must differ.
pub fn parse_listeners(entries: &[String], protocols: &ProtocolMap, bound: bool) -> Result<Vec<Listener>, String> {
    let shown = format!("[{}]", entries.join(", "));
    let listeners: Result<Vec<_>, String> = entries.iter().map(|entry| parse_listener(entry, protocols)).collect();
    listeners
        .and_then(|listeners| check_distinct(&listeners, &shown, bound).map(|()| listeners))
        .map_err(|reason| format!("Error creating broker listeners from '{shown}': {reason}"))
}

fn parse_listener(entry: &str, protocols: &ProtocolMap) -> Result<Listener, String> {
    let unreadable = || format!("Unable to parse {entry} to a broker endpoint");
    let (name, address) = entry.rsplit_once("://").ok_or_else(unreadable)?;
    let (host, port) = host_and_port(address).ok_or_else(unreadable)?;
    let name = name.to_uppercase();
    let protocol = *protocols.get(&name).ok_or_else(|| format!("No security protocol defined for listener {name}"))?;
    Ok(Listener { name, host, port, protocol })
}

fn check_distinct(listeners: &[Listener], shown: &str, bound: bool) -> Result<(), String> {
    let mut by_port: HashMap<u16, Vec<&str>> = HashMap::new();
    for (at, listener) in listeners.iter().enumerate() {
        if listeners[..at].iter().any(|other| other.name == listener.name) {
            return Err(format!("Each listener must have a different name, listeners: {shown}"));
        }
        if listener.port != 0 {
            by_port.entry(listener.port).or_default().push(&listener.host);
        }
    }
    if !bound {
        return Ok(());
    }
    for (port, hosts) in by_port {
        check_shared_port(port, &hosts, shown)?;
    }
    Ok(())
}

/// Two listeners may share a port only when one is an IPv4 and the other an IPv6 address.
fn check_shared_port(port: u16, hosts: &[&str], shown: &str) -> Result<(), String> {
    let v4 = hosts.iter().filter(|host| host.parse::<Ipv4Addr>().is_ok()).count();
    let v6 = hosts.iter().filter(|host| host.parse::<Ipv6Addr>().is_ok()).count();
    let names = hosts.len() - v4 - v6;
    if names > 1 {
        return Err(format!("Each listener must have a different port, listeners: {shown}"));
    }
    match v4 + v6 {
        0 | 1 => Ok(()),
        2 if v4 == 1 && v6 == 1 && names == 0 => Ok(()),
        2 => Err(format!(
            "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, listeners: {shown}, port: {port}"
        )),
        _ => Err(format!(
            "Each listener must have a different port unless exactly one listener has an IPv4 address and the other IPv6 address, listeners: {shown}, port: {port}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let protocols = protocol_map("PLAINTEXT:PLAINTEXT,A:PLAINTEXT,B:SSL", true, &[], &[]).unwrap();
        let shown = match parse_listeners(&split_list(text), &protocols, true) {
            Ok(listeners) => listeners.iter().map(Listener::to_string).collect::<Vec<_>>().join(" "),
            Err(message) => message.split_once("': ").map(|(_, reason)| reason.to_owned()).unwrap_or(message),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn listeners_are_read_as_kafka_reads_them() {
        check("PLAINTEXT://:9092", "PLAINTEXT://:9092");
        check("a://localhost:1,b://[::1]:2", "A://localhost:1 B://[::1]:2");
        check("a://127.0.0.1:1,b://[::1]:1", "A://127.0.0.1:1 B://[::1]:1");
        check("c://h:1", "No security protocol defined for listener C");
        check("a:9092", "Unable to parse a:9092 to a broker endpoint");
        check("a://h:1,a://h:2", "Each listener must have a different name, listeners: [a://h:1, a://h:2]");
        check("a://h:1,b://i:1", "Each listener must have a different port, listeners: [a://h:1, b://i:1]");
        check(
            "a://1.1.1.1:1,b://2.2.2.2:1",
            "If you have two listeners on the same port then one needs to be IPv4 and the other IPv6, listeners: [a://1.1.1.1:1, b://2.2.2.2:1], port: 1",
        );
        check("a://h:0,b://h:0", "A://h:0 B://h:0");
    }

    #[test]
    fn controllers_speak_plaintext_unless_something_is_secured() {
        let default = "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT";
        let controllers = ["CONTROLLER".to_owned()];
        let plain = protocol_map(default, false, &controllers, &["PLAINTEXT://:1".to_owned()]).unwrap();
        assert_eq!(plain.get("CONTROLLER"), Some(&SecurityProtocol::Plaintext));
        let secured = protocol_map(default, false, &controllers, &["SSL://:1".to_owned()]).unwrap();
        assert_eq!(secured.get("CONTROLLER"), None);
    }
}
