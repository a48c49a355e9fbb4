//! The places that connections take: how many there are, in all and for one address, and who
//! gives theirs up when somebody comes and none is left.
//!
//! ```text
//!   a newcomer ──► a place for its address? ──► a place at all? ──► comes in
//!                     │ no                         │ no
//!                     ▼                            ▼
//!       the one from there that is idle   the one that is idle for longest
//!       for longest goes; without one,    goes; without one, the newcomer
//!       the newcomer is refused           waits
//! ```
//!
//! Idle is who has had an answer, or has come, and has said nothing since; but not at once, because
//! what was sent with the connection is still to be read. A trusted proxy
//! has many clients: it has no share of its own, and is never asked to go, because a request that
//! crosses the close would be lost. It must never know what is said on a connection.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use metrics::counter;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::moments::until;
use crate::config::TrustedProxies;
use crate::limits::LimitKey;
use crate::model::seldom::Seldom;

/// How often it is logged, at most, that places are taken.
const BETWEEN_WARNINGS: Duration = Duration::from_mins(1);

/// How long somebody has to be idle before their place is anybody's.
const GRACE: Duration = Duration::from_secs(1);

/// All places of a server; a clone has the same.
#[derive(Clone)]
pub struct Places(Arc<Shared>);

struct Shared {
    connections: u32,
    per_address: u32,
    trusted_proxies: TrustedProxies,
    in_all: Arc<Semaphore>,
    open: Mutex<Open>,
    /// Somebody has become idle.
    idled: Notify,
    /// Somebody who was asked to go stays, because a request came.
    stayed: Notify,
    all_taken: Seldom,
    share_taken: Seldom,
}

/// No address is in it that has nothing open.
#[derive(Default)]
struct Open {
    by_address: HashMap<LimitKey, OfAddress>,
    /// By when they became so: the first is idle for longest.
    idle: BTreeMap<u64, Idle>,
    next: u64,
}

struct Idle {
    key: LimitKey,
    request: Arc<Request>,
    since: Instant,
}

#[derive(Default)]
struct OfAddress {
    /// Without those that were asked to go.
    open: u32,
    idle: BTreeSet<u64>,
}

/// A connection is asked to go.
#[derive(Default)]
struct Request {
    is_made: AtomicBool,
    waker: AtomicWaker,
}

/// A share of an address, and soon a place.
pub struct Share {
    places: Places,
    /// None for a trusted proxy.
    key: Option<LimitKey>,
    request: Arc<Request>,
    /// Its number among those that are idle, if it is.
    idle: Option<u64>,
}

/// The place of one connection, until this is dropped.
pub struct Place {
    share: Share,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Places {
    /// So many in all, and so many for one address that is none of these proxies.
    pub fn new(connections: u32, per_address: u32, trusted_proxies: TrustedProxies) -> Self {
        let permits = connections.try_into().unwrap_or(usize::MAX);
        Self(Arc::new(Shared {
            connections,
            per_address,
            trusted_proxies,
            in_all: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            open: Mutex::default(),
            idled: Notify::new(),
            stayed: Notify::new(),
            all_taken: Seldom::every(BETWEEN_WARNINGS),
            share_taken: Seldom::every(BETWEEN_WARNINGS),
        }))
    }

    /// A share of what may be open from this address; none if all of that is, and none of it idle.
    pub fn share(&self, address: IpAddr) -> Option<Share> {
        let Self(shared) = self;
        let is_proxy = shared.trusted_proxies.contains(address);
        let key = (!is_proxy).then(|| LimitKey::of_address(address));
        if let Some(key) = &key
            && !shared.lock().admit(key, shared.per_address)
        {
            counter!("usher_rate_limited_total", "budget" => "connections").increment(1);
            if let Some(times) = shared.share_taken.now() {
                tracing::warn!(
                    peer = %address,
                    times,
                    "an address has as many connections as it may, and more are refused: if this \
                     is a proxy of yours, name it in USHER_TRUSTED_PROXIES"
                );
            }
            return None;
        }
        Some(Share {
            places: self.clone(),
            key,
            request: Arc::default(),
            idle: None,
        })
    }

    /// A place, as soon as there is one.
    pub async fn place(&self, share: Share) -> Place {
        Place {
            share,
            _permit: self.permit().await,
        }
    }

    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let Self(shared) = self;
        let in_all = Arc::clone(&shared.in_all);
        if let Ok(permit) = Arc::clone(&in_all).try_acquire_owned() {
            return Some(permit);
        }
        if let Some(times) = shared.all_taken.now() {
            tracing::warn!(
                connections = shared.connections,
                times,
                "there are as many connections as there may be: idle ones are closed, and others \
                 wait"
            );
        }
        let mut acquiring = std::pin::pin!(in_all.acquire_owned());
        loop {
            // One at a time: it is not to cost more connections than are needed.
            let asked = shared.lock().ask_longest_idle();
            tokio::select! {
                biased;
                // Fails only if it is closed, which nobody does.
                permit = &mut acquiring => return permit.ok(),
                () = shared.stayed.notified(), if asked == Asked::Now => {}
                () = shared.idled.notified(), if asked == Asked::Nobody => {}
                () = until(asked.moment()), if asked.moment().is_some() => {}
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing panics while it holds the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody was asked to go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Now,
    /// The one who is idle for longest may be asked then.
    NotBefore(Instant),
    /// Nobody is idle.
    Nobody,
}

impl Asked {
    fn moment(self) -> Option<Instant> {
        match self {
            Self::NotBefore(moment) => Some(moment),
            Self::Now | Self::Nobody => None,
        }
    }
}

impl Open {
    /// Counts one more from there, if there may be one, or if another one goes for it.
    fn admit(&mut self, key: &LimitKey, most: u32) -> bool {
        let of_address = self.by_address.get(key);
        let is_full = of_address.is_some_and(|of_address| of_address.open >= most);
        if is_full {
            let longest = of_address.and_then(|of_address| of_address.idle.first().copied());
            if longest.is_none_or(|longest| self.ask(longest) != Asked::Now) {
                return false;
            }
        }
        self.count(key);
        true
    }

    fn ask_longest_idle(&mut self) -> Asked {
        let longest = self.idle.first_key_value().map(|(number, _)| *number);
        longest.map_or(Asked::Nobody, |number| self.ask(number))
    }

    /// If it may be asked, it does not count any more.
    fn ask(&mut self, number: u64) -> Asked {
        let Some(idle) = self.idle.get(&number) else {
            return Asked::Nobody;
        };
        let moment = idle.since + GRACE;
        if Instant::now() < moment {
            return Asked::NotBefore(moment);
        }
        if let Some(Idle { key, request, .. }) = self.end_idle(number) {
            self.discount(&key);
            request.is_made.store(true, Ordering::Release);
            request.waker.wake();
        }
        Asked::Now
    }

    fn begin_idle(&mut self, key: &LimitKey, request: &Arc<Request>) -> u64 {
        let number = self.next;
        self.next += 1;
        let idle = Idle {
            key: key.clone(),
            request: Arc::clone(request),
            since: Instant::now(),
        };
        self.idle.insert(number, idle);
        if let Some(of_address) = self.by_address.get_mut(key) {
            of_address.idle.insert(number);
        }
        number
    }

    fn end_idle(&mut self, number: u64) -> Option<Idle> {
        let idle = self.idle.remove(&number)?;
        if let Some(of_address) = self.by_address.get_mut(&idle.key) {
            of_address.idle.remove(&number);
        }
        Some(idle)
    }

    fn count(&mut self, key: &LimitKey) {
        self.by_address.entry(key.clone()).or_default().open += 1;
    }

    fn discount(&mut self, key: &LimitKey) {
        match self.by_address.get_mut(key) {
            Some(of_address) if of_address.open > 1 => of_address.open -= 1,
            _ => {
                self.by_address.remove(key);
            }
        }
    }
}

impl Place {
    /// Nothing is said on the connection, and nobody waits for anything. Resolves when it is to
    /// be given up for somebody else.
    pub fn poll_asked_to_go(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Share {
            places: Places(shared),
            key: Some(key),
            request,
            idle,
        } = &mut self.share
        else {
            return Poll::Pending;
        };
        request.waker.register(context.waker());
        if idle.is_none() {
            *idle = Some(shared.lock().begin_idle(key, request));
            shared.idled.notify_one();
        }
        if request.is_made.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Something is said, or is about to be. Whoever was asked to go in the same moment stays.
    pub fn is_busy(&mut self) {
        self.share.end_idle();
    }
}

impl Share {
    fn end_idle(&mut self) {
        let (Some(key), Some(number)) = (&self.key, self.idle.take()) else {
            return;
        };
        let Places(shared) = &self.places;
        let mut open = shared.lock();
        if open.end_idle(number).is_none() {
            self.request.is_made.store(false, Ordering::Relaxed);
            open.count(key);
            shared.stayed.notify_one();
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(key) = &self.key else {
            return;
        };
        let mut open = self.places.0.lock();
        let was_asked = self
            .idle
            .is_some_and(|number| open.end_idle(number).is_none());
        if !was_asked {
            open.discount(key);
        }
    }
}

#[cfg(test)]
mod tests;
