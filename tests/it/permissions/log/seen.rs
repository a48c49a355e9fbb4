//! What of others staff look at.

use super::Watched;
use crate::support::House;
use serde_json::json;
use usher::model::Role;

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_s_history_names_who_has_looked_at_it() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    house.buyer("anna").hold(&event.id, &event.seats[..1]).await;
    let watched = Watched::beside(&house, &[]).await;
    let query = "query($id: ID!) { node(id: $id) { \
        ... on Seat { history { nodes { actor } } } } }";
    let variables = json!({"id": event.seats[0].id});
    for (name, role, actor) in [
        ("otto", Role::BoxOffice, "box-office:otto"),
        ("tess", Role::Staff, "staff:tess"),
    ] {
        let answer = watched.of(name, role).ask(query, variables.clone()).await;
        let steps = &answer.data()["node"]["history"]["nodes"];
        assert_eq!(steps[0]["actor"], "buyer:anna");
        let line = watched.last();
        let fields = &line["fields"];
        assert_eq!(fields["message"], "seen", "{line}");
        assert_eq!(fields["actor"], actor);
        assert_eq!(fields["permission"], "SEE_HISTORY");
        assert_eq!(fields["what"], "history of seat 0 of event 1");
        assert!(line["span"]["id"].is_string(), "{line}");
    }
    // What was not seen was not seen.
    let answer = watched.of("bob", Role::Buyer).ask(query, variables).await;
    assert_eq!(answer.error_code(), "FORBIDDEN");
    let line = watched.last();
    assert_eq!(line["fields"]["message"], "refused", "{line}");
    assert_eq!(line["fields"]["permission"], "SEE_HISTORY");
}
