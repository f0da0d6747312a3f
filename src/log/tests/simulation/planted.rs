//! Deliberate bugs: calls of the disk that the code forgets, or does not heed. They are planted in the fault layer, which
//! answers such a call as done; production code knows nothing of them.

use std::path::Path;

use crate::log::faults::Call;

/// A bug that can be planted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    RecordsNotSynced,
    SealedSegmentsNotSynced,
    NamesNotSynced,
    CheckpointsReplacedUnsynced,
    CleanedSegmentsNotSynced,
    EpochsNotSynced,
    IndexesNotSynced,
    FailedSyncsTrusted,
    TailsNotCut,
    IndexesNotCut,
    RemovedSegmentsStay,
    CleanMarkStays,
    SwapsNotFinished,
}

/// Every bug, and what it breaks.
pub const BUGS: &[(Bug, &str)] = &[
    (Bug::RecordsNotSynced, "records are acknowledged before they are on disk"),
    (Bug::SealedSegmentsNotSynced, "a roll loses the sync of the segment before"),
    (Bug::NamesNotSynced, "new segments are synced, their names are not"),
    (Bug::CheckpointsReplacedUnsynced, "a file takes another's place before it is on disk"),
    (Bug::CleanedSegmentsNotSynced, "a cleaned segment takes the place of its originals before it is on disk"),
    (Bug::EpochsNotSynced, "leader epochs of synced records are not on disk"),
    (Bug::IndexesNotSynced, "a start believes indexes that are not on disk"),
    (Bug::FailedSyncsTrusted, "a sync that failed passes for one that did not"),
    (Bug::TailsNotCut, "what is truncated stays in the file"),
    (Bug::IndexesNotCut, "what is truncated stays in the indexes"),
    (Bug::RemovedSegmentsStay, "segments behind a truncation keep their names"),
    (Bug::CleanMarkStays, "the mark of a clean stop outlives the start"),
    (Bug::SwapsNotFinished, "a cleaned segment never gets its last name"),
];

/// Whether `bug` forgets this call.
pub fn forgets(bug: Bug, call: Call, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_newest_log = || {
        let logs = std::fs::read_dir(path.parent().expect("a file in a directory")).into_iter().flatten().flatten();
        let logs = logs.map(|entry| entry.file_name().to_string_lossy().into_owned());
        logs.filter(|other| other.ends_with(".log")).max().is_some_and(|newest| newest == name)
    };
    match bug {
        Bug::RecordsNotSynced => call == Call::Sync && name.ends_with(".log"),
        Bug::SealedSegmentsNotSynced => call == Call::Sync && name.ends_with(".log") && !is_newest_log(),
        Bug::NamesNotSynced => call == Call::SyncDir && name.ends_with("-0"),
        Bug::CheckpointsReplacedUnsynced => call == Call::Sync && name.ends_with(".tmp"),
        Bug::CleanedSegmentsNotSynced => call == Call::Sync && name.ends_with(".log.cleaned"),
        Bug::EpochsNotSynced => matches!(call, Call::Sync | Call::Rename) && name.starts_with("leader-epoch"),
        Bug::IndexesNotSynced => call == Call::Sync && name.ends_with("index"),
        Bug::FailedSyncsTrusted => false,
        Bug::TailsNotCut => call == Call::SetLen && name.ends_with(".log"),
        Bug::IndexesNotCut => call == Call::SetLen && name.ends_with("index"),
        Bug::RemovedSegmentsStay => call == Call::Rename && name.ends_with(".log"),
        Bug::CleanMarkStays => call == Call::Remove && name == ".kafka_cleanshutdown",
        Bug::SwapsNotFinished => call == Call::Rename && name.ends_with(".log.swap"),
    }
}
