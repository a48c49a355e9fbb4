//! `exchangeSeats`.

use crate::domain::access::PresentedBooking;
use crate::domain::exchange_seats::{
    self, ExchangeRefused, ExchangeSeats, SeatsExchanged as Exchanged,
};
use crate::domain::idempotency::Effect;
use crate::domain::seat_owner::{Owner, PresentedOwner};
use crate::domain::transaction::Settled;
use crate::graphql::errors::{ApiError, ApiResult};
use crate::graphql::input::{
    ConflictPolicy, FeedCursor, SeatVersionInput, booking_reference, seat_ids,
    seat_versions_of_one_event,
};
use crate::graphql::refusal::{
    BookingEnded, BookingNotFound, BookingVersionConflict, HoldEnded, HoldNotFound, LimitExceeded,
    SaleNotOpen, SeatConflict, SeatsLeftAlone, booking_unusable, hold_unusable,
};
use crate::graphql::services::{Services, caller, connection, services};
use crate::graphql::staff_trail::recorded;
use crate::graphql::types::booking::Booking;
use crate::graphql::types::hold::Hold;
use crate::graphql::types::money::Money;
use crate::graphql::types::seat::Seat;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject, Union};

/// Which seats to swap for which: of a running hold, by its `token`; or of a booking,
/// by its `reference` and `bookingVersion`.
#[derive(InputObject)]
struct ExchangeSeatsInput {
    /// The token of the hold; with `reference`, for an owner who is not signed in, that
    /// of the hold which the booking was.
    token: Option<String>,
    /// The reference of the booking; letter case and hyphens do not matter.
    reference: Option<String>,
    /// The version of the booking that the decision was made on: with `reference`, and
    /// only with it.
    booking_version: Option<i32>,
    /// The seats to give back, at least one.
    give_seat_ids: Vec<ID>,
    /// The seats to take, at least one and each once; there may be more or fewer than
    /// are given back.
    take_seats: Vec<SeatVersionInput>,
    /// What is done when a seat to take is not at the version that was seen.
    #[graphql(default_with = "ConflictPolicy::Report")]
    on_conflict: ConflictPolicy,
    /// A key of the client's own choice: the same request under it is done once. See
    /// `HoldSeatsInput.idempotencyKey`.
    idempotency_key: Option<String>,
}

/// What became of it.
#[derive(Union)]
enum ExchangeSeatsResult {
    /// The seats are exchanged.
    SeatsExchanged(SeatsExchanged),
    /// Somebody else was faster: nothing was given back either.
    SeatConflict(SeatConflict),
    /// There would be too many seats.
    LimitExceeded(LimitExceeded),
    /// A single seat would be left alone.
    SeatsLeftAlone(SeatsLeftAlone),
    /// Nothing can be taken at this time.
    SaleNotOpen(SaleNotOpen),
    /// There is no hold with that token.
    HoldNotFound(HoldNotFound),
    /// The hold is over.
    HoldEnded(HoldEnded),
    /// There is no booking with that reference for the caller.
    BookingNotFound(BookingNotFound),
    /// The booking is cancelled.
    BookingEnded(BookingEnded),
    /// Somebody else has changed the booking.
    BookingVersionConflict(BookingVersionConflict),
}

/// The seats are exchanged.
#[derive(SimpleObject)]
struct SeatsExchanged {
    /// The hold as it became; null when the seats are of a booking.
    hold: Option<Hold>,
    /// The booking as it became, at its next version; null when the seats are of a hold.
    booking: Option<Booking>,
    /// The seats that were given back, as they became.
    given: Vec<Seat>,
    /// The seats that were taken, as they became.
    taken: Vec<Seat>,
    /// Single seats that are left alone beside the taken ones though their row had a better
    /// way; always empty where the event's `orphanRule` is `OFF`.
    lone_seats: Vec<Seat>,
    /// The new total minus the old one; negative when there is something to refund.
    price_difference: Money,
    /// How often it was tried, at least once.
    attempts: u32,
    /// Where the change is: `Event.seatMap(atLeast:)` shows it.
    cursor: FeedCursor,
}

#[derive(Default)]
pub struct ExchangeSeatsMutation;

#[Object]
impl ExchangeSeatsMutation {
    /// Swaps seats of a hold or a booking for others of the same event, in one step:
    /// either all of them change hands or none. Seats that are taken cost what the event
    /// asks now; those that are kept keep their price, and a hold keeps its time. The
    /// sale must be open; staff and the box office may exchange seats of bookings unless the event is
    /// cancelled.
    async fn exchange_seats(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose seats, and which for which.")] input: ExchangeSeatsInput,
    ) -> ApiResult<ExchangeSeatsResult> {
        recorded(context, async move {
            let expected_version = input.booking_version.unwrap_or_default();
            let command = ExchangeSeats::try_from(input)?;
            let services = services(context)?;
            let mut connection = connection(context).await?;
            let caller = caller(context);
            let environment = &services.environment;
            let Settled { result, attempts } =
                exchange_seats::exchange_seats(&mut connection, environment, caller, command)
                    .await?;
            drop(connection);
            Ok(match result {
                Ok(effect) => {
                    ExchangeSeatsResult::SeatsExchanged(answer(services, effect, attempts))
                }
                Err(refused) => refusal(refused, expected_version, attempts),
            })
        })
        .await
    }
}

fn answer(
    services: &Services,
    Effect { event, record }: Effect<Exchanged>,
    attempts: u32,
) -> SeatsExchanged {
    let cursor = services.publish(event.event.id, record.transaction);
    let price_difference = Money::new(record.price_difference, record.owner.currency());
    let (hold, booking) = match record.owner {
        Owner::Hold(hold) => (Some(Hold::new(&event, hold, record.seats)), None),
        Owner::Booking(booking) => (None, Some(Booking::new(&event, booking, record.seats))),
    };
    SeatsExchanged {
        hold,
        booking,
        given: Seat::all(&event, record.given),
        taken: Seat::all(&event, record.taken),
        lone_seats: Seat::all(&event, record.left_alone),
        price_difference,
        attempts,
        cursor,
    }
}

fn refusal(refused: ExchangeRefused, expected_version: i32, attempts: u32) -> ExchangeSeatsResult {
    match refused {
        ExchangeRefused::LeftAlone(refusal) => {
            ExchangeSeatsResult::SeatsLeftAlone(SeatsLeftAlone::new(refusal))
        }
        ExchangeRefused::Conflict(conflict) => {
            ExchangeSeatsResult::SeatConflict(SeatConflict::new(conflict, attempts))
        }
        ExchangeRefused::LimitExceeded(exceeded) => {
            ExchangeSeatsResult::LimitExceeded(LimitExceeded::new(exceeded))
        }
        ExchangeRefused::SaleNotOpen(refusal) => {
            ExchangeSeatsResult::SaleNotOpen(SaleNotOpen::new(&refusal))
        }
        ExchangeRefused::Hold(unusable) => hold_unusable(unusable),
        ExchangeRefused::Booking(unusable) => booking_unusable(unusable, expected_version),
    }
}

impl TryFrom<ExchangeSeatsInput> for ExchangeSeats {
    type Error = ApiError;

    fn try_from(input: ExchangeSeatsInput) -> Result<Self, Self::Error> {
        let (event, take) = seat_versions_of_one_event("input.takeSeats", &input.take_seats)?;
        Ok(Self {
            give: seat_ids("input.giveSeatIds", &input.give_seat_ids)?,
            of: presented(input.token, input.reference, input.booking_version)?,
            event,
            take,
            on_conflict: input.on_conflict.into(),
            idempotency_key: input.idempotency_key,
        })
    }
}

/// A hold by its token, or a booking by its reference and version.
fn presented(
    token: Option<String>,
    reference: Option<String>,
    version: Option<i32>,
) -> ApiResult<PresentedOwner> {
    match (token, reference, version) {
        (Some(token), None, None) => Ok(PresentedOwner::Hold(token.parse().ok())),
        (token, Some(reference), Some(version)) => Ok(PresentedOwner::Booking(PresentedBooking {
            reference: booking_reference("input.reference", &reference)?,
            token: token.and_then(|token| token.parse().ok()),
            version,
        })),
        (_, Some(_), None) => Err(ApiError::bad_input(
            "input.bookingVersion",
            "name the version of the booking that you saw",
        )),
        (_, None, Some(_)) => Err(ApiError::bad_input(
            "input.bookingVersion",
            "a hold has no version: leave it out, or name the booking by its reference",
        )),
        (None, None, None) => Err(ApiError::bad_input(
            "input.token",
            "name a hold by its token, or a booking by its reference",
        )),
    }
}
