//! Reading ids, times and cursors that clients send.

use crate::db::seats::ExpectedSeat;
use crate::domain::conflict;
use crate::graphql::errors::{ApiError, ApiResult};
use crate::graphql::types::time::Time;
use crate::model::cursor::Cursor;
use crate::model::global_id::GlobalId;
use crate::model::ids::{EventId, PlanId, SeatNo, VenueId};
use crate::model::reference::BookingReference;
use async_graphql::{
    Enum, ID, InputObject, InputValueError, InputValueResult, Scalar, ScalarType, Value,
};
use chrono::{DateTime, Datelike, SubsecRound, Utc};

/// Any id of this API.
pub(super) fn global_id(field: &str, id: &ID) -> ApiResult<GlobalId> {
    id.parse()
        .map_err(|error| ApiError::bad_input(field, error))
}

/// The id of an event.
pub(super) fn event_id(field: &str, id: &ID) -> ApiResult<EventId> {
    match global_id(field, id)? {
        GlobalId::Event(event) => Ok(event),
        other => Err(wrong_type(field, other, "Event")),
    }
}

/// The id of a venue.
pub(super) fn venue_id(field: &str, id: &ID) -> ApiResult<VenueId> {
    match global_id(field, id)? {
        GlobalId::Venue(venue) => Ok(venue),
        other => Err(wrong_type(field, other, "Venue")),
    }
}

/// The id of a seating plan.
pub(super) fn plan_id(field: &str, id: &ID) -> ApiResult<PlanId> {
    match global_id(field, id)? {
        GlobalId::SeatingPlan(plan) => Ok(plan),
        other => Err(wrong_type(field, other, "SeatingPlan")),
    }
}

/// The id of a seat: which event, and which of its seats.
pub(super) fn seat_id(field: &str, id: &ID) -> ApiResult<(EventId, SeatNo)> {
    match global_id(field, id)? {
        GlobalId::Seat(event, seat_no) => Ok((event, seat_no)),
        other => Err(wrong_type(field, other, "Seat")),
    }
}

/// A seat, and the version that the decision about it was made on.
#[derive(InputObject)]
pub(super) struct SeatVersionInput {
    /// Global id of the seat.
    seat_id: ID,
    /// The version that the client saw it at.
    version: i32,
}

/// What is done when a seat is not at the version that the decision was made on.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "conflict::ConflictPolicy")]
pub(super) enum ConflictPolicy {
    /// The conflict is answered at once.
    Report,
    /// Try again, with growing pauses and a bound, at the versions that the seats have
    /// then, as long as all of them can still be had.
    Retry,
}

/// Seats of this event at the versions that the client saw.
pub(super) fn seat_versions(
    field: &str,
    event: EventId,
    seats: &[SeatVersionInput],
) -> ApiResult<Vec<ExpectedSeat>> {
    (0..)
        .zip(seats)
        .map(|(index, seat): (usize, _)| {
            let field = format!("{field}[{index}].seatId");
            let (of_event, seat_no) = seat_id(&field, &seat.seat_id)?;
            if of_event != event {
                let message = "this is a seat of another event: name seats of one event";
                return Err(ApiError::bad_input(&field, message));
            }
            Ok(ExpectedSeat {
                seat_no,
                version: seat.version,
            })
        })
        .collect()
}

/// Seats of the event that the first of them is of, at the versions that the client saw.
pub(super) fn seat_versions_of_one_event(
    field: &str,
    seats: &[SeatVersionInput],
) -> ApiResult<(EventId, Vec<ExpectedSeat>)> {
    let Some(first) = seats.first() else {
        return Err(ApiError::bad_input(field, "name at least one seat"));
    };
    let (event, _) = seat_id(&format!("{field}[0].seatId"), &first.seat_id)?;
    Ok((event, seat_versions(field, event, seats)?))
}

/// Seats of any event.
pub(super) fn seat_ids(field: &str, ids: &[ID]) -> ApiResult<Vec<(EventId, SeatNo)>> {
    (0..)
        .zip(ids)
        .map(|(index, id): (usize, _)| seat_id(&format!("{field}[{index}]"), id))
        .collect()
}

/// The reference of a booking, as people type it.
pub(super) fn booking_reference(field: &str, reference: &str) -> ApiResult<BookingReference> {
    reference
        .parse()
        .map_err(|error| ApiError::bad_input(field, error))
}

/// A time that RFC 3339 can write, and the database can store.
pub(super) fn time(field: &str, Time(time): Time) -> ApiResult<DateTime<Utc>> {
    if (0..=9_999).contains(&time.year()) {
        // As precise as the database.
        Ok(time.trunc_subsecs(6))
    } else {
        let message = "a year has four digits";
        Err(ApiError::bad_input(field, message))
    }
}

fn wrong_type(field: &str, id: GlobalId, wanted: &str) -> ApiError {
    let message = format!("this is an id of the type {}, not {wanted}", id.type_name());
    ApiError::bad_input(field, message)
}

/// A cursor on its way in or out.
#[derive(Clone, Copy)]
pub(super) struct FeedCursor(pub(super) Cursor);

/// An opaque position in the change feed of one event.
///
/// A cursor that came with a map (a snapshot, a delta, `Event.seatMap`) says
/// that everything before it has been seen: pass the newest one on as
/// `Subscription.seatMap(after:)` to resume without a gap. A cursor that came
/// with a mutation says where its change is: pass it on as
/// `Event.seatMap(atLeast:)` to read your own write.
#[Scalar(name = "Cursor")]
impl ScalarType for FeedCursor {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => text.parse().map(Self).map_err(InputValueError::custom),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}
