//! Share sessions: what each member of a share group reads, so that its requests tell only what changes.
//!
//! A session belongs to a member of a group, and to the connection that began it. Its epoch counts the requests, so that
//! a lost or repeated one is noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::types::{ErrorCode, TopicIdPartition};

/// The epoch of a request that begins a session.
const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request that ends a session.
pub const FINAL_EPOCH: i32 = -1;
/// Partitions that a session may have.
const PARTITIONS_MAX: usize = 100_000;

/// Whose session it is: group and member.
type Owner = (Arc<str>, Arc<str>);

/// All share sessions of a broker.
#[derive(Debug)]
pub struct ShareSessions {
    max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default, Debug)]
struct Inner {
    sessions: BTreeMap<Owner, Session>,
    /// Sessions by group.
    members: BTreeMap<Arc<str>, usize>,
    /// The last session that a connection began, and whether it is still that connection's.
    connections: BTreeMap<u64, (Owner, bool)>,
}

#[derive(Debug)]
struct Session {
    epoch: i32,
    connection: u64,
    partitions: BTreeMap<TopicIdPartition, Member>,
    /// In the order in which they are read.
    order: BTreeMap<u64, TopicIdPartition>,
    next_place: u64,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    place: u64,
    is_known: bool,
    /// Whether the next answer tells of it even if there is nothing to tell.
    is_due: bool,
}

/// A partition of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionPartition {
    pub partition: TopicIdPartition,
    /// Whether its topic was known when it was added.
    pub is_known: bool,
}

/// What a ShareFetch says of its session.
#[derive(Clone, Debug)]
pub struct ShareSessionRequest {
    pub group: Arc<str>,
    pub member: Arc<str>,
    pub epoch: i32,
    pub partitions: Vec<SessionPartition>,
    pub forgotten: Vec<TopicIdPartition>,
    pub has_acknowledgements: bool,
    pub connection: u64,
}

/// What a ShareFetch is to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ShareContext {
    /// Nothing: the session ends with it.
    Final,
    /// All that the request names; all of it is answered.
    Full(Vec<SessionPartition>),
    /// All of the session; only news is answered.
    Incremental(Vec<SessionPartition>),
}

impl ShareContext {
    /// The partitions to be read.
    pub fn partitions(&self) -> &[SessionPartition] {
        match self {
            ShareContext::Final => &[],
            ShareContext::Full(partitions) | ShareContext::Incremental(partitions) => partitions,
        }
    }
}

/// Who went away with a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Departed {
    pub group: Arc<str>,
    pub member: Arc<str>,
    /// What the session had, if the connection still had it.
    pub partitions: Vec<TopicIdPartition>,
    /// Whether no session of the group is left.
    pub group_is_empty: bool,
}

impl ShareSessions {
    /// No session yet, and never more than `max`.
    pub fn new(max: usize) -> ShareSessions {
        ShareSessions { max, inner: Mutex::default() }
    }

    /// Takes over what a ShareFetch says of its session.
    pub fn begin(&self, request: &ShareSessionRequest) -> Result<ShareContext, ErrorCode> {
        let inner = &mut *self.lock();
        let owner = (request.group.clone(), request.member.clone());
        match request.epoch {
            FINAL_EPOCH => match inner.sessions.contains_key(&owner) {
                true => Ok(ShareContext::Final),
                false => Err(ErrorCode::ShareSessionNotFound),
            },
            INITIAL_EPOCH => inner.open(owner, request, self.max),
            epoch => {
                let session = inner.session(&owner, epoch)?;
                session.add(&request.partitions)?;
                request.forgotten.iter().for_each(|partition| session.remove(partition));
                session.epoch = next_epoch(epoch);
                Ok(ShareContext::Incremental(session.partitions()))
            }
        }
    }

    /// Takes over what a ShareAcknowledge says of its session.
    pub fn acknowledge(&self, group: &Arc<str>, member: &Arc<str>, epoch: i32) -> Result<(), ErrorCode> {
        let owner = (group.clone(), member.clone());
        match epoch {
            INITIAL_EPOCH => Err(ErrorCode::InvalidShareSessionEpoch),
            FINAL_EPOCH => match self.lock().sessions.contains_key(&owner) {
                true => Ok(()),
                false => Err(ErrorCode::ShareSessionNotFound),
            },
            epoch => {
                self.lock().session(&owner, epoch)?.epoch = next_epoch(epoch);
                Ok(())
            }
        }
    }

    /// Which of the answers for the partitions of a session are news, each with whether it has records and whether an
    /// error; an error if other requests came in between. What has records is read last the next time.
    pub fn select(
        &self,
        group: &Arc<str>,
        member: &Arc<str>,
        epoch: i32,
        answers: &[(TopicIdPartition, bool, bool)],
    ) -> Result<Vec<bool>, ErrorCode> {
        let mut inner = self.lock();
        let Some(session) = inner.sessions.get_mut(&(group.clone(), member.clone())) else {
            return Ok(answers.iter().map(|(_, has_records, has_error)| *has_records || *has_error).collect());
        };
        if session.epoch != next_epoch(epoch) {
            return Err(ErrorCode::InvalidShareSessionEpoch);
        }
        Ok(answers.iter().map(|answer| session.is_news(*answer)).collect())
    }

    /// Ends a session. Answers what it had.
    pub fn remove(&self, group: &Arc<str>, member: &Arc<str>) -> Option<Vec<TopicIdPartition>> {
        let removed = self.lock().remove(&(group.clone(), member.clone()));
        removed.map(|session| session.order.into_values().collect())
    }

    /// A connection has ended, and with it the session that it began last, unless that has moved.
    pub fn disconnected(&self, connection: u64) -> Option<Departed> {
        let inner = &mut *self.lock();
        let (owner, is_its_own) = inner.connections.remove(&connection)?;
        let session = if is_its_own { inner.remove(&owner) } else { None };
        let partitions = session.map(|session| session.order.into_values().collect()).unwrap_or_default();
        let (group, member) = owner;
        let group_is_empty = !inner.members.contains_key(&group);
        Some(Departed { group, member, partitions, group_is_empty })
    }

    /// Whether there is a session of the group.
    pub fn has_members(&self, group: &str) -> bool {
        self.lock().members.contains_key(group)
    }

    /// Ends all sessions.
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.sessions.clear();
        inner.members.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn session(&mut self, owner: &Owner, epoch: i32) -> Result<&mut Session, ErrorCode> {
        let session = self.sessions.get_mut(owner).ok_or(ErrorCode::ShareSessionNotFound)?;
        if session.epoch == epoch { Ok(session) } else { Err(ErrorCode::InvalidShareSessionEpoch) }
    }

    fn open(&mut self, owner: Owner, request: &ShareSessionRequest, max: usize) -> Result<ShareContext, ErrorCode> {
        if request.has_acknowledgements {
            return Err(ErrorCode::InvalidRequest);
        }
        self.remove(&owner);
        let named: BTreeSet<_> = request.partitions.iter().map(|named| named.partition).collect();
        if named.len() < request.partitions.len() {
            // Kafka fails over a partition that is named twice.
            return Err(ErrorCode::UnknownServerError);
        }
        if self.sessions.len() >= max {
            return Err(ErrorCode::ShareSessionLimitReached);
        }
        let mut session = Session {
            epoch: next_epoch(INITIAL_EPOCH),
            connection: request.connection,
            partitions: BTreeMap::new(),
            order: BTreeMap::new(),
            next_place: 0,
        };
        session.add(&request.partitions)?;
        // All of them are told in the first answer.
        session.partitions.values_mut().for_each(|member| member.is_due = false);
        *self.members.entry(owner.0.clone()).or_default() += 1;
        self.connections.insert(request.connection, (owner.clone(), true));
        self.sessions.insert(owner, session);
        Ok(ShareContext::Full(request.partitions.clone()))
    }

    fn remove(&mut self, owner: &Owner) -> Option<Session> {
        let session = self.sessions.remove(owner)?;
        if let Some(count) = self.members.get_mut(&owner.0) {
            *count -= 1;
            if *count == 0 {
                self.members.remove(&owner.0);
            }
        }
        if let Some((_, is_its_own)) = self.connections.get_mut(&session.connection) {
            *is_its_own = false;
        }
        Some(session)
    }
}

impl Session {
    fn add(&mut self, named: &[SessionPartition]) -> Result<(), ErrorCode> {
        for SessionPartition { partition, is_known } in named {
            if self.partitions.contains_key(partition) {
                continue;
            }
            if self.partitions.len() >= PARTITIONS_MAX {
                return Err(ErrorCode::InvalidRequest);
            }
            let place = self.next_place;
            self.next_place += 1;
            self.partitions.insert(*partition, Member { place, is_known: *is_known, is_due: true });
            self.order.insert(place, *partition);
        }
        Ok(())
    }

    fn remove(&mut self, partition: &TopicIdPartition) {
        if let Some(member) = self.partitions.remove(partition) {
            self.order.remove(&member.place);
        }
    }

    fn partitions(&self) -> Vec<SessionPartition> {
        let known = |partition: &TopicIdPartition| self.partitions.get(partition).is_some_and(|member| member.is_known);
        self.order
            .values()
            .map(|partition| SessionPartition { partition: *partition, is_known: known(partition) })
            .collect()
    }

    fn is_news(&mut self, (partition, has_records, has_error): (TopicIdPartition, bool, bool)) -> bool {
        let Some(member) = self.partitions.get_mut(&partition) else { return has_records || has_error };
        let is_news = has_records || has_error || member.is_due;
        // What had an error is told again once it has none.
        member.is_due = has_error;
        if has_records {
            self.order.remove(&member.place);
            member.place = self.next_place;
            self.order.insert(self.next_place, partition);
            self.next_place += 1;
        }
        is_news
    }
}

fn next_epoch(epoch: i32) -> i32 {
    match epoch {
        ..0 => FINAL_EPOCH,
        i32::MAX => 1,
        epoch => epoch + 1,
    }
}
