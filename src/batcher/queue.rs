//! The commands that wait for a lane: bounded, and fair among events.

use crate::db::DatabaseUnavailable;
use crate::domain::DomainError;
use crate::domain::batch::Member;
use crate::model::ids::EventId;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A command that waits.
pub(super) struct Waiting {
    pub(super) member: Box<dyn Member>,
    since: Instant,
}

/// The commands of one lane. Events take turns: one of whom thousands are waited for does not
/// keep another one waiting. Those of one event keep their order.
pub(super) struct Queue {
    line: Mutex<Line>,
    capacity: usize,
    arrived: Notify,
}

#[derive(Default)]
struct Line {
    waiting: HashMap<Option<EventId>, VecDeque<Waiting>>,
    /// The events that somebody waits for, the next one first.
    turns: VecDeque<Option<EventId>>,
    length: usize,
}

impl Waiting {
    pub(super) fn new(member: Box<dyn Member>) -> Self {
        Self {
            member,
            since: Instant::now(),
        }
    }

    pub(super) fn event(&self) -> Option<EventId> {
        self.member.event()
    }
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            line: Mutex::default(),
            capacity,
            arrived: Notify::new(),
        }
    }

    /// Puts a command at the end.
    ///
    /// # Errors
    /// When too many wait already.
    pub(super) fn push(&self, waiting: Waiting) -> Result<(), DomainError> {
        let mut line = self.line();
        if line.length >= self.capacity {
            metrics::counter!("usher_batch_shed_total").increment(1);
            return Err(DomainError::Unavailable(DatabaseUnavailable::Busy));
        }
        line.enter(waiting, VecDeque::push_back);
        drop(line);
        self.arrived.notify_one();
        Ok(())
    }

    /// Puts commands back that were taken, before all others of their events.
    pub(super) fn put_back(&self, taken: impl DoubleEndedIterator<Item = Waiting>) {
        let mut line = self.line();
        for waiting in taken.rev() {
            line.enter(waiting, VecDeque::push_front);
        }
        drop(line);
        self.arrived.notify_one();
    }

    /// Resolves when somebody waits.
    pub(super) async fn is_wanted(&self) {
        while self.line().length == 0 {
            self.arrived.notified().await;
        }
    }

    /// Takes up to `limit` commands whose callers have not gone away. Those that have waited for
    /// longer than `patience` are answered that it took too long.
    pub(super) fn take(&self, limit: usize, patience: Duration) -> Vec<Waiting> {
        let mut taken = Vec::new();
        let mut line = self.line();
        let now = Instant::now();
        while taken.len() < limit
            && let Some(mut waiting) = line.next()
        {
            if waiting.member.is_abandoned() {
                continue;
            }
            if now.duration_since(waiting.since) > patience {
                metrics::counter!("usher_batch_shed_total").increment(1);
                let busy = DomainError::Unavailable(DatabaseUnavailable::Busy);
                waiting.member.fail(busy);
                waiting.member.answer();
                continue;
            }
            taken.push(waiting);
        }
        taken
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Nothing panics while it holds the lock, and the line is whole in any case.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn enter(&mut self, waiting: Waiting, put: fn(&mut VecDeque<Waiting>, Waiting)) {
        let event = waiting.event();
        let of_event = self.waiting.entry(event).or_default();
        if of_event.is_empty() {
            self.turns.push_back(event);
        }
        put(of_event, waiting);
        self.length += 1;
    }

    fn next(&mut self) -> Option<Waiting> {
        let event = self.turns.pop_front()?;
        let of_event = self.waiting.get_mut(&event)?;
        let next = of_event.pop_front()?;
        self.length -= 1;
        if of_event.is_empty() {
            self.waiting.remove(&event);
        } else {
            self.turns.push_back(event);
        }
        Some(next)
    }
}
