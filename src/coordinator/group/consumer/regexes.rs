//! Which topics the patterns of a group describe, and when that is looked at again.
//!
//! A look takes a pass over all topics. It happens behind the request that caused it, for all patterns of the group
//! at once, and at most every ten seconds.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::machine::{GroupMachine, Live, Timer, Turn};
use super::super::regex::TopicPattern;
use super::change::{Change, GroupEpoch, ResolvedRegex};
use super::epoch::Step;
use super::member::ConsumerMember;
use super::{Refusal, metadata_hash};
use crate::types::{ErrorCode, Millis};

/// The least time between two looks.
const LOOK_INTERVAL_MIN_MS: i64 = 10_000;
/// Even if nothing has changed the patterns are looked at again after this time
/// (`group.consumer.regex.refresh.interval.ms`, which Kafka keeps to itself).
const LOOK_INTERVAL_MAX_MS: i64 = 600_000;

/// What a request did to its member's pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegexUpdate {
    Unchanged,
    /// Another pattern, whose topics are not known yet.
    Changed,
    /// Another pattern, or none, whose topics are known.
    ChangedAndResolved,
}

impl Step<'_> {
    /// Takes over the member's pattern, and has the topics looked at where that is due.
    pub fn update_regexes(&mut self, before: &ConsumerMember, now: &ConsumerMember) -> Result<RegexUpdate, Refusal> {
        let (old, new) = (before.metadata.regex(), now.metadata.regex());
        let subscribed = |regex: &Arc<str>| self.group.subscribers.regexes.get(regex).copied().unwrap_or(0);
        let mut update = RegexUpdate::Unchanged;
        let mut must_look = false;
        let mut dropped = None;
        if before.metadata.regex != now.metadata.regex {
            update = RegexUpdate::Changed;
            dropped = old.filter(|&old| subscribed(old) == 1).cloned();
            match new {
                Some(new) if subscribed(new) == 0 => {
                    check(new)?;
                    must_look = true;
                }
                Some(new) if self.group.regexes.contains_key(new) => update = RegexUpdate::ChangedAndResolved,
                Some(_) => {}
                None if old.is_some() => update = RegexUpdate::ChangedAndResolved,
                None => {}
            }
        }
        if let Some(regex) = dropped {
            self.changes.push(Change::Regex { regex, resolved: None });
        }
        if self.should_look(before, now, must_look) {
            self.live.resolving = true;
            self.set(Timer::Regexes(self.group.id.clone()), Millis(0));
        }
        Ok(update)
    }

    fn should_look(&self, before: &ConsumerMember, now: &ConsumerMember, must_look: bool) -> bool {
        let group = self.group;
        if self.live.resolving || !must_look && group.subscribers.regexes.is_empty() {
            return false;
        }
        let last = group.regexes.values().next();
        let since = last.map_or(i64::MAX, |last| self.now.wall.0.saturating_sub(last.at));
        if since <= LOOK_INTERVAL_MIN_MS {
            return false;
        }
        let mut subscribed = group.subscribers.regexes.clone();
        if let Some(old) = before.metadata.regex()
            && let Some(count) = subscribed.get_mut(old)
        {
            *count -= 1;
            if *count == 0 {
                subscribed.remove(old);
            }
        }
        if let Some(new) = now.metadata.regex() {
            *subscribed.entry(new.clone()).or_default() += 1;
        }
        let version = last.map_or(0, |last| last.version);
        let due = must_look
            || subscribed.len() != group.regexes.len()
            || version < self.surroundings.new_topics_at()
            || since > LOOK_INTERVAL_MAX_MS;
        due && !subscribed.is_empty()
    }
}

impl GroupMachine {
    /// Looks at all topics for the patterns of a group.
    pub(in super::super) fn resolve_regexes(&self, live: &mut Live, turn: &mut Turn, id: &Arc<str>) {
        if let Some(kept) = live.consumers.get_mut(id) {
            kept.resolving = false;
        }
        let Some(group) = self.consumers.get(id) else { return };
        let image = self.surroundings.image();
        let mut step = self.step(live, turn, group, &image);
        let mut subscribers = group.subscribers.clone();
        let mut bump = false;
        for (regex, topics) in self.describe_topics(group.subscribers.regexes.keys(), &step) {
            let before = group.regexes.get(&regex);
            if before.map_or(!topics.is_empty(), |before| before.topics != topics) {
                bump = true;
                before.iter().flat_map(|before| &before.topics).for_each(|topic| subscribers.count_regex(topic, false));
                topics.iter().for_each(|topic| subscribers.count_regex(topic, true));
            }
            let resolved = ResolvedRegex { topics, version: image.offset.0, at: turn.now.wall.0 };
            step.changes.push(Change::Regex { regex, resolved: Some(resolved) });
        }
        let hash = metadata_hash(&image, subscribers.topics.keys().map(|name| &**name));
        if bump || hash != group.metadata_hash {
            let epoch = group.epoch + 1;
            step.changes.push(Change::Epoch(Some(GroupEpoch { epoch, metadata_hash: hash })));
            step.has_looked(epoch);
        }
        step.conclude(live, turn);
    }

    fn describe_topics<'a>(
        &self,
        regexes: impl Iterator<Item = &'a Arc<str>>,
        step: &Step,
    ) -> BTreeMap<Arc<str>, std::collections::BTreeSet<Arc<str>>> {
        let each = regexes.map(|regex| {
            // It was checked when it came; a log of another coordinator may know patterns that are none here.
            let pattern = TopicPattern::new(regex).ok();
            let described = step.image.topics.iter().map(|topic| &topic.name);
            let described = described.filter(|name| pattern.as_ref().is_some_and(|pattern| pattern.matches(name)));
            (regex.clone(), described.cloned().collect())
        });
        each.collect()
    }
}

fn check(regex: &str) -> Result<(), Refusal> {
    TopicPattern::new(regex).map(|_| ()).map_err(|why| {
        let message = format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {why}.");
        Refusal::new(ErrorCode::InvalidRegularExpression, message)
    })
}
