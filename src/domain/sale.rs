//! The statuses of an event: opening and closing its sale, and whether it is open.

use crate::db::events::{self, Event};
use crate::domain::DomainError;
use crate::domain::event_view;
use crate::domain::permissions::require;
use crate::model::ids::EventId;
use crate::model::status::EventStatus;
use crate::model::{Caller, Permission};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;

/// Nothing can be held at this time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleNotOpen {
    /// Where the event stands.
    pub status: EventStatus,
    /// When the sale starts, if it has not.
    pub opens_at: Option<DateTime<Utc>>,
    /// When the sale ended, if it has.
    pub closed_at: Option<DateTime<Utc>>,
}

/// Lets pass only while seats of `event` can be held.
///
/// # Errors
/// When the event is not on sale, or `now` is outside its sale window.
pub fn require_open(event: &Event, now: DateTime<Utc>) -> Result<(), SaleNotOpen> {
    let opens_at = event.sale_starts_at.filter(|start| now < *start);
    let closed_at = event.sale_ends_at.filter(|end| *end <= now);
    if event.status == EventStatus::OnSale && opens_at.is_none() && closed_at.is_none() {
        return Ok(());
    }
    Err(SaleNotOpen {
        status: event.status,
        opens_at,
        closed_at,
    })
}

/// Lets pass unless `event` is called off: for those who have a claim to seats already,
/// which the end of the sale does not take from them.
///
/// # Errors
/// When the event is cancelled.
pub fn require_not_cancelled(event: &Event) -> Result<(), SaleNotOpen> {
    if event.status == EventStatus::Cancelled {
        return Err(SaleNotOpen {
            status: event.status,
            opens_at: None,
            closed_at: None,
        });
    }
    Ok(())
}

/// A change of an event's status, decided on one version of the event.
#[derive(Clone, Copy, Debug)]
pub struct ChangeSale {
    /// The event.
    pub event: EventId,
    /// The version of it that the decision was made on.
    pub version: i32,
}

/// Why an event's status was not changed.
#[derive(Debug)]
pub enum ChangeSaleRefused {
    /// Somebody else has changed the event since: here it is.
    VersionConflict(Event),
    /// An event in this status cannot be changed so.
    WrongStatus(Event),
}

/// Opens the sale of a draft, or again of a closed event.
///
/// # Errors
/// When the caller may not, there is no such event, or the database fails.
pub async fn open_sale(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    command: ChangeSale,
) -> Result<Result<Event, ChangeSaleRefused>, DomainError> {
    require(caller, Permission::ManageSales)?;
    let from = [EventStatus::Draft, EventStatus::Closed];
    change_status(connection, caller, command, &from, EventStatus::OnSale).await
}

/// Closes the sale of an event that is on sale. Holds that are running can
/// still be confirmed.
///
/// # Errors
/// When the caller may not, there is no such event, or the database fails.
pub async fn close_sale(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    command: ChangeSale,
) -> Result<Result<Event, ChangeSaleRefused>, DomainError> {
    require(caller, Permission::ManageSales)?;
    let from = [EventStatus::OnSale];
    change_status(connection, caller, command, &from, EventStatus::Closed).await
}

/// Moves an event to another status if it is in one of `from` and at the version that
/// the decision was made on; locks it until the transaction ends.
///
/// # Errors
/// When there is no such event for this caller, or the database fails.
pub(super) async fn change_status(
    connection: &mut AsyncPgConnection,
    caller: &Caller,
    ChangeSale { event, version }: ChangeSale,
    from: &[EventStatus],
    to: EventStatus,
) -> Result<Result<Event, ChangeSaleRefused>, DomainError> {
    if let Some(event) = events::update_status(connection, event, version, from, to).await? {
        return Ok(Ok(event));
    }
    // Not updated: the row as it is says why.
    let (event, _) = event_view::find_event(connection, caller, event).await?;
    Ok(Err(if event.version == version {
        ChangeSaleRefused::WrongStatus(event)
    } else {
        ChangeSaleRefused::VersionConflict(event)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn event(status: EventStatus, window: Option<(i64, i64)>, now: DateTime<Utc>) -> Event {
        Event {
            status,
            sale_starts_at: window.map(|(start, _)| now + TimeDelta::seconds(start)),
            sale_ends_at: window.map(|(_, end)| now + TimeDelta::seconds(end)),
            ..event_view::example(EventId(1), now).event
        }
    }

    #[test]
    fn a_sale_is_open_on_sale_and_inside_its_window_only() {
        let now = DateTime::UNIX_EPOCH;
        let open = |status, window| require_open(&event(status, window, now), now).is_ok();
        assert!(open(EventStatus::OnSale, None));
        assert!(open(EventStatus::OnSale, Some((-1, 1))));
        assert!(
            open(EventStatus::OnSale, Some((0, 1))),
            "the start belongs to the sale"
        );
        assert!(
            !open(EventStatus::OnSale, Some((-1, 0))),
            "the end does not"
        );
        assert!(!open(EventStatus::OnSale, Some((1, 2))));
        for status in [
            EventStatus::Draft,
            EventStatus::Closed,
            EventStatus::Cancelled,
        ] {
            assert!(!open(status, Some((-1, 1))));
        }
    }

    #[test]
    fn only_a_cancelled_event_takes_away_what_somebody_has() {
        let now = DateTime::UNIX_EPOCH;
        let pass = |status| require_not_cancelled(&event(status, Some((-2, -1)), now));
        assert_eq!(pass(EventStatus::OnSale), Ok(()));
        assert_eq!(pass(EventStatus::Closed), Ok(()));
        let refused = pass(EventStatus::Cancelled).unwrap_err();
        assert_eq!(refused.status, EventStatus::Cancelled);
    }

    #[test]
    fn a_refusal_says_when() {
        let now = DateTime::UNIX_EPOCH;
        let early = require_open(&event(EventStatus::OnSale, Some((5, 9)), now), now);
        let early = early.unwrap_err();
        assert_eq!(early.opens_at, Some(now + TimeDelta::seconds(5)));
        assert_eq!(early.closed_at, None);
        let late = require_open(&event(EventStatus::OnSale, Some((-9, -5)), now), now);
        assert_eq!(
            late.unwrap_err().closed_at,
            Some(now - TimeDelta::seconds(5))
        );
    }
}
