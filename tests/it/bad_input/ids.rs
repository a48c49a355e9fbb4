//! Ids: malformed ones, ids of another type, ids of nothing, ids of another event.

use super::{assert_error, id_of, inside};
use crate::support::actor::Actor;
use crate::support::digest::Digest;
use crate::support::{Event, House};
use serde_json::json;

/// One node of each type that there is, and the token of the hold.
struct Nodes {
    event: Event,
    ids: Vec<(&'static str, String)>,
    token: String,
}

impl Nodes {
    async fn of(house: &House, buyer: &Actor) -> Self {
        let event = house.event(1, 4).await;
        let query = "query($id: ID!) { event(id: $id) { venue { id } plan { id } } }";
        let answer = buyer.ask(query, json!({"id": event.id})).await;
        let (venue, plan) = (
            answer.data()["event"]["venue"]["id"].clone(),
            answer.data()["event"]["plan"]["id"].clone(),
        );
        let held = buyer.hold(&event.id, &event.seats[..1]).await;
        let other = buyer.hold(&event.id, &event.seats[1..2]).await;
        let booked = buyer.confirm(other.data()["token"].as_str().unwrap()).await;
        let ids = [
            ("Venue", venue),
            ("SeatingPlan", plan),
            ("Event", json!(event.id)),
            ("Seat", json!(event.seats[2].id)),
            ("Hold", held.data()["hold"]["id"].clone()),
            ("Booking", booked.data()["booking"]["id"].clone()),
        ];
        Self {
            ids: ids
                .into_iter()
                .map(|(name, id)| (name, id.as_str().unwrap().to_owned()))
                .collect(),
            token: held.data()["token"].as_str().unwrap().to_owned(),
            event,
        }
    }

    fn id(&self, name: &str) -> &str {
        let found = self.ids.iter().find(|(found, _)| *found == name);
        &found.unwrap().1
    }

    /// Every place that takes an id of one type: the type, and an operation
    /// with the id as its variable.
    fn places(&self) -> Vec<(&'static str, String)> {
        let (event, seat, token) = (self.id("Event"), self.id("Seat"), &self.token);
        let (venue, plan) = (self.id("Venue"), self.id("SeatingPlan"));
        let create = |venue: &str, plan: &str| {
            format!(
                "mutation($id: ID!) {{ createEvent(input: {{venueId: {venue}, planId: {plan}, \
                 name: \"x\", startsAt: \"2030-01-01T00:00:00Z\", currency: \"EUR\", \
                 prices: [{{category: \"Stalls\", amountMinor: 1}}]}}) {{ __typename }} }}"
            )
        };
        let quoted = |text: &str| format!("\"{text}\"");
        vec![
            ("Event", "query($id: ID!) { event(id: $id) { id } }".into()),
            (
                "Venue",
                "query($id: ID!) { events(filter: {venueId: $id}) { nodes { id } } }".into(),
            ),
            (
                "Event",
                format!(
                    "mutation($id: ID!) {{ holdSeats(input: {{eventId: $id, \
                     seats: [{{seatId: \"{seat}\", version: 1}}]}}) {{ __typename }} }}"
                ),
            ),
            (
                "Seat",
                format!(
                    "mutation($id: ID!) {{ holdSeats(input: {{eventId: \"{event}\", \
                     seats: [{{seatId: $id, version: 1}}]}}) {{ __typename }} }}"
                ),
            ),
            (
                "Seat",
                format!(
                    "mutation($id: ID!) {{ releaseHold(input: {{token: \"{token}\", \
                     seatIds: [$id]}}) {{ __typename }} }}"
                ),
            ),
            (
                "Seat",
                format!(
                    "mutation($id: ID!) {{ exchangeSeats(input: {{token: \"{token}\", \
                     giveSeatIds: [$id], takeSeats: [{{seatId: \"{seat}\", version: 1}}]}}) \
                     {{ __typename }} }}"
                ),
            ),
            (
                "Seat",
                format!(
                    "mutation($id: ID!) {{ exchangeSeats(input: {{token: \"{token}\", \
                     giveSeatIds: [\"{seat}\"], takeSeats: [{{seatId: $id, version: 1}}]}}) \
                     {{ __typename }} }}"
                ),
            ),
            (
                "Seat",
                "mutation($id: ID!) { cancelBooking(input: {reference: \"1-ABCD-EFGH\", \
                 version: 1, seatIds: [$id]}) { __typename } }"
                    .into(),
            ),
            ("Venue", create("$id", &quoted(plan))),
            ("SeatingPlan", create(&quoted(venue), "$id")),
            (
                "Event",
                "mutation($id: ID!) { openSale(input: {eventId: $id, version: 2}) \
                 { __typename } }"
                    .into(),
            ),
            (
                "Event",
                "mutation($id: ID!) { closeSale(input: {eventId: $id, version: 2}) \
                 { __typename } }"
                    .into(),
            ),
            (
                "Venue",
                "mutation($id: ID!) { updateVenue(input: {venueId: $id, version: 1, \
                 name: \"x\"}) { __typename } }"
                    .into(),
            ),
            (
                "Event",
                "mutation($id: ID!) { updateEvent(input: {eventId: $id, version: 2, \
                 name: \"x\"}) { __typename } }"
                    .into(),
            ),
        ]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_another_type_is_refused_wherever_one_is_taken() {
    let house = House::open().await;
    let staff = house.staff();
    // The hold is a staff member's, so that its token is good for the same caller.
    let nodes = Nodes::of(&house, &staff).await;
    let before = Digest::of(&house).await;
    for (wanted, operation) in nodes.places() {
        for (name, id) in nodes.ids.iter().filter(|(name, _)| *name != wanted) {
            let answer = staff.ask(&operation, json!({"id": id})).await;
            assert_error(&answer, "BAD_USER_INPUT");
            let message = answer.error_message();
            assert!(
                message.contains(name) && message.contains(wanted),
                "{name} for {wanted}: {message}"
            );
            before.assert_unchanged(&operation).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_id_is_refused_wherever_one_is_taken() {
    let house = House::open().await;
    let staff = house.staff();
    let nodes = Nodes::of(&house, &staff).await;
    let before = Digest::of(&house).await;
    let mut places = nodes.places();
    places.push(("Event", "query($id: ID!) { node(id: $id) { id } }".into()));
    for (wanted, operation) in places {
        let good = nodes.id(wanted);
        let plain = inside(good);
        let malformed = [
            String::new(),
            " ".into(),
            "1".into(),
            plain.clone(),
            format!("{good}="),
            format!("{good} "),
            format!("{good}A"),
            good[..good.len() - 1].to_owned(),
            id_of(&plain.to_lowercase()),
            id_of(&format!("{plain}:1")),
            id_of(&plain.replacen(':', ":0", 1)),
            id_of(&plain.replacen(':', ":+", 1)),
            id_of(&plain.replacen(':', ": ", 1)),
            id_of(&format!("{wanted}:")),
            id_of(&format!("{wanted}:x")),
            id_of(&format!("{wanted}:9223372036854775808")),
            id_of(&format!("{wanted}:1:2147483648")),
            id_of("Order:1"),
            id_of("Event:1' OR 1=1 --"),
        ];
        for id in malformed {
            let answer = staff.ask(&operation, json!({"id": id})).await;
            assert_error(&answer, "BAD_USER_INPUT");
            before.assert_unchanged(&operation).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_nothing_is_null_or_not_found() {
    const NUMBERS: [i64; 5] = [999, 0, -1, i64::MAX, i64::MIN];
    let house = House::open().await;
    let staff = house.staff();
    let nodes = Nodes::of(&house, &staff).await;
    let before = Digest::of(&house).await;
    for (wanted, operation) in nodes.places() {
        if wanted == "Seat" {
            continue;
        }
        for number in NUMBERS {
            let id = id_of(&format!("{wanted}:{number}"));
            // Seats of the same event as the id, so that only the event is missing.
            let operation =
                operation.replace(nodes.id("Seat"), &id_of(&format!("Seat:{number}:0")));
            let answer = staff.ask(&operation, json!({"id": id})).await;
            if operation.starts_with("mutation") {
                assert_error(&answer, "NOT_FOUND");
            } else if wanted == "Event" {
                assert!(answer.data()["event"].is_null(), "{}", answer.0);
            } else {
                assert_eq!(answer.data()["events"]["nodes"], json!([]));
            }
            before.assert_unchanged(&operation).await;
        }
    }
    let uuid = "00000000-0000-7000-8000-000000000000";
    let node = "query($id: ID!) { node(id: $id) { id } }";
    for number in NUMBERS {
        let of_another_event = inside(nodes.id("Hold")).replacen("Hold:1:", "", 1);
        for plain in [
            format!("Venue:{number}"),
            format!("SeatingPlan:{number}"),
            format!("Event:{number}"),
            format!("Seat:{number}:0"),
            format!("Hold:{number}:{of_another_event}"),
            format!("Hold:1:{uuid}"),
            format!("Booking:1:{uuid}"),
        ] {
            let answer = staff.ask(node, json!({"id": id_of(&plain)})).await;
            assert!(answer.data()["node"].is_null(), "{plain}");
        }
    }
    before.assert_unchanged("node").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_beyond_the_plan_is_not_found() {
    let house = House::open().await;
    let buyer = house.buyer("anna");
    let nodes = Nodes::of(&house, &buyer).await;
    let event = &nodes.event.id;
    let before = Digest::of(&house).await;
    for seat_no in [4, 5_000, -1, i32::MAX, i32::MIN] {
        let seat = id_of(&format!("Seat:1:{seat_no}"));
        let beyond = json!({"seatId": seat, "version": 1});
        // Beside a seat that is there, too: all or nothing.
        for seats in [
            json!([beyond]),
            json!([nodes.event.seats[3].input(), beyond]),
        ] {
            let input = json!({"eventId": event, "seats": seats});
            assert_error(&buyer.hold_input(&input).await, "NOT_FOUND");
        }
        let released = buyer.release(&nodes.token, Some(&[&seat])).await;
        assert_error(&released, "BAD_USER_INPUT");
        let node = "query($id: ID!) { node(id: $id) { id } }";
        let answer = buyer.ask(node, json!({"id": seat})).await;
        assert!(answer.data()["node"].is_null(), "{seat_no}");
        before.assert_unchanged(&format!("seat {seat_no}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn seats_of_two_events_are_not_taken_together() {
    let house = House::open().await;
    let buyer = house.buyer("anna");
    let nodes = Nodes::of(&house, &buyer).await;
    let other = house.event(1, 2).await;
    let free = &nodes.event.seats[3];
    let before = Digest::of(&house).await;
    for seats in [
        vec![free.clone(), other.seats[0].clone()],
        vec![other.seats[0].clone(), free.clone()],
        vec![other.seats[0].clone()],
    ] {
        let answer = buyer.hold(&nodes.event.id, &seats).await;
        assert_error(&answer, "BAD_USER_INPUT");
        assert!(answer.error_message().contains("another event"));
        before.assert_unchanged("seats of two events").await;
    }
    // Seat 0 of the other event has the number of a seat that is in the hold.
    let (held, foreign) = (&nodes.event.seats[0].id, &other.seats[0].id);
    for seats in [vec![foreign.as_str()], vec![held, foreign]] {
        let answer = buyer.release(&nodes.token, Some(&seats)).await;
        assert_error(&answer, "BAD_USER_INPUT");
        before.assert_unchanged("a foreign seat in a release").await;
    }
}
