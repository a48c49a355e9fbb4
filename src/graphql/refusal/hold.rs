//! Holds that are of no use any more.

use crate::graphql::refusal::RefusalCode;
use crate::graphql::types::seat::Seat;
use crate::model::status::HoldStatus;
use async_graphql::SimpleObject;

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

impl HoldNotFound {
    pub(in crate::graphql) fn new() -> Self {
        Self {
            code: RefusalCode::HoldNotFound,
            message: "there is no hold with this token".to_owned(),
        }
    }
}

impl HoldEnded {
    pub(in crate::graphql) fn new(status: HoldStatus) -> Self {
        let message = match status {
            HoldStatus::Released => "the hold was released",
            HoldStatus::Confirmed => "the hold is a booking already",
            HoldStatus::Lapsed | HoldStatus::Active => "the hold has lapsed",
        };
        Self {
            code: RefusalCode::HoldEnded,
            message: message.to_owned(),
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
