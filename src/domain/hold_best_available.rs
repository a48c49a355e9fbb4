//! Holding the best seats that are left, or places of a standing zone: the server picks.
//!
//! ```text
//!  read        all seats of the event that may be taken: no lock is held while the house
//!              is searched
//!  choose      a few choices that are about as good, in random order; the first one
//!  lock        what all pickers of the batch have chosen (SKIP LOCKED: nobody waits for
//!              anybody); where others were faster, all choose again without those seats
//!  write       the same checked UPDATE as for seats that a buyer has picked
//! ```

use crate::domain::DomainError;
use crate::domain::access::{self, PresentedToken};
use crate::domain::batch::{Decision, FirstReading, Ledger, Load, More, Needs, No, Tries};
use crate::domain::conflict::MAX_SEATS_PER_CALL;
use crate::domain::event_view::EventView;
use crate::domain::holding::{Held, HoldRefused, Holding, OpenHold};
use crate::domain::idempotency::{Effect, IdempotentRequest};
use crate::domain::lone_seat_rule::{self, LeftAlone, Seating};
use crate::domain::permissions::require;
use crate::domain::seating::best_available::{Choice, NoneLeft, Search, best_available};
use crate::domain::seating::house::House;
use crate::domain::seating::party::{Adjacency, Party, standing};
use crate::model::ids::{EventId, SeatNo};
use crate::model::status::OrphanRule;
use crate::model::{Caller, Permission};
use rand::seq::{IndexedRandom, SliceRandom};
use serde::Serialize;

/// Choices of seats side by side that are looked at.
const CHOICES: usize = 8;
/// How much worse a choice may be than the best one, in seats: doubled with each attempt.
const SPREAD: f64 = 2.0;
/// A search takes about as long as reading and changing so many seats.
const SEARCH: usize = 16;

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

/// Holding the best seats for the party of a command, or saying how many could still sit
/// together.
pub struct HoldingBestAvailable {
    /// The hold.
    pub holding: Holding,
    command: HoldBestAvailable,
    size: usize,
    accessible: usize,
}

/// What is to be decided, and once only under its idempotency key.
///
/// # Errors
/// When the caller may not, or the command makes no sense.
pub fn hold_best_available(
    caller: &Caller,
    command: HoldBestAvailable,
) -> Result<(HoldingBestAvailable, Option<IdempotentRequest>), DomainError> {
    require(caller, Permission::HoldAndBook)?;
    let key = command.idempotency_key.as_deref();
    let request = IdempotentRequest::new(caller, "holdBestAvailable", &command, key)?;
    let (size, accessible) = check(&command)?;
    let into_hold = command.into_hold.clone();
    let work = HoldingBestAvailable {
        holding: Holding::new(caller.clone(), command.event, into_hold, key),
        command,
        size,
        accessible,
    };
    Ok((work, request))
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

/// What may be taken.
enum Offer {
    /// Any of these, all of it.
    Choices(Vec<Choice>),
    /// As many of these places of one standing zone as are wanted.
    Places(Vec<SeatNo>),
    /// Nothing.
    None(NoneLeft),
}

impl Decision for HoldingBestAvailable {
    type Record = Held;
    type Refusal = HoldRefused;

    fn caller(&self) -> &Caller {
        &self.holding.caller
    }

    fn event(&self) -> Option<EventId> {
        Some(self.command.event)
    }

    fn load(&self) -> Load {
        Load {
            seats: self.size.max(SEARCH),
            searched: Some(self.command.event),
        }
    }

    fn needs(&self, needs: &mut Needs) {
        self.holding.needs(needs);
        needs.takeable(self.command.event);
    }

    fn needs_then(&self, first: &FirstReading, needs: &mut Needs) {
        self.holding.needs_then(first, &[], needs);
        let id = self.command.event;
        let is_enforced = |view: &EventView| view.event.orphan_rule == OrphanRule::Enforce;
        if first.event(id).is_some_and(is_enforced) {
            needs.turn_at_house(id);
        }
    }

    fn decide(
        &self,
        ledger: &mut Ledger,
        tries: &mut Tries,
    ) -> Result<Effect<Held>, No<HoldRefused>> {
        let id = self.command.event;
        let event = ledger.event(&self.holding.caller, id)?;
        let party = self.party(&event)?;
        let hold = self.holding.open(ledger)?;
        self.holding.check_limits(ledger, &hold, self.size)?;
        let seats = match offer(&event, ledger.takeable(id), &party, tries.count) {
            Offer::Choices(choices) => pick(ledger, &hold, choices)?,
            Offer::Places(places) => places,
            Offer::None(NoneLeft { largest_group }) => {
                let refusal = HoldRefused::NotEnoughSeats { largest_group };
                return Err(match ledger.may_have_more(id) {
                    More::InTheNextBatch => No::PutOff,
                    // What others have locked may be there again, and they are not done.
                    More::Later if tries.is_last => No::Failed(DomainError::Contended),
                    More::Later => No::Outrun(refusal),
                    More::Never => No::Refused(refusal),
                });
            }
        };
        let effect = self.holding.take(ledger, hold, &seats)?;
        ledger.note_picked(id, &seats);
        Ok(effect)
    }
}

/// The first choice that keeps the event's rule against lone seats, where that is enforced:
/// judged by the same rule as what a buyer has picked.
fn pick(
    ledger: &Ledger,
    OpenHold { event, hold }: &OpenHold,
    choices: Vec<Choice>,
) -> Result<Vec<SeatNo>, No<HoldRefused>> {
    let mut refusal: Option<LeftAlone> = None;
    for Choice { seats, .. } in choices {
        let seating = Seating {
            taken: &seats,
            own: &hold.seat_nos,
            given: &[],
        };
        match lone_seat_rule::left_alone(ledger, event, seating) {
            Ok(_) => return Ok(seats),
            Err(left_alone) => refusal = Some(left_alone),
        }
    }
    // A wider search may find a row that has no better way.
    Err(match refusal {
        Some(refusal) => No::Outrun(HoldRefused::LeftAlone(refusal)),
        None => No::Refused(HoldRefused::NotEnoughSeats { largest_group: 0 }),
    })
}

impl HoldingBestAvailable {
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
        let (some, _) = places.partial_shuffle(rng, party.size);
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
