//! holdSeats where everybody wants the same seats, beside holdSeats where nobody is in the
//! way of anybody; and what a conflict costs when nothing is left.

use crate::beside::{self, Times};
use crate::calls::{Answer, Buyer};
use crate::client::Client;
use crate::contender::Contender;
use crate::effect::Effect;
use crate::event::{copies, hall, on_sale};
use crate::page::Output;
use crate::popularity::popularity;
use crate::prepared::Tokens;
use crate::server::Server;
use crate::stock::Stock;
use crate::supply::Supply;
use crate::{Outcome, sound};
use rand::SeedableRng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::rngs::StdRng;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use usher::model::global_id::GlobalId;
use usher::model::ids::{EventId, SeatNo};

/// Rows of 50 seats of each event that is fought for.
const ROWS: usize = 10;
const SEATS: usize = ROWS * 50;
/// Events for each second of a slice: more than anybody sells.
const EVENTS_A_SECOND: usize = 60;

pub async fn run(times: Times, output: &Output) -> Outcome<()> {
    let server = Server::start(&[]).await?;
    let rounds = times.rounds();
    let first = on_sale(&server, &hall(ROWS, 1, SEATS / ROWS)).await?;
    let events = EVENTS_A_SECOND * times.seconds_a_slice();
    let arenas = copies(&server, first, SEATS, rounds * events).await?;
    let sold_out = Stock::whole(first, SEATS)?;
    let tokens = Tokens::new();
    tokens.hold_all(&server, &sold_out).await?;
    let mut supply = Supply::fresh(&server, Effect::Hold, &tokens, rounds, &times).await?;
    let contenders = [
        Contender::Fight(Fight::new(&arenas, events)),
        Contender::Usher(Effect::Hold),
        Contender::SoldOut(sold_out),
    ];
    let rows = beside::run(&server, &contenders, &mut supply, &tokens, &times).await?;
    sound::check(&server).await?;
    println!(
        "Contended: {SEATS} seats of one event at a time, wanted as Zipf has it; whoever loses \
         takes the alternative\nthat is offered. Sold out: every call is a conflict."
    );
    times.report("contended", rows, output)?;
    server.stop().await
}

/// Events that are fought for, one after the other.
pub struct Fight {
    arenas: Vec<Vec<EventId>>,
    turn: AtomicUsize,
}

impl Fight {
    fn new(events: &[EventId], a_turn: usize) -> Self {
        Self {
            arenas: events.chunks(a_turn).map(<[_]>::to_vec).collect(),
            turn: AtomicUsize::new(0),
        }
    }

    /// The events of the next turn.
    pub fn next(&self) -> Outcome<Arc<Arena>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let events = self.arenas.get(turn).ok_or("no events are left")?;
        Ok(Arc::new(Arena {
            events: events.clone(),
            current: AtomicUsize::new(0),
            popularity: popularity(SEATS)?,
        }))
    }
}

/// The events of one turn.
pub struct Arena {
    events: Vec<EventId>,
    /// Which of them is on sale.
    current: AtomicUsize,
    popularity: WeightedIndex<f64>,
}

impl Arena {
    pub fn first_and_last(&self) -> (i64, i64) {
        let number = |event: Option<&EventId>| event.map_or(0, |event| event.0);
        (number(self.events.first()), number(self.events.last()))
    }

    /// Goes on to the next event, unless somebody else has.
    fn leave(&self, place: usize) {
        // Whoever comes second finds another number.
        let _ =
            self.current
                .compare_exchange(place, place + 1, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// A buyer who wants a good seat, and takes what is offered instead.
pub struct Fighter {
    client: Client,
    arena: Arc<Arena>,
    rng: StdRng,
    /// A seat that was offered: the event's place, and the seat with its version.
    offered: Option<(usize, Seat)>,
}

/// A seat of an answer.
#[derive(Deserialize)]
pub struct Seat {
    id: String,
    version: i32,
}

#[derive(Deserialize)]
struct Response {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    hold_seats: Held,
}

/// What became of a call.
#[derive(Deserialize)]
#[serde(tag = "__typename")]
enum Held {
    SeatsHeld,
    SeatConflict { alternatives: Vec<Seat> },
}

impl Fighter {
    pub fn new(arena: &Arc<Arena>, number: usize, client: Client) -> Outcome<Self> {
        Ok(Self {
            client,
            arena: Arc::clone(arena),
            rng: StdRng::seed_from_u64(u64::try_from(number)?),
            offered: None,
        })
    }
}

impl Buyer for Fighter {
    async fn call(&mut self) -> Outcome<Option<Answer>> {
        let (place, seat) = if let Some(offered) = self.offered.take() {
            offered
        } else {
            let place = self.arena.current.load(Ordering::Relaxed);
            let Some(event) = self.arena.events.get(place) else {
                return Ok(None);
            };
            (place, wish(*event, &self.arena.popularity, &mut self.rng)?)
        };
        let event = self.arena.events[place];
        match hold(&mut self.client, event, &seat).await? {
            Held::SeatsHeld => Ok(Some(Answer::Success(Effect::Hold))),
            Held::SeatConflict { alternatives } => {
                match alternatives.into_iter().next() {
                    Some(seat) => self.offered = Some((place, seat)),
                    None => self.arena.leave(place),
                }
                Ok(Some(Answer::Conflict))
            }
        }
    }
}

/// A buyer of an event of which nothing is left.
pub struct Loser {
    client: Client,
    event: EventId,
    popularity: WeightedIndex<f64>,
    rng: StdRng,
}

impl Loser {
    pub fn new(stock: &Stock, number: usize, client: Client) -> Outcome<Self> {
        Ok(Self {
            client,
            event: EventId(stock.first_event),
            popularity: popularity(SEATS)?,
            rng: StdRng::seed_from_u64(u64::try_from(number)?),
        })
    }
}

impl Buyer for Loser {
    async fn call(&mut self) -> Outcome<Option<Answer>> {
        let seat = wish(self.event, &self.popularity, &mut self.rng)?;
        match hold(&mut self.client, self.event, &seat).await? {
            Held::SeatConflict { alternatives } if alternatives.is_empty() => {
                Ok(Some(Answer::Conflict))
            }
            _ => Err("a seat was to be had where all are taken".into()),
        }
    }
}

/// A seat that is wanted, as it was before the sale.
fn wish(event: EventId, popularity: &WeightedIndex<f64>, rng: &mut StdRng) -> Outcome<Seat> {
    let seat = SeatNo::try_from(popularity.sample(rng))?;
    Ok(Seat {
        id: GlobalId::Seat(event, seat).to_string(),
        version: 1,
    })
}

async fn hold(client: &mut Client, event: EventId, seat: &Seat) -> Outcome<Held> {
    let query = "mutation($input: HoldSeatsInput!) { holdSeats(input: $input) { __typename \
        ... on SeatsHeld { token cursor hold { expiresAt } } \
        ... on SeatConflict { conflicts { expectedVersion seat { id version status } } \
                              alternatives { id version } } } }";
    let input = json!({
        "eventId": GlobalId::Event(event).to_string(),
        "seats": [{"seatId": seat.id, "version": seat.version}],
    });
    let body = json!({"query": query, "variables": {"input": input}}).to_string();
    let answer = client.post(&body).await?;
    let response: Response =
        serde_json::from_slice(answer).map_err(|_| String::from_utf8_lossy(answer).into_owned())?;
    Ok(response.data.hold_seats)
}
