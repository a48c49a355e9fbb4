//! The security log: who was refused what, and what staff have done. This file has who watches
//! it; its folder has what is refused, who is turned away, and what staff do and see.

mod refused;
mod seen;
mod sockets;
mod staff;
mod turned_away;

use super::fields::Fixture;
use crate::support::House;
use crate::support::actor::Actor;
use crate::support::house::{SECRET, token};
use crate::support::program::{Server, run, usher};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;
use usher::model::Role;

/// A server that keeps a security log, and logs little else.
struct Watched {
    server: Server,
    file: PathBuf,
    _folder: TempDir,
}

impl Watched {
    async fn beside(house: &House, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("security.log");
        let environment = [
            ("USHER_JWT_SECRET", SECRET),
            ("USHER_SECURITY_LOG", file.to_str().unwrap()),
        ];
        Self {
            server: Server::beside_with(house, flags, &environment).await,
            file,
            _folder: folder,
        }
    }

    fn of(&self, name: &str, role: Role) -> Actor {
        self.server.bearer(&token(name, role))
    }

    /// A line is written before its request is answered.
    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.file).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn last(&self) -> Value {
        self.lines().pop().expect("there is a line")
    }

    /// The last line, which says that this caller, or nobody yet, was turned away for that.
    fn last_turned_away(&self, actor: &Value, reason: &str) -> Value {
        let line = self.last();
        let fields = &line["fields"];
        assert_eq!(fields["message"], "turned away", "{line}");
        assert_eq!(fields["actor"], *actor, "{line}");
        assert_eq!(fields["reason"], reason, "{line}");
        line
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mutation_of_staff_is_in_it_and_none_of_buyers() {
    let house = House::open().await;
    let fixture = Fixture::new(&house).await;
    let watched = Watched::beside(&house, &["--log", "error"]).await;
    let mut mutations = 0;
    for operation in fixture.operations().await {
        let Some(name) = operation.field.strip_prefix("Mutation.") else {
            continue;
        };
        mutations += 1;
        for (actor, role) in [("tess", Role::Staff), ("otto", Role::BoxOffice)] {
            let answer = operation.ask(&watched.of(actor, role)).await;
            let line = watched.last();
            let fields = &line["fields"];
            assert_eq!(fields["message"], "done by staff", "{line}");
            assert_eq!(fields["action"], name);
            let outcome = match answer.0.get("errors") {
                Some(_) => answer.error_code(),
                None => answer.data()[name]["__typename"].as_str().unwrap(),
            };
            assert_eq!(fields["outcome"], outcome);
            assert!(fields["actor"].as_str().unwrap().ends_with(actor), "{line}");
        }
        let before = watched.lines().len();
        operation.ask(&watched.of("anna", Role::Buyer)).await;
        let of_anna = watched.lines().split_off(before);
        let done = |line: &Value| line["fields"]["message"] == "done by staff";
        assert!(!of_anna.iter().any(done), "{of_anna:?}");
    }
    assert!(mutations >= 18);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_whose_it_was_from_where_and_in_which_request() {
    let house = House::open().await;
    let event = house.event(1, 4).await;
    let mut watched = Watched::beside(&house, &["--log", "error"]).await;
    let anna = watched.of("anna", Role::Buyer);
    let held = anna.hold(&event.id, &event.seats[0..1]).await;
    let hold_token = held.data()["token"].as_str().unwrap().to_owned();

    // What takes a permission.
    let ask = |query: &'static str, variables: Value, bearer: String| {
        let request = reqwest::Client::new()
            .post(format!("{}/graphql", watched.server.url))
            .bearer_auth(bearer)
            .json(&json!({"query": query, "variables": variables}));
        async move {
            let answer = request.send().await.unwrap();
            let id = |headers: &HeaderMap| headers["x-request-id"].to_str().unwrap().to_owned();
            let id = id(answer.headers());
            (id, answer.json::<Value>().await.unwrap())
        }
    };
    let bob = token("bob", Role::Buyer);
    let open = "mutation($id: ID!) { openSale(input: {eventId: $id, version: 1}) { __typename } }";
    let (id, answer) = ask(open, json!({"id": event.id}), bob.clone()).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let line = watched.last();
    assert_eq!(line["fields"]["message"], "refused", "{line}");
    assert_eq!(line["fields"]["actor"], "buyer:bob");
    assert_eq!(line["fields"]["permission"], "MANAGE_SALES");
    assert_eq!(line["span"]["id"], id);
    assert_eq!(line["span"]["client"], "127.0.0.1");

    // What is another's: decided in a batch, far from the request, and said of it.
    let confirm =
        "mutation($token: String!) { confirmHold(input: {token: $token}) { __typename } }";
    let (id, answer) = ask(confirm, json!({"token": hold_token}), bob).await;
    assert_eq!(answer["data"]["confirmHold"]["__typename"], "HoldNotFound");
    let line = watched.last();
    assert_eq!(line["fields"]["message"], "refused", "{line}");
    assert_eq!(line["fields"]["actor"], "buyer:bob");
    let what = line["fields"]["what"].as_str().unwrap();
    assert!(what.starts_with("hold "), "{line}");
    assert_eq!(line["span"]["id"], id);

    // What staff may see of another's.
    let otto = token("otto", Role::BoxOffice);
    let node = "query($id: ID!) { node(id: $id) { id } }";
    let hold_id = held.data()["hold"]["id"].clone();
    let (id, _) = ask(node, json!({"id": hold_id}), otto).await;
    let line = watched.last();
    assert_eq!(line["fields"]["message"], "seen", "{line}");
    assert_eq!(line["fields"]["actor"], "box-office:otto");
    assert_eq!(line["span"]["id"], id);

    // Whoever is nobody yet.
    let graphql = format!("{}/graphql", watched.server.url);
    let client = reqwest::Client::new();
    let bad = client.post(&graphql).bearer_auth("x.y.z");
    let foreign = client
        .get(&graphql)
        .header("origin", "https://evil.example");
    for (request, reason) in [(bad, "token"), (foreign, "origin")] {
        let answer = request.send().await.unwrap();
        let line = watched.last();
        assert_eq!(line["fields"]["message"], "turned away", "{line}");
        assert!(line["fields"]["reason"].as_str().unwrap().contains(reason));
        assert_eq!(
            line["span"]["id"],
            answer.headers()["x-request-id"].to_str().unwrap()
        );
    }

    // The log itself says the same, however little it says otherwise.
    watched
        .server
        .logged(|line| line.contains("refused") && line.contains("MANAGE_SALES"))
        .await;
    let text = std::fs::read_to_string(&watched.file).unwrap();
    assert!(!text.contains(&hold_token), "a token is never logged");
    let mode = std::fs::metadata(&watched.file)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn one_that_cannot_be_written_is_said_at_the_start() {
    let answered = run(usher(&[
        "schema",
        "--security-log",
        "/nowhere/security.log",
    ]))
    .await;
    assert_eq!(
        answered.complaint(),
        "the security log /nowhere/security.log cannot be opened: No such file or directory (os \
         error 2)"
    );
}
