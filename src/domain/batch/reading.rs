//! Reads the rows that a batch is about: two rounds of statements that are sent together.

use crate::config::Concurrency;
use crate::db::bookings::Booking;
use crate::db::buyers::{self, Possession};
use crate::db::holds::Hold;
use crate::db::idempotency_keys::Use;
use crate::db::seats::SeatRow;
use crate::db::{advisory_locks, bookings, clock, events, holds, idempotency_keys, seats};
use crate::domain::batch::ledger::{Changes, Ledger};
use crate::domain::batch::needs::Needs;
use crate::domain::event_view::EventView;
use crate::domain::{DomainError, Environment};
use crate::model::ids::{EventId, HoldId};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::try_join;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// What was read first: what decides which rows are needed beside it.
#[derive(Debug)]
pub struct FirstReading {
    events: HashMap<EventId, Arc<EventView>>,
    holds: HashMap<(EventId, HoldId), Hold>,
    bookings: HashMap<(EventId, HoldId), Booking>,
    keys: HashMap<Vec<u8>, Use>,
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

/// Reads that.
pub(super) async fn begin(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    lock_timeout: Option<Duration>,
    needs: &Needs,
) -> Result<FirstReading, DomainError> {
    let Needs {
        events,
        holds,
        keys,
        ..
    } = needs;
    let shared = &*connection;
    // Holds first: an event is read when those are locked, so that whatever ended one of
    // them is seen.
    let lock_holds = async {
        if holds.is_empty() {
            return Ok(Vec::new());
        }
        holds::lock_all(shared, holds.iter().copied()).await
    };
    let event_ids: Vec<EventId> = events.iter().copied().collect();
    let find_keys = async {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let hashes: Vec<Vec<u8>> = keys.iter().cloned().collect();
        idempotency_keys::find_all(shared, &hashes).await
    };
    let mut sender = shared;
    let limit_waiting = async {
        let Some(limit) = lock_timeout else {
            return Ok(());
        };
        let set = format!("SET LOCAL lock_timeout = {}", limit.as_millis());
        sender.batch_execute(&set).await
    };
    let ((), holds, bookings, events, keys) = try_join!(
        limit_waiting,
        lock_holds,
        lock_bookings(shared, needs),
        events::find_priced(shared, &event_ids),
        find_keys
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
    Ok(FirstReading {
        events: views,
        holds: holds
            .into_iter()
            .map(|hold| ((hold.event_id, hold.id), hold))
            .collect(),
        bookings: bookings
            .into_iter()
            .map(|(hold, booking)| ((booking.event_id, hold), booking))
            .collect(),
        keys: keys.into_iter().collect(),
    })
}

/// Reads what is needed beside it, when it is the batch's turn.
pub(super) async fn complete(
    connection: &AsyncPgConnection,
    concurrency: Concurrency,
    needs: &Needs,
    first: FirstReading,
) -> Result<Ledger, DomainError> {
    // Before anything else is sent: what is read is what whoever had the turn has left.
    take_turns(connection, concurrency, needs).await?;
    let (moment, possessions, seats, takeable) = try_join!(
        clock::moment(connection),
        possessions(connection, needs),
        seats(connection, concurrency, needs),
        takeable(connection, needs),
    )?;
    let FirstReading {
        events,
        holds,
        bookings,
        keys,
    } = first;
    let mut ledger = Ledger {
        moment,
        events,
        holds,
        bookings,
        keys,
        possessions: HashMap::new(),
        seats: HashMap::new(),
        takeable: HashMap::new(),
        withheld: BTreeSet::new(),
        changes: Changes::default(),
    };
    for (event, buyer) in &needs.buyers {
        ledger
            .possessions
            .insert((*event, buyer.clone()), Vec::new());
    }
    for (key, possession) in possessions {
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
        if let Some(is_takeable) = house.zip(place).and_then(|(house, place)| house.get_mut(place)) {
            *is_takeable = true;
        }
        ledger.seats.insert((row.event_id, row.seat_no), row);
    }
    for row in seats {
        ledger.seats.insert((row.event_id, row.seat_no), row);
    }
    Ok(ledger)
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
        let buyers: Vec<(EventId, &str)> = needs
            .buyers
            .iter()
            .map(|(event, buyer)| (*event, buyer.as_str()))
            .collect();
        advisory_locks::lock_buyers(connection, &buyers).await?;
    }
    for event in &needs.houses {
        advisory_locks::lock_house(connection, *event).await?;
    }
    for (event, rows) in &needs.turns {
        if !needs.houses.contains(event) {
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
    let (events, names): (Vec<EventId>, Vec<&str>) = needs
        .buyers
        .iter()
        .map(|(event, buyer)| (*event, buyer.as_str()))
        .unzip();
    buyers::possessions(connection, &events, &names).await
}

async fn lock_bookings(
    connection: &AsyncPgConnection,
    needs: &Needs,
) -> QueryResult<Vec<(HoldId, Booking)>> {
    if needs.bookings.is_empty() {
        return Ok(Vec::new());
    }
    let (events, holds): (Vec<EventId>, Vec<HoldId>) = needs.bookings.iter().copied().unzip();
    bookings::lock_by_holds(connection, &events, &holds).await
}

async fn seats(
    connection: &AsyncPgConnection,
    concurrency: Concurrency,
    needs: &Needs,
) -> QueryResult<Vec<SeatRow>> {
    if needs.seats.is_empty() {
        return Ok(Vec::new());
    }
    let keys = needs.seats.iter().copied();
    match concurrency {
        Concurrency::Optimistic | Concurrency::Serializable => {
            seats::load_rows(connection, keys).await
        }
        Concurrency::Pessimistic => seats::lock_rows(connection, keys).await,
    }
}

async fn takeable(connection: &AsyncPgConnection, needs: &Needs) -> QueryResult<Vec<SeatRow>> {
    if needs.takeable.is_empty() {
        return Ok(Vec::new());
    }
    let events: Vec<EventId> = needs.takeable.iter().copied().collect();
    seats::load_takeable_rows(connection, &events).await
}
