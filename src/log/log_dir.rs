//! One log directory: its lock, its identity, whether the last stop was clean, whether it still works.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{FlockOperation, fcntl_lock};

use crate::types::{BrokerEpoch, DirectoryId};

use super::meta_properties::MetaProperties;
use super::space::DirSpace;
use super::{LogError, disk};

/// The file whose lock keeps other processes away.
pub const LOCK: &str = ".lock";
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";

/// A directory of `log.dirs` that this process owns.
#[derive(Debug)]
pub struct LogDir {
    path: PathBuf,
    id: DirectoryId,
    /// Holding it open holds the lock. It is opened once: closing any descriptor of the file would give it up. And the
    /// kernel tells of what it could not write to the file system since then, even where others have asked before.
    lock: File,
    /// The last stop was clean: the logs need no recovery.
    pub clean: bool,
    /// The broker's epoch at that stop, if it was written down.
    pub previous_broker_epoch: Option<BrokerEpoch>,
    failure: OnceLock<String>,
    /// How much room there is.
    pub space: Arc<DirSpace>,
}

impl LogDir {
    /// Locks `path`, checks that it belongs to this node, and takes the clean-shutdown marker away.
    /// A directory that was never formatted gets `identity`.
    pub fn claim(path: &Path, identity: &MetaProperties) -> Result<LogDir, LogError> {
        fs::create_dir_all(path).map_err(LogError::io("create the directory", path))?;
        let lock = lock(path)?;
        let id = identify(path, identity)?;
        let marker = path.join(CLEAN_SHUTDOWN);
        let text = disk::read_small(&marker)?;
        if text.is_some() {
            disk::remove(&marker)?;
        }
        // Also where there is none: a start that took it away may have ended before this, and it must not come back.
        disk::sync_dir(path)?;
        Ok(LogDir {
            path: path.to_path_buf(),
            id,
            lock,
            clean: text.is_some(),
            previous_broker_epoch: text.and_then(|text| broker_epoch(&text)),
            failure: OnceLock::new(),
            space: Arc::new(DirSpace::unknown()),
        })
    }

    /// The directory's path as configured.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes everything durable that was written to the directory's file system: far less work than file by file.
    pub fn sync_file_system(&self) -> Result<(), LogError> {
        disk::sync_file_system(&self.lock, &self.path)
    }

    /// The directory's id.
    pub fn id(&self) -> DirectoryId {
        self.id
    }

    /// Takes the directory out of service.
    pub fn fail(&self, reason: &str) {
        if self.failure.set(reason.to_string()).is_ok() {
            tracing::error!(dir = %self.path.display(), reason, "log directory failed; it is offline until a restart");
        }
    }

    /// Why the directory is out of service, if it is.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Leaves word that everything was written: the last thing a clean stop does.
    pub fn mark_clean(&self, epoch: BrokerEpoch) -> Result<(), LogError> {
        let path = self.path.join(CLEAN_SHUTDOWN);
        let text = format!("{{\"version\":0,\"brokerEpoch\":{epoch}}}");
        match disk::write_file(&path, text.as_bytes()).and_then(|file| disk::sync(&file, &path)) {
            // That the file is there says it; only the epoch lacks.
            Err(error) if error.is_out_of_space() => {}
            written => written?,
        }
        disk::sync_dir(&self.path)
    }
}

/// Whether the last stop of the broker of `dir` was clean.
pub fn stopped_cleanly(dir: &Path) -> bool {
    dir.join(CLEAN_SHUTDOWN).exists()
}

/// Keeps brokers away from `dir` while the answer is held, without changing anything there: any number of readers may.
/// There is nothing to hold where no broker ever was.
pub fn lock_for_reading(dir: &Path) -> Result<Option<File>, LogError> {
    let path = dir.join(LOCK);
    match File::open(&path) {
        Ok(file) => take(file, path, FlockOperation::NonBlockingLockShared).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogError::io("open", path)(error)),
    }
}

/// A POSIX record lock over the whole file, as Java's `FileLock` takes: the two exclude each other.
pub fn lock(dir: &Path) -> Result<File, LogError> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    take(file.map_err(LogError::io("open", &path))?, path, FlockOperation::NonBlockingLockExclusive)
}

fn take(file: File, path: PathBuf, operation: FlockOperation) -> Result<File, LogError> {
    match fcntl_lock(&file, operation) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => Err(LogError::BadFile {
            path,
            reason: "another process, ours or a JVM broker, is using this directory; stop it first".to_string(),
        }),
        Err(errno) => Err(LogError::io("lock", path)(errno.into())),
    }
}

fn identify(path: &Path, expected: &MetaProperties) -> Result<DirectoryId, LogError> {
    let mut found = MetaProperties::read(path)?.unwrap_or(MetaProperties { directory_id: None, ..expected.clone() });
    check_identity(path, &found, expected)?;
    match found.directory_id {
        Some(id) => Ok(id),
        None => {
            let id = DirectoryId::random();
            found.directory_id = Some(id);
            found.write(path)?;
            Ok(id)
        }
    }
}

/// The directory belongs to this node of this cluster.
pub(super) fn check_identity(path: &Path, found: &MetaProperties, expected: &MetaProperties) -> Result<(), LogError> {
    let bad = |reason: String| LogError::BadFile { path: path.join(super::meta_properties::META_PROPERTIES), reason };
    if found.cluster_id != expected.cluster_id {
        let (found, expected) = (&found.cluster_id, &expected.cluster_id);
        return Err(bad(format!(
            "it has cluster.id {found} but the first directory of this node has {expected}; name directories of one \
             cluster in log.dirs"
        )));
    }
    if found.node_id != expected.node_id {
        let (found, expected) = (found.node_id, expected.node_id);
        return Err(bad(format!("it has node.id {found} but this node is {expected}; correct node.id or log.dirs")));
    }
    Ok(())
}

fn broker_epoch(text: &str) -> Option<BrokerEpoch> {
    let content: serde_json::Value = serde_json::from_str(text).ok()?;
    content.get("brokerEpoch")?.as_i64().map(BrokerEpoch)
}
