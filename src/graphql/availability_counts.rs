//! The counts of maps, each counted once.
//!
//! A map is counted for each state that it is in, and not for each who asks: many ask for the same
//! counts, by queries and by subscriptions, and whoever does harm could ask for them under a
//! hundred names. It owns how many counts are remembered. It must never answer those of an
//! older state of the map than it is in, or of another version of its event.

use super::types::availability::Availability;
use crate::domain::event_view::EventView;
use crate::feed::{Edition, ReadyMap};
use crate::model::ids::EventId;
use quick_cache::sync::Cache;
use std::convert::Infallible;
use std::sync::Arc;

/// Counts that are remembered, at a few hundred bytes each.
const KEPT: usize = 256;

/// Counts by what they are of. Those that nobody asks for are dropped first.
pub(super) struct AvailabilityCounts(Cache<Counted, Arc<Availability>>);

/// Categories and zones are those of a version of the event.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Counted {
    event: EventId,
    event_version: i32,
    edition: Edition,
}

impl Default for AvailabilityCounts {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

impl AvailabilityCounts {
    /// The counts of a map as of now.
    pub(super) fn of(&self, event: &EventView, map: &ReadyMap) -> Arc<Availability> {
        let counted = Counted {
            event: event.event.id,
            event_version: event.event.version,
            edition: map.edition(),
        };
        let made = self.0.get_or_insert_with(&counted, || {
            metrics::counter!("usher_maps_counted_total").increment(1);
            // Newer than the edition, perhaps: nobody finds the map in that one again.
            let seats = map.copy().seats;
            Ok::<_, Infallible>(Arc::new(Availability::count(event, &seats)))
        });
        match made {
            Ok(counts) => counts,
            Err(never) => match never {},
        }
    }
}
