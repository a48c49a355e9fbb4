//! Maps that are loaded, dropped and given up, without a database.

use super::*;
use crate::db::seats::SeatState;
use crate::feed::live_map::Content;
use crate::model::status::SeatStatus;
use chrono::DateTime;

const EVENT: EventId = EventId(1);

fn feed(epoch: i64) -> Look {
    let state = FeedState {
        epoch,
        pruned_before: TransactionId(0),
        horizon: TransactionId(10),
        next: TransactionId(10),
        now: DateTime::UNIX_EPOCH,
    };
    Look {
        state,
        tip: Position::before(TransactionId(7)),
        is_held_back: false,
    }
}

fn maps() -> LiveMaps {
    LiveMaps::new(&feed(1), 10, Duration::ZERO)
}

fn load(maps: &LiveMaps) {
    finish(maps.register(EVENT));
}

fn finish(loading: Loading<'_>) -> Arc<LiveMap> {
    let seat = |seat_no| SeatState {
        seat_no,
        version: 1,
        status: SeatStatus::Available,
    };
    let content = Content::of_seats(&[0, 1, 2].map(seat), loading.position);
    loading.finish(content).unwrap().unwrap()
}

#[tokio::test]
async fn a_map_shows_what_was_announced_while_it_was_read() {
    let maps = maps();
    let announce = |transaction| maps.note_announced(EVENT, TransactionId(transaction));
    // Before its seats were read: it is in them.
    announce(11);
    let loading = maps.register(EVENT);
    for transaction in [13, 12] {
        announce(transaction);
    }
    let map = finish(loading);
    assert_eq!(map.announced(), Some(TransactionId(13)));
    announce(14);
    assert_eq!(map.announced(), Some(TransactionId(14)));
    drop(map);
    maps.drop_idle();
    assert_eq!(finish(maps.register(EVENT)).announced(), None);
}

#[tokio::test]
async fn there_is_one_turn_for_as_long_as_anybody_waits_for_it() {
    let maps = maps();
    let waiting = maps.turn(EVENT);
    let is_the_same = || Arc::ptr_eq(&waiting, &maps.turn(EVENT));

    // Whoever loads it goes away in the middle of that.
    drop(maps.register(EVENT));
    assert!(is_the_same());
    maps.drop_idle();
    assert!(is_the_same());

    load(&maps);
    maps.drop_idle();
    assert!(maps.loaded(EVENT).is_none(), "nobody used it");
    assert_eq!(maps.registry().seats, 0);
    assert!(is_the_same());

    load(&maps);
    assert!(!maps.meet(&feed(1)), "there is a map to lead on");
    assert!(maps.meet(&feed(2)));
    assert!(maps.loaded(EVENT).is_none(), "it is of another feed");
    assert_eq!(maps.progress().position, feed(2).tip);
    assert_eq!(maps.registry().seats, 0);
    assert!(is_the_same());

    drop(waiting);
    maps.drop_idle();
    assert!(maps.registry().places.is_empty());
}

#[tokio::test]
async fn a_map_that_is_being_read_when_the_feed_changes_is_read_again() {
    let maps = maps();
    let turn = maps.turn(EVENT);
    let loading = maps.register(EVENT);
    maps.meet(&feed(2));
    let content = Content::of_seats(&[], loading.position);
    assert!(loading.finish(content).unwrap().is_none());
    drop(turn);
}
