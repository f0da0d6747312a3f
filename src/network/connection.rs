//! One connection: read, handle, answer.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::budget::Charge;
use super::frames::{FrameBuffer, FrameLengthError};
use super::listener::Network;
use super::outbox::{Outbox, SendError};
use super::service::{ConnectionInfo, Reply, Service};
use super::text::describe_frame;

/// Replies are held back for one write until this many bytes wait.
const CORKED_MAX: usize = 256 << 10;
/// How much of a frame is kept to name it in the log.
const HEAD_LEN: usize = 10 + 512;
/// A frame that is still arriving after [`ConnectionOptions::stall_after`] must have brought this many bytes for each
/// second.
const ARRIVAL_BYTES_PER_SECOND: usize = 1 << 10;

/// How connections of a listener are treated.
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    /// `socket.request.max.bytes`.
    pub request_max_bytes: usize,
    /// `connections.max.idle.ms`; none means for ever.
    pub idle_max: Option<Duration>,
    /// A frame that takes longer must keep arriving at a decent rate.
    pub stall_after: Duration,
    /// How long a reply may wait for a peer that does not read.
    pub drain_timeout: Duration,
}

impl ConnectionOptions {
    /// The given limit on requests, with Kafka's idle time.
    pub fn new(request_max_bytes: usize) -> ConnectionOptions {
        ConnectionOptions {
            request_max_bytes,
            idle_max: Some(Duration::from_mins(10)),
            stall_after: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the peer closed it")]
    Peer,
    #[error("the listener stops")]
    Stopping,
    #[error("it was idle")]
    Idle,
    #[error("{0}")]
    Socket(io::Error),
    #[error("{0}")]
    Send(SendError),
    #[error("{0}")]
    Length(#[from] FrameLengthError),
    #[error("a frame stopped arriving after {0} bytes")]
    Stalled(usize),
    #[error("{reason}")]
    Refused { reason: String, frame: String },
}

/// Whether a request took time.
#[derive(PartialEq, Eq)]
enum Answered {
    AtOnce,
    Later,
}

/// The parts of a connection that its task owns.
pub(super) struct Connection<S> {
    pub(super) info: Arc<ConnectionInfo>,
    pub(super) service: Arc<S>,
    pub(super) options: Arc<ConnectionOptions>,
    pub(super) network: Arc<Network>,
    pub(super) stop: CancellationToken,
}

impl<S: Service> Connection<S> {
    /// Serves the connection until it ends, and says why if that matters to anybody.
    pub(super) async fn run(self, mut stream: TcpStream) {
        let mut frames = FrameBuffer::new(self.options.request_max_bytes);
        let end = match self.serve(&mut stream, &mut frames).await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        self.report(&end, &frames);
        self.service.ended(&self.info);
    }

    async fn serve(&self, stream: &mut TcpStream, frames: &mut FrameBuffer) -> Result<Infallible, End> {
        let (mut reader, writer) = stream.split();
        let stream = writer.as_ref();
        let mut outbox = Outbox::new(stream, self.options.drain_timeout);
        let mut charge = Charge::none(self.network.budget.clone());
        let mut deadlines = Deadlines::new(&self.options);
        let mut stopped = pin!(self.stop.cancelled());
        loop {
            while !self.stop.is_cancelled()
                && let Some(frame) = self.next_frame(frames, &mut outbox).await?
            {
                deadlines.frame_complete();
                if self.handle(frame, &mut outbox).await? == Answered::Later {
                    deadlines.resume();
                }
                // An answer that its client does not read must not hold the memory that others' requests wait for.
                charge.shrink(frames.let_go());
                if outbox.len() > CORKED_MAX {
                    self.flush(&mut outbox).await?;
                }
                tokio::task::consume_budget().await;
            }
            self.flush(&mut outbox).await?;
            let wanted = frames.room_wanted();
            let chargeable = frames.chargeable(wanted);
            if chargeable != charge.bytes() {
                tokio::select! {
                    biased;
                    () = charge.set(chargeable) => deadlines.resume(),
                    () = stopped.as_mut() => return Err(End::Stopping),
                }
            }
            deadlines.before_wait(frames.is_partial());
            loop {
                tokio::select! {
                    biased;
                    read = self.read(&mut reader, frames, wanted) => {
                        read?;
                        break deadlines.bytes_arrived();
                    }
                    () = stopped.as_mut() => return Err(End::Stopping),
                    () = deadlines.timer.as_mut() => {}
                }
                deadlines.check(frames.arrived())?;
            }
        }
    }

    /// The next frame that is complete. A bad length still lets the answers before it out.
    async fn next_frame(&self, frames: &mut FrameBuffer, outbox: &mut Outbox<'_>) -> Result<Option<Bytes>, End> {
        match frames.next_frame() {
            Ok(frame) => Ok(frame),
            Err(error) => {
                self.flush(outbox).await?;
                Err(End::Length(error))
            }
        }
    }

    async fn read(&self, reader: &mut ReadHalf<'_>, frames: &mut FrameBuffer, wanted: usize) -> Result<(), End> {
        let len = reader.read_buf(frames.room(wanted)).await.map_err(End::Socket)?;
        if len == 0 {
            return Err(End::Peer);
        }
        frames.note_read(len);
        self.network.metrics.bytes_in.inc_by(len as u64);
        Ok(())
    }

    /// Has one request answered. If the answer takes time, those before it leave first.
    async fn handle(&self, frame: Bytes, outbox: &mut Outbox<'_>) -> Result<Answered, End> {
        let head = frame.slice(..frame.len().min(HEAD_LEN));
        let mut call = pin!(self.service.call(&self.info, frame));
        let (reply, answered) = match poll_once(call.as_mut()).await {
            Some(reply) => (reply, Answered::AtOnce),
            None => {
                self.flush(outbox).await?;
                (call.await, Answered::Later)
            }
        };
        match reply {
            Reply::Frame(segments) => outbox.push(segments),
            Reply::None => {}
            Reply::Close(reason) => {
                self.flush(outbox).await?;
                return Err(End::Refused { reason, frame: describe_frame(&head) });
            }
        }
        Ok(answered)
    }

    async fn flush(&self, outbox: &mut Outbox<'_>) -> Result<(), End> {
        let len = outbox.len();
        if len > 0 {
            outbox.flush().await.map_err(End::Send)?;
            self.network.metrics.bytes_out.inc_by(len as u64);
        }
        Ok(())
    }

    /// One line for what a client or its operator should know of; nothing for what happens all day.
    fn report(&self, end: &End, frames: &FrameBuffer) {
        let (peer, listener) = (self.info.peer, &self.info.listener.name);
        match end {
            End::Refused { reason, frame } => {
                self.network.metrics.connections_rejected.inc();
                tracing::warn!("closed the connection from {peer} on {listener} ({frame}): {reason}");
            }
            End::Length(_) | End::Stalled(_) => {
                self.network.metrics.connections_rejected.inc();
                let frame = describe_frame(&frames.head()[..frames.head().len().min(HEAD_LEN)]);
                tracing::warn!("closed the connection from {peer} on {listener} ({frame}): {end}");
            }
            End::Send(SendError::ShortFile { .. } | SendError::File(_)) => {
                tracing::error!("closed the connection from {peer} on {listener}: {end}");
            }
            End::Send(SendError::Undrained(_)) => {
                tracing::warn!("closed the connection from {peer} on {listener}: {end}");
            }
            End::Peer | End::Stopping | End::Idle | End::Socket(_) | End::Send(SendError::Socket(_)) => {
                tracing::debug!("the connection from {peer} on {listener} ended: {end}");
            }
        }
    }
}

/// Times of a connection. One timer serves them all and is set anew only when it has fired, so that a request costs a
/// look at the clock and nothing more.
struct Deadlines {
    timer: Pin<Box<Sleep>>,
    idle_max: Option<Duration>,
    stall_after: Duration,
    last_bytes: Instant,
    partial_since: Option<Instant>,
    /// The timer fires soon enough for a frame that begins now.
    armed: bool,
}

/// Stands for "never" in a timer.
const FAR: Duration = Duration::from_hours(24 * 365);

impl Deadlines {
    fn new(options: &ConnectionOptions) -> Deadlines {
        let now = Instant::now();
        Deadlines {
            timer: Box::pin(sleep_until(now + options.idle_max.unwrap_or(FAR))),
            idle_max: options.idle_max,
            stall_after: options.stall_after,
            last_bytes: now,
            partial_since: None,
            armed: false,
        }
    }

    fn frame_complete(&mut self) {
        self.partial_since = None;
    }

    fn bytes_arrived(&mut self) {
        self.last_bytes = Instant::now();
    }

    /// The time since the last bytes was ours, not the peer's.
    fn resume(&mut self) {
        self.last_bytes = Instant::now();
        self.partial_since = self.partial_since.map(|_| self.last_bytes);
    }

    fn before_wait(&mut self, is_partial: bool) {
        if !is_partial || self.partial_since.is_some() {
            return;
        }
        self.partial_since = Some(self.last_bytes);
        if !self.armed {
            self.armed = true;
            let deadline = (self.last_bytes + self.stall_after).min(self.timer.deadline());
            self.timer.as_mut().reset(deadline);
        }
    }

    /// The timer has fired: ends the connection if it must, else sets the timer anew.
    fn check(&mut self, arrived: usize) -> Result<(), End> {
        let now = Instant::now();
        let idle_at = self.last_bytes + self.idle_max.unwrap_or(FAR);
        if now >= idle_at {
            return Err(End::Idle);
        }
        self.armed = self.partial_since.is_some();
        let mut next = idle_at;
        if let Some(since) = self.partial_since {
            let taken = now - since;
            if taken >= self.stall_after && arrived < taken.as_secs() as usize * ARRIVAL_BYTES_PER_SECOND {
                return Err(End::Stalled(arrived));
            }
            next = next.min((since + self.stall_after).max(now + Duration::from_secs(1)));
        }
        self.timer.as_mut().reset(next);
        Ok(())
    }
}

/// The output of `future`, if it has one by now.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
