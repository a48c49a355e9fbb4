//! Automatic persisted queries, as Apollo's clients send them.

use super::{Transport, get, json_of, post};
use crate::support::House;
use crate::support::house::Limits;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use usher::config::DocumentSettings;

fn hash(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().fold(String::new(), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}");
        hash
    })
}

fn hashed(text: &str) -> Value {
    json!({"persistedQuery": {"version": 1, "sha256Hash": hash(text)}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_known_by_its_hash_once_it_was_sent() {
    let house = House::open().await;
    for (number, transport) in Transport::ALL.into_iter().enumerate() {
        let text = format!("{{ a{number}: __typename }}");
        let alone = json!({"extensions": hashed(&text)});
        let unknown = transport.ask(&house.url, &alone).await;
        assert_eq!(unknown.error_code(), "PERSISTED_QUERY_NOT_FOUND");
        assert_eq!(unknown.error_message(), "PersistedQueryNotFound");
        let both = json!({"query": text, "extensions": hashed(&text)});
        for parameters in [&both, &alone] {
            for by in Transport::ALL {
                let answer = if parameters == &both && by != transport {
                    continue;
                } else {
                    by.ask(&house.url, parameters).await
                };
                assert_eq!(answer.data()[format!("a{number}")], "Query", "{by:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_have_another_text_run_for_a_hash() {
    let house = House::open().await;
    let (good, bad) = ("{ good: __typename }", "{ bad: __typename }");
    for transport in Transport::ALL {
        let poison = json!({"query": bad, "extensions": hashed(good)});
        let answer = transport.ask(&house.url, &poison).await;
        assert_eq!(answer.error_code(), "BAD_REQUEST", "{transport:?}");
        let alone = json!({"extensions": hashed(good)});
        let answer = transport.ask(&house.url, &alone).await;
        assert_eq!(answer.error_code(), "PERSISTED_QUERY_NOT_FOUND");
    }
    // What is refused is not kept.
    let bomb = "{ ...a } fragment a on Query { ...a ...a }";
    let both = json!({"query": bomb, "extensions": hashed(bomb)});
    json_of(post(&house.url, &both, None).await).await;
    let alone = json_of(post(&house.url, &json!({"extensions": hashed(bomb)}), None).await).await;
    let code = &alone["errors"][0]["extensions"]["code"];
    assert_eq!(code, "PERSISTED_QUERY_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_is_none_of_a_get_by_its_hash_either() {
    let house = House::open().await;
    let text = "mutation { releaseHold(input: {token: \"x\"}) { __typename } }";
    let both = json!({"query": text, "extensions": hashed(text)});
    assert_eq!(post(&house.url, &both, None).await.status(), 200);
    let by_get = get(&house.url, &json!({"extensions": hashed(text)})).await;
    assert_eq!(by_get.status(), 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_can_be_switched_off() {
    let documents = DocumentSettings {
        persisted_queries: false,
        ..DocumentSettings::default()
    };
    let house = House::open_with_all(Limits {
        documents,
        ..Limits::default()
    })
    .await;
    let text = "{ __typename }";
    for transport in Transport::ALL {
        let both = json!({"query": text, "extensions": hashed(text)});
        assert_eq!(
            transport.ask(&house.url, &both).await.data()["__typename"],
            "Query"
        );
        let alone = transport
            .ask(&house.url, &json!({"extensions": hashed(text)}))
            .await;
        assert_eq!(alone.error_code(), "PERSISTED_QUERY_NOT_SUPPORTED");
        assert_eq!(alone.error_message(), "PersistedQueryNotSupported");
    }
}
