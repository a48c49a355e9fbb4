//! Keeping seats out of the sale, and giving them back to it.

use crate::db::seats::{ExpectedSeat, FromState, SeatState, ToState, Transition};
use crate::db::transaction_id::{self, TransactionId};
use crate::domain::box_office::{BoxOfficeRefused, NamedSeats};
use crate::domain::idempotency::{self, Effect, IdempotentRequest};
use crate::domain::permissions::require;
use crate::domain::transaction::{Abort, Settled, UnitOfWork};
use crate::domain::{DomainError, Environment};
use crate::model::status::{Cause, EventStatus};
use crate::model::{Caller, Permission};
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

/// What is done with the seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// They are kept out of the sale: those that are available, or whose hold has lapsed.
    Block,
    /// They are given back to it: those that are blocked.
    Unblock,
}

impl Blocking {
    fn operation(self) -> &'static str {
        match self {
            Self::Block => "blockSeats",
            Self::Unblock => "unblockSeats",
        }
    }

    fn transition(self, caller: &Caller) -> Transition {
        let (from, to, cause) = match self {
            Self::Block => (FromState::Takeable, ToState::Blocked, Cause::Blocked),
            Self::Unblock => (FromState::Blocked, ToState::Available, Cause::Unblocked),
        };
        Transition {
            from,
            to,
            cause,
            actor: caller.to_string(),
        }
    }
}

/// Blocks or unblocks the seats of `command`. Whether the event is on sale makes no
/// difference, unless it was cancelled.
///
/// # Errors
/// When the caller may not, the command makes no sense, the event is not there, or
/// the database fails.
pub async fn block_seats(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    command: BlockSeats,
    blocking: Blocking,
) -> Result<Settled<Effect<SeatsChanged>, BoxOfficeRefused>, DomainError> {
    require(caller, Permission::SellByHand)?;
    let key = command.idempotency_key.as_deref();
    let request = IdempotentRequest::new(caller, blocking.operation(), &command, key)?;
    command.seats.check()?;
    let work = Work {
        environment,
        caller,
        seats: &command.seats,
        transition: blocking.transition(caller),
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
