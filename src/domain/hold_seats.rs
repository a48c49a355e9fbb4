//! Holding seats: the race that usher exists for.

use crate::db::holds::{self, Hold};
use crate::db::seats::{self, ExpectedSeat, FromState, SeatState, ToState, Transition};
use crate::db::transaction_id::TransactionId;
use crate::domain::access::{self, HoldUnusable, PresentedToken};
use crate::domain::event_view::{self, EventView};
use crate::domain::plan_cache::PlanCache;
use crate::domain::sale::{self, SaleNotOpen};
use crate::domain::transaction::{self, Abort, Settled, UnitOfWork};
use crate::domain::{DomainError, alternatives};
use crate::model::Caller;
use crate::model::ids::{EventId, HoldId, SeatNo};
use crate::model::status::{Cause, HoldStatus};
use crate::model::token::HoldToken;
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use std::collections::HashSet;
use std::sync::Arc;

/// Seats that one call may name, whatever the event's own limit says.
pub const MAX_SEATS_PER_CALL: usize = 1_000;

/// Hold these seats for the caller, all of them or none.
#[derive(Clone, Debug)]
pub struct HoldSeats {
    /// The event whose seats they are.
    pub event: EventId,
    /// Which seats, and the version that the buyer saw each at.
    pub seats: Vec<ExpectedSeat>,
    /// Add them to this hold instead of making a new one.
    pub into_hold: Option<PresentedToken>,
}

/// The seats are held.
#[derive(Debug)]
pub struct SeatsHeld {
    /// The event.
    pub event: Arc<EventView>,
    /// The hold.
    pub hold: Hold,
    /// Its token: given to the caller and to nobody else.
    pub token: HoldToken,
    /// All of the hold's seats as they became, in the plan's order.
    pub seats: Vec<SeatState>,
    /// The transaction that held them.
    pub transaction: TransactionId,
}

/// Why no seat was held.
#[derive(Debug)]
pub enum HoldRefused {
    /// Somebody else was faster.
    Conflict(SeatConflict),
    /// The hold would have more seats than the event allows.
    TooManySeats {
        /// What the event allows.
        limit: i32,
        /// What the hold would have had.
        requested: usize,
    },
    /// Nothing can be held at this time.
    SaleNotOpen(SaleNotOpen),
    /// The hold to add them to cannot be used, or is of another event.
    Hold(HoldUnusable),
}

impl From<HoldUnusable> for HoldRefused {
    fn from(unusable: HoldUnusable) -> Self {
        Self::Hold(unusable)
    }
}

/// What a lost race was lost to.
#[derive(Debug)]
pub struct SeatConflict {
    /// The event.
    pub event: Arc<EventView>,
    /// Every seat that could not be had.
    pub lost: Vec<LostSeat>,
    /// Seats near them that were available at that moment.
    pub alternatives: Vec<SeatState>,
}

/// A seat that could not be had.
#[derive(Clone, Copy, Debug)]
pub struct LostSeat {
    /// The version that the decision was made on.
    pub expected_version: i32,
    /// The seat as it is now.
    pub now: SeatState,
}

/// Holds the seats of `command`, or says what it lost them to.
///
/// # Errors
/// When the command makes no sense, the event is not there, or the database fails.
pub async fn hold_seats(
    connection: &mut AsyncPgConnection,
    plans: &PlanCache,
    caller: &Caller,
    command: HoldSeats,
) -> Result<Settled<SeatsHeld, HoldRefused>, DomainError> {
    check(&command.seats)?;
    let work = Work {
        plans,
        caller,
        event: command.event,
        seats: command.seats,
        into_hold: command.into_hold,
    };
    transaction::run(connection, &work).await
}

fn check(seats: &[ExpectedSeat]) -> Result<(), DomainError> {
    if seats.is_empty() {
        return Err(DomainError::invalid("seats", "name at least one seat"));
    }
    if seats.len() > MAX_SEATS_PER_CALL {
        let message = format!("name at most {MAX_SEATS_PER_CALL} seats in one call");
        return Err(DomainError::invalid("seats", message));
    }
    let mut named = HashSet::new();
    for (index, ExpectedSeat { seat_no, version }) in seats.iter().enumerate() {
        if *version < 1 {
            let message =
                format!("{version} cannot be: versions start at 1, pass on the one that you read");
            return Err(DomainError::invalid(
                format!("seats[{index}].version"),
                message,
            ));
        }
        if !named.insert(seat_no) {
            let message = "this seat is named before: name each once";
            return Err(DomainError::invalid(
                format!("seats[{index}].seatId"),
                message,
            ));
        }
    }
    Ok(())
}

struct Work<'a> {
    plans: &'a PlanCache,
    caller: &'a Caller,
    event: EventId,
    seats: Vec<ExpectedSeat>,
    into_hold: Option<PresentedToken>,
}

impl UnitOfWork for Work<'_> {
    type Success = SeatsHeld;
    type Refusal = HoldRefused;

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
    ) -> Result<SeatsHeld, Abort<HoldRefused>> {
        let (event, now) =
            event_view::find(connection, self.plans, self.caller, self.event).await?;
        let is_missing = |seat: &ExpectedSeat| event.seat(seat.seat_no).is_none();
        if let Some(index) = self.seats.iter().position(is_missing) {
            let field = format!("seats[{index}].seatId");
            return Err(DomainError::SeatNotFound { field }.into());
        }
        sale::require_open(&event.event, now)
            .map_err(|refusal| Abort::Refused(HoldRefused::SaleNotOpen(refusal)))?;
        let event = Arc::new(event);
        let (hold, token) = match &self.into_hold {
            None => self.new_hold(&event, now),
            Some(token) => self.existing_hold(connection, token).await?,
        };
        let hold = self.with_seats(&event, hold)?;
        let taken = self.take(connection, &event, &hold).await?;
        let transaction = match &self.into_hold {
            None => holds::insert(connection, &hold).await?,
            Some(_) => holds::update(connection, &hold).await?,
        };
        // An older hold has more seats than those that were taken now, and may
        // have lapsed and lost one since it was locked.
        let seats = if taken.len() == hold.seat_nos.len() {
            taken
        } else {
            seats::load_held_by(connection, self.event, &hold.seat_nos, &[hold.id]).await?
        };
        if seats.len() < hold.seat_nos.len() {
            let lapsed = HoldUnusable::Ended(HoldStatus::Lapsed);
            return Err(Abort::Refused(lapsed.into()));
        }
        Ok(SeatsHeld {
            event,
            hold,
            token,
            seats,
            transaction,
        })
    }
}

impl Work<'_> {
    fn new_hold(&self, event: &EventView, now: DateTime<Utc>) -> (Hold, HoldToken) {
        let id = HoldId::generate();
        let token = HoldToken::generate(self.event, id);
        let hold = Hold {
            event_id: self.event,
            id,
            token_hash: token.hash(),
            buyer: self.caller.subject().map(ToOwned::to_owned),
            status: HoldStatus::Active,
            seat_nos: Vec::new(),
            amounts: Vec::new(),
            currency: event.event.currency.clone(),
            expires_at: now + TimeDelta::seconds(event.event.hold_seconds.into()),
        };
        (hold, token)
    }

    async fn existing_hold(
        &self,
        connection: &mut AsyncPgConnection,
        presented: &PresentedToken,
    ) -> Result<(Hold, HoldToken), Abort<HoldRefused>> {
        let not_found = || Abort::Refused(HoldUnusable::NotFound.into());
        let token = presented
            .clone()
            .filter(|token| token.event == self.event)
            .ok_or_else(not_found)?;
        let hold = access::lock_running(connection, presented, self.caller).await?;
        Ok((hold, token))
    }

    /// The hold with the seats of this call and what they cost at this moment.
    fn with_seats(&self, event: &EventView, mut hold: Hold) -> Result<Hold, Abort<HoldRefused>> {
        let is_in_it = |seat: &ExpectedSeat| hold.seat_nos.contains(&seat.seat_no);
        if let Some(index) = self.seats.iter().position(is_in_it) {
            let message = "this seat is in the hold already: leave it out";
            return Err(DomainError::invalid(format!("seats[{index}].seatId"), message).into());
        }
        let mut priced: Vec<(SeatNo, i64)> = hold
            .seat_nos
            .iter()
            .copied()
            .zip(hold.amounts.iter().copied())
            .collect();
        for expected in &self.seats {
            let price = event
                .seat(expected.seat_no)
                .and_then(|seat| event.price(seat.category))
                .ok_or(DomainError::NotFound {
                    what: "price of a seat",
                })?;
            priced.push((expected.seat_no, price.amount_minor));
        }
        let limit = event.event.max_seats_per_hold;
        if usize::try_from(limit).is_ok_and(|limit| priced.len() > limit) {
            let requested = priced.len();
            return Err(Abort::Refused(HoldRefused::TooManySeats {
                limit,
                requested,
            }));
        }
        priced.sort_unstable();
        (hold.seat_nos, hold.amounts) = priced.into_iter().unzip();
        Ok(hold)
    }

    /// Takes every seat, or refuses with what each of the others was lost to.
    async fn take(
        &self,
        connection: &mut AsyncPgConnection,
        event: &Arc<EventView>,
        hold: &Hold,
    ) -> Result<Vec<SeatState>, Abort<HoldRefused>> {
        let transition = Transition {
            from: FromState::Takeable,
            to: ToState::Held(hold.id, hold.expires_at),
            cause: Cause::Held,
            actor: self.caller.to_string(),
        };
        let mut taken = seats::transition(connection, self.event, &self.seats, &transition).await?;
        taken.sort_by_key(|seat| seat.seat_no);
        if taken.len() == self.seats.len() {
            return Ok(taken);
        }
        let conflict = self.conflict(connection, event, &taken).await?;
        Err(Abort::Refused(HoldRefused::Conflict(conflict)))
    }

    /// Reads what the seats were lost to. A version only ever grows, so what is
    /// read a moment after the UPDATE still explains why it did not match; and
    /// the database's clock stands still in a transaction, so a hold that kept
    /// a seat from being taken has not lapsed here either.
    async fn conflict(
        &self,
        connection: &mut AsyncPgConnection,
        event: &Arc<EventView>,
        taken: &[SeatState],
    ) -> Result<SeatConflict, Abort<HoldRefused>> {
        let mut lost: Vec<ExpectedSeat> = self
            .seats
            .iter()
            .filter(|seat| !taken.iter().any(|taken| taken.seat_no == seat.seat_no))
            .copied()
            .collect();
        lost.sort_by_key(|seat| seat.seat_no);
        let lost_nos: Vec<SeatNo> = lost.iter().map(|seat| seat.seat_no).collect();
        let now = seats::load(connection, self.event, &lost_nos).await?;
        let alternatives =
            alternatives::find(connection, self.event, &event.plan, &lost_nos).await?;
        let lost = lost
            .iter()
            .zip(now)
            .map(|(seat, now)| LostSeat {
                expected_version: seat.version,
                now,
            })
            .collect();
        Ok(SeatConflict {
            event: Arc::clone(event),
            lost,
            alternatives,
        })
    }
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
            let Err(DomainError::InvalidInput { field, .. }) = check(&bad) else {
                panic!("{bad:?} is not refused");
            };
            assert_eq!(field, where_it_is);
        }
        assert!(check(&[seat(2, 1), seat(1, 7)]).is_ok());
    }
}
