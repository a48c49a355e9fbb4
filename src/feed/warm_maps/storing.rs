//! Stores the maps that are in memory here, for others.

use super::{KEPT, WarmMaps};
use crate::feed::Feed;
use crate::model::ids::EventId;
use std::time::Duration;
use tokio::time::timeout;

/// How often a map is stored that changes all the time, by all processes together; and so
/// how old a warm map is.
const PERIOD: Duration = Duration::from_secs(5);

/// Stores what has changed, now and then; never returns.
///
/// There is no list of what is to be stored: a map knows itself how much of it was. So this
/// costs no memory, and the follower nothing, whatever Redis does meanwhile.
pub(in crate::feed) async fn run(feed: Feed) {
    let Some(warm_maps) = &feed.shared.warm_maps else {
        return std::future::pending().await;
    };
    let maps = &feed.shared.maps;
    loop {
        // Processes that were started together do not all store at the same moment.
        let pause = PERIOD.mul_f64(rand::random_range(0.8..1.2));
        let is_round = timeout(pause, warm_maps.loaded.notified()).await.is_err();
        if !warm_maps.redis.is_up() {
            continue;
        }
        let due = if is_round {
            maps.loaded_if(|map| map.is_to_store(KEPT / 2))
        } else {
            maps.loaded_if(|map| !map.was_stored())
        };
        for event in due {
            store(&feed, warm_maps, event).await;
        }
    }
}

async fn store(feed: &Feed, warm_maps: &WarmMaps, event: EventId) {
    let maps = &feed.shared.maps;
    // Nothing here holds a map while it waits: it could not be dropped meanwhile.
    let Some(epoch) = maps.peek(event, |map| map.epoch) else {
        return;
    };
    match warm_maps.age(epoch, event).await {
        // Somebody else has just done it.
        Ok(Some(age)) if age < PERIOD.mul_f64(0.8) => return,
        Ok(_) => {}
        Err(_) => return,
    }
    let progress = maps.progress();
    let stored = maps.peek(event, |map| (map.serial, map.warm_map(&progress)));
    let Some((serial, (map, end))) = stored else {
        return;
    };
    if warm_maps.store(&map).await {
        maps.peek(event, |map| {
            if map.serial == serial {
                map.note_stored(end);
            }
        });
    }
}
