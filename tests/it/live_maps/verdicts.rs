//! The judge, judged: each rule has a watcher that breaks it, and one that breaks
//! none is acquitted.

use crate::live_maps::journal::{Journal, Known, Message, Position, Told};
use crate::live_maps::judge::{IN_TIME, Violation, judge};
use crate::live_maps::truth::{Change, Truth};
use std::time::{Duration, SystemTime};
use usher::model::status::SeatStatus;

const START: SystemTime = SystemTime::UNIX_EPOCH;

fn at(seconds: u64) -> SystemTime {
    START + Duration::from_secs(seconds)
}

fn position(transaction: u64, id: i64) -> Position {
    Position { transaction, id }
}

/// Odd versions are available, even ones are held.
fn status(version: i32) -> SeatStatus {
    if version % 2 == 1 {
        SeatStatus::Available
    } else {
        SeatStatus::Held
    }
}

fn told(seat: i32, version: i32) -> Told {
    Told {
        seat,
        version,
        status: status(version),
    }
}

/// Two seats. Transaction 10 took its place in the feed first and committed after
/// transaction 11: it had seat 0 before, and seat 1 after that one.
fn truth() -> Truth {
    let change = |transaction, id, seat, version, second| Change {
        position: position(transaction, id),
        seat,
        version,
        status: status(version),
        at: at(second),
    };
    let changes = vec![
        change(10, 1, 0, 2, 1),
        change(10, 3, 1, 3, 1),
        change(11, 2, 1, 2, 1),
        change(12, 4, 0, 3, 2),
    ];
    let seats = Known::from([(0, (3, status(3))), (1, (3, status(3)))]);
    Truth::new(changes, seats, Vec::new())
}

fn message(second: u64, position: Position, seats: &[Told]) -> Message {
    Message {
        at: at(second),
        snapshot: None,
        position,
        seats: seats.to_vec(),
    }
}

fn snapshot(second: u64, position: Position, seats: &[Told]) -> Message {
    Message {
        snapshot: Some("SUBSCRIBED".to_owned()),
        ..message(second, position, seats)
    }
}

/// A watcher that subscribed at 0 s, and resumed at 2 s before the last message.
fn journal(first: Vec<Message>, last: Message) -> Journal {
    let mut journal = Journal::default();
    journal.begin(None);
    let resumed_from = first.last().map(|message| message.position);
    journal.visits[0].began = at(0);
    for message in first {
        journal.tell(message);
    }
    journal.end();
    journal.visits[0].ended = Some(at(2));
    journal.begin(resumed_from);
    journal.visits[1].began = at(2);
    journal.tell(last);
    journal.end();
    journal.visits[1].ended = Some(at(3));
    journal
}

/// The snapshot, and what an honest server says after it.
fn honest() -> Vec<Message> {
    vec![
        snapshot(0, position(10, 0), &[told(0, 1), told(1, 1)]),
        message(2, position(11, 2), &[told(1, 3), told(0, 2)]),
    ]
}

fn last() -> Message {
    message(3, position(12, 4), &[told(0, 3)])
}

fn violations(first: Vec<Message>, last: Message) -> Vec<Violation> {
    judge(&journal(first, last), &truth()).violations
}

#[test]
fn a_watcher_that_was_told_everything_has_no_complaint() {
    let verdict = judge(&journal(honest(), last()), &truth());
    assert_eq!(verdict.violations, []);
    assert_eq!((verdict.messages, verdict.snapshots), (3, 1));
    assert_eq!(verdict.resumptions, 1);
    assert_eq!(verdict.slowest, Duration::from_secs(1));
}

#[test]
fn what_is_repeated_or_older_in_a_delta_is_no_harm() {
    let mut first = honest();
    first[0] = snapshot(0, position(10, 0), &[told(0, 2), told(1, 3)]);
    first[1].seats.push(told(1, 2));
    assert_eq!(violations(first, last()), []);
}

#[test]
fn a_gap_is_seen_when_its_cursor_is_passed_and_in_the_end() {
    let mut first = honest();
    // As the naive cursor has it: transaction 11 was there first.
    first[1] = message(2, position(11, 2), &[told(1, 2)]);
    let gap = |seat, version, known| Violation::Gap {
        cursor: position(11, 2),
        seat,
        version,
        known,
    };
    let end = Violation::WrongEnd {
        seat: 1,
        known: 2,
        version: 3,
    };
    assert_eq!(violations(first, last()), [gap(0, 2, 1), gap(1, 3, 2), end]);
}

#[test]
fn a_gap_that_a_newer_version_hides_later_is_seen_all_the_same() {
    let mut first = honest();
    first[1].seats.pop();
    let gap = Violation::Gap {
        cursor: position(11, 2),
        seat: 0,
        version: 2,
        known: 1,
    };
    assert_eq!(violations(first, last()), [gap]);
}

#[test]
fn a_snapshot_lacks_nothing_that_its_cursor_has_passed() {
    let mut first = honest();
    first[0].position = position(11, 2);
    let found = violations(first, last());
    let is_gap = |violation: &Violation| matches!(violation, Violation::Gap { .. });
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.iter().all(is_gap), "{found:?}");
}

#[test]
fn a_snapshot_takes_nothing_back() {
    let mut first = honest();
    first.push(snapshot(2, position(11, 2), &[told(0, 2), told(1, 2)]));
    let older = Violation::Older {
        seat: 1,
        version: 2,
        known: 3,
    };
    assert!(violations(first, last()).contains(&older));
}

#[test]
fn a_snapshot_has_every_seat() {
    let mut first = honest();
    first[0].seats.pop();
    let others = Violation::OtherSeats { told: 1 };
    assert_eq!(violations(first, last()), [others]);
}

#[test]
fn who_can_be_told_the_changes_gets_no_snapshot() {
    let last = snapshot(3, position(12, 4), &[told(0, 3), told(1, 3)]);
    let uncalled = Violation::UncalledSnapshot {
        reason: "SUBSCRIBED".to_owned(),
    };
    assert_eq!(violations(honest(), last), [uncalled]);
}

#[test]
fn a_cursor_never_goes_back() {
    let mut first = honest();
    first.push(message(2, position(10, 3), &[told(0, 2)]));
    let back = Violation::CursorWentBack {
        from: position(11, 2),
        to: position(10, 3),
    };
    assert_eq!(violations(first, last()), [back]);
}

#[test]
fn what_never_was_is_not_told() {
    let mut first = honest();
    first[1].seats[1].status = SeatStatus::Booked;
    let last = message(3, position(12, 4), &[told(0, 3), told(1, 4)]);
    let untrue = |seat, version| Violation::Untrue { seat, version };
    let end = Violation::WrongEnd {
        seat: 1,
        known: 4,
        version: 3,
    };
    assert_eq!(violations(first, last), [untrue(0, 2), untrue(1, 4), end]);
}

#[test]
fn what_comes_too_late_is_late_unless_it_could_not_come() {
    let late = IN_TIME + Duration::from_secs(3);
    let mut journal = journal(honest(), last());
    journal.visits[1].messages[0].at = START + late;
    journal.visits[1].ended = Some(START + late);
    let too_late = [Violation::Late {
        seat: 0,
        version: 3,
    }];
    let mut truth = truth();
    assert_eq!(judge(&journal, &truth).violations, too_late);
    truth.outages = vec![(at(1), at(10))];
    assert_eq!(judge(&journal, &truth).violations, []);

    // Never told while there was time, though after all of that.
    truth.outages.clear();
    let tardy = journal.visits[1].messages.pop();
    journal.begin(Some(position(11, 2)));
    journal.tell(tardy.unwrap());
    journal.visits[2].began = START + late;
    assert_eq!(judge(&journal, &truth).violations, too_late);
}
