//! Only the documents of a manifest are run.

use super::{Transport, json_of, post};
use crate::support::House;
use crate::support::house::{self, Limits, settings};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;
use usher::config::DocumentSettings;
use usher::http::Documents;
use usher::model::Role;

const VIEWER: &str = "query Viewer { viewer { role } }";
const SEATS: &str = "subscription Seats($id: ID!) { seatMap(eventId: $id) { __typename } }";
const UNTRUSTED: &str = "DOCUMENT_NOT_TRUSTED";

fn settings_with(manifest: &Value) -> (TempDir, DocumentSettings) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("persisted-documents.json");
    fs::write(&file, manifest.to_string()).unwrap();
    let settings = DocumentSettings {
        trusted_documents: Some(file),
        ..DocumentSettings::default()
    };
    (folder, settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_run_for_anybody() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let (_folder, documents) = settings_with(&json!({"ab12": VIEWER, "cd34": SEATS}));
    let limits = Limits {
        documents,
        ..Limits::default()
    };
    let trusting = house.replica_with_all(limits, settings()).await;
    let hash = json!({"persistedQuery": {"version": 1, "sha256Hash": "ab12"}});
    for transport in Transport::ALL {
        for good in [
            json!({"documentId": "ab12"}),
            json!({"query": VIEWER}),
            json!({"query": VIEWER, "documentId": "ab12"}),
            json!({"extensions": hash}),
            json!({"documentId": "ab12", "operationName": "Viewer"}),
        ] {
            let answer = transport.ask(&trusting.url, &good).await;
            assert_eq!(answer.data()["viewer"]["role"], "VISITOR", "{good}");
        }
        for bad in [
            json!({"query": "{ viewer { role } }"}),
            json!({"query": format!("{VIEWER} ")}),
            json!({"query": "{ __schema { queryType { name } } }"}),
            json!({"documentId": "ab13"}),
            json!({"documentId": ""}),
            json!({"query": "{ viewer { role } }", "documentId": "ab12"}),
            json!({"query": VIEWER, "documentId": "cd34"}),
            json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "ff"}}}),
        ] {
            // An empty parameter of a URL is none.
            if transport == Transport::Get && bad["documentId"] == "" {
                continue;
            }
            let answer = transport.ask(&trusting.url, &bad).await;
            assert_eq!(answer.error_code(), UNTRUSTED, "{transport:?} {bad}");
        }
    }
    let staff = house::token("tess", Role::Staff);
    let bad = json!({"query": "{ viewer { subject } }"});
    let answer = json_of(post(&trusting.url, &bad, Some(&staff)).await).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], UNTRUSTED);
    let watching = json!({"documentId": "cd34", "variables": {"id": event.id}});
    for transport in [Transport::Socket, Transport::Stream] {
        let answer = transport.ask(&trusting.url, &watching).await;
        assert_eq!(answer.data()["seatMap"]["__typename"], "SeatMapSnapshot");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_manifest_there_are_no_ids() {
    let house = House::open().await;
    for transport in Transport::ALL {
        let answer = transport
            .ask(&house.url, &json!({"documentId": "ab12"}))
            .await;
        assert_eq!(answer.error_code(), UNTRUSTED);
        let both = json!({"documentId": "ab12", "query": VIEWER});
        assert_eq!(
            transport.ask(&house.url, &both).await.data()["viewer"]["role"],
            "VISITOR"
        );
    }
}

#[test]
fn a_document_that_cannot_be_run_is_found_at_the_start() {
    let bomb = "{ ...a } fragment a on Query { ...a ...a }";
    for (text, reason) in [
        ("{ nothing }", "Unknown field \"nothing\""),
        ("{ viewer {", "syntax error"),
        (bomb, "within itself"),
        ("mutation { holdSeats { __typename } }", "input"),
    ] {
        let (_folder, settings) = settings_with(&json!({"ab12": VIEWER, "bad1": text}));
        let error = Documents::new(settings).err().unwrap().to_string();
        assert!(error.contains("bad1") && error.contains(reason), "{error}");
    }
    let (folder, settings) = settings_with(&json!({}));
    assert!(Documents::new(settings.clone()).is_err());
    drop(folder);
    let error = Documents::new(settings).err().unwrap().to_string();
    assert!(error.contains("cannot read"), "{error}");
}
