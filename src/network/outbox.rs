//! Replies on their way out.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use bytes::Buf;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::service::ReplySegment;
use crate::types::FileRange;

/// One `sendfile` call: long enough to be cheap, short enough to let other connections of the worker in between.
const SENDFILE_STEP: usize = 256 << 10;
/// A file range of at most this length is copied and leaves with what stands around it: cheaper than a look at the page
/// cache and a `sendfile` of its own.
const COPIED_MAX: usize = 16 << 10;
/// Bytes that wait in memory, beyond which nothing more is copied.
const COPIED_TOGETHER_MAX: usize = 256 << 10;
/// Bytes of a file range that are looked up in the page cache at once.
const RESIDENCY_STEP: usize = 1 << 20;
/// Slices of memory that leave in one call.
const GATHER_MAX: usize = 32;
/// A reader slower than this for the whole of a reply, after the time given to any reply, is not waited for.
const DRAIN_BYTES_PER_SECOND: usize = 32 << 10;

/// A reply could not be sent, so the connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("{0}")]
    Socket(#[from] io::Error),
    #[error("a log file ended {missing} bytes before the end of the range being sent")]
    ShortFile { missing: usize },
    #[error("a log file could not be read: {0}")]
    File(io::Error),
    #[error("the reply was not read within {0:?}")]
    Undrained(Duration),
}

/// What has been answered and not been taken by the socket.
pub(super) struct Outbox<'s> {
    stream: &'s TcpStream,
    drain_timeout: Duration,
    segments: VecDeque<ReplySegment>,
    len: usize,
    /// How far into its file the range in front was found, or brought, into the page cache.
    resident_until: u64,
}

impl<'s> Outbox<'s> {
    /// Nothing waits for `stream`. A peer that does not read has `drain_timeout`, and longer only in proportion to the
    /// length of what it has to read.
    pub(super) fn new(stream: &'s TcpStream, drain_timeout: Duration) -> Outbox<'s> {
        Outbox { stream, drain_timeout, segments: VecDeque::new(), len: 0, resident_until: 0 }
    }

    /// Bytes waiting.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a reply behind those that wait.
    pub(super) fn push(&mut self, reply: Vec<ReplySegment>) {
        for segment in reply.into_iter().filter(|segment| !segment.is_empty()) {
            let segment = match segment {
                ReplySegment::File(range) if range.len <= COPIED_MAX && self.len < COPIED_TOGETHER_MAX => copied(range),
                segment => segment,
            };
            self.len += segment.len();
            self.segments.push_back(segment);
        }
    }

    /// Sends everything; replies that fit the socket's buffer cost one call.
    pub(super) async fn flush(&mut self) -> Result<(), SendError> {
        let mut deadline = None;
        while self.len > 0 {
            match self.step().await {
                Ok(()) => {}
                Err(SendError::Socket(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    let time = self.drain_timeout + Duration::from_secs((self.len / DRAIN_BYTES_PER_SECOND) as u64);
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + time);
                    timeout_at(deadline, self.stream.writable()).await.map_err(|_| SendError::Undrained(time))??;
                }
                Err(SendError::Socket(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Hands the socket as much as one call takes.
    async fn step(&mut self) -> Result<(), SendError> {
        let sent = match self.segments.front() {
            Some(ReplySegment::File(range)) => {
                if self.resident_until <= range.position {
                    let len = range.len.min(RESIDENCY_STEP);
                    // `sendfile` would stop this worker thread, and every connection on it, until the disk has answered.
                    if !range.is_resident(len) {
                        warm(range, len).await?;
                    }
                    self.resident_until = range.position + len as u64;
                }
                send_file(self.stream, range, self.resident_until)?
            }
            Some(ReplySegment::Bytes(_)) => self.send_memory()?,
            None => 0,
        };
        self.advance(sent);
        Ok(())
    }

    /// Sends the slices of memory in front. If a file follows, the kernel is told to wait for it, so that the head of
    /// a reply does not leave in a packet of its own.
    fn send_memory(&self) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); GATHER_MAX];
        let mut flags = SendFlags::NOSIGNAL;
        let mut count = 0;
        for segment in &self.segments {
            match segment {
                ReplySegment::Bytes(bytes) if count < GATHER_MAX => slices[count] = IoSlice::new(bytes),
                _ => {
                    flags |= SendFlags::MORE;
                    break;
                }
            }
            count += 1;
        }
        self.stream.try_io(Interest::WRITABLE, || {
            let sent = match &slices[..count] {
                [one] => rustix::net::send(self.stream, one, flags),
                many => rustix::net::sendmsg(self.stream, many, &mut SendAncillaryBuffer::default(), flags),
            };
            Ok(sent?)
        })
    }

    fn advance(&mut self, mut sent: usize) {
        self.len -= sent;
        while sent > 0 {
            let Some(front) = self.segments.front_mut() else { break };
            let step = sent.min(front.len());
            match front {
                ReplySegment::Bytes(bytes) => bytes.advance(step),
                ReplySegment::File(range) => {
                    range.position += step as u64;
                    range.len -= step;
                }
            }
            if front.is_empty() {
                self.segments.pop_front();
                self.resident_until = 0;
            }
            sent -= step;
        }
    }
}

/// The range in memory, where that takes no waiting for the disk.
fn copied(range: FileRange) -> ReplySegment {
    match range.read_resident() {
        Some(bytes) => ReplySegment::Bytes(bytes.into()),
        None => ReplySegment::File(range),
    }
}

fn send_file(stream: &TcpStream, range: &FileRange, until: u64) -> Result<usize, SendError> {
    let step = range.len.min(SENDFILE_STEP).min((until - range.position) as usize);
    let mut position = range.position;
    let sent = stream
        .try_io(Interest::WRITABLE, || Ok(rustix::fs::sendfile(stream, &range.file, Some(&mut position), step)?))?;
    if sent == 0 {
        return Err(SendError::ShortFile { missing: range.len });
    }
    Ok(sent)
}

/// Reads the range on a thread that may wait for the disk; what it reads stays in the page cache.
async fn warm(range: &FileRange, len: usize) -> Result<(), SendError> {
    let FileRange { file, position, .. } = range.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut scratch = vec![0; len];
        file.read_exact_at(&mut scratch, position)
    });
    match read.await {
        Ok(Err(error)) if error.kind() != io::ErrorKind::UnexpectedEof => Err(SendError::File(error)),
        _ => Ok(()),
    }
}
