//! Counting what was delivered, in windows and in all.

use crate::types::{Clock, Millis};

/// Latencies that are kept to tell percentiles from.
const SAMPLES_MAX: u64 = 500_000;
const MIB: f64 = 1024.0 * 1024.0;

#[derive(Default)]
struct Sum {
    count: u64,
    bytes: u64,
    /// Milliseconds.
    latency: i64,
    latency_max: i32,
}

impl Sum {
    fn add(&mut self, latency: i32, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
        self.latency += i64::from(latency);
        self.latency_max = self.latency_max.max(latency);
    }

    /// Records and mebibytes a second.
    fn rates(&self, elapsed_ms: i64) -> (f64, f64) {
        let elapsed = elapsed_ms as f64;
        (1000.0 * self.count as f64 / elapsed, 1000.0 * self.bytes as f64 / elapsed / MIB)
    }
}

/// The figures of a run.
pub(super) struct Stats {
    start: Millis,
    window_start: Millis,
    interval_ms: i64,
    sampling: u64,
    samples: Vec<i32>,
    all: Sum,
    window: Sum,
    is_steady: bool,
    silent: bool,
}

impl Stats {
    pub(super) fn new(records: u64, interval_ms: i64, is_steady: bool, now: Millis) -> Stats {
        let sampling = records / records.min(SAMPLES_MAX);
        Stats {
            start: now,
            window_start: now,
            interval_ms,
            sampling,
            samples: Vec::with_capacity((records / sampling) as usize + 1),
            all: Sum::default(),
            window: Sum::default(),
            is_steady,
            silent: false,
        }
    }

    /// Counts a record that took `latency` milliseconds; prints the window that it ends.
    pub(super) fn record(&mut self, latency: i32, bytes: u64, now: Millis) {
        if self.all.count.is_multiple_of(self.sampling) {
            self.samples.push(latency);
        }
        self.all.add(latency, bytes);
        self.window.add(latency, bytes);
        if now.0 - self.window_start.0 >= self.interval_ms {
            if self.is_steady && self.all.count == self.window.count {
                println!("In steady state.");
            }
            if !self.silent {
                self.print_window();
            }
            self.window = Sum::default();
            self.window_start = Clock::system().wall();
        }
    }

    pub(super) fn suppress_printing(&mut self) {
        self.silent = true;
    }

    fn print_window(&self) {
        let (records, mib) = self.window.rates(Clock::system().wall().0 - self.window_start.0);
        println!(
            "{} records sent, {records:.1} records/sec ({mib:.2} MB/sec), {:.1} ms avg latency, {:.1} ms max latency.",
            self.window.count,
            self.window.latency as f64 / self.window.count as f64,
            f64::from(self.window.latency_max)
        );
    }

    pub(super) fn print_total(&mut self, now: Millis) {
        let (records, mib) = self.all.rates(now.0 - self.start.0);
        self.samples.sort_unstable();
        let percentile = |part: f64| {
            let at = (part * self.samples.len() as f64) as usize;
            self.samples.get(at).copied().unwrap_or(0)
        };
        println!(
            "{}{} records sent, {records:.6} records/sec ({mib:.2} MB/sec), {:.2} ms avg latency, {:.2} ms max latency, \
             {} ms 50th, {} ms 95th, {} ms 99th, {} ms 99.9th.",
            self.all.count,
            if self.is_steady { " steady state" } else { "" },
            self.all.latency as f64 / self.all.count as f64,
            f64::from(self.all.latency_max),
            percentile(0.5),
            percentile(0.95),
            percentile(0.99),
            percentile(0.999)
        );
    }
}
