//! Nasty texts in every argument that takes one: NUL, a megabyte, SQL, emoji,
//! and escapes that stand for no character.

use super::{assert_discreet, assert_error, id_of};
use crate::support::actor::Actor;
use crate::support::digest::Digest;
use crate::support::{Answer, House};
use serde_json::{Value, json};

/// What an argument that is given such a text must be answered with.
#[derive(Clone, Copy, Debug)]
enum Answered {
    /// An error with the code `BAD_USER_INPUT`.
    BadInput,
    /// The refusal `HOLD_NOT_FOUND`.
    HoldNotFound,
    /// A refusal: no booking with that reference for the caller.
    BookingNotFound,
    /// Nothing is found.
    Null,
    /// A list with nothing in it.
    Empty,
}

fn nasty() -> Vec<String> {
    vec![
        "\0".into(),
        "a\0b".into(),
        "1".repeat(200_000),
        "💺".repeat(250),
        "'; DROP TABLE seats; --".into(),
        "\" OR \"\"=\"".into(),
        "%' OR 1=1 /*".into(),
        "\\'; COMMIT; \\".into(),
        "$1 $$ {0} %s ${jndi:x}".into(),
        "💺🎭👩‍🦽".into(),
        "\u{202e}txt.exe\u{feff}\u{fffd}".into(),
        "\r\nX-Header: 1\u{1b}[2J".into(),
        "../../etc/passwd".into(),
    ]
}

use Answered::{BadInput, BookingNotFound, Empty, HoldNotFound, Null};

/// Every argument that takes a text which usher itself gave out, or that it
/// looks something up by: `$text`, or `$time` or `$cursor` by its type. What
/// begins with `@` stands for something of the stage.
const ARGUMENTS: [(&str, Answered); 33] = [
    ("{ node(id: $text) { id } }", BadInput),
    ("{ event(id: $text) { id } }", BadInput),
    ("{ venues(after: $text) { nodes { id } } }", BadInput),
    ("{ events(after: $text) { nodes { id } } }", BadInput),
    (
        "{ events(filter: {venueId: $text}) { nodes { id } } }",
        BadInput,
    ),
    (
        "{ events(filter: {startsFrom: $time}) { nodes { id } } }",
        BadInput,
    ),
    (
        "{ events(filter: {startsBefore: $time}) { nodes { id } } }",
        BadInput,
    ),
    ("{ hold(token: $text) { id } }", Null),
    ("{ booking(reference: $text) { id } }", BadInput),
    (
        "{ booking(reference: \"@reference\", token: $text) { id } }",
        Null,
    ),
    (
        "{ event(id: \"@event\") { seatMap(atLeast: $cursor) { cursor } } }",
        BadInput,
    ),
    (
        "{ event(id: \"@event\") { seats(after: $text) { nodes { id } } } }",
        BadInput,
    ),
    (
        "{ event(id: \"@event\") { seats(filter: {zone: $text}) { nodes { id } } } }",
        Empty,
    ),
    (
        "{ event(id: \"@event\") { seats(filter: {category: $text}) { nodes { id } } } }",
        Empty,
    ),
    (
        "mutation { holdSeats(input: {eventId: $text, \
         seats: [{seatId: \"@seat\", version: 1}]}) { __typename } }",
        BadInput,
    ),
    (
        "mutation { holdSeats(input: {eventId: \"@event\", \
         seats: [{seatId: $text, version: 1}]}) { __typename } }",
        BadInput,
    ),
    (
        "mutation { holdSeats(input: {eventId: \"@event\", holdToken: $text, \
         seats: [{seatId: \"@seat\", version: 1}]}) { ... on Refusal { code message } } }",
        HoldNotFound,
    ),
    (
        "mutation { releaseHold(input: {token: $text}) { ... on Refusal { code message } } }",
        HoldNotFound,
    ),
    (
        "mutation { releaseHold(input: {token: \"x\", seatIds: [$text]}) { __typename } }",
        BadInput,
    ),
    (
        "mutation { confirmHold(input: {token: $text}) { ... on Refusal { code message } } }",
        HoldNotFound,
    ),
    (
        "mutation { extendHold(input: {token: $text}) { ... on Refusal { code message } } }",
        HoldNotFound,
    ),
    (
        "mutation { exchangeSeats(input: {token: $text, giveSeatIds: [\"@first\"], \
         takeSeats: [{seatId: \"@seat\", version: 1}]}) { ... on Refusal { code message } } }",
        HoldNotFound,
    ),
    (
        "mutation { exchangeSeats(input: {reference: $text, bookingVersion: 1, \
         giveSeatIds: [\"@first\"], takeSeats: [{seatId: \"@seat\", version: 1}]}) \
         { __typename } }",
        BadInput,
    ),
    (
        "mutation { exchangeSeats(input: {reference: \"@reference\", bookingVersion: 1, \
         token: $text, giveSeatIds: [\"@first\"], \
         takeSeats: [{seatId: \"@seat\", version: 1}]}) { ... on Refusal { code message } } }",
        BookingNotFound,
    ),
    (
        "mutation { cancelBooking(input: {reference: $text, version: 1}) { __typename } }",
        BadInput,
    ),
    (
        "mutation { cancelBooking(input: {reference: \"@reference\", version: 1, \
         token: $text}) { ... on Refusal { code message } } }",
        BookingNotFound,
    ),
    (
        "mutation { createVenue(input: {name: \"x\", timeZone: $text}) { __typename } }",
        BadInput,
    ),
    (
        "mutation { createEvent(input: {venueId: $text, planId: \"@plan\", currency: \"EUR\", \
         prices: [{category: \"Stalls\", amountMinor: 1}], @rest}) { __typename } }",
        BadInput,
    ),
    (
        "mutation { createEvent(input: {venueId: \"@venue\", planId: $text, currency: \"EUR\", \
         prices: [{category: \"Stalls\", amountMinor: 1}], @rest}) { __typename } }",
        BadInput,
    ),
    (
        "mutation { createEvent(input: {venueId: \"@venue\", planId: \"@plan\", currency: $text, \
         prices: [{category: \"Stalls\", amountMinor: 1}], @rest}) { __typename } }",
        BadInput,
    ),
    (
        "mutation { createEvent(input: {venueId: \"@venue\", planId: \"@plan\", \
         currency: \"EUR\", prices: [{category: $text, amountMinor: 1}], @rest}) \
         { __typename } }",
        BadInput,
    ),
    (
        "mutation { openSale(input: {eventId: $text, version: 2}) { __typename } }",
        BadInput,
    ),
    (
        "mutation { closeSale(input: {eventId: $text, version: 2}) { __typename } }",
        BadInput,
    ),
];

/// The operation with its variable declared as the schema wants it, and the
/// name of the variable.
fn declared(operation: &str) -> (String, &'static str) {
    let (keyword, rest) = operation.split_at(operation.find('{').unwrap());
    let keyword = if keyword.is_empty() {
        "query"
    } else {
        keyword.trim()
    };
    let (name, kind) = if operation.contains("$cursor") {
        ("cursor", "Cursor")
    } else if operation.contains("$time") {
        ("time", "DateTime")
    } else {
        let is_id = ["id: $text", "Id: $text", "Ids: [$text"]
            .iter()
            .any(|argument| operation.contains(argument));
        ("text", if is_id { "ID!" } else { "String!" })
    };
    (format!("{keyword}(${name}: {kind}) {rest}"), name)
}

fn assert_answered(answer: &Answer, expected: Answered) {
    assert_discreet(answer);
    if matches!(expected, BadInput) {
        assert_error(answer, "BAD_USER_INPUT");
        return;
    }
    let root = answer.data().as_object().unwrap().values().next().unwrap();
    match expected {
        HoldNotFound => assert_eq!(root["code"], "HOLD_NOT_FOUND", "{root}"),
        BookingNotFound => assert_eq!(root["code"], "BOOKING_NOT_FOUND", "{root}"),
        Null => assert!(root.is_null(), "{root}"),
        Empty => assert_eq!(root["seats"]["nodes"], json!([]), "{root}"),
        BadInput => {}
    }
}

/// An event, somebody's booking, and every argument filled in with their ids.
async fn stage(house: &House) -> Vec<(String, Answered)> {
    let event = house.event(1, 2).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[..1]).await;
    let booked = buyer.confirm(held.data()["token"].as_str().unwrap()).await;
    let reference = booked.data()["booking"]["reference"].as_str().unwrap();
    let rest = "name: \"x\", startsAt: \"2030-01-01T00:00:00Z\"";
    let known = [
        ("@event", event.id.as_str()),
        ("@first", &event.seats[0].id),
        ("@seat", &event.seats[1].id),
        ("@reference", reference),
        ("@venue", &id_of("Venue:1")),
        ("@plan", &id_of("SeatingPlan:1")),
        ("@rest", rest),
    ];
    let filled = |operation: &str| {
        let fill = |text: String, (name, value): &(&str, &str)| text.replace(name, value);
        known.iter().fold(operation.to_owned(), fill)
    };
    ARGUMENTS
        .iter()
        .map(|(operation, expected)| (filled(operation), *expected))
        .collect()
}

/// Somebody who may use a mutation, and to whom a booking is not shown.
fn caller(house: &House, operation: &str) -> Actor {
    if operation.contains("create") || operation.contains("Sale(") {
        house.staff()
    } else {
        house.visitor()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nasty_text_is_harmless_in_every_argument() {
    let house = House::open().await;
    let arguments = stage(&house).await;
    let before = Digest::of(&house).await;
    for (operation, expected) in arguments {
        let caller = caller(&house, &operation);
        let (declared, variable) = declared(&operation);
        for text in nasty() {
            let answer = caller.ask(&declared, json!({variable: text})).await;
            assert_answered(&answer, expected);
        }
        before.assert_unchanged(&operation).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nasty_text_is_harmless_in_the_document_itself() {
    let house = House::open().await;
    let arguments = stage(&house).await;
    let before = Digest::of(&house).await;
    for (operation, expected) in arguments {
        let caller = caller(&house, &operation);
        // The escapes of JSON are those of GraphQL.
        for text in nasty().iter().filter(|text| text.len() <= 1_000) {
            let literal = Value::from(text.as_str()).to_string();
            let mut document = operation.clone();
            for variable in ["$text", "$cursor", "$time"] {
                document = document.replace(variable, &literal);
            }
            let answer = caller.ask(&document, json!({})).await;
            assert_answered(&answer, expected);
        }
        before.assert_unchanged(&operation).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_escape_that_is_no_character_is_a_syntax_error() {
    let house = House::open().await;
    let visitor = house.visitor();
    for escape in [
        r"\ud83d",
        r"\udcba",
        r"\udcba\ud83d",
        r"x\uD800x",
        r"\u12",
        r"\x",
    ] {
        let document = format!("{{ hold(token: \"{escape}\") {{ id }} }}");
        let answer = visitor.ask(&document, json!({})).await;
        assert_error(&answer, "GRAPHQL_PARSE_FAILED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_quotes_and_emoji_is_stored_as_it_came() {
    let house = House::open().await;
    let staff = house.staff();
    for name in ["'; DROP TABLE seats; --", "💺🎭👩‍🦽", "Ø\\\"$1", "المسرح"] {
        let answer = staff.try_create_venue(name, "Europe/Berlin").await;
        let id = answer.data()["venue"]["id"].clone();
        let query = "query($id: ID!) { node(id: $id) { ... on Venue { name } } }";
        let answer = staff.ask(query, json!({"id": id})).await;
        assert_eq!(answer.data()["node"]["name"], name);
        let event = house.draft(1, 1, json!({"name": name})).await;
        let query = "query($id: ID!) { event(id: $id) { name } }";
        let answer = staff.ask(query, json!({"id": event.id})).await;
        assert_eq!(answer.data()["event"]["name"], name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_reference_is_short_and_printable() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let buyer = house.buyer("anna");
    let held = buyer.hold(&event.id, &event.seats[..1]).await;
    let token = held.data()["token"].as_str().unwrap();
    let before = Digest::of(&house).await;
    for bad in [
        "x".repeat(256),
        "x".repeat(200_000),
        "ä".repeat(128),
        "a\0b".into(),
        "\n".into(),
        "\u{1b}[2J".into(),
        "\u{7f}".into(),
        "\u{85}".into(),
    ] {
        let input = json!({"token": token, "paymentReference": bad});
        let answer = buyer.confirm_input(&input).await;
        assert_error(&answer, "BAD_USER_INPUT");
        assert!(
            answer
                .error_message()
                .starts_with("input.paymentReference: ")
        );
        before.assert_unchanged("a bad payment reference").await;
    }
    let longest = "'; -- 💳".to_owned() + &"x".repeat(245);
    assert_eq!(longest.len(), 255);
    let input = json!({"token": token, "paymentReference": longest});
    let answer = buyer.confirm_input(&input).await;
    assert_eq!(answer.data()["booking"]["paymentReference"], longest);
}
