//! What pgbench sends: the same effect as a mutation's, by the same checked UPDATE.

use crate::Outcome;
use crate::effect::Effect;
use crate::stock::{Stock, owner_in_sql};

/// One transaction for each seat: in statements that wait for one another, as a program
/// sends them, or all of it in one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    OneStatement,
    SeveralStatements,
}

/// The seat that a script is at.
const SEAT: &str = "event_id = :event AND seat_no = :seat";

impl Transaction {
    pub fn name(self, effect: Effect) -> &'static str {
        match (self, effect) {
            (Self::OneStatement, _) => "pgbench, in one statement",
            (Self::SeveralStatements, Effect::Release) => "pgbench, in four statements",
            (Self::SeveralStatements, _) => "pgbench, in five statements",
        }
    }

    /// A script in which each client goes through its share of the stock, and waits when
    /// there is nothing left of it.
    pub fn script(self, effect: Effect, stock: &Stock, clients: usize) -> Outcome<String> {
        let share = stock.share(0, clients)?;
        let (place, share) = (stock.pgbench(clients)?, share.end - share.start);
        let statements = match self {
            Self::OneStatement => format!("{};\n", one_statement(effect)),
            Self::SeveralStatements => {
                format!("BEGIN;\n{};\nCOMMIT;\n", statements(effect).join(";\n"))
            }
        };
        Ok(format!(
            "\\set n :n + 1\n\\if :n < {share}\n{place}{statements}\\else\n\\sleep 20 ms\n\\endif\n"
        ))
    }
}

/// All of it as parts of one statement, which answers the number of the transaction.
fn one_statement(effect: Effect) -> String {
    let id = owner_in_sql(":seat");
    match effect {
        Effect::Hold => format!(
            "WITH held AS ({}) {} SELECT {} FROM held RETURNING pg_current_xact_id()",
            hold_seat(),
            INSERT_HOLD,
            hold_columns()
        ),
        Effect::Confirm => format!(
            "WITH hold AS ({} RETURNING *), booked AS ({}) {INSERT_BOOKING} \
             SELECT hold.event_id, {id}, :seat::text, hold.id, hold.token_hash, hold.buyer, \
                    hold.seat_nos, hold.amounts, hold.currency FROM hold, booked \
             RETURNING transaction_id",
            end_hold("CONFIRMED"),
            book_seat()
        ),
        Effect::Release => format!(
            "WITH hold AS ({} RETURNING id) {}",
            end_hold("RELEASED"),
            release_seat()
        ),
    }
}

/// The same one after the other, between BEGIN and COMMIT.
fn statements(effect: Effect) -> Vec<String> {
    let id = owner_in_sql(":seat");
    match effect {
        Effect::Hold => vec![
            hold_seat(),
            format!(
                "{INSERT_HOLD} VALUES ({}) RETURNING pg_current_xact_id()",
                hold_columns()
            ),
        ],
        Effect::Confirm => vec![
            end_hold("CONFIRMED"),
            book_seat(),
            format!(
                "{INSERT_BOOKING} SELECT event_id, {id}, :seat::text, id, token_hash, buyer, \
                     seat_nos, amounts, currency FROM holds \
                 WHERE event_id = :event AND id = {id} RETURNING transaction_id"
            ),
        ],
        Effect::Release => vec![end_hold("RELEASED"), release_seat()],
    }
}

const INSERT_HOLD: &str = "INSERT INTO holds (event_id, id, token_hash, buyer, status, \
    seat_nos, amounts, currency, expires_at)";

const INSERT_BOOKING: &str = "INSERT INTO bookings (event_id, id, reference, hold_id, \
    token_hash, buyer, seat_nos, amounts, currency)";

fn hold_seat() -> String {
    format!(
        "UPDATE seats SET version = version + 1, status = 'HELD', owner_id = {}, \
             held_until = now() + interval '10 minutes', cause = 'HELD', actor = 'pgbench' \
         WHERE {SEAT} AND version = 1 \
             AND (status = 'AVAILABLE' OR status = 'HELD' AND held_until <= now()) \
         RETURNING seat_no, version, status",
        owner_in_sql(":seat")
    )
}

fn hold_columns() -> String {
    format!(
        ":event, {}, sha256('secret'), NULL, 'ACTIVE', ARRAY[:seat::integer], \
         ARRAY[3000::bigint], 'EUR', now() + interval '10 minutes'",
        owner_in_sql(":seat")
    )
}

fn end_hold(status: &str) -> String {
    format!(
        "UPDATE holds SET status = '{status}' \
         WHERE event_id = :event AND id = {} AND status = 'ACTIVE' AND expires_at > now()",
        owner_in_sql(":seat")
    )
}

fn book_seat() -> String {
    let id = owner_in_sql(":seat");
    format!(
        "UPDATE seats SET version = version + 1, status = 'BOOKED', owner_id = {id}, \
             held_until = NULL, cause = 'BOOKED', actor = 'pgbench' \
         WHERE {SEAT} AND version = 2 AND status = 'HELD' AND owner_id = {id} \
         RETURNING seat_no, version, status"
    )
}

fn release_seat() -> String {
    format!(
        "UPDATE seats SET version = version + 1, status = 'AVAILABLE', owner_id = NULL, \
             held_until = NULL, cause = 'RELEASED', actor = 'pgbench' \
         WHERE {SEAT} AND version = 2 AND status = 'HELD' AND owner_id = {} \
         RETURNING seat_no, version, status, pg_current_xact_id()",
        owner_in_sql(":seat")
    )
}
