//! DeleteTopics (20), versions 1 to 6: by name, and from 6 also by id.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answer, Call};
use crate::controller::{Denied, TopicRef};
use crate::metadata::MetadataImage;
use crate::protocol::StrBytes;
use crate::protocol::messages::delete_topics_response::DeletableTopicResult;
use crate::protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, ResponseKind};
use crate::types::{ErrorCode, TopicId};

/// The first version whose clients know TOPIC_DELETION_DISABLED.
const FIRST_VERSION_WITH_DISABLED: i16 = 3;
/// The first version that names topics by id.
const FIRST_VERSION_WITH_IDS: i16 = 6;

pub(super) async fn handle(call: &Call<'_>, request: DeleteTopicsRequest) -> Answer {
    let asked: Vec<(Option<String>, TopicId)> = match call.version() >= FIRST_VERSION_WITH_IDS {
        true => request.topics.iter().map(|t| (t.name.as_ref().map(|n| n.to_string()), t.topic_id.into())).collect(),
        false => request.topic_names.iter().map(|name| (Some(name.to_string()), TopicId::ZERO)).collect(),
    };
    let mut results = Results::default();
    if !call.node.config.broker().delete_topic_enable {
        let denied = match call.version() < FIRST_VERSION_WITH_DISABLED {
            true => Denied::new(ErrorCode::InvalidRequest, "This version does not support topic deletion."),
            false => ErrorCode::TopicDeletionDisabled.into(),
        };
        asked.into_iter().for_each(|(name, id)| results.add(name, id, Err(denied.clone())));
        return results.answer();
    }
    let wanted = results.sort_out(&call.node.image(), asked.clone());
    if let (Some(denied), true) = (super::out_of_time(request.timeout_ms), results.needs_controller(&wanted)) {
        let mut results = Results::default();
        asked.into_iter().for_each(|(name, id)| results.add(name, id, Err(denied.clone())));
        return results.answer();
    }
    let refs = wanted.keys().map(|id| TopicRef::Id(*id)).collect();
    match call.node.controller.delete_topics(refs).await {
        Ok(deleted) => {
            for topic in deleted {
                let name = topic.name.or_else(|| wanted.get(&topic.id).cloned());
                results.add(name, topic.id, topic.result);
            }
        }
        Err(error) => {
            let denied = super::not_submitted(&error);
            wanted.into_iter().for_each(|(id, name)| results.add(Some(name), id, Err(denied.clone())));
        }
    }
    results.answer()
}

#[derive(Default)]
struct Results {
    results: Vec<DeletableTopicResult>,
}

impl Results {
    fn add(&mut self, name: Option<String>, id: TopicId, outcome: Result<(), Denied>) {
        let mut result = DeletableTopicResult::default();
        result.name = name.map(|name| StrBytes::from_string(name).into());
        result.topic_id = id.into();
        if let Err(denied) = outcome {
            result.error_code = denied.code.code();
            result.error_message = denied.message.map(StrBytes::from_string);
        }
        self.results.push(result);
    }

    fn refuse(&mut self, name: Option<String>, id: TopicId, message: &str) {
        self.add(name, id, Err(Denied::new(ErrorCode::InvalidRequest, message)));
    }

    /// Whether any topic was named as it should be: Kafka's controller looks even for those that do not exist.
    fn needs_controller(&self, wanted: &BTreeMap<TopicId, String>) -> bool {
        let refused = ErrorCode::InvalidRequest.code();
        !wanted.is_empty() || self.results.iter().any(|result| result.error_code != refused)
    }

    /// The topics that are to be deleted, each named once, by id; the rest is refused.
    fn sort_out(&mut self, image: &MetadataImage, asked: Vec<(Option<String>, TopicId)>) -> BTreeMap<TopicId, String> {
        let (mut names, mut ids) = (Once::default(), Once::default());
        for (name, id) in asked {
            match (name, id) {
                (None, TopicId::ZERO) => self.refuse(None, id, "Neither topic name nor id were specified."),
                (None, id) => ids.add(id),
                (Some(name), TopicId::ZERO) => names.add(name),
                (name, id) => self.refuse(name, id, "You may not specify both topic name and topic id."),
            }
        }
        for name in std::mem::take(&mut names.repeated) {
            self.refuse(Some(name), TopicId::ZERO, "Duplicate topic name.");
        }
        for id in &ids.repeated {
            self.refuse(None, *id, "Duplicate topic id.");
        }
        let mut wanted = BTreeMap::new();
        for id in ids.single {
            match image.topics.with_id(id) {
                Some(topic) => _ = wanted.insert(id, topic.name.to_string()),
                None => self.add(None, id, Err(ErrorCode::UnknownTopicId.into())),
            }
        }
        for name in names.single {
            let Some(topic) = image.topics.named(&name) else {
                self.add(Some(name), TopicId::ZERO, Err(ErrorCode::UnknownTopicOrPartition.into()));
                continue;
            };
            if ids.repeated.contains(&topic.id) || wanted.insert(topic.id, name.clone()).is_some() {
                wanted.remove(&topic.id);
                self.refuse(Some(name), topic.id, "The provided topic name maps to an ID that was already supplied.");
            }
        }
        wanted
    }

    fn answer(self) -> Answer {
        let mut response = DeleteTopicsResponse::default();
        response.responses = self.results;
        ResponseKind::DeleteTopics(response).into()
    }
}

/// What was named once, and what more often.
#[derive(Debug)]
struct Once<T> {
    single: BTreeSet<T>,
    repeated: BTreeSet<T>,
}

impl<T> Default for Once<T> {
    fn default() -> Once<T> {
        Once { single: BTreeSet::new(), repeated: BTreeSet::new() }
    }
}

impl<T: Ord + Clone> Once<T> {
    fn add(&mut self, item: T) {
        if self.repeated.contains(&item) || !self.single.insert(item.clone()) {
            self.single.remove(&item);
            self.repeated.insert(item);
        }
    }
}
