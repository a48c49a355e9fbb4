//! Seats for slice after slice: nobody finds what somebody else has left.

use crate::Outcome;
use crate::beside::Times;
use crate::effect::Effect;
use crate::event::{copies, field, on_sale};
use crate::prepared::Tokens;
use crate::server::Server;
use crate::stock::Stock;
use std::collections::VecDeque;
use usher::model::ids::EventId;

/// Seats for each second of a slice: more than anybody sells. A slice ends when they do.
const SEATS_A_SECOND: usize = 20_000;
/// How far apart seats are that are wanted one after the other, where they are spread over
/// many events: a prime number.
const STRIDE: i64 = 7_368_787;

/// Where the seats of a slice come from.
pub enum Supply {
    /// An event for each slice.
    Fresh(VecDeque<Stock>),
    /// The same events for all of them, spread: what was held is as new before the next
    /// slice.
    Renewed {
        /// The seats that are sold.
        stock: Stock,
        /// How many there are, with those that are not.
        seats: u64,
    },
}

impl Supply {
    /// For so many slices of an effect, with what it starts from.
    pub async fn fresh(
        server: &Server,
        effect: Effect,
        tokens: &Tokens,
        slices: usize,
        times: &Times,
    ) -> Outcome<Self> {
        let seats = SEATS_A_SECOND * times.seconds_a_slice();
        let first = on_sale(server, &field(seats)).await?;
        let mut stocks = VecDeque::new();
        for event in copies(server, first, seats, slices).await? {
            let stock = Stock::whole(event, seats)?;
            if effect.needs_holds() {
                tokens.hold_all(server, &stock).await?;
            }
            stocks.push_back(stock);
        }
        settle(server).await?;
        Ok(Self::Fresh(stocks))
    }

    /// All seats of the newest of so many events of one size, of which the first one is given.
    pub fn renewed(first: EventId, events: usize, newest: usize, seats: usize) -> Outcome<Self> {
        let older = events.saturating_sub(newest);
        Ok(Self::Renewed {
            stock: Stock {
                first_event: first.0 + i64::try_from(older)?,
                events: i64::try_from(events - older)?,
                seats: i64::try_from(seats)?,
                first: 0,
                count: 0,
                stride: STRIDE,
            },
            seats: u64::try_from(events * seats)?,
        })
    }

    /// The seats of the next slice, which lasts so long.
    pub async fn next(&mut self, server: &Server, times: &Times) -> Outcome<Stock> {
        match self {
            Self::Fresh(stocks) => Ok(stocks.pop_front().ok_or("no seats are left")?),
            Self::Renewed { stock, .. } => {
                renew(server).await?;
                let all = stock.events * stock.seats;
                let wanted = i64::try_from(SEATS_A_SECOND * times.seconds_a_slice())?;
                // Other seats than before, as long as there are any.
                stock.first = (stock.first + stock.count) % all;
                stock.count = wanted.min(all);
                Ok(*stock)
            }
        }
    }

    /// How many seats the database has.
    pub async fn seats(&self, server: &Server) -> Outcome<u64> {
        if let Self::Renewed { seats, .. } = self {
            return Ok(*seats);
        }
        let query = "SELECT count(*) FROM seats";
        let found = server.sql().await?.query_one(query, &[]).await?;
        Ok(u64::try_from(found.try_get::<_, i64>(0)?)?)
    }
}

/// Leaves PostgreSQL nothing to do that is not the load's: no statistics to gather, and no
/// pages to write.
pub async fn settle(server: &Server) -> Outcome<()> {
    let sql = server.sql().await?;
    sql.batch_execute("VACUUM (ANALYZE)").await?;
    sql.batch_execute("CHECKPOINT").await?;
    Ok(())
}

/// Undoes all holds as if they had never been. No trigger runs: the rules of the tables do
/// not allow it to anybody else. Each seat is found by its key, however many there are.
async fn renew(server: &Server) -> Outcome<()> {
    let sql = server.sql().await?;
    sql.batch_execute(
        "BEGIN; \
         SET LOCAL session_replication_role = replica; \
         SET LOCAL enable_hashjoin = off; \
         SET LOCAL enable_mergejoin = off; \
         UPDATE seats SET version = 1, status = 'AVAILABLE', owner_id = NULL, \
             held_until = NULL, cause = 'CREATED', actor = 'system' \
         FROM (SELECT event_id, unnest(seat_nos) AS seat_no FROM holds) AS held \
         WHERE (seats.event_id, seats.seat_no) = (held.event_id, held.seat_no); \
         TRUNCATE holds, seat_changes; \
         COMMIT;",
    )
    .await?;
    Ok(())
}
