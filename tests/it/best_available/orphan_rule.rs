//! The rule against lone seats, where an event has it.

use super::{event_on, hall, held, numbers, zone};
use crate::support::checks::assert_sound;
use crate::support::digest::Digest;
use crate::support::{Answer, Event, House, Seat, insist};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

async fn event_with(house: &House, rule: &str, rows: &[&str]) -> Event {
    let changes = json!({"orphanRule": rule});
    event_on(house, &hall(&[zone("Stalls", 0, rows)]), changes).await
}

fn seats(event: &Event, numbers: &[usize]) -> Vec<Seat> {
    numbers
        .iter()
        .map(|number| event.seats[*number].clone())
        .collect()
}

/// The seats that would be left alone, as a refusal says.
fn left_alone(answer: &Answer) -> Vec<i32> {
    let data = answer.data();
    assert_eq!(data["__typename"], "SeatsLeftAlone", "{data}");
    assert_eq!(data["code"], "SEATS_LEFT_ALONE");
    numbers(&data["seats"])
}

fn lone_seats(answer: &Answer) -> Vec<i32> {
    held(answer);
    numbers(&answer.data()["loneSeats"])
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_enforced_warned_of_or_not_looked_at() {
    let house = House::open().await;
    let visitor = house.visitor();
    let (careless, careful) = ([1, 2], [0, 1]);
    let event = event_with(&house, "ENFORCE", &["....."]).await;
    let before = Digest::of(&house).await;
    let refused = visitor.hold(&event.id, &seats(&event, &careless)).await;
    assert_eq!(left_alone(&refused), [0]);
    before.assert_unchanged("a refusal").await;
    let held = visitor.hold(&event.id, &seats(&event, &careful)).await;
    assert_eq!(lone_seats(&held), [0; 0]);
    let event = event_with(&house, "WARN", &["....."]).await;
    let held = visitor.hold(&event.id, &seats(&event, &careless)).await;
    assert_eq!(lone_seats(&held), [0]);
    let event = event_with(&house, "OFF", &["....."]).await;
    let held = visitor.hold(&event.id, &seats(&event, &careless)).await;
    assert_eq!(lone_seats(&held), [0; 0]);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_may_be_left_alone_where_the_row_has_no_better_way() {
    let house = House::open().await;
    let visitor = house.visitor();
    let event = event_with(&house, "ENFORCE", &["...", "....."]).await;
    // Two of three always leave one.
    let held_two = visitor.hold(&event.id, &seats(&event, &[0, 1])).await;
    held(&held_two);
    // One of five may sit anywhere but beside the end.
    let refused = visitor.hold(&event.id, &seats(&event, &[6])).await;
    assert_eq!(left_alone(&refused), [7]);
    held(&visitor.hold(&event.id, &seats(&event, &[5])).await);
    // Then two are left on each side, and one more leaves one wherever it is.
    held(&visitor.hold(&event.id, &seats(&event, &[6])).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_adds_to_a_hold_is_judged_as_one_party() {
    let house = House::open().await;
    let visitor = house.visitor();
    let event = event_with(&house, "ENFORCE", &["......"]).await;
    let first = visitor.hold(&event.id, &seats(&event, &[0, 1])).await;
    let token = first.data()["token"].as_str().unwrap();
    let apart = seats(&event, &[3]);
    let refused = visitor.hold_into(&event.id, &apart, Some(token)).await;
    assert_eq!(left_alone(&refused), [2]);
    let beside = seats(&event, &[2]);
    held(&visitor.hold_into(&event.id, &beside, Some(token)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_is_judged_as_what_becomes_of_it() {
    let house = House::open().await;
    let visitor = house.visitor();
    for rule in ["ENFORCE", "WARN"] {
        let event = event_with(&house, rule, &["......"]).await;
        let first = visitor.hold(&event.id, &seats(&event, &[0, 1])).await;
        let exchange = |give: usize, take: usize| {
            json!({
                "token": first.data()["token"],
                "giveSeatIds": [event.seats[give].id],
                "takeSeats": [event.seats[take].input()],
            })
        };
        // One moves on and leaves a seat between the two.
        let apart = visitor.exchange_input(&exchange(1, 2)).await;
        if rule == "ENFORCE" {
            assert_eq!(left_alone(&apart), [1]);
        } else {
            assert_eq!(apart.data()["__typename"], "SeatsExchanged");
            assert_eq!(numbers(&apart.data()["loneSeats"]), [1]);
            continue;
        }
        // From one end of the pair to the other nobody is left alone, for the seat that is
        // given back has a free neighbour only at the wall.
        let moved = visitor.exchange_input(&exchange(0, 2)).await;
        assert_eq!(left_alone(&moved), [0]);
    }
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_that_the_server_picks_keep_to_it() {
    let house = House::open().await;
    let visitor = house.visitor();
    for rule in ["ENFORCE", "WARN"] {
        let event = event_with(&house, rule, &["......."; 6]).await;
        loop {
            let answer = visitor.best(&event.id, 2).await;
            if answer.data()["__typename"] == "NotEnoughSeats" {
                break;
            }
            assert_eq!(lone_seats(&answer), [0; 0]);
        }
        // Sevens in twos: one is left of each, where it could not be helped.
        let map = visitor.seat_map(&event.id).await;
        let left = map["seats"].as_array().unwrap().iter();
        let left: Vec<&Value> = left.filter(|seat| seat["status"] == "AVAILABLE").collect();
        assert_eq!(left.len(), 6);
    }
    assert_sound(&house).await;
}

/// The rule looks at the row, whatever its seats cost, and so it does for seats that the
/// server picks for somebody who wants one category.
#[tokio::test(flavor = "multi_thread")]
async fn seats_that_the_server_picks_are_judged_as_any_others() {
    let house = House::open().await;
    let visitor = house.visitor();
    let of_two_categories = |rows: &[&str]| {
        let mut hall = hall(&[zone("Stalls", 0, rows), zone("Circle", 9, &["."])]);
        for seat in [3, 4] {
            hall["zones"][0]["rows"][0]["seats"][seat]["category"] = json!("Circle");
        }
        hall
    };
    let enforce = json!({"orphanRule": "ENFORCE"});
    // Across the aisle two could sit in the row and leave nobody alone.
    let row = "..._.._.";
    let event = event_on(&house, &of_two_categories(&[row]), enforce.clone()).await;
    let by_hand = visitor.hold(&event.id, &seats(&event, &[0, 1])).await;
    assert_eq!(left_alone(&by_hand), [2]);
    let before = Digest::of(&house).await;
    let two_stalls =
        |event: &Event| json!({"eventId": event.id, "quantity": 2, "category": "Stalls"});
    let picked = visitor.best_input(&two_stalls(&event)).await;
    let alone = left_alone(&picked);
    assert!(alone == [0] || alone == [2], "{alone:?}");
    before.assert_unchanged("a refusal").await;
    // In a row that has no better way they may.
    let event = event_on(&house, &of_two_categories(&[row, "..."]), enforce).await;
    let picked = held(&visitor.best_input(&two_stalls(&event)).await);
    assert!(picked == [6, 7] || picked == [7, 8], "{picked:?}");
    assert_sound(&house).await;
}

/// Seats that somebody else has are nobody's party: who asks for them is told who was
/// faster, and not how they would have sat.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_race_is_a_conflict_also_where_the_rule_is_enforced() {
    let house = House::open().await;
    let (anna, ben) = (house.buyer("anna"), house.buyer("ben"));
    let event = event_with(&house, "ENFORCE", &["........"]).await;
    let own = ben.hold(&event.id, &seats(&event, &[0])).await;
    held(&anna.hold(&event.id, &seats(&event, &[3, 4])).await);
    let lost = ben.hold(&event.id, &seats(&event, &[3, 4, 6])).await;
    assert_eq!(lost.data()["__typename"], "SeatConflict");
    assert_eq!(lost.data()["conflicts"].as_array().unwrap().len(), 2);
    let token = own.data()["token"].as_str().unwrap();
    let give = seats(&event, &[0]);
    let take = seats(&event, &[4, 6]);
    let lost = ben.exchange_held(token, &give, &take).await;
    assert_eq!(lost.data()["__typename"], "SeatConflict");
    assert_eq!(lost.data()["conflicts"].as_array().unwrap().len(), 1);
    assert_sound(&house).await;
}

/// Two who each keep the rule, and together would break it. In each of many rows one of
/// them is refused, whoever comes first.
#[tokio::test(flavor = "multi_thread")]
async fn two_who_race_in_one_row_cannot_break_it_together() {
    let house = House::open().await;
    let rows = ["......."; 30];
    let event = event_with(&house, "ENFORCE", &rows).await;
    let race = async |row: usize| {
        let at = |places: [usize; 2]| seats(&event, &places.map(|place| 7 * row + place));
        let (anna, ben) = (house.buyer("anna"), house.buyer("ben"));
        let (first, second) = (at([0, 1]), at([3, 4]));
        join(
            insist(async || anna.hold(&event.id, &first).await),
            insist(async || ben.hold(&event.id, &second).await),
        )
        .await
    };
    for (one, other) in join_all((0..rows.len()).map(race)).await {
        let refused = [&one, &other].map(|answer| answer.data()["__typename"] == "SeatsLeftAlone");
        assert_eq!(
            refused.iter().filter(|refused| **refused).count(),
            1,
            "{one:?} {other:?}"
        );
    }
    assert_sound(&house).await;
    // The control: where nobody enforces it, both go through, and a seat is left alone.
    let event = event_with(&house, "WARN", &rows[..1]).await;
    let (anna, ben) = (house.buyer("anna"), house.buyer("ben"));
    held(&anna.hold(&event.id, &seats(&event, &[0, 1])).await);
    let warned = ben.hold(&event.id, &seats(&event, &[3, 4])).await;
    assert_eq!(lone_seats(&warned), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_one_of_unknown_rules() {
    let house = House::open().await;
    let plan = house
        .staff()
        .import_plan(&hall(&[zone("Stalls", 0, &["."])]))
        .await;
    let venue = house.staff().create_venue("House", "Europe/Berlin").await;
    let input = json!({
        "venueId": venue, "planId": plan, "name": "Evening", "currency": "EUR",
        "startsAt": "2030-01-01T19:30:00Z", "orphanRule": "SOMETIMES",
        "prices": [{"category": "Stalls", "amountMinor": 1}],
    });
    let answer = house.staff().try_create_event(&input).await;
    assert!(answer.0["errors"][0]["message"].is_string(), "{}", answer.0);
}
