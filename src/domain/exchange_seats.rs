//! Swapping seats of a hold or a booking for others, in one step: nobody gives a seat
//! back before the other one is theirs.

use crate::db::bookings;
use crate::db::holds::{self, Hold};
use crate::db::seats::{self, ExpectedSeat, SeatState};
use crate::db::transaction_id::TransactionId;
use crate::domain::access::{self, BookingUnusable, HoldUnusable};
use crate::domain::buyer_limits::{self, LimitExceeded};
use crate::domain::conflict::{self, ConflictPolicy, SeatConflict};
use crate::domain::event_view::{self, EventView};
use crate::domain::idempotency::{self, Effect, IdempotentRequest};
use crate::domain::lone_seat_rule::{self, LeftAlone, Seating};
use crate::domain::permissions::require;
use crate::domain::sale::{self, SaleNotOpen};
use crate::domain::seat_owner::{Owner, PresentedOwner};
use crate::domain::transaction::{Abort, Settled, UnitOfWork, Work};
use crate::domain::{DomainError, Environment, seat_change};
use crate::model::ids::{EventId, SeatNo};
use crate::model::status::HoldStatus;
use crate::model::{Caller, Permission};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Swap seats for others, all of them or none.
#[derive(Clone, Debug, Serialize)]
pub struct ExchangeSeats {
    /// Whose seats.
    pub of: PresentedOwner,
    /// Which seats to give back.
    pub give: Vec<(EventId, SeatNo)>,
    /// The event of the seats to take.
    pub event: EventId,
    /// Which seats to take, and the version that each was seen at.
    pub take: Vec<ExpectedSeat>,
    /// What is done when a version of theirs has moved on.
    pub on_conflict: ConflictPolicy,
    /// Under this key the request is done once.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// The seats are exchanged.
#[derive(Debug, Serialize, Deserialize)]
pub struct SeatsExchanged {
    /// The hold or booking as it became.
    pub owner: Owner,
    /// All of its seats, in the plan's order.
    pub seats: Vec<SeatState>,
    /// The seats that were given back, as they became.
    pub given: Vec<SeatState>,
    /// The seats that were taken, as they became.
    pub taken: Vec<SeatState>,
    /// Seats that are left alone beside them, where the event warns of that.
    pub left_alone: Vec<SeatState>,
    /// What it costs more than before, in minor units; negative when it costs less.
    pub price_difference: i64,
    /// The transaction that did it.
    pub transaction: TransactionId,
}

/// Why nothing was exchanged.
#[derive(Debug)]
pub enum ExchangeRefused {
    /// Somebody else was faster.
    Conflict(SeatConflict),
    /// There would be more than the event allows.
    LimitExceeded(LimitExceeded),
    /// The event does not allow to leave seats alone.
    LeftAlone(LeftAlone),
    /// Nothing can be taken at this time.
    SaleNotOpen(SaleNotOpen),
    /// There is no hold with that token, or it is over.
    Hold(HoldUnusable),
    /// There is no booking with that reference, or it is not as it was seen.
    Booking(BookingUnusable),
}

impl From<SeatConflict> for ExchangeRefused {
    fn from(conflict: SeatConflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<HoldUnusable> for ExchangeRefused {
    fn from(unusable: HoldUnusable) -> Self {
        Self::Hold(unusable)
    }
}

impl From<BookingUnusable> for ExchangeRefused {
    fn from(unusable: BookingUnusable) -> Self {
        Self::Booking(unusable)
    }
}

/// Exchanges the seats of `command`, or says what the new ones were lost to.
///
/// # Errors
/// When the command makes no sense, or the database fails.
pub async fn exchange_seats(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    command: ExchangeSeats,
) -> Result<Settled<Effect<SeatsExchanged>, ExchangeRefused>, DomainError> {
    require(caller, Permission::HoldAndBook)?;
    let key = command.idempotency_key.as_deref();
    let request = IdempotentRequest::new(caller, "exchangeSeats", &command, key)?;
    check(&command)?;
    let work = Work {
        environment,
        caller,
        command: &command,
    };
    let mut settled =
        idempotency::run(connection, environment, caller, request.as_ref(), &work).await?;
    if let Err(ExchangeRefused::Conflict(conflict)) = &mut settled.result {
        conflict::look_around(connection, &mut [conflict]).await?;
    }
    Ok(settled)
}

/// Whether the two lists make sense, whatever there is in the database.
fn check(command: &ExchangeSeats) -> Result<(), DomainError> {
    conflict::check("takeSeats", &command.take)?;
    conflict::check_count("giveSeatIds", command.give.len())?;
    let is_given = |seat: &ExpectedSeat| command.give.contains(&(command.event, seat.seat_no));
    refuse_taking(
        command.take.iter().position(is_given),
        "this seat is given back in the same call: name it in one list",
    )
}

/// Refuses the seat at this place of the list of those to take, if there is one.
fn refuse_taking(index: Option<usize>, message: &str) -> Result<(), DomainError> {
    match index {
        Some(index) => {
            let field = format!("takeSeats[{index}].seatId");
            Err(DomainError::invalid(field, message))
        }
        None => Ok(()),
    }
}

impl UnitOfWork for Work<'_, ExchangeSeats> {
    type Reading = Vec<ExpectedSeat>;
    type Success = Effect<SeatsExchanged>;
    type Refusal = ExchangeRefused;

    async fn read(
        &self,
        connection: &mut AsyncPgConnection,
        attempt: u32,
    ) -> Result<Vec<ExpectedSeat>, DomainError> {
        let ExchangeSeats {
            event,
            take,
            on_conflict,
            ..
        } = self.command;
        conflict::expected(connection, *event, take, *on_conflict, attempt).await
    }

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
        take: &Vec<ExpectedSeat>,
    ) -> Result<Effect<SeatsExchanged>, Abort<ExchangeRefused>> {
        let (mut owner, event) = self.lock_owner(connection).await?;
        let give = self.check_seats(&event, &owner, take)?;
        let price_difference = owner.reprice(&event, &give, take)?;
        self.check_limits(connection, &event, &owner, &give, take)
            .await?;
        let taking: Vec<SeatNo> = take.iter().map(|seat| seat.seat_no).collect();
        let concurrency = self.environment.concurrency;
        lone_seat_rule::turn(connection, concurrency, &event, &taking).await?;
        let (given, taken) = self.swap(connection, &event, &owner, &give, take).await?;
        // Judged when they are taken: whoever lost one of them is told that.
        let seating = Seating {
            taken: &taking,
            own: owner.seat_nos(),
            given: &give,
        };
        let left_alone = lone_seat_rule::broken_by(connection, &event, seating).await?;
        lone_seat_rule::require_allowed(connection, &event, &left_alone)
            .await?
            .map_err(|refusal| Abort::Refused(ExchangeRefused::LeftAlone(refusal)))?;
        let (owner, seats, transaction) = write(connection, owner).await?;
        let record = SeatsExchanged {
            owner,
            seats,
            given,
            taken,
            left_alone: lone_seat_rule::states(connection, event.event.id, &left_alone).await?,
            price_difference,
            transaction,
        };
        Ok(Effect { event, record })
    }
}

impl Work<'_, ExchangeSeats> {
    /// What the seats are a part of, locked, while it may be changed.
    async fn lock_owner(
        &self,
        connection: &mut AsyncPgConnection,
    ) -> Result<(Owner, Arc<EventView>), Abort<ExchangeRefused>> {
        let plans = &self.environment.plans;
        let (owner, event, now) = match &self.command.of {
            PresentedOwner::Hold(token) => {
                let hold: Hold = access::lock_running(connection, token, self.caller).await?;
                let id = hold.event_id;
                let (event, now) = event_view::find(connection, plans, self.caller, id).await?;
                (Owner::Hold(hold), Arc::new(event), now)
            }
            PresentedOwner::Booking(presented) => {
                let (booking, event, now) =
                    access::lock_booking(connection, plans, presented, self.caller).await?;
                (Owner::Booking(booking), event, now)
            }
        };
        self.check_sale(&event, &owner, now)
            .map_err(|refusal| Abort::Refused(ExchangeRefused::SaleNotOpen(refusal)))?;
        Ok((owner, event))
    }

    /// A box office moves people after the sale as well.
    fn check_sale(
        &self,
        event: &EventView,
        owner: &Owner,
        now: DateTime<Utc>,
    ) -> Result<(), SaleNotOpen> {
        match owner {
            Owner::Booking(_) if self.caller.may(Permission::SellByHand) => {
                sale::require_not_cancelled(&event.event)
            }
            _ => sale::require_open(&event.event, now),
        }
    }

    /// Whether the seats to give are the owner's and those to take are not, and all of
    /// them are of one event. Answers those to give.
    fn check_seats(
        &self,
        event: &EventView,
        owner: &Owner,
        take: &[ExpectedSeat],
    ) -> Result<Vec<SeatNo>, DomainError> {
        let (id, what, has) = (event.event.id, owner.name(), owner.seat_nos());
        let give = access::owned_seats("giveSeatIds", what, &self.command.give, id, has)?;
        let is_elsewhere = (self.command.event != id).then_some(0);
        refuse_taking(
            is_elsewhere,
            "this is a seat of another event: name seats of one event",
        )?;
        conflict::check_places("takeSeats", event, take)?;
        conflict::check_new("takeSeats", what, has, take)?;
        Ok(give)
    }

    /// Whether the limits of the event allow `owner` as it would become.
    async fn check_limits(
        &self,
        connection: &mut AsyncPgConnection,
        event: &EventView,
        owner: &Owner,
        give: &[SeatNo],
        take: &[ExpectedSeat],
    ) -> Result<(), Abort<ExchangeRefused>> {
        let concurrency = self.environment.concurrency;
        let had = owner.seat_nos().len() + give.len() - take.len();
        let wanted = owner.wanted(had);
        buyer_limits::check(connection, concurrency, self.caller, &event.event, wanted)
            .await?
            .map_err(|exceeded| Abort::Refused(ExchangeRefused::LimitExceeded(exceeded)))
    }

    /// Takes the new seats and gives the old ones back; answers these and those, as
    /// they became.
    async fn swap(
        &self,
        connection: &mut AsyncPgConnection,
        event: &Arc<EventView>,
        owner: &Owner,
        give: &[SeatNo],
        take: &[ExpectedSeat],
    ) -> Result<(Vec<SeatState>, Vec<SeatState>), Abort<ExchangeRefused>> {
        let ExchangeSeats {
            event: id,
            on_conflict,
            ..
        } = self.command;
        let (environment, concurrency) = (self.environment, self.environment.concurrency);
        let (taking, giving) = owner.transitions(self.caller);
        // All of them at once, so that whoever locks them does so in one order.
        let mut both: Vec<SeatNo> = take.iter().map(|seat| seat.seat_no).collect();
        both.extend(give);
        both.sort_unstable();
        let mut own = seat_change::read(connection, concurrency, *id, &both).await?;
        own.retain(|seat| give.contains(&seat.seat_no));
        let taken =
            conflict::change_all(connection, environment, event, take, &taking, *on_conflict)
                .await?;
        let own: Vec<ExpectedSeat> = own.iter().map(SeatState::expected).collect();
        let given = seat_change::change_as_read(connection, *id, &own, &giving).await?;
        if given.len() < give.len() {
            return Err(lost(owner));
        }
        Ok((given, taken))
    }
}

/// Writes the hold or booking with its new seats.
async fn write(
    connection: &mut AsyncPgConnection,
    owner: Owner,
) -> Result<(Owner, Vec<SeatState>, TransactionId), Abort<ExchangeRefused>> {
    match owner {
        Owner::Hold(hold) => {
            let transaction = holds::update(connection, &hold).await?;
            let (event, seat_nos) = (hold.event_id, &hold.seat_nos);
            let seats = seats::load_held_by(connection, event, seat_nos, &[hold.id]).await?;
            // One that it keeps may be lost as well, if it has lapsed since.
            let is_whole = seats.len() == seat_nos.len();
            let owner = Owner::Hold(hold);
            if is_whole {
                Ok((owner, seats, transaction))
            } else {
                Err(lost(&owner))
            }
        }
        Owner::Booking(booking) => {
            let booking = bookings::update(connection, &booking)
                .await?
                .ok_or(DomainError::Contended)?;
            let seats = seats::load(connection, booking.event_id, &booking.seat_nos).await?;
            let transaction = booking.transaction_id;
            Ok((Owner::Booking(booking), seats, transaction))
        }
    }
}

/// A seat of it is somebody else's: of a hold that has lapsed since it was locked, or,
/// of a booking, because somebody changed it by hand.
fn lost(owner: &Owner) -> Abort<ExchangeRefused> {
    match owner {
        Owner::Hold(_) => Abort::Refused(HoldUnusable::Ended(HoldStatus::Lapsed).into()),
        Owner::Booking(_) => {
            let message = "a seat of the booking is not its own any more";
            DomainError::invalid("giveSeatIds", message).into()
        }
    }
}
