//! What passes between an execution and whoever runs it, by way of the execution's data.

use super::lock;
use crate::domain::event_view::EventView;
use crate::feed::{MapWatcher, ReadyMap, SeatMapMessage, SnapshotReason};
use std::sync::{Arc, Mutex};

/// In the data of a subscriber's own execution: takes what the resolver would stream.
#[derive(Clone, Default)]
pub(in crate::graphql) struct Handover(Arc<Mutex<Option<HandedOver>>>);

/// What a resolver hands over.
pub(in crate::graphql) struct HandedOver {
    pub(in crate::graphql) watcher: MapWatcher,
    pub(in crate::graphql) event: Arc<EventView>,
}

/// In the data of a subscriber's own execution: the map it watched was given up, for this
/// reason, and it needs a new one.
pub(in crate::graphql) struct WatchAnew(pub(in crate::graphql) SnapshotReason);

/// In the data of an execution for a whole group: what its resolver is to show.
pub(in crate::graphql) struct ToShow {
    shown: Mutex<Option<Shown>>,
    event: Arc<EventView>,
}

pub(super) enum Shown {
    Message(SeatMapMessage),
    Map(ReadyMap),
}

impl Handover {
    /// The one of this execution, if a group can take over what is streamed.
    pub(in crate::graphql) fn take_over(&self, handed_over: HandedOver) {
        *lock(&self.0) = Some(handed_over);
    }

    pub(super) fn take(&self) -> Option<HandedOver> {
        lock(&self.0).take()
    }
}

impl ToShow {
    pub(super) fn new(event: Arc<EventView>, shown: Shown) -> Self {
        let shown = Mutex::new(Some(shown));
        Self { shown, event }
    }

    /// The message to show, once, and the event that it is about.
    pub(in crate::graphql) fn message(&self) -> Option<(&Arc<EventView>, SeatMapMessage)> {
        match lock(&self.shown).take()? {
            Shown::Message(message) => Some((&self.event, message)),
            Shown::Map(_) => None,
        }
    }

    /// The map to count, once, and the event that it is of.
    pub(in crate::graphql) fn map(&self) -> Option<(&Arc<EventView>, ReadyMap)> {
        match lock(&self.shown).take()? {
            Shown::Map(map) => Some((&self.event, map)),
            Shown::Message(_) => None,
        }
    }
}
