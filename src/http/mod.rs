//! The front door: routes, transports, pages, health. Parses HTTP, hands
//! operations to the schema, writes answers. Knows nothing of seats.

mod assets;
mod client_address;
mod credential;
mod document_cache;
mod draining;
mod enveloped;
mod event_stream;
mod graphql_answer;
mod graphql_endpoint;
mod graphql_errors;
mod graphql_http_answer;
mod graphql_http_request;
mod graphql_over_http;
mod graphql_request;
mod header_list;
mod health;
mod listener;
mod media_type;
pub mod metrics;
mod moments;
mod observe;
mod plans;
mod rate_limits;
mod request_id;
mod websocket;

pub use document_cache::DocumentCache;
pub use draining::Draining;
pub use event_stream::StreamLimits;
pub use graphql_answer::WrittenAnswer;
pub use graphql_endpoint::GraphqlState;
pub use graphql_request::{Operation, ParameterError, Parameters};
pub use rate_limits::RateLimits;
pub use websocket::SocketLimits;

use crate::batcher::Batcher;
use crate::config::TrustedProxies;
use crate::db::Database;
use crate::domain::plan_cache::PlanCache;
use axum::Router;
use axum::extract::FromRef;
use axum::http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{from_fn, from_fn_with_state, map_request};
use axum::routing::get;
use listener::{Client, ImpatientListener};
use request_id::REQUEST_ID;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;

/// What the pages may load: nothing from elsewhere, and no script that is not a
/// file of usher's. GraphiQL sets styles from its script.
const CONTENT_SECURITY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// How much work goes into making an answer smaller; each encoding has levels of its own.
/// Of a list of 60,000 seats (12 MB), gzip makes 690 kB in 51 ms, and 655 kB in 164 ms at
/// its default, 6. For br 4 is the layer's default, which saves 9 % over 3 and costs half
/// as much as 5; for zstd 4 is as good as its default, 3.
const COMPRESSION: CompressionLevel = CompressionLevel::Precise(4);

/// How long a client that has connected may say nothing at all.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the pages for operators work with.
#[derive(Clone, FromRef)]
struct Operations {
    batcher: Batcher,
    database: Database,
    draining: Draining,
}

/// Everything that usher answers on.
pub fn router(
    graphql: GraphqlState,
    batcher: Batcher,
    database: Database,
    plans: PlanCache,
    trusted_proxies: TrustedProxies,
) -> Router {
    let draining = graphql.draining.clone();
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(draining.clone(), draining::part_ways))
        .layer(map_request(request_id::forget_unusable))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(from_fn_with_state(
            Arc::new(client_address::Proxies::new(trusted_proxies)),
            client_address::resolve,
        ))
        .layer(from_fn(observe::observe))
        .layer(CatchPanicLayer::new())
        .layer(header(CONTENT_SECURITY_POLICY, CONTENT_SECURITY))
        .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(X_FRAME_OPTIONS, "DENY"))
        .layer(header(REFERRER_POLICY, "no-referrer"));
    let plans = plans::routes(
        database.clone(),
        plans,
        graphql.authenticator.clone(),
        graphql.limits.clone(),
        graphql.tracker.clone(),
    );
    Router::new()
        .route("/", get(assets::home))
        .route("/favicon.ico", get(assets::icon))
        .route("/graphiql", get(assets::graphiql))
        .route("/graphiql/{*path}", get(assets::graphiql_asset))
        .route("/{*path}", get(assets::asset))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::render))
        .with_state(Operations {
            batcher,
            database,
            draining,
        })
        .merge(graphql_endpoint::routes(graphql))
        .layer(CompressionLayer::new().quality(COMPRESSION))
        // They compress by themselves.
        .merge(plans)
        .layer(layers)
}

fn header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}

/// Answers what comes in on `listener` until `shutdown` is cancelled, and then
/// until the last request is answered. A client that says nothing for 10 seconds after it has
/// connected, or takes nothing for `send_timeout` of
/// what is sent to it has its connection cut.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    send_timeout: Duration,
    shutdown: CancellationToken,
) {
    let listener = ImpatientListener::new(listener, FIRST_BYTE_TIMEOUT, send_timeout);
    let served = axum::serve(
        listener,
        router.into_make_service_with_connect_info::<Client>(),
    )
    .with_graceful_shutdown(shutdown.cancelled_owned())
    .await;
    if let Err(error) = served {
        tracing::error!(%error, "the server has stopped");
    }
}
