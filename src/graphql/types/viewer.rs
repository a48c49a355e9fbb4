//! Who is asking.

use crate::model::{Caller, permission};
use async_graphql::{Enum, SimpleObject};
use strum::IntoEnumIterator;

/// The one who sends the request.
#[derive(SimpleObject)]
pub struct Viewer {
    /// What the viewer is.
    role: ViewerRole,
    /// Whom the viewer's token speaks of; null for a visitor.
    subject: Option<String>,
    /// What the viewer may do beside looking.
    permissions: Vec<Permission>,
}

/// What not everybody may do.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "permission::Permission")]
pub enum Permission {
    /// Hold and book seats, and change or give back what is the viewer's own.
    HoldAndBook,
    /// Block, unblock and sell seats without a hold.
    SellByHand,
    /// See and change the holds and bookings of everybody; a hold by its token only.
    ServeEveryBuyer,
    /// See what became of a seat, and who did it.
    SeeHistory,
    /// See events before they are on sale.
    SeeDrafts,
    /// Create and change venues, plans and events.
    ManageEvents,
    /// Open and close sales, and cancel events.
    ManageSales,
}

/// What a viewer is.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub enum ViewerRole {
    /// Has no token. Where visitors may hold and book, what is theirs is known by the hold's
    /// token alone.
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
            permissions: permission::Permission::iter()
                .filter(|permission| caller.may(*permission))
                .map(Permission::from)
                .collect(),
        }
    }
}
