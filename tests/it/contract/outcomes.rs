//! What an answer says, as a history remembers it.

use super::calls::Mutation;
use super::history::{Done, Outcome, Sighting};
use serde_json::Value;
use usher::model::cursor::Cursor;
use usher::model::global_id::GlobalId;
use usher::model::token::HoldToken;

/// What an answer says.
pub fn outcome(mutation: Mutation, input: &Value, answer: &Value) -> Outcome {
    match answer["__typename"].as_str() {
        Some("SeatsHeld") => {
            let all = sightings(&answer["hold"]["seats"]);
            let asked = decided_on(&input["seats"]);
            // What the server picks goes into a new hold: all of its seats.
            let is_picked = mutation == Mutation::HoldBestAvailable;
            let is_asked =
                |seen: &Sighting| is_picked || asked.iter().any(|(seat, _)| *seat == seen.seat);
            let changed = all.iter().filter(|seen| is_asked(seen)).cloned();
            Outcome::Done(Done {
                owner: uuid_of(&answer["hold"]["id"]),
                changed: changed.collect(),
                decided_on: first_decision(&input["seats"], answer),
                all: Some(all),
                ..done(answer)
            })
        }
        Some("SeatsReleased") => Outcome::Done(Done {
            owner: hold_of(input["token"].as_str().unwrap()),
            changed: sightings(&answer["seats"]),
            all: Some(sightings(&answer["hold"]["seats"])),
            ..done(answer)
        }),
        Some("HoldConfirmed") => {
            let booking = &answer["booking"];
            Outcome::Done(Done {
                owner: uuid_of(&booking["id"]),
                changed: sightings(&booking["seats"]),
                all: seats_of(booking),
                may_be_again: true,
                ..done(answer)
            })
        }
        Some("SeatsExchanged") => {
            let of = ["hold", "booking"].map(|of| &answer[of]);
            let of = of.into_iter().find(|of| of.is_object()).unwrap();
            let mut changed = sightings(&answer["given"]);
            changed.extend(sightings(&answer["taken"]));
            Outcome::Done(Done {
                owner: uuid_of(&of["id"]),
                changed,
                decided_on: first_decision(&input["takeSeats"], answer),
                all: seats_of(of),
                ..done(answer)
            })
        }
        Some("BookingCancelled") => Outcome::Done(Done {
            owner: uuid_of(&answer["booking"]["id"]),
            changed: sightings(&answer["seats"]),
            all: seats_of(&answer["booking"]),
            ..done(answer)
        }),
        Some("SeatsBlocked" | "SeatsUnblocked") => Outcome::Done(Done {
            changed: sightings(&answer["seats"]),
            decided_on: first_decision(&input["seats"], answer),
            ..done(answer)
        }),
        Some("SeatsBooked") => Outcome::Done(Done {
            owner: uuid_of(&answer["booking"]["id"]),
            changed: sightings(&answer["booking"]["seats"]),
            decided_on: first_decision(&input["seats"], answer),
            all: seats_of(&answer["booking"]),
            ..done(answer)
        }),
        Some("SeatConflict") => {
            let wanted = match mutation {
                Mutation::UnblockSeats => "BLOCKED",
                _ => "AVAILABLE",
            };
            let lost = answer["conflicts"].as_array().unwrap().iter();
            let lost = lost.map(|lost| {
                let expected = lost["expectedVersion"].as_i64().unwrap();
                (expected, sighting(&lost["seat"]))
            });
            Outcome::Conflict {
                wanted,
                lost: lost.collect(),
                alternatives: sightings(&answer["alternatives"]),
            }
        }
        // A hold that was extended, or a refusal.
        Some(_) => {
            let mut shown = sightings(&answer["lost"]);
            shown.extend(sightings(&answer["hold"]["seats"]));
            Outcome::Unchanged { shown }
        }
        None => {
            let error = answer["error"].as_str().unwrap();
            let is_expected = ["BAD_USER_INPUT", "CONTENDED"].contains(&error);
            assert!(is_expected, "{input} is answered {answer}");
            Outcome::Unchanged { shown: Vec::new() }
        }
    }
}

/// What all that was done has in common.
fn done(answer: &Value) -> Done {
    Done {
        transaction: transaction(answer),
        owner: None,
        changed: Vec::new(),
        decided_on: Vec::new(),
        all: None,
        may_be_again: false,
    }
}

/// The seats that a hold has, or a booking that is not cancelled.
fn seats_of(owner: &Value) -> Option<Vec<Sighting>> {
    let is_cancelled = owner["status"] == "CANCELLED";
    (!is_cancelled).then(|| sightings(&owner["seats"]))
}

/// The versions that were decided on, unless they were outrun.
fn first_decision(seats: &Value, answer: &Value) -> Vec<(usize, i64)> {
    if answer["attempts"] == 1 {
        decided_on(seats)
    } else {
        Vec::new()
    }
}

/// The hold of a token.
pub fn hold_of(token: &str) -> Option<String> {
    let token: HoldToken = token.parse().ok()?;
    Some(token.hold.to_string())
}

fn transaction(answer: &Value) -> u64 {
    let cursor: Cursor = answer["cursor"].as_str().unwrap().parse().unwrap();
    cursor.transaction
}

fn uuid_of(id: &Value) -> Option<String> {
    match id.as_str()?.parse() {
        Ok(GlobalId::Hold(_, id)) => Some(id.to_string()),
        Ok(GlobalId::Booking(_, id)) => Some(id.to_string()),
        other => panic!("not the id of a hold or a booking: {other:?}"),
    }
}

fn seat_no(id: &Value) -> usize {
    match id.as_str().unwrap().parse() {
        Ok(GlobalId::Seat(_, seat)) => usize::try_from(seat).unwrap(),
        other => panic!("not the id of a seat: {other:?}"),
    }
}

fn sighting(seat: &Value) -> Sighting {
    Sighting {
        seat: seat_no(&seat["id"]),
        version: seat["version"].as_i64().unwrap(),
        status: seat["status"].as_str().unwrap().to_owned(),
    }
}

/// The seats of a list; none when there is no list.
fn sightings(seats: &Value) -> Vec<Sighting> {
    let seats = seats.as_array().into_iter().flatten();
    seats.map(sighting).collect()
}

fn decided_on(seats: &Value) -> Vec<(usize, i64)> {
    let seats = seats.as_array().into_iter().flatten();
    seats
        .map(|seat| (seat_no(&seat["seatId"]), seat["version"].as_i64().unwrap()))
        .collect()
}
