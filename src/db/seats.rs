//! The state of every seat, and the only statement that changes it.
//!
//! **Invariant:** nothing else writes the table `seats`. Every transition is
//! the one version-checked UPDATE in [`transition`]; what a transition may
//! start from is a [`FromState`]. Beside it [`prolong`] moves the end of a hold,
//! which is no change of status or owner and so no step of the version.

mod reading;

pub use reading::{
    count, load, load_all, load_available, load_held_by, load_in, load_takeable, lock,
    lock_held_by, lock_some_in,
};

use crate::db::schema::seats;
use crate::model::ids::{BookingId, EventId, HoldId, PlanId, SeatNo};
use crate::model::status::{Cause, SeatStatus};
use chrono::{DateTime, Utc};
use diesel::dsl::{array_position, now};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Integer};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::{Deserialize, Serialize};
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
    fn columns(self) -> (SeatStatus, Option<Uuid>, Option<DateTime<Utc>>) {
        match self {
            Self::Available => (SeatStatus::Available, None, None),
            Self::Held(hold, until) => (SeatStatus::Held, Some(hold.0), Some(until)),
            Self::Booked(booking) => (SeatStatus::Booked, Some(booking.0), None),
            Self::Blocked => (SeatStatus::Blocked, None, None),
        }
    }
}

/// What a state to start from asks of a row. A row that meets one of the three will do.
struct Accepted {
    /// In one of these statuses, whoever has it.
    statuses: Vec<SeatStatus>,
    /// In this status and this hold's or booking's.
    owned: (SeatStatus, Option<Uuid>),
    /// Held by a hold that has lapsed.
    lapsed: bool,
}

impl FromState {
    fn accepted(self) -> Accepted {
        // Nothing that is held is nobody's.
        let nobodys = (SeatStatus::Held, None);
        let (statuses, owned, lapsed) = match self {
            Self::Takeable => (vec![SeatStatus::Available], nobodys, true),
            Self::Held => (vec![SeatStatus::Held], nobodys, false),
            Self::HeldBy(hold) => (Vec::new(), (SeatStatus::Held, Some(hold.0)), false),
            Self::BookedBy(booking) => (Vec::new(), (SeatStatus::Booked, Some(booking.0)), false),
            Self::Blocked => (vec![SeatStatus::Blocked], nobodys, false),
            Self::Lapsed => (Vec::new(), nobodys, true),
            Self::UnclaimedSince(hold) => (
                vec![SeatStatus::Available],
                (SeatStatus::Held, Some(hold.0)),
                true,
            ),
        };
        Accepted {
            statuses,
            owned,
            lapsed,
        }
    }
}

/// Whether a row will do: the same expression for every state to start from, so that it
/// is the same statement.
#[diesel::dsl::auto_type(no_type_alias)]
fn is_accepted(accepted: Accepted) -> _ {
    let statuses: Vec<SeatStatus> = accepted.statuses;
    let owners_status: SeatStatus = accepted.owned.0;
    let owner: Option<Uuid> = accepted.owned.1;
    let lapsed: bool = accepted.lapsed;
    let held: SeatStatus = SeatStatus::Held;
    seats::status
        .eq_any(statuses)
        .or(seats::status
            .eq(owners_status)
            .and(seats::owner_id.is_not_distinct_from(owner)))
        // A CHECK of the table says that a held seat has the time.
        .or(seats::status
            .eq(held)
            .and(seats::held_until.assume_not_null().le(now))
            .and(lapsed.into_sql::<Bool>()))
}

/// The version-checked UPDATE: moves each of `expected` that is still at its
/// expected version and in the state to start from, and answers those as they
/// became. A seat that is missing from the answer was not touched; whether that
/// undoes the others is the caller's to decide, by rolling back.
///
/// `expected` names each seat once. Rows are locked in the order in which the
/// table is scanned, which is that of the key for everybody as long as the plan
/// is the same; two transactions that wait for one another all the same are
/// parted by PostgreSQL, and the loser is run again.
///
/// # Errors
/// When the database fails.
pub async fn transition(
    connection: &mut AsyncPgConnection,
    event: EventId,
    expected: &[ExpectedSeat],
    transition: &Transition,
) -> QueryResult<Vec<SeatState>> {
    let seat_nos: Vec<SeatNo> = expected.iter().map(|seat| seat.seat_no).collect();
    let versions: Vec<i32> = expected.iter().map(|seat| seat.version).collect();
    // The place of the row's seat in the list is never NULL: the row was found by it.
    let place = array_position::<Array<Integer>, Integer, _, _>(seat_nos.clone(), seats::seat_no)
        .assume_not_null();
    let expected_version = versions.into_sql::<Array<Integer>>().index(place);
    let (status, owner_id, held_until) = transition.to.columns();
    diesel::update(seats::table)
        .filter(seats::event_id.eq(event))
        .filter(seats::seat_no.eq_any(&seat_nos))
        .filter(expected_version.eq(seats::version))
        .filter(is_accepted(transition.from.accepted()))
        .set((
            seats::version.eq(seats::version + 1),
            seats::status.eq(status),
            seats::owner_id.eq(owner_id),
            seats::held_until.eq(held_until),
            seats::cause.eq(transition.cause),
            seats::actor.eq(&transition.actor),
        ))
        .returning(SeatState::as_returning())
        .get_results(connection)
        .await
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
