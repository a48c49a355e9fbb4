//! What load balancers ask: whether the process lives, whether it can serve,
//! and which request it was.

use super::{CONTENT_SECURITY, get, header};
use crate::support::program::Server;
use crate::support::{House, cluster, eventually};
use axum::body::Body;
use axum::http::Request;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use reqwest::Client;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use usher::auth::Authenticator;
use usher::http::{self, GraphqlState, SocketLimits};
use uuid::Uuid;

/// The status of what a server answers, and what it says.
async fn ask(server: &str, path: &str) -> (u16, Value) {
    let response = reqwest::get(format!("{server}{path}")).await.unwrap();
    assert_eq!(
        header(&response, "content-security-policy"),
        CONTENT_SECURITY
    );
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_server_that_runs_is_healthy_and_ready() {
    let house = House::open().await;
    let healthy = (200, json!({"status": "ok"}));
    let ready = (200, json!({"status": "ready"}));
    assert_eq!(ask(&house.url, "/healthz").await, healthy);
    assert_eq!(ask(&house.url, "/readyz").await, ready);
}

#[tokio::test]
async fn without_its_database_a_server_is_healthy_but_not_ready() {
    let house = House::open().await;
    let server = Server::beside(&house, &["--database-acquire-timeout", "1s"]).await;
    let venues = async || {
        let query = "{ venues { nodes { name } } }";
        server.visitor().ask(query, json!({})).await
    };
    assert_eq!(venues().await.data()["venues"]["nodes"], json!([]));

    Database::of(&house).await.goes_away().await;
    assert_eq!(venues().await.error_code(), "UNAVAILABLE");
    let gone = (503, json!({"status": "the database does not answer"}));
    assert_eq!(ask(&server.url, "/readyz").await, gone);
    let healthy = (200, json!({"status": "ok"}));
    assert_eq!(ask(&server.url, "/healthz").await, healthy);

    Database::of(&house).await.comes_back().await;
    eventually("the server is ready again", async || {
        (ask(&server.url, "/readyz").await.0 == 200).then_some(())
    })
    .await;
    assert_eq!(venues().await.data()["venues"]["nodes"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_is_not_ready() {
    let house = House::open().await;
    let services = house.running.services.clone();
    let database = services.database.clone();
    let shutdown = CancellationToken::new();
    let state = GraphqlState {
        schema: usher::graphql::schema(services),
        authenticator: Authenticator::without_key(),
        sockets: SocketLimits::default(),
        shutdown: shutdown.clone(),
        tracker: TaskTracker::new(),
    };
    let router = http::router(state, database);
    let status = async || {
        let request = Request::get("/readyz").body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        response.status().as_u16()
    };
    assert_eq!(status().await, 200);
    shutdown.cancel();
    assert_eq!(status().await, 503);
}

#[tokio::test]
async fn every_answer_carries_the_id_of_its_request() {
    let house = House::open().await;
    for path in ["/", "/healthz", "/nothing", "/graphql?query={__typename}"] {
        let first = get(&house, path).await;
        let second = get(&house, path).await;
        let id = header(&first, "x-request-id");
        assert!(Uuid::try_parse(id).is_ok(), "{path}: {id}");
        assert_ne!(header(&second, "x-request-id"), id);
        // One that a proxy has given stays.
        let request = Client::new()
            .get(format!("{}{path}", house.url))
            .header("x-request-id", "of-the-proxy-7");
        let given = request.send().await.unwrap();
        assert_eq!(header(&given, "x-request-id"), "of-the-proxy-7");
    }
}

/// The database of a house, seen from another one.
struct Database {
    name: String,
    admin: AsyncPgConnection,
}

impl Database {
    async fn of(house: &House) -> Self {
        let (user, rest) = house.database_url.split_once("@/").unwrap();
        let (name, parameters) = rest.split_once('?').unwrap();
        Self {
            name: name.to_owned(),
            admin: cluster::connect(&format!("{user}@/postgres?{parameters}")).await,
        }
    }

    async fn goes_away(mut self) {
        let Self { name, admin } = &mut self;
        let statements = format!(
            "ALTER DATABASE {name} ALLOW_CONNECTIONS false; \
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        admin.batch_execute(&statements).await.unwrap();
    }

    async fn comes_back(mut self) {
        let Self { name, admin } = &mut self;
        let statement = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
        admin.batch_execute(&statement).await.unwrap();
    }
}
