//! What an event does not allow: too much, or not now.

use crate::domain::buyer_limits::{self, LimitExceeded as Exceeded};
use crate::domain::sale::SaleNotOpen as NotOpen;
use crate::graphql::refusal::RefusalCode;
use crate::graphql::types::event::EventStatus;
use crate::graphql::types::time::Time;
use crate::model::status::EventStatus as Status;
use async_graphql::{Enum, SimpleObject};

/// A limit of the event would be exceeded.
#[derive(SimpleObject)]
pub struct LimitExceeded {
    /// Always `LIMIT_EXCEEDED`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
    /// Which limit.
    kind: LimitKind,
    /// What the event allows.
    limit: i32,
    /// What it would have come to.
    requested: i64,
}

/// A limit of an event.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "buyer_limits::Limit")]
enum LimitKind {
    /// Seats of one hold or booking.
    SeatsPerHold,
    /// Seats of one buyer, held and booked.
    SeatsPerBuyer,
    /// Running holds of one buyer.
    HoldsPerBuyer,
}

/// Nothing can be held at this time.
#[derive(SimpleObject)]
pub struct SaleNotOpen {
    /// Always `SALE_NOT_OPEN`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
    /// Where the event stands.
    status: EventStatus,
    /// When the sale starts; null when it is not the start that is awaited.
    opens_at: Option<Time>,
    /// When the sale ended; null when it has not ended by itself.
    closed_at: Option<Time>,
}

impl LimitExceeded {
    pub(in crate::graphql) fn new(exceeded: Exceeded) -> Self {
        let Exceeded {
            limit,
            allowed,
            requested,
        } = exceeded;
        let message = match limit {
            buyer_limits::Limit::SeatsPerHold => {
                format!("a hold of this event may have {allowed} seats, not {requested}")
            }
            buyer_limits::Limit::SeatsPerBuyer => {
                format!("a buyer of this event may have {allowed} seats in all, not {requested}")
            }
            buyer_limits::Limit::HoldsPerBuyer => {
                format!("a buyer of this event may have {allowed} holds at a time, not {requested}")
            }
        };
        Self {
            code: RefusalCode::LimitExceeded,
            message,
            kind: limit.into(),
            limit: allowed,
            requested,
        }
    }
}

impl SaleNotOpen {
    pub(in crate::graphql) fn new(refusal: &NotOpen) -> Self {
        let message = match (refusal.status, refusal.opens_at, refusal.closed_at) {
            (Status::OnSale, Some(_), _) => "the sale has not started yet",
            (Status::OnSale, None, _) | (Status::Closed, ..) => "the sale has ended",
            (Status::Draft, ..) => "the event is still a draft",
            (Status::Cancelled, ..) => "the event is cancelled",
        };
        Self {
            code: RefusalCode::SaleNotOpen,
            message: message.to_owned(),
            status: refusal.status.into(),
            opens_at: refusal.opens_at.map(Time),
            closed_at: refusal.closed_at.map(Time),
        }
    }
}
