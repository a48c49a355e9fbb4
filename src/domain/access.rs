//! Who may use a hold, and who may see or change a booking.

use crate::db::bookings::{self, Booking};
use crate::db::holds::{self, Hold};
use crate::db::seats::{self, SeatState};
use crate::domain::DomainError;
use crate::domain::batch::Ledger;
use crate::domain::event_view::{self, EventView};
use crate::domain::plan_cache::PlanCache;
use crate::domain::transaction::Abort;
use crate::model::ids::{BookingId, EventId, HoldId, SeatNo};
use crate::model::reference::BookingReference;
use crate::model::status::{BookingStatus, HoldStatus};
use crate::model::token::HoldToken;
use crate::model::{Caller, Permission};
use crate::trail;
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde::{Serialize, Serializer};
use std::sync::Arc;

/// A token, as it came; what is no token belongs to no hold.
pub type PresentedToken = Option<HoldToken>;

/// Writes a token that need not be given so that what is no token differs from none.
///
/// # Errors
/// When it cannot be written.
pub fn optional_token<S: Serializer>(
    token: &Option<PresentedToken>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match token {
        Some(None) => serializer.serialize_str("not a token"),
        token => token.serialize(serializer),
    }
}

/// Why nothing can be done with the hold of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldUnusable {
    /// There is none, or it is somebody else's.
    NotFound,
    /// It is over: released, confirmed or lapsed before.
    Ended(HoldStatus),
}

/// Why nothing can be changed about the booking of a reference.
#[derive(Clone, Debug)]
pub enum BookingUnusable {
    /// There is none, or it is somebody else's.
    NotFound,
    /// Somebody has changed it since: here it is.
    VersionConflict(Box<CurrentBooking>),
    /// It is cancelled.
    Ended,
}

/// A booking as it is, with its event and its seats.
#[derive(Clone, Debug)]
pub struct CurrentBooking {
    /// The event.
    pub event: Arc<EventView>,
    /// The booking.
    pub booking: Booking,
    /// Its seats, in the plan's order.
    pub seats: Vec<SeatState>,
}

/// A booking that somebody wants to change, and the version that this was decided on.
#[derive(Clone, Debug, Serialize)]
pub struct PresentedBooking {
    /// What a person reads out.
    #[serde(serialize_with = "as_text")]
    pub reference: BookingReference,
    /// For a visitor: the token of the hold that it was.
    pub token: PresentedToken,
    /// The version of the booking that was seen.
    pub version: i32,
}

fn as_text<S: Serializer>(reference: &BookingReference, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(reference)
}

/// A hold that is still running, with its seats as they are.
#[derive(Clone, Debug)]
pub struct RunningHold {
    /// The hold.
    pub hold: Hold,
    /// Its seats, in the plan's order.
    pub seats: Vec<SeatState>,
}

/// Whether this caller may use the hold with this token: the token is right, and
/// the hold of a signed-in buyer is used by that buyer or, as from a payment
/// webhook, by those who serve every buyer. A refusal is in the security log.
pub fn may_use(hold: &Hold, token: &HoldToken, caller: &Caller) -> bool {
    let is_open = || hold.buyer.is_none() || owns(hold.buyer.as_deref(), caller);
    let may = token.matches(&hold.token_hash) && (is_open() || served(caller, hold));
    may || refused(caller, hold)
}

/// Whether this caller may see the hold without its token: its signed-in owner, and those
/// who serve every buyer.
fn may_see_hold(hold: &Hold, caller: &Caller) -> bool {
    owns(hold.buyer.as_deref(), caller) || served(caller, hold) || refused(caller, hold)
}

/// Something of a buyer, as the security log names it.
trait Possession {
    fn named(&self) -> String;
}

impl Possession for Hold {
    fn named(&self) -> String {
        format!("hold {} of event {}", self.id, self.event_id)
    }
}

impl Possession for Booking {
    fn named(&self) -> String {
        format!("booking {} of event {}", self.reference, self.event_id)
    }
}

/// Whether the caller may see what is another's; then the security log says so.
fn served(caller: &Caller, what: &impl Possession) -> bool {
    let permission = Permission::ServeEveryBuyer;
    let may = caller.may(permission);
    if may {
        trail::saw(caller, permission, what.named());
    }
    may
}

/// No; and the security log says so.
fn refused(caller: &Caller, what: &impl Possession) -> bool {
    trail::refused(caller, what.named());
    false
}

fn owns(buyer: Option<&str>, caller: &Caller) -> bool {
    buyer.is_some() && buyer == caller.subject()
}

/// The numbers of `named` seats, each once, in the plan's order, when all of them are
/// among `seat_nos`, those that a hold or booking of `event` has. `field` is their list
/// in the input, and `what` they have to be in.
///
/// # Errors
/// When one of them is not.
pub fn owned_seats(
    field: &str,
    what: &str,
    named: &[(EventId, SeatNo)],
    event: EventId,
    seat_nos: &[SeatNo],
) -> Result<Vec<SeatNo>, DomainError> {
    let is_strange =
        |(of, seat_no): &(EventId, SeatNo)| *of != event || !seat_nos.contains(seat_no);
    if let Some(index) = named.iter().position(is_strange) {
        let message = format!("this seat is not in the {what}");
        return Err(DomainError::invalid(format!("{field}[{index}]"), message));
    }
    let mut named: Vec<SeatNo> = named.iter().map(|(_, seat_no)| *seat_no).collect();
    named.sort_unstable();
    named.dedup();
    Ok(named)
}

/// Which of the seats of a hold or booking are meant by its owner's `seatIds`: those that
/// are `named`, or all when that was left out. `purpose` is what is done to them.
///
/// # Errors
/// When none is named, or one that is not among them.
pub fn named_or_all(
    what: &str,
    purpose: &str,
    named: Option<&[(EventId, SeatNo)]>,
    event: EventId,
    seat_nos: &[SeatNo],
) -> Result<Vec<SeatNo>, DomainError> {
    match named {
        None => Ok(seat_nos.to_vec()),
        Some([]) => {
            let message = format!("name at least one seat, or leave it out to {purpose} all");
            Err(DomainError::invalid("seatIds", message))
        }
        Some(named) => owned_seats("seatIds", what, named, event, seat_nos),
    }
}

/// The hold of this token, locked, and the database's clock.
///
/// # Errors
/// A refusal when there is none that this caller may use; a failure of the
/// database.
pub async fn lock<R: From<HoldUnusable>>(
    connection: &mut AsyncPgConnection,
    token: &PresentedToken,
    caller: &Caller,
) -> Result<(Hold, DateTime<Utc>), Abort<R>> {
    let not_found = || Abort::Refused(HoldUnusable::NotFound.into());
    let token = token.as_ref().ok_or_else(not_found)?;
    let found = holds::lock(connection, token.event, token.hold).await?;
    found
        .filter(|(hold, _)| may_use(hold, token, caller))
        .ok_or_else(not_found)
}

/// The hold of this token in a batch.
///
/// # Errors
/// When there is none that this caller may use.
pub fn usable<'a>(
    ledger: &'a Ledger,
    token: &PresentedToken,
    caller: &Caller,
) -> Result<&'a Hold, HoldUnusable> {
    let token = token.as_ref().ok_or(HoldUnusable::NotFound)?;
    ledger
        .hold(token.event, token.hold)
        .filter(|hold| may_use(hold, token, caller))
        .ok_or(HoldUnusable::NotFound)
}

/// The running hold of this token, locked. A hold that ran out has lapsed,
/// whether the sweeper has been there or not.
///
/// # Errors
/// A refusal when there is none that this caller may use, or it is over; a
/// failure of the database.
pub async fn lock_running<R: From<HoldUnusable>>(
    connection: &mut AsyncPgConnection,
    token: &PresentedToken,
    caller: &Caller,
) -> Result<Hold, Abort<R>> {
    let (hold, now) = lock(connection, token, caller).await?;
    require_running(&hold, now).map_err(|unusable| Abort::Refused(unusable.into()))?;
    Ok(hold)
}

/// Lets pass only a hold that is running at this time.
///
/// # Errors
/// When it is over.
pub fn require_running(hold: &Hold, now: DateTime<Utc>) -> Result<(), HoldUnusable> {
    match hold.status {
        HoldStatus::Active if hold.expires_at > now => Ok(()),
        HoldStatus::Active => Err(HoldUnusable::Ended(HoldStatus::Lapsed)),
        status => Err(HoldUnusable::Ended(status)),
    }
}

/// The hold of this token while it is running.
///
/// # Errors
/// When the database fails.
pub async fn find_by_token(
    connection: &mut AsyncPgConnection,
    token: &HoldToken,
    caller: &Caller,
) -> Result<Option<RunningHold>, DomainError> {
    let hold = holds::find_running(connection, token.event, token.hold).await?;
    match hold.filter(|hold| may_use(hold, token, caller)) {
        Some(hold) => with_seats(connection, hold).await,
        None => Ok(None),
    }
}

/// The hold with this id while it is running, for its signed-in owner and for those who
/// serve every buyer.
///
/// # Errors
/// When the database fails.
pub async fn find_by_id(
    connection: &mut AsyncPgConnection,
    (event, id): (EventId, HoldId),
    caller: &Caller,
) -> Result<Option<RunningHold>, DomainError> {
    let hold = holds::find_running(connection, event, id).await?;
    match hold.filter(|hold| may_see_hold(hold, caller)) {
        Some(hold) => with_seats(connection, hold).await,
        None => Ok(None),
    }
}

async fn with_seats(
    connection: &mut AsyncPgConnection,
    hold: Hold,
) -> Result<Option<RunningHold>, DomainError> {
    let seats = seats::load_held_by(connection, hold.event_id, &hold.seat_nos, &[hold.id]).await?;
    // It may have ended since it was read.
    let whole = seats.len() == hold.seat_nos.len();
    Ok(whole.then_some(RunningHold { hold, seats }))
}

/// The booking with this reference: for its owner, for whoever has the token
/// of the hold that it was, and for those who serve every buyer.
///
/// # Errors
/// When the database fails.
pub async fn find_booking(
    connection: &mut AsyncPgConnection,
    reference: BookingReference,
    token: &PresentedToken,
    caller: &Caller,
) -> Result<Option<Booking>, DomainError> {
    let text = reference.to_string();
    let booking = bookings::find_by_reference(connection, reference.event, &text).await?;
    Ok(booking.filter(|booking| may_see(booking, token.as_ref(), caller)))
}

/// The booking that is presented, locked, for those who may see it, and its event. It
/// is at the version that was presented and not cancelled.
///
/// # Errors
/// A refusal when it is not so; a failure of the database.
pub async fn lock_booking<R: From<BookingUnusable>>(
    connection: &mut AsyncPgConnection,
    plans: &PlanCache,
    presented: &PresentedBooking,
    caller: &Caller,
) -> Result<(Booking, Arc<EventView>, DateTime<Utc>), Abort<R>> {
    let refused = |unusable: BookingUnusable| Abort::Refused(unusable.into());
    let text = presented.reference.to_string();
    let event = presented.reference.event;
    let booking = bookings::lock_by_reference(connection, event, &text)
        .await?
        .filter(|booking| may_see(booking, presented.token.as_ref(), caller))
        .ok_or_else(|| refused(BookingUnusable::NotFound))?;
    let (event, now) = event_view::find(connection, plans, caller, event).await?;
    let event = Arc::new(event);
    if booking.version != presented.version {
        let seats = seats::load(connection, booking.event_id, &booking.seat_nos).await?;
        let current = Box::new(CurrentBooking {
            event,
            booking,
            seats,
        });
        return Err(refused(BookingUnusable::VersionConflict(current)));
    }
    if booking.status == BookingStatus::Cancelled {
        return Err(refused(BookingUnusable::Ended));
    }
    Ok((booking, event, now))
}

/// The booking with this id, for its signed-in owner and for those who serve every buyer.
///
/// # Errors
/// When the database fails.
pub async fn find_booking_by_id(
    connection: &mut AsyncPgConnection,
    (event, id): (EventId, BookingId),
    caller: &Caller,
) -> Result<Option<Booking>, DomainError> {
    let booking = bookings::find(connection, event, id).await?;
    Ok(booking.filter(|booking| may_see(booking, None, caller)))
}

fn may_see(booking: &Booking, token: Option<&HoldToken>, caller: &Caller) -> bool {
    let has_token = token
        .zip(booking.token_hash.as_deref())
        .is_some_and(|(token, hash)| token.matches(hash) && booking.buyer.is_none());
    owns(booking.buyer.as_deref(), caller)
        || has_token
        || served(caller, booking)
        || refused(caller, booking)
}
