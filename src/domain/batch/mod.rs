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

mod commission;
mod ledger;
mod needs;
mod open;
mod reading;
mod writing;

pub use commission::{Commission, Outcome};
pub use ledger::{Ledger, More};
pub use needs::Needs;
use open::Open;
pub use reading::FirstReading;

use crate::db::seats;
use crate::db::transaction_id::TransactionId;
use crate::domain::conflict::SeatConflict;
use crate::domain::idempotency::Effect;
use crate::domain::{DomainError, Environment};
use crate::model::Caller;
use crate::model::ids::{EventId, SeatNo};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap, HashSet};
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

impl<R> No<R> {
    /// The same with another refusal.
    pub fn map<T>(self, map: impl FnOnce(R) -> T) -> No<T> {
        match self {
            Self::Refused(refusal) => No::Refused(map(refusal)),
            Self::Outrun(refusal) => No::Outrun(map(refusal)),
            Self::PutOff => No::PutOff,
            Self::Failed(error) => No::Failed(error),
        }
    }
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

    /// As [`Decision::needs`].
    fn needs(&self, needs: &mut Needs);

    /// As [`Decision::needs_then`].
    fn needs_then(&self, first: &FirstReading, needs: &mut Needs);

    /// Another transaction decides about it.
    fn begin_try(&mut self);

    /// Decides; the outcome is kept until the batch is committed. Whether it is the last
    /// time is the caller's to say.
    fn decide(&mut self, ledger: &mut Ledger, is_last: bool);

    /// What was decided last.
    fn standing(&self) -> Standing;

    /// The lost race that was decided on, if it is one: its alternatives are still to be
    /// looked for.
    fn conflict(&mut self) -> Option<&mut SeatConflict>;

    /// Nobody could decide, because this happened.
    fn fail(&mut self, error: DomainError);

    /// Answers whoever waits for it.
    fn answer(self: Box<Self>);

    /// Whether nobody waits for it any more.
    fn is_abandoned(&self) -> bool;
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
pub struct Undone {
    /// What happened; `None` when rows had changed between reading and writing.
    pub error: Option<DomainError>,
    /// The seats among them.
    pub lost: Vec<(EventId, SeatNo)>,
    /// The transaction, if it may have been committed.
    pub transaction: Option<TransactionId>,
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
    pub lost: HashSet<(EventId, SeatNo)>,
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
    let mut written = None;
    let mut connection = Open::new(connection);
    let ended = async {
        let ledger = decide(&mut connection, environment, members, how).await?;
        if !ledger.changes.is_empty() {
            if let Written::AllBut(lost) = writing::write(&connection, &ledger).await? {
                return Err(Stop::Lost(lost));
            }
            written = Some(ledger.transaction());
        }
        Ok(())
    };
    let ended = match ended.await {
        Ok(()) => connection.commit().await.map_err(Stop::from),
        Err(stop) => {
            connection.roll_back().await;
            Err(stop)
        }
    };
    ended.map_err(|stop| match stop {
        Stop::Lost(lost) => Undone {
            error: None,
            lost,
            transaction: None,
        },
        Stop::Failed(error) => Undone {
            error: Some(error),
            lost: Vec::new(),
            transaction: written,
        },
    })
}

/// Looks for seats to offer to those who have lost a race: for all of them at once, and not in
/// the transaction in which they lost. Whoever wants to look farther does so by
/// itself.
///
/// # Errors
/// When the database fails; nothing is offered then.
pub async fn look_around(
    connection: &AsyncPgConnection,
    losers: &mut [Box<dyn Member>],
) -> QueryResult<()> {
    let mut conflicts: Vec<_> = losers
        .iter_mut()
        .filter_map(|loser| loser.conflict())
        .map(|conflict| (conflict.closest(), conflict))
        .collect();
    let keys = conflicts
        .iter()
        .flat_map(|((event, seats), _)| seats.iter().map(|seat_no| (*event, *seat_no)));
    let keys: BTreeSet<_> = keys.collect();
    let rows = seats::load_rows(connection, keys).await?;
    let rows: HashMap<_, _> = rows
        .iter()
        .map(|row| ((row.event_id, row.seat_no), row.state()))
        .collect();
    for ((event, seats), conflict) in &mut conflicts {
        conflict.choose(
            seats
                .iter()
                .filter_map(|seat_no| rows.get(&(*event, *seat_no)).copied()),
        );
    }
    Ok(())
}

enum Stop {
    /// Rows have become others since they were read, these seats among them.
    Lost(Vec<(EventId, SeatNo)>),
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
    for member in members.iter_mut() {
        member.begin_try();
        member.needs(&mut needs);
    }
    let first = reading::begin(connection, environment, how.lock_timeout, &needs).await?;
    let mut more = Needs::default();
    for member in members.iter() {
        member.needs_then(&first, &mut more);
    }
    let concurrency = environment.concurrency;
    let mut read = reading::complete(connection, concurrency, &needs, &more, first).await?;
    read.lost.clone_from(&how.lost);
    if needs.takeable.is_empty() {
        for member in members.iter_mut() {
            member.decide(&mut read, how.is_last);
        }
        return Ok(read);
    }
    for _ in 0..MAX_PICKS {
        let mut ledger = read.clone();
        for member in members.iter_mut() {
            member.decide(&mut ledger, how.is_last);
        }
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
    Err(Stop::Lost(Vec::new()))
}
