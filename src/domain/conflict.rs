//! Lost races: changing seats all or nothing, and what a loser is told.

use crate::db::seats::{self, ExpectedSeat, FromState, SeatState, Transition};
use crate::domain::alternatives::{self, Loser};
use crate::domain::batch::{Ledger, No, Tries};
use crate::domain::environment::Environment;
use crate::domain::event_view::EventView;
use crate::domain::transaction::Abort;
use crate::domain::{DomainError, seat_change};
use crate::model::ids::{EventId, SeatNo};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use std::collections::HashSet;
use std::sync::Arc;

/// Seats that one call may name, whatever the event's own limits say.
pub const MAX_SEATS_PER_CALL: usize = 1_000;

/// What is done when a seat is not at the version that the decision was made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ConflictPolicy {
    /// The caller is told at once.
    Report,
    /// Tried again at the versions that the seats have then, as long as all of them
    /// are in a state to start from.
    Retry,
}

/// What a lost race was lost to.
#[derive(Debug)]
pub struct SeatConflict {
    /// The event.
    pub event: Arc<EventView>,
    /// Every seat that could not be had, in the plan's order.
    pub lost: Vec<LostSeat>,
    /// Seats near them that were available at that moment.
    pub alternatives: Vec<SeatState>,
    /// The seats that could have been had.
    kept: Vec<SeatNo>,
}

/// A seat that could not be had.
#[derive(Clone, Copy, Debug)]
pub struct LostSeat {
    /// The version that the decision was made on.
    pub expected_version: i32,
    /// The seat as it is now.
    pub now: SeatState,
}

/// Adds the alternatives, of all of these at once. Not inside the transaction that lost: what
/// it had taken would stay locked while it looks around.
///
/// # Errors
/// When the database fails; nothing is offered then.
pub async fn look_around(
    connection: &AsyncPgConnection,
    conflicts: &mut [&mut SeatConflict],
) -> QueryResult<()> {
    let lost = |conflict: &&mut SeatConflict| -> Vec<SeatNo> {
        let lost = conflict.lost.iter();
        lost.map(|lost| lost.now.seat_no).collect()
    };
    let lost: Vec<Vec<SeatNo>> = conflicts.iter().map(lost).collect();
    let losers = conflicts.iter().zip(&lost).map(|(conflict, lost)| Loser {
        event: conflict.event.event.id,
        plan: &conflict.event.plan,
        lost,
        kept: &conflict.kept,
    });
    let losers: Vec<Loser<'_>> = losers.collect();
    let offers = alternatives::find(connection, &losers).await?;
    for (conflict, offer) in conflicts.iter_mut().zip(offers) {
        conflict.alternatives = offer;
    }
    Ok(())
}

/// Whether these seats can be asked for: some, not too many, each once, at versions
/// that can be. `field` is their list in the input.
///
/// # Errors
/// When they cannot.
pub fn check(field: &str, seats: &[ExpectedSeat]) -> Result<(), DomainError> {
    check_count(field, seats.len())?;
    let mut named = HashSet::new();
    for (index, ExpectedSeat { seat_no, version }) in seats.iter().enumerate() {
        if *version < 1 {
            let message =
                format!("{version} cannot be: versions start at 1, pass on the one that you read");
            let field = format!("{field}[{index}].version");
            return Err(DomainError::invalid(field, message));
        }
        if !named.insert(seat_no) {
            let message = "this seat is named before: name each once";
            let field = format!("{field}[{index}].seatId");
            return Err(DomainError::invalid(field, message));
        }
    }
    Ok(())
}

/// Whether one call may name so many seats in a list that has to name some.
///
/// # Errors
/// When it may not.
pub fn check_count(field: &str, count: usize) -> Result<(), DomainError> {
    let message = match count {
        0 => "name at least one seat".to_owned(),
        1..=MAX_SEATS_PER_CALL => return Ok(()),
        _ => format!("name at most {MAX_SEATS_PER_CALL} seats in one call"),
    };
    Err(DomainError::invalid(field, message))
}

/// Lets pass only seats that a hold or booking does not have. `what` has those in `own`.
///
/// # Errors
/// When it has one of them.
pub fn check_new(
    field: &str,
    what: &str,
    own: &[SeatNo],
    seats: &[ExpectedSeat],
) -> Result<(), DomainError> {
    let is_own = |seat: &ExpectedSeat| own.contains(&seat.seat_no);
    match seats.iter().position(is_own) {
        Some(index) => {
            let field = format!("{field}[{index}].seatId");
            let message = format!("this seat is in the {what} already: leave it out");
            Err(DomainError::invalid(field, message))
        }
        None => Ok(()),
    }
}

/// Whether the event has all of these seats.
///
/// # Errors
/// `SeatNotFound` for the first one that it has not.
pub fn check_places(
    field: &str,
    event: &EventView,
    seats: &[ExpectedSeat],
) -> Result<(), DomainError> {
    let is_missing = |seat: &ExpectedSeat| event.seat(seat.seat_no).is_none();
    match seats.iter().position(is_missing) {
        Some(index) => Err(DomainError::SeatNotFound {
            field: format!("{field}[{index}].seatId"),
        }),
        None => Ok(()),
    }
}

/// The seats at the versions to expect in this attempt: as the caller named them, and
/// when that was outrun, as they are.
///
/// # Errors
/// When the database fails.
pub async fn expected(
    connection: &mut AsyncPgConnection,
    event: EventId,
    named: &[ExpectedSeat],
    policy: ConflictPolicy,
    attempt: u32,
) -> Result<Vec<ExpectedSeat>, DomainError> {
    if attempt == 1 || policy == ConflictPolicy::Report {
        return Ok(named.to_vec());
    }
    let seat_nos: Vec<SeatNo> = named.iter().map(|seat| seat.seat_no).collect();
    let now = seats::load(connection, event, &seat_nos).await?;
    let at = |seat: &ExpectedSeat| now.iter().find(|now| now.seat_no == seat.seat_no);
    Ok(named
        .iter()
        .map(|seat| at(seat).map_or(*seat, SeatState::expected))
        .collect())
}

/// In a batch: whether all of `expected` can make a transition from `from`. With
/// [`ConflictPolicy::Retry`] at whatever version they are, which is one more try.
///
/// # Errors
/// The conflict, or that it is to be looked at again.
pub fn judge<R: From<SeatConflict>>(
    ledger: &Ledger,
    event: &Arc<EventView>,
    expected: &[ExpectedSeat],
    from: FromState,
    policy: ConflictPolicy,
    tries: &mut Tries,
) -> Result<(), No<R>> {
    let id = event.event.id;
    let can = |seat: &ExpectedSeat| ledger.accepts(id, seat.seat_no, from);
    let is_as_seen = |seat: &ExpectedSeat| {
        let now = ledger.seat(id, seat.seat_no);
        now.is_some_and(|now| now.version == seat.version)
    };
    let is_changed = |seat: &ExpectedSeat| ledger.is_changed(id, seat.seat_no);
    let may_try_on = policy == ConflictPolicy::Retry && !tries.is_last;
    let was_lost =
        |seat: &ExpectedSeat| !may_try_on && ledger.was_lost(id, seat.seat_no, seat.version);
    let is_kept = |seat: &&ExpectedSeat| is_as_seen(seat) && can(seat) && !was_lost(seat);
    let (kept, mut lost): (Vec<&ExpectedSeat>, Vec<&ExpectedSeat>) =
        expected.iter().partition(is_kept);
    if lost.is_empty() || (may_try_on && lost.iter().all(|seat| can(seat))) {
        if expected.iter().any(is_changed) {
            return Err(No::PutOff);
        }
        tries.count += u32::from(!lost.is_empty());
        return Ok(());
    }
    lost.sort_by_key(|seat| seat.seat_no);
    let lost = lost.iter().filter_map(|seat| {
        Some(LostSeat {
            expected_version: seat.version,
            now: ledger.seat(id, seat.seat_no)?.state(),
        })
    });
    let conflict = SeatConflict {
        event: Arc::clone(event),
        lost: lost.collect(),
        alternatives: Vec::new(),
        kept: kept.iter().map(|seat| seat.seat_no).collect(),
    };
    Err(No::Refused(conflict.into()))
}

/// Makes the transition for all of `expected`, or refuses with what each of the others
/// was lost to.
///
/// What they were lost to is read a moment after the UPDATE. A version only ever grows,
/// so to whoever expected one that there was it still explains why the UPDATE did not
/// match; and the database's clock
/// stands still in a transaction, so a hold that kept a seat from being taken has not
/// lapsed here either.
///
/// # Errors
/// The conflict, as [`Abort::Outrun`] when it is worth another attempt; a failure of
/// the database.
pub async fn change_all<R: From<SeatConflict>>(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    event: &Arc<EventView>,
    expected: &[ExpectedSeat],
    transition: &Transition,
    policy: ConflictPolicy,
) -> Result<Vec<SeatState>, Abort<R>> {
    let id = event.event.id;
    let concurrency = environment.concurrency;
    let changed = seat_change::change(connection, concurrency, id, expected, transition).await?;
    if changed.len() == expected.len() {
        return Ok(changed);
    }
    let kept: Vec<SeatNo> = changed.iter().map(|seat| seat.seat_no).collect();
    let mut lost: Vec<ExpectedSeat> = expected.to_vec();
    lost.retain(|seat| !kept.contains(&seat.seat_no));
    lost.sort_by_key(|seat| seat.seat_no);
    let lost_nos: Vec<SeatNo> = lost.iter().map(|seat| seat.seat_no).collect();
    let now = seats::load(connection, id, &lost_nos).await?;
    let is_worth_it = policy == ConflictPolicy::Retry
        && seats::load_in(connection, id, &lost_nos, transition.from)
            .await?
            .len()
            == lost.len();
    let lost = lost
        .iter()
        .zip(now)
        .map(|(seat, now)| LostSeat {
            expected_version: seat.version,
            now,
        })
        .collect();
    let conflict = SeatConflict {
        event: Arc::clone(event),
        lost,
        alternatives: Vec::new(),
        kept,
    };
    Err(if is_worth_it {
        Abort::Outrun(conflict.into())
    } else {
        Abort::Refused(conflict.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(seat_no: SeatNo, version: i32) -> ExpectedSeat {
        ExpectedSeat { seat_no, version }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let many = (0..=1_000).map(|seat_no| seat(seat_no, 1)).collect();
        for (bad, where_it_is) in [
            (Vec::new(), "seats"),
            (many, "seats"),
            (vec![seat(1, 0)], "seats[0].version"),
            (vec![seat(2, 1), seat(1, -1)], "seats[1].version"),
            (vec![seat(1, 1), seat(2, 1), seat(1, 2)], "seats[2].seatId"),
        ] {
            let Err(DomainError::InvalidInput { field, .. }) = check("seats", &bad) else {
                panic!("{bad:?} is not refused");
            };
            assert_eq!(field, where_it_is);
        }
        assert!(check("seats", &[seat(2, 1), seat(1, 7)]).is_ok());
    }
}
