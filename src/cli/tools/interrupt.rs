//! Ending in order when the user or the system asks for it.

use std::process::exit;
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::client::producer::Producer;

/// Something that is to be finished, by its user or by a signal, whichever is first.
pub struct Guarded<T>(Arc<Mutex<Option<T>>>);

impl<T> Guarded<T> {
    /// Works with it. After a signal the process is about to end, and this waits for that.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut guarded = self.0.lock().expect("nothing panics while it holds this");
        match guarded.as_mut() {
            Some(inner) => work(inner),
            None => {
                drop(guarded);
                loop {
                    thread::park();
                }
            }
        }
    }
}

impl Guarded<Producer> {
    /// Sends what is left, and ends.
    pub fn finish(&self) {
        if let Some(producer) = self.0.lock().expect("nothing panics while it holds this").take() {
            producer.close();
        }
    }
}

/// Closes the producer when the process is asked to end, so that nothing given to it is lost.
pub fn finish_on_interrupt(producer: Producer) -> Guarded<Producer> {
    let guarded = Guarded(Arc::new(Mutex::new(Some(producer))));
    let other = Guarded(guarded.0.clone());
    on_signal(move |code| {
        other.finish();
        exit(code);
    });
    guarded
}

/// Calls `act` with the exit code of the first SIGINT or SIGTERM, on a thread of its own; the second ends the process.
pub fn on_signal(act: impl FnOnce(i32) + Send + 'static) {
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_io().build().expect("a runtime for signals");
        let code = runtime.block_on(next_signal());
        thread::spawn(move || act(code));
        exit(runtime.block_on(next_signal()));
    });
}

/// The code that Java ends with: 128 and the signal's number.
async fn next_signal() -> i32 {
    let catch = |kind| signal(kind).expect("a signal that can be caught");
    let (mut interrupt, mut terminate) = (catch(SignalKind::interrupt()), catch(SignalKind::terminate()));
    tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    }
}
