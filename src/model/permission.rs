//! Who may do what: the one table of permissions.
//!
//! What needs none of these is open to whoever is let in: events that are or were on sale,
//! their maps, and what a hold's token opens. `docs/security.md` has the same by field of the
//! API; the test `permissions::` compares the two.

use crate::model::Caller;
use crate::model::caller::Standing;
use Standing::{Anonymous, BoxOffice, Buyer, Staff};

/// Something that not everybody may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumIter, strum::IntoStaticStr,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Permission {
    /// Hold and book seats, and change or give back what is one's own.
    HoldAndBook,
    /// Block, unblock and sell seats without a hold, bound neither to the sale window nor to
    /// what an event allows a buyer.
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

impl Permission {
    /// Who has it.
    pub const fn holders(self) -> &'static [Standing] {
        match self {
            Self::HoldAndBook => &[Anonymous, Buyer, BoxOffice, Staff],
            Self::SellByHand | Self::ServeEveryBuyer | Self::SeeHistory | Self::SeeDrafts => {
                &[BoxOffice, Staff]
            }
            Self::ManageEvents | Self::ManageSales => &[Staff],
        }
    }
}

impl Permission {
    /// The roles of tokens that have it, in words: `STAFF`, `BOX_OFFICE or STAFF`.
    pub fn roles(self) -> String {
        let standings = self.holders().iter();
        let roles: Vec<_> = standings.filter_map(|standing| standing.role()).collect();
        match roles.split_last() {
            Some((last, [])) => last.to_string(),
            Some((last, others)) => {
                let others: Vec<_> = others.iter().map(ToString::to_string).collect();
                format!("{} or {last}", others.join(", "))
            }
            None => String::new(),
        }
    }
}

impl Caller {
    /// Whether this caller has the permission: the one place that looks it up.
    pub fn may(&self, permission: Permission) -> bool {
        permission.holders().contains(&Standing::from(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator;

    #[test]
    fn who_only_looks_may_do_nothing_and_staff_everything() {
        let staff = Caller::Staff {
            subject: "tess".to_owned(),
        };
        for permission in Permission::iter() {
            assert!(!Caller::Onlooker.may(permission), "{permission}");
            assert!(staff.may(permission), "{permission}");
        }
    }

    #[test]
    fn a_buyer_may_buy_and_no_more() {
        let buyer = Caller::Buyer {
            subject: "anna".to_owned(),
        };
        for caller in [&buyer, &Caller::Anonymous] {
            let may: Vec<_> = Permission::iter().filter(|it| caller.may(*it)).collect();
            assert_eq!(may, [Permission::HoldAndBook], "{caller}");
        }
    }
}
