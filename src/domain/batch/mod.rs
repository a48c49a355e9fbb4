//! Many commands, one transaction: one flush of the log, and one statement of each kind for
//! all of them.
//!
//! ```text
//!  needs       which rows each command is about
//!  BEGIN
//!  read        all of them at once; in a second round what depends on that, if anything does
//!  decide      in memory, one command after the other in order of arrival: each sees what
//!              those before it have decided, and is entered into the ledger whole or
//!              not at all
//!  write       all that was decided; the UPDATE of seats checks every version again,
//!              because other processes write, too
//!  COMMIT      and only now anybody is answered
//! ```
//!
//! A loser is answered with what it lost to and drags nobody down: its decision writes
//! nothing. When a row has become another one between reading and writing, all of it is rolled
//! back and run again.

mod asking;
mod commission;
mod ledger;
mod needs;
mod open;
mod reading;
mod writing;

use asking::ask_all;
pub use commission::{Answer, Commission, NoAnswer, Outcome};
pub use ledger::{Ledger, LostSeat, More};
pub use needs::Needs;
use open::Open;
pub use reading::FirstReading;

use crate::db::changes::Trace;
use crate::db::seats;
use crate::db::transaction_id::TransactionId;
use crate::domain::conflict::{self, SeatConflict};
use crate::domain::idempotency::Effect;
use crate::domain::{DomainError, Environment};
use crate::model::Caller;
use crate::model::ids::EventId;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::time::Duration;
use writing::Written;

/// A command of a caller: which rows it is about, and what is to become of them. It may be
/// asked more than once, so it has no effect but in the ledger.
pub trait Decision: Send + Sync + 'static {
    /// What is remembered of it under an idempotency key.
    type Record: Serialize + DeserializeOwned + Send + 'static;
    /// What it answers when the domain says no.
    type Refusal: Send + 'static;

    /// Who asks.
    fn caller(&self) -> &Caller;

    /// Whose seats they are; `None` when that cannot be told, and nothing is there to change.
    fn event(&self) -> Option<EventId>;

    /// How much there is to do.
    fn load(&self) -> Load {
        Load {
            seats: SEATS_OF_A_HOLD,
            searched: None,
        }
    }

    /// The rows that it is about, as far as it knows by itself.
    fn needs(&self, needs: &mut Needs);

    /// The others, once those are read.
    fn needs_then(&self, first: &FirstReading, needs: &mut Needs);

    /// The lost race that a refusal is, if it is one.
    fn conflict(_refusal: &mut Self::Refusal) -> Option<&mut SeatConflict> {
        None
    }

    /// Decides, and enters what was decided into the ledger; nothing when it answers
    /// [`No`].
    ///
    /// # Errors
    /// When it cannot be.
    fn decide(
        &self,
        ledger: &mut Ledger,
        tries: &mut Tries,
    ) -> Result<Effect<Self::Record>, No<Self::Refusal>>;
}

/// What a hold of which nobody knows yet how many seats it has is taken for.
const SEATS_OF_A_HOLD: usize = 4;

/// How much there is to do for a command, so that a batch does not take on too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// About as many seats are looked at.
    pub seats: usize,
    /// The event of which all seats that may be taken are read and searched.
    pub searched: Option<EventId>,
}

/// How often a command was tried.
#[derive(Clone, Copy, Debug)]
pub struct Tries {
    /// So often, this time included.
    pub count: u32,
    /// Whether there is no other time: what could be tried again is refused.
    pub is_last: bool,
}

/// Why a command is not done.
#[derive(Debug)]
pub enum No<R> {
    /// The domain says no.
    Refused(R),
    /// The domain says no to what others are doing at this moment; another time it may not.
    Outrun(R),
    /// Another command of the batch has changed a seat that this one would change again:
    /// its turn is in the next batch.
    PutOff,
    /// Something failed.
    Failed(DomainError),
}

impl<R> From<DomainError> for No<R> {
    fn from(error: DomainError) -> Self {
        Self::Failed(error)
    }
}

/// A command on its way, whatever it is for.
pub trait Member: Send {
    /// Whose seats it is about.
    fn event(&self) -> Option<EventId>;

    /// As [`Decision::load`].
    fn load(&self) -> Load;

    /// Takes it on, unless its caller has gone away; from now on the caller waits to the end.
    fn take_on(&self) -> bool;

    /// As [`Decision::needs`].
    fn needs(&self, needs: &mut Needs);

    /// As [`Decision::needs_then`].
    fn needs_then(&self, first: &FirstReading, needs: &mut Needs);

    /// Another transaction decides about it.
    fn begin_try(&mut self);

    /// Decides; the outcome is kept until the batch is committed. Whether it is the last
    /// time is the caller's to say. Afterwards it may [have failed](Member::has_failed): then
    /// the ledger has more of it than may be committed.
    fn decide(&mut self, ledger: &mut Ledger, is_last: bool);

    /// What was decided last.
    fn standing(&self) -> Standing;

    /// The lost race that was decided on, if it is one: its alternatives are still to be
    /// looked for.
    fn conflict(&mut self) -> Option<&mut SeatConflict>;

    /// Nobody could decide, because this happened: nothing more is asked of it.
    fn fail(&mut self, error: DomainError);

    /// Whether that was said, or it has found out by itself.
    fn has_failed(&self) -> bool;

    /// Answers whoever waits for it.
    fn answer(self: Box<Self>);
}

/// How a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is an answer.
    Decided,
    /// It is to be tried again, after a pause.
    Outrun,
    /// It is to be tried again in the next batch.
    PutOff,
}

/// Why a batch was rolled back, or why nobody knows whether it was.
#[derive(Debug)]
pub enum Undone {
    /// Rows had become others between reading and writing, these seats among them.
    Outrun(Vec<LostSeat>),
    /// It failed.
    Failed {
        /// What happened.
        error: DomainError,
        /// How it may have ended.
        end: End,
    },
}

/// How a transaction that failed may have ended.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// Nothing was written, or nobody has asked for the COMMIT.
    RolledBack,
    /// The COMMIT may have been done; then this transaction has left that behind, if it has
    /// changed a seat.
    Unknown(TransactionId, Option<Trace>),
}

/// Seats that the server has picked and others have locked are replaced so often.
const MAX_PICKS: usize = 8;

/// How a batch is run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// How long a lock is waited for, where that is shorter than the connection's own limit.
    pub lock_timeout: Option<Duration>,
    /// Whether it is the last time.
    pub is_last: bool,
    /// Seats that were lost to others the last time: for whoever wants to be told at once,
    /// they are lost, whatever has become of them.
    pub lost: HashSet<LostSeat>,
}

/// Runs the commands in one transaction, in this order. Afterwards each says how it
/// [stands](Member::standing): what is decided may be answered.
///
/// # Errors
/// When it was rolled back, or may have been: nothing may be answered.
pub async fn run(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    members: &mut [Box<dyn Member>],
    how: &Run,
) -> Result<(), Undone> {
    let mut connection = Open::new(connection);
    let ended = async {
        let ledger = decide(&mut connection, environment, members, how).await?;
        if ledger.changes.is_empty() {
            return Ok(End::RolledBack);
        }
        match writing::write(&connection, &ledger).await? {
            Written::All => Ok(End::Unknown(ledger.transaction(), ledger.trace())),
            Written::AllBut(lost) => Err(Stop::Outrun(lost)),
        }
    };
    match ended.await {
        Ok(end) => connection.commit().await.map_err(|error| Undone::Failed {
            error: error.into(),
            end,
        }),
        Err(stop) => {
            connection.roll_back().await;
            Err(match stop {
                Stop::Outrun(lost) => Undone::Outrun(lost),
                Stop::Failed(error) => Undone::Failed {
                    error,
                    end: End::RolledBack,
                },
            })
        }
    }
}

/// Looks for seats to offer to those who have lost a race: for all of them at once.
///
/// # Errors
/// When the database fails; nothing is offered then.
pub async fn look_around(
    connection: &AsyncPgConnection,
    losers: &mut [Box<dyn Member>],
) -> QueryResult<()> {
    let conflicts = losers.iter_mut().filter_map(|loser| loser.conflict());
    let mut conflicts: Vec<&mut SeatConflict> = conflicts.collect();
    conflict::look_around(connection, &mut conflicts).await
}

enum Stop {
    /// Rows have become others since they were read, these seats among them.
    Outrun(Vec<LostSeat>),
    Failed(DomainError),
}

impl From<diesel::result::Error> for Stop {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<DomainError> for Stop {
    fn from(error: DomainError) -> Self {
        Self::Failed(error)
    }
}

async fn decide(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    members: &mut [Box<dyn Member>],
    how: &Run,
) -> Result<Ledger, Stop> {
    let mut needs = Needs::default();
    ask_all(members, |member| {
        member.begin_try();
        member.needs(&mut needs);
    })
    .await?;
    let first = reading::begin(connection, environment, how.lock_timeout, &needs).await?;
    let mut more = Needs::default();
    ask_all(members, |member| member.needs_then(&first, &mut more)).await?;
    let concurrency = environment.concurrency;
    let mut read = reading::complete(connection, concurrency, &needs, &more, first).await?;
    read.lost.clone_from(&how.lost);
    if needs.takeable.is_empty() {
        ask_all(members, |member| member.decide(&mut read, how.is_last)).await?;
        return Ok(read);
    }
    for _ in 0..MAX_PICKS {
        let mut ledger = read.clone();
        ask_all(members, |member| member.decide(&mut ledger, how.is_last)).await?;
        let picked = ledger.picked();
        if picked.is_empty() {
            return Ok(ledger);
        }
        let locked = seats::lock_takeable_rows(connection, picked.iter().copied()).await?;
        let locked: HashSet<_> = locked
            .iter()
            .map(|row| (row.event_id, row.seat_no))
            .collect();
        if locked.len() == picked.len() {
            return Ok(ledger);
        }
        for (event, seat_no, _) in picked {
            if !locked.contains(&(event, seat_no)) {
                read.withhold(event, seat_no);
            }
        }
    }
    Err(Stop::Outrun(Vec::new()))
}
