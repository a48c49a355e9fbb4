//! How much of an event one hold and one buyer may have.
//!
//! A buyer is the subject of a token. A visitor has none, so what is meant for a
//! buyer is counted for each of a visitor's holds. Staff are not limited in what they
//! hold themselves: a box office sells to many.

use crate::config::Concurrency;
use crate::db::advisory_locks;
use crate::db::buyers::{self, Holdings};
use crate::db::clock;
use crate::db::events::Event;
use crate::db::holds::Hold;
use crate::domain::batch::Ledger;
use crate::model::{Caller, Permission};
use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

/// A limit of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Seats of one hold or booking.
    SeatsPerHold,
    /// Seats of one buyer, held and booked.
    SeatsPerBuyer,
    /// Running holds of one buyer.
    HoldsPerBuyer,
}

/// A limit would be exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitExceeded {
    /// Which one.
    pub limit: Limit,
    /// What the event allows.
    pub allowed: i32,
    /// What it would have come to.
    pub requested: i64,
}

/// What somebody would have.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The hold or booking; what it had so far does not count.
    pub owner: Uuid,
    /// Whose it is; `None` for a visitor's.
    pub buyer: Option<&'a str>,
    /// How many seats it would have.
    pub seats: usize,
    /// How many of them have been counted before. Nobody is refused who asks for no more.
    pub had: usize,
    /// Whether it is a new hold.
    pub is_new_hold: bool,
}

/// Whether the event allows this. Counted so that two requests of one buyer cannot
/// both pass on what the other one has not written yet: they take turns, or with
/// SERIALIZABLE transactions one of them is sent back.
///
/// # Errors
/// When the database fails.
pub async fn check(
    connection: &mut AsyncPgConnection,
    concurrency: Concurrency,
    caller: &Caller,
    event: &Event,
    wanted: Wanted<'_>,
) -> QueryResult<Result<(), LimitExceeded>> {
    if wanted.seats <= wanted.had {
        return Ok(Ok(()));
    }
    let others = match counted(event, caller, wanted.buyer) {
        Some(buyer) => {
            if concurrency != Concurrency::Serializable {
                advisory_locks::lock_buyer(connection, event.id, buyer).await?;
            }
            buyers::holdings(connection, event.id, buyer, wanted.owner).await?
        }
        None => Holdings::default(),
    };
    Ok(judge(event, caller, wanted, others))
}

/// The buyer whose holds and bookings count for something that `buyer` is to have, if the
/// event limits them.
pub fn counted<'a>(event: &Event, caller: &Caller, buyer: Option<&'a str>) -> Option<&'a str> {
    buyer.filter(|_| is_limited(event) && !is_sold_by_hand(caller, buyer))
}

/// As [`check`], by what a batch knows.
///
/// # Errors
/// When the event does not allow it.
pub fn check_in(
    ledger: &Ledger,
    caller: &Caller,
    event: &Event,
    wanted: Wanted<'_>,
) -> Result<(), LimitExceeded> {
    if wanted.seats <= wanted.had {
        return Ok(());
    }
    let others = counted(event, caller, wanted.buyer)
        .map(|buyer| ledger.holdings(event.id, buyer, wanted.owner));
    judge(event, caller, wanted, others.unwrap_or_default())
}

/// The database's clock when it is the turn of the hold's buyer, for whoever goes on with a
/// hold that was counted when it was made. One that is still running at that time is
/// counted by everybody who has had their turn before, as a hold, and by everybody who
/// comes after, as what has become of it. `now` is the clock when the hold was locked.
///
/// # Errors
/// When the database fails.
pub async fn turn(
    connection: &mut AsyncPgConnection,
    concurrency: Concurrency,
    event: &Event,
    hold: &Hold,
    now: DateTime<Utc>,
) -> QueryResult<DateTime<Utc>> {
    let Some(buyer) = hold.buyer.as_deref().filter(|_| is_limited(event)) else {
        return Ok(now);
    };
    if concurrency == Concurrency::Serializable {
        // For the database to see that this one and whoever counts depend on each other.
        buyers::holdings(connection, event.id, buyer, hold.id.0).await?;
    } else {
        advisory_locks::lock_buyer(connection, event.id, buyer).await?;
    }
    clock::read(connection).await
}

fn is_sold_by_hand(caller: &Caller, buyer: Option<&str>) -> bool {
    caller.may(Permission::SellByHand) && buyer == caller.subject()
}

/// Whether an event limits what one buyer may have.
pub fn is_limited(event: &Event) -> bool {
    event.max_seats_per_buyer.is_some() || event.max_holds_per_buyer.is_some()
}

fn judge(
    event: &Event,
    caller: &Caller,
    wanted: Wanted<'_>,
    others: Holdings,
) -> Result<(), LimitExceeded> {
    let limits_of_a_buyer = !is_sold_by_hand(caller, wanted.buyer);
    let seats = i64::try_from(wanted.seats).unwrap_or(i64::MAX);
    let limits = [
        (Limit::SeatsPerHold, Some(event.max_seats_per_hold), seats),
        (
            Limit::SeatsPerBuyer,
            event.max_seats_per_buyer.filter(|_| limits_of_a_buyer),
            others.seats.saturating_add(seats),
        ),
        (
            Limit::HoldsPerBuyer,
            event
                .max_holds_per_buyer
                .filter(|_| limits_of_a_buyer && wanted.is_new_hold),
            others.holds + 1,
        ),
    ];
    for (limit, allowed, requested) in limits {
        if let Some(allowed) = allowed
            && requested > i64::from(allowed)
        {
            return Err(LimitExceeded {
                limit,
                allowed,
                requested,
            });
        }
    }
    Ok(())
}
