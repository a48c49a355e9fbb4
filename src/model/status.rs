//! The states that records go through, with the names that the database, the
//! change feed and the API all use.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Text;
use std::io::Write;

macro_rules! stored_as_text {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, AsExpression, FromSqlRow,
            strum::Display, strum::EnumString, strum::IntoStaticStr,
            serde::Serialize, serde::Deserialize,
        )]
        #[diesel(sql_type = Text)]
        #[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl ToSql<Text, Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                let name: &'static str = self.into();
                out.write_all(name.as_bytes())?;
                Ok(IsNull::No)
            }
        }

        impl FromSql<Text, Pg> for $name {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                let name = std::str::from_utf8(value.as_bytes())?;
                name.parse().map_err(|_| {
                    format!("{name:?} is not a {}", stringify!($name)).into()
                })
            }
        }
    };
}

stored_as_text!(
    /// Where one seat of one event stands.
    SeatStatus {
        /// Anybody may hold it.
        Available,
        /// Kept for one buyer until a time; takeable once that time has passed.
        Held,
        /// Sold.
        Booked,
        /// Kept out of the sale by staff.
        Blocked,
    }
);

/// Clients of all ages and stored maps know these numbers: they never change.
impl SeatStatus {
    /// How many bits a code has.
    pub const BITS: u32 = 2;

    /// Its number in compact forms.
    pub const fn code(self) -> u8 {
        match self {
            Self::Available => 0,
            Self::Held => 1,
            Self::Booked => 2,
            Self::Blocked => 3,
        }
    }

    /// The status whose code is in the lowest bits.
    pub const fn of_code(code: u8) -> Self {
        match code & 0b11 {
            0 => Self::Available,
            1 => Self::Held,
            2 => Self::Booked,
            _ => Self::Blocked,
        }
    }
}

stored_as_text!(
    /// Where an event stands.
    EventStatus {
        /// Being prepared; only staff see it.
        Draft,
        /// Seats can be held, inside the sale window.
        OnSale,
        /// The sale has ended; holds that are still running can be confirmed.
        Closed,
        /// Called off.
        Cancelled,
    }
);

stored_as_text!(
    /// What happens to whoever takes seats so that a single one is left alone.
    OrphanRule {
        /// Nothing.
        Off,
        /// The answer says which seat is left alone.
        Warn,
        /// It is refused.
        Enforce,
    }
);

stored_as_text!(
    /// Where a hold stands.
    HoldStatus {
        /// It has its seats, at least until it expires.
        Active,
        /// Given back by its owner.
        Released,
        /// Made a booking.
        Confirmed,
        /// Expired, and published as such by the sweeper.
        Lapsed,
    }
);

stored_as_text!(
    /// Where a booking stands.
    BookingStatus {
        /// Its seats are sold.
        Confirmed,
        /// Its seats were given back.
        Cancelled,
    }
);

stored_as_text!(
    /// Why a seat came to its status.
    Cause {
        /// The event was created.
        Created,
        /// A buyer held it.
        Held,
        /// The owner of the hold gave it back.
        Released,
        /// Its hold expired.
        Lapsed,
        /// It was sold.
        Booked,
        /// Its booking was cancelled, or the event while it was held.
        Cancelled,
        /// Staff kept it out of the sale.
        Blocked,
        /// Staff gave it back to the sale.
        Unblocked,
        /// Somebody changed it by hand in the database.
        Correction,
    }
);

stored_as_text!(
    /// What kind of places a zone has.
    ZoneKind {
        /// Rows of seats.
        Seated,
        /// A number of places without label or position.
        GeneralAdmission,
    }
);
