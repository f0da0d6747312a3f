//! Requests that are lost, delayed and repeated, and replies that never arrive.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::sync::oneshot;

use super::world::Sim;

/// How long a client waits for an answer before it asks again.
const PATIENCE_MS: i64 = 400;

/// Sends a request that may still be on its way when the client has given up on it and asks again. None: no answer came.
pub async fn call<T: 'static>(sim: &Sim, handler: impl Future<Output = T> + 'static) -> Option<T> {
    let deadline = sim.now().0 + PATIENCE_MS;
    let mut reply = pin!(send(sim, handler));
    poll_fn(|context| match reply.as_mut().poll(context) {
        Poll::Ready(reply) => Poll::Ready(reply),
        Poll::Pending if sim.now().0 >= deadline => {
            sim.reach("requests given up on");
            Poll::Ready(None)
        }
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Sends a request and waits until it was answered or lost, so that none overtakes another. None: no answer came.
pub async fn call_in_order<T: 'static>(sim: &Sim, handler: impl Future<Output = T> + 'static) -> Option<T> {
    send(sim, handler).await
}

async fn send<T: 'static>(sim: &Sim, handler: impl Future<Output = T> + 'static) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    if sim.chance(sim.loss.get()) {
        sim.reach("requests lost");
        sim.sleep(delay(sim)).await;
        return None;
    }
    let server = sim.clone();
    sim.spawn(async move {
        server.sleep(delay(&server)).await;
        let reply = handler.await;
        server.sleep(delay(&server)).await;
        if server.chance(server.loss.get()) {
            server.reach("replies lost");
            return;
        }
        // A client that has given up wants no answer.
        let _ = sender.send(reply);
    });
    receiver.await.ok()
}

/// Mostly short, now and then longer than anybody waits.
fn delay(sim: &Sim) -> i64 {
    let most = if sim.loss.get() > 0 && sim.chance(6) { 2_000 } else { 30 };
    sim.below(most) as i64
}
