//! What is counted, for Prometheus.

use crate::batcher::Batcher;
use crate::db::Database;
use crate::limits::Budget;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

/// Upper bounds of the buckets of request times, in seconds.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Upper bounds of the buckets of batches, in commands.
const COMMANDS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1_000.0];

/// The recorder is the process's own, however many servers run in it.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// `/metrics`, in Prometheus' text format.
pub async fn render(
    State(database): State<Database>,
    State(batcher): State<Batcher>,
) -> impl IntoResponse {
    let waiting = u32::try_from(batcher.waiting()).unwrap_or(u32::MAX);
    gauge!("usher_batch_waiting").set(f64::from(waiting));
    let (connections, idle) = database.connections();
    gauge!("usher_database_connections").set(f64::from(connections));
    gauge!("usher_database_idle_connections").set(f64::from(idle));
    let text = RECORDER
        .get()
        .map(PrometheusHandle::render)
        .unwrap_or_default();
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
}

/// Starts counting; a second time it does nothing.
pub fn start() {
    RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        let times = Matcher::Full("usher_http_request_seconds".to_owned());
        let sizes = Matcher::Full("usher_batch_size".to_owned());
        // Only an empty list of buckets is an error.
        let builder = builder
            .set_buckets_for_metric(times, &SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(sizes, &COMMANDS))
            .unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Fails only if something else in the process counts already.
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("metrics are recorded elsewhere in this process");
        }
        describe();
        describe_batches();
        describe_feed();
        begin_at_zero();
        handle
    });
}

fn describe() {
    describe_counter!(
        "usher_http_requests_total",
        "Requests answered, by method, route and status."
    );
    describe_counter!(
        "usher_rate_limited_total",
        "What was refused to a caller who had asked for too much, by budget."
    );
    describe_counter!(
        "usher_shed_total",
        "What was sent away because the server is overloaded, by reason."
    );
    describe_histogram!(
        "usher_http_request_seconds",
        Unit::Seconds,
        "Time from a request's head to its answer's head, by route."
    );
    describe_counter!(
        "usher_operation_timeouts_total",
        "Operations whose client was answered without them, by kind: query or mutation."
    );
    describe_counter!(
        "usher_holds_total",
        "Calls of holdSeats and holdBestAvailable, by outcome: held, conflict or refused."
    );
    describe_counter!(
        "usher_hold_attempts_total",
        "Tries that these calls took, as `attempts` in their answers."
    );
    describe_counter!("usher_lapsed_holds_total", "Holds that the sweeper ended.");
    describe_gauge!(
        "usher_draining",
        "1 from the moment the server is to stop, when /readyz says so."
    );
    describe_gauge!(
        "usher_http_connections",
        "Open connections, WebSockets among them."
    );
    describe_counter!(
        "usher_http_connections_cut_total",
        "Connections that were cut because their clients kept them waiting."
    );
    describe_gauge!("usher_websocket_connections", "Open WebSocket connections.");
    describe_gauge!(
        "usher_websocket_operations",
        "Operations running on WebSockets."
    );
    describe_counter!(
        "usher_websocket_closed_total",
        "WebSockets closed, by close code; not_reading and silent were cut without one."
    );
    describe_gauge!("usher_event_streams", "Open streams of Server-Sent Events.");
    describe_counter!(
        "usher_event_streams_closed_total",
        "Streams of Server-Sent Events that ended, by reason."
    );
    describe_gauge!("usher_database_connections", "Connections of the pool.");
    describe_gauge!(
        "usher_database_idle_connections",
        "Connections of the pool not in use."
    );
}

fn describe_batches() {
    describe_histogram!("usher_batch_size", "Mutations that shared a transaction.");
    describe_gauge!(
        "usher_batch_waiting",
        "Mutations that wait for a transaction."
    );
    describe_counter!(
        "usher_batch_shed_total",
        "Mutations that were refused because too many waited, or for too long."
    );
    describe_counter!(
        "usher_batches_taken_apart_total",
        "Batches in which something was in the way of one of them."
    );
}

fn describe_feed() {
    describe_counter!(
        "usher_feed_changes_pruned_total",
        "Old changes of seats that were deleted."
    );
    describe_counter!(
        "usher_feed_changes_total",
        "Changes of seats that the follower has read."
    );
    describe_gauge!(
        "usher_feed_lag_seconds",
        Unit::Seconds,
        "How old the oldest change was that the follower read when it last looked."
    );
    describe_gauge!(
        "usher_feed_held_back_seconds",
        Unit::Seconds,
        "How long a running transaction has been holding committed changes back."
    );
    describe_gauge!("usher_live_maps", "Maps in memory.");
    describe_gauge!("usher_live_map_seats", "Seats of all maps in memory.");
    describe_gauge!(
        "usher_live_map_watchers",
        "Who watches a map, or waits for a hold."
    );
    describe_counter!(
        "usher_live_map_loads_total",
        "Maps loaded because somebody asked for them."
    );
    describe_gauge!(
        "usher_redis_up",
        "1 while Redis is used, 0 while it is left alone; not there without REDIS_URL."
    );
    describe_counter!(
        "usher_warm_maps_total",
        "Maps looked for in Redis, by outcome: hit, miss, stale, invalid or failed."
    );
    describe_counter!("usher_warm_maps_stored_total", "Maps stored in Redis.");
    describe_counter!(
        "usher_watcher_executions_total",
        "Messages to watchers that were executed; each is sent to all who are due the same."
    );
    describe_counter!(
        "usher_maps_counted_total",
        "Maps counted for `availability`: once for each state of a map, however many ask."
    );
    describe_counter!(
        "usher_messages_slowed_total",
        "Messages to watchers that came later, because their caller's had cost too much."
    );
    describe_counter!(
        "usher_watcher_skipped_ticks_total",
        "Messages that slow watchers got together with the next one."
    );
    describe_counter!(
        "usher_watchers_fell_behind_total",
        "Watchers so slow that they got a whole map instead of what they had missed."
    );
    describe_counter!(
        "usher_catch_ups_given_up_total",
        "Watchers that came back with many others and got a whole map."
    );
}

/// Shown as 0 from the start, so that a rate can be taken of the first one.
fn begin_at_zero() {
    for outcome in ["held", "conflict", "refused"] {
        counter!("usher_holds_total", "outcome" => outcome).absolute(0);
    }
    for operation in ["query", "mutation"] {
        counter!("usher_operation_timeouts_total", "operation" => operation).absolute(0);
    }
    counter!("usher_hold_attempts_total").absolute(0);
    counter!("usher_lapsed_holds_total").absolute(0);
    counter!("usher_batch_shed_total").absolute(0);
    let budgets = Budget::ALL.into_iter().map(Budget::name);
    for budget in budgets.chain(["open_sockets", "subscriptions"]) {
        counter!("usher_rate_limited_total", "budget" => budget).absolute(0);
    }
    for reason in ["batch", "database_queue", "database_wait", "sockets"] {
        counter!("usher_shed_total", "reason" => reason).absolute(0);
    }
    counter!("usher_batches_taken_apart_total").absolute(0);
    for feed in [
        "usher_feed_changes_total",
        "usher_live_map_loads_total",
        "usher_maps_counted_total",
        "usher_warm_maps_stored_total",
        "usher_watcher_executions_total",
        "usher_messages_slowed_total",
        "usher_watcher_skipped_ticks_total",
        "usher_watchers_fell_behind_total",
        "usher_catch_ups_given_up_total",
    ] {
        counter!(feed).absolute(0);
    }
    for outcome in ["hit", "miss", "stale", "invalid", "failed"] {
        counter!("usher_warm_maps_total", "outcome" => outcome).absolute(0);
    }
    gauge!("usher_draining").set(0.0);
    counter!("usher_feed_changes_pruned_total").absolute(0);
    gauge!("usher_http_connections").set(0.0);
    for reason in ["idle", "slow_head", "not_reading"] {
        counter!("usher_http_connections_cut_total", "reason" => reason).absolute(0);
    }
    gauge!("usher_websocket_connections").set(0.0);
    gauge!("usher_websocket_operations").set(0.0);
    gauge!("usher_event_streams").set(0.0);
}
