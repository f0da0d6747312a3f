//! The task that runs one machine over its journal.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::types::{Clock, Millis, Offset};

use super::{Deadlines, Journal, JournalError, Now, Outcome, StateMachine, Ticket};

/// Builds the machine anew from what the journal has committed.
pub type Reload<M> = Box<dyn FnMut() -> BoxFuture<Result<M, JournalError>> + Send>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How a runtime behaves.
pub struct Options<M> {
    /// Commands that may wait; further submitters wait for a place.
    pub queue: usize,
    /// How long replies wait for the commit before they fail with [`SubmitError::CommitTimedOut`].
    pub commit_timeout: Millis,
    /// Builds the machine anew when the journal loses records. Without it the runtime ends.
    pub reload: Option<Reload<M>>,
}

impl<M> Default for Options<M> {
    fn default() -> Options<M> {
        Options { queue: 1024, commit_timeout: Millis(5_000), reload: None }
    }
}

/// Why a command has no reply. Except for [`SubmitError::CommitTimedOut`] and [`SubmitError::Lost`], it had no effect.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubmitError {
    /// The machine has stopped, here or for good.
    #[error("the state machine has stopped")]
    Stopped,
    /// Its records could not be appended.
    #[error("not appended: {0}")]
    Append(JournalError),
    /// Its records are appended; whether they will be committed is open.
    #[error("not committed in time")]
    CommitTimedOut,
    /// What the reply rests on was appended and then lost, or may be.
    #[error("lost after the append: {0}")]
    Lost(JournalError),
}

/// How to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Decide what is queued, wait for the commits (at most the commit timeout), then fail what is parked.
    Drain,
    /// The leadership is gone: fail everything at once.
    Now,
}

enum Message<M: StateMachine> {
    Command(M::Command, Answer<M>),
    Wake,
}

type Answer<M> = oneshot::Sender<Result<<M as StateMachine>::Reply, SubmitError>>;

/// Where commands are submitted; cheap to clone.
pub struct Handle<M: StateMachine> {
    messages: mpsc::Sender<Message<M>>,
    stops: mpsc::Sender<Stop>,
}

impl<M: StateMachine> Clone for Handle<M> {
    fn clone(&self) -> Handle<M> {
        Handle { messages: self.messages.clone(), stops: self.stops.clone() }
    }
}

impl<M: StateMachine> Handle<M> {
    /// Submits a command and waits for its reply. Dropping the future loses the reply, not the command.
    pub async fn submit(&self, command: M::Command) -> Result<M::Reply, SubmitError> {
        let (answer, reply) = oneshot::channel();
        self.messages.send(Message::Command(command, answer)).await.map_err(|_| SubmitError::Stopped)?;
        reply.await.unwrap_or(Err(SubmitError::Stopped))
    }

    /// Makes the runtime look at its clock; needed only where the clock is turned by hand.
    pub async fn wake(&self) {
        // A runtime that is gone needs no waking.
        let _ = self.messages.send(Message::Wake).await;
    }

    /// Asks the runtime to stop and waits until it takes no more commands and has answered all it took.
    pub async fn stop(&self, how: Stop) {
        // A runtime that is gone has stopped.
        let _ = self.stops.send(how).await;
        self.messages.closed().await;
    }
}

/// One machine with its journal, timers and open requests. Built, then run as a task that its owner joins.
pub struct Runtime<M: StateMachine, J: Journal<Record = M::Record>> {
    machine: M,
    live: M::Live,
    journal: Arc<J>,
    clock: Clock,
    commit_timeout: Millis,
    reload: Option<Reload<M>>,
    messages: mpsc::Receiver<Message<M>>,
    stops: mpsc::Receiver<Stop>,
    deadlines: Deadlines<M::Timer>,
    open: HashMap<Ticket, Answer<M>>,
    next_ticket: u64,
    /// The last offset appended by this runtime.
    appended: Offset,
    committed: Offset,
    /// Replies that wait for a commit, in order of the offset.
    waiting: VecDeque<Waiting<M>>,
    commit: Option<BoxFuture<Result<Offset, JournalError>>>,
}

struct Waiting<M: StateMachine> {
    offset: Offset,
    since: Millis,
    replies: Vec<(Ticket, M::Reply)>,
}

enum Event<M: StateMachine> {
    Message(Message<M>),
    Committed(Result<Offset, JournalError>),
    Due,
    Stop(Stop),
}

impl<M: StateMachine, J: Journal<Record = M::Record>> Runtime<M, J> {
    /// A runtime for `machine`, into which the journal has been replayed already, and the way to reach it.
    pub fn new(machine: M, journal: Arc<J>, clock: Clock, options: Options<M>) -> (Runtime<M, J>, Handle<M>) {
        let (message_sender, messages) = mpsc::channel(options.queue.max(1));
        let (stop_sender, stops) = mpsc::channel(1);
        let runtime = Runtime {
            machine,
            live: M::Live::default(),
            journal,
            clock,
            commit_timeout: options.commit_timeout,
            reload: options.reload,
            messages,
            stops,
            deadlines: Deadlines::default(),
            open: HashMap::new(),
            next_ticket: 0,
            appended: Offset::NONE,
            committed: Offset::NONE,
            waiting: VecDeque::new(),
            commit: None,
        };
        (runtime, Handle { messages: message_sender, stops: stop_sender })
    }

    /// Runs until it is told to stop, until every [`Handle`] is dropped, or until the journal is lost and cannot be
    /// reloaded.
    pub async fn run(mut self) {
        self.start();
        let stop = loop {
            match self.event().await {
                Event::Message(message) => self.message(message),
                Event::Committed(Ok(offset)) => self.release(offset),
                Event::Committed(Err(lost)) => {
                    if !self.restart(lost).await {
                        break Stop::Now;
                    }
                }
                Event::Due => self.due(),
                Event::Stop(stop) => break stop,
            }
        };
        self.close(stop).await;
    }

    async fn event(&mut self) -> Event<M> {
        if self.commit.is_none()
            && let Some(first) = self.waiting.front()
        {
            let (journal, offset) = (self.journal.clone(), first.offset);
            self.commit = Some(Box::pin(async move { journal.committed(offset).await }));
        }
        let deadline = [self.deadlines.next(), self.waiting.front().map(|first| first.since + self.commit_timeout)];
        let deadline = deadline.into_iter().flatten().min();
        let now = self.clock.monotonic();
        let stand_still = matches!(self.clock, Clock::Manual(_));
        tokio::select! {
            biased;
            stop = self.stops.recv() => Event::Stop(stop.unwrap_or(Stop::Drain)),
            result = pending_or(&mut self.commit) => {
                self.commit = None;
                Event::Committed(result)
            }
            () = sleep_until(deadline, now, stand_still) => Event::Due,
            message = self.messages.recv() => match message {
                Some(message) => Event::Message(message),
                None => Event::Stop(Stop::Drain),
            },
        }
    }

    fn message(&mut self, message: Message<M>) {
        match message {
            Message::Command(command, answer) => {
                let ticket = Ticket(self.next_ticket);
                self.next_ticket += 1;
                self.open.insert(ticket, answer);
                let outcome = self.machine.decide(&mut self.live, ticket, command, Now::of(&self.clock));
                self.carry_out(outcome);
            }
            Message::Wake => {}
        }
    }

    /// Commands that were queued before a timer came due are decided before it: after a pause of the process, sessions
    /// whose heartbeats have already arrived are not expired.
    fn due(&mut self) {
        for _ in 0..self.messages.len() {
            match self.messages.try_recv() {
                Ok(message) => self.message(message),
                Err(_) => break,
            }
        }
        let now = Now::of(&self.clock);
        while let Some(timer) = self.deadlines.pop_due(now.monotonic) {
            let outcome = self.machine.expire(&mut self.live, timer, now);
            self.carry_out(outcome);
        }
        while self.waiting.front().is_some_and(|first| first.since + self.commit_timeout <= now.monotonic) {
            let late = self.waiting.pop_front().map(|first| first.replies).unwrap_or_default();
            late.iter().for_each(|(ticket, _)| self.fail(*ticket, SubmitError::CommitTimedOut));
        }
    }

    fn start(&mut self) {
        let outcome = self.machine.start(&mut self.live, Now::of(&self.clock));
        self.carry_out(outcome);
    }

    fn carry_out(&mut self, outcome: Outcome<M>) {
        if !outcome.records.is_empty() {
            match self.journal.append(&outcome.records) {
                Ok(last) => {
                    assert!(last > self.appended, "a journal's offsets rise");
                    self.appended = last;
                }
                Err(why) => return self.abandon(outcome, &why),
            }
            for record in &outcome.records {
                self.machine.replay(&mut self.live, record);
            }
        }
        outcome.timers.into_iter().for_each(|change| self.deadlines.apply(change));
        self.answer_when_committed(outcome.replies);
    }

    fn abandon(&mut self, failed: Outcome<M>, why: &JournalError) {
        let instead = self.machine.abandon(&mut self.live, &failed, why, Now::of(&self.clock));
        instead.timers.into_iter().for_each(|change| self.deadlines.apply(change));
        for (ticket, _) in &failed.replies {
            if !instead.replies.iter().any(|(answered, _)| answered == ticket) {
                self.fail(*ticket, SubmitError::Append(why.clone()));
            }
        }
        self.answer_when_committed(instead.replies);
    }

    fn answer_when_committed(&mut self, replies: Vec<(Ticket, M::Reply)>) {
        if replies.is_empty() {
            return;
        }
        if self.appended <= self.committed {
            return self.answer(replies);
        }
        match self.waiting.back_mut() {
            Some(last) if last.offset == self.appended => last.replies.extend(replies),
            _ => {
                let since = self.clock.monotonic();
                self.waiting.push_back(Waiting { offset: self.appended, since, replies });
            }
        }
    }

    fn release(&mut self, committed: Offset) {
        self.committed = self.committed.max(committed);
        while self.waiting.front().is_some_and(|first| first.offset <= self.committed) {
            let replies = self.waiting.pop_front().map(|first| first.replies).unwrap_or_default();
            self.answer(replies);
        }
    }

    fn answer(&mut self, replies: Vec<(Ticket, M::Reply)>) {
        for (ticket, reply) in replies {
            let answer = self.open.remove(&ticket);
            // A submitter that has gone away wants no reply.
            let _ = answer.expect("a ticket is answered once").send(Ok(reply));
        }
    }

    fn fail(&mut self, ticket: Ticket, error: SubmitError) {
        if let Some(answer) = self.open.remove(&ticket) {
            // As in `answer`.
            let _ = answer.send(Err(error));
        }
    }

    fn fail_all(&mut self, error: &SubmitError) {
        self.waiting.clear();
        for (_, answer) in self.open.drain() {
            // As in `answer`.
            let _ = answer.send(Err(error.clone()));
        }
    }

    /// Drops all that rests on lost records. False when there is no way back.
    async fn restart(&mut self, lost: JournalError) -> bool {
        self.fail_all(&SubmitError::Lost(lost));
        self.live = M::Live::default();
        self.deadlines = Deadlines::default();
        self.appended = Offset::NONE;
        self.committed = Offset::NONE;
        let Some(reload) = &mut self.reload else { return false };
        let machine = tokio::select! {
            machine = reload() => machine,
            _ = self.stops.recv() => return false,
        };
        match machine {
            Ok(machine) => self.machine = machine,
            Err(_) => return false,
        }
        self.start();
        true
    }

    async fn close(mut self, stop: Stop) {
        if stop == Stop::Drain {
            let queued = self.messages.len();
            for _ in 0..queued {
                match self.messages.try_recv() {
                    Ok(message) => self.message(message),
                    Err(_) => break,
                }
            }
            self.drain().await;
        }
        self.fail_all(&SubmitError::Stopped);
        self.messages.close();
        while let Ok(message) = self.messages.try_recv() {
            if let Message::Command(_, answer) = message {
                // As in `answer`.
                let _ = answer.send(Err(SubmitError::Stopped));
            }
        }
    }

    async fn drain(&mut self) {
        let limit = self.commit_timeout.duration();
        while let Some(last) = self.waiting.back().map(|last| last.offset) {
            match tokio::time::timeout(limit, self.journal.committed(last)).await {
                Ok(Ok(offset)) => self.release(offset.max(last)),
                Ok(Err(lost)) => self.fail_all(&SubmitError::Lost(lost)),
                Err(_) => self.fail_all(&SubmitError::CommitTimedOut),
            }
        }
    }
}

async fn pending_or<T>(future: &mut Option<BoxFuture<T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Millis>, now: Millis, stand_still: bool) {
    match deadline {
        Some(at) if at <= now => {}
        Some(at) if !stand_still => tokio::time::sleep((at - now).duration()).await,
        Some(_) | None => std::future::pending().await,
    }
}
