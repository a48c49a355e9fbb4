//! Who is asking.

use crate::model::Caller;
use async_graphql::{Enum, SimpleObject};

/// The one who sends the request.
#[derive(SimpleObject)]
pub struct Viewer {
    /// What the viewer may do.
    role: ViewerRole,
    /// Whom the viewer's token speaks of; null for a visitor.
    subject: Option<String>,
}

/// What a viewer may do.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub enum ViewerRole {
    /// Has no token; may hold and book, and is known by the hold's token alone.
    Visitor,
    /// Is signed in as a buyer.
    Buyer,
    /// Is signed in as the box office: sells by hand, blocks seats, looks after bookings.
    BoxOffice,
    /// Is signed in as staff: runs venues, plans, events and sales.
    Staff,
}

impl From<&Caller> for Viewer {
    fn from(caller: &Caller) -> Self {
        let role = match caller {
            Caller::Onlooker | Caller::Anonymous => ViewerRole::Visitor,
            Caller::Buyer { .. } => ViewerRole::Buyer,
            Caller::BoxOffice { .. } => ViewerRole::BoxOffice,
            Caller::Staff { .. } => ViewerRole::Staff,
        };
        Self {
            role,
            subject: caller.subject().map(ToOwned::to_owned),
        }
    }
}
