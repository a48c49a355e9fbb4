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

    /// How many wait.
    pub(super) fn length(&self) -> usize {
        self.line().length
    }

    /// Resolves when somebody waits.
    pub(super) async fn is_wanted(&self) {
        while self.length() == 0 {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::batch::{FirstReading, Ledger, Needs, Standing};
    use crate::domain::conflict::SeatConflict;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    struct Named {
        event: Option<EventId>,
        is_abandoned: bool,
        is_answered: Arc<AtomicBool>,
    }

    impl Member for Named {
        fn event(&self) -> Option<EventId> {
            self.event
        }

        fn needs(&self, _: &mut Needs) {}

        fn needs_then(&self, _: &FirstReading, _: &mut Needs) {}

        fn begin_try(&mut self) {}

        fn decide(&mut self, _: &mut Ledger, _: bool) {}

        fn standing(&self) -> Standing {
            Standing::Decided
        }

        fn conflict(&mut self) -> Option<&mut SeatConflict> {
            None
        }

        fn fail(&mut self, _: DomainError) {}

        fn answer(self: Box<Self>) {
            self.is_answered.store(true, Ordering::SeqCst);
        }

        fn is_abandoned(&self) -> bool {
            self.is_abandoned
        }
    }

    fn of(event: i64) -> Waiting {
        Waiting::new(Box::new(Named {
            event: Some(EventId(event)),
            is_abandoned: false,
            is_answered: Arc::default(),
        }))
    }

    fn events(taken: &[Waiting]) -> Vec<i64> {
        let events = taken.iter().filter_map(Waiting::event);
        events.map(|event| event.0).collect()
    }

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn an_event_that_thousands_wait_for_keeps_no_other_waiting() {
        let queue = Queue::new(2_000);
        for _ in 0..1_000 {
            queue.push(of(1)).unwrap();
        }
        for event in [2, 3, 2] {
            queue.push(of(event)).unwrap();
        }
        assert_eq!(events(&queue.take(6, LONG)), [1, 2, 3, 1, 2, 1]);
        assert_eq!(queue.length(), 997);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_put_back_is_the_next_of_its_event_in_the_same_order() {
        let queue = Queue::new(10);
        let kept: Vec<Arc<AtomicBool>> = (0..3).map(|_| Arc::default()).collect();
        for is_answered in &kept {
            let member = Named {
                event: Some(EventId(1)),
                is_abandoned: false,
                is_answered: Arc::clone(is_answered),
            };
            queue.push(Waiting::new(Box::new(member))).unwrap();
        }
        let taken = queue.take(2, LONG);
        queue.put_back(taken.into_iter());
        for place in 0..3 {
            let next = queue.take(1, LONG);
            for waiting in next {
                waiting.member.answer();
            }
            let answered: Vec<bool> = kept.iter().map(|one| one.load(Ordering::SeqCst)).collect();
            assert_eq!(answered, [true, place > 0, place > 1]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_takes_nobody_and_those_who_left_make_room() {
        let queue = Queue::new(2);
        let gone = Named {
            event: None,
            is_abandoned: true,
            is_answered: Arc::default(),
        };
        queue.push(Waiting::new(Box::new(gone))).unwrap();
        queue.push(of(1)).unwrap();
        assert!(matches!(
            queue.push(of(1)),
            Err(DomainError::Unavailable(DatabaseUnavailable::Busy))
        ));
        assert_eq!(events(&queue.take(2, LONG)), [1]);
        assert!(queue.push(of(1)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_for_too_long_is_told_so() {
        let queue = Queue::new(2);
        let is_answered = Arc::<AtomicBool>::default();
        let member = Named {
            event: None,
            is_abandoned: false,
            is_answered: Arc::clone(&is_answered),
        };
        queue.push(Waiting::new(Box::new(member))).unwrap();
        tokio::time::advance(LONG * 2).await;
        queue.push(of(1)).unwrap();
        assert_eq!(events(&queue.take(2, LONG)), [1]);
        assert!(is_answered.load(Ordering::SeqCst));
    }
}
