//! What is one buyer's, asked for by another: by its token, its reference, and by ids that can
//! be guessed.

use crate::support::actor::buyer::exchange;
use crate::support::actor::{Actor, Answer};
use crate::support::digest::Digest;
use crate::support::event_stream::{EventStream, Received, asking_with};
use crate::support::{Event, House};
use serde_json::{Value, json};

/// What anna has: a hold and a booking.
struct Property {
    event: Event,
    hold_token: String,
    hold_id: String,
    booking_token: String,
    booking: Value,
}

impl Property {
    async fn of(owner: &Actor, house: &House) -> Self {
        let event = house.event(2, 10).await;
        let held = owner.hold(&event.id, &event.seats[0..2]).await;
        let booking_token = text(&held.data()["token"]);
        let input = json!({"token": booking_token, "paymentReference": "anna-paid-this"});
        let confirmed = owner.confirm_input(&input).await;
        let held = owner.hold(&event.id, &event.seats[4..6]).await;
        Self {
            hold_token: text(&held.data()["token"]),
            hold_id: text(&held.data()["hold"]["id"]),
            booking: confirmed.data()["booking"].clone(),
            booking_token,
            event,
        }
    }

    /// Every mutation that takes what this is known by.
    async fn mutations(&self, thief: &Actor) -> Vec<(&'static str, Answer)> {
        let (event, token) = (&self.event, &self.hold_token);
        let best = json!({"eventId": event.id, "quantity": 1, "holdToken": token});
        let (free, held) = (&event.seats[15..16], &event.seats[4..5]);
        let booked = &event.seats[0..1];
        // As a buyer would, with the token as well.
        let reference = json!({
            "reference": self.booking["reference"], "token": self.booking_token,
            "version": self.booking["version"],
        });
        let of_booking = json!({
            "reference": self.booking["reference"], "token": self.booking_token,
            "bookingVersion": self.booking["version"],
        });
        vec![
            (
                "holdSeats",
                thief.hold_into(&event.id, free, Some(token)).await,
            ),
            ("holdBestAvailable", thief.best_input(&best).await),
            ("extendHold", thief.extend(token).await),
            ("releaseHold", thief.release(token, None).await),
            (
                "releaseHold of a seat",
                thief.release(token, Some(&[&held[0].id])).await,
            ),
            ("confirmHold", thief.confirm(token).await),
            (
                "confirmHold again",
                thief.confirm(&self.booking_token).await,
            ),
            (
                "exchangeSeats of the hold",
                thief.exchange_held(token, held, free).await,
            ),
            ("cancelBooking", thief.cancel(&self.booking, None).await),
            (
                "cancelBooking by token",
                thief.cancel_input(&reference).await,
            ),
            (
                "exchangeSeats of the booking",
                thief.exchange_booked(&self.booking, booked, free).await,
            ),
            (
                "exchangeSeats of the booking by token",
                thief
                    .exchange_input(&exchange(of_booking, booked, free))
                    .await,
            ),
        ]
    }

    /// Every query that takes what this is known by; each must answer null.
    async fn queries(&self, thief: &Actor) {
        let hold = "query($token: String!) { found: hold(token: $token) { id } }";
        let booking = "query($reference: String!, $token: String) { \
                       found: booking(reference: $reference, token: $token) { id } }";
        let node = "query($id: ID!) { found: node(id: $id) { id } }";
        let reference = &self.booking["reference"];
        for (query, variables) in [
            (hold, json!({"token": self.hold_token})),
            (booking, json!({"reference": reference})),
            (
                booking,
                json!({"reference": reference, "token": self.booking_token}),
            ),
            (
                booking,
                json!({"reference": reference, "token": self.hold_token}),
            ),
            (node, json!({"id": self.hold_id})),
            (node, json!({"id": self.booking["id"]})),
        ] {
            let answer = thief.ask(query, variables.clone()).await;
            assert!(answer.data()["found"].is_null(), "{query} {variables}");
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_buyer_has_is_nobody_elses_whatever_they_know() {
    let house = House::open().await;
    let property = Property::of(&house.buyer("anna"), &house).await;
    let before = Digest::of(&house).await;
    for thief in [house.buyer("bob"), house.buyer("Anna"), house.visitor()] {
        for (what, answer) in property.mutations(&thief).await {
            let named = answer.data()["__typename"].as_str().unwrap();
            assert!(
                matches!(named, "HoldNotFound" | "BookingNotFound"),
                "{what}: {}",
                answer.0
            );
        }
        property.queries(&thief).await;
        let watching = format!(
            "subscription {{ hold(token: {:?}) {{ id }} }}",
            property.hold_token
        );
        let asking = asking_with(&house.url, &watching, thief.token.as_deref());
        let mut stream = EventStream::of(asking).await;
        let first = loop {
            match stream.receive().await {
                Received::Comment => {}
                Received::Next(first) => break first,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(first["errors"][0]["extensions"]["code"], "NOT_FOUND");
    }
    before.assert_unchanged("others have tried").await;
    // The same requests of the owner's are worth something.
    let anna = house.buyer("anna");
    let confirmed = anna.confirm(&property.hold_token).await;
    assert_eq!(confirmed.data()["__typename"], "HoldConfirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn maps_and_their_changes_say_nothing_of_who_has_a_seat() {
    let house = House::open().await;
    let anna = house.buyer("anna-of-all-names");
    let event = house.event(2, 10).await;
    let everything = "{ __typename \
        ... on SeatMapSnapshot { reason cursor seats { id label zone row number category \
            accessible x y status version price { amountMinor currency } } } \
        ... on SeatMapDelta { cursor changes { seatId status version } } }";
    let watching = format!(
        "subscription {{ seatMap(eventId: {:?}) {everything} }}",
        event.id
    );
    let mut watcher = EventStream::open(&house.url, &watching).await;
    let mut seen = watcher.next().await.to_string();
    let held = anna.hold(&event.id, &event.seats[0..2]).await;
    let token = text(&held.data()["token"]);
    seen += &watcher.next().await.to_string();
    let input = json!({"token": token, "paymentReference": "anna-paid-this"});
    let confirmed = anna.confirm_input(&input).await;
    seen += &watcher.next().await.to_string();
    assert!(seen.contains("HELD") && seen.contains("BOOKED"), "{seen}");
    let visitor = house.visitor();
    seen += &visitor.seat_map(&event.id).await.to_string();
    // Who loses to her is told nothing of her either.
    let lost = visitor.hold(&event.id, &event.seats[0..2]).await;
    assert_eq!(lost.data()["__typename"], "SeatConflict");
    seen += &lost.0.to_string();
    let hold_id = text(&held.data()["hold"]["id"]);
    let booking = &confirmed.data()["booking"];
    let (id, reference) = (text(&booking["id"]), text(&booking["reference"]));
    for secret in [
        "anna",
        "paid",
        token.as_str(),
        hold_id.as_str(),
        id.as_str(),
        reference.as_str(),
    ] {
        assert!(!seen.contains(secret), "{secret} is in {seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_looks_to_others_like_nothing() {
    let house = House::open().await;
    let draft = house.draft(1, 3, json!({})).await;
    let plain = |bytes: &[u8]| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes)
    };
    let nothing = plain(b"Event:9999");
    let nothing_seat = plain(b"Seat:9999:0");
    for actor in [house.visitor(), house.buyer("anna")] {
        let ask = async |event: &str, seat: &str| {
            let query = "query($event: ID!, $seat: ID!) { \
                event(id: $event) { name } node(id: $event) { id } seat: node(id: $seat) { id } }";
            let hold = json!({"eventId": event, "seats": [{"seatId": seat, "version": 1}]});
            let best = json!({"eventId": event, "quantity": 1});
            [
                actor
                    .ask(query, json!({"event": event, "seat": seat}))
                    .await,
                actor.hold_input(&hold).await,
                actor.best_input(&best).await,
            ]
            .map(|answer| answer.0)
        };
        let of_draft = ask(&draft.id, &draft.seats[0].id).await;
        assert_eq!(of_draft, ask(&nothing, &nothing_seat).await);
        assert!(of_draft[0]["data"]["event"].is_null(), "{of_draft:?}");
        let listed = actor.ask("{ events { nodes { id } } }", json!({})).await;
        assert_eq!(listed.data()["events"]["nodes"], json!([]));
    }
}
