//! Holds that are there before a slice begins, and their tokens.

use crate::Outcome;
use crate::server::Server;
use crate::stock::{Stock, owner_in_sql};
use usher::model::ids::{EventId, HoldId};
use usher::model::token::{HoldToken, TokenSalt};

/// What the tokens of a run are derived with: the same secret for all of its holds.
#[derive(Clone, Copy)]
pub struct Tokens(TokenSalt);

impl Tokens {
    pub fn new() -> Self {
        Self(TokenSalt::generate())
    }

    /// The token of a hold.
    pub fn of(&self, event: EventId, hold: HoldId) -> HoldToken {
        HoldToken::derive(event, hold, b"bench", self.0)
    }

    /// Holds each seat of the stock's events, as somebody else has done.
    pub async fn hold_all(&self, server: &Server, stock: &Stock) -> Outcome<()> {
        let (first, last) = stock.events();
        let hash = self.of(EventId(0), HoldId(uuid::Uuid::nil())).hash();
        let owner = owner_in_sql("seat_no");
        let sql = server.sql().await?;
        let update = format!(
            "UPDATE seats SET version = version + 1, status = 'HELD', owner_id = {owner}, \
                 held_until = now() + interval '1 hour', cause = 'HELD', actor = 'bench' \
             WHERE event_id BETWEEN $1 AND $2"
        );
        sql.execute(&update, &[&first, &last]).await?;
        let insert = format!(
            "INSERT INTO holds (event_id, id, token_hash, buyer, status, seat_nos, amounts, \
                                currency, expires_at) \
             SELECT event_id, {owner}, $3, NULL, 'ACTIVE', ARRAY[seat_no], \
                    ARRAY[3000::bigint], 'EUR', held_until \
             FROM seats WHERE event_id BETWEEN $1 AND $2 AND status = 'HELD' \
             ORDER BY event_id, seat_no"
        );
        sql.execute(&insert, &[&first, &last, &hash]).await?;
        Ok(())
    }
}
