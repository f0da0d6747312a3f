//! The timer of all locks of records that share groups have in hand: one task for all of them.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::coordinator::share_partition::SharePartitions;
use crate::types::Clock;

/// The running timer.
pub struct ShareLocks {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl ShareLocks {
    /// Takes back records of `partitions` whose locks time out, from now on.
    pub fn start(partitions: Arc<SharePartitions>, clock: Clock, runtime: &Handle) -> ShareLocks {
        let stop = CancellationToken::new();
        let task = runtime.spawn(run(partitions, clock, stop.clone()));
        ShareLocks { stop, task }
    }

    /// Ends the timer: locks are not kept beyond the process.
    pub async fn stop(self) {
        self.stop.cancel();
        // A timer that panicked has nothing left to stop.
        let _ = self.task.await;
    }
}

async fn run(partitions: Arc<SharePartitions>, clock: Clock, stop: CancellationToken) {
    loop {
        let next = partitions.next_deadline().map(|at| (at - clock.monotonic()).duration());
        let due = async {
            match next {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => partitions.expire(),
            () = partitions.deadline_moved() => {}
            () = stop.cancelled() => return,
        }
    }
}
