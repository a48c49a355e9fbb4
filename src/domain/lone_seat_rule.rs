//! The rule of an event against leaving a single seat alone, judged on the rows as they
//! are inside the transaction.
//!
//! Two buyers in one row who each leave two seats between them would together leave
//! one or none: neither sees what the other has not committed. Where the rule is
//! enforced they take turns at the row; with SERIALIZABLE transactions one of them is
//! sent back.

use crate::config::Concurrency;
use crate::db::advisory_locks;
use crate::db::seats::{self, FromState, SeatState};
use crate::domain::batch::{Ledger, Needs};
use crate::domain::event_view::EventView;
use crate::domain::seating::lone_seats;
use crate::model::ids::{EventId, SeatNo};
use crate::model::status::OrphanRule;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use std::collections::HashSet;
use std::sync::Arc;

/// What somebody is about to do in the rows of an event.
#[derive(Clone, Copy, Debug)]
pub struct Seating<'a> {
    /// The seats to take.
    pub taken: &'a [SeatNo],
    /// Seats that the same party has already: judged with those that it takes in the
    /// same rows.
    pub own: &'a [SeatNo],
    /// Seats that it gives back.
    pub given: &'a [SeatNo],
}

/// The event does not allow to leave seats alone.
#[derive(Debug)]
pub struct LeftAlone {
    /// The event.
    pub event: Arc<EventView>,
    /// The seats, as they are.
    pub seats: Vec<SeatState>,
}

/// Takes turns with whoever else is at the rows of these seats, where the rule is
/// enforced. Rows are locked before their seats: to be asked before one is taken.
///
/// # Errors
/// When the database fails.
pub async fn turn(
    connection: &mut AsyncPgConnection,
    concurrency: Concurrency,
    event: &EventView,
    taken: &[SeatNo],
) -> QueryResult<()> {
    let is_enforced = event.event.orphan_rule == OrphanRule::Enforce;
    if !is_enforced || concurrency == Concurrency::Serializable {
        return Ok(());
    }
    let rows = numbers(&event.plan.rows_of(taken));
    if !rows.is_empty() {
        advisory_locks::lock_rows(connection, event.event.id, &rows).await?;
    }
    Ok(())
}

/// The rows of seats that are to be taken, where the event has the rule: judged when it is
/// the batch's turn at them, where it is enforced.
pub fn needs(event: &EventView, taking: &[SeatNo], needs: &mut Needs) {
    if event.event.orphan_rule == OrphanRule::Off {
        return;
    }
    let rows = event.plan.rows_of(taking);
    needs.neighbours(event.event.id, event.plan.seats_of_rows(&rows));
    if event.event.orphan_rule == OrphanRule::Enforce && !rows.is_empty() {
        needs.turn(event.event.id, &rows);
    }
}

/// The seats that are left alone in a batch though their row has a better way, as they
/// are.
///
/// # Errors
/// When the event does not allow that.
pub fn left_alone(
    ledger: &Ledger,
    event: &Arc<EventView>,
    seating: Seating<'_>,
) -> Result<Vec<SeatState>, LeftAlone> {
    if event.event.orphan_rule == OrphanRule::Off {
        return Ok(Vec::new());
    }
    let id = event.event.id;
    let is_free = |seat: SeatNo| ledger.accepts(id, seat, FromState::Takeable);
    let alone = judge(event, seating, is_free);
    let seats = ledger.states(id, &alone);
    if event.event.orphan_rule != OrphanRule::Enforce || seats.is_empty() {
        return Ok(seats);
    }
    let event = Arc::clone(event);
    Err(LeftAlone { event, seats })
}

/// The seats that are left alone though their row has a better way, ascending.
fn judge(event: &EventView, seating: Seating<'_>, is_free: impl Fn(SeatNo) -> bool) -> Vec<SeatNo> {
    let rows = event.plan.rows_of(seating.taken);
    let seats = event.plan.seats_of_rows(&rows);
    let is_free = |seat: SeatNo| is_free(seat) || seating.given.contains(&seat);
    let mut party = seating.taken.to_vec();
    party.extend(seating.own.iter().filter(|seat| seats.contains(seat)));
    lone_seats::broken_by(&event.plan, is_free, &party)
}

/// The seats that are left alone though their row has a better way, ascending; none
/// when the event has no such rule. It makes no difference whether the seats are taken
/// already, if it is the caller's [turn].
///
/// # Errors
/// When the database fails.
pub async fn broken_by(
    connection: &mut AsyncPgConnection,
    event: &EventView,
    seating: Seating<'_>,
) -> QueryResult<Vec<SeatNo>> {
    if event.event.orphan_rule == OrphanRule::Off {
        return Ok(Vec::new());
    }
    let rows = event.plan.rows_of(seating.taken);
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let id = event.event.id;
    let seats = event.plan.seats_of_rows(&rows);
    let free = seats::load_in(connection, id, &seats, FromState::Takeable).await?;
    let free: HashSet<SeatNo> = free.iter().map(|seat| seat.seat_no).collect();
    Ok(judge(event, seating, |seat| free.contains(&seat)))
}

/// Lets pass unless the event enforces the rule and these seats would be left `alone`.
///
/// # Errors
/// When the database fails.
pub async fn require_allowed(
    connection: &mut AsyncPgConnection,
    event: &Arc<EventView>,
    alone: &[SeatNo],
) -> QueryResult<Result<(), LeftAlone>> {
    if event.event.orphan_rule != OrphanRule::Enforce || alone.is_empty() {
        return Ok(Ok(()));
    }
    let seats = states(connection, event.event.id, alone).await?;
    let event = Arc::clone(event);
    Ok(Err(LeftAlone { event, seats }))
}

/// The seats that were left alone, as they are now.
///
/// # Errors
/// When the database fails.
pub async fn states(
    connection: &mut AsyncPgConnection,
    event: EventId,
    alone: &[SeatNo],
) -> QueryResult<Vec<SeatState>> {
    if alone.is_empty() {
        return Ok(Vec::new());
    }
    seats::load(connection, event, alone).await
}

/// A plan has fewer rows than a number has values.
fn numbers(rows: &[usize]) -> Vec<i32> {
    rows.iter()
        .map(|row| i32::try_from(*row).unwrap_or(i32::MAX))
        .collect()
}
