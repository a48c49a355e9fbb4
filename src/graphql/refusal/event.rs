//! Events that are not as somebody believed.

use crate::db::events;
use crate::graphql::refusal::RefusalCode;
use crate::graphql::types::event::Event;
use async_graphql::SimpleObject;

/// The event is not at the version that the decision was made on.
#[derive(SimpleObject)]
pub struct EventVersionConflict {
    /// Always `VERSION_CONFLICT`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
    /// The version that the decision was made on.
    expected_version: i32,
    /// The event as it is now.
    event: Event,
}

/// The event is in a status that does not allow this.
#[derive(SimpleObject)]
pub struct EventStatusConflict {
    /// Always `STATUS_CONFLICT`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
    /// The event as it is now.
    event: Event,
}

impl EventVersionConflict {
    pub(in crate::graphql) fn new(expected_version: i32, event: events::Event) -> Self {
        Self {
            code: RefusalCode::VersionConflict,
            message: format!(
                "the event is at version {}, not {expected_version}: look at it again",
                event.version
            ),
            expected_version,
            event: event.into(),
        }
    }
}

impl EventStatusConflict {
    pub(in crate::graphql) fn new(event: events::Event) -> Self {
        Self {
            code: RefusalCode::StatusConflict,
            message: format!("an event that is {} does not allow this", event.status),
            event: event.into(),
        }
    }
}
