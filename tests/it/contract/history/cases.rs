//! The checker itself: hand-made histories, right ones and for each rule one that
//! breaks it.

use super::{Call, Change, Done, History, Limits, Outcome, Owner, Rule, Sighting};

fn seen(seat: usize, version: i64, status: &str) -> Sighting {
    Sighting {
        seat,
        version,
        status: status.to_owned(),
    }
}

fn change(id: i64, seat: usize, version: i64, status: &str, owner: Option<&str>) -> Change {
    let cause = if status == "AVAILABLE" {
        "RELEASED"
    } else {
        status
    };
    Change {
        id,
        transaction: id.cast_unsigned(),
        seat,
        version,
        status: status.to_owned(),
        cause: cause.to_owned(),
        actor: "buyer:anna".to_owned(),
        owner: owner.map(str::to_owned),
        at: id * 10,
    }
}

/// The call that made this change, under way from 5 before it to 4 after it.
fn told(change: &Change, owner: &str) -> Call {
    let became = seen(change.seat, change.version, &change.status);
    Call {
        actor: change.actor.clone(),
        start: change.at - 5,
        end: change.at + 4,
        outcome: Outcome::Done(Done {
            transaction: change.transaction,
            owner: Some(owner.to_owned()),
            decided_on: vec![(change.seat, change.version - 1)],
            changed: vec![became],
            all: None,
            may_be_again: false,
        }),
    }
}

fn call(start: i64, end: i64, outcome: Outcome) -> Call {
    Call {
        actor: "buyer:ben".to_owned(),
        start,
        end,
        outcome,
    }
}

fn conflict(expected: i64, now: Sighting) -> Outcome {
    Outcome::Conflict {
        wanted: "AVAILABLE",
        lost: vec![(expected, now)],
        alternatives: Vec::new(),
    }
}

fn owner(buyer: &str, live: Option<&[usize]>) -> Owner {
    Owner {
        buyer: Some(buyer.to_owned()),
        was_hold: None,
        is_booking: false,
        is_live: live.is_some(),
        seats: live.unwrap_or_default().to_vec(),
    }
}

/// Anna holds seat 7 at 10, gives it back at 20 and holds it again at 30.
fn right() -> History {
    let changes = vec![
        change(1, 7, 2, "HELD", Some("h1")),
        change(2, 7, 3, "AVAILABLE", None),
        change(3, 7, 4, "HELD", Some("h2")),
    ];
    let owners = [
        ("h1".to_owned(), owner("anna", None)),
        ("h2".to_owned(), owner("anna", Some(&[7]))),
    ];
    History {
        limits: Limits::default(),
        calls: ["h1", "h1", "h2"]
            .iter()
            .zip(&changes)
            .map(|(owner, change)| told(change, owner))
            .collect(),
        changes,
        lapses: Vec::new(),
        owners: owners.into(),
    }
}

fn broken(change: impl FnOnce(&mut History)) -> Vec<Rule> {
    let mut history = right();
    change(&mut history);
    history.broken_rules()
}

fn with(call: Call) -> Vec<Rule> {
    broken(|history| history.calls.push(call))
}

fn done(call: &mut Call) -> &mut Done {
    match &mut call.outcome {
        Outcome::Done(done) => done,
        other => panic!("not done: {other:?}"),
    }
}

#[test]
fn what_is_right_breaks_no_rule() {
    assert_eq!(right().violations(), []);
    assert_eq!(History::default().violations(), []);
}

#[test]
fn versions_have_no_hole_and_none_comes_twice() {
    assert!(broken(|history| drop(history.changes.remove(1))).contains(&Rule::Versions));
    assert!(broken(|history| history.changes[2].version = 3).contains(&Rule::Versions));
}

#[test]
fn every_success_has_its_changes_and_every_change_its_success() {
    let only = [Rule::Explained];
    // Nobody was told of the second hold, or somebody of what never was.
    assert_eq!(broken(|history| drop(history.calls.pop())), only);
    let nothing = |history: &mut History| done(&mut history.calls[2]).transaction = 9;
    assert_eq!(broken(nothing), only);
    // Two were told of the same hold.
    let twice = |history: &mut History| history.calls.push(history.calls[2].clone());
    assert_eq!(broken(twice), only);
    // The feed names somebody else, another owner, or a time when nobody called.
    let another = |history: &mut History| history.calls[2].actor = "buyer:ben".to_owned();
    assert_eq!(broken(another), only);
    let owner = |history: &mut History| done(&mut history.calls[2]).owner = Some("h1".to_owned());
    assert_eq!(broken(owner), only);
    let late = |history: &mut History| history.calls[2].start = 31;
    assert_eq!(broken(late), only);
}

#[test]
fn a_decision_makes_the_next_version() {
    let old = |history: &mut History| done(&mut history.calls[2]).decided_on = vec![(7, 1)];
    assert_eq!(broken(old), [Rule::Decided]);
}

#[test]
fn nobody_loses_a_seat_but_by_giving_it_up() {
    let taken = |history: &mut History| {
        let by_ben = change(4, 7, 5, "HELD", Some("h3"));
        history.calls.push(told(&by_ben, "h3"));
        history.changes.push(by_ben);
        history
            .owners
            .insert("h3".to_owned(), owner("ben", Some(&[7])));
        history.owners.insert("h2".to_owned(), owner("anna", None));
    };
    assert_eq!(broken(taken), [Rule::Taken]);
    let lapsed = |history: &mut History| {
        taken(history);
        history.lapses.push((3, "h2".to_owned()));
    };
    assert_eq!(broken(lapsed), []);
    // The sweeper ends what has lapsed, and nothing else.
    let swept = |history: &mut History| {
        let mut swept = change(4, 7, 5, "AVAILABLE", None);
        swept.actor = "system:sweeper".to_owned();
        swept.cause = "LAPSED".to_owned();
        history.changes.push(swept);
        history.owners.insert("h2".to_owned(), owner("anna", None));
    };
    assert_eq!(broken(swept), [Rule::Taken]);
    let lapsed = |history: &mut History| {
        swept(history);
        history.lapses.push((3, "h2".to_owned()));
    };
    assert_eq!(broken(lapsed), []);
}

#[test]
fn what_is_said_was_so_while_it_was_asked() {
    // Version 2 was there from some time from 10 to 14 on, and version 3 from some
    // time from 20 to 24 on.
    let held = || conflict(1, seen(7, 2, "HELD"));
    assert_eq!(with(call(1, 11, held())), []);
    assert_eq!(with(call(24, 28, held())), []);
    assert_eq!(with(call(1, 9, held())), [Rule::Seen], "not yet");
    assert_eq!(with(call(25, 28, held())), [Rule::Seen], "no more");
    // It never was so.
    let sold = conflict(1, seen(7, 2, "BOOKED"));
    assert_eq!(with(call(1, 40, sold)), [Rule::Seen]);
    let future = conflict(1, seen(7, 5, "AVAILABLE"));
    assert_eq!(with(call(1, 40, future)), [Rule::Seen]);
    // Alternatives and what a refusal shows are said as well.
    let offered = Outcome::Conflict {
        wanted: "AVAILABLE",
        lost: vec![(1, seen(7, 4, "HELD"))],
        alternatives: vec![seen(8, 2, "AVAILABLE")],
    };
    assert_eq!(with(call(1, 40, offered)), [Rule::Seen]);
    let shown = Outcome::Unchanged {
        shown: vec![seen(7, 1, "AVAILABLE")],
    };
    assert_eq!(with(call(15, 16, shown)), [Rule::Seen]);
}

#[test]
fn nobody_is_told_something_older_than_was_told_before() {
    // Both may be true of version 3 alone, which came between 20 and 24.
    let back = || conflict(1, seen(7, 3, "AVAILABLE"));
    let held = || conflict(1, seen(7, 2, "HELD"));
    assert_eq!(with(call(15, 21, back())), []);
    assert_eq!(with(call(22, 23, held())), []);
    let both = |history: &mut History| {
        history.calls.push(call(15, 21, back()));
        history.calls.push(call(22, 23, held()));
    };
    assert_eq!(broken(both), [Rule::Seen]);
}

#[test]
fn a_conflict_is_one() {
    let none = conflict(3, seen(7, 3, "AVAILABLE"));
    assert_eq!(with(call(18, 28, none)), [Rule::Lost]);
    let nothing = Outcome::Conflict {
        wanted: "AVAILABLE",
        lost: Vec::new(),
        alternatives: Vec::new(),
    };
    assert_eq!(with(call(1, 2, nothing)), [Rule::Lost]);
}

#[test]
fn nobody_ever_has_more_than_the_limits() {
    let second = |history: &mut History| {
        let more = change(4, 8, 2, "HELD", Some("h3"));
        history.calls.push(told(&more, "h3"));
        history.changes.push(more);
        let live = owner("anna", Some(&[8]));
        history.owners.insert("h3".to_owned(), live);
    };
    assert_eq!(broken(second), []);
    for (seats_per_hold, seats_per_buyer, holds_per_buyer) in [(0, 9, 9), (9, 1, 9), (9, 9, 1)] {
        let limited = |history: &mut History| {
            second(history);
            history.limits = Limits {
                seats_per_hold,
                seats_per_buyer,
                holds_per_buyer,
            };
        };
        assert_eq!(broken(limited), [Rule::Limits]);
    }
}

#[test]
fn a_hold_has_the_seats_that_are_said() {
    let all = |seats: &[usize]| {
        let all: Vec<_> = seats
            .iter()
            .map(|seat| {
                if *seat == 7 {
                    seen(7, 4, "HELD")
                } else {
                    seen(*seat, 1, "AVAILABLE")
                }
            })
            .collect();
        broken(move |history| done(&mut history.calls[2]).all = Some(all))
    };
    assert_eq!(all(&[7]), []);
    assert_eq!(all(&[7, 8]), [Rule::Owned]);
    let ended = |history: &mut History| {
        history.owners.insert("h2".to_owned(), owner("anna", None));
    };
    assert_eq!(broken(ended), [Rule::Owned], "it has a seat and is over");
    let more = |history: &mut History| {
        let live = owner("anna", Some(&[7, 8]));
        history.owners.insert("h2".to_owned(), live);
    };
    assert_eq!(broken(more), [Rule::Owned], "it lacks a seat");
    let unknown = |history: &mut History| drop(history.owners.remove("h2"));
    assert_eq!(broken(unknown), [Rule::Owned]);
}
