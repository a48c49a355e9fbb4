//! What a call does to a seat: one mutation, and what is found in the database after it.

use crate::Outcome;
use crate::prepared::Tokens;
use crate::server::Server;
use crate::stock::{Stock, owner};
use serde_json::{Value, json};
use tokio_postgres::types::ToSql;
use usher::model::global_id::GlobalId;
use usher::model::ids::{EventId, SeatNo};

/// What is asked for, of one seat a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A seat that is available, at version 1.
    Hold,
    /// A hold of one seat, which becomes a booking.
    Confirm,
    /// A hold of one seat, which is given back.
    Release,
}

impl Effect {
    pub const ALL: [Self; 3] = [Self::Hold, Self::Confirm, Self::Release];

    pub fn mutation(self) -> &'static str {
        match self {
            Self::Hold => "holdSeats",
            Self::Confirm => "confirmHold",
            Self::Release => "releaseHold",
        }
    }

    /// Whether it starts with holds.
    pub fn needs_holds(self) -> bool {
        self != Self::Hold
    }

    /// Why, as the feed has it.
    pub fn cause(self) -> &'static str {
        match self {
            Self::Hold => "HELD",
            Self::Confirm => "BOOKED",
            Self::Release => "RELEASED",
        }
    }

    /// What a call that succeeds is answered.
    pub fn success(self) -> &'static str {
        match self {
            Self::Hold => "SeatsHeld",
            Self::Confirm => "HoldConfirmed",
            Self::Release => "SeatsReleased",
        }
    }

    /// The mutation of one seat as a client sends it.
    pub fn query(self) -> &'static str {
        match self {
            Self::Hold => {
                "mutation($input: HoldSeatsInput!) { holdSeats(input: $input) { \
                 __typename ... on SeatsHeld { token cursor hold { expiresAt } } } }"
            }
            Self::Confirm => {
                "mutation($input: ConfirmHoldInput!) { confirmHold(input: $input) { \
                 __typename ... on HoldConfirmed { cursor booking { reference } } } }"
            }
            Self::Release => {
                "mutation($input: ReleaseHoldInput!) { releaseHold(input: $input) { \
                 __typename ... on SeatsReleased { cursor seats { id version } } } }"
            }
        }
    }

    /// The body of the request for this seat.
    pub fn request(self, event: EventId, seat: SeatNo, tokens: &Tokens) -> Outcome<String> {
        let input = match self {
            Self::Hold => json!({
                "eventId": GlobalId::Event(event).to_string(),
                "seats": [{"seatId": GlobalId::Seat(event, seat).to_string(), "version": 1}],
            }),
            Self::Confirm | Self::Release => {
                json!({"token": tokens.of(event, owner(seat)?).reveal()})
            }
        };
        let body: Value = json!({"query": self.query(), "variables": {"input": input}});
        Ok(body.to_string())
    }

    /// Fails unless the database has done as much as was answered.
    pub async fn check(self, server: &Server, stock: &Stock, told: u64) -> Outcome<()> {
        let cause = self.cause();
        let rows = match self {
            Self::Hold => "holds WHERE status = 'ACTIVE'",
            Self::Confirm => "bookings WHERE status = 'CONFIRMED'",
            Self::Release => "holds WHERE status = 'RELEASED'",
        };
        let query = format!(
            "SELECT (SELECT count(*) FROM seat_changes \
                     WHERE cause = '{cause}' AND event_id BETWEEN $1 AND $2), \
                    (SELECT count(*) FROM {rows} AND event_id BETWEEN $1 AND $2)"
        );
        let (first, last) = stock.events();
        let events: [&(dyn ToSql + Sync); 2] = [&first, &last];
        let found = server.sql().await?.query_one(&query, &events).await?;
        let (changes, rows): (i64, i64) = (found.try_get(0)?, found.try_get(1)?);
        let told = i64::try_from(told)?;
        if changes == told && rows == told {
            return Ok(());
        }
        Err(format!(
            "the run is void: {told} times {} was answered, and the database has {changes} \
             changes and {rows} rows of it",
            self.mutation()
        )
        .into())
    }
}
