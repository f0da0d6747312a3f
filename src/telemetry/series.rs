//! The newest value of each metric of each client, and its form for Prometheus.
//!
//! A metric `org.apache.kafka.producer.record.send.total` becomes `client_producer_record_send_total`, with the labels
//! `client_id`, `client_instance_id` and those the client gave to the number. A sum of differences is added up, anything
//! else replaces what was there. Names that two kinds of metric share are shown for the kind that comes first.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::otlp::{Attribute, Kind, Point};
use crate::metrics::Family;
use crate::types::{Millis, Uuid};

/// Numbers that are kept of one client.
const SERIES_PER_CLIENT: usize = 1_000;
/// Numbers that are kept of all clients.
const SERIES_MAX: usize = 20_000;
/// Numbers that are looked at in one push.
const POINTS_PER_PUSH: usize = 10_000;
/// Letters of a metric's name.
const NAME_MAX: usize = 200;
/// Letters of a label's name, and bytes of its value; more of a value is cut.
const LABEL_NAME_MAX: usize = 64;
const LABEL_VALUE_MAX: usize = 256;

const CLIENT_ID: &str = "client_id";
const INSTANCE_ID: &str = "client_instance_id";
/// What all metrics of Kafka's clients begin with.
const KAFKA: &str = "org.apache.kafka.";

/// Whose numbers are taken, and how long they are kept.
pub(super) struct Owner<'a> {
    pub instance_id: Uuid,
    pub client_id: &'a str,
    pub expires: Millis,
}

/// All numbers of all clients.
#[derive(Default)]
pub(super) struct Received {
    clients: HashMap<Uuid, Client>,
    /// Numbers of all clients together.
    count: usize,
    dropped: u64,
}

struct Client {
    client_id: String,
    expires: Millis,
    series: BTreeMap<Series, Number>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    name: String,
    labels: Vec<(String, String)>,
}

struct Number {
    counter: bool,
    value: f64,
}

/// Takes the numbers of one push.
pub(super) struct Taking<'a> {
    received: &'a mut Received,
    instance_id: Uuid,
    points: usize,
}

impl Received {
    /// Begins with a push.
    pub(super) fn take(&mut self, owner: &Owner<'_>, now: Millis) -> Taking<'_> {
        if self.count >= SERIES_MAX {
            self.forget(now);
        }
        let client = self.clients.entry(owner.instance_id).or_insert_with(|| {
            let series = BTreeMap::new();
            Client { client_id: cut(owner.client_id).to_owned(), expires: owner.expires, series }
        });
        client.expires = owner.expires;
        Taking { received: self, instance_id: owner.instance_id, points: 0 }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What is known now, by metric.
    pub(super) fn families(&mut self, now: Millis) -> Vec<Family> {
        self.forget(now);
        let mut families: BTreeMap<(&str, bool), Family> = BTreeMap::new();
        let mut clients: Vec<(&Uuid, &Client)> = self.clients.iter().collect();
        clients.sort_unstable_by_key(|(id, _)| **id);
        for (id, client) in clients {
            let own = [(CLIENT_ID.to_owned(), client.client_id.clone()), (INSTANCE_ID.to_owned(), id.to_string())];
            for (series, number) in &client.series {
                let family = families.entry((&series.name, number.counter)).or_insert_with(|| Family {
                    name: series.name.clone(),
                    counter: number.counter,
                    samples: Vec::new(),
                });
                let labels = own.iter().chain(&series.labels).cloned().collect();
                family.samples.push((labels, number.value));
            }
        }
        let mut names = BTreeSet::new();
        let is_own = |family: &Family| {
            let total = format!("{}_total", family.name);
            let is_taken = names.contains(&family.name) || family.counter && names.contains(&total);
            if !is_taken {
                names.insert(family.name.clone());
                names.extend(family.counter.then_some(total));
            }
            !is_taken
        };
        families.into_values().filter(is_own).collect()
    }

    fn forget(&mut self, now: Millis) {
        self.clients.retain(|_, client| now < client.expires && !client.series.is_empty());
        self.count = self.clients.values().map(|client| client.series.len()).sum();
    }
}

impl Taking<'_> {
    /// Takes one number, unless there are too many.
    pub(super) fn add(&mut self, point: Point<'_>) {
        self.points += 1;
        if self.points > POINTS_PER_PUSH || !self.keep(&point) {
            self.received.dropped += 1;
        }
    }

    fn keep(&mut self, point: &Point<'_>) -> bool {
        let (counter, delta) = match point.kind {
            Kind::Gauge => (false, false),
            Kind::Sum { monotonic, delta } => (monotonic, delta),
            Kind::Other => return false,
        };
        // A counter that falls is none.
        if counter && (point.value < 0.0 || point.value.is_nan()) {
            return false;
        }
        let Some(name) = metric_name(point.name, counter) else { return false };
        let received = &mut *self.received;
        let Some(client) = received.clients.get_mut(&self.instance_id) else { return false };
        let has_room = client.series.len() < SERIES_PER_CLIENT && received.count < SERIES_MAX;
        match client.series.entry(Series { name, labels: labels(&point.attributes) }) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                let before = if delta && known.counter == counter { known.value } else { 0.0 };
                *known = Number { counter, value: before + point.value };
            }
            Entry::Vacant(place) if has_room => {
                place.insert(Number { counter, value: point.value });
                received.count += 1;
            }
            Entry::Vacant(_) => return false,
        }
        true
    }
}

/// The name of the family; that of a counter is without `_total`, which Prometheus adds.
fn metric_name(name: &str, counter: bool) -> Option<String> {
    if name.is_empty() || name.len() > NAME_MAX {
        return None;
    }
    let name = format!("client_{}", plain(name.strip_prefix(KAFKA).unwrap_or(name)));
    let total = name.strip_suffix("_total").filter(|_| counter);
    Some(total.map_or_else(|| name.clone(), str::to_owned))
}

/// With an underscore for each letter that Prometheus has not in names.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn labels(attributes: &[(&str, Attribute<'_>)]) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = Vec::new();
    for (key, value) in attributes {
        let name = plain(key);
        let is_good = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() <= LABEL_NAME_MAX;
        let is_taken = name == CLIENT_ID || name == INSTANCE_ID || labels.iter().any(|(other, _)| *other == name);
        if is_good && !is_taken {
            let value = match value {
                Attribute::Text(text) => cut(text).to_owned(),
                Attribute::Integer(number) => number.to_string(),
                Attribute::Double(number) => number.to_string(),
                Attribute::Boolean(flag) => flag.to_string(),
            };
            labels.push((name, value));
        }
    }
    labels.sort_unstable();
    labels
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LABEL_VALUE_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::otlp::{fixture, walk};

    fn push(received: &mut Received, instance: u8, data: &[u8], expires: i64) {
        let instance_id = Uuid([instance; 16]);
        let owner = Owner { instance_id, client_id: "c", expires: Millis(expires) };
        let mut taking = received.take(&owner, Millis(0));
        walk(data, &mut |point| taking.add(point)).unwrap();
    }

    /// `name{labels}=value` of every sample, without the labels of the client.
    fn shown(received: &mut Received, now: i64) -> Vec<String> {
        let families = received.families(Millis(now));
        let sample = |family: &Family| {
            let name = format!("{}{}", family.name, if family.counter { "_total" } else { "" });
            let text = |(labels, value): &(Vec<(String, String)>, f64)| {
                let own: Vec<String> = labels[2..].iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{name}{{{}}}={value}", own.join(","))
            };
            family.samples.iter().map(text).collect::<Vec<_>>()
        };
        families.iter().flat_map(sample).collect()
    }

    #[test]
    fn differences_are_added_up_and_values_replaced() {
        let mut received = Received::default();
        for _ in 0..2 {
            push(&mut received, 1, &fixture::sum("org.apache.kafka.a-b.total", true, &[], 7.0), 10);
            push(&mut received, 1, &fixture::sum("other.sum", false, &[("x.y", "1"), ("client_id", "z")], 7.0), 10);
            push(&mut received, 1, &fixture::gauge("g", &[("0", "no name")], -1.5), 10);
        }
        let expected = ["client_a_b_total{}=14", "client_g{}=-1.5", "client_other_sum_total{x_y=1}=7"];
        assert_eq!(shown(&mut received, 1), expected);
        push(&mut received, 1, &fixture::sum("other.sum", true, &[], -7.0), 10);
        push(&mut received, 1, &fixture::histogram("h"), 10);
        assert_eq!(received.dropped(), 2);
    }

    #[test]
    fn one_name_is_of_one_kind() {
        let mut received = Received::default();
        push(&mut received, 1, &fixture::gauge("x", &[], 1.0), 10);
        push(&mut received, 2, &fixture::sum("x.total", true, &[], 2.0), 10);
        push(&mut received, 3, &fixture::sum("y", true, &[], 3.0), 10);
        push(&mut received, 4, &fixture::gauge("y.total", &[], 4.0), 10);
        assert_eq!(shown(&mut received, 1), ["client_x{}=1", "client_y_total{}=3"]);
    }

    #[test]
    fn numbers_are_bounded_and_go_with_their_client() {
        let mut received = Received::default();
        for client in 0..30 {
            let many: Vec<u8> = (0..1_100).flat_map(|n| fixture::gauge(&format!("m{n}"), &[], 1.0)).collect();
            push(&mut received, client, &many, 10 + i64::from(client));
        }
        assert_eq!(received.count, SERIES_MAX);
        assert_eq!(received.dropped(), 30 * 1_100 - SERIES_MAX as u64);
        assert_eq!(shown(&mut received, 28).len(), SERIES_PER_CLIENT);
        push(&mut received, 1, &fixture::gauge("m", &[], 1.0), 50);
        assert_eq!(shown(&mut received, 40), ["client_m{}=1"]);
        let long = "ä".repeat(1_000);
        push(&mut received, 1, &fixture::gauge("m", &[("t", &long)], 1.0), 50);
        assert!(shown(&mut received, 40)[1].len() < 300);
        assert!(shown(&mut received, 60).is_empty());
    }
}
