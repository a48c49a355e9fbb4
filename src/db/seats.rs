//! The state of every seat, and the only statement that changes it.
//!
//! **Invariant:** nothing else writes the table `seats`. Every transition is
//! the one version-checked UPDATE in [`change`]; what a transition may
//! start from is a [`FromState`]. Beside it [`prolong`] moves the end of a hold,
//! which is no change of status or owner and so no step of the version.

mod moving;
mod reading;

pub use moving::{SeatMove, change};

pub use reading::{
    count, load, load_all, load_all_available_rows, load_available_rows, load_held_by, load_in,
    load_in_status, load_rows, load_takeable_rows, lock, lock_held_by, lock_rows,
    lock_takeable_rows,
};

use crate::db::schema::seats;
use crate::model::ids::{BookingId, EventId, HoldId, PlanId, SeatNo};
use crate::model::status::{Cause, SeatStatus};
use chrono::{DateTime, Utc};
use diesel::dsl::now;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// The state of one seat: what a sale changes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable, Serialize, Deserialize)]
#[diesel(table_name = seats, check_for_backend(Pg))]
pub struct SeatState {
    /// Which seat of the event.
    pub seat_no: SeatNo,
    /// Starts at 1; goes up by exactly 1 with every change of status or owner.
    pub version: i32,
    /// Where it stands.
    pub status: SeatStatus,
}

/// A seat as it stands in the table: all that decides what may become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable)]
pub struct SeatRow {
    /// The event.
    pub event_id: EventId,
    /// Which seat of the event.
    pub seat_no: SeatNo,
    /// Starts at 1; goes up by exactly 1 with every change of status or owner.
    pub version: i32,
    /// Where it stands.
    pub status: SeatStatus,
    /// The hold or the booking that has it.
    pub owner_id: Option<Uuid>,
    /// When a hold on it lapses, by the database's clock.
    pub held_until: Option<DateTime<Utc>>,
}

impl SeatRow {
    /// What a sale changes about it.
    pub fn state(&self) -> SeatState {
        SeatState {
            seat_no: self.seat_no,
            version: self.version,
            status: self.status,
        }
    }
}

/// A seat, and the version that a decision about it was made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ExpectedSeat {
    /// Which seat of the event.
    pub seat_no: SeatNo,
    /// The version it was seen at.
    pub version: i32,
}

impl SeatState {
    /// This seat at the version that it is seen at here.
    pub fn expected(&self) -> ExpectedSeat {
        ExpectedSeat {
            seat_no: self.seat_no,
            version: self.version,
        }
    }
}

/// What seats become, from what, why and by whom.
#[derive(Clone, Debug)]
pub struct Transition {
    /// What they must be now, beside being at the expected version.
    pub from: FromState,
    /// What they become.
    pub to: ToState,
    /// Why, for the feed.
    pub cause: Cause,
    /// By whom, for the feed.
    pub actor: String,
}

/// Where a transition may start.
#[derive(Clone, Copy, Debug)]
pub enum FromState {
    /// Available, or held by a hold that has lapsed by the database's clock.
    Takeable,
    /// Held, by whichever hold had it at the expected version, lapsed or not.
    Held,
    /// Held by this hold, lapsed or not.
    HeldBy(HoldId),
    /// Sold to this booking.
    BookedBy(BookingId),
    /// Kept out of the sale by staff.
    Blocked,
    /// Held, by a hold that has lapsed by the database's clock.
    Lapsed,
    /// Held by this hold, or by nobody who still has a claim to it: available,
    /// or held by another hold that has lapsed as well. What a lapsed hold that
    /// is confirmed may still claim.
    UnclaimedSince(HoldId),
}

/// Where a transition ends.
#[derive(Clone, Copy, Debug)]
pub enum ToState {
    /// Anybody's.
    Available,
    /// This hold's, until then.
    Held(HoldId, DateTime<Utc>),
    /// This booking's.
    Booked(BookingId),
    /// Out of the sale.
    Blocked,
}

impl ToState {
    /// What a row says then: its status, its owner, and when a hold on it lapses.
    pub fn columns(self) -> (SeatStatus, Option<Uuid>, Option<DateTime<Utc>>) {
        match self {
            Self::Available => (SeatStatus::Available, None, None),
            Self::Held(hold, until) => (SeatStatus::Held, Some(hold.0), Some(until)),
            Self::Booked(booking) => (SeatStatus::Booked, Some(booking.0), None),
            Self::Blocked => (SeatStatus::Blocked, None, None),
        }
    }
}

/// What a state to start from asks of a row. A row that meets one of the three will do.
#[derive(Clone, Copy)]
struct Accepted {
    /// In this status, whoever has it.
    status: Option<SeatStatus>,
    /// In this status and this hold's or booking's.
    owned: Option<(SeatStatus, Uuid)>,
    /// Held by a hold that has lapsed.
    lapsed: bool,
}

impl FromState {
    fn accepted(self) -> Accepted {
        let (status, owned, lapsed) = match self {
            Self::Takeable => (Some(SeatStatus::Available), None, true),
            Self::Held => (Some(SeatStatus::Held), None, false),
            Self::HeldBy(hold) => (None, Some((SeatStatus::Held, hold.0)), false),
            Self::BookedBy(booking) => (None, Some((SeatStatus::Booked, booking.0)), false),
            Self::Blocked => (Some(SeatStatus::Blocked), None, false),
            Self::Lapsed => (None, None, true),
            Self::UnclaimedSince(hold) => (
                Some(SeatStatus::Available),
                Some((SeatStatus::Held, hold.0)),
                true,
            ),
        };
        Accepted {
            status,
            owned,
            lapsed,
        }
    }

    /// Whether a transition may start with this row at this time, the start of the
    /// transaction by the database's clock. What the UPDATE itself asks of the row
    /// when it is made: this foretells it.
    pub fn accepts(self, row: &SeatRow, at: DateTime<Utc>) -> bool {
        let Accepted {
            status,
            owned,
            lapsed,
        } = self.accepted();
        status == Some(row.status)
            || owned
                .is_some_and(|(status, owner)| row.status == status && row.owner_id == Some(owner))
            || (lapsed && row.held_until.is_some_and(|until| until <= at))
    }
}

/// Whether a row will do: the same expression for every state to start from, so that it
/// is the same statement.
#[diesel::dsl::auto_type(no_type_alias)]
fn is_accepted(accepted: Accepted) -> _ {
    let statuses: Vec<SeatStatus> = accepted.status.into_iter().collect();
    // Nothing that is held is nobody's.
    let owned_as: SeatStatus = accepted.owned.map_or(SeatStatus::Held, |owned| owned.0);
    let owned_by: Option<Uuid> = accepted.owned.map(|owned| owned.1);
    let lapsed: bool = accepted.lapsed;
    let held: SeatStatus = SeatStatus::Held;
    seats::status
        .eq_any(statuses)
        .or(seats::status
            .eq(owned_as)
            .and(seats::owner_id.is_not_distinct_from(owned_by)))
        // A CHECK of the table says that a held seat has the time.
        .or(seats::status
            .eq(held)
            .and(seats::held_until.assume_not_null().le(now))
            .and(lapsed.into_sql::<Bool>()))
}

/// As [`change`], for seats of one event that all make the same transition.
///
/// # Errors
/// When the database fails.
pub async fn transition(
    connection: &mut AsyncPgConnection,
    event: EventId,
    expected: &[ExpectedSeat],
    transition: &Transition,
) -> QueryResult<Vec<SeatState>> {
    let transition = Arc::new(transition.clone());
    let moves: Vec<SeatMove> = expected
        .iter()
        .map(|seat| SeatMove {
            event,
            seat_no: seat.seat_no,
            version: seat.version,
            transition: Arc::clone(&transition),
        })
        .collect();
    let changed = change(connection, &moves).await?;
    Ok(changed.into_iter().map(|(_, state)| state).collect())
}

/// Moves the end of a hold on those of `seat_nos` that it still has, and answers them
/// in the plan's order. Their versions stay, and the feed is not told: nobody else
/// has to know how long.
///
/// # Errors
/// When the database fails.
pub async fn prolong(
    connection: &mut AsyncPgConnection,
    event: EventId,
    hold: HoldId,
    seat_nos: &[SeatNo],
    until: DateTime<Utc>,
) -> QueryResult<Vec<SeatState>> {
    let mut prolonged: Vec<SeatState> = diesel::update(seats::table)
        .filter(seats::event_id.eq(event))
        .filter(seats::seat_no.eq_any(seat_nos))
        .filter(seats::status.eq(SeatStatus::Held))
        .filter(seats::owner_id.eq(hold.0))
        .set(seats::held_until.eq(until))
        .returning(SeatState::as_returning())
        .get_results(connection)
        .await?;
    prolonged.sort_by_key(|seat| seat.seat_no);
    Ok(prolonged)
}

/// Creates the seats of a new event, one for each of its plan.
///
/// # Errors
/// When the database fails.
pub async fn create_for_event(
    connection: &mut AsyncPgConnection,
    event: EventId,
    plan: PlanId,
) -> QueryResult<usize> {
    use crate::db::schema::plan_seats;
    plan_seats::table
        .filter(plan_seats::plan_id.eq(plan))
        .order(plan_seats::seat_no)
        .select((event.into_sql::<BigInt>(), plan_seats::seat_no))
        .insert_into(seats::table)
        .into_columns((seats::event_id, seats::seat_no))
        .execute(connection)
        .await
}
