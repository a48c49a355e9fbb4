//! Which proxies are believed about whose requests they pass on.

use ipnet::IpNet;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses and networks of proxies; by default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether a proxy at this address is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        // An IPv4 client of a socket for IPv6 is the same client.
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// A text that names no address and no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address and no network: give some such as 10.0.0.5,192.168.0.0/16,fd00::/8")]
pub struct BadNetwork(String);

/// An empty text names none.
impl FromStr for TrustedProxies {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let parts = text.split(',').map(str::trim);
        let networks = parts.filter(|part| !part.is_empty()).map(|part| {
            let address = part.parse::<IpAddr>().ok();
            let address = address.map(|address| IpNet::from(address.to_canonical()));
            address
                .or_else(|| part.parse().ok())
                .ok_or_else(|| BadNetwork(part.to_owned()))
        });
        Ok(Self(networks.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_believed_and_nobody_else() {
        let trusted: TrustedProxies = " 10.0.0.5, 192.168.0.0/16 ,fd00::/8,".parse().unwrap();
        for inside in [
            "10.0.0.5",
            "::ffff:10.0.0.5",
            "192.168.255.1",
            "fd12:3456::1",
        ] {
            assert!(trusted.contains(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["10.0.0.6", "192.169.0.1", "fe80::1", "::1", "127.0.0.1"] {
            assert!(!trusted.contains(outside.parse().unwrap()), "{outside}");
        }
        let nobody: TrustedProxies = "".parse().unwrap();
        assert!(!nobody.contains("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_shown() {
        for bad in [
            "proxy.example",
            "10.0.0.0/33",
            "10.0.0.5:80",
            "10.0.0.5 ::1",
        ] {
            let error = bad.parse::<TrustedProxies>().unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }
}
