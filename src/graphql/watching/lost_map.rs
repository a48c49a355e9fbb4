//! A subscription whose map was given up.

use crate::feed::{self, SnapshotReason};
use crate::graphql::errors::code;
use async_graphql::{Response, Value};
use backon::{BackoffBuilder, ExponentialBackoff};
use std::time::Duration;

/// The map of a subscription was given up. It waits for another one as long as it takes:
/// all who lost it ask at the same time, and nobody comes back to a subscription that has
/// ended.
pub(super) struct LostMap {
    reason: SnapshotReason,
    pauses: ExponentialBackoff,
}

impl LostMap {
    pub(super) fn because(reason: SnapshotReason) -> Self {
        Self {
            reason,
            pauses: feed::pauses().build(),
        }
    }

    /// Why and how soon to ask again, when this was the answer.
    pub(super) fn again_after(
        &mut self,
        response: &Response,
    ) -> Option<(SnapshotReason, Duration)> {
        let is_unavailable = response.errors.iter().any(|error| {
            let code = error.extensions.as_ref().and_then(|all| all.get("code"));
            code == Some(&Value::from(code::UNAVAILABLE))
        });
        let pause = is_unavailable.then(|| self.pauses.next())??;
        Some((self.reason, pause))
    }
}
