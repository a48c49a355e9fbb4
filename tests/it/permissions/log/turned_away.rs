//! Requests that are refused before it is looked at what they ask for.

use super::Watched;
use crate::support::House;
use crate::support::event_stream::asking_with;
use crate::support::house::token;
use crate::support::peer::{PROTOCOL, Peer, SUBPROTOCOL, TOKEN};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use std::time::Instant;
use usher::model::Role;

const TRUSTED: &str = "query Viewer { viewer { role } }";
const UNTRUSTED: &str = "{ viewer { role } }";

/// Lines of one caller, and how many more there may be after each second.
const LINES: usize = 60;

/// Sends it; answers the status and the id of the request.
async fn sent(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap();
    (answer.status().as_u16(), id.to_owned())
}

/// A server that runs one document only.
async fn trusting(house: &House) -> (Watched, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("documents.json");
    std::fs::write(&manifest, json!({"ab12": TRUSTED}).to_string()).unwrap();
    let flags = ["--trusted-documents", manifest.to_str().unwrap()];
    (Watched::beside(house, &flags).await, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_is_not_trusted_is_somebody_s_on_every_transport() {
    let house = House::open().await;
    let (watched, _folder) = trusting(&house).await;
    let bob = token("bob", Role::Buyer);
    let (actor, reason) = (json!("buyer:bob"), "a document that is not trusted");
    let graphql = format!("{}/graphql", watched.server.url);
    let post = |document: &str| {
        let body = json!({"query": document});
        Client::new().post(&graphql).json(&body)
    };

    let (_, id) = sent(post(UNTRUSTED).bearer_auth(&bob)).await;
    let line = watched.last_turned_away(&actor, reason);
    assert_eq!(line["span"]["id"], id);
    let get = Client::new().get(format!("{graphql}?documentId=ab13"));
    let (_, id) = sent(get.bearer_auth(&bob)).await;
    let line = watched.last_turned_away(&actor, reason);
    assert_eq!(line["span"]["id"], id);
    let stream = asking_with(&watched.server.url, UNTRUSTED, Some(&bob));
    let (_, id) = sent(stream).await;
    let line = watched.last_turned_away(&actor, reason);
    assert_eq!(line["span"]["id"], id);

    let credential = format!("Bearer {bob}");
    let headers = [(PROTOCOL, SUBPROTOCOL), (TOKEN, credential.as_str())];
    let mut peer = Peer::connect_with(&watched.server.url, &headers).await;
    peer.send(json!({"type": "connection_init"})).await;
    peer.expect(json!({"type": "connection_ack"})).await;
    let before = watched.lines().len();
    peer.subscribe("it", UNTRUSTED).await;
    assert_eq!(peer.next().await["type"], "error");
    assert_eq!(watched.lines().len(), before + 1);
    watched.last_turned_away(&actor, reason);

    // A visitor is nobody, and known to be; and what is trusted has no line.
    sent(post(UNTRUSTED)).await;
    watched.last_turned_away(&json!("anonymous"), reason);
    let before = watched.lines().len();
    assert_eq!(sent(post(TRUSTED)).await.0, 200);
    assert_eq!(watched.lines().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_untrusted_documents_is_summed_up() {
    let house = House::open().await;
    let (watched, _folder) = trusting(&house).await;
    let (carol, bob) = (
        watched.of("carol", Role::Buyer),
        watched.of("bob", Role::Buyer),
    );
    let start = Instant::now();
    for _ in 0..3 * LINES {
        carol.ask(UNTRUSTED, json!({})).await;
    }
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    let lines = watched.lines();
    let of_carol = |line: &&Value| line["fields"]["actor"] == "buyer:carol";
    let written = lines.iter().filter(of_carol).count();
    assert!(written >= LINES, "{written} lines");
    assert!(
        written <= LINES + seconds + 1,
        "{written} lines in {seconds} s"
    );
    let summed = "turned away, and not written down one by one";
    let is_sum = |line: &&Value| line["fields"]["message"] == summed;
    assert!(lines.iter().any(|line| is_sum(&line)), "{lines:#?}");

    // Nobody else is left out for that.
    bob.ask(UNTRUSTED, json!({})).await;
    watched.last_turned_away(&json!("buyer:bob"), "a document that is not trusted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_foreign_page_could_send_has_a_line_and_mistakes_have_none() {
    let house = House::open().await;
    let watched = Watched::beside(&house, &["--introspection", "false"]).await;
    let bob = token("bob", Role::Buyer);
    let graphql = format!("{}/graphql", watched.server.url);
    let client = Client::new();
    let mutation = "mutation { releaseHold(input: {token: \"x\"}) { __typename } }";
    let schema = "{ __schema { queryType { name } } }";
    let not_json = "a body that is not JSON";
    let not_by_post = "a mutation that was not sent by POST";
    let body = json!({"query": mutation}).to_string();
    let form = |kind: &'static str| {
        let request = client.post(&graphql).header("content-type", kind);
        request.body(body.clone())
    };
    for (request, status, reason) in [
        (form("text/plain"), 415, not_json),
        (form("application/x-www-form-urlencoded"), 415, not_json),
        (client.post(&graphql).body(body.clone()), 415, not_json),
        (
            client.get(format!("{graphql}?query={mutation}")),
            405,
            not_by_post,
        ),
        (
            client.post(&graphql).json(&json!({"query": schema})),
            200,
            "introspection, which is switched off",
        ),
    ] {
        for token in [None, Some(&bob)] {
            let request = request.try_clone().unwrap();
            let (request, actor) = match token {
                Some(token) => (request.bearer_auth(token), "buyer:bob"),
                None => (request, "anonymous"),
            };
            let (answered, id) = sent(request.header("accept", "application/json")).await;
            assert_eq!(answered, status, "{reason}");
            let line = watched.last_turned_away(&json!(actor), reason);
            assert_eq!(line["span"]["id"], id);
            assert_eq!(line["span"]["client"], "127.0.0.1");
        }
    }

    let before = watched.lines().len();
    for (request, status) in [
        (client.put(&graphql).body("{}"), 405),
        (client.post(&graphql).json(&json!({"query": "{"})), 400),
        (client.post(&graphql).json(&json!([])), 400),
        (
            client.post(&graphql).json(&json!({"documentId": "ab12"})),
            400,
        ),
        (client.get(format!("{graphql}?query={TRUSTED}")), 200),
    ] {
        let request = request.header("accept", "application/graphql-response+json");
        assert_eq!(sent(request.bearer_auth(&bob)).await.0, status);
    }
    assert_eq!(watched.lines().split_off(before), [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_s_drawing_is_refused_to_who_is_not_believed() {
    let house = House::open().await;
    let watched = Watched::beside(&house, &[]).await;
    let plan = format!("{}/plans/UGxhbjox", watched.server.url);
    let (status, id) = sent(Client::new().get(&plan).bearer_auth("x.y.z")).await;
    assert_eq!(status, 401);
    let line = watched.last();
    assert_eq!(line["fields"]["message"], "turned away", "{line}");
    let reason = line["fields"]["reason"].as_str().unwrap();
    assert!(reason.contains("token"), "{line}");
    assert_eq!(line["span"]["id"], id);
    assert_eq!(line["span"]["client"], "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_and_the_id_are_what_a_trusted_proxy_says_and_nobody_else() {
    let house = House::open().await;
    let draft = house.draft(1, 1, json!({})).await;
    let behind = Watched::beside(&house, &["--trusted-proxies", "127.0.0.1"]).await;
    let alone = Watched::beside(&house, &[]).await;
    let query = "query($id: ID!) { event(id: $id) { name } }";
    for (watched, client, has_the_id) in
        [(&behind, "192.0.2.7", true), (&alone, "127.0.0.1", false)]
    {
        let request = Client::new()
            .post(format!("{}/graphql", watched.server.url))
            .header("x-forwarded-for", "198.51.100.1, 192.0.2.7")
            .header("x-request-id", "of-the-proxy-7")
            .json(&json!({"query": query, "variables": {"id": draft.id}}));
        let (_, id) = sent(request).await;
        assert_eq!(id == "of-the-proxy-7", has_the_id, "{id}");
        // A draft is nobody's business but staff's.
        let line = watched.last();
        let fields = &line["fields"];
        assert_eq!(fields["message"], "refused", "{line}");
        assert_eq!(fields["actor"], "anonymous", "{line}");
        assert!(fields["what"].as_str().unwrap().starts_with("draft "));
        assert_eq!(line["span"]["client"], client, "{line}");
        assert_eq!(line["span"]["id"], id, "{line}");
    }
}
