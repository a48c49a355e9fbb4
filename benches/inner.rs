//! What the parts of a request take, each alone and without a database: where the
//! microseconds go that `load` counts as usher's.
//!
//! ```text
//! cargo bench --bench inner
//! cargo bench --bench inner -- parse
//! ```

use async_graphql::parser::parse_query;
use async_graphql::{Response, Value};
use divan::{AllocProfiler, Bencher, black_box};
use mimalloc::MiMalloc;
use serde_json::json;
use std::sync::OnceLock;
use usher::http::{DocumentCache, WrittenAnswer};
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

/// Seats of a large hall.
const HALL: usize = 60_000;

fn main() {
    divan::main();
}

/// A document that nobody has sent before.
#[divan::bench]
fn parse_new_document() -> usize {
    parse_query(black_box(HOLD)).map_or(0, |document| document.operations.iter().count())
}

/// A document that was sent before, as almost all are.
#[divan::bench]
fn parse_known_document(bencher: Bencher) {
    let cache = DocumentCache::default();
    bencher.bench(|| cache.parse(black_box(HOLD)).is_ok());
}

/// The same with the copy of it that the executor is given.
#[divan::bench]
fn parse_known_document_and_copy(bencher: Bencher) {
    let cache = DocumentCache::default();
    bencher.bench(|| {
        cache
            .parse(black_box(HOLD))
            .map(|document| (*document).clone())
    });
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
    let id = GlobalId::Seat(EventId(1), seat_no).to_string();
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

fn state_of(kind: usize) -> (SeatStatus, i32) {
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
