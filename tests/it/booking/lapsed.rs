//! Holds whose time has passed: taken by others, released, grown, looked at,
//! before and after the sweeper has published that they lapsed.

use super::{AbsentSweeper, lapse, published, states, token_of};
use crate::support::actor::Actor;
use crate::support::checks::assert_sound;
use crate::support::digest::Digest;
use crate::support::{Answer, Event, House};
use serde_json::{Value, json};

/// Two buyers, an event of three seats, of which anna's hold, which has just
/// lapsed, has the first two.
struct Stage {
    house: House,
    event: Event,
    anna: Actor,
    bert: Actor,
    held: Answer,
    token: String,
}

impl Stage {
    async fn new() -> Self {
        let house = House::open().await;
        let event = house.event(1, 3).await;
        let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
        let held = anna.hold(&event.id, &event.seats[..2]).await;
        let token = token_of(&held);
        Self {
            house,
            event,
            anna,
            bert,
            held,
            token,
        }
    }

    /// The hold lapses, and no sweeper has seen it yet.
    async fn lapsed_unseen() -> (Self, AbsentSweeper) {
        let stage = Self::new().await;
        let sweeper = AbsentSweeper::of(&stage.house);
        lapse(&stage.house, &stage.held).await;
        (stage, sweeper)
    }

    /// The hold has lapsed, and the sweeper has published that.
    async fn lapsed_published() -> Self {
        let stage = Self::new().await;
        lapse(&stage.house, &stage.held).await;
        published(&stage.house).await;
        stage
    }

    /// Bert holds the first of the seats at this version.
    async fn bert_takes_the_first(&self, version: i64) -> Answer {
        let mut seat = self.event.seats[0].clone();
        seat.version = version;
        self.bert.hold(&self.event.id, &[seat]).await
    }

    async fn hold_of_token(&self) -> Value {
        let query = "query($token: String!) { hold(token: $token) { id } }";
        let answer = self.anna.ask(query, json!({"token": self.token})).await;
        answer.data()["hold"].clone()
    }

    async fn hold_node(&self, caller: &Actor) -> Value {
        let query = "query($id: ID!) { node(id: $id) { id } }";
        let id = &self.held.data()["hold"]["id"];
        let answer = caller.ask(query, json!({"id": id})).await;
        answer.data()["node"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_seat_is_takeable_at_once_at_the_version_it_is_at() {
    let (stage, sweeper) = Stage::lapsed_unseen().await;
    // The map still shows it held; a decision on an older version is stale.
    let before = Digest::of(&stage.house).await;
    for stale in [1, 3] {
        let lost = stage.bert_takes_the_first(stale).await;
        let seat = &lost.data()["conflicts"][0]["seat"];
        assert_eq!(
            (&seat["status"], &seat["version"]),
            (&json!("HELD"), &json!(2))
        );
        before.assert_unchanged("a stale version").await;
    }
    let taken = stage.bert_takes_the_first(2).await;
    assert_eq!(states(&taken.data()["hold"]["seats"]), [("HELD", 3)]);
    // The sweeper then publishes what is left of the lapsed hold, and no more.
    sweeper.let_go(&stage.house).await;
    let map = stage.bert.seat_map(&stage.event.id).await;
    assert_eq!(
        states(&map["seats"]),
        [("HELD", 3), ("AVAILABLE", 3), ("AVAILABLE", 1)]
    );
    let confirmed = stage.bert.confirm(&token_of(&taken)).await;
    assert_eq!(confirmed.data()["__typename"], "HoldConfirmed");
    assert_sound(&stage.house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_seat_that_was_published_is_available_like_any_other() {
    let stage = Stage::lapsed_published().await;
    let lost = stage.bert_takes_the_first(2).await;
    let seat = &lost.data()["conflicts"][0]["seat"];
    assert_eq!(
        (&seat["status"], &seat["version"]),
        (&json!("AVAILABLE"), &json!(3))
    );
    let taken = stage.bert_takes_the_first(3).await;
    assert_eq!(states(&taken.data()["hold"]["seats"]), [("HELD", 4)]);
    assert_sound(&stage.house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_a_lapsed_seat_one_gets_it() {
    let (stage, sweeper) = Stage::lapsed_unseen().await;
    let mut seat = stage.event.seats[0].clone();
    seat.version = 2;
    let answers = futures_util::future::join_all((0..30).map(|number| {
        let buyer = stage.house.buyer(&format!("buyer-{number}"));
        let (event, seat) = (&stage.event, seat.clone());
        async move { buyer.hold(&event.id, &[seat]).await }
    }))
    .await;
    let won = answers
        .iter()
        .filter(|answer| answer.data()["__typename"] == "SeatsHeld");
    assert_eq!(won.count(), 1);
    sweeper.let_go(&stage.house).await;
    assert_sound(&stage.house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_hold_is_seen_by_nobody_whether_it_is_published_or_not() {
    let (stage, sweeper) = Stage::lapsed_unseen().await;
    let assert_unseen = async || {
        assert_eq!(stage.hold_of_token().await, Value::Null);
        for caller in [&stage.anna, &stage.house.staff()] {
            assert_eq!(stage.hold_node(caller).await, Value::Null);
        }
    };
    assert_unseen().await;
    sweeper.let_go(&stage.house).await;
    assert_unseen().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_hold_takes_no_more_seats_whether_it_is_published_or_not() {
    let (stage, sweeper) = Stage::lapsed_unseen().await;
    let grow = async || {
        let seats = &stage.event.seats[2..];
        let token = Some(stage.token.as_str());
        let answer = stage.anna.hold_into(&stage.event.id, seats, token).await;
        assert_eq!(answer.data()["code"], "HOLD_ENDED");
    };
    let before = Digest::of(&stage.house).await;
    grow().await;
    before.assert_unchanged("growing a lapsed hold").await;
    sweeper.let_go(&stage.house).await;
    let before = Digest::of(&stage.house).await;
    grow().await;
    before.assert_unchanged("growing a lapsed hold").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_hold_is_not_released_whether_it_is_published_or_not() {
    let (stage, sweeper) = Stage::lapsed_unseen().await;
    let first = [stage.event.seats[0].id.as_str()];
    let release = async || {
        for seats in [None, Some(&first[..])] {
            let answer = stage.anna.release(&stage.token, seats).await;
            assert_eq!(answer.data()["code"], "HOLD_ENDED");
            let message = answer.data()["message"].as_str().unwrap();
            assert!(message.contains("lapsed"), "{message}");
        }
    };
    let before = Digest::of(&stage.house).await;
    release().await;
    before.assert_unchanged("a release of a lapsed hold").await;
    sweeper.let_go(&stage.house).await;
    let before = Digest::of(&stage.house).await;
    release().await;
    before.assert_unchanged("a release of a lapsed hold").await;
    assert_sound(&stage.house).await;
}
