//! Idempotency keys that come twice: in one batch, and in batches of two replicas.

use super::{holding, in_one_batch, in_order, kind, kinds, lost, number_of};
use crate::booking::{hold_key, states};
use crate::support::checks::{self, assert_sound};
use crate::support::gate::Gate;
use crate::support::house::concurrency;
use crate::support::{Answer, Event, House, eventually, insist};
use futures_util::FutureExt;
use serde_json::{Value, json};
use usher::config::Concurrency;

/// `holdSeats` for this seat under this key.
fn keyed(event: &Event, place: usize, key: &str) -> Value {
    let seat = &event.seats[place..=place];
    holding(event, seat, json!({"idempotencyKey": key}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_twice_in_a_batch_is_used_once() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let anna = house.buyer("anna");
    let input = keyed(&event, 0, "twice");
    let requests = (0..5).map(|_| anna.hold_input(&input)).collect();
    let answers = in_one_batch(&house, requests).await;
    let holds: Vec<String> = answers.iter().map(hold_key).collect();
    assert!(holds.iter().all(|hold| *hold == holds[0]));
    assert!(
        answers
            .iter()
            .all(|answer| answer.data()["token"] == answers[0].data()["token"])
    );
    assert_eq!(number_of(&house, "holds").await, 1);
    let refused = anna.hold_input(&keyed(&event, 1, "twice")).await;
    assert_eq!(refused.error_code(), "IDEMPOTENCY_KEY_REUSED");
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_inputs_under_one_key_in_one_batch_the_first_one_counts() {
    let house = House::open().await;
    let event = house.event(1, 3).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let inputs = [0, 1, 0].map(|place| keyed(&event, place, "key"));
    let berts = keyed(&event, 2, "key");
    let requests = inputs
        .iter()
        .map(|input| anna.hold_input(input).boxed_local());
    let with_bert = requests.chain([bert.hold_input(&berts).boxed_local()]);
    let answers = in_order(&house, with_bert.collect()).await;
    assert_eq!(answers[1].error_code(), "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(hold_key(&answers[0]), hold_key(&answers[2]));
    assert_eq!(kind(&answers[3]), "SeatsHeld", "to Bert it means nothing");
    assert_eq!(number_of(&house, "holds").await, 2);
    assert_eq!(
        number_of(&house, "seats WHERE seat_no = 1 AND version = 1").await,
        1
    );
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_not_remembered_within_a_batch_either() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
    let [lost_race, another] = [0, 1].map(|place| keyed(&event, place, "key"));
    let answers = in_order(
        &house,
        vec![
            anna.hold(&event.id, &event.seats[..1]).boxed_local(),
            bert.hold_input(&lost_race).boxed_local(),
            bert.hold_input(&another).boxed_local(),
            bert.hold_input(&lost_race).boxed_local(),
        ],
    )
    .await;
    assert_eq!(
        kinds(&answers[..3]),
        ["SeatsHeld", "SeatConflict", "SeatsHeld"]
    );
    assert_eq!(lost(&answers[1]), [(1, "HELD", 2)]);
    // By now the key is used, by the one that was done.
    assert_eq!(answers[3].error_code(), "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(number_of(&house, "idempotency_keys").await, 1);
    assert_sound(&house).await;
}

/// Every other seat is somebody else's, so that each replica has a batch of its own.
async fn on_two_replicas(house: &House, event: &Event, [here, there]: [usize; 2]) -> [Answer; 2] {
    let replica = house.replica().await;
    let batch = async |house: &House, place: usize, others: [usize; 3]| {
        let (anna, bert) = (house.buyer("anna"), house.buyer("bert"));
        let keyed = keyed(event, place, "key");
        let keyed = insist(async || anna.hold_input(&keyed).await).boxed_local();
        let of_others = others.iter().map(|place| {
            let seat = &event.seats[*place..=*place];
            let bert = &bert;
            insist(async move || bert.hold(&event.id, seat).await).boxed_local()
        });
        let requests = [keyed].into_iter().chain(of_others);
        let answers = in_one_batch(house, requests.collect()).await;
        assert_eq!(kinds(&answers[1..]), ["SeatsHeld"; 3]);
        answers[0].clone()
    };
    let (here, there) = tokio::join!(
        batch(house, here, [2, 3, 4]),
        batch(&replica, there, [5, 6, 7])
    );
    [here, there]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_comes_to_two_replicas_at_once_is_used_once() {
    let house = House::open().await;
    let event = house.event(1, 8).await;
    let answers = on_two_replicas(&house, &event, [0, 0]).await;
    assert_eq!(hold_key(&answers[0]), hold_key(&answers[1]));
    assert_eq!(answers[0].data()["token"], answers[1].data()["token"]);
    for answer in &answers {
        assert_eq!(states(&answer.data()["hold"]["seats"]), [("HELD", 2)]);
    }
    assert_eq!(number_of(&house, "holds").await, 7);
    assert_sound(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_inputs_under_one_key_on_two_replicas_one_is_done() {
    let house = House::open().await;
    let event = house.event(1, 8).await;
    let answers = on_two_replicas(&house, &event, [0, 1]).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| kind(answer) == "SeatsHeld");
    assert_eq!((done.len(), refused.len()), (1, 1));
    assert_eq!(refused[0].error_code(), "IDEMPOTENCY_KEY_REUSED");
    let free = "seats WHERE status = 'AVAILABLE' AND version = 1";
    assert_eq!(
        number_of(&house, free).await,
        1,
        "the seat of the other input"
    );
    assert_sound(&house).await;
}

/// The second one has looked for the key before the first one was done with it, and then waits
/// until it is: for the buyer's turn, or for the seat where seats are locked.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_waited_for_the_same_request_is_answered_as_that_was() {
    let house = House::open().await;
    let replica = house.replica().await;
    let draft = house.draft(1, 2, json!({"maxSeatsPerBuyer": 2})).await;
    let event = house.open_sale(draft).await;
    let input = keyed(&event, 0, "key");
    let [here, there] = [&house, &replica].map(|house| house.buyer("anna"));
    let mut gate = Gate::before_changes(&house.database_url).await;
    let second = async {
        gate.is_reached().await;
        let opening = async {
            if concurrency() != Concurrency::Serializable {
                let waiting = "pg_stat_activity WHERE wait_event_type = 'Lock' \
                               AND datname = current_database()";
                eventually("the second one waits for the first one", async || {
                    (checks::count(gate.connection(), waiting).await > 0).then_some(())
                })
                .await;
            }
            gate.open().await;
        };
        tokio::join!(there.hold_input(&input), opening).0
    };
    let (first, second) = tokio::join!(here.hold_input(&input), second);
    assert_eq!(kinds(&[first.clone(), second.clone()]), ["SeatsHeld"; 2]);
    assert_eq!(hold_key(&first), hold_key(&second));
    assert_eq!(number_of(&house, "holds").await, 1);
    assert_sound(&house).await;
}
