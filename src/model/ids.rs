//! Identities of the records, one type each, so that they cannot be mixed up.

use diesel_derive_newtype::DieselNewType;
use uuid::Uuid;

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DieselNewType,
            serde::Serialize, serde::Deserialize,
        )]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

identity!(
    /// A venue.
    VenueId(i64)
);
identity!(
    /// An immutable seating plan.
    PlanId(i64)
);
identity!(
    /// An event. Small and dense, so that a booking's reference can name it.
    EventId(i64)
);
identity!(
    /// A hold of one event.
    HoldId(Uuid)
);
identity!(
    /// A booking of one event.
    BookingId(Uuid)
);

/// A seat's place in its plan's document, from 0. With an [`EventId`] it names
/// one seat of one event.
pub type SeatNo = i32;

impl HoldId {
    /// A new identity. Ordered by time, so that the index grows at its end.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl BookingId {
    /// A new identity. Ordered by time, so that the index grows at its end.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}
