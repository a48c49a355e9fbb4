//! How many files the process may have open: each connection is one.
//!
//! Whoever opens connections until there are no files left would take those of the database,
//! too. So connections get what is left when everything else has its share.

use crate::config::WebSettings;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files for everything but clients' connections: the database, Redis, pages, the log, and what
/// libraries open for a moment. The pool has a thousand at most, and nobody's has.
const RESERVED: u64 = 512;

/// How many of these connections there can be. The soft limit is raised as far as that needs
/// and the hard one lets it be.
pub fn room_for(connections: u32) -> u32 {
    let wanted = u64::from(connections).saturating_add(RESERVED);
    let room = match raise_to(wanted) {
        Ok(files) => room_within(files, connections),
        Err(error) => {
            tracing::warn!(%error, "how many files may be open is not known");
            connections
        }
    };
    if room < connections {
        tracing::info!(
            connections = room,
            "there are not enough open files for more connections: see `ulimit -n`"
        );
    }
    room
}

/// How many of them one address may have: where there are too few files for all that were asked
/// for, it does not get more than half of those that there can be.
pub fn room_for_one_address(room: u32, web: &WebSettings) -> u32 {
    let per_address = web.connections_per_address;
    if room < web.max_connections {
        per_address.min(room / 2).max(1)
    } else {
        per_address
    }
}

/// The limit of open files, which is at least this if it may be.
fn raise_to(wanted: u64) -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let raised = wanted.min(hard);
    if soft >= raised {
        return Ok(soft);
    }
    setrlimit(Resource::RLIMIT_NOFILE, raised, hard)?;
    Ok(raised)
}

/// Where there are few files, connections get half of them.
fn room_within(files: u64, connections: u32) -> u32 {
    let left = files.saturating_sub(RESERVED).max(files / 2).max(1);
    u32::try_from(left).map_or(connections, |left| left.min(connections))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_files_are_few_one_address_does_not_get_them_all() {
        let web = WebSettings::default();
        let most = web.connections_per_address;
        assert_eq!(room_for_one_address(web.max_connections, &web), most);
        assert_eq!(room_for_one_address(4_000, &web), most);
        assert_eq!(room_for_one_address(300, &web), 150);
        assert_eq!(room_for_one_address(1, &web), 1);
    }

    #[test]
    fn connections_leave_files_for_the_rest() {
        assert_eq!(room_within(20_000, 16_000), 16_000);
        assert_eq!(room_within(16_512, 16_000), 16_000);
        assert_eq!(room_within(4_096, 16_000), 4_096 - 512);
        assert_eq!(room_within(600, 16_000), 300);
        assert_eq!(room_within(0, 16_000), 1);
        assert_eq!(room_within(u64::MAX, u32::MAX), u32::MAX);
    }
}
