//! Keeping seats out of the sale, and giving them back to it.

use crate::db::seats::{ExpectedSeat, FromState, SeatState, ToState, Transition};
use crate::db::transaction_id::{self, TransactionId};
use crate::domain::box_office::{BoxOfficeRefused, NamedSeats};
use crate::domain::error::require_staff;
use crate::domain::idempotency::{self, Effect, IdempotentRequest};
use crate::domain::transaction::{Abort, Settled, UnitOfWork};
use crate::domain::{DomainError, Environment};
use crate::model::Caller;
use crate::model::status::{Cause, EventStatus};
use diesel_async::AsyncPgConnection;
use serde::{Deserialize, Serialize};

/// Block or unblock these seats, all of them or none.
#[derive(Clone, Debug, Serialize)]
pub struct BlockSeats {
    /// Which seats.
    pub seats: NamedSeats,
    /// Under this key the request is done once.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// The seats are blocked, or are not any more.
#[derive(Debug, Serialize, Deserialize)]
pub struct SeatsChanged {
    /// The seats as they became, in the plan's order.
    pub seats: Vec<SeatState>,
    /// The transaction that changed them.
    pub transaction: TransactionId,
}

/// Keeps the seats of `command` out of the sale: those that are available, or whose
/// hold has lapsed. Whether the event is on sale makes no difference, unless it was
/// cancelled.
///
/// # Errors
/// When the caller is not staff, the command makes no sense, the event is not there, or
/// the database fails.
pub async fn block_seats(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    command: BlockSeats,
) -> Result<Settled<Effect<SeatsChanged>, BoxOfficeRefused>, DomainError> {
    let change = Change {
        operation: "blockSeats",
        from: FromState::Takeable,
        to: ToState::Blocked,
        cause: Cause::Blocked,
    };
    run(connection, environment, caller, &command, change).await
}

/// Gives the blocked seats of `command` back to the sale.
///
/// # Errors
/// As [`block_seats`].
pub async fn unblock_seats(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    command: BlockSeats,
) -> Result<Settled<Effect<SeatsChanged>, BoxOfficeRefused>, DomainError> {
    let change = Change {
        operation: "unblockSeats",
        from: FromState::Blocked,
        to: ToState::Available,
        cause: Cause::Unblocked,
    };
    run(connection, environment, caller, &command, change).await
}

/// Wherein the two differ.
struct Change {
    operation: &'static str,
    from: FromState,
    to: ToState,
    cause: Cause,
}

async fn run(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    command: &BlockSeats,
    change: Change,
) -> Result<Settled<Effect<SeatsChanged>, BoxOfficeRefused>, DomainError> {
    require_staff(caller)?;
    let key = command.idempotency_key.as_deref();
    let request = IdempotentRequest::new(caller, change.operation, command, key)?;
    command.seats.check()?;
    let work = Work {
        environment,
        caller,
        seats: &command.seats,
        transition: Transition {
            from: change.from,
            to: change.to,
            cause: change.cause,
            actor: caller.to_string(),
        },
    };
    idempotency::run(connection, environment, caller, request.as_ref(), &work).await
}

struct Work<'a> {
    environment: &'a Environment,
    caller: &'a Caller,
    seats: &'a NamedSeats,
    transition: Transition,
}

impl UnitOfWork for Work<'_> {
    type Reading = Vec<ExpectedSeat>;
    type Success = Effect<SeatsChanged>;
    type Refusal = BoxOfficeRefused;

    async fn read(
        &self,
        connection: &mut AsyncPgConnection,
        attempt: u32,
    ) -> Result<Vec<ExpectedSeat>, DomainError> {
        self.seats.expected(connection, attempt).await
    }

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
        expected: &Vec<ExpectedSeat>,
    ) -> Result<Effect<SeatsChanged>, Abort<BoxOfficeRefused>> {
        let environment = self.environment;
        let but_not = [EventStatus::Cancelled];
        let event = self
            .seats
            .find_event(connection, environment, self.caller, &but_not)
            .await?;
        let seats = self
            .seats
            .change(connection, environment, &event, expected, &self.transition)
            .await?;
        let transaction = transaction_id::current(connection).await?;
        let record = SeatsChanged { seats, transaction };
        Ok(Effect { event, record })
    }
}
