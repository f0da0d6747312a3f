//! `meta.properties`: whose directory this is.

use std::fmt::Write;
use std::path::Path;

use crate::types::{BrokerId, DirectoryId};

use super::{LogError, disk};

/// The file in every log directory.
pub const META_PROPERTIES: &str = "meta.properties";
const VERSION: &str = "1";

/// The identity of a log directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetaProperties {
    pub cluster_id: String,
    pub node_id: BrokerId,
    /// Directories formatted before KIP-858 have none yet.
    pub directory_id: Option<DirectoryId>,
}

impl MetaProperties {
    /// The file's name.
    pub const FILE: &str = META_PROPERTIES;

    /// Reads the identity of `dir`; `None` if it was never formatted.
    pub fn read(dir: &Path) -> Result<Option<MetaProperties>, LogError> {
        let path = dir.join(META_PROPERTIES);
        let Some(text) = disk::read_small(&path)? else { return Ok(None) };
        let field = |name: &str| {
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
            let mut fields = lines.filter_map(|line| line.split_once(['=', ':']));
            fields.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().replace('\\', ""))
        };
        let bad = |reason: String| LogError::BadFile { path: path.clone(), reason };
        match field("version").as_deref() {
            Some(VERSION) => {}
            Some("0") => {
                return Err(bad("version 0 is of a broker with ZooKeeper; migrate it to KRaft first".to_string()));
            }
            Some(newer) => {
                let remedy = "start the release that wrote it, or name another directory";
                return Err(bad(format!(
                    "version {newer} is of another Kafka, version {VERSION} is known here; {remedy}"
                )));
            }
            None => return Err(bad("it has no version; restore it from where the directory was copied".to_string())),
        }
        let node_id = field("node.id").or_else(|| field("broker.id")).ok_or_else(|| bad("no node.id".to_string()))?;
        let directory_id = match field("directory.id") {
            Some(id) => Some(id.parse().map_err(|error| bad(format!("directory.id: {error}")))?),
            None => None,
        };
        Ok(Some(MetaProperties {
            cluster_id: field("cluster.id").ok_or_else(|| bad("no cluster.id".to_string()))?,
            node_id: BrokerId(node_id.parse().map_err(|_| bad(format!("node.id {node_id} is no number")))?),
            directory_id,
        }))
    }

    /// Writes the identity of `dir`.
    pub fn write(&self, dir: &Path) -> Result<(), LogError> {
        let mut text = String::from("#\n");
        let mut line = |key: &str, value: &str| writeln!(text, "{key}={value}").expect("strings take everything");
        line("cluster.id", &self.cluster_id);
        if let Some(id) = self.directory_id {
            line("directory.id", &id.to_string());
        }
        line("node.id", &self.node_id.to_string());
        line("version", VERSION);
        disk::write_atomically(&dir.join(META_PROPERTIES), text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_what_the_jvm_writes() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(MetaProperties::read(dir.path()).unwrap(), None);
        let meta = MetaProperties {
            cluster_id: "MkU3OEVBNTcwNTJENDM2Qk".to_string(),
            node_id: BrokerId(3),
            directory_id: Some("JEXY6aqzQY-32P5TStzaFg".parse().unwrap()),
        };
        meta.write(dir.path()).unwrap();
        assert_eq!(MetaProperties::read(dir.path()).unwrap().as_ref(), Some(&meta));
        let jvm = "#\n#Sat Nov 21 06:42:11 UTC 2026\ncluster.id=MkU3OEVBNTcwNTJENDM2Qk\n\
                   directory.id=JEXY6aqzQY-32P5TStzaFg\nnode.id=3\nversion=1\n";
        std::fs::write(dir.path().join(META_PROPERTIES), jvm).unwrap();
        assert_eq!(MetaProperties::read(dir.path()).unwrap(), Some(meta));
        std::fs::write(dir.path().join(META_PROPERTIES), "version=2\n").unwrap();
        assert!(MetaProperties::read(dir.path()).unwrap_err().to_string().contains("meta.properties"));
    }
}
