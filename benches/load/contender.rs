//! Who is measured beside whom.

use crate::beside::Times;
use crate::calls::{self, Answer, Buyer, Calls, Pace};
use crate::client::Client;
use crate::contended::{Fight, Fighter, Loser};
use crate::cost::Cost;
use crate::effect::Effect;
use crate::pgbench;
use crate::prepared::Tokens;
use crate::server::Server;
use crate::slice::Slice;
use crate::statements::Transaction;
use crate::stock::Stock;
use crate::supply::Supply;
use crate::{Outcome, sound};
use std::ops::Range;

/// One that takes turns with others.
pub enum Contender {
    /// usher, one distinct seat a call.
    Usher(Effect),
    /// The database alone, with the same effect.
    Pgbench(Effect, Transaction),
    /// usher, where everybody wants the same seats.
    Fight(Fight),
    /// usher, where all seats are taken.
    SoldOut(Stock),
}

impl Contender {
    pub fn name(&self) -> String {
        match self {
            Self::Usher(effect) => format!("usher {}", effect.mutation()),
            Self::Pgbench(effect, transaction) => transaction.name(*effect).to_owned(),
            Self::Fight(_) => "usher holdSeats, contended".to_owned(),
            Self::SoldOut(_) => "usher holdSeats, sold out".to_owned(),
        }
    }

    /// How many of so many clients there are: pgbench's are connections of the database.
    async fn clients(&self, server: &Server, wanted: usize) -> Outcome<usize> {
        match self {
            Self::Pgbench(..) => pgbench::clients(server, wanted).await,
            _ => Ok(wanted),
        }
    }

    /// Takes a turn. What was answered is compared with what the database has.
    pub async fn take_turn(
        &self,
        server: &Server,
        supply: &mut Supply,
        tokens: &Tokens,
        times: &Times,
    ) -> Outcome<Slice> {
        let pace = Pace {
            clients: self.clients(server, times.clients).await?,
            ..times.pace()?
        };
        match self {
            Self::Usher(effect) => {
                let stock = supply.next(server, times).await?;
                let customers =
                    |number, client| Customer::new(*effect, &stock, tokens, pace, number, client);
                let slice = measure(server, pace, customers).await?;
                effect.check(server, &stock, slice.all_successes).await?;
                Ok(slice)
            }
            Self::Pgbench(effect, transaction) => {
                let stock = supply.next(server, times).await?;
                let script = transaction.script(*effect, &stock, pace.clients)?;
                let share = stock.share(0, pace.clients)?;
                let share = usize::try_from(share.end - share.start)?;
                let before = Cost::of(server)?;
                let calls = pgbench::run(server, *effect, &script, pace, share).await?;
                let cost = Cost::of(server)? - before;
                let slice = Slice::of(&calls, pace, cost)?;
                effect.check(server, &stock, slice.all_successes).await?;
                Ok(slice)
            }
            Self::Fight(fight) => {
                let arena = fight.next()?;
                let fighters = |number, client| Fighter::new(&arena, number, client);
                let slice = measure(server, pace, fighters).await?;
                sound::check_held(server, arena.first_and_last(), slice.all_successes).await?;
                Ok(slice)
            }
            Self::SoldOut(stock) => {
                let losers = |number, client| Loser::new(stock, number, client);
                measure(server, pace, losers).await
            }
        }
    }
}

/// Has buyers call, and counts what that costs.
async fn measure<B: Buyer>(
    server: &Server,
    pace: Pace,
    buyer: impl Fn(usize, Client) -> Outcome<B>,
) -> Outcome<Slice> {
    let mut buyers = Vec::with_capacity(pace.clients);
    for number in 0..pace.clients {
        buyers.push(buyer(number, Client::connect(&server.address, "").await?)?);
    }
    let before = Cost::of(server)?;
    let calls: Calls = calls::make(buyers, pace).await?;
    Slice::of(&calls, pace, Cost::of(server)? - before)
}

/// Has a share of the seats to himself, and does the same to one after the other.
struct Customer {
    client: Client,
    effect: Effect,
    stock: Stock,
    tokens: Tokens,
    places: Range<i64>,
}

impl Customer {
    fn new(
        effect: Effect,
        stock: &Stock,
        tokens: &Tokens,
        pace: Pace,
        number: usize,
        client: Client,
    ) -> Outcome<Self> {
        Ok(Self {
            client,
            effect,
            stock: *stock,
            tokens: *tokens,
            places: stock.share(number, pace.clients)?,
        })
    }
}

impl Buyer for Customer {
    async fn call(&mut self) -> Outcome<Option<Answer>> {
        let Some(place) = self.places.next() else {
            return Ok(None);
        };
        let (event, seat) = self.stock.seat(place)?;
        let body = self.effect.request(event, seat, &self.tokens)?;
        let answer = self.client.post(&body).await?;
        if memchr::memmem::find(answer, self.effect.success().as_bytes()).is_none() {
            return Err(String::from_utf8_lossy(answer).into());
        }
        Ok(Some(Answer::Success(self.effect)))
    }
}
