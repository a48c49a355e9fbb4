//! A map that is on its way into memory.

use super::LiveMaps;
use super::registry::PlaceState;
use crate::db::changes::Position;
use crate::feed::FeedError;
use crate::feed::live_map::{Content, LiveMap};
use crate::model::ids::EventId;
use std::sync::Arc;

/// A map that is being loaded; dropped before it is done, it is given up.
pub(in crate::feed) struct Loading<'maps> {
    pub(super) maps: &'maps LiveMaps,
    pub(super) event: EventId,
    pub(in crate::feed) epoch: i64,
    pub(super) serial: u64,
    /// All changes after this are kept for it.
    pub(in crate::feed) position: Position,
}

impl Loading<'_> {
    /// The map that was read, with what was kept for it. `None` when the feed has become
    /// another one meanwhile: then it is to be read again.
    ///
    /// # Errors
    /// When there is no room for it.
    pub(in crate::feed) fn finish(
        self,
        mut content: Content,
    ) -> Result<Option<Arc<LiveMap>>, FeedError> {
        let mut registry = self.maps.registry();
        let place = registry.place(self.event);
        let PlaceState::Loading {
            serial,
            changes,
            announced,
        } = &mut place.state
        else {
            return Ok(None);
        };
        if *serial != self.serial {
            return Ok(None);
        }
        content.apply(changes);
        let map = LiveMap::new(self.serial, (self.epoch, self.event), content);
        if let Some(announced) = *announced {
            map.note_announced(announced);
        }
        registry.make_room(map.seats, self.maps.max_seats)?;
        let map = Arc::new(map);
        registry.place(self.event).state = PlaceState::Loaded(Arc::clone(&map));
        registry.seats += map.seats;
        registry.count();
        Ok(Some(map))
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        let mut registry = self.maps.registry();
        if let Some(place) = registry.places.get_mut(&self.event)
            && matches!(place.state, PlaceState::Loading { serial, .. } if serial == self.serial)
        {
            place.state = PlaceState::Empty;
        }
    }
}
