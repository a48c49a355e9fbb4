//! Who may do what: every field of the schema, asked for as everybody, against the table that
//! is documented.

mod documented;
pub mod fields;
mod log;

use crate::support::House;
use crate::support::actor::{Actor, Answer};
use crate::support::event_stream::{EventStream, Received, asking_with};
use documented::Table;
use fields::Fixture;
use serde_json::Value;
use std::collections::BTreeSet;

/// The standings, as the documented table calls its columns, and somebody of each. Who only
/// looks comes to a house of its own, on the same database.
async fn everybody(house: &House) -> (House, [(&'static str, Actor); 5]) {
    let onlookers = house.where_visitors_look().await;
    let onlooker = onlookers.visitor();
    let everybody = [
        ("onlooker", onlooker),
        ("visitor", house.visitor()),
        ("buyer", house.buyer("anna")),
        ("box office", house.box_office()),
        ("staff", house.staff()),
    ];
    (onlookers, everybody)
}

/// Whether an answer says that its caller may not; anything else that is wrong is a mistake of
/// this test.
fn is_refused(field: &str, answer: &Answer) -> bool {
    let Some(error) = answer.0.get("errors").map(|errors| &errors[0]) else {
        return false;
    };
    let code = error["extensions"]["code"].as_str().unwrap_or_default();
    assert!(
        matches!(code, "UNAUTHENTICATED" | "FORBIDDEN"),
        "{field}: {error}"
    );
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_is_open_to_whom_the_table_says() {
    let house = House::open().await;
    let fixture = Fixture::new(&house).await;
    let table = Table::read();
    let (_onlookers, everybody) = everybody(&house).await;
    let operations = fixture.operations().await;
    assert!(operations.len() > 120, "{}", operations.len());
    let mut wrong = Vec::new();
    for operation in &operations {
        for (standing, actor) in &everybody {
            let answer = operation.ask(actor).await;
            let refused = is_refused(&operation.field, &answer);
            let field = &operation.field;
            let mut needed = operation.by.iter().chain([field]);
            let allowed = needed.all(|field| table.allows(field, standing));
            if refused == allowed {
                let what = if refused { "refused" } else { "allowed" };
                wrong.push(format!("{field} is {what} to: {standing}"));
            } else if allowed && !operation.is_reached(&answer) {
                wrong.push(format!("{field} is not reached: {}", answer.0));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Nothing is documented that there is not.
    let walked: BTreeSet<&str> = operations
        .iter()
        .map(|operation| operation.field.as_str())
        .collect();
    for field in table.fields() {
        assert!(walked.contains(field), "there is no {field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_watched_is_open_to_all() {
    let house = House::open().await;
    let fixture = Fixture::new(&house).await;
    let table = Table::read();
    let (_onlookers, everybody) = everybody(&house).await;
    let subscriptions = fixture.subscriptions();
    assert_eq!(
        fixture.fields_of("Subscription").await,
        subscriptions.iter().map(|(field, _)| *field).collect()
    );
    for (field, document) in subscriptions {
        for (standing, actor) in &everybody {
            assert!(table.allows(&format!("Subscription.{field}"), standing));
            let asking = asking_with(&actor.url, &document, actor.token.as_deref());
            let mut stream = EventStream::of(asking).await;
            let first = loop {
                match stream.receive().await {
                    Received::Comment => {}
                    Received::Next(first) => break first,
                    other => panic!("{field}, {standing}: {other:?}"),
                }
            };
            assert!(
                first.get("errors").is_none(),
                "{field}, {standing}: {first}"
            );
            assert_ne!(first["data"][field], Value::Null);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_is_told_what_the_viewer_may_do() {
    let house = House::open().await;
    let (_onlookers, everybody) = everybody(&house).await;
    for (standing, actor) in everybody {
        let answer = actor
            .ask("{ viewer { role permissions } }", Value::Null)
            .await;
        let viewer = &answer.data()["viewer"];
        let permissions = viewer["permissions"].as_array().unwrap().len();
        let expected = match standing {
            "onlooker" => ("VISITOR", 0),
            "visitor" => ("VISITOR", 1),
            "buyer" => ("BUYER", 1),
            "box office" => ("BOX_OFFICE", 5),
            _ => ("STAFF", 7),
        };
        assert_eq!((viewer["role"].as_str().unwrap(), permissions), expected);
    }
}
