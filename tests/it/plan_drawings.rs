//! `GET /plans/{id}`: what is in the drawing of a plan, and how long whoever has it may
//! keep it.

use crate::support::encoded::decoded;
use crate::support::house::{plan, settings};
use crate::support::lock::Lock;
use crate::support::{House, eventually};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel_async::SimpleAsyncConnection;
use futures_util::future::join_all;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use usher::config::DatabaseSettings;

const ENCODINGS: [&str; 4] = ["identity", "gzip", "br", "zstd"];

async fn ask(house: &House, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Client::new().get(format!("{}{path}", house.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().unwrap())
}

/// Where the API says that the drawing is.
async fn path_of(house: &House, plan: &str) -> String {
    let query = "query($id: ID!) { node(id: $id) { ... on SeatingPlan { path } } }";
    let answer = house.visitor().ask(query, json!({"id": plan})).await;
    answer.data()["node"]["path"].as_str().unwrap().to_owned()
}

/// What a client makes of a drawing: every seat as `Seat` describes it. Written as
/// docs/compact-maps.md tells it.
fn seats_of(drawing: &Value) -> Vec<Value> {
    let name = |list: &str, index: &Value| {
        let index = usize::try_from(index.as_u64().unwrap()).unwrap();
        drawing[list][index]["name"].clone()
    };
    let mut seats = Vec::new();
    for run in drawing["runs"].as_array().unwrap() {
        let each = |key: &str, place: usize| match &run[key] {
            Value::Array(each) => each[place].clone(),
            one => one.clone(),
        };
        let number = |place: usize| match &run["numbers"] {
            Value::Null => Value::Null,
            numbers => numbers[place].clone(),
        };
        let label = |place: usize| match &run["label"] {
            Value::Null => run["labels"][place].clone(),
            label => {
                let (before, after) = (label[0].as_str().unwrap(), label[1].as_str().unwrap());
                json!(format!(
                    "{before}{}{after}",
                    number(place).as_str().unwrap_or("")
                ))
            }
        };
        let count = usize::try_from(run["count"].as_u64().unwrap()).unwrap();
        let accessible = run["accessible"].as_array().cloned().unwrap_or_default();
        seats.extend((0..count).map(|place| {
            json!({
                "label": label(place), "zone": name("zones", &run["zone"]),
                "row": run["row"], "number": number(place),
                "category": name("categories", &each("category", place)),
                "accessible": accessible.contains(&json!(place)),
                "x": each("x", place).as_f64(), "y": each("y", place).as_f64(),
            })
        }));
    }
    seats
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drawing_has_everything_about_a_seat_that_a_sale_does_not_change() {
    let house = House::with_demo().await;
    let query = "{ events { nodes { \
        id plan { id path name width height seatCount categories { name color } \
               zones { name kind x y areas } } } } }";
    let answer = house.visitor().ask(query, json!({})).await;
    let mut events = answer.data()["events"]["nodes"].as_array().unwrap().clone();
    // A whole map is as much as one operation may cost.
    for event in &mut events {
        let query = "query($id: ID!) { event(id: $id) { \
            seatMap { seats { label zone row number category accessible x y } } } }";
        let answer = house.visitor().ask(query, json!({"id": event["id"]})).await;
        event["seatMap"] = answer.data()["event"]["seatMap"].clone();
    }
    assert_eq!(events.len(), 3);
    for event in events {
        let plan = &event["plan"];
        let response = ask(&house, plan["path"].as_str().unwrap(), &[]).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), "application/json");
        let bytes = response.bytes().await.unwrap();
        let drawing: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(drawing["format"], 1);
        for key in ["id", "name", "seatCount", "categories"] {
            assert_eq!(drawing[key], plan[key], "{key}");
        }
        for key in ["width", "height"] {
            assert_eq!(drawing[key].as_f64(), plan[key].as_f64(), "{key}");
        }
        let zones = drawing["zones"].as_array().unwrap().iter();
        let listed = plan["zones"].as_array().unwrap();
        assert_eq!(zones.len(), listed.len());
        for (drawn, listed) in zones.zip(listed) {
            for key in ["name", "kind", "areas"] {
                assert_eq!(drawn[key], listed[key]);
            }
            for key in ["x", "y"] {
                assert_eq!(drawn[key].as_f64(), listed[key].as_f64());
            }
        }
        let seats = seats_of(&drawing);
        assert_eq!(json!(seats), event["seatMap"]["seats"], "{}", plan["name"]);
        println!(
            "{}: {} seats in {} bytes",
            plan["name"],
            seats.len(),
            bytes.len()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drawing_is_kept_for_ever_under_the_hash_of_what_was_sent() {
    let house = House::open().await;
    let plan = house.staff().import_plan(&plan(20, 30)).await;
    let path = path_of(&house, &plan).await;
    let mut tags = BTreeSet::new();
    let mut plain = Vec::new();
    for encoding in ENCODINGS {
        let accept = ("accept-encoding", encoding);
        let whole = ask(&house, &path, &[accept]).await;
        assert_eq!(whole.status(), 200);
        let tag = header(&whole, "etag").to_owned();
        let expect_caching = |response: &Response| {
            assert_eq!(header(response, "etag"), tag);
            let caching = header(response, "cache-control");
            assert_eq!(caching, "public, max-age=31536000, immutable");
            assert_eq!(header(response, "vary"), "accept-encoding");
        };
        expect_caching(&whole);
        let found = header(&whole, "content-encoding").to_owned();
        assert_eq!(found, if encoding == "identity" { "" } else { encoding });
        let length = header(&whole, "content-length").to_owned();
        let body = whole.bytes().await.unwrap();
        assert_eq!(length, body.len().to_string());
        let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(&body)[..16]);
        assert_eq!(tag, format!("\"{hash}\""), "a strong one, of these bytes");

        let original = decoded(encoding, &body).await;
        if encoding == "identity" {
            plain = original;
        } else {
            assert_eq!(original, plain, "{encoding}");
            assert!(body.len() < plain.len() / 3, "{encoding}: {}", body.len());
        }

        let again = ask(&house, &path, &[accept]).await;
        assert_eq!(header(&again, "etag"), tag);
        assert_eq!(again.bytes().await.unwrap(), body, "the same bytes again");
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"x\", {tag}"),
            "*".to_owned(),
        ] {
            let unchanged = ask(&house, &path, &[accept, ("if-none-match", &known)]).await;
            assert_eq!(unchanged.status(), 304, "{known}");
            expect_caching(&unchanged);
            assert_eq!(header(&unchanged, "content-encoding"), "");
            assert_eq!(unchanged.bytes().await.unwrap().len(), 0);
        }
        let url = format!("{}{path}", house.url);
        let head = Client::new().head(url).header(accept.0, accept.1);
        let head = head.send().await.unwrap();
        assert_eq!(head.status(), 200);
        expect_caching(&head);
        assert_eq!(header(&head, "content-encoding"), found);
        assert_eq!(header(&head, "content-length"), length);
        assert_eq!(head.bytes().await.unwrap().len(), 0);
        tags.insert(tag);
    }
    assert_eq!(
        tags.len(),
        4,
        "each encoding is a representation of its own"
    );
    for tag in &tags {
        let accept = [("accept-encoding", "br"), ("if-none-match", tag)];
        let answer = ask(&house, &path, &accept).await;
        let of_br = header(&answer, "etag") == tag;
        assert_eq!(answer.status(), if of_br { 304 } else { 200 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_no_encoding_that_there_is_gets_none() {
    let house = House::open().await;
    let plan = house.staff().import_plan(&plan(1, 1)).await;
    let refused = ask(
        &house,
        &format!("/plans/{plan}"),
        &[("accept-encoding", "identity;q=0, deflate")],
    )
    .await;
    assert_eq!(refused.status(), 406);
    assert_eq!(header(&refused, "cache-control"), "no-store");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_plan_is_not_found_and_a_plan_is_only_read() {
    let house = House::open().await;
    let draft = house.draft(1, 1, json!({})).await;
    let encode = |plain: &str| URL_SAFE_NO_PAD.encode(plain);
    for id in [
        encode("SeatingPlan:2"),
        encode("SeatingPlan:0"),
        encode("SeatingPlan:-1"),
        encode("SeatingPlan:01"),
        encode("SeatingPlan:9223372036854775807"),
        encode("SeatingPlan:9223372036854775808"),
        encode("SeatingPlan:1:1"),
        draft.id.clone(),
        "1".to_owned(),
        "%ff".to_owned(),
        "%00".to_owned(),
        "..%2f1".to_owned(),
        "x".repeat(5_000),
    ] {
        let missing = ask(&house, &format!("/plans/{id}"), &[]).await;
        assert_eq!(missing.status(), 404, "{id}");
        assert_eq!(header(&missing, "cache-control"), "no-store", "{id}");
        assert_eq!(header(&missing, "etag"), "", "{id}");
    }
    assert_eq!(ask(&house, "/plans/", &[]).await.status(), 404);
    // Of a draft's event nobody may know, but its plan is a node that everybody sees.
    let path = format!("/plans/{}", encode("SeatingPlan:1"));
    assert_eq!(ask(&house, &path, &[]).await.status(), 200);
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let request = Client::new().request(method, format!("{}{path}", house.url));
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status(), 405);
        assert_eq!(header(&refused, "allow"), "GET,HEAD");
    }
}

/// What a browser has kept for the first one must not be shown for the second.
#[tokio::test(flavor = "multi_thread")]
async fn plans_of_two_databases_have_two_paths_though_their_ids_be_the_same() {
    let (first, second) = (House::open().await, House::open().await);
    let one = first.staff().import_plan(&plan(1, 1)).await;
    let other = second.staff().import_plan(&plan(2, 2)).await;
    assert_eq!(one, other);
    let path = path_of(&first, &one).await;
    assert_ne!(path, path_of(&second, &other).await);
    let replica = first.replica().await;
    assert_eq!(path, path_of(&replica, &one).await);
    let tag = async |house: &House| header(&ask(house, &path, &[]).await, "etag").to_owned();
    assert_eq!(tag(&first).await, tag(&replica).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drawing_that_was_sent_before_needs_no_database() {
    let house = House::open().await;
    let staff = house.staff();
    let known = staff.import_plan(&plan(2, 2)).await;
    let other = staff.import_plan(&plan(2, 2)).await;
    let path = format!("/plans/{known}");
    // One that has not seen the plans come.
    let connections = 1;
    let house = house
        .replica_with(DatabaseSettings {
            connections,
            ..settings()
        })
        .await;
    assert_eq!(ask(&house, &path, &[]).await.status(), 200);
    let the_only_one = house.running.services.database.connection().await.unwrap();
    let broken = "ALTER TABLE seating_plans RENAME TO elsewhere";
    house.sql().await.batch_execute(broken).await.unwrap();
    for encoding in ENCODINGS {
        let answer = ask(&house, &path, &[("accept-encoding", encoding)]).await;
        assert_eq!(answer.status(), 200, "{encoding}");
    }
    drop(the_only_one);
    let failed = ask(&house, &format!("/plans/{other}"), &[]).await;
    assert_eq!(failed.status(), 500);
    assert_eq!(header(&failed, "cache-control"), "no-store");
    let text = failed.text().await.unwrap();
    let hidden = "something went wrong on the server; it has been logged\n";
    assert_eq!(text, hidden);
}

/// Everybody opens the map in the minute in which a sale starts.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_asks_at_once_costs_one_connection() {
    let house = House::open().await;
    let plan = house.staff().import_plan(&plan(5, 5)).await;
    // Two of three are for requests.
    let connections = 3;
    let cold = house
        .replica_with(DatabaseSettings {
            connections,
            ..settings()
        })
        .await;
    let path = format!("/plans/{plan}");
    let lock = "BEGIN; LOCK TABLE seating_plans";
    let mut lock = Lock::by(&house.database_url, lock).await;
    let crowd = (0..40).map(|number| {
        let (url, encoding) = (format!("{}{path}", cold.url), ENCODINGS[number % 4]);
        tokio::spawn(async move {
            let request = Client::new().get(url).header("accept-encoding", encoding);
            let answer = request.send().await.unwrap();
            (answer.status(), header(&answer, "etag").to_owned())
        })
    });
    let crowd: Vec<_> = crowd.collect();
    lock.is_wanted_by(1).await;
    // Some of the crowd may leave; the others get their drawing all the same.
    for leaver in crowd.iter().step_by(8) {
        leaver.abort();
    }
    eventually(
        "others find a connection while the crowd waits",
        async || {
            let answer = cold
                .visitor()
                .ask("{ venues { nodes { id } } }", json!({}))
                .await;
            answer.data()["venues"].is_object().then_some(())
        },
    )
    .await;
    lock.let_go().await;
    let mut tags = BTreeSet::new();
    for (number, answer) in (0..).zip(join_all(crowd).await) {
        if number % 8 != 0 {
            let (status, tag) = answer.unwrap();
            assert_eq!(status, 200);
            tags.insert(tag);
        }
    }
    assert_eq!(tags.len(), 4);
}
