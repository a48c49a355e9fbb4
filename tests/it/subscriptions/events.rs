//! Maps of events that are not there, not yet on sale, or cancelled while they are watched.

use super::Subscribed;
use crate::booking::token_of;
use crate::support::House;
use crate::support::watcher::Watcher;
use serde_json::json;
use usher::model::global_id::GlobalId;
use usher::model::ids::EventId;

const MAP: &str = "subscription($event: ID!) { seatMap(eventId: $event) { __typename \
    ... on SeatMapSnapshot { seats { id version status } } \
    ... on SeatMapDelta { changes { seatId version status } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_watched_by_staff_alone_and_an_event_that_is_not_there_by_nobody() {
    let house = House::open().await;
    let draft = house.draft(1, 1, json!({})).await;
    let nothing = [0, -1, 999, i64::MAX].map(|id| GlobalId::Event(EventId(id)).to_string());
    let (anna, tess) = (house.buyer("anna"), house.staff());
    let watch = async |token: Option<&String>, event: &str| {
        let who = (&*house.url, token.map(String::as_str));
        Subscribed::to(who, "seatMap", MAP, json!({"event": event})).await
    };
    for token in [None, anna.token.as_ref(), tess.token.as_ref()] {
        for event in &nothing {
            watch(token, event).await.expect_refusal("NOT_FOUND").await;
        }
    }
    for token in [None, anna.token.as_ref()] {
        watch(token, &draft.id)
            .await
            .expect_refusal("NOT_FOUND")
            .await;
    }
    let mut staff = watch(tess.token.as_ref(), &draft.id).await;
    assert_eq!(staff.next().await["__typename"], "SeatMapSnapshot");
    // And goes on when it is on sale.
    house.open_sale(draft.clone()).await;
    house.visitor().hold(&draft.id, &draft.seats).await.data();
    assert_eq!(staff.next().await["changes"][0]["status"], "HELD");
    // What is of another kind is no event.
    watch(None, &draft.seats[0].id)
        .await
        .expect_refusal("BAD_USER_INPUT")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_an_event_sees_it_cancelled_and_goes_on() {
    let house = House::open().await;
    let replica = house.replica().await;
    let event = house.event(1, 6).await;
    let mut watchers = [
        Watcher::new(&house, &event.id, None).await,
        Watcher::new(&replica, &event.id, None).await,
    ];
    let anna = house.buyer("anna");
    anna.hold(&event.id, &event.seats[..2]).await.data();
    let booked = token_of(&anna.hold(&event.id, &event.seats[2..4]).await);
    anna.confirm(&booked).await.data();
    let cancelled = house.staff().cancel_event(&event.id, event.version).await;
    assert_eq!(cancelled.data()["releasedSeats"], 2);
    for watcher in &mut watchers {
        let is_over = |map: &Watcher| {
            event.seats[..2]
                .iter()
                .all(|seat| map.version(&seat.id) == 3)
        };
        watcher.until(is_over).await;
        assert_eq!(watcher.seats[&event.seats[0].id].1, "AVAILABLE");
        assert_eq!(
            watcher.seats[&event.seats[2].id].1, "BOOKED",
            "to be refunded"
        );
    }
    // It is still looked at: for those who clear up.
    house.block("seat_no = 5").await;
    for watcher in &mut watchers {
        watcher
            .until(|map| map.version(&event.seats[5].id) == 2)
            .await;
    }
}
