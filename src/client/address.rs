//! Addresses as they stand in `bootstrap.servers`.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::LazyLock;

use regex::Regex;

use super::ClientError;

static HOST_AND_PORT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:[0-9a-zA-Z\-%._]*://)?\[?([0-9a-zA-Z\-%._:]*)\]?:([0-9]+)$").expect("a pattern that is right")
});

/// A host by name or address, and its port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

impl Address {
    /// Reads a list separated by commas; blanks and empty elements are ignored, as in Kafka.
    pub fn parse_list(text: &str) -> Result<Vec<Address>, ClientError> {
        text.split(',').map(str::trim).filter(|url| !url.is_empty()).map(Address::parse).collect()
    }

    fn parse(url: &str) -> Result<Address, ClientError> {
        let invalid = |what: &str| ClientError::Config(format!("Invalid {what} in bootstrap.servers: {url}"));
        let found = HOST_AND_PORT.captures(url).ok_or_else(|| invalid("url"))?;
        let port = found[2].parse().map_err(|_| invalid("port"))?;
        Ok(Address { host: found[1].to_owned(), port })
    }

    /// The addresses of sockets behind the name, if it has any.
    pub fn resolve(&self) -> Vec<SocketAddr> {
        (self.host.as_str(), self.port).to_socket_addrs().map(Iterator::collect).unwrap_or_default()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_kafka_reads_it() {
        let read = |text| Address::parse_list(text).map(|list| list.iter().map(Address::to_string).collect::<Vec<_>>());
        assert_eq!(
            read("a:1, b:2,,PLAINTEXT://c:3,[::1]:4"),
            Ok(["a:1", "b:2", "c:3", "[::1]:4"].map(String::from).to_vec())
        );
        for (text, message) in [
            ("localhost", "Invalid url in bootstrap.servers: localhost"),
            ("a:1,b:x", "Invalid url in bootstrap.servers: b:x"),
            ("a:99999", "Invalid port in bootstrap.servers: a:99999"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), message);
        }
    }
}
