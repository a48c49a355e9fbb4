//! Holds that have changed in a way that their seats do not tell of: extended, or grown.
//!
//! Only hints, here and from process to process: whoever watches a hold looks at it again.
//! One that is lost because its process died costs nothing but that a countdown is corrected
//! only at its end.

use crate::model::ids::HoldId;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// How many hints a watcher may be behind; then it takes it that its own was among them.
const BACKLOG: usize = 256;
/// Ids in one notification: its payload must be shorter than 8,000 bytes.
const BATCH: usize = 200;

/// What was announced here, and what others have announced.
pub(super) struct HoldAnnouncements {
    heard: broadcast::Sender<Hint>,
    to_announce: Mutex<Vec<HoldId>>,
}

/// Which hold may have changed.
#[derive(Clone, Copy)]
enum Hint {
    This(HoldId),
    /// Some hints may have been lost.
    Any,
}

/// Hears of holds that have changed.
pub struct HoldNews(broadcast::Receiver<Hint>);

impl Default for HoldAnnouncements {
    fn default() -> Self {
        Self {
            heard: broadcast::Sender::new(BACKLOG),
            to_announce: Mutex::default(),
        }
    }
}

impl HoldAnnouncements {
    /// A hold was changed in this process.
    pub(super) fn announce(&self, hold: HoldId) {
        self.hear(Hint::This(hold));
        self.waiting().push(hold);
    }

    /// The payload of the notification that is due for other processes, if one is, and how
    /// many holds it names.
    pub(super) fn payload(&self) -> Option<(String, usize)> {
        let waiting = self.waiting();
        let ids: Vec<String> = waiting.iter().take(BATCH).map(HoldId::to_string).collect();
        (!ids.is_empty()).then(|| (ids.join(","), ids.len()))
    }

    /// The first so many have been announced.
    pub(super) fn forget(&self, announced: usize) {
        self.waiting().drain(..announced);
    }

    /// What the payload of a notification says.
    pub(super) fn hear_payload(&self, payload: &str) {
        // Anybody may send a notification: what is no id is nobody's.
        for id in payload.split(',').filter_map(|id| id.parse().ok()) {
            self.hear(Hint::This(HoldId(id)));
        }
    }

    /// Notifications may have been missed.
    pub(super) fn hear_of_a_gap(&self) {
        self.hear(Hint::Any);
    }

    /// The news from now on.
    pub(super) fn subscribe(&self) -> HoldNews {
        HoldNews(self.heard.subscribe())
    }

    fn hear(&self, hint: Hint) {
        // An error only says that nobody listens.
        let _ = self.heard.send(hint);
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<HoldId>> {
        self.to_announce
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl HoldNews {
    /// Waits until this hold may have changed.
    pub async fn of(&mut self, hold: HoldId) {
        loop {
            match self.0.recv().await {
                Ok(Hint::This(heard)) if heard != hold => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                // The sender lives as long as the feed does.
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hold_is_heard_of_here_and_elsewhere() {
        let (here, elsewhere) = (HoldAnnouncements::default(), HoldAnnouncements::default());
        let holds: Vec<HoldId> = (0..=BATCH).map(|_| HoldId::generate()).collect();
        let mut news = elsewhere.subscribe();
        let mut own = here.subscribe();
        here.announce(holds[0]);
        own.of(holds[0]).await;
        for hold in &holds[1..] {
            here.announce(*hold);
        }
        let mut sizes = Vec::new();
        while let Some((payload, count)) = here.payload() {
            assert!(payload.len() < 8_000);
            elsewhere.hear_payload(&payload);
            here.forget(count);
            sizes.push(count);
        }
        assert_eq!(sizes, [BATCH, 1]);
        news.of(holds[BATCH]).await;
        elsewhere.hear_payload("not an id,,");
        elsewhere.hear_of_a_gap();
        news.of(holds[0]).await;
    }
}
