//! Recording a history: every call to usher with its answer, and what the database
//! has in the end.

use super::calls::Mutation;
use super::history::{Call, Change, History, Limits, Outcome, Owner};
use super::outcomes::outcome;
use crate::support::actor::Actor;
use crate::support::{Event, House, checks, eventually};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use usher::model::global_id::GlobalId;
use usher::model::token::HoldToken;

pub const LIMITS: Limits = Limits {
    seats_per_hold: 4,
    seats_per_buyer: 8,
    holds_per_buyer: 2,
};

/// Somebody whose calls are recorded.
#[derive(Clone)]
pub struct Client {
    pub actor: Actor,
    /// As the feed names them.
    pub name: String,
}

/// An event, and what is recorded of it.
pub struct Recorder<'house> {
    pub house: &'house House,
    pub event: Event,
    pub event_key: i64,
    calls: Mutex<Vec<Call>>,
    lapses: Mutex<Vec<(i64, String)>>,
}

impl Client {
    pub fn buyer(house: &House, subject: &str) -> Self {
        Self {
            actor: house.buyer(subject),
            name: format!("buyer:{subject}"),
        }
    }

    pub fn visitor(house: &House) -> Self {
        Self {
            actor: house.visitor(),
            name: "anonymous".to_owned(),
        }
    }

    pub fn staff(house: &House) -> Self {
        Self {
            actor: house.staff(),
            name: "staff:tess".to_owned(),
        }
    }
}

impl<'house> Recorder<'house> {
    /// For a new event with so many seats in one row.
    pub async fn new(house: &'house House, seats: usize) -> Self {
        let limits = json!({
            "maxSeatsPerHold": LIMITS.seats_per_hold,
            "maxSeatsPerBuyer": LIMITS.seats_per_buyer,
            "maxHoldsPerBuyer": LIMITS.holds_per_buyer,
        });
        let draft = house.draft(1, seats, limits).await;
        let event = house.open_sale(draft).await;
        let event_key = match event.id.parse() {
            Ok(GlobalId::Event(id)) => id.0,
            other => panic!("not the id of an event: {other:?}"),
        };
        Self {
            house,
            event,
            event_key,
            calls: Mutex::default(),
            lapses: Mutex::default(),
        }
    }

    /// Calls and records; answers what was answered, and what it came to.
    pub async fn call(
        &self,
        client: &Client,
        mutation: Mutation,
        input: &Value,
    ) -> (Value, Outcome) {
        let start = now();
        let answer = mutation.call(&client.actor, input).await;
        let end = now();
        let outcome = outcome(mutation, input, &answer);
        self.record(client, (start, end), outcome.clone());
        (answer, outcome)
    }

    /// Records what somebody says.
    pub fn record(&self, client: &Client, (start, end): (i64, i64), outcome: Outcome) {
        let call = Call {
            actor: client.name.clone(),
            start,
            end,
            outcome,
        };
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(call);
    }

    /// The input that holds these seats at these versions.
    pub fn hold_input(&self, seats: &[(usize, i64)], into: Option<&str>, retry: bool) -> Value {
        json!({
            "eventId": self.event.id, "seats": self.versions(seats), "holdToken": into,
            "onConflict": if retry { "RETRY" } else { "REPORT" },
        })
    }

    pub fn versions(&self, seats: &[(usize, i64)]) -> Vec<Value> {
        let seats = seats.iter();
        seats
            .map(
                |(seat, version)| json!({"seatId": self.event.seats[*seat].id, "version": version}),
            )
            .collect()
    }

    pub fn ids(&self, seats: &[usize]) -> Vec<&str> {
        let seats = seats.iter();
        seats
            .map(|seat| self.event.seats[*seat].id.as_str())
            .collect()
    }

    /// Moves the end of a running hold into the past. The hold is locked before its
    /// seats, as usher does; the number that is taken then says when it happened.
    pub async fn lapse(&self, sql: &mut AsyncPgConnection, token: &str) {
        #[derive(QueryableByName)]
        struct Number {
            #[diesel(sql_type = BigInt)]
            number: i64,
        }
        let hold = token.parse::<HoldToken>().unwrap().hold.to_string();
        let event = self.event_key;
        let move_time = format!(
            "BEGIN; \
             UPDATE holds SET expires_at = now() - interval '1 second' \
                 WHERE event_id = {event} AND id = '{hold}' AND status = 'ACTIVE'; \
             UPDATE seats SET held_until = now() - interval '1 second' \
                 WHERE event_id = {event} AND owner_id = '{hold}'"
        );
        let moved = sql.batch_execute(&move_time).await;
        let number = "SELECT nextval(pg_get_serial_sequence('seat_changes', 'id')) AS number";
        let end = if moved.is_ok() {
            let Number { number } = diesel::sql_query(number).get_result(sql).await.unwrap();
            let mut lapses = self.lapses.lock().unwrap_or_else(PoisonError::into_inner);
            lapses.push((number, hold));
            "COMMIT"
        } else {
            // It was chosen to end a deadlock: the time of this hold does not pass.
            "ROLLBACK"
        };
        sql.batch_execute(end).await.unwrap();
    }

    /// Waits until the sweeper has published what lapsed.
    pub async fn all_lapsed(&self) {
        let mut sql = self.house.sql().await;
        eventually("the sweeper has published what lapsed", async || {
            let unpublished = "holds WHERE status = 'ACTIVE' AND expires_at <= now()";
            (checks::count(&mut sql, unpublished).await == 0).then_some(())
        })
        .await;
    }

    /// All that was recorded, and what the database has, when the sweeper is done.
    pub async fn history(self) -> History {
        self.all_lapsed().await;
        let mut sql = self.house.sql().await;
        let event = self.event_key;
        let changes = format!(
            "SELECT id, transaction_id::text::bigint AS transaction, seat_no, version, status, \
                    cause, actor, owner_id::text AS owner, \
                    (extract(epoch FROM changed_at) * 1000000)::bigint AS at \
             FROM seat_changes WHERE event_id = {event} ORDER BY id"
        );
        let changes: Vec<ChangeRow> = diesel::sql_query(changes).load(&mut sql).await.unwrap();
        let owners = format!(
            "SELECT id::text AS id, buyer, NULL AS was_hold, false AS is_booking, \
                    status = 'ACTIVE' AS is_live, seat_nos FROM holds WHERE event_id = {event} \
             UNION ALL \
             SELECT id::text, buyer, hold_id::text, true, status = 'CONFIRMED', seat_nos \
             FROM bookings WHERE event_id = {event}"
        );
        let owners: Vec<OwnerRow> = diesel::sql_query(owners).load(&mut sql).await.unwrap();
        History {
            limits: LIMITS,
            calls: self
                .calls
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
            changes: changes.into_iter().map(Change::from).collect(),
            lapses: self
                .lapses
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
            owners: owners.into_iter().map(OwnerRow::named).collect(),
        }
    }
}

/// Microseconds of the clock that PostgreSQL reads as well.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

#[derive(QueryableByName)]
struct ChangeRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = BigInt)]
    transaction: i64,
    #[diesel(sql_type = Integer)]
    seat_no: i32,
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Text)]
    cause: String,
    #[diesel(sql_type = Text)]
    actor: String,
    #[diesel(sql_type = Nullable<Text>)]
    owner: Option<String>,
    #[diesel(sql_type = BigInt)]
    at: i64,
}

impl From<ChangeRow> for Change {
    fn from(row: ChangeRow) -> Self {
        Self {
            id: row.id,
            transaction: row.transaction.cast_unsigned(),
            seat: usize::try_from(row.seat_no).unwrap(),
            version: row.version.into(),
            status: row.status,
            cause: row.cause,
            actor: row.actor,
            owner: row.owner,
            at: row.at,
        }
    }
}

#[derive(QueryableByName)]
struct OwnerRow {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Nullable<Text>)]
    buyer: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    was_hold: Option<String>,
    #[diesel(sql_type = Bool)]
    is_booking: bool,
    #[diesel(sql_type = Bool)]
    is_live: bool,
    #[diesel(sql_type = Array<Integer>)]
    seat_nos: Vec<i32>,
}

impl OwnerRow {
    fn named(self) -> (String, Owner) {
        let seats = self.seat_nos.into_iter();
        let owner = Owner {
            // What staff hold themselves is not limited.
            buyer: self.buyer.filter(|buyer| buyer != "tess"),
            was_hold: self.was_hold,
            is_booking: self.is_booking,
            is_live: self.is_live,
            seats: seats.map(|seat| usize::try_from(seat).unwrap()).collect(),
        };
        (self.id, owner)
    }
}
