//! `GET /plans/{id}`: the drawing of a seating plan, which never changes, so that a
//! client loads the positions of 60,000 seats once and their statuses often.
//!
//! It owns what HTTP says about a drawing: who may keep it for how long, under which
//! tag, and in which encoding. What is in it is `domain::plan_drawing`'s.
//!
//! It is sent as [`representation`](crate::http::representation) has it: compressed once for
//! each encoding, and with a tag that is the hash of what it has become.

mod drawings;

use crate::auth::Authenticator;
use crate::db::Database;
use crate::db::failure::was_not_answered;
use crate::domain::plan_cache::PlanCache;
use crate::http::client_address::ClientAddress;
use crate::http::credential::{NotLetIn, challenge, identify};
use crate::http::execution::run_to_the_end;
use crate::http::graphql_http_answer::Refusal;
use crate::http::media_type::MediaType;
use crate::http::rate_limits::{RateLimits, Receipts};
use crate::http::representation::{Encoding, Representation, Unmade};
use crate::limits::LimitKey;
use crate::model::causes::in_full;
use crate::model::global_id::GlobalId;
use crate::model::ids::PlanId;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use drawings::{Drawings, PlanFailure};
use std::fmt::Display;
use std::sync::Arc;
use tokio_util::task::TaskTracker;

/// A plan never changes, and `SeatingPlan.path` is another one in another database and
/// for another format: nobody needs to ask again within a year, which is the longest
/// that caches promise.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// The same, where visitors see nothing: a cache between us and several people must not
/// show to one what it got for another.
const FOR_EVER_TO_ONE: &str = "private, max-age=31536000, immutable";

/// What a drawing costs, in points of reads: of a big hall it is half a megabyte, also when it
/// is there already.
const COST: u32 = 100;

#[derive(Clone)]
struct Plans {
    drawings: Drawings,
    authenticator: Authenticator,
    limits: RateLimits,
    /// Counts what the server waits for before it exits.
    tracker: TaskTracker,
}

/// The routes of drawings.
pub fn routes<Outer>(
    database: Database,
    plans: PlanCache,
    authenticator: Authenticator,
    limits: RateLimits,
    tracker: TaskTracker,
) -> Router<Outer>
where
    Outer: Clone + Send + Sync + 'static,
{
    let drawings = Drawings::new(database, plans);
    Router::new()
        .route("/plans/{id}", get(plan))
        .with_state(Plans {
            drawings,
            authenticator,
            limits,
            tracker,
        })
}

impl Plans {
    /// Goes on to the end even if the client leaves: others may wait for the same.
    async fn make(
        &self,
        id: PlanId,
        encoding: Encoding,
    ) -> Result<Arc<Representation>, PlanFailure> {
        let drawings = self.drawings.clone();
        let work = async move { drawings.make(id, encoding).await };
        let made = run_to_the_end(&self.tracker, work).await;
        made.unwrap_or(Err(PlanFailure::Undrawn(Unmade::Lost)))
    }
}

async fn plan(
    State(plans): State<Plans>,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let mut receipts = Receipts::default();
    let address = ClientAddress::of(&request);
    let headers = request.headers();
    let mut response = match admit(&plans, address, headers, &mut receipts).await {
        Ok(()) => drawing(&plans, id, headers).await,
        Err(NotLetIn::TooMuch(too_much)) => Refusal::from(too_much).into_response(MediaType::Json),
        Err(NotLetIn::NotBelieved(why)) => {
            let challenge = [(WWW_AUTHENTICATE, challenge(why))];
            let refusal = refusal(StatusCode::UNAUTHORIZED, why.to_string());
            (challenge, refusal).into_response()
        }
    };
    receipts.write(response.headers_mut());
    response
}

/// Of a drawing everybody sees the same, but somebody one must be.
async fn admit(
    Plans {
        authenticator,
        limits,
        ..
    }: &Plans,
    address: ClientAddress,
    headers: &HeaderMap,
    receipts: &mut Receipts,
) -> Result<(), NotLetIn> {
    let identity = identify(authenticator, limits, address, headers, receipts).await?;
    let key = LimitKey::of(&identity.caller, address.0);
    let charged = limits.charge_read(&key, COST, receipts);
    charged.await.map_err(NotLetIn::TooMuch)
}

async fn drawing(
    plans: &Plans,
    id: Result<Path<String>, PathRejection>,
    headers: &HeaderMap,
) -> Response {
    // Whatever is no id of a plan, that of an event among them, is not found.
    let Some(Ok(GlobalId::SeatingPlan(id))) = id.ok().map(|Path(id)| id.parse()) else {
        return refusal(StatusCode::NOT_FOUND, "there is no such plan");
    };
    let Some(encoding) = Encoding::negotiate(headers) else {
        let message = "plans are sent plain, or as gzip, br or zstd";
        return refusal(StatusCode::NOT_ACCEPTABLE, message);
    };
    let made = match plans.drawings.cached(id, encoding) {
        Some(cached) => Ok(cached),
        None => plans.make(id, encoding).await,
    };
    let lifetime = if plans.authenticator.takes_visitors() {
        FOR_EVER
    } else {
        FOR_EVER_TO_ONE
    };
    match made {
        Ok(found) => found.answer(headers, "application/json", lifetime),
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &PlanFailure) -> Response {
    let unavailable = match failure {
        PlanFailure::NotFound => {
            return refusal(StatusCode::NOT_FOUND, "there is no such plan");
        }
        PlanFailure::Unavailable(_) => true,
        PlanFailure::Database(cause) => was_not_answered(cause),
        PlanFailure::Undrawn(_) => false,
    };
    if unavailable {
        tracing::warn!(error = in_full(failure), "a plan cannot be read now");
        let message = "the database does not answer: try again soon";
        refusal(StatusCode::SERVICE_UNAVAILABLE, message)
    } else {
        tracing::error!(error = in_full(failure), "a plan could not be drawn");
        let message = "something went wrong on the server; it has been logged";
        refusal(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

/// Nobody keeps it: a plan that is not there may be imported the next moment.
fn refusal(status: StatusCode, message: impl Display) -> Response {
    let headers = [(CACHE_CONTROL, "no-store")];
    (status, headers, format!("{message}\n")).into_response()
}
