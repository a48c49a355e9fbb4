//! Refusals: the domain's normal "no", as data. Each has a code for programs, a
//! message for people, and what a client needs to go on.

use crate::db::events;
use crate::domain::buyer_limits::{self, LimitExceeded as Exceeded};
use crate::domain::conflict::SeatConflict as Conflict;
use crate::domain::plan_document::PlanRefused;
use crate::domain::sale::SaleNotOpen as NotOpen;
use crate::graphql::types::event::{Event, EventStatus};
use crate::graphql::types::seat::Seat;
use crate::graphql::types::time::Time;
use crate::model::status::{EventStatus as Status, HoldStatus};
use async_graphql::{Enum, Interface, SimpleObject};

/// A normal "no": nothing was changed.
#[derive(Interface)]
#[graphql(
    field(name = "code", ty = "&RefusalCode", desc = "Why, for programs."),
    field(name = "message", ty = "&String", desc = "Why, for people.")
)]
pub enum Refusal {
    /// Somebody else was faster.
    SeatConflict(SeatConflict),
    /// A limit of the event.
    LimitExceeded(LimitExceeded),
    /// Nothing can be held at this time.
    SaleNotOpen(SaleNotOpen),
    /// No hold with that token.
    HoldNotFound(HoldNotFound),
    /// The hold is over.
    HoldEnded(HoldEnded),
    /// The hold had lapsed, and its seats are gone.
    HoldLapsed(HoldLapsed),
    /// Somebody else has changed the event.
    EventVersionConflict(EventVersionConflict),
    /// The event's status does not allow it.
    EventStatusConflict(EventStatusConflict),
    /// The plan has mistakes.
    SeatingPlanRefused(SeatingPlanRefused),
}

/// Why an operation was refused, for programs.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    /// Seats are not in the state that the decision was made on.
    SeatConflict,
    /// A limit of the event would be exceeded.
    LimitExceeded,
    /// The event is not on sale at this time.
    SaleNotOpen,
    /// There is no hold with that token.
    HoldNotFound,
    /// The hold was released or confirmed before, or has lapsed.
    HoldEnded,
    /// The hold has lapsed and somebody else has some of its seats.
    HoldLapsed,
    /// The record is not at the version that the decision was made on.
    VersionConflict,
    /// The event is in a status that does not allow it.
    StatusConflict,
    /// The seating plan has mistakes.
    SeatingPlanRefused,
}

/// Somebody else was faster: no seat was held. Every seat that was lost is
/// listed as it is now, so that a client can repaint and try again without
/// another query.
#[derive(SimpleObject)]
pub struct SeatConflict {
    /// Always `SEAT_CONFLICT`.
    code: RefusalCode,
    /// Why, for people.
    message: String,
    /// How many transactions were tried.
    attempts: u32,
    /// Every seat that could not be had.
    conflicts: Vec<SeatConflictDetail>,
    /// For each lost seat one of the same kind near it that was available at
    /// that moment; fewer when the house has no more.
    alternatives: Vec<Seat>,
}

/// A seat that could not be had.
#[derive(SimpleObject)]
struct SeatConflictDetail {
    /// The seat as it is now.
    seat: Seat,
    /// The version that the decision was made on.
    expected_version: i32,
}

/// A limit of the event would be exceeded.
#[derive(SimpleObject)]
pub struct LimitExceeded {
    /// Always `LIMIT_EXCEEDED`.
    code: RefusalCode,
    /// Why, for people.
    message: String,
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
    code: RefusalCode,
    /// Why, for people.
    message: String,
    /// Where the event stands.
    status: EventStatus,
    /// When the sale starts; null when it is not the start that is awaited.
    opens_at: Option<Time>,
    /// When the sale ended; null when it has not ended by itself.
    closed_at: Option<Time>,
}

/// There is no hold with that token, or it is somebody else's.
#[derive(SimpleObject)]
pub struct HoldNotFound {
    /// Always `HOLD_NOT_FOUND`.
    code: RefusalCode,
    /// Why, for people.
    message: String,
}

/// The hold was released or confirmed before, or has lapsed.
#[derive(SimpleObject)]
pub struct HoldEnded {
    /// Always `HOLD_ENDED`.
    code: RefusalCode,
    /// Why, for people.
    message: String,
}

/// The hold has lapsed and somebody else has some of its seats: nothing was booked.
#[derive(SimpleObject)]
pub struct HoldLapsed {
    /// Always `HOLD_LAPSED`.
    code: RefusalCode,
    /// Why, for people.
    message: String,
    /// The seats that are lost, as they are now.
    lost: Vec<Seat>,
}

/// The event is not at the version that the decision was made on.
#[derive(SimpleObject)]
pub struct EventVersionConflict {
    /// Always `VERSION_CONFLICT`.
    code: RefusalCode,
    /// Why, for people.
    message: String,
    /// The version that the decision was made on.
    expected_version: i32,
    /// The event as it is now.
    event: Event,
}

/// The event is in a status that does not allow this.
#[derive(SimpleObject)]
pub struct EventStatusConflict {
    /// Always `STATUS_CONFLICT`.
    code: RefusalCode,
    /// Why, for people.
    message: String,
    /// The event as it is now.
    event: Event,
}

/// The seating plan has mistakes: nothing was stored.
#[derive(SimpleObject)]
pub struct SeatingPlanRefused {
    /// Always `SEATING_PLAN_REFUSED`.
    code: RefusalCode,
    /// Why, for people.
    message: String,
    /// What is wrong with it, the first twenty.
    problems: Vec<SeatingPlanProblem>,
    /// How many more there are.
    further_problems: usize,
}

/// One mistake of a seating plan.
#[derive(SimpleObject)]
struct SeatingPlanProblem {
    /// Where in the document, such as `zones[0].rows[2].seats[5].category`;
    /// `$` for the whole of it.
    path: String,
    /// What is wrong and what to do.
    message: String,
}

impl SeatConflict {
    pub(super) fn new(conflict: Conflict, attempts: u32) -> Self {
        let event = &conflict.event;
        let conflicts: Vec<_> = conflict
            .lost
            .iter()
            .map(|lost| SeatConflictDetail {
                seat: Seat::new(event, lost.now),
                expected_version: lost.expected_version,
            })
            .collect();
        let message = match conflicts.len() {
            1 => "one of the seats has changed since you saw it; none was held".to_owned(),
            count => format!("{count} of the seats have changed since you saw them; none was held"),
        };
        Self {
            code: RefusalCode::SeatConflict,
            message,
            attempts,
            alternatives: Seat::all(event, conflict.alternatives),
            conflicts,
        }
    }
}

impl LimitExceeded {
    pub(super) fn new(exceeded: Exceeded) -> Self {
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
    pub(super) fn new(refusal: &NotOpen) -> Self {
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

impl HoldNotFound {
    pub(super) fn new() -> Self {
        Self {
            code: RefusalCode::HoldNotFound,
            message: "there is no hold with this token".to_owned(),
        }
    }
}

impl HoldEnded {
    pub(super) fn new(status: HoldStatus) -> Self {
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
    pub(super) fn new(lost: Vec<Seat>) -> Self {
        Self {
            code: RefusalCode::HoldLapsed,
            message: "the hold has lapsed and seats of it are taken; nothing was booked".to_owned(),
            lost,
        }
    }
}

impl EventVersionConflict {
    pub(super) fn new(expected_version: i32, event: events::Event) -> Self {
        Self {
            code: RefusalCode::VersionConflict,
            message: format!(
                "the event is at version {}, not {expected_version}: look at it again",
                event.version
            ),
            expected_version,
            event: event.into(),
        }
    }
}

impl EventStatusConflict {
    pub(super) fn new(event: events::Event) -> Self {
        Self {
            code: RefusalCode::StatusConflict,
            message: format!("an event that is {} does not allow this", event.status),
            event: event.into(),
        }
    }
}

impl SeatingPlanRefused {
    pub(super) fn new(refused: PlanRefused) -> Self {
        let problems: Vec<_> = refused
            .problems
            .into_iter()
            .map(|problem| SeatingPlanProblem {
                path: problem.path,
                message: problem.message,
            })
            .collect();
        Self {
            code: RefusalCode::SeatingPlanRefused,
            message: "the seating plan has mistakes; nothing was stored".to_owned(),
            further_problems: refused.further,
            problems,
        }
    }
}
