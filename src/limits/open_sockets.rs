//! How many sockets and event streams are open, from each address and in all.

use super::LimitKey;
use crate::config::RateLimitSettings;
use metrics::counter;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is open; a clone counts the same.
#[derive(Clone, Debug)]
pub struct OpenSockets {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    per_address: u32,
    in_all: u32,
    open: Mutex<Open>,
}

/// No address is in it that has nothing open, so that it is never larger than `in_all`.
#[derive(Debug, Default)]
struct Open {
    by_address: HashMap<LimitKey, u32>,
    in_all: u32,
}

/// One that is open, until this is dropped.
#[derive(Debug)]
pub struct OpenSocket {
    shared: Arc<Shared>,
    key: LimitKey,
}

/// Why there is no room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooManySockets {
    /// Who comes from there has as many as one address may have.
    #[error("too many connections are open from this address: close some first")]
    FromAddress,
    /// The process has as many as it may have.
    #[error("the server has as many connections open as it may: try again later")]
    InAll,
}

impl OpenSockets {
    /// Nothing is open yet.
    pub fn new(settings: &RateLimitSettings) -> Self {
        Self {
            shared: Arc::new(Shared {
                per_address: settings.sockets_per_address,
                in_all: settings.max_sockets,
                open: Mutex::default(),
            }),
        }
    }

    /// Takes a place for one from this address.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(&self, address: IpAddr) -> Result<OpenSocket, TooManySockets> {
        let key = LimitKey::of_address(address);
        let mut open = self.shared.lock();
        if open.in_all >= self.shared.in_all {
            counter!("usher_shed_total", "reason" => "sockets").increment(1);
            return Err(TooManySockets::InAll);
        }
        let of_address = open.by_address.get(&key).copied().unwrap_or_default();
        if of_address >= self.shared.per_address {
            counter!("usher_rate_limited_total", "budget" => "open_sockets").increment(1);
            return Err(TooManySockets::FromAddress);
        }
        open.by_address.insert(key.clone(), of_address + 1);
        open.in_all += 1;
        Ok(OpenSocket {
            shared: Arc::clone(&self.shared),
            key,
        })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing panics while it holds the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        let mut open = self.shared.lock();
        open.in_all = open.in_all.saturating_sub(1);
        match open.by_address.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.by_address.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_address_s_and_free_again_when_it_is_given_up() {
        let sockets = OpenSockets::new(&RateLimitSettings {
            sockets_per_address: 2,
            max_sockets: 3,
            ..RateLimitSettings::off()
        });
        let open = |address: &str| sockets.open(address.parse().unwrap());
        let first = open("192.0.2.1").unwrap();
        let _second = open("192.0.2.1").unwrap();
        assert_eq!(open("192.0.2.1").unwrap_err(), TooManySockets::FromAddress);
        let third = open("192.0.2.2").unwrap();
        assert_eq!(open("192.0.2.3").unwrap_err(), TooManySockets::InAll);
        drop(first);
        let _fourth = open("192.0.2.1").unwrap();
        drop(third);
        assert_eq!(open("192.0.2.1").unwrap_err(), TooManySockets::FromAddress);
        assert_eq!(sockets.shared.lock().by_address.len(), 1);
    }
}
