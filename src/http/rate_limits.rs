//! Who may go on, and what the headers say of it: the one place at which all transports ask.
//!
//! It owns what is charged to whom, and the headers `RateLimit` and `RateLimit-Policy` of
//! draft-ietf-httpapi-ratelimit-headers. It must never charge twice for one operation.

use std::fmt::Write;
use std::net::IpAddr;

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::client_address::ClientAddress;
use super::credential::identify;
use super::graphql_endpoint::GraphqlState;
use super::graphql_errors::{ErrorCode, after, coded};
use super::graphql_http_answer::{Refusal, seconds};
use super::graphql_http_request::read_operation;
use super::graphql_request::{Bill, Operation};
use super::turned_away::TurnedAway;
use crate::auth::AuthenticationError;
use crate::config::{RateLimit, RateLimitSettings};
use crate::graphql::OVERLOAD_PAUSE;
use crate::limits::{
    Budget, Clock, Decision, LimitKey, Limiter, MessageBudget, OpenSocket, OpenSockets,
    RunningSubscriptions, TooManySockets, TooManySubscriptions,
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a request costs that comes to no operation, because its token is not valid or its
/// document is refused. Whoever guesses pays for each try.
const FAILED: u32 = 1;

/// What an operation costs that is not begun, because the server is overloaded: whoever asks on
/// and on is to be told so before their documents are read.
pub const UNBEGUN: u32 = 1;

/// Counts what everybody asks for, and what is open.
#[derive(Clone)]
pub struct RateLimits {
    limiter: Limiter,
    sockets: OpenSockets,
    subscriptions: RunningSubscriptions,
    turned_away: TurnedAway,
    socket_messages: RateLimit,
    clock: Clock,
}

/// What was charged to a request so far, for the headers of its answer.
#[derive(Default)]
pub struct Receipts(Vec<Decision>);

/// The caller has asked for too much.
#[derive(Clone, Copy, Debug)]
pub struct TooMuch(Decision);

impl RateLimits {
    /// Nothing is charged to anybody yet.
    pub fn new(limiter: Limiter, settings: &RateLimitSettings, clock: &Clock) -> Self {
        Self {
            limiter,
            sockets: OpenSockets::new(settings),
            subscriptions: RunningSubscriptions::new(settings),
            turned_away: TurnedAway::new(clock.clone()),
            socket_messages: settings.socket_messages,
            clock: clock.clone(),
        }
    }

    /// What a new socket may say.
    pub fn messages_of_a_socket(&self) -> MessageBudget {
        MessageBudget::new(self.socket_messages, &self.clock)
    }

    /// Where it is written down who was refused before it was looked at what they ask for.
    pub fn turned_away(&self) -> &TurnedAway {
        &self.turned_away
    }

    /// Refuses somebody who asks on and on although they were told to wait: nothing of what they
    /// ask for is looked at, and nobody asked.
    ///
    /// # Errors
    /// When it is such a one.
    pub fn refuse_who_goes_on(
        &self,
        key: &LimitKey,
        receipts: &mut Receipts,
    ) -> Result<(), TooMuch> {
        self.refuse(key, Budget::Reads, receipts)
    }

    /// Charges an address for a credential that is not believed, and then writes that down.
    /// A flood of them is not: it is counted with all that is refused.
    ///
    /// # Errors
    /// When too much has been asked for from there.
    pub async fn turn_away(
        &self,
        address: ClientAddress,
        why: AuthenticationError,
        receipts: &mut Receipts,
    ) -> Result<(), TooMuch> {
        let key = LimitKey::of_address(address.0);
        self.refuse(&key, Budget::Reads, receipts)?;
        self.take(&key, Budget::Reads, FAILED, receipts).await?;
        self.turned_away.note(address, why);
        Ok(())
    }

    fn refuse(
        &self,
        key: &LimitKey,
        budget: Budget,
        receipts: &mut Receipts,
    ) -> Result<(), TooMuch> {
        let Some(refusal) = self.limiter.refusal(key, budget) else {
            return Ok(());
        };
        receipts.0.push(refusal);
        Err(TooMuch(refusal))
    }

    /// Charges an operation to its caller; or an attempt to ask for one that has failed.
    ///
    /// # Errors
    /// When the caller has asked for too much.
    pub async fn charge(
        &self,
        key: &LimitKey,
        asked: Option<&Operation>,
        receipts: &mut Receipts,
    ) -> Result<(), TooMuch> {
        let (budget, cost) = match asked {
            None => (Budget::Reads, FAILED),
            Some(operation) => {
                let budget = match operation.kind {
                    OperationType::Query | OperationType::Subscription => Budget::Reads,
                    OperationType::Mutation => Budget::Writes,
                };
                // Set once: an operation is charged once.
                let _ = operation.bill.of.set((key.clone(), budget));
                (budget, operation.cost)
            }
        };
        self.take(key, budget, cost, receipts).await
    }

    /// Charges what an operation has turned out to cost, now that it is done.
    pub fn settle(&self, bill: &Bill) {
        let points = bill.shown.take();
        if let Some((key, budget)) = bill.of.get().filter(|_| points > 0) {
            self.limiter.owe(key, *budget, points);
        }
    }

    /// Gives a subscription its place among those of its caller.
    ///
    /// # Errors
    /// When there is none.
    pub fn begin(
        &self,
        ClientAddress(address): ClientAddress,
        operation: &mut Operation,
    ) -> Result<(), TooManySubscriptions> {
        if operation.kind == OperationType::Subscription {
            let key = LimitKey::of(&operation.caller, address);
            let place = self.subscriptions.start(key)?;
            operation.pace = place.pace();
            operation.place = Some(place);
        }
        Ok(())
    }

    /// Charges something that is read without an operation to its caller.
    ///
    /// # Errors
    /// When the caller has asked for too much.
    pub async fn charge_read(
        &self,
        key: &LimitKey,
        cost: u32,
        receipts: &mut Receipts,
    ) -> Result<(), TooMuch> {
        self.take(key, Budget::Reads, cost, receipts).await
    }

    /// Lets one more socket or event stream in.
    ///
    /// # Errors
    /// When too many are open, or were opened from this address.
    pub async fn enter(
        &self,
        ClientAddress(address): ClientAddress,
        receipts: &mut Receipts,
    ) -> Result<OpenSocket, Refusal> {
        // Who tries again and again while there is no place is charged for that, too.
        let key = LimitKey::of_address(address);
        self.refuse(&key, Budget::Sockets, receipts)?;
        self.take(&key, Budget::Sockets, 1, receipts).await?;
        self.place(address)
    }

    fn place(&self, address: IpAddr) -> Result<OpenSocket, Refusal> {
        self.sockets.open(address).map_err(|full| {
            let status = match full {
                TooManySockets::FromAddress => StatusCode::TOO_MANY_REQUESTS,
                TooManySockets::InAll => StatusCode::SERVICE_UNAVAILABLE,
            };
            Refusal::new(status, ErrorCode::TooManyConnections, full.to_string())
                .after(OVERLOAD_PAUSE)
        })
    }

    async fn take(
        &self,
        key: &LimitKey,
        budget: Budget,
        cost: u32,
        receipts: &mut Receipts,
    ) -> Result<(), TooMuch> {
        let Some(decision) = self.limiter.check(key, budget, cost).await else {
            return Ok(());
        };
        receipts.0.push(decision);
        if decision.allowed {
            Ok(())
        } else {
            Err(TooMuch(decision))
        }
    }
}

/// Reads the operation that a request asks for, and charges whoever asks.
///
/// The inner error is that of a document in which no operation was found.
///
/// # Errors
/// When the request cannot be given to GraphQL, the caller has asked for too much, or more is
/// asked of the server than it can do.
pub async fn admit(
    state: &GraphqlState,
    request: Request,
    receipts: &mut Receipts,
) -> Result<Result<Operation, ServerError>, Refusal> {
    let address = ClientAddress::of(&request);
    let GraphqlState {
        authenticator,
        limits,
        ..
    } = state;
    let headers = request.headers();
    let identity = identify(authenticator, limits, address, headers, receipts).await?;
    let key = LimitKey::of(&identity.caller, address.0);
    let caller = identity.caller.clone();
    let read = read_operation(state, identity, request).await;
    let operation = match &read {
        Ok(Ok(operation)) => Some(operation),
        Ok(Err(_)) | Err(_) => None,
    };
    if operation.is_some_and(|operation| is_too_much(state, operation.kind)) {
        limits.charge_read(&key, UNBEGUN, receipts).await?;
        return Err(Refusal::overloaded());
    }
    limits.charge(&key, operation, receipts).await?;
    let offence = match &read {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => state.documents.offence(error).map(str::to_owned),
        Err(refusal) => refusal.offence().map(|offence| offence.to_string()),
    };
    if let Some(offence) = offence {
        limits.turned_away.note_of(&caller, address, offence);
    }
    read
}

/// Whether an operation is better not begun now: all it could do is wait for the database in
/// vain. Mutations have a queue of their own, before their batches, and are let through to it.
pub fn is_too_much(state: &GraphqlState, kind: OperationType) -> bool {
    let is_too_much = kind != OperationType::Mutation && !state.database.has_room();
    if is_too_much {
        state.database.say_no_room();
    }
    is_too_much
}

impl TooMuch {
    fn message(self) -> String {
        let wait = seconds(self.0.retry_after).max(1);
        let seconds = if wait == 1 { "second" } else { "seconds" };
        format!(
            "the budget for {} is used up: try again in {wait} {seconds}",
            self.0.budget.name()
        )
    }

    /// The error of an operation.
    pub fn into_error(self) -> ServerError {
        after(
            self.0.retry_after,
            coded(ErrorCode::RateLimited, self.message()),
        )
    }
}

impl From<TooManySubscriptions> for Refusal {
    fn from(too_many: TooManySubscriptions) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self::new(
            status,
            ErrorCode::TooManySubscriptions,
            too_many.to_string(),
        )
        .after(OVERLOAD_PAUSE)
    }
}

impl From<TooManySubscriptions> for ServerError {
    fn from(too_many: TooManySubscriptions) -> Self {
        coded(ErrorCode::TooManySubscriptions, too_many.to_string())
    }
}

impl From<TooMuch> for Refusal {
    fn from(too_much: TooMuch) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self::new(status, ErrorCode::RateLimited, too_much.message()).after(too_much.0.retry_after)
    }
}

impl Receipts {
    /// Says in the headers of an answer what its caller may still ask for.
    pub fn write(&self, headers: &mut HeaderMap) {
        let (mut policies, mut limits) = (String::new(), String::new());
        for decision in &self.0 {
            let comma = if policies.is_empty() { "" } else { ", " };
            let name = decision.budget.name();
            let Decision {
                limit, remaining, ..
            } = decision;
            let window = seconds(decision.window);
            let reset = seconds(decision.reset_after);
            // Writing to a text never fails.
            let _ = write!(policies, "{comma}\"{name}\";q={limit};w={window}");
            let _ = write!(limits, "{comma}\"{name}\";r={remaining};t={reset}");
        }
        if self.0.is_empty() {
            return;
        }
        let texts = [(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, limits)];
        for (name, text) in texts {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }
}
