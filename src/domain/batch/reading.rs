//! Reads the rows that a batch is about: two rounds of statements that are sent together.

use crate::config::Concurrency;
use crate::db::bookings::Booking;
use crate::db::buyers::{self, Possession};
use crate::db::clock::Moment;
use crate::db::holds::Hold;
use crate::db::idempotency_keys::Use;
use crate::db::seats::SeatRow;
use crate::db::{
    advisory_locks, bookings, clock, events, holds, idempotency_keys, query_plans, seats,
};
use crate::domain::batch::ledger::{Changes, Ledger};
use crate::domain::batch::needs::Needs;
use crate::domain::event_view::EventView;
use crate::domain::{DomainError, Environment};
use crate::model::ids::{EventId, HoldId};
use crate::model::status::HoldStatus;
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::try_join;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// What was read first: what decides which rows are needed beside it.
#[derive(Debug)]
pub struct FirstReading {
    events: HashMap<EventId, Arc<EventView>>,
    holds: HashMap<(EventId, HoldId), Hold>,
    bookings: HashMap<(EventId, HoldId), Booking>,
    keys: HashMap<Vec<u8>, Use>,
    moment: Moment,
    seats: Vec<SeatRow>,
}

impl FirstReading {
    /// The event with this id.
    pub fn event(&self, id: EventId) -> Option<&EventView> {
        self.events.get(&id).map(Arc::as_ref)
    }

    /// The hold with this key, which is locked.
    pub fn hold(&self, event: EventId, hold: HoldId) -> Option<&Hold> {
        self.holds.get(&(event, hold))
    }

    /// The booking that a hold became, which is locked.
    pub fn booking_of(&self, event: EventId, hold: HoldId) -> Option<&Booking> {
        self.bookings.get(&(event, hold))
    }
}

/// Begins the transaction and reads that.
pub(super) async fn begin(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    lock_timeout: Option<Duration>,
    needs: &Needs,
) -> Result<FirstReading, DomainError> {
    let shared = &*connection;
    let mut sender = shared;
    let isolation = match environment.concurrency {
        Concurrency::Optimistic | Concurrency::Pessimistic => "READ COMMITTED",
        Concurrency::Serializable => "SERIALIZABLE",
    };
    let mut begin = format!(
        "BEGIN ISOLATION LEVEL {isolation}; {}",
        query_plans::BY_KEY_IN_THIS_TRANSACTION
    );
    if let Some(limit) = lock_timeout {
        let limit = limit.as_millis();
        let _ = write!(begin, "; SET LOCAL lock_timeout = {limit}");
    }
    let event_ids: Vec<EventId> = needs.events.iter().copied().collect();
    // In the order in which they are sent: holds are locked before all else is read, so that
    // whatever ended one of them is seen. Keys come last: whoever sees what was done under one
    // sees the key, too.
    let ((), holds, events, moment, seats, keys) = try_join!(
        sender.batch_execute(&begin),
        lock_holds(shared, needs),
        events::find_priced(shared, &event_ids),
        clock::moment(shared),
        first_seats(shared, environment.concurrency, needs),
        find_keys(shared, needs),
    )?;
    let mut views = HashMap::with_capacity(events.len());
    for (event, prices) in events {
        let plan = environment.plans.get(connection, event.plan_id).await?;
        let view = EventView {
            event,
            prices,
            plan,
        };
        views.insert(view.event.id, Arc::new(view));
    }
    let holds: HashMap<_, _> = holds
        .into_iter()
        .map(|hold| ((hold.event_id, hold.id), hold))
        .collect();
    // Their seats, and the keys, are read again when these locks are there: a booking has seats.
    let bookings = lock_bookings(connection, needs, &holds).await?;
    Ok(FirstReading {
        events: views,
        holds,
        bookings: bookings
            .into_iter()
            .map(|(hold, booking)| ((booking.event_id, hold), booking))
            .collect(),
        keys: keys.into_iter().collect(),
        moment,
        seats,
    })
}

/// Reads what is needed beside it, when it is the batch's turn. `needs` are those from the
/// beginning, and `more` those that came of what was read first.
pub(super) async fn complete(
    connection: &AsyncPgConnection,
    concurrency: Concurrency,
    needs: &Needs,
    more: &Needs,
    first: FirstReading,
) -> Result<Ledger, DomainError> {
    let FirstReading {
        events,
        holds,
        bookings,
        mut keys,
        mut moment,
        mut seats,
    } = first;
    let mut possessed = Vec::new();
    let mut takeable = Vec::new();
    let is_first_enough = concurrency != Concurrency::Pessimistic && needs.takeable.is_empty();
    if !more.is_empty() || !is_first_enough {
        // Before anything else is sent: what is read is what whoever had the turn has left.
        take_turns(connection, concurrency, more).await?;
        let used;
        (seats, moment, possessed, takeable, used) = try_join!(
            all_seats(connection, concurrency, needs, more),
            clock::moment(connection),
            possessions(connection, more),
            takeable_seats(connection, needs),
            find_keys(connection, needs),
        )?;
        keys.extend(used);
    }
    let mut ledger = Ledger {
        moment,
        events,
        holds,
        bookings,
        keys,
        possessions: HashMap::new(),
        seats: HashMap::with_capacity(seats.len() + takeable.len()),
        takeable: HashMap::new(),
        withheld: BTreeSet::new(),
        lost: HashSet::new(),
        changes: Changes::default(),
    };
    for (event, buyer) in &more.buyers {
        ledger
            .possessions
            .insert((*event, buyer.clone()), Vec::new());
    }
    for (key, possession) in possessed {
        // Buyers of one event are read for the others as well.
        if let Some(known) = ledger.possessions.get_mut(&key) {
            known.push(possession);
        }
    }
    for event in &needs.takeable {
        if let Some(view) = ledger.events.get(event) {
            let house = vec![false; view.plan.seats.len()];
            ledger.takeable.insert(*event, house);
        }
    }
    for row in takeable {
        let place = usize::try_from(row.seat_no).ok();
        let house = ledger.takeable.get_mut(&row.event_id);
        if let Some(is_takeable) = house
            .zip(place)
            .and_then(|(house, place)| house.get_mut(place))
        {
            *is_takeable = true;
        }
        ledger.seats.insert((row.event_id, row.seat_no), row);
    }
    for row in seats {
        ledger.seats.insert((row.event_id, row.seat_no), row);
    }
    Ok(ledger)
}

async fn lock_holds(connection: &AsyncPgConnection, needs: &Needs) -> QueryResult<Vec<Hold>> {
    if needs.holds.is_empty() {
        return Ok(Vec::new());
    }
    holds::lock_all(connection, needs.holds.iter().copied()).await
}

async fn find_keys(
    connection: &AsyncPgConnection,
    needs: &Needs,
) -> QueryResult<Vec<(Vec<u8>, Use)>> {
    if needs.keys.is_empty() {
        return Ok(Vec::new());
    }
    let hashes: Vec<Vec<u8>> = needs.keys.iter().cloned().collect();
    idempotency_keys::find_all(connection, &hashes).await
}

/// The seats that the commands name, as they are before anybody has a turn: locked, they
/// would be locked before that.
async fn first_seats(
    connection: &AsyncPgConnection,
    concurrency: Concurrency,
    needs: &Needs,
) -> QueryResult<Vec<SeatRow>> {
    if concurrency == Concurrency::Pessimistic || needs.seats.is_empty() {
        return Ok(Vec::new());
    }
    seats::load_rows(connection, needs.seats.iter().copied()).await
}

/// Whose turn it is. Not with SERIALIZABLE transactions, of which the database sends one of two
/// back.
async fn take_turns(
    connection: &AsyncPgConnection,
    concurrency: Concurrency,
    needs: &Needs,
) -> QueryResult<()> {
    if concurrency == Concurrency::Serializable {
        return Ok(());
    }
    if !needs.buyers.is_empty() {
        let buyers = needs.buyers.iter();
        let buyers: Vec<(EventId, &str)> = buyers
            .map(|(event, buyer)| (*event, buyer.as_str()))
            .collect();
        advisory_locks::lock_buyers(connection, &buyers).await?;
    }
    // Of one event after the other: two batches never wait for one another crosswise.
    let events: BTreeSet<&EventId> = needs.houses.iter().chain(needs.turns.keys()).collect();
    for event in events {
        if needs.houses.contains(event) {
            advisory_locks::lock_house(connection, *event).await?;
        } else if let Some(rows) = needs.turns.get(event) {
            let rows: Vec<i32> = rows.iter().copied().collect();
            advisory_locks::lock_rows(connection, *event, &rows).await?;
        }
    }
    Ok(())
}

async fn possessions(
    connection: &AsyncPgConnection,
    needs: &Needs,
) -> QueryResult<Vec<((EventId, String), Possession)>> {
    if needs.buyers.is_empty() {
        return Ok(Vec::new());
    }
    buyers::possessions(connection, needs.buyers.iter().cloned()).await
}

/// Those that the holds have become: for most commands none, because theirs still run.
async fn lock_bookings(
    connection: &mut AsyncPgConnection,
    needs: &Needs,
    holds: &HashMap<(EventId, HoldId), Hold>,
) -> QueryResult<Vec<(HoldId, Booking)>> {
    let is_confirmed = |key: &&(EventId, HoldId)| {
        let hold = holds.get(*key);
        hold.is_some_and(|hold| hold.status == HoldStatus::Confirmed)
    };
    let mut keys = needs
        .bookings
        .iter()
        .filter(is_confirmed)
        .copied()
        .peekable();
    if keys.peek().is_none() {
        return Ok(Vec::new());
    }
    let mut sender = &*connection;
    let ((), bookings) = try_join!(
        sender.batch_execute(query_plans::ANEW_IN_THIS_TRANSACTION),
        bookings::lock_by_holds(connection, keys),
    )?;
    // Not sent together with them: a statement that is prepared first would come after it.
    connection
        .batch_execute(query_plans::BY_KEY_IN_THIS_TRANSACTION)
        .await?;
    Ok(bookings)
}

/// Those that may be changed, locked where the strategy is to lock, and their neighbours.
async fn all_seats(
    connection: &AsyncPgConnection,
    concurrency: Concurrency,
    needs: &Needs,
    more: &Needs,
) -> QueryResult<Vec<SeatRow>> {
    let seats = || needs.seats.union(&more.seats).copied();
    match concurrency {
        Concurrency::Optimistic | Concurrency::Serializable => {
            let all: BTreeSet<_> = seats().chain(more.neighbours.iter().copied()).collect();
            if all.is_empty() {
                return Ok(Vec::new());
            }
            seats::load_rows(connection, all).await
        }
        Concurrency::Pessimistic => {
            let seats: BTreeSet<_> = seats().collect();
            let neighbours = more.neighbours.difference(&seats).copied();
            let (mut locked, neighbours) = try_join!(
                seats::lock_rows(connection, seats.iter().copied()),
                seats::load_rows(connection, neighbours),
            )?;
            locked.extend(neighbours);
            Ok(locked)
        }
    }
}

async fn takeable_seats(
    connection: &AsyncPgConnection,
    needs: &Needs,
) -> QueryResult<Vec<SeatRow>> {
    if needs.takeable.is_empty() {
        return Ok(Vec::new());
    }
    let events: Vec<EventId> = needs.takeable.iter().copied().collect();
    seats::load_takeable_rows(connection, &events).await
}
