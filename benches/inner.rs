//! What the parts of a request take, each alone and without a database: where the
//! microseconds go that `load` counts as usher's.
//!
//! ```text
//! cargo bench --bench inner
//! cargo bench --bench inner -- parse
//! ```

// The futures of a whole schema are deep, and optimized here they are looked into.
#![recursion_limit = "256"]

use async_graphql::parser::parse_query;
use async_graphql::{Response, ServerError, Value, Variables};
use chrono::DateTime;
use divan::{AllocProfiler, Bencher, black_box};
use futures_util::FutureExt;
use mimalloc::MiMalloc;
use serde_json::json;
use std::io;
use std::sync::OnceLock;
use tokio::runtime;
use usher::db::changes::{Change, Position};
use usher::db::seats::SeatState;
use usher::db::transaction_id::TransactionId;
use usher::feed::live_map::{Content, LiveMap};
use usher::graphql::{UsherSchema, schema_without_services};
use usher::http::{Documents, Operation, Parameters, WrittenAnswer};
use usher::model::Caller;
use usher::model::compact_seats;
use usher::model::global_id::GlobalId;
use usher::model::ids::{EventId, HoldId};
use usher::model::status::SeatStatus;
use usher::model::token::{HoldToken, TokenSalt};
use uuid::Uuid;

/// The allocator of the program, and what is asked of it.
#[global_allocator]
static ALLOCATOR: AllocProfiler<MiMalloc> = AllocProfiler::new(MiMalloc);

/// What a buyer sends to hold seats.
const HOLD: &str = "mutation($input: HoldSeatsInput!) { holdSeats(input: $input) { __typename \
    ... on SeatsHeld { token cursor hold { expiresAt seats { id version } } } \
    ... on SeatConflict { conflicts { expectedVersion seat { id version status } } \
                          alternatives { id version } } } }";

/// What they want them of.
const EVENT: EventId = EventId(1);

/// Seats of a large hall.
const HALL: i32 = 60_000;

/// Changes that the follower reads at once: one, those of a busy sale, and the most.
const PAGES: [i32; 3] = [1, 50, 5_000];

fn main() -> io::Result<()> {
    // A live map starts its beat on a runtime. Nothing drives this one, so that no beat is measured.
    let runtime = runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let _entered = runtime.enter();
    divan::main();
    Ok(())
}

/// A document that nobody has sent before.
#[divan::bench]
fn parse_new_document() -> usize {
    parse_query(black_box(HOLD)).map_or(0, |document| document.operations.iter().count())
}

/// A document that was sent before, as almost all are.
#[divan::bench]
fn parse_known_document(bencher: Bencher) {
    let documents = Documents::default();
    bencher.bench(|| documents.read(black_box(HOLD)).is_ok());
}

/// The same with the copy of it that the executor is given.
#[divan::bench]
fn parse_known_document_and_copy(bencher: Bencher) {
    let documents = Documents::default();
    bencher.bench(|| {
        documents
            .read(black_box(HOLD))
            .map(|document| (*document).clone())
    });
}

/// What a request goes through before the executor has it, from its parameters on: its
/// document, known, its operation in there, and the copy of the document.
#[divan::bench]
fn guard_prepare_a_hold(bencher: Bencher) {
    let documents = Documents::default();
    let prepare = |parameters| Operation::prepare(&documents, parameters, Caller::Anonymous);
    assert!(prepare(parameters(HOLD)).is_ok());
    bencher
        .with_inputs(|| parameters(HOLD))
        .bench_values(prepare);
}

/// What the executor checks before it begins: the rules of GraphQL, the depth and the complexity.
/// The one field is skipped, which comes after that.
#[divan::bench]
fn guard_check_a_hold(bencher: Bencher) {
    let field = "holdSeats(input: $input)";
    let skipped = HOLD.replace(field, &format!("{field} @skip(if: true)"));
    execute(bencher, &skipped, r#"{"data":null}"#);
}

/// A query that is answered from memory, with its check.
#[divan::bench]
fn execute_query_of_the_viewer(bencher: Bencher) {
    let answer = r#"{"data":{"viewer":{"role":"VISITOR","subject":null}}}"#;
    execute(bencher, "{ viewer { role subject } }", answer);
}

/// A hold from its check to where the batcher would be given it, which is not there: it ends
/// with an error.
#[divan::bench]
fn execute_hold_up_to_the_batcher(bencher: Bencher) {
    execute(bencher, HOLD, "INTERNAL_SERVER_ERROR");
}

/// Without services nobody waits, so that an operation is done when it is first polled.
fn execute(bencher: Bencher, document: &str, expected: &str) {
    let schema = schema_without_services();
    let documents = Documents::default();
    let prepare = || Operation::prepare(&documents, parameters(document), Caller::Anonymous);
    let text = answer(&schema, prepare()).map(|response| WrittenAnswer::new(response).text);
    let text = text.as_deref().map(String::from_utf8_lossy);
    let text = text.unwrap_or_default();
    assert!(text.contains(expected), "{text}");
    bencher
        .with_inputs(prepare)
        .bench_values(|operation| answer(&schema, operation));
}

fn answer(schema: &UsherSchema, operation: Result<Operation, ServerError>) -> Option<Response> {
    schema.execute(operation.ok()?.request).now_or_never()
}

/// Those of a request for two seats.
fn parameters(document: &str) -> Parameters {
    let seat = |seat_no| {
        let id = GlobalId::Seat(EVENT, seat_no).to_string();
        json!({"seatId": id, "version": 1})
    };
    let input = json!({
        "eventId": GlobalId::Event(EVENT).to_string(), "seats": [seat(4_711), seat(4_712)],
    });
    Parameters {
        query: Some(document.to_owned()),
        variables: Variables::from_json(json!({"input": input})),
        ..Parameters::default()
    }
}

/// The answer to whoever holds a seat, as JSON.
#[divan::bench]
fn encode_answer_of_a_hold(bencher: Bencher) {
    let data = json!({"holdSeats": {
        "__typename": "SeatsHeld",
        "token": token().reveal(),
        "cursor": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "hold": {"expiresAt": "2040-01-01T20:00:00.123456+00:00", "seats": [seat(4711)]},
    }});
    encode(bencher, data);
}

/// A list of as many seats as a theatre has, as JSON.
#[divan::bench]
fn encode_list_of_2400_seats(bencher: Bencher) {
    let seats: Vec<_> = (0..2_400).map(seat).collect();
    encode(bencher, json!({"event": {"seatMap": {"seats": seats}}}));
}

fn encode(bencher: Bencher, data: serde_json::Value) {
    let data = Value::from_json(data).unwrap_or_default();
    bencher
        .with_inputs(|| Response::new(data.clone()))
        .bench_values(|response| WrittenAnswer::new(response).text.len());
}

fn seat(seat_no: i32) -> serde_json::Value {
    let id = GlobalId::Seat(EVENT, seat_no).to_string();
    json!({"id": id, "status": "HELD", "version": 2})
}

/// The map of a large hall in its compact form.
#[divan::bench]
fn compact_map_of_60000_seats(bencher: Bencher) {
    let states: Vec<_> = (0..HALL).map(|place| state_of(place % 3)).collect();
    bencher.bench(|| compact_seats::whole_map(black_box(&states).iter().copied()));
}

/// What a watcher of a busy sale is told a few times a second.
#[divan::bench]
fn compact_50_changes(bencher: Bencher) {
    let seat = |number: i32| {
        let (status, version) = state_of(1);
        (number * 1_117, status, version)
    };
    let changes: Vec<_> = (0..50).map(seat).collect();
    bencher.bench(|| compact_seats::changes(black_box(&changes).iter().copied()));
}

/// A page of changes that the follower has read, as a live map of a large hall takes it over.
#[divan::bench(args = PAGES)]
fn map_apply_changes(bencher: Bencher, changes: i32) {
    let (map, mut number) = (map_of_a_sale(), 1);
    bencher
        .with_inputs(|| {
            number += 1;
            page(number, changes)
        })
        .bench_local_refs(|page| map.apply(page));
}

/// What watchers are told of such a page at the next tick, before it is written.
#[divan::bench(args = PAGES)]
fn map_delta_of_changes(bencher: Bencher, changes: i32) {
    let map = map_of_a_sale();
    let (told, _) = map.end();
    map.apply(&page(2, changes));
    let delta = || map.changed_from(black_box(told), &[], Position::START);
    assert!(delta().states.len() == page(2, changes).len());
    bencher.bench(delta);
}

/// The map of a large hall that remembers as many changes as it ever does.
fn map_of_a_sale() -> LiveMap {
    let seat = |seat_no| SeatState {
        seat_no,
        version: 1,
        status: SeatStatus::Available,
    };
    let seats: Vec<_> = (0..HALL).map(seat).collect();
    let map = LiveMap::new(1, (1, EVENT), Content::of_seats(&seats, Position::START));
    map.apply(&page(1, HALL));
    map
}

/// Changes of so many seats all over the hall. Those of later pages are newer.
fn page(number: i32, changes: i32) -> Vec<Change> {
    let change = |index: i32| Change {
        event_id: EVENT,
        transaction_id: TransactionId(number.unsigned_abs().into()),
        id: index.into(),
        // A prime that does not divide the hall: no seat comes twice.
        seat_no: index * 7_919 % HALL,
        version: 1 + number,
        status: SeatStatus::Held,
        changed_at: DateTime::UNIX_EPOCH,
    };
    (0..changes).map(change).collect()
}

fn state_of(kind: i32) -> (SeatStatus, i32) {
    match kind {
        0 => (SeatStatus::Available, 1),
        1 => (SeatStatus::Held, 2),
        _ => (SeatStatus::Booked, 300),
    }
}

/// The id of a seat, out and in again.
#[divan::bench]
fn global_id_of_a_seat() -> bool {
    let id = GlobalId::Seat(black_box(EventId(12)), black_box(4_711)).to_string();
    id.parse::<GlobalId>().is_ok()
}

/// The token of a hold: derived for its answer, and hashed for its row.
#[divan::bench]
fn token_of_a_hold() -> (String, Vec<u8>) {
    let token = token();
    (token.reveal(), token.hash())
}

/// The token of a hold as it comes in.
#[divan::bench]
fn token_that_comes_in(bencher: Bencher) {
    let (text, hash) = (token().reveal(), token().hash());
    bencher.bench(|| {
        let token = black_box(&text).parse::<HoldToken>();
        token.is_ok_and(|token| token.matches(&hash))
    });
}

fn token() -> HoldToken {
    let salt = SALT.get_or_init(TokenSalt::generate);
    let hold = HoldId(Uuid::from_u128(7));
    HoldToken::derive(EventId(12), hold, b"a key of some length", *salt)
}

static SALT: OnceLock<TokenSalt> = OnceLock::new();
