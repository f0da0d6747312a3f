//! Incremental fetch sessions (KIP-227): what a client fetches is remembered, so that it sends only what changes and
//! is sent only what moved.
//!
//! A pure cache: the time of each use is an argument, and ids come from the caller.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::types::{ErrorCode, LeaderEpoch, Millis, Offset, TopicId};

/// A session that was not used for so long may be evicted by any other, and one that lives so long by a larger one.
const EVICTION_MS: Millis = Millis(120_000);

/// The epoch of a request that opens a session.
pub const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request that closes its session and wants none.
pub const FINAL_EPOCH: i32 = -1;

/// How a fetch names a topic: by name below version 13, by id from there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FetchTopicKey {
    Name(Arc<str>),
    Id(TopicId),
}

/// A partition as a fetch names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FetchKey {
    pub topic: FetchTopicKey,
    pub partition: i32,
}

/// What a client asks of one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchPosition {
    pub fetch_offset: Offset,
    /// The largest answer in bytes, but for a first batch that is larger.
    pub max_bytes: i32,
    /// The epoch the client believes in, or none.
    pub current_leader_epoch: LeaderEpoch,
    /// The epoch of the last record the client has (KIP-595), or none.
    pub last_fetched_epoch: LeaderEpoch,
    /// A follower's own log start.
    pub log_start_offset: Offset,
}

/// What an answer says of one partition, as far as a session compares it with the answer before.
#[derive(Clone, Copy, Debug)]
pub struct FetchedState {
    pub error: ErrorCode,
    pub high_watermark: Offset,
    pub log_start_offset: Offset,
    pub has_records: bool,
    pub has_diverging_epoch: bool,
}

#[derive(Debug)]
struct CachedPartition {
    position: FetchPosition,
    high_watermark: Offset,
    log_start_offset: Offset,
}

/// One client's remembered fetch. Partitions are visited in order; one that yielded records goes to the end.
#[derive(Debug, Default)]
struct Session {
    epoch: i32,
    uses_topic_ids: bool,
    privileged: bool,
    created: Millis,
    last_used: Millis,
    cached_size: usize,
    order: BTreeMap<u64, FetchKey>,
    partitions: HashMap<FetchKey, (u64, CachedPartition)>,
    next_rank: u64,
}

impl Session {
    fn put(&mut self, key: FetchKey, cached: CachedPartition) {
        let rank = self.next_rank;
        self.next_rank += 1;
        self.order.insert(rank, key.clone());
        if let Some((old, _)) = self.partitions.insert(key, (rank, cached)) {
            self.order.remove(&old);
        }
    }

    fn remove(&mut self, key: &FetchKey) {
        if let Some((rank, _)) = self.partitions.remove(key) {
            self.order.remove(&rank);
        }
    }

    fn update(&mut self, fetched: Vec<(FetchKey, FetchPosition)>, forgotten: &[FetchKey]) {
        for (key, position) in fetched {
            match self.partitions.get_mut(&key) {
                Some((_, cached)) => cached.position = position,
                None => self.put(key, CachedPartition::new(position)),
            }
        }
        for key in forgotten {
            self.remove(key);
        }
    }

    fn move_to_end(&mut self, key: &FetchKey) {
        if let Some((_, cached)) = self.partitions.remove(key).map(|(rank, cached)| (self.order.remove(&rank), cached))
        {
            self.put(key.clone(), cached);
        }
    }
}

impl CachedPartition {
    fn new(position: FetchPosition) -> CachedPartition {
        CachedPartition { position, high_watermark: Offset::NONE, log_start_offset: Offset::NONE }
    }

    /// Whether the answer must name the partition; what the client is told is remembered.
    fn respond(&mut self, state: &FetchedState) -> bool {
        let moved = self.high_watermark != state.high_watermark || self.log_start_offset != state.log_start_offset;
        self.high_watermark = if state.error.is_none() { state.high_watermark } else { Offset::NONE };
        self.log_start_offset = state.log_start_offset;
        moved || state.has_records || state.has_diverging_epoch || !state.error.is_none()
    }
}

/// A fetch request as the cache sees it.
#[derive(Debug)]
pub struct FetchSessionRequest {
    pub session_id: i32,
    pub session_epoch: i32,
    pub uses_topic_ids: bool,
    /// Whether a follower asks: its sessions are evicted last.
    pub from_follower: bool,
    pub partitions: Vec<(FetchKey, FetchPosition)>,
    pub forgotten: Vec<FetchKey>,
}

/// How one fetch is to be answered.
#[derive(Debug)]
pub enum FetchContext {
    /// Everything asked is answered, and no session follows.
    Sessionless { partitions: Vec<(FetchKey, FetchPosition)> },
    /// Everything asked is answered, and a session opens if there is room.
    Full { partitions: Vec<(FetchKey, FetchPosition)>, uses_topic_ids: bool, from_follower: bool },
    /// What moved is answered.
    Incremental { partitions: Vec<(FetchKey, FetchPosition)>, session_id: i32, epoch: i32 },
    /// The session is not what the client thinks.
    Refused(ErrorCode),
}

/// The sessions of one broker, at most `max.incremental.fetch.session.cache.slots`.
#[derive(Debug)]
pub struct FetchSessions {
    slots: usize,
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    by_id: HashMap<i32, Session>,
    by_use: BTreeSet<(Millis, i32)>,
}

impl FetchSessions {
    /// A cache of at most `slots` sessions.
    pub fn new(slots: usize) -> FetchSessions {
        FetchSessions { slots, sessions: Mutex::default() }
    }

    /// The number of open sessions.
    pub fn len(&self) -> usize {
        self.lock().by_id.len()
    }

    /// Whether no session is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Opens the context of a request: which partitions it is about.
    pub fn begin(&self, request: FetchSessionRequest, now: Millis) -> FetchContext {
        let mut sessions = self.lock();
        if request.session_epoch == INITIAL_EPOCH || request.session_epoch == FINAL_EPOCH {
            sessions.remove(request.session_id);
            let partitions = request.partitions;
            if request.session_epoch == FINAL_EPOCH {
                return FetchContext::Sessionless { partitions };
            }
            let FetchSessionRequest { uses_topic_ids, from_follower, .. } = request;
            return FetchContext::Full { partitions, uses_topic_ids, from_follower };
        }
        let Some(session) = sessions.by_id.get_mut(&request.session_id) else {
            return FetchContext::Refused(ErrorCode::FetchSessionIdNotFound);
        };
        if session.epoch != request.session_epoch {
            return FetchContext::Refused(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_topic_ids != request.uses_topic_ids {
            return FetchContext::Refused(ErrorCode::FetchSessionTopicIdError);
        }
        let asked = request.partitions.clone();
        session.update(request.partitions, &request.forgotten);
        if session.partitions.is_empty() {
            sessions.remove(request.session_id);
            return FetchContext::Sessionless { partitions: asked };
        }
        session.epoch = next_epoch(session.epoch);
        let epoch = session.epoch;
        let partitions = session.order.values().map(|key| (key.clone(), session.partitions[key].1.position)).collect();
        sessions.touch(request.session_id, now);
        FetchContext::Incremental { partitions, session_id: request.session_id, epoch }
    }

    /// Opens a session over a full fetch that was answered with `states`, if there is room; `id` proposes ids.
    /// Answers the session's id, 0 for none.
    pub fn open(
        &self,
        partitions: &[(FetchKey, FetchPosition)],
        states: &[FetchedState],
        kind: SessionKind,
        now: Millis,
        mut id: impl FnMut() -> i32,
    ) -> i32 {
        let mut sessions = self.lock();
        if sessions.by_id.len() >= self.slots && !sessions.evict(kind.from_follower, partitions.len(), now) {
            return 0;
        }
        let mut session = Session {
            epoch: next_epoch(INITIAL_EPOCH),
            uses_topic_ids: kind.uses_topic_ids,
            privileged: kind.from_follower,
            created: now,
            last_used: now,
            cached_size: partitions.len(),
            ..Session::default()
        };
        for ((key, position), state) in partitions.iter().zip(states) {
            let mut cached = CachedPartition::new(*position);
            cached.high_watermark = state.high_watermark;
            cached.log_start_offset = state.log_start_offset;
            session.put(key.clone(), cached);
        }
        let id = loop {
            let candidate = id() & i32::MAX;
            if candidate != 0 && !sessions.by_id.contains_key(&candidate) {
                break candidate;
            }
        };
        sessions.by_use.insert((now, id));
        sessions.by_id.insert(id, session);
        id
    }

    /// Which of the partitions of an incremental fetch its answer names; the session remembers what they are told.
    pub fn select(&self, session_id: i32, keys: &[FetchKey], states: &[FetchedState]) -> Vec<bool> {
        let mut sessions = self.lock();
        let Some(session) = sessions.by_id.get_mut(&session_id) else {
            return vec![true; keys.len()];
        };
        let mut selected = Vec::with_capacity(keys.len());
        for (key, state) in keys.iter().zip(states) {
            let Some((_, cached)) = session.partitions.get_mut(key) else {
                selected.push(false);
                continue;
            };
            let respond = cached.respond(state);
            if respond && state.has_records {
                session.move_to_end(key);
            }
            selected.push(respond);
        }
        selected
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What a new session is like.
#[derive(Clone, Copy, Debug)]
pub struct SessionKind {
    pub uses_topic_ids: bool,
    pub from_follower: bool,
}

impl Sessions {
    fn remove(&mut self, id: i32) {
        if let Some(session) = self.by_id.remove(&id) {
            self.by_use.remove(&(session.last_used, id));
        }
    }

    fn touch(&mut self, id: i32, now: Millis) {
        if let Some(session) = self.by_id.get_mut(&id) {
            self.by_use.remove(&(session.last_used, id));
            session.last_used = now;
            session.cached_size = session.partitions.len();
            self.by_use.insert((now, id));
        }
    }

    /// Makes room for a session of `size` partitions: the one longest unused if it is stale, else the smallest that a
    /// larger newcomer may replace. A follower's session is replaced only by another follower's.
    fn evict(&mut self, privileged: bool, size: usize, now: Millis) -> bool {
        let Some(&(last_used, oldest)) = self.by_use.first() else {
            return false;
        };
        if now - last_used > EVICTION_MS {
            self.remove(oldest);
            return true;
        }
        let smallest = self
            .by_id
            .iter()
            .filter(|(_, session)| now - session.created > EVICTION_MS || (privileged && !session.privileged))
            .map(|(id, session)| (session.privileged, session.cached_size, *id))
            .min();
        match smallest {
            Some(key) if (privileged, size, 0) >= key => {
                self.remove(key.2);
                true
            }
            _ => false,
        }
    }
}

/// The epoch after `epoch`; after the largest comes 1, since 0 opens a session.
fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        FINAL_EPOCH => FINAL_EPOCH,
        i32::MAX => 1,
        epoch => epoch + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(partition: i32) -> FetchKey {
        FetchKey { topic: FetchTopicKey::Name("t".into()), partition }
    }

    fn position(offset: i64) -> FetchPosition {
        FetchPosition {
            fetch_offset: Offset(offset),
            max_bytes: 1024,
            current_leader_epoch: LeaderEpoch::NONE,
            last_fetched_epoch: LeaderEpoch::NONE,
            log_start_offset: Offset::NONE,
        }
    }

    fn state(high_watermark: i64, has_records: bool) -> FetchedState {
        FetchedState {
            error: ErrorCode::None,
            high_watermark: Offset(high_watermark),
            log_start_offset: Offset(0),
            has_records,
            has_diverging_epoch: false,
        }
    }

    fn request(session_id: i32, session_epoch: i32, partitions: &[i32]) -> FetchSessionRequest {
        FetchSessionRequest {
            session_id,
            session_epoch,
            uses_topic_ids: false,
            from_follower: false,
            partitions: partitions.iter().map(|&p| (key(p), position(0))).collect(),
            forgotten: Vec::new(),
        }
    }

    fn open(sessions: &FetchSessions, partitions: &[i32], now: i64) -> i32 {
        let FetchContext::Full { partitions, .. } = sessions.begin(request(0, 0, partitions), Millis(now)) else {
            panic!("a first fetch is full");
        };
        let states: Vec<_> = partitions.iter().map(|_| state(5, false)).collect();
        let mut next = 41;
        let kind = SessionKind { uses_topic_ids: false, from_follower: false };
        sessions.open(&partitions, &states, kind, Millis(now), || {
            next += 1;
            next
        })
    }

    #[test]
    fn incremental_fetch_names_what_moved_and_rotates() {
        let sessions = FetchSessions::new(10);
        let id = open(&sessions, &[0, 1, 2], 0);
        let context = sessions.begin(request(id, 1, &[]), Millis(1));
        let FetchContext::Incremental { partitions, epoch, .. } = context else { panic!("{context:?}") };
        assert_eq!(epoch, 2);
        let keys: Vec<_> = partitions.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [key(0), key(1), key(2)]);
        let selected = sessions.select(id, &keys, &[state(6, true), state(5, false), state(7, false)]);
        assert_eq!(selected, [true, false, true]);
        let FetchContext::Incremental { partitions, .. } = sessions.begin(request(id, 2, &[]), Millis(2)) else {
            panic!("the session is open");
        };
        let order: Vec<_> = partitions.iter().map(|(key, _)| key.partition).collect();
        assert_eq!(order, [1, 2, 0]);
    }

    #[test]
    fn wrong_epoch_id_and_naming_are_refused() {
        let sessions = FetchSessions::new(10);
        let id = open(&sessions, &[0], 0);
        let refused = |request| match sessions.begin(request, Millis(1)) {
            FetchContext::Refused(error) => error,
            context => panic!("{context:?}"),
        };
        assert_eq!(refused(request(id, 7, &[])), ErrorCode::InvalidFetchSessionEpoch);
        assert_eq!(refused(request(id + 1, 1, &[])), ErrorCode::FetchSessionIdNotFound);
        let by_id = FetchSessionRequest { uses_topic_ids: true, ..request(id, 1, &[]) };
        assert_eq!(refused(by_id), ErrorCode::FetchSessionTopicIdError);
    }

    #[test]
    fn forgetting_everything_closes_the_session() {
        let sessions = FetchSessions::new(10);
        let id = open(&sessions, &[0], 0);
        let forget = FetchSessionRequest { forgotten: vec![key(0)], ..request(id, 1, &[]) };
        assert!(matches!(sessions.begin(forget, Millis(1)), FetchContext::Sessionless { .. }));
        assert!(sessions.is_empty());
    }

    #[test]
    fn a_full_cache_evicts_only_what_is_stale() {
        let sessions = FetchSessions::new(1);
        let first = open(&sessions, &[0], 0);
        assert_ne!(first, 0);
        assert_eq!(open(&sessions, &[0, 1], 10), 0);
        assert_ne!(open(&sessions, &[0, 1], 120_001), 0);
        assert_eq!(sessions.len(), 1);
    }

    #[test]
    fn an_error_is_told_again_when_it_ends() {
        let sessions = FetchSessions::new(10);
        let id = open(&sessions, &[0], 0);
        let failed = FetchedState { error: ErrorCode::UnknownTopicOrPartition, ..state(-1, false) };
        assert_eq!(sessions.select(id, &[key(0)], &[failed]), [true]);
        assert_eq!(sessions.select(id, &[key(0)], &[state(5, false)]), [true]);
        assert_eq!(sessions.select(id, &[key(0)], &[state(5, false)]), [false]);
    }
}
