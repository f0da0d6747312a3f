//! What a serving process needs of the operating system: threads, descriptors, signals.

use std::io;
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The two pools of threads. Handlers, sockets and logs live on `data`; heartbeats, timers, metadata and health on
/// `control`, which never touches log files, so that a disk that stalls stops no heartbeat.
#[derive(Debug)]
pub(super) struct Runtimes {
    pub(super) data: Runtime,
    pub(super) control: Runtime,
}

impl Runtimes {
    /// One data thread for each processor, and a single thread of control.
    pub(super) fn start() -> io::Result<Runtimes> {
        let processors = thread::available_parallelism().map_or(2, usize::from);
        let data = Builder::new_multi_thread()
            .worker_threads(processors)
            .max_blocking_threads(64)
            .thread_name("ottla-data")
            .enable_all()
            .build()?;
        let control = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(8)
            .thread_name("ottla-control")
            .enable_all()
            .build()?;
        Ok(Runtimes { data, control })
    }
}

/// Allows this process as many open files as its administrator lets it have; the usual limit is far too low for one
/// descriptor each for connections and segments. Answers with the limit that holds.
pub(super) fn raise_descriptor_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_err() {
        return limit.current;
    }
    limit.maximum
}

/// Has the kernel give memory in small pages: a buffer used in part would keep 2 MiB resident, and a start clear them.
pub(super) fn refuse_huge_pages() {
    // A kernel that knows no such pages gives none.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// The signals that end the process.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them from now on. It must run inside a runtime.
    pub(super) fn catch() -> io::Result<Signals> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Asks to stop at the first signal, and ends the process at once at the second.
    pub(super) async fn obey(mut self, stop: CancellationToken) {
        let name = self.next().await;
        tracing::info!("{name}: stopping; another signal ends the process at once");
        stop.cancel();
        let name = self.next().await;
        tracing::warn!("{name} again: ending at once");
        std::process::exit(1);
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
