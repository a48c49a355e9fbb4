//! Holds that are of no use any more.

use crate::domain::access::HoldUnusable;
use crate::graphql::refusal::RefusalCode;
use crate::graphql::types::hold::HoldEnd;
use crate::graphql::types::seat::Seat;
use crate::graphql::types::time::Time;
use crate::model::status::HoldStatus;
use async_graphql::SimpleObject;
use chrono::{DateTime, Utc};

/// There is no hold with that token, or it is somebody else's.
#[derive(SimpleObject)]
pub struct HoldNotFound {
    /// Always `HOLD_NOT_FOUND`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
}

/// The hold was released or confirmed before, or has lapsed.
#[derive(SimpleObject)]
pub struct HoldEnded {
    /// Always `HOLD_ENDED`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
    /// What became of it.
    end: HoldEnd,
}

/// The hold has lapsed and somebody else has some of its seats: nothing was booked.
#[derive(SimpleObject)]
pub struct HoldLapsed {
    /// Always `HOLD_LAPSED`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
    /// The seats that are lost, as they are now.
    lost: Vec<Seat>,
}

/// The hold runs as long as its event lets any hold run: it cannot be extended.
#[derive(SimpleObject)]
pub struct HoldExtensionExhausted {
    /// Always `HOLD_EXTENSION_EXHAUSTED`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
    /// When the hold lapses.
    expires_at: Time,
}

impl HoldExtensionExhausted {
    pub(in crate::graphql) fn new(expires_at: DateTime<Utc>) -> Self {
        Self {
            code: RefusalCode::HoldExtensionExhausted,
            message: "the hold runs as long as a hold of this event can: confirm it in time"
                .to_owned(),
            expires_at: Time(expires_at),
        }
    }
}

/// Why nothing can be done with the hold of a token.
pub(in crate::graphql) fn hold_unusable<R>(unusable: HoldUnusable) -> R
where
    R: From<HoldNotFound> + From<HoldEnded>,
{
    match unusable {
        HoldUnusable::NotFound => HoldNotFound::new().into(),
        HoldUnusable::Ended(status) => HoldEnded::new(status).into(),
    }
}

impl HoldNotFound {
    fn new() -> Self {
        Self {
            code: RefusalCode::HoldNotFound,
            message: "there is no hold with this token".to_owned(),
        }
    }
}

impl HoldEnded {
    fn new(status: HoldStatus) -> Self {
        // What is active and of no use has run out, and nobody has published it yet.
        let end = HoldEnd::of(status).unwrap_or(HoldEnd::Lapsed);
        let message = match end {
            HoldEnd::Released => "the hold was released",
            HoldEnd::Confirmed => "the hold is a booking already",
            HoldEnd::Lapsed => "the hold has lapsed",
        };
        Self {
            code: RefusalCode::HoldEnded,
            message: message.to_owned(),
            end,
        }
    }
}

impl HoldLapsed {
    pub(in crate::graphql) fn new(lost: Vec<Seat>) -> Self {
        Self {
            code: RefusalCode::HoldLapsed,
            message: "the hold has lapsed and seats of it are taken; nothing was booked".to_owned(),
            lost,
        }
    }
}
