//! Commands that cannot be done, or not now: they fail or wait alone, and the others of their
//! batch are done.

use super::{
    FEW, all_connections, are_waiting, in_one_batch, in_order, kind, kinds, number_of,
    number_of_kind, transactions,
};
use crate::booking::token_of;
use crate::support::checks::assert_sound;
use crate::support::lock::Lock;
use crate::support::{Answer, House, Seat};
use diesel_async::SimpleAsyncConnection;
use futures_util::FutureExt;
use futures_util::future::join_all;

/// Everything that this does to a table fails.
async fn poison(house: &House, when: &str) {
    let poison = format!(
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN RAISE EXCEPTION ''poison''; END'; \
         CREATE TRIGGER poison {when} EXECUTE FUNCTION poison()"
    );
    house.sql().await.batch_execute(&poison).await.unwrap();
}

/// As many buyers as are one batch, each of a seat; `buyer-7` is the one for whom it is poison.
async fn many_buyers(house: &House) -> Vec<Answer> {
    let event = house.event(1, FEW).await;
    let buyers: Vec<_> = (0..FEW)
        .map(|number| house.buyer(&format!("buyer-{number}")))
        .collect();
    let requests = buyers
        .iter()
        .zip(event.seats.chunks(1))
        .map(|(buyer, seat)| buyer.hold(&event.id, seat));
    in_one_batch(house, requests.collect()).await
}

fn assert_only_one_failed(answers: &[Answer], done: &str) {
    assert_eq!(number_of_kind(answers, done), FEW - 1);
    assert_eq!(answers[7].error_code(), "INTERNAL_SERVER_ERROR");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_that_the_database_refuses_to_change_is_one_commands_alone() {
    let house = House::open().await;
    poison(
        &house,
        "BEFORE UPDATE ON seats FOR EACH ROW WHEN (NEW.seat_no = 7)",
    )
    .await;
    assert_only_one_failed(&many_buyers(&house).await, "SeatsHeld");
    assert_eq!(number_of(&house, "holds").await, 15);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_the_database_refuses_is_one_commands_alone() {
    let house = House::open().await;
    let of_seven = "BEFORE INSERT ON holds FOR EACH ROW WHEN (NEW.buyer = 'buyer-7')";
    poison(&house, of_seven).await;
    assert_only_one_failed(&many_buyers(&house).await, "SeatsHeld");
    let untouched = "seats WHERE seat_no = 7 AND version = 1";
    assert_eq!(number_of(&house, untouched).await, 1);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_that_the_database_refuses_is_one_commands_alone() {
    let house = House::open().await;
    let of_seven = "BEFORE INSERT ON bookings FOR EACH ROW WHEN (NEW.buyer = 'buyer-7')";
    poison(&house, of_seven).await;
    let held = many_buyers(&house).await;
    let tokens: Vec<String> = held.iter().map(token_of).collect();
    let buyers: Vec<_> = (0..FEW)
        .map(|number| house.buyer(&format!("buyer-{number}")))
        .collect();
    let requests = buyers
        .iter()
        .zip(&tokens)
        .map(|(buyer, token)| buyer.confirm(token));
    let confirmed = in_one_batch(&house, requests.collect()).await;
    assert_only_one_failed(&confirmed, "HoldConfirmed");
    let still_held = "seats WHERE seat_no = 7 AND status = 'HELD' AND version = 2";
    assert_eq!(number_of(&house, still_held).await, 1);
    assert_eq!(number_of(&house, "holds WHERE status = 'ACTIVE'").await, 1);
    assert_sound(&house).await;
}

/// It takes its connection with it, each time.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_ends_its_backend_is_given_up_after_some_times() {
    let house = House::open().await;
    let mut sql = house.sql().await;
    sql.batch_execute(
        "CREATE SEQUENCE killed; \
         CREATE FUNCTION kill() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM nextval(''killed''), pg_terminate_backend(pg_backend_pid()); \
              PERFORM pg_sleep(60); RETURN NEW; END'; \
         CREATE TRIGGER kill BEFORE UPDATE ON seats FOR EACH ROW \
             WHEN (NEW.seat_no = 7) EXECUTE FUNCTION kill()",
    )
    .await
    .unwrap();
    let answers = many_buyers(&house).await;
    assert_eq!(number_of_kind(&answers, "SeatsHeld"), FEW - 1);
    assert!(["CONTENDED", "UNAVAILABLE"].contains(&answers[7].error_code()));
    let often = "(SELECT last_value FROM killed) AS killed WHERE last_value BETWEEN 2 AND 40";
    assert_eq!(number_of(&house, often).await, 1);
    assert_eq!(number_of(&house, "holds").await, 15);
    assert_sound(&house).await;
}

/// Answers of those who want other seats than these, which stay locked until they are there.
async fn beside_locked(seat_count: usize, locked: &[usize]) -> House {
    let house = House::open().await;
    let event = house.event(1, seat_count).await;
    let visitor = house.visitor();
    let list: Vec<String> = locked.iter().map(ToString::to_string).collect();
    let lock = format!(
        "BEGIN; SELECT 1 FROM seats WHERE event_id = 1 AND seat_no IN ({}) \
         ORDER BY seat_no FOR UPDATE",
        list.join(", ")
    );
    let mut lock = Lock::by(&house.database_url, &lock).await;
    let is_locked = |place: usize| locked.contains(&place);
    let request = |place: usize| visitor.hold(&event.id, &event.seats[place..=place]);
    let waiting = join_all(
        (0..seat_count)
            .filter(|place| is_locked(*place))
            .map(request),
    );
    let others = join_all(
        (0..seat_count)
            .filter(|place| !is_locked(*place))
            .map(request),
    );
    let answered = async {
        let answers = others.await;
        // All of them are answered, and the lock is still there.
        assert_eq!(
            number_of_kind(&answers, "SeatsHeld"),
            seat_count - locked.len()
        );
        lock.is_wanted_by(1).await;
        let untouched = "seats WHERE status = 'AVAILABLE' AND version = 1";
        assert_eq!(number_of(&house, untouched).await, locked.len() as i64);
        lock.let_go().await;
    };
    let connections = all_connections(&house).await;
    let gathering = async {
        are_waiting(&house, seat_count).await;
        drop(connections);
    };
    let (held, (), ()) = tokio::join!(waiting, answered, gathering);
    assert_eq!(number_of_kind(&held, "SeatsHeld"), locked.len());
    assert_sound(&house).await;
    house
}

/// The batch is parted in halves until the one that waits is alone.
#[tokio::test(flavor = "multi_thread")]
async fn who_wants_a_locked_seat_waits_alone() {
    let house = beside_locked(FEW, &[3]).await;
    let of_others = transactions(&house, "seat_no <> 3").await;
    assert!(of_others <= 5, "{of_others} transactions for 15 commands");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_locked_seats_keeps_nobody_from_others_however_many_they_are() {
    // As many as may wait aside, and two more.
    beside_locked(FEW, &[0, 3, 4, 7, 9, 15]).await;
}

/// What a command waits for is its own seat, not the command before it: those of one buyer
/// wait as well as those of many.
#[tokio::test(flavor = "multi_thread")]
async fn a_pair_with_a_locked_seat_takes_nothing_from_who_comes_after_it() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let lock = Lock::on_first_seat(&house.database_url).await;
    let second: &[Seat] = &event.seats[1..2];
    let requests = vec![
        anna.hold(&event.id, &event.seats[..2]).boxed_local(),
        bert.hold(&event.id, second).boxed_local(),
    ];
    let mut berts_turn = house.sql().await;
    let letting_go = async {
        let is_decided = "seats WHERE seat_no = 1 AND status = 'HELD'";
        crate::support::eventually("the second seat has somebody", async || {
            let held = crate::support::checks::count(&mut berts_turn, is_decided).await;
            (held == 1).then_some(())
        })
        .await;
        lock.let_go().await;
    };
    let (answers, ()) = tokio::join!(in_order(&house, requests), letting_go);
    assert_eq!(kinds(&answers), ["SeatConflict", "SeatsHeld"]);
    assert_eq!(
        kind(&bert.hold(&event.id, &event.seats[..1]).await),
        "SeatsHeld"
    );
    assert_sound(&house).await;
}
