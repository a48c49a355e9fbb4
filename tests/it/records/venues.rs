//! Changing venues.

use super::one_won;
use crate::support::House;
use futures_util::future::join_all;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_of_a_venue_changes_and_the_rest_stays() {
    let house = House::open().await;
    let staff = house.staff();
    let id = staff.create_venue("The Old Mill", "America/New_York").await;
    let other = staff.create_venue("Elsewhere", "UTC").await;
    for (version, change, name, zone) in [
        (
            1,
            json!({"name": " Théâtre 🎭 المسرح "}),
            "Théâtre 🎭 المسرح",
            "America/New_York",
        ),
        (
            2,
            json!({"timeZone": "Asia/Tokyo", "name": null}),
            "Théâtre 🎭 المسرح",
            "Asia/Tokyo",
        ),
        (3, json!({"name": "A", "timeZone": "UTC"}), "A", "UTC"),
        // A step of the version, too, when everything is as it was.
        (4, json!({"name": "A"}), "A", "UTC"),
    ] {
        let mut input = change;
        input["venueId"] = json!(id);
        input["version"] = json!(version);
        let answer = staff.update_venue(&input).await;
        let venue = json!({"id": id, "version": version + 1, "name": name, "timeZone": zone});
        assert_eq!(
            *answer.data(),
            json!({"__typename": "VenueUpdated", "venue": venue})
        );
        let query =
            "query($id: ID!) { node(id: $id) { ... on Venue { id version name timeZone } } }";
        let seen = house.visitor().ask(query, json!({"id": id})).await;
        assert_eq!(seen.data()["node"], venue);
        let seen = house.visitor().ask(query, json!({"id": other})).await;
        assert_eq!(seen.data()["node"]["version"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_who_comes_late_is_shown_the_venue_as_it_is() {
    let house = House::open().await;
    let staff = house.staff();
    let id = staff.create_venue("A House", "UTC").await;
    let change = |name: &str, version| json!({"venueId": id, "version": version, "name": name});
    staff.update_venue(&change("First", 1)).await.data();
    let late = staff.update_venue(&change("Second", 1)).await;
    let conflict = late.data();
    assert_eq!(conflict["__typename"], "VenueVersionConflict");
    assert_eq!(conflict["code"], "VERSION_CONFLICT");
    assert_eq!(conflict["expectedVersion"], 1);
    assert_eq!(
        conflict["venue"],
        json!({"id": id, "version": 2, "name": "First", "timeZone": "UTC"})
    );
    let message = conflict["message"].as_str().unwrap();
    assert!(message.contains("version 2, not 1"), "{message}");
    // With the version that it was told, it goes through.
    let again = staff.update_venue(&change("Second", 2)).await;
    assert_eq!(again.data()["venue"]["name"], "Second");
}

/// Negative control: without the version in the WHERE of the UPDATE all twenty win.
#[tokio::test(flavor = "multi_thread")]
async fn of_20_editors_of_one_version_of_a_venue_one_wins() {
    let house = House::open().await;
    let replica = house.replica().await;
    let id = house.staff().create_venue("A House", "UTC").await;
    let answers = join_all((0..20).map(|number| {
        let server = if number % 2 == 0 { &house } else { &replica };
        let staff = server.staff();
        let input = json!({"venueId": id, "version": 1, "name": format!("Editor {number}")});
        async move { staff.update_venue(&input).await }
    }))
    .await;
    let won = one_won(&answers, "VenueUpdated", "VenueVersionConflict", "venue");
    let query = "query($id: ID!) { node(id: $id) { ... on Venue { version name } } }";
    let seen = house.visitor().ask(query, json!({"id": id})).await;
    let node: &Value = &seen.data()["node"];
    assert_eq!(*node, json!({"version": 2, "name": won["name"]}));
}
