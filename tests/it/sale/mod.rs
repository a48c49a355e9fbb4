//! What staff prepare and what buyers see of it: venues, plans, events, their
//! sale, their lists, their counts and prices.

mod availability;
mod bodies;
mod cancelling;
mod changing;
mod drafts;
mod event_lists;
mod plans;
mod seat_lists;

use crate::support::actor::Actor;
use crate::support::{Event, House};
use serde_json::{Value, json};

/// The document of one of the halls that usher comes with.
fn demo_plan(file: &str) -> Value {
    let path = format!("{}/demo/plans/{file}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A price for each category of a plan's document: 10.00 for the first, 20.00
/// for the second, and so on.
fn prices(document: &Value) -> Value {
    let categories = document["categories"].as_array().unwrap().iter();
    let price = |(amount, category): (i64, &Value)| json!({"category": category["name"], "amountMinor": amount * 1_000});
    (1..).zip(categories).map(price).collect()
}

/// An event on sale in this hall.
async fn event_in(house: &House, document: &Value) -> Event {
    let plan = house.staff().import_plan(document).await;
    let changes = json!({"prices": prices(document)});
    house.open_sale(house.draft_on(&plan, changes).await).await
}

/// One field of an event, as this caller sees it.
async fn ask_event(caller: &Actor, event: &str, selection: &str) -> Value {
    let query = format!("query($id: ID!) {{ event(id: $id) {{ {selection} }} }}");
    let answer = caller.ask(&query, json!({"id": event})).await;
    answer.data()["event"].clone()
}

/// Walks a whole list in pages of `first`; answers its nodes. `list` is the
/// name of the field with its arguments but for `first` and `after`, and
/// `inside` the event that it is a field of, if it is one.
async fn walk(
    caller: &Actor,
    list: &str,
    inside: Option<&str>,
    node: &str,
    first: usize,
) -> Vec<Value> {
    let page = format!(
        "list: {list}, first: $first, after: $after) {{ nodes {{ {node} }} \
         edges {{ cursor node {{ id }} }} \
         pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }}"
    )
    .replacen("(, ", "(", 1);
    let field = inside.map_or(page.clone(), |id| {
        format!("event(id: \"{id}\") {{ {page} }}")
    });
    let query = format!("query($first: Int, $after: String) {{ {field} }}");
    let mut nodes = Vec::new();
    let mut after = Value::Null;
    loop {
        let answer = caller
            .ask(&query, json!({"first": first, "after": after}))
            .await;
        let data = answer.data();
        let page = if inside.is_some() {
            &data["event"]["list"]
        } else {
            &data["list"]
        };
        let (edges, info) = (page["edges"].as_array().unwrap(), &page["pageInfo"]);
        let found = page["nodes"].as_array().unwrap();
        assert_eq!(edges.len(), found.len());
        for (edge, node) in edges.iter().zip(found) {
            assert_eq!(edge["node"]["id"], node["id"]);
        }
        assert_eq!(info["hasPreviousPage"], !after.is_null());
        assert_eq!(
            info["startCursor"],
            edges
                .first()
                .map_or(json!(null), |edge| edge["cursor"].clone())
        );
        assert_eq!(
            info["endCursor"],
            edges
                .last()
                .map_or(json!(null), |edge| edge["cursor"].clone())
        );
        nodes.extend(found.iter().cloned());
        if info["hasNextPage"] == false {
            assert!(found.len() <= first);
            return nodes;
        }
        assert_eq!(found.len(), first, "only the last page may be short");
        after = info["endCursor"].clone();
    }
}

/// The ids of nodes.
fn ids(nodes: &[Value]) -> Vec<String> {
    let id = |node: &Value| node["id"].as_str().unwrap().to_owned();
    nodes.iter().map(id).collect()
}
