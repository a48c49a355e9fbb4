//! Whose budget it is.

use crate::model::Caller;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Bits of an IPv6 address that are one customer's: the rest they choose as they like.
const CUSTOMER_BITS: u32 = 64;

/// Who has a budget of their own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LimitKey {
    /// Whoever signs in by this name, wherever they are.
    Subject(Arc<str>),
    /// All who come from here without a name. Of IPv6 it is the network of 64 bits.
    Address(IpAddr),
}

impl LimitKey {
    /// The key of a caller who comes from this address.
    pub fn of(caller: &Caller, address: IpAddr) -> Self {
        match caller.subject() {
            Some(subject) => Self::Subject(subject.into()),
            None => Self::of_address(address),
        }
    }

    /// The key of all who come from this address.
    pub fn of_address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() >> CUSTOMER_BITS << CUSTOMER_BITS;
                Ipv6Addr::from_bits(network).into()
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// As it is named in Redis.
impl fmt::Display for LimitKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject(subject) => write!(formatter, "subject:{subject}"),
            Self::Address(address) => write!(formatter, "address:{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> String {
        LimitKey::of_address(address.parse().unwrap()).to_string()
    }

    #[test]
    fn an_address_is_that_of_a_customer() {
        assert_eq!(key("192.0.2.7"), "address:192.0.2.7");
        assert_eq!(key("::ffff:192.0.2.7"), "address:192.0.2.7");
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "address:2001:db8:1:2::");
        assert_eq!(key("2001:db8:1:2::1"), "address:2001:db8:1:2::");
        assert_eq!(key("2001:db8:1:3::1"), "address:2001:db8:1:3::");
    }

    #[test]
    fn who_has_a_name_has_it_everywhere() {
        let bob = Caller::Buyer {
            subject: "bob".to_owned(),
        };
        let address = "192.0.2.7".parse().unwrap();
        let visitor = LimitKey::of(&Caller::Anonymous, address);
        assert_eq!(LimitKey::of(&bob, address).to_string(), "subject:bob");
        assert_eq!(visitor, LimitKey::of_address(address));
        // Whoever calls themselves so is no address.
        let liar = Caller::Buyer {
            subject: "192.0.2.7".to_owned(),
        };
        assert_ne!(LimitKey::of(&liar, address), visitor);
    }
}
