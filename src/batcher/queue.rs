//! The commands that wait for a lane: bounded, and fair among events.

use crate::domain::batch::{Load, Member};
use crate::model::ids::EventId;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// A command that waits.
pub(super) struct Waiting {
    member: Box<dyn Member>,
    /// Whether it was taken on before: its caller waits for it to the end.
    is_taken_on: bool,
    /// The place that it takes up among all who wait.
    _place: Option<OwnedSemaphorePermit>,
}

/// The commands of one lane. Events take turns: one of whom thousands are waited for does not
/// keep another one waiting. Those of one event keep their order.
#[derive(Default)]
pub(super) struct Queue {
    line: Mutex<Line>,
    arrived: Notify,
}

#[derive(Default)]
struct Line {
    waiting: HashMap<Option<EventId>, VecDeque<Waiting>>,
    /// The events that somebody waits for, the next one first.
    turns: VecDeque<Option<EventId>>,
    length: usize,
}

/// How much one batch takes on: so many commands, about [`MAX_SEATS`] seats, and
/// [`MAX_HOUSES`] houses to search.
pub(super) struct Room {
    commands: usize,
    seats: usize,
    houses: Vec<EventId>,
    is_empty: bool,
}

/// Seats that the commands of a batch are about, at most: what is read and decided takes a
/// few milliseconds.
const MAX_SEATS: usize = 2_000;
/// Events of which one batch reads all seats that may be taken.
const MAX_HOUSES: usize = 2;

impl Waiting {
    /// One that has just come.
    pub(super) fn new(member: Box<dyn Member>, place: OwnedSemaphorePermit) -> Self {
        Self {
            member,
            is_taken_on: false,
            _place: Some(place),
        }
    }

    /// One that was in a batch, and is to be in the next one.
    pub(super) fn again(member: Box<dyn Member>) -> Self {
        Self {
            member,
            is_taken_on: true,
            _place: None,
        }
    }

    pub(super) fn event(&self) -> Option<EventId> {
        self.member.event()
    }
}

impl Room {
    pub(super) fn new(commands: usize) -> Self {
        Self {
            commands,
            seats: MAX_SEATS,
            houses: Vec::new(),
            is_empty: true,
        }
    }

    /// Whether there is room for this one too: it is taken up. Into an empty batch anything goes.
    fn admits(&mut self, Load { seats, searched }: Load) -> bool {
        let house = searched.filter(|event| !self.houses.contains(event));
        let has_room = self.commands > 0
            && seats <= self.seats
            && (house.is_none() || self.houses.len() < MAX_HOUSES);
        if !has_room && !self.is_empty {
            return false;
        }
        self.is_empty = false;
        self.commands = self.commands.saturating_sub(1);
        self.seats = self.seats.saturating_sub(seats);
        self.houses.extend(house);
        true
    }
}

impl Queue {
    /// Puts a command at the end.
    pub(super) fn push(&self, waiting: Waiting) {
        self.line().enter(waiting, VecDeque::push_back);
        self.arrived.notify_one();
    }

    /// Puts a command back that was taken, before all others of its event.
    pub(super) fn put_back(&self, waiting: Waiting) {
        self.line().enter(waiting, VecDeque::push_front);
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

    /// Takes as many commands as there is room for, whose callers have not gone away.
    pub(super) fn take(&self, mut room: Room) -> Vec<Box<dyn Member>> {
        let mut taken = Vec::new();
        let mut line = self.line();
        while let Some(waiting) = line.next_if(|waiting| room.admits(waiting.member.load())) {
            if waiting.is_taken_on || waiting.member.take_on() {
                taken.push(waiting.member);
            }
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

    fn next_if(&mut self, is_wanted: impl FnOnce(&Waiting) -> bool) -> Option<Waiting> {
        let event = *self.turns.front()?;
        let of_event = self.waiting.get_mut(&event)?;
        if !is_wanted(of_event.front()?) {
            return None;
        }
        let next = of_event.pop_front()?;
        self.turns.pop_front();
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
    use crate::domain::DomainError;
    use crate::domain::batch::{FirstReading, Ledger, Needs, Standing};
    use crate::domain::conflict::SeatConflict;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    #[derive(Clone, Copy)]
    struct Named {
        event: i64,
        load: Load,
        is_gone: bool,
    }

    impl Member for Named {
        fn event(&self) -> Option<EventId> {
            Some(EventId(self.event))
        }

        fn load(&self) -> Load {
            self.load
        }

        fn take_on(&self) -> bool {
            !self.is_gone
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

        fn has_failed(&self) -> bool {
            false
        }

        fn answer(self: Box<Self>) {}
    }

    /// One for a single seat of this event.
    fn of(event: i64) -> Named {
        Named {
            event,
            load: Load {
                seats: 1,
                searched: None,
            },
            is_gone: false,
        }
    }

    fn seats(event: i64, seats: usize) -> Named {
        let searched = None;
        Named {
            load: Load { seats, searched },
            ..of(event)
        }
    }

    fn search(event: i64) -> Named {
        let searched = Some(EventId(event));
        Named {
            load: Load { seats: 1, searched },
            ..of(event)
        }
    }

    fn waiting(member: Named) -> Waiting {
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        Waiting::new(Box::new(member), place)
    }

    fn queue(members: impl IntoIterator<Item = Named>) -> Queue {
        let queue = Queue::default();
        for member in members {
            queue.push(waiting(member));
        }
        queue
    }

    fn take(queue: &Queue, commands: usize) -> Vec<i64> {
        let taken = queue.take(Room::new(commands));
        let events = taken.iter().filter_map(|member| member.event());
        events.map(|event| event.0).collect()
    }

    #[test]
    fn an_event_that_thousands_wait_for_keeps_no_other_waiting() {
        let queue = queue([1; 1_000].into_iter().chain([2, 3, 2]).map(of));
        assert_eq!(take(&queue, 6), [1, 2, 3, 1, 2, 1]);
        assert_eq!(queue.length(), 997);
    }

    #[test]
    fn what_is_put_back_is_the_next_of_its_event_in_the_same_order() {
        let queue = queue([seats(1, 10), seats(1, 11), seats(1, 12)]);
        let mut taken = queue.take(Room::new(2));
        while let Some(member) = taken.pop() {
            queue.put_back(Waiting::again(member));
        }
        let all = queue.take(Room::new(3));
        let loads: Vec<usize> = all.iter().map(|member| member.load().seats).collect();
        assert_eq!(loads, [10, 11, 12]);
    }

    #[test]
    fn who_has_gone_is_left_out_unless_it_was_taken_on_before() {
        let gone = Named {
            is_gone: true,
            ..of(1)
        };
        let queue = queue([gone, of(2)]);
        queue.put_back(Waiting::again(Box::new(Named { event: 3, ..gone })));
        assert_eq!(take(&queue, 9), [2, 3]);
        assert_eq!(queue.length(), 0);
    }

    #[test]
    fn a_batch_takes_on_so_many_seats_and_houses_and_any_one_command() {
        let queue = queue([
            seats(1, MAX_SEATS - 1),
            of(1),
            of(1),
            seats(2, MAX_SEATS * 2),
            search(3),
            search(4),
            search(3),
            search(5),
        ]);
        assert_eq!(take(&queue, 9), [1]);
        assert_eq!(take(&queue, 9), [2]);
        assert_eq!(take(&queue, 9), [3, 4], "not the third house");
        assert_eq!(take(&queue, 9), [5, 1, 3, 1]);
        assert_eq!(queue.length(), 0);
    }

    #[test]
    fn a_place_is_free_again_when_its_command_is_taken() {
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).try_acquire_owned().unwrap();
        let queue = Queue::default();
        queue.push(Waiting::new(Box::new(of(1)), place));
        assert_eq!(places.available_permits(), 0);
        assert_eq!(take(&queue, 1), [1]);
        assert_eq!(places.available_permits(), 1);
    }
}
