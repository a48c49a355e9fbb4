//! Who is asking.

use std::fmt;

/// What a signed-in caller may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantNames,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", ascii_case_insensitive)]
pub enum Role {
    /// Holds and books seats; sees what is theirs.
    Buyer,
    /// Sells by hand, blocks seats, and looks after the bookings of everybody.
    BoxOffice,
    /// Runs venues, plans, events and sales; sees every booking.
    Staff,
}

/// The one on whose behalf an operation runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, strum::EnumDiscriminants)]
#[strum_discriminants(
    name(Standing),
    doc = "What a caller is, whoever it is: what permissions go by.",
    derive(strum::EnumIter)
)]
pub enum Caller {
    /// A visitor without a token where visitors may only look.
    Onlooker,
    /// A visitor without a token, who may hold and book like a buyer; what is
    /// theirs is known by the hold's token alone.
    Anonymous,
    /// A signed-in buyer.
    Buyer {
        /// Whom the token speaks of.
        subject: String,
    },
    /// Somebody at the box office.
    BoxOffice {
        /// Whom the token speaks of.
        subject: String,
    },
    /// A member of staff.
    Staff {
        /// Whom the token speaks of.
        subject: String,
    },
}

impl Standing {
    /// The role of a token that makes somebody this; a visitor needs none.
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Onlooker | Self::Anonymous => None,
            Self::Buyer => Some(Role::Buyer),
            Self::BoxOffice => Some(Role::BoxOffice),
            Self::Staff => Some(Role::Staff),
        }
    }
}

impl Caller {
    /// The subject of the caller's token; `None` for a visitor.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Onlooker | Self::Anonymous => None,
            Self::Buyer { subject } | Self::BoxOffice { subject } | Self::Staff { subject } => {
                Some(subject)
            }
        }
    }
}

/// Whether a token may speak of somebody by this name.
pub fn is_subject(name: &str) -> bool {
    !name.is_empty() && name.len() <= 255 && !name.chars().any(char::is_control)
}

/// As the change feed names the actor of a change.
impl fmt::Display for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Onlooker | Self::Anonymous => formatter.write_str("anonymous"),
            Self::Buyer { subject } => write!(formatter, "buyer:{subject}"),
            Self::BoxOffice { subject } => write!(formatter, "box-office:{subject}"),
            Self::Staff { subject } => write!(formatter, "staff:{subject}"),
        }
    }
}
