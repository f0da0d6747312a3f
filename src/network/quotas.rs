//! How many connections there may be, and how fast they may come.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Limits on connections; all of them can change while the broker runs. The defaults are no limits.
#[derive(Debug, Clone, Default)]
pub struct ConnectionLimits {
    /// `max.connections`.
    pub total_max: Option<usize>,
    /// `max.connections.per.ip`.
    pub per_ip_max: Option<usize>,
    /// `max.connections.per.ip.overrides`, with names resolved.
    pub per_ip_overrides: HashMap<IpAddr, usize>,
    /// `max.connection.creation.rate`, connections per second.
    pub creation_rate: Option<u32>,
    /// The same keys under the prefix of a listener.
    pub listeners: HashMap<String, ListenerLimits>,
}

/// Limits on the connections of one listener.
#[derive(Debug, Clone, Copy, Default)]
pub struct ListenerLimits {
    pub max: Option<usize>,
    pub creation_rate: Option<u32>,
}

/// Counts connections against [`ConnectionLimits`]; shared by all listeners.
#[derive(Debug)]
pub struct ConnectionQuotas {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    limits: ConnectionLimits,
    total: usize,
    listeners: HashMap<String, Used>,
    ips: HashMap<IpAddr, usize>,
    pace: Pace,
}

#[derive(Debug, Default)]
struct Used {
    connections: usize,
    pace: Pace,
}

/// The address has as many connections as it may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyFromAddress {
    pub(super) limit: usize,
}

/// A connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    quotas: Arc<ConnectionQuotas>,
    listener: String,
    ip: IpAddr,
}

impl ConnectionQuotas {
    /// Nobody is connected yet.
    pub fn new(limits: ConnectionLimits) -> Arc<ConnectionQuotas> {
        let state = State { limits, ..State::default() };
        Arc::new(ConnectionQuotas { state: Mutex::new(state), changed: Notify::new() })
    }

    /// Obeys other limits from now on; connections that exceed them stay.
    pub fn set_limits(&self, limits: ConnectionLimits) {
        self.lock().limits = limits;
        self.changed.notify_waiters();
    }

    /// Connections there are.
    pub fn connections(&self) -> usize {
        self.lock().total
    }

    /// Waits until `listener` may accept one more, by number and by rate. The brokers' own listener waits for its own
    /// limits only, so that clients cannot keep brokers from each other.
    pub(super) async fn wait_for_place(&self, listener: &str, is_inter_broker: bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let delay = match self.lock().obstacle(listener, is_inter_broker, Instant::now()) {
                None => return,
                Some(Obstacle::Full) => None,
                Some(Obstacle::TooFast(delay)) => Some(delay),
            };
            match delay {
                None => changed.await,
                Some(delay) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep(delay) => {}
                },
            }
        }
    }

    /// Counts a connection that was accepted.
    pub(super) fn admit(self: &Arc<Self>, listener: &str, ip: IpAddr) -> Result<Slot, TooManyFromAddress> {
        let ip = ip.to_canonical();
        let mut state = self.lock();
        let State { limits, total, listeners, ips, pace } = &mut *state;
        let now = Instant::now();
        let used = listeners.entry(listener.to_string()).or_default();
        pace.count(limits.creation_rate, now);
        used.pace.count(limits.listeners.get(listener).and_then(|l| l.creation_rate), now);
        let from_ip = ips.get(&ip).copied().unwrap_or(0);
        if let Some(&limit) = limits.per_ip_overrides.get(&ip).or(limits.per_ip_max.as_ref())
            && from_ip >= limit
        {
            return Err(TooManyFromAddress { limit });
        }
        *total += 1;
        used.connections += 1;
        ips.insert(ip, from_ip + 1);
        Ok(Slot { quotas: self.clone(), listener: listener.to_string(), ip })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Obstacle {
    Full,
    TooFast(Duration),
}

impl State {
    fn obstacle(&self, listener: &str, is_inter_broker: bool, now: Instant) -> Option<Obstacle> {
        let own_limits = self.limits.listeners.get(listener).copied().unwrap_or_default();
        let (own, own_pace) = self.listeners.get(listener).map_or((0, Pace::default()), |u| (u.connections, u.pace));
        if own_limits.max.is_some_and(|max| own >= max)
            || (!is_inter_broker && self.limits.total_max.is_some_and(|max| self.total >= max))
        {
            return Some(Obstacle::Full);
        }
        let own_delay = own_pace.delay(own_limits.creation_rate, now);
        let delay = match is_inter_broker {
            true => own_delay,
            false => own_delay.max(self.pace.delay(self.limits.creation_rate, now)),
        };
        delay.map(Obstacle::TooFast)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.quotas.lock();
        state.total -= 1;
        if let Some(used) = state.listeners.get_mut(&self.listener) {
            used.connections -= 1;
        }
        if let Some(count) = state.ips.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                state.ips.remove(&self.ip);
            }
        }
        drop(state);
        self.quotas.changed.notify_waiters();
    }
}

/// Events at a rate, with a second's worth at once.
#[derive(Debug, Default, Clone, Copy)]
struct Pace {
    /// When the last event would have happened, had all kept their distance.
    theoretical: Option<Instant>,
}

impl Pace {
    fn count(&mut self, rate: Option<u32>, now: Instant) {
        let Some(rate) = rate else {
            self.theoretical = None;
            return;
        };
        let from = self.theoretical.map_or(now, |at| at.max(now));
        self.theoretical = Some(from + interval(rate));
    }

    fn delay(&self, rate: Option<u32>, now: Instant) -> Option<Duration> {
        let ahead = self.theoretical?.checked_duration_since(now)?;
        let allowed = Duration::from_secs(1).saturating_sub(interval(rate?));
        ahead.checked_sub(allowed).filter(|delay| !delay.is_zero())
    }
}

fn interval(rate: u32) -> Duration {
    Duration::from_secs(1) / rate.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn addresses_are_counted_and_given_back() {
        let limits = ConnectionLimits { per_ip_max: Some(2), ..ConnectionLimits::default() };
        let quotas = ConnectionQuotas::new(limits.clone());
        let first = quotas.admit("A", HOME).expect("first");
        let _second = quotas.admit("B", HOME).expect("second");
        assert_eq!(quotas.admit("A", HOME).err(), Some(TooManyFromAddress { limit: 2 }));
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().expect("an address");
        assert!(quotas.admit("A", mapped).is_err(), "an IPv4 address is itself, however it arrives");
        drop(first);
        let _third = quotas.admit("A", HOME).expect("a place is free");
        quotas.set_limits(ConnectionLimits { per_ip_overrides: [(HOME, 3)].into(), ..limits });
        let _fourth = quotas.admit("A", HOME).expect("the override counts");
        assert_eq!(quotas.connections(), 3);
    }

    #[test]
    fn the_brokers_listener_is_exempt_from_the_total() {
        let limits = ConnectionLimits { total_max: Some(1), ..ConnectionLimits::default() };
        let quotas = ConnectionQuotas::new(limits);
        let _one = quotas.admit("A", HOME).expect("first");
        let now = Instant::now();
        assert!(matches!(quotas.lock().obstacle("A", false, now), Some(Obstacle::Full)));
        assert!(quotas.lock().obstacle("B", true, now).is_none());
    }

    #[test]
    fn a_rate_allows_a_second_at_once_and_then_its_distance() {
        let start = Instant::now();
        let mut pace = Pace::default();
        for _ in 0..10 {
            assert_eq!(pace.delay(Some(10), start), None);
            pace.count(Some(10), start);
        }
        assert_eq!(pace.delay(Some(10), start), Some(Duration::from_millis(100)));
        assert_eq!(pace.delay(Some(10), start + Duration::from_millis(100)), None);
        assert_eq!(pace.delay(None, start), None);
    }
}
