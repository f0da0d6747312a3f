//! What a share group needs of the share coordinator (KIP-932): state made for its partitions, and deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Node, auto_create};
use crate::coordinator::group::{StateInit, StateOf};
use crate::coordinator::share::{Refusal, SharePartitionKey};
use crate::types::{Offset, SHARE_STATE_TOPIC, TopicId};

/// A partition of the topic of that id.
pub(super) type Place = (TopicId, i32);

/// Has the state made, and lets the group's coordinator know for which partitions that succeeded. Answers the others.
pub(super) async fn initialize(node: &Node, ask: &StateInit) -> BTreeMap<Place, Refusal> {
    let starts =
        ask.starts.iter().flat_map(|(topic, starts)| starts.iter().map(|(one, start)| ((*topic, *one), *start)));
    let starts: BTreeMap<Place, Offset> = starts.collect();
    let mut refused = BTreeMap::new();
    let topic = auto_create::internal_topic(node, SHARE_STATE_TOPIC).await;
    for (place, start) in &starts {
        let made = match topic {
            Ok(()) => node.share_states.initialize(key(&ask.group, *place), ask.state_epoch, *start).await,
            Err(error) => Err(error.into()),
        };
        if let Err(why) = made {
            refused.insert(*place, why);
        }
    }
    let of = |made: bool| {
        let mut of = StateOf { group: ask.group.clone(), partitions: BTreeMap::new() };
        for (topic, partition) in starts.keys().filter(|place| refused.contains_key(*place) != made) {
            of.partitions.entry(*topic).or_default().insert(*partition);
        }
        of
    };
    for (of, made) in [(of(true), true), (of(false), false)] {
        if of.partitions.is_empty() {
            continue;
        }
        // Else it is not known to be made, and is asked for again.
        if let Err(error) = node.groups.share_state_asked(of, made).await {
            tracing::debug!("{}: its new state is not written down: {error}", ask.group);
        }
    }
    refused
}

/// Deletes the state; answers the topics of which some could not be deleted.
pub(super) async fn delete(node: &Node, of: &StateOf) -> BTreeMap<TopicId, Refusal> {
    if let Err(error) = auto_create::internal_topic(node, SHARE_STATE_TOPIC).await {
        return of.partitions.keys().map(|topic| (*topic, error.into())).collect();
    }
    let mut refused = BTreeMap::new();
    for (topic, partitions) in &of.partitions {
        for partition in partitions {
            if let Err(why) = node.share_states.delete(key(&of.group, (*topic, *partition))).await {
                refused.entry(*topic).or_insert(why);
            }
        }
    }
    refused
}

/// The state's name.
pub(super) fn key(group: &Arc<str>, (topic, partition): Place) -> SharePartitionKey {
    SharePartitionKey::new(group.clone(), topic, partition)
}
