//! How a server takes its leave: load balancers are told first, and everything is
//! served meanwhile; then those who stay connected are sent away one after another.
//!
//! ```text
//!  begun                    half the delay               the delay is over
//!    │ /readyz says 503            │                             │
//!    │ answers carry "close"       │ sockets are closed, each at │ no new connections;
//!    │ everything is served        │ a moment of its own         │ what runs is finished
//!    ▼─────────────────────────────▼─────────────────────────────▼──────────▶
//! ```
//!
//! New WebSockets are accepted until the end: a balancer that has not noticed yet sends
//! them here, and a refusal would be an error that somebody sees. It costs them one
//! more reconnection, which clients are made for.

use axum::extract::{Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode, Version};
use axum::middleware::Next;
use axum::response::Response;
use metrics::gauge;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::SetOnce;
use tokio::time::{Instant, sleep_until};

/// Whether a server is leaving, and until when. Its clones know the same.
#[derive(Clone, Default)]
pub struct Draining {
    farewells: Arc<SetOnce<Farewells>>,
}

/// When connections that stay open by their nature are closed.
#[derive(Clone, Copy, Debug)]
struct Farewells {
    from: Instant,
    until: Instant,
}

impl Draining {
    /// Begins, with this much time until no new connections are taken. Once begun it
    /// goes on as it was begun.
    pub fn begin(&self, delay: Duration) {
        // Fails only if it has begun.
        let _ = self.farewells.set(Farewells::within(Instant::now(), delay));
        gauge!("usher_draining").set(1.0);
    }

    /// Whether load balancers are to send nobody here any more.
    pub fn has_begun(&self) -> bool {
        self.farewells.initialized()
    }

    /// Resolves when one connection that stays open is to be closed, such as a WebSocket
    /// or a stream of events. Each call is for one connection and has its own moment:
    /// ten thousand that were closed at once would all come back at once.
    pub async fn time_to_go(self) {
        let farewells = *self.farewells.wait().await;
        let moment = farewells.moment(Instant::now(), rand::random());
        sleep_until(moment).await;
    }
}

impl Farewells {
    /// In the second half: by then balancers should have noticed, so that who comes
    /// back comes back to another server.
    fn within(now: Instant, delay: Duration) -> Self {
        Self {
            from: now + delay / 2,
            until: now + delay,
        }
    }

    /// The moment for a connection that is there now, at this share of the time that is left.
    fn moment(self, now: Instant, share: f32) -> Instant {
        let from = self.from.max(now);
        from + self.until.saturating_duration_since(from).mul_f32(share)
    }
}

/// Has a client that keeps its connection open, or a proxy, send its next request
/// somewhere else. When no more connections are taken, idle ones are closed without a
/// word, and a request that is just being sent there is lost: nobody can tell whether it
/// was done. So they are told before, while there is an answer to tell it with.
pub async fn part_ways(State(draining): State<Draining>, request: Request, next: Next) -> Response {
    // Later versions have no such header.
    let has_the_header = request.version() <= Version::HTTP_11;
    let mut response = next.run(request).await;
    let becomes_a_socket = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if draining.has_begun() && has_the_header && !becomes_a_socket {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn connections_are_closed_throughout_the_second_half() {
        let now = Instant::now();
        let farewells = Farewells::within(now, Duration::from_secs(10));
        let after = |seconds: u64, share| {
            let moment = farewells.moment(now + Duration::from_secs(seconds), share);
            (moment - now).as_secs_f32()
        };
        let close = |left: f32, right: f32| (left - right).abs() < 0.01;
        assert!(close(after(0, 0.0), 5.0));
        assert!(close(after(0, 0.5), 7.5));
        assert!(close(after(0, 1.0), 10.0));
        // Who came late is not closed before they have come.
        assert!(close(after(8, 0.0), 8.0));
        assert!(close(after(8, 0.5), 9.0));
        assert!(close(after(12, 0.5), 12.0));
    }

    #[test]
    fn without_a_delay_all_are_closed_at_once() {
        let now = Instant::now();
        let farewells = Farewells::within(now, Duration::ZERO);
        assert_eq!(farewells.moment(now, 0.7), now);
    }

    #[tokio::test]
    async fn nobody_is_sent_away_before_it_has_begun_nor_in_its_first_half() {
        let draining = Draining::default();
        assert!(!draining.has_begun());
        assert!(draining.clone().time_to_go().now_or_never().is_none());
        draining.begin(Duration::from_hours(1));
        assert!(draining.has_begun());
        assert!(draining.clone().time_to_go().now_or_never().is_none());
        // A second beginning changes nothing.
        draining.begin(Duration::ZERO);
        assert!(draining.time_to_go().now_or_never().is_none());

        let at_once = Draining::default();
        let watcher = tokio::spawn(at_once.clone().time_to_go());
        at_once.begin(Duration::ZERO);
        watcher.await.unwrap();
    }
}
