//! What the tests are written with: a house with an event in it, and the people
//! who come to it.

pub mod actor;
pub mod certificates;
pub mod checks;
pub mod cluster;
pub mod compact;
pub mod cut;
pub mod demo;
pub mod digest;
pub mod encoded;
pub mod event_stream;
pub mod gate;
pub mod house;
pub mod keys;
pub mod lock;
pub mod node;
pub mod peer;
pub mod program;
pub mod proxy;
pub mod redis;
pub mod rules;
pub mod slow_hold;
pub mod tcp_postgres;
pub mod tokens;
pub mod watcher;

pub use actor::Answer;
pub use house::{Event, House, Seat};

use std::time::Duration;
use usher::config::Concurrency;

/// Asks until there is an answer: in a crowd SERIALIZABLE transactions, and only these, are in
/// each other's way so much that the database sends one back until usher tells its caller to
/// try again.
pub async fn insist(ask: impl AsyncFn() -> Answer) -> Answer {
    loop {
        let answer = ask().await;
        if answer.0["errors"][0]["extensions"]["code"] != "CONTENDED" {
            return answer;
        }
        assert_eq!(
            house::concurrency(),
            Concurrency::Serializable,
            "{}",
            answer.0
        );
    }
}

/// How long a condition may take to become true before a test gives up: far
/// longer than it ever takes.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until `condition` answers something, asking again and again, and not
/// so often that the asking slows down what is waited for.
pub async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        let mut again = tokio::time::interval(Duration::from_millis(5));
        loop {
            again.tick().await;
            if let Some(found) = condition().await {
                return found;
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, asking).await;
    found.unwrap_or_else(|_| panic!("waited in vain until {what}"))
}
