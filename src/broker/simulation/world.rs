//! The world of one run: time, chance, tasks, and what is told of all of them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

use arc_swap::ArcSwap;

use super::invariants::{self, Violation};
use super::log::SimLog;
use super::oracle::Oracle;
use super::planted::{Bug, Planted};
use super::shard::Shard;
use crate::coordinator::group::{GroupMachine, Surroundings};
use crate::coordinator::testing::Random;
use crate::coordinator::transaction::TransactionMachine;
use crate::metadata::MetadataImage;
use crate::protocol::kraft::{PartitionRecord, TopicRecord};
use crate::types::{Clock, Millis, OFFSETS_TOPIC, Offset, TopicId, TopicPartition};

/// When the world begins: long after the epoch, so that ages can be subtracted.
const BEGINNING: i64 = 1_700_000_000_000;
/// How many of the last lines of a trace are kept.
const TRACE_LINES: usize = 5_000;
/// The topics with data, and how many partitions each has.
pub const TOPICS: [(&str, i32); 2] = [("t", 2), ("u", 1)];

/// What everything in a run shares.
pub type Sim = Rc<World>;
type Work = Pin<Box<dyn Future<Output = ()>>>;

/// See the module's essay.
pub struct World {
    pub planted: Option<Bug>,
    time: Arc<AtomicI64>,
    random: RefCell<Random>,
    tasks: RefCell<Vec<Task>>,
    spawned: RefCell<Vec<Task>>,
    /// The task at hand need not be polled before.
    asleep_until: Cell<i64>,
    trace: RefCell<Trace>,
    pub figures: RefCell<BTreeMap<String, u64>>,
    pub violation: RefCell<Option<Violation>>,
    /// Requests and replies that are lost, of a hundred.
    pub loss: Cell<u64>,
    /// Clients begin nothing new.
    pub closing: Cell<bool>,
    /// Members say nothing any more.
    pub silent: Cell<bool>,
    uids: Cell<i64>,
    producer_ids: Cell<i64>,
    pub surroundings: Arc<Surroundings>,
    pub transaction_log: Arc<SimLog>,
    pub group_log: Arc<SimLog>,
    pub data: BTreeMap<TopicPartition, Arc<SimLog>>,
    pub groups: Shard<Planted<GroupMachine>>,
    pub transactions: Shard<Planted<TransactionMachine>>,
    pub oracle: RefCell<Oracle>,
}

struct Task {
    work: Work,
    asleep_until: i64,
}

struct Trace {
    hash: u64,
    lines: VecDeque<String>,
}

impl World {
    /// Topics and logs, and nothing in them.
    pub fn new(
        seed: u64,
        planted: Option<Bug>,
        surroundings: impl FnOnce(&Arc<ArcSwap<MetadataImage>>) -> Surroundings,
    ) -> Sim {
        let time = Arc::new(AtomicI64::new(BEGINNING));
        let image = Arc::new(ArcSwap::from_pointee(image()));
        let log = |topic: &str, partition| {
            let of = TopicPartition::new(topic, partition);
            (of.clone(), Arc::new(SimLog::new(of, Clock::Manual(time.clone()), planted)))
        };
        let data = TOPICS.iter().flat_map(|(topic, count)| (0..*count).map(|partition| log(topic, partition)));
        let data: BTreeMap<_, _> = data.collect();
        let group_log = log(OFFSETS_TOPIC, 0).1;
        let transaction_log = log("__transaction_state", 0).1;
        Rc::new(World {
            planted,
            random: RefCell::new(Random::seeded(seed.wrapping_add(1).wrapping_mul(0x2545_f491_4f6c_dd1d) | 1)),
            tasks: RefCell::default(),
            spawned: RefCell::default(),
            asleep_until: Cell::new(i64::MIN),
            trace: RefCell::new(Trace { hash: 0xcbf2_9ce4_8422_2325, lines: VecDeque::new() }),
            figures: RefCell::default(),
            violation: RefCell::default(),
            loss: Cell::new(0),
            closing: Cell::new(false),
            silent: Cell::new(false),
            uids: Cell::new(0),
            producer_ids: Cell::new(100),
            surroundings: Arc::new(surroundings(&image)),
            transaction_log,
            group_log,
            data,
            groups: Shard::default(),
            transactions: Shard::default(),
            oracle: RefCell::default(),
            time,
        })
    }

    pub fn clock(&self) -> Clock {
        Clock::Manual(self.time.clone())
    }

    pub fn now(&self) -> Millis {
        Millis(self.time.load(Ordering::SeqCst))
    }

    pub fn pass(&self, millis: i64) {
        self.time.fetch_add(millis, Ordering::SeqCst);
    }

    pub fn below(&self, bound: u64) -> u64 {
        self.random.borrow_mut().below(bound)
    }

    /// True so many times of a hundred.
    pub fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A number that nothing else has.
    pub fn uid(&self) -> i64 {
        self.uids.set(self.uids.get() + 1);
        self.uids.get()
    }

    /// A producer id that nobody has; the newer is the larger.
    pub fn producer_id(&self) -> i64 {
        self.producer_ids.set(self.producer_ids.get() + 1);
        self.producer_ids.get()
    }

    /// Every log, the coordinators' first.
    pub fn logs(&self) -> impl Iterator<Item = &Arc<SimLog>> {
        [&self.transaction_log, &self.group_log].into_iter().chain(self.data.values())
    }

    /// The log of a partition that a transaction may touch.
    pub fn log_of(&self, partition: &TopicPartition) -> &Arc<SimLog> {
        self.data.get(partition).unwrap_or(&self.group_log)
    }

    /// Counts that something was reached.
    pub fn reach(&self, what: impl Into<String>) {
        *self.figures.borrow_mut().entry(what.into()).or_default() += 1;
    }

    /// A line of the trace.
    pub fn note(&self, line: String) {
        let line = format!("{:>8} {line}", self.now().0 - BEGINNING);
        let mut trace = self.trace.borrow_mut();
        for byte in line.bytes() {
            trace.hash = (trace.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if trace.lines.len() == TRACE_LINES {
            trace.lines.pop_front();
        }
        trace.lines.push_back(line);
    }

    /// The hash of all lines, and the last of them.
    pub fn trace(&self) -> (u64, Vec<String>) {
        let trace = self.trace.borrow();
        (trace.hash, trace.lines.iter().cloned().collect())
    }

    /// An invariant does not hold; the first time counts.
    pub fn violate(&self, invariant: &'static str, told: String) {
        assert!(invariants::named(invariant).is_some(), "{invariant} is in the table");
        self.note(format!("VIOLATED {invariant}: {told}"));
        self.violation.borrow_mut().get_or_insert(Violation { invariant, told });
    }

    /// Runs `work` beside everything else.
    pub fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        self.spawned.borrow_mut().push(Task { work: Box::pin(work), asleep_until: i64::MIN });
    }

    /// Waits; not to be raced against anything.
    pub async fn sleep(&self, millis: i64) {
        let at = self.now().0 + millis;
        let until = |_: &mut Context| {
            if self.now().0 >= at {
                return Poll::Ready(());
            }
            self.asleep_until.set(at);
            Poll::Pending
        };
        poll_fn(until).await;
    }

    /// Lets another step pass.
    pub async fn step(&self) {
        let mut passed = false;
        let once = |_: &mut Context| if std::mem::replace(&mut passed, true) { Poll::Ready(()) } else { Poll::Pending };
        poll_fn(once).await;
    }

    /// Polls every task that is not asleep, in an order that chance begins, and the coordinators in between.
    pub fn turn(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        tasks.append(&mut self.spawned.borrow_mut());
        if !tasks.is_empty() {
            let first = self.below(tasks.len() as u64) as usize;
            tasks.rotate_left(first);
        }
        let now = self.now().0;
        tasks.retain_mut(|task| {
            if task.asleep_until > now || self.violation.borrow().is_some() {
                return true;
            }
            self.asleep_until.set(i64::MIN);
            let done = poll(&mut task.work);
            task.asleep_until = self.asleep_until.get();
            if self.below(4) == 0 {
                self.poll_coordinators(false);
            }
            !done
        });
        self.tasks.borrow_mut().append(&mut tasks);
        self.poll_coordinators(true);
    }

    fn poll_coordinators(&self, turned: bool) {
        self.groups.poll(turned);
        self.transactions.poll(turned);
    }

    /// Ends everything that still runs, so that nothing holds on to anything.
    pub fn end(&self) {
        self.tasks.borrow_mut().clear();
        self.spawned.borrow_mut().clear();
        self.groups.crash();
        self.transactions.crash();
    }

    /// How many tasks there are.
    pub fn tasks(&self) -> usize {
        self.tasks.borrow().len() + self.spawned.borrow().len()
    }
}

/// Polls once; true if that was the end.
pub fn poll(work: &mut Work) -> bool {
    work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// The id of one of the topics.
pub fn topic_id(name: &str) -> TopicId {
    TopicId::from_halves(7, i64::from(name.as_bytes()[0]))
}

fn image() -> MetadataImage {
    let mut image = MetadataImage { offset: Offset(1), ..MetadataImage::default() };
    for (name, partitions) in TOPICS {
        let topic_id = topic_id(name);
        image.replay(&TopicRecord { name: name.to_owned(), topic_id }.into()).expect("a new topic");
        for partition_id in 0..partitions {
            let replicas = vec![1];
            let record =
                PartitionRecord { partition_id, topic_id, replicas, isr: vec![1], leader: 1, ..Default::default() };
            image.replay(&record.into()).expect("a new partition");
        }
    }
    image
}
