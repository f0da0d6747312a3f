//! `--initial-controllers`: the voters that a quorum begins with.

use crate::quorum::{Voter, VoterSet};
use crate::types::{BrokerId, Uuid};

/// Reads `id@host:port:directory`, several separated by commas; an address of IPv6 stands in brackets. The messages are
/// Kafka's.
pub(super) fn parse(text: &str, listener: &str) -> Result<VoterSet, String> {
    let mut voters: Vec<Voter> = Vec::new();
    for entry in text.trim().split(',').filter(|entry| !entry.is_empty()) {
        let voter = parse_one(entry.trim(), listener)?;
        if voters.iter().any(|known| known.id == voter.id) {
            return Err(format!("Node id {} was specified more than once.", voter.id));
        }
        voters.push(voter);
    }
    match voters.is_empty() {
        true => Err("No voters given.".to_owned()),
        false => Ok(VoterSet::new(voters)),
    }
}

fn parse_one(text: &str, listener: &str) -> Result<Voter, String> {
    let (id, rest) = text.split_once('@').ok_or("No @ found in dynamic voter string.")?;
    if id.is_empty() {
        return Err("Invalid @ at beginning of dynamic voter string.".to_owned());
    }
    let id: i32 = id.parse().map_err(|_| "Failed to parse node id in dynamic voter string.")?;
    if id < 0 {
        return Err(format!("Invalid negative node id {id} in dynamic voter string."));
    }
    let (host, rest) = match (rest, rest.strip_prefix('[')) {
        ("", _) => return Err("No hostname found after node id.".to_owned()),
        (_, Some(inner)) => {
            inner.split_once(']').ok_or("Hostname began with left bracket, but no right bracket was found.")?
        }
        (_, None) => {
            let colon = rest.find(':').ok_or("No colon following hostname could be found.")?;
            rest.split_at(colon)
        }
    };
    let rest = rest.strip_prefix(':').ok_or("Port section must start with a colon.")?;
    let (port, directory) = rest.split_once(':').ok_or("No colon following port could be found.")?;
    let port: i32 = port.parse().map_err(|_| "Failed to parse port in dynamic voter string.")?;
    let port = u16::try_from(port).map_err(|_| format!("Invalid port {port} in dynamic voter string."))?;
    let directory_id: Uuid = directory.parse().map_err(|_| "Failed to parse directory ID in dynamic voter string.")?;
    Ok(Voter { id: BrokerId(id), directory_id, endpoints: vec![(listener.to_owned(), host.to_owned(), port)] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters_are_read_as_kafkas_tool_reads_them() {
        let voters =
            parse("0@a.example:8082:JEXY6aqzQY-32P5TStzaFg,,1@[::1]:8083:MvDxzVmcRsaTz33bUuRU6A", "C").unwrap();
        let endpoint = |id: i32| voters.voter(BrokerId(id)).unwrap().endpoints[0].clone();
        assert_eq!(endpoint(0), ("C".to_owned(), "a.example".to_owned(), 8082));
        assert_eq!(endpoint(1), ("C".to_owned(), "::1".to_owned(), 8083));
        for (text, message) in [
            ("", "No voters given."),
            ("a", "No @ found in dynamic voter string."),
            ("x@a:1:b", "Failed to parse node id in dynamic voter string."),
            ("-1@a:1:b", "Invalid negative node id -1 in dynamic voter string."),
            ("1@", "No hostname found after node id."),
            ("1@localhost", "No colon following hostname could be found."),
            ("1@[::1:8:b", "Hostname began with left bracket, but no right bracket was found."),
            ("1@a:8082", "No colon following port could be found."),
            ("1@a:70000:b", "Invalid port 70000 in dynamic voter string."),
            ("1@a:8082:b", "Failed to parse directory ID in dynamic voter string."),
            ("1@a:1:JEXY6aqzQY-32P5TStzaFg,1@a:1:JEXY6aqzQY-32P5TStzaFg", "Node id 1 was specified more than once."),
        ] {
            assert_eq!(parse(text, "C").unwrap_err(), message);
        }
    }
}
