//! What an event may be like, whether it is new or changed.

use crate::db::events::EventDetails;
use crate::domain::DomainError;
use std::ops::RangeInclusive;

/// Seconds a hold may last, with and without extensions: a day at most.
const HOLD_SECONDS: RangeInclusive<i32> = 1..=86_400;
/// Seats a hold may have.
const SEATS_PER_HOLD: RangeInclusive<i32> = 1..=500;
/// What a buyer may have, of seats and of holds.
const OF_A_BUYER: RangeInclusive<i32> = 1..=10_000;

/// Whether an event may be like this as a whole. Its name is
/// [text](crate::domain::text).
///
/// # Errors
/// When something is out of its range, or an end is not after its start.
pub fn check(details: &EventDetails) -> Result<(), DomainError> {
    check_range("holdSeconds", HOLD_SECONDS, Some(details.hold_seconds))?;
    check_range(
        "holdTotalSeconds",
        HOLD_SECONDS,
        Some(details.hold_total_seconds),
    )?;
    check_range(
        "maxSeatsPerHold",
        SEATS_PER_HOLD,
        Some(details.max_seats_per_hold),
    )?;
    check_range("maxSeatsPerBuyer", OF_A_BUYER, details.max_seats_per_buyer)?;
    check_range("maxHoldsPerBuyer", OF_A_BUYER, details.max_holds_per_buyer)?;
    if details.hold_total_seconds < details.hold_seconds {
        let message = format!(
            "must not be less than holdSeconds, which is {}",
            details.hold_seconds
        );
        return Err(DomainError::invalid("holdTotalSeconds", message));
    }
    if details.ends_at.is_some_and(|end| end <= details.starts_at) {
        return Err(DomainError::invalid("endsAt", "must be after startsAt"));
    }
    if let (Some(start), Some(end)) = (details.sale_starts_at, details.sale_ends_at)
        && end <= start
    {
        let message = "must be after saleStartsAt";
        return Err(DomainError::invalid("saleEndsAt", message));
    }
    Ok(())
}

fn check_range(
    field: &str,
    range: RangeInclusive<i32>,
    value: Option<i32>,
) -> Result<(), DomainError> {
    if value.is_none_or(|value| range.contains(&value)) {
        return Ok(());
    }
    let message = format!("must be from {} to {}", range.start(), range.end());
    Err(DomainError::invalid(field, message))
}
