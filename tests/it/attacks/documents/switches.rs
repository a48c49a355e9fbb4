//! Introspection and the playground, switched off.

use super::Transport;
use crate::support::House;
use crate::support::house::Limits;
use serde_json::json;
use usher::config::DocumentSettings;

async fn closed() -> House {
    let documents = DocumentSettings {
        introspection: false,
        graphiql: false,
        ..DocumentSettings::default()
    };
    House::open_with_all(Limits {
        documents,
        ..Limits::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_not_told_is_not_told_in_any_way() {
    let house = closed().await;
    for document in [
        "{ __schema { queryType { name } } }",
        "{ viewer { role } a: __type(name: \"Seat\") { name } }",
        "{ ...f } fragment f on Query { ... { __schema { types { name } } } }",
        "query A { viewer { role } } query B { __schema { types { name } } }",
    ] {
        let parameters = json!({"query": document, "operationName":
            document.starts_with("query A").then_some("A")});
        for transport in [Transport::Post, Transport::Socket, Transport::Stream] {
            let answer = transport.ask(&house.url, &parameters).await;
            assert_eq!(answer.error_code(), "INTROSPECTION_DISABLED", "{document}");
        }
    }
    for (almost, name) in [
        ("{ viewr { role } }", "viewer"),
        ("{ events(firs: 1) { nodes { id } } }", "\"first\""),
        ("{ event(id: 1) { nam } }", "name"),
    ] {
        let answer = house.visitor().ask(almost, json!({})).await;
        assert_eq!(answer.error_code(), "GRAPHQL_VALIDATION_FAILED");
        let all = answer.0.to_string();
        assert!(
            !all.contains("mean") && !answer.error_message().contains(name),
            "{all}"
        );
    }
    let named = house
        .visitor()
        .ask("{ __typename viewer { __typename } }", json!({}))
        .await;
    assert_eq!(named.data()["viewer"]["__typename"], "Viewer");
    let open = House::open().await;
    let answer = open.visitor().ask("{ viewr { role } }", json!({})).await;
    assert!(answer.error_message().contains("Did you mean \"viewer\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_playground_nothing_of_it_is_served_and_nothing_leads_there() {
    let (house, open) = (closed().await, House::open().await);
    let get = async |house: &House, path: &str| {
        let response = reqwest::get(format!("{}{path}", house.url)).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    for path in [
        "/graphiql",
        "/graphiql/index.html",
        "/graphiql/graphiql-page.js",
        "/graphiql/examples/subscribe.graphql",
    ] {
        assert_eq!(get(&house, path).await.0, 404, "{path}");
        assert_eq!(get(&open, path).await.0, 200, "{path}");
    }
    let (status, home) = get(&house, "/").await;
    assert_eq!(status, 200);
    assert!(!home.contains("href=\"/graphiql\"") && home.contains("/readyz"));
    assert!(get(&open, "/").await.1.contains("href=\"/graphiql\""));
    for path in ["/favicon.ico", "/graphiql/favicon.svg", "/home.js"] {
        assert_eq!(get(&house, path).await.0, 200, "{path}");
    }
}
