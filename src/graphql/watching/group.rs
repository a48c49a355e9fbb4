//! Subscribers who are told the same, and what they were told lately.

use super::fingerprint::Fingerprint;
use super::handover::{Shown, ToShow};
use super::lock;
use super::template::{Template, Watched};
use crate::domain::event_view::EventView;
use crate::feed::{Due, DueKey, Reached};
use crate::model::Caller;
use crate::model::ids::EventId;
use async_graphql::Request;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;

/// Messages that a group keeps for those of its members who come later.
const KEPT: usize = 16;

/// What makes subscribers watch the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct GroupKey {
    /// What is asked for, but for where to begin.
    pub(super) asked: Fingerprint,
    pub(super) watched: Watched,
    /// On whose behalf it runs.
    pub(super) caller: Caller,
    pub(super) event: EventId,
    pub(super) event_version: i32,
}

/// Subscribers who are told the same.
pub(super) struct Group<Answer> {
    pub(super) template: Arc<Template>,
    pub(super) event: Arc<EventView>,
    pub(super) messages: Mutex<VecDeque<(DueKey, Arc<Place<Answer>>)>>,
}

/// Where the message of one key is, or will be.
pub(super) type Place<Answer> = OnceCell<(Arc<Answer>, Reached)>;

impl<Answer> Group<Answer> {
    /// Where the message that is due is, or will be.
    pub(super) fn place_of(&self, due: &Due) -> Arc<Place<Answer>> {
        let key = match self.template.key.watched {
            Watched::SeatMap => due.key(),
            Watched::Availability => due.key_of_map(),
        };
        let mut messages = lock(&self.messages);
        if let Some((_, place)) = messages.iter().find(|(known, _)| *known == key) {
            return Arc::clone(place);
        }
        let place = Arc::new(OnceCell::new());
        messages.push_front((key, Arc::clone(&place)));
        messages.truncate(KEPT);
        place
    }

    /// The execution that makes a message, and how far that tells.
    pub(super) fn request(&self, due: &Due) -> (Request, Reached) {
        let (shown, reached) = match self.template.key.watched {
            Watched::SeatMap => {
                let (message, reached) = due.message();
                (Shown::Message(message), reached)
            }
            Watched::Availability => {
                // What is counted may be newer, and is then looked at once more.
                let map = due.map();
                let reached = map.edition().reached();
                (Shown::Map(map), reached)
            }
        };
        let to_show = ToShow::new(Arc::clone(&self.event), shown);
        let request = self.template.request();
        let caller = self.template.key.caller.clone();
        (request.data(caller).data(to_show), reached)
    }
}
