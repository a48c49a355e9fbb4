//! From a connection to the router and back: HTTP/1.1 by hyper.
//!
//! It owns what hyper is told, and how serving ends. axum's own `serve` would tell it nothing: no
//! limit of a head, and no word of whose turn it is. HTTP/2 is the business of a proxy.

use std::convert::Infallible;
use std::pin::pin;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::listener::{Client, ConnectionLimits, ImpatientListener};
use super::turn::{AnswerBody, Turn};

/// The longest head of a request, with its line: a query by GET and a token fit well.
const LONGEST_HEAD: usize = 32 * 1024;

/// Answers what comes in on `listener` until `shutdown` is cancelled, and then
/// until the last request is answered.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    shutdown: CancellationToken,
) {
    let mut http = http1::Builder::new();
    // Beyond it, and beyond a hundred headers, hyper answers 431.
    http.max_header_size(LONGEST_HEAD);
    // The stream has clocks of its own for that, which never run longer. But only for this one's
    // sake does hyper look at the stream after an answer, so that they begin to run.
    http.timer(TokioTimer::new());
    http.header_read_timeout(limits.idle_timeout.saturating_add(limits.head_timeout));
    let mut listener = ImpatientListener::new(listener, limits);
    let connections = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            stream = listener.accept() => stream,
        };
        let (client, turn) = (stream.client().clone(), stream.turn().clone());
        let router = router.clone();
        let service = service_fn(move |request| answer(&router, &client, &turn, request));
        let connection = http
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let shutdown = shutdown.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::trace!(%error, "a connection has ended");
            }
        });
    }
    // Nobody is to connect who will not be answered.
    drop(listener);
    connections.close();
    connections.wait().await;
}

fn answer(
    router: &Router,
    client: &Client,
    turn: &Turn,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<AnswerBody>, Infallible>> + use<> {
    let answering = turn.begin();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(client.clone()));
    // A router is always ready.
    let response = router.clone().call(request);
    async move { Ok(answering.with(response.await?)) }
}
