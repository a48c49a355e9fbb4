//! The rules that every watcher relies on, and a judge who compares what one was
//! told with what the database says was so.
//!
//! The promise of a cursor is the heart of it: whoever has applied everything up to a
//! cursor knows of every change before it, or of a newer one of the same seat. So after
//! each message the changes that its cursor has passed are looked up, and a gap is seen
//! when it is made and not only if it shows in the end.
//!
//! A delta may repeat what is known, and may even have a version that is older than
//! the known one (a snapshot is newer than its cursor, and two transactions may come in
//! the other order than they had the seat in): the newest version wins, and what a
//! client shows never goes back. What a snapshot has is taken as it is, so it must not.

use crate::live_maps::journal::{Journal, Known, Message, Position, Visit};
use crate::live_maps::truth::Truth;
use std::time::Duration;
use usher::model::ids::SeatNo;

/// How long a change may take to reach a watcher that is there: far longer than it
/// ever takes, when nothing holds it back.
pub const IN_TIME: Duration = Duration::from_secs(30);

/// A rule that was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A seat never was what the watcher was told.
    Untrue { seat: SeatNo, version: i32 },
    /// The cursor says that this change was told, and it was not.
    Gap {
        cursor: Position,
        seat: SeatNo,
        version: i32,
        known: i32,
    },
    /// A snapshot takes back what was known.
    Older {
        seat: SeatNo,
        version: i32,
        known: i32,
    },
    /// A cursor lies before the one that came before it.
    CursorWentBack { from: Position, to: Position },
    /// A snapshot has other seats than the event.
    OtherSeats { told: usize },
    /// The cursor that was brought could have been resumed from.
    UncalledSnapshot { reason: String },
    /// A change was not told in time, or not at all while there was time.
    Late { seat: SeatNo, version: i32 },
    /// In the end the watcher believes something else than the database.
    WrongEnd {
        seat: SeatNo,
        known: i32,
        version: i32,
    },
}

/// What the rules say about one watcher.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub violations: Vec<Violation>,
    pub messages: usize,
    pub snapshots: usize,
    pub resumptions: usize,
    /// The longest that a change took from when it could be told.
    pub slowest: Duration,
}

/// Judges a watcher that was there until it had heard everything.
pub fn judge(journal: &Journal, truth: &Truth) -> Verdict {
    let mut trial = Trial {
        truth,
        known: Known::new(),
        position: None,
        verdict: Verdict::default(),
    };
    for visit in &journal.visits {
        trial.hear_visit(visit);
    }
    trial.compare_the_end();
    trial.verdict
}

struct Trial<'truth> {
    truth: &'truth Truth,
    known: Known,
    position: Option<Position>,
    verdict: Verdict,
}

impl Trial<'_> {
    fn hear_visit(&mut self, visit: &Visit) {
        match visit.resumed_from {
            None => {
                self.known.clear();
                self.position = None;
            }
            Some(_) if visit.messages.is_empty() => {}
            Some(_) => self.verdict.resumptions += 1,
        }
        for (number, message) in visit.messages.iter().enumerate() {
            let is_first = number == 0;
            if let Some(reason) = &message.snapshot
                && is_first
                && visit.resumed_from.is_some()
            {
                let reason = reason.clone();
                self.blame(Violation::UncalledSnapshot { reason });
            }
            self.hear(visit, message);
        }
        self.find_what_was_not_told(visit);
    }

    fn hear(&mut self, visit: &Visit, message: &Message) {
        self.verdict.messages += 1;
        if message.snapshot.is_some() {
            self.verdict.snapshots += 1;
            self.examine_snapshot(message);
        } else {
            self.measure(visit, message);
        }
        for told in &message.seats {
            if self.truth.status(told.seat, told.version) != Some(told.status) {
                self.blame(Violation::Untrue {
                    seat: told.seat,
                    version: told.version,
                });
            }
        }
        if let Some(from) = self.position
            && message.position < from
        {
            let to = message.position;
            self.blame(Violation::CursorWentBack { from, to });
        }
        message.apply(&mut self.known);
        let seen = self.position.filter(|_| message.snapshot.is_none());
        for change in self.truth.between(seen, message.position) {
            let known = self.version(change.seat);
            if known < change.version {
                self.blame(Violation::Gap {
                    cursor: message.position,
                    seat: change.seat,
                    version: change.version,
                    known,
                });
            }
        }
        self.position = Some(message.position);
    }

    fn examine_snapshot(&mut self, message: &Message) {
        let mut seats: Vec<_> = message.seats.iter().map(|told| told.seat).collect();
        seats.sort_unstable();
        if !seats.iter().eq(self.truth.seats.keys()) {
            self.blame(Violation::OtherSeats { told: seats.len() });
        }
        for told in &message.seats {
            let known = self.version(told.seat);
            if told.version < known {
                self.blame(Violation::Older {
                    seat: told.seat,
                    version: told.version,
                    known,
                });
            }
        }
    }

    /// How long what is new took to arrive.
    fn measure(&mut self, visit: &Visit, message: &Message) {
        for told in &message.seats {
            if told.version <= self.version(told.seat) {
                continue;
            }
            let Some(change) = self.truth.change(told.seat, told.version) else {
                continue;
            };
            let from = self.truth.could_be_told(change.at, visit.began, message.at);
            let took = message.at.duration_since(from).unwrap_or_default();
            self.verdict.slowest = self.verdict.slowest.max(took);
            if took > IN_TIME {
                self.blame(Violation::Late {
                    seat: told.seat,
                    version: told.version,
                });
            }
        }
    }

    fn find_what_was_not_told(&mut self, visit: &Visit) {
        let Some(ended) = visit.ended else {
            return;
        };
        let stood = ended.duration_since(visit.began).unwrap_or_default();
        if stood < IN_TIME {
            return;
        }
        for change in &self.truth.changes {
            let from = self.truth.could_be_told(change.at, visit.began, ended);
            let since = ended.duration_since(from).unwrap_or_default();
            if since > IN_TIME && self.version(change.seat) < change.version {
                self.blame(Violation::Late {
                    seat: change.seat,
                    version: change.version,
                });
            }
        }
    }

    fn compare_the_end(&mut self) {
        for (seat, (version, _)) in &self.truth.seats {
            let known = self.version(*seat);
            if known != *version {
                self.blame(Violation::WrongEnd {
                    seat: *seat,
                    known,
                    version: *version,
                });
            }
        }
    }

    fn version(&self, seat: SeatNo) -> i32 {
        self.known.get(&seat).map_or(0, |(version, _)| *version)
    }

    fn blame(&mut self, violation: Violation) {
        self.verdict.violations.push(violation);
    }
}
