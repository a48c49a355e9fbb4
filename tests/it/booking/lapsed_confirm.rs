//! Confirming a hold whose time has passed: booked while all of its seats are
//! unclaimed, refused when one is not, and the same before and after the
//! sweeper has published that it lapsed.

use super::{AbsentSweeper, event_key, lapse, published, states, token_of};
use crate::support::actor::Actor;
use crate::support::checks::{self, assert_sound};
use crate::support::digest::Digest;
use crate::support::lock::Lock;
use crate::support::{Answer, Event, House, Seat};
use diesel_async::SimpleAsyncConnection;

/// When anna confirms: before the sweeper publishes that her hold lapsed, or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Before,
    After,
}

/// Anna's hold of the first three seats of four has lapsed.
struct Stage {
    house: House,
    event: Event,
    anna: Actor,
    token: String,
    sweeper: Option<AbsentSweeper>,
}

impl Stage {
    async fn new(asked: Asked) -> Self {
        let house = House::open().await;
        let event = house.event(1, 4).await;
        let anna = house.buyer("anna");
        let held = anna.hold(&event.id, &event.seats[..3]).await;
        let sweeper = match asked {
            Asked::Before => Some(AbsentSweeper::of(&house)),
            Asked::After => None,
        };
        lapse(&house, &held).await;
        if asked == Asked::After {
            published(&house).await;
        }
        let token = token_of(&held);
        Self {
            house,
            event,
            anna,
            token,
            sweeper,
        }
    }

    /// A seat of the event at the version that it is at.
    async fn seat(&self, place: usize) -> Seat {
        self.anna.seats(&self.event.id).await[place].clone()
    }

    /// Bert holds this seat as it is.
    async fn bert_takes(&self, place: usize) -> Answer {
        let seat = self.seat(place).await;
        let held = self.house.buyer("bert").hold(&self.event.id, &[seat]).await;
        assert_eq!(held.data()["__typename"], "SeatsHeld");
        held
    }

    async fn confirm(&self) -> Answer {
        self.anna.confirm(&self.token).await
    }

    /// Anna confirms and is refused, which changes nothing.
    async fn refused(&self) -> Answer {
        let before = Digest::of(&self.house).await;
        let answer = self.confirm().await;
        before.assert_unchanged("a confirm that was refused").await;
        answer
    }

    /// Answers the house: with the last one ends the database that it is on.
    async fn end(self) -> House {
        if let Some(sweeper) = self.sweeper {
            sweeper.let_go(&self.house).await;
        }
        published(&self.house).await;
        assert_sound(&self.house).await;
        self.house
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_hold_whose_seats_nobody_took_is_booked() {
    for (asked, version) in [(Asked::Before, 3), (Asked::After, 4)] {
        let stage = Stage::new(asked).await;
        let confirmed = stage.confirm().await;
        assert_eq!(confirmed.data()["__typename"], "HoldConfirmed", "{asked:?}");
        let booking = &confirmed.data()["booking"];
        assert_eq!(states(&booking["seats"]), [("BOOKED", version); 3]);
        assert_eq!(booking["total"]["amountMinor"], 3_000);
        let again = stage.confirm().await;
        assert_eq!(again.data(), confirmed.data());
        let mut sql = stage.house.sql().await;
        assert_eq!(checks::count(&mut sql, "bookings").await, 1);
        let lapsed = format!(
            "seat_changes WHERE cause = 'LAPSED' AND event_id = {}",
            event_key(&stage.event)
        );
        // The sweeper does not undo it.
        let _house = stage.end().await;
        let expected = if asked == Asked::Before { 0 } else { 3 };
        assert_eq!(checks::count(&mut sql, &lapsed).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_hold_that_lost_seats_is_refused_with_exactly_those() {
    for (asked, version) in [(Asked::Before, 3), (Asked::After, 4)] {
        let stage = Stage::new(asked).await;
        stage.bert_takes(1).await;
        let lost = stage.refused().await;
        let data = lost.data();
        assert_eq!(data["__typename"], "HoldLapsed", "{asked:?}");
        assert_eq!(data["code"], "HOLD_LAPSED");
        assert_eq!(data["lost"].as_array().unwrap().len(), 1);
        assert_eq!(data["lost"][0]["id"], stage.event.seats[1].id);
        assert_eq!(states(&data["lost"]), [("HELD", version)]);

        // Another is sold meanwhile, another way.
        let sold = stage.bert_takes(2).await;
        let bert = stage.house.buyer("bert");
        bert.confirm(&token_of(&sold)).await.data();
        let lost = stage.refused().await;
        let lost = &lost.data()["lost"];
        assert_eq!(states(lost), [("HELD", version), ("BOOKED", version + 1)]);
        assert_eq!(lost[1]["id"], stage.event.seats[2].id);
        let mut sql = stage.house.sql().await;
        assert_eq!(checks::count(&mut sql, "bookings").await, 1, "bert's alone");
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_hold_whose_seat_staff_blocked_is_refused() {
    for asked in [Asked::Before, Asked::After] {
        let stage = Stage::new(asked).await;
        let block = format!(
            "UPDATE seats SET status = 'BLOCKED', version = version + 1, cause = 'BLOCKED', \
                    owner_id = NULL, held_until = NULL WHERE event_id = {} AND seat_no = 0",
            event_key(&stage.event)
        );
        stage.house.sql().await.batch_execute(&block).await.unwrap();
        let lost = stage.refused().await;
        assert_eq!(lost.data()["code"], "HOLD_LAPSED");
        assert_eq!(lost.data()["lost"].as_array().unwrap().len(), 1);
        assert_eq!(lost.data()["lost"][0]["status"], "BLOCKED");
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_was_taken_and_given_back_is_unclaimed_again() {
    for (asked, version) in [(Asked::Before, 5), (Asked::After, 6)] {
        let stage = Stage::new(asked).await;
        let taken = stage.bert_takes(1).await;
        assert_eq!(stage.refused().await.data()["code"], "HOLD_LAPSED");
        let bert = stage.house.buyer("bert");
        bert.release(&token_of(&taken), None).await.data();
        let confirmed = stage.confirm().await;
        assert_eq!(confirmed.data()["__typename"], "HoldConfirmed", "{asked:?}");
        let booked = &confirmed.data()["booking"]["seats"];
        let others = version - 2;
        assert_eq!(
            states(booked),
            [("BOOKED", others), ("BOOKED", version), ("BOOKED", others)]
        );
        stage.end().await;
    }
}

/// Whether the sweeper came by must make no difference: by the database's clock
/// nobody has a claim to the seat any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_seat_whose_taker_has_lapsed_as_well_is_unclaimed_again() {
    for asked in [Asked::Before, Asked::After] {
        let stage = Stage::new(asked).await;
        let taken = stage.bert_takes(1).await;
        assert_eq!(stage.refused().await.data()["code"], "HOLD_LAPSED");
        lapse(&stage.house, &taken).await;
        if asked == Asked::After {
            published(&stage.house).await;
        }
        let confirmed = stage.confirm().await;
        assert_eq!(confirmed.data()["__typename"], "HoldConfirmed", "{asked:?}");
        let refused = stage.house.buyer("bert").confirm(&token_of(&taken)).await;
        assert_eq!(refused.data()["code"], "HOLD_LAPSED");
        assert_eq!(refused.data()["lost"][0]["status"], "BOOKED");
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_hold_is_not_booked_once_the_sale_is_over() {
    for asked in [Asked::Before, Asked::After] {
        let stage = Stage::new(asked).await;
        let (event, staff) = (&stage.event, stage.house.staff());
        let closed = staff.close_sale(&event.id, event.version).await;
        let answer = stage.refused().await;
        assert_eq!(answer.data()["__typename"], "SaleNotOpen", "{asked:?}");
        assert_eq!(answer.data()["code"], "SALE_NOT_OPEN");
        assert_eq!(answer.data()["status"], "CLOSED");
        // Once it is open again, it is as if it had never been closed.
        let version = closed.data()["event"]["version"].as_i64().unwrap();
        staff.open_sale(&event.id, version).await;
        let confirmed = stage.confirm().await;
        assert_eq!(confirmed.data()["__typename"], "HoldConfirmed");
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_hold_is_not_booked_outside_the_sale_window() {
    for asked in [Asked::Before, Asked::After] {
        let stage = Stage::new(asked).await;
        let end = "UPDATE events SET sale_ends_at = now() - interval '1 second', \
                   version = version + 1 WHERE id = 1";
        stage.house.sql().await.batch_execute(end).await.unwrap();
        let answer = stage.refused().await;
        assert_eq!(answer.data()["code"], "SALE_NOT_OPEN", "{asked:?}");
        assert_eq!(answer.data()["status"], "ON_SALE");
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_late_confirm_and_others_who_want_the_seats_one_side_wins() {
    for asked in [Asked::Before, Asked::After] {
        let stage = Stage::new(asked).await;
        let seats = stage.anna.seats(&stage.event.id).await;
        let bert = stage.house.buyer("bert");
        let (confirmed, held) =
            tokio::join!(stage.confirm(), bert.hold(&stage.event.id, &seats[1..2]));
        let booked = confirmed.data()["__typename"] == "HoldConfirmed";
        let expected = if booked { "SeatConflict" } else { "SeatsHeld" };
        assert_eq!(held.data()["__typename"], expected, "{}", confirmed.0);
        if !booked {
            assert_eq!(confirmed.data()["code"], "HOLD_LAPSED");
            assert_eq!(confirmed.data()["lost"][0]["id"], stage.event.seats[1].id);
        }
        let count = checks::count(&mut stage.house.sql().await, "bookings").await;
        assert_eq!(count, i64::from(booked));
        stage.end().await;
    }
}

/// Between the reading of the seats and the UPDATE somebody has one of them and
/// gives it back: nobody else has a claim to it, so the confirm is run again.
#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_was_taken_and_given_back_meanwhile_is_booked() {
    let stage = Stage::new(Asked::After).await;
    let key = event_key(&stage.event);
    let passing = format!(
        "BEGIN; \
         UPDATE seats SET version = version + 1, status = 'BLOCKED', cause = 'BLOCKED' \
             WHERE event_id = {key} AND seat_no = 0; \
         UPDATE seats SET version = version + 1, status = 'AVAILABLE', cause = 'UNBLOCKED' \
             WHERE event_id = {key} AND seat_no = 0"
    );
    let mut other = Lock::by(&stage.house.database_url, &passing).await;
    let confirming = tokio::spawn({
        let (anna, token) = (stage.anna.clone(), stage.token.clone());
        async move { anna.confirm(&token).await }
    });
    other.is_wanted_by(1).await;
    other.let_go().await;
    let confirmed = confirming.await.unwrap();
    assert_eq!(confirmed.data()["__typename"], "HoldConfirmed");
    let seats = &confirmed.data()["booking"]["seats"];
    assert_eq!(states(seats), [("BOOKED", 6), ("BOOKED", 4), ("BOOKED", 4)]);
    stage.end().await;
}
