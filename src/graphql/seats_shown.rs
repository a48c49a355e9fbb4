//! What the maps of an operation come to.
//!
//! Before an operation runs nobody knows how large the halls are that it asks about, and so its cost
//! takes a map to have some number of seats ([`super::Costs`]). What it shows beyond the fields is
//! counted here while it runs, by whichever resolver shows seats that nobody asked for by number.
//! Too many of them are refused, before they are made into anything; how many there were is known
//! to whoever runs it.
//!
//! It must never know who pays for them.

use super::costs::{LISTED_SEATS_OF_A_POINT, PACKED_SEATS_OF_A_POINT};
use super::errors::{ApiError, ApiResult, code};
use async_graphql::Context;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// In the data of an execution: the points that seats have come to.
#[derive(Debug)]
pub struct SeatsShown {
    most: u32,
    /// In parts of a point, of which there are as many as seats that are packed for one.
    parts: AtomicU64,
}

impl SeatsShown {
    /// None yet; one execution may show as many as come to `most` points.
    pub fn new(most: u32) -> Self {
        Self {
            most,
            parts: AtomicU64::new(0),
        }
    }

    /// None yet, with the same limit.
    pub(super) fn anew(&self) -> Arc<Self> {
        Arc::new(Self::new(self.most))
    }

    /// The points that the seats have come to since it was asked last.
    pub fn take(&self) -> u32 {
        let parts = self.parts.swap(0, Ordering::Relaxed);
        u32::try_from(parts / PACKED_SEATS_OF_A_POINT).unwrap_or(u32::MAX)
    }

    fn add(&self, parts: u64) -> ApiResult<()> {
        let before = self.parts.fetch_add(parts, Ordering::Relaxed);
        let most = u64::from(self.most) * PACKED_SEATS_OF_A_POINT;
        if before.saturating_add(parts) <= most {
            return Ok(());
        }
        // It is refused, and so it costs nothing.
        self.parts.fetch_sub(parts, Ordering::Relaxed);
        Err(ApiError::new(
            code::GRAPHQL_LIMIT_EXCEEDED,
            format!(
                "the seats that the operation shows come to more than {} points, at a point for \
                 each {LISTED_SEATS_OF_A_POINT} in a list: ask for `compact`, or for fewer maps \
                 at once",
                self.most
            ),
        ))
    }
}

/// So many seats are about to be shown as objects, or were read to find those that are.
///
/// # Errors
/// When that is too much for one operation.
pub(super) fn list(context: &Context<'_>, seats: usize) -> ApiResult<()> {
    show(
        context,
        seats,
        PACKED_SEATS_OF_A_POINT / LISTED_SEATS_OF_A_POINT,
    )
}

/// So many seats are about to be shown in few bytes each, or counted.
///
/// # Errors
/// When that is too much for one operation.
pub(super) fn pack(context: &Context<'_>, seats: usize) -> ApiResult<()> {
    show(context, seats, 1)
}

fn show(context: &Context<'_>, seats: usize, parts: u64) -> ApiResult<()> {
    match context.data_opt::<Arc<SeatsShown>>() {
        Some(shown) => shown.add((seats as u64).saturating_mul(parts)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_not_paid() {
        let shown = SeatsShown::new(6);
        let seats = |count: u64| shown.add(count * 100);
        assert!(seats(40).is_ok());
        assert!(seats(21).is_err());
        assert!(seats(20).is_ok());
        assert!(shown.add(1).is_err());
        assert_eq!((shown.take(), shown.take()), (6, 0));
        assert!(shown.add(999).is_ok());
        assert_eq!(shown.take(), 0, "parts of a point are free");
        assert!(shown.anew().add(6_001).is_err());
    }
}
