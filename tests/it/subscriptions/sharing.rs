//! One execution for all who are told the same, and never one for those who are not.
//! In a process of its own each: the count of executions is the process'.

use super::{code_of, peer, subscribe};
use crate::support::peer::Peer;
use crate::support::program::Server;
use crate::support::{Event, House, house};
use serde_json::{Value, json};
use usher::model::Role;

const MAP: &str = "subscription($event: ID!, $after: Cursor) { \
    seatMap(eventId: $event, after: $after) { __typename \
      ... on SeatMapSnapshot { reason cursor seats { id version price { amountMinor } } } \
      ... on SeatMapDelta { cursor changes { seatId status version } } } }";

/// A house, an event of eight seats, and a server of its own for watchers of it.
struct Stage {
    house: House,
    event: Event,
    server: Server,
}

impl Stage {
    async fn new() -> Self {
        let house = House::open().await;
        let event = house.event(1, 8).await;
        let secret = ("USHER_JWT_SECRET", house::SECRET);
        let server = Server::beside_with(&house, &[], &[secret]).await;
        Self {
            house,
            event,
            server,
        }
    }

    async fn executions(&self) -> f64 {
        self.server.sample("usher_watcher_executions_total").await
    }

    async fn watch(&self, token: Option<&str>, document: &str, after: Option<&str>) -> Peer {
        let mut peer = peer(&self.server.url, token).await;
        let variables = json!({"event": self.event.id, "after": after});
        subscribe(&mut peer, "1", document, variables).await;
        peer
    }

    /// Answers the cursor of the change.
    async fn hold(&self, seat: usize) -> Value {
        let seats = &self.event.seats[seat..=seat];
        let held = self.house.visitor().hold(&self.event.id, seats).await;
        assert_eq!(held.data()["__typename"], "SeatsHeld");
        held.data()["cursor"].clone()
    }
}

async fn map(watcher: &mut Peer) -> Value {
    let message = watcher.next().await;
    assert!(message["payload"]["errors"].is_null(), "{message}");
    message["payload"]["data"]["seatMap"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_watchers_cost_one_execution_a_message_wherever_they_began() {
    let stage = Stage::new().await;
    let mut watchers = Vec::new();
    for _ in 0..12 {
        let mut watcher = stage.watch(None, MAP, None).await;
        map(&mut watcher).await;
        watchers.push(watcher);
    }
    let snapshots = stage.executions().await;
    assert!((snapshots - 1.0).abs() < 0.5, "{snapshots} executions");
    let mut cursors = Vec::new();
    for seat in 0..2 {
        stage.hold(seat).await;
        let before = stage.executions().await;
        let deltas = next_of_each(&mut watchers).await;
        assert!(deltas.iter().all(|delta| *delta == deltas[0]));
        cursors.push(deltas[0]["cursor"].as_str().unwrap().to_owned());
        // Of the hold before it was read the message may have been made already.
        assert!(stage.executions().await - before < 1.5);
    }
    let total = stage.executions().await;
    assert!((total - 3.0).abs() < 0.5, "{total} executions");

    // Those who resume at other cursors are told something else once, and then the same.
    stage.hold(2).await;
    next_of_each(&mut watchers).await;
    let before = stage.executions().await;
    for cursor in cursors {
        for _ in 0..2 {
            let mut watcher = stage.watch(None, MAP, Some(&cursor)).await;
            let first = map(&mut watcher).await;
            assert_eq!(first["__typename"], "SeatMapDelta");
            watchers.push(watcher);
        }
    }
    let found = stage.executions().await - before;
    // After the second one there was what the others have just been told.
    assert!((found - 1.0).abs() < 0.5, "{found} for two cursors");
    let before = stage.executions().await;
    stage.hold(3).await;
    let deltas = next_of_each(&mut watchers).await;
    assert_eq!(deltas.len(), 16);
    assert!(deltas.iter().all(|delta| *delta == deltas[0]));
    let found = stage.executions().await - before;
    assert!((found - 1.0).abs() < 0.5, "{found} for sixteen watchers");
    stage.server.stop().await;
}

async fn next_of_each(watchers: &mut [Peer]) -> Vec<Value> {
    let mut messages = Vec::new();
    for watcher in watchers {
        messages.push(map(watcher).await);
    }
    messages
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_the_document_insists_on_is_shared_as_well() {
    let stage = Stage::new().await;
    let mut first = stage.watch(None, MAP, None).await;
    let cursor = map(&mut first).await["cursor"].clone();
    let insisting = MAP.replace("$after: Cursor)", "$after: Cursor!)");
    let mut watcher = stage.watch(None, &insisting, cursor.as_str()).await;
    stage.hold(0).await;
    let delta = map(&mut watcher).await;
    assert_eq!(delta["changes"][0]["version"], 2, "{delta}");
    stage.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_looks_like_the_one_before_is_told_all_the_same() {
    let stage = Stage::new().await;
    let terse = "subscription($event: ID!) { seatMap(eventId: $event) { __typename } }";
    let mut watcher = stage.watch(None, terse, None).await;
    assert_eq!(map(&mut watcher).await["__typename"], "SeatMapSnapshot");
    for seat in 0..3 {
        stage.hold(seat).await;
        assert_eq!(map(&mut watcher).await["__typename"], "SeatMapDelta");
    }
    stage.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_and_visitors_are_told_in_turn_what_each_may_know() {
    let stage = Stage::new().await;
    let cursor = stage.hold(0).await;
    // The map has the hold through the feed: nothing happens to it while they come.
    let query = "query($id: ID!, $cursor: Cursor) { \
        event(id: $id) { seatMap(atLeast: $cursor) { cursor } } }";
    let variables = json!({"id": stage.event.id, "cursor": cursor});
    stage.server.visitor().ask(query, variables).await.data();
    let staff = house::token("tess", Role::Staff);
    let buyer = house::token("anna", Role::Buyer);
    let history = "subscription($event: ID!) { seatMap(eventId: $event) { __typename \
        ... on SeatMapSnapshot { seats { id history(first: 1) { nodes { cause actor } } } } \
        ... on SeatMapDelta { changes { seatId version } } } }";
    let tokens = [None, Some(&*staff), Some(&*buyer), Some(&*staff), None];
    let mut watchers = Vec::new();
    for token in tokens {
        let mut watcher = stage.watch(token, history, None).await;
        let message = watcher.next().await;
        watchers.push(watcher);
        let seat = &message["payload"]["data"]["seatMap"]["seats"][0];
        if token == Some(&*staff) {
            assert!(message["payload"]["errors"].is_null(), "{message}");
            assert_eq!(seat["history"]["nodes"][0]["cause"], "HELD");
        } else {
            // Also a buyer, who is told what any visitor is.
            assert_eq!(code_of(&message), "UNAUTHENTICATED");
            assert_eq!(seat["history"], Value::Null);
        }
    }
    // Two; one or two more if its map had the hold before it came through the feed.
    let found = stage.executions().await;
    assert!(
        (1.5..4.5).contains(&found),
        "{found} executions for two groups"
    );
    stage.hold(1).await;
    for watcher in &mut watchers {
        while map(watcher).await["changes"][0]["seatId"] != stage.event.seats[1].id {}
    }
    let found = stage.executions().await - found;
    assert!(
        (1.5..4.5).contains(&found),
        "{found} executions for two deltas"
    );
    stage.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_after_an_event_was_changed_is_told_of_the_new_one() {
    let stage = Stage::new().await;
    let price = |snapshot: &Value| snapshot["seats"][0]["price"]["amountMinor"].clone();
    let mut before = stage.watch(None, MAP, None).await;
    assert_eq!(price(&map(&mut before).await), 1_000);
    let input = json!({
        "eventId": stage.event.id, "version": stage.event.version,
        "prices": [{"category": "Stalls", "amountMinor": 1_500}],
    });
    let updated = stage.house.staff().update_event(&input).await;
    assert_eq!(updated.data()["__typename"], "EventUpdated");
    let mut after = stage.watch(None, MAP, None).await;
    assert_eq!(price(&map(&mut after).await), 1_500);
    stage.hold(0).await;
    let told = next_of_each(&mut [before, after]).await;
    // Not at the same cursor, perhaps: each is told by an execution of its own.
    let [first, second] = [0, 1].map(|watcher: usize| &told[watcher]["changes"]);
    assert_eq!(first, second, "of the seats both are told the same");
    let found = stage.executions().await;
    assert!(
        (found - 4.0).abs() < 0.5,
        "{found} executions for two versions"
    );
    stage.server.stop().await;
}

/// Whoever means harm writes each subscription in another way, so that each is executed by itself.
#[tokio::test(flavor = "multi_thread")]
async fn however_it_is_written_what_asks_for_the_same_is_one_execution() {
    let stage = Stage::new().await;
    let mut watchers = Vec::new();
    let own = |number: usize| {
        let text = MAP.replace("subscription(", &format!("subscription S{number}("));
        let text = match number % 4 {
            0 => text.replace(
                "... on SeatMapDelta",
                &format!("...f{number} ... on SeatMapDelta"),
            ),
            1 => text.replace(
                "after: $after, eventId: $event",
                "eventId: $event, after: $after",
            ),
            2 => text.replace("$after", &format!("$after{number}")),
            _ => text.replace("eventId: $event", &format!("eventId: {:?}", stage.event.id)),
        };
        let text = match number % 4 {
            // Spread at the place at which the others have it.
            0 => {
                text.replace(
                    "... on SeatMapDelta { cursor changes { seatId status version } }",
                    "",
                ) + &format!(
                    " fragment f{number} on SeatMapDelta \
                       {{ cursor changes {{ seatId status version }} }}"
                )
            }
            3 => text.replace("$event: ID!, ", ""),
            _ => text,
        };
        format!("# {number}\n{text}{}", ",".repeat(number))
    };
    for number in 0..12 {
        let mut watcher = stage.watch(None, &own(number), None).await;
        map(&mut watcher).await;
        watchers.push(watcher);
    }
    let snapshots = stage.executions().await;
    assert!((snapshots - 1.0).abs() < 0.5, "{snapshots} executions");
    stage.hold(0).await;
    next_of_each(&mut watchers).await;
    stage.hold(1).await;
    let deltas = next_of_each(&mut watchers).await;
    assert!(deltas.iter().all(|delta| *delta == deltas[0]));
    let total = stage.executions().await;
    assert!((total - 3.0).abs() < 0.5, "{total} executions");
    stage.server.stop().await;
}
