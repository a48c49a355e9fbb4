//! What load balancers ask: whether the process lives, whether it can serve,
//! and which request it was.

use super::{get, header};
use crate::support::house::Limits;
use crate::support::program::Server;
use crate::support::slow_hold::SlowHold;
use crate::support::{House, PATIENCE, checks, cluster, eventually};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use usher::config::RateLimitSettings;
use uuid::Uuid;

/// The status of what a server answers, and what it says.
async fn ask(server: &str, path: &str) -> (u16, Value) {
    let response = reqwest::get(format!("{server}{path}")).await.unwrap();
    assert_eq!(
        header(&response, "content-security-policy"),
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
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
    let server = Server::beside(&house, &["--database-acquire-timeout", "3s"]).await;
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

/// What a load balancer takes for "not ready", and it need not wait for its next check.
#[tokio::test]
async fn a_server_that_stops_refuses_connections_while_it_finishes() {
    let house = House::open().await;
    let mut hold = SlowHold::at(&house).await;
    let visitor = house.visitor();
    let mutation = hold.mutation();
    let holding = tokio::spawn(async move { visitor.ask(&mutation, json!({})).await });
    hold.has_begun().await;

    let address = house.running.address;
    let stopping = tokio::spawn(house.running.stop(PATIENCE));
    eventually("connections are refused", async || {
        TcpStream::connect(address).await.err()
    })
    .await;
    assert!(!stopping.is_finished());
    hold.goes_on().await;
    let answer = holding.await.unwrap();
    assert_eq!(answer.data()["holdSeats"]["__typename"], "SeatsHeld");
    stopping.await.unwrap();
}

#[tokio::test]
async fn every_answer_carries_the_id_of_its_request() {
    let (house, behind) = (House::open().await, behind_a_proxy().await);
    for path in ["/", "/healthz", "/nothing", "/graphql?query={__typename}"] {
        let first = get(&house, path).await;
        let second = get(&house, path).await;
        let id = header(&first, "x-request-id");
        assert!(Uuid::try_parse(id).is_ok(), "{path}: {id}");
        assert_ne!(header(&second, "x-request-id"), id);
        // One that a trusted proxy has given stays, and nobody else's.
        let longest = "x".repeat(128);
        for chosen in ["of-the-proxy-7", &longest] {
            let given = get_as(&behind, path, &[chosen]).await;
            assert_eq!(header(&given, "x-request-id"), chosen);
            let given = get_as(&house, path, &[chosen]).await;
            let id = header(&given, "x-request-id");
            assert!(Uuid::try_parse(id).is_ok(), "{path}: {id}");
        }
    }
}

#[tokio::test]
async fn an_id_that_does_not_belong_in_a_log_is_replaced() {
    let house = behind_a_proxy().await;
    let (long, endless) = ("x".repeat(129), "x".repeat(4_000));
    for chosen in [
        &[""][..],
        &["two words"],
        &["caf\u{e9}"],
        &[&long],
        &[&endless],
        &["one", "another"],
    ] {
        let answer = get_as(&house, "/healthz", chosen).await;
        let ids: Vec<_> = answer.headers().get_all("x-request-id").iter().collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        let id = header(&answer, "x-request-id");
        assert!(Uuid::try_parse(id).is_ok(), "{chosen:?} became {id}");
    }
}

/// A house that takes the test for its proxy.
async fn behind_a_proxy() -> House {
    let rate_limits = RateLimitSettings {
        trusted_proxies: "127.0.0.1".parse().unwrap(),
        ..RateLimitSettings::off()
    };
    House::open_with_all(Limits {
        rate_limits,
        ..Limits::default()
    })
    .await
}

/// Asks with these ids of the request.
async fn get_as(house: &House, path: &str, ids: &[&str]) -> Response {
    let mut request = Client::new().get(format!("{}{path}", house.url));
    for id in ids {
        request = request.header("x-request-id", *id);
    }
    request.send().await.unwrap()
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
        // Committed before anybody is sent away, who could come back otherwise.
        let close = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
        admin.batch_execute(&close).await.unwrap();
        let connected = format!("pg_stat_activity WHERE datname = '{name}'");
        let send_away = format!("SELECT pg_terminate_backend(pid) FROM {connected}");
        eventually("nobody is connected", async || {
            admin.batch_execute(&send_away).await.unwrap();
            (checks::count(admin, &connected).await == 0).then_some(())
        })
        .await;
    }

    async fn comes_back(mut self) {
        let Self { name, admin } = &mut self;
        let statement = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
        admin.batch_execute(&statement).await.unwrap();
    }
}
