//! Holding the best seats that are left, or places of a standing zone: the server picks.
//!
//! ```text
//!  read        what is free, outside of any transaction: no lock is held while the
//!              house is searched, and nothing is decided for good
//!  choose      a few choices that are about as good, in random order
//!  take        BEGIN; the first choice of which no seat is locked or gone (SKIP LOCKED:
//!              nobody waits for anybody), then the same checked UPDATE as for
//!              seats that a buyer has picked
//!  outrun?     all choices were somebody's: read again, and spread further
//! ```

use crate::db::seats::{self, ExpectedSeat, FromState, SeatState};
use crate::domain::access::{self, PresentedToken};
use crate::domain::conflict::MAX_SEATS_PER_CALL;
use crate::domain::event_view::{self, EventView};
use crate::domain::holding::{Held, HoldRefused, Holding, OpenHold, Picker, SeatsHeld};
use crate::domain::idempotency::{self, Effect, IdempotentRequest};
use crate::domain::lone_seat_rule::{self, Seating};
use crate::domain::seating::best_available::{Choice, NoneLeft, Search, best_available};
use crate::domain::seating::house::House;
use crate::domain::seating::party::{Adjacency, Party, standing};
use crate::domain::transaction::{Abort, Settled, UnitOfWork};
use crate::domain::{DomainError, Environment};
use crate::model::Caller;
use crate::model::ids::{EventId, SeatNo};
use crate::model::status::OrphanRule;
use diesel_async::AsyncPgConnection;
use rand::seq::{IndexedRandom, SliceRandom};
use serde::Serialize;

/// Choices of seats side by side that one transaction tries.
const CHOICES: usize = 8;
/// How much worse a choice may be than the best one, in seats: doubled with each attempt.
const SPREAD: f64 = 2.0;
/// Free standing places that one transaction looks at for each one that is wanted:
/// several, because others are looking at some of them.
const PLACES_FOR_EACH: usize = 8;

/// Hold the best seats that are left for a party.
#[derive(Clone, Debug, Serialize)]
pub struct HoldBestAvailable {
    /// The event.
    pub event: EventId,
    /// How many seats.
    pub quantity: i32,
    /// How many of them for wheelchair users.
    pub accessible: i32,
    /// Only of the category of this name.
    pub category: Option<String>,
    /// Only in the zones of these names; in any when empty.
    pub zones: Vec<String>,
    /// Whether they must be side by side.
    pub adjacency: Adjacency,
    /// Add them to this hold instead of making a new one.
    #[serde(serialize_with = "access::optional_token")]
    pub into_hold: Option<PresentedToken>,
    /// Under this key the request is done once.
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// Holds the best seats for the party of `command`, or says how many could still sit
/// together. A race that was lost is run again on other seats.
///
/// # Errors
/// When the command makes no sense, the event is not there, others took every choice
/// each time, or the database fails.
pub async fn hold_best_available(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    command: HoldBestAvailable,
) -> Result<Settled<SeatsHeld, HoldRefused>, DomainError> {
    let key = command.idempotency_key.as_deref();
    let request = IdempotentRequest::new(caller, "holdBestAvailable", &command, key)?;
    let (size, accessible) = check(&command)?;
    let into_hold = command.into_hold.clone();
    let work = Work {
        holding: Holding::new(environment, caller, command.event, into_hold, key),
        command: &command,
        size,
        accessible,
    };
    let settled =
        idempotency::run(connection, environment, caller, request.as_ref(), &work).await?;
    let result = match settled.result {
        Ok(effect) => Ok(work.holding.answer(effect)),
        Err(PickRefused::Hold(refused)) => Err(refused),
        Err(PickRefused::Outrun) => return Err(DomainError::Contended),
    };
    Ok(Settled {
        result,
        attempts: settled.attempts,
    })
}

/// How many they are, and how many of them need a place for wheelchair users.
fn check(command: &HoldBestAvailable) -> Result<(usize, usize), DomainError> {
    let size = usize::try_from(command.quantity).unwrap_or(0);
    if !(1..=MAX_SEATS_PER_CALL).contains(&size) {
        let message = format!("must be from 1 to {MAX_SEATS_PER_CALL}");
        return Err(DomainError::invalid("quantity", message));
    }
    match usize::try_from(command.accessible) {
        Ok(accessible) if accessible <= size => Ok((size, accessible)),
        _ => {
            let message = "must be from 0 to quantity: how many of the seats it is about";
            Err(DomainError::invalid("accessible", message))
        }
    }
}

struct Work<'a> {
    holding: Holding<'a>,
    command: &'a HoldBestAvailable,
    size: usize,
    accessible: usize,
}

/// Why nothing was held.
enum PickRefused {
    /// For the buyer to know.
    Hold(HoldRefused),
    /// Others had every choice.
    Outrun,
}

/// What may be taken.
enum Offer {
    /// Any of these, all of it.
    Choices(Vec<Choice>),
    /// As many as wanted of these places of one standing zone.
    Places(Vec<SeatNo>),
    /// Nothing.
    None(NoneLeft),
}

impl Default for Offer {
    fn default() -> Self {
        Self::None(NoneLeft { largest_group: 0 })
    }
}

impl UnitOfWork for Work<'_> {
    type Reading = Offer;
    type Success = Effect<Held>;
    type Refusal = PickRefused;

    async fn read(
        &self,
        connection: &mut AsyncPgConnection,
        attempt: u32,
    ) -> Result<Offer, DomainError> {
        let plans = &self.holding.environment.plans;
        let (caller, event) = (self.holding.caller, self.command.event);
        let (event, _) = event_view::find(connection, plans, caller, event).await?;
        let party = self.party(&event)?;
        let free = seats::load_takeable(connection, self.command.event).await?;
        let mut is_free = vec![false; event.plan.seats.len()];
        for seat_no in free {
            if let Some(is_free) = usize::try_from(seat_no)
                .ok()
                .and_then(|seat_no| is_free.get_mut(seat_no))
            {
                *is_free = true;
            }
        }
        Ok(offer(&event, &is_free, &party, attempt))
    }

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
        offer: &Offer,
    ) -> Result<Effect<Held>, Abort<PickRefused>> {
        let refused = |abort: Abort<HoldRefused>| abort.map(PickRefused::Hold);
        let opened = self.holding.open(connection).await;
        let hold = opened.map_err(refused)?;
        let limited = self.holding.check_limits(connection, &hold, self.size);
        limited.await.map_err(refused)?;
        let picked = match offer {
            Offer::Choices(choices) => self.pick_choice(connection, &hold, choices).await?,
            Offer::Places(places) => self.pick_places(connection, places).await?,
            Offer::None(none) => {
                let largest_group = none.largest_group;
                let refusal = HoldRefused::NotEnoughSeats { largest_group };
                return Err(refused(Abort::Refused(refusal)));
            }
        };
        let Some(picked) = picked else {
            return Err(Abort::Outrun(PickRefused::Outrun));
        };
        self.holding
            .take(connection, hold, &picked, Picker::Server)
            .await
            .map_err(refused)
    }
}

impl Work<'_> {
    /// Who they are, by the places of names in the plan.
    fn party(&self, event: &EventView) -> Result<Party, DomainError> {
        let plan = &event.plan;
        let no_such = |field: String, what: &str| {
            DomainError::invalid(field, format!("the event has no {what} of this name"))
        };
        let category = match &self.command.category {
            None => None,
            Some(name) => {
                let found = plan.categories.iter().position(|one| one.name == *name);
                Some(found.ok_or_else(|| no_such("category".to_owned(), "category"))?)
            }
        };
        let mut zones = Vec::with_capacity(self.command.zones.len());
        for (index, name) in self.command.zones.iter().enumerate() {
            let before = zones.len();
            zones.extend(
                (0..)
                    .zip(&plan.zones)
                    .filter(|(_, zone)| zone.name == *name)
                    .map(|(number, _): (usize, _)| number),
            );
            if zones.len() == before {
                return Err(no_such(format!("zones[{index}]"), "zone"));
            }
        }
        Ok(Party {
            size: self.size,
            accessible: self.accessible,
            category,
            zones,
            adjacency: self.command.adjacency,
        })
    }

    /// The first choice of which every seat can be had at once. Where the event enforces
    /// its rule against lone seats, it keeps that: judged at the party's turn, by the same
    /// rule as what a buyer has picked.
    async fn pick_choice(
        &self,
        connection: &mut AsyncPgConnection,
        OpenHold { event, hold }: &OpenHold,
        choices: &[Choice],
    ) -> Result<Option<Vec<ExpectedSeat>>, Abort<PickRefused>> {
        let concurrency = self.holding.environment.concurrency;
        let is_enforced = event.event.orphan_rule == OrphanRule::Enforce;
        let mut refusal = None;
        for Choice { seats, .. } in choices {
            if is_enforced {
                if !lone_seat_rule::try_turn(connection, concurrency, event, seats).await? {
                    continue;
                }
                let seating = Seating {
                    taken: seats,
                    own: &hold.seat_nos,
                    given: &[],
                };
                let alone = lone_seat_rule::broken_by(connection, event, seating).await?;
                let allowed = lone_seat_rule::require_allowed(connection, event, &alone).await?;
                if let Err(left_alone) = allowed {
                    refusal = Some(HoldRefused::LeftAlone(left_alone));
                    continue;
                }
            }
            let locked = self.lock_takeable(connection, seats, seats.len()).await?;
            if locked.len() == seats.len() {
                return Ok(Some(locked));
            }
        }
        match refusal {
            // A wider search may find a row that has no better way.
            Some(refusal) => Err(Abort::Outrun(PickRefused::Hold(refusal))),
            None => Ok(None),
        }
    }

    /// As many of these places as are wanted.
    async fn pick_places(
        &self,
        connection: &mut AsyncPgConnection,
        places: &[SeatNo],
    ) -> Result<Option<Vec<ExpectedSeat>>, DomainError> {
        let locked = self.lock_takeable(connection, places, self.size).await?;
        Ok((locked.len() == self.size).then_some(locked))
    }

    async fn lock_takeable(
        &self,
        connection: &mut AsyncPgConnection,
        seats: &[SeatNo],
        limit: usize,
    ) -> Result<Vec<ExpectedSeat>, DomainError> {
        let event = self.command.event;
        let from = FromState::Takeable;
        let locked = seats::lock_some_in(connection, event, seats, from, limit).await?;
        Ok(locked.iter().map(SeatState::expected).collect())
    }
}

/// What may be taken of a house in which these seats are free: side by side, or of one
/// standing zone, or in groups where the party may be parted.
fn offer(event: &EventView, is_free: &[bool], party: &Party, attempt: u32) -> Offer {
    let house = House::new(&event.plan, is_free);
    let search = Search {
        spread: SPREAD * 2_f64.powi(i32::try_from(attempt.min(16)).unwrap_or(0) - 1),
        count: CHOICES,
    };
    let rng = &mut rand::rng();
    let side_by_side = Party {
        adjacency: Adjacency::Required,
        ..party.clone()
    };
    let none = match best_available(&house, &side_by_side, search, rng) {
        Ok(choices) => return Offer::Choices(choices),
        Err(none) => none,
    };
    let standing = standing_places(event, is_free, party);
    let largest = standing.iter().map(Vec::len).max().unwrap_or(0);
    let enough: Vec<_> = standing
        .into_iter()
        .filter(|places| places.len() >= party.size)
        .collect();
    if let Some(places) = enough.choose(rng) {
        let mut places = places.clone();
        let (some, _) = places.partial_shuffle(rng, party.size.saturating_mul(PLACES_FOR_EACH));
        return Offer::Places(some.to_vec());
    }
    if party.adjacency == Adjacency::Preferred
        && let Ok(choices) = best_available(&house, party, search, rng)
    {
        return Offer::Choices(choices);
    }
    // Where places for wheelchair users lie far apart, more people might fit than asked
    // for; it is these who do not.
    let largest_group = none.largest_group.max(largest).min(party.size - 1);
    Offer::None(NoneLeft { largest_group })
}

/// The free places of each standing zone that suits the party.
fn standing_places(event: &EventView, is_free: &[bool], party: &Party) -> Vec<Vec<SeatNo>> {
    let is_free = |seat_no: &SeatNo| {
        let index = usize::try_from(*seat_no).ok();
        index.and_then(|index| is_free.get(index)) == Some(&true)
    };
    let mut standing: Vec<Vec<SeatNo>> = standing(&event.plan, party)
        .into_iter()
        .map(|standing| standing.places)
        .collect();
    for places in &mut standing {
        places.retain(is_free);
    }
    standing
}
