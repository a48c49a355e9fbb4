//! What is printed when the server is ready, for people: where to look, and what
//! keeps it from being of use yet.

use crate::app::authentication::StaffToken;
use crate::auth::data_folder::STAFF_TOKEN_FILE;
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// A server that is ready.
pub struct Banner<'a> {
    /// Where it listens.
    pub address: SocketAddr,
    /// The token of the link for staff, which is shown when it is new.
    pub staff_token: &'a StaffToken,
    /// Whether the playground is served.
    pub has_playground: bool,
    /// The data folder of the embedded default.
    pub data_dir: Option<&'a Path>,
    /// Where the database is, for one that somebody else runs.
    pub database: &'a str,
    /// Whether there is a key to know tokens by.
    pub has_key: bool,
    /// Whether there is anything to look at.
    pub has_event: bool,
}

impl Display for Banner<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let address = reachable(self.address);
        writeln!(f, "\nusher is ready.\n")?;
        writeln!(f, "  Start here       http://{address}/")?;
        if self.has_playground {
            writeln!(f, "  GraphiQL         http://{address}/graphiql")?;
        }
        match (self.staff_token, self.data_dir) {
            (StaffToken::New(token), _) if self.has_playground => {
                let link = format_args!("http://{address}/graphiql#token={token}");
                writeln!(f, "  GraphiQL, staff  {link}")?;
            }
            (StaffToken::New(_) | StaffToken::Kept, Some(data_dir)) => {
                let file = data_dir.join(STAFF_TOKEN_FILE);
                writeln!(f, "  Token for staff  {}", file.display())?;
            }
            (StaffToken::New(_) | StaffToken::Kept | StaffToken::None, _) => {}
        }
        writeln!(f)?;
        if address != self.address {
            let port = address.port();
            writeln!(
                f,
                "Listening on all addresses of this machine, port {port}."
            )?;
        }
        if !self.has_key {
            writeln!(
                f,
                "No token is accepted, and so nobody is staff: neither USHER_JWT_SECRET nor \
                 USHER_JWT_KEYS is set."
            )?;
        }
        if !self.has_event {
            writeln!(
                f,
                "There is no event yet: staff create one, or --demo loads three into an empty \
                 database."
            )?;
        }
        match self.data_dir {
            Some(data_dir) => write!(f, "Data in {}.", data_dir.display())?,
            None => write!(f, "Database: {}.", self.database)?,
        }
        writeln!(f, " Stop with Ctrl-C.\n")
    }
}

/// An address that a browser on this machine can open: what stands for all of the
/// machine's addresses is none.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let loopback: IpAddr = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => return listening,
    };
    SocketAddr::new(loopback, listening.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(address: &str) -> Banner<'static> {
        Banner {
            address: address.parse().unwrap(),
            staff_token: &StaffToken::None,
            has_playground: true,
            data_dir: None,
            database: "db.example.org:5432/usher",
            has_key: true,
            has_event: true,
        }
    }

    #[test]
    fn links_can_be_opened() {
        for (listening, link) in [
            ("0.0.0.0:8080", "http://127.0.0.1:8080/graphiql\n"),
            ("[::]:8080", "http://[::1]:8080/graphiql\n"),
        ] {
            let text = banner(listening).to_string();
            assert!(text.contains(link), "{text}");
            assert!(text.contains("all addresses"), "{text}");
            assert!(!text.contains(&format!("http://{listening}")), "{text}");
        }
        let text = banner("192.0.2.7:80").to_string();
        assert!(text.contains("http://192.0.2.7:80/\n"), "{text}");
        assert!(!text.contains("all addresses"), "{text}");
    }

    #[test]
    fn a_staff_token_is_shown_when_it_is_new() {
        let new = StaffToken::New("x.y.z".to_owned());
        for (staff_token, line) in [
            (
                &new,
                "  GraphiQL, staff  http://127.0.0.1:80/graphiql#token=x.y.z\n",
            ),
            (
                &StaffToken::Kept,
                "  Token for staff  /data/usher/staff-token\n",
            ),
        ] {
            let banner = Banner {
                staff_token,
                data_dir: Some(Path::new("/data/usher")),
                ..banner("127.0.0.1:80")
            };
            assert!(banner.to_string().contains(line), "{banner}");
        }
        assert!(!banner("127.0.0.1:80").to_string().contains("staff"));
    }

    #[test]
    fn no_link_leads_to_a_playground_that_is_not_served() {
        let without = Banner {
            has_playground: false,
            staff_token: &StaffToken::New("secret".to_owned()),
            ..banner("127.0.0.1:80")
        };
        let without = without.to_string();
        assert!(!without.contains("graphiql") && !without.contains("secret"));
        assert!(without.contains("http://127.0.0.1:80/\n"));
    }

    #[test]
    fn what_is_missing_is_said() {
        let complete = banner("127.0.0.1:80").to_string();
        for missing in ["USHER_JWT_SECRET", "no event"] {
            assert!(!complete.contains(missing), "{complete}");
        }
        assert!(complete.contains("Database: db.example.org:5432/usher."));
        let bare = Banner {
            has_key: false,
            has_event: false,
            ..banner("127.0.0.1:80")
        };
        let bare = bare.to_string();
        for missing in ["nobody is staff", "USHER_JWT_SECRET", "There is no event"] {
            assert!(bare.contains(missing), "{bare}");
        }
    }
}
