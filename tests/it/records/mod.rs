//! The records that staff keep: changed by several at once, each on the version that
//! was seen, and what became of each seat.

mod events;
mod prices;
mod seat_history;
mod venues;

use crate::support::Answer;
use serde_json::Value;

/// Of many answers the one that is this success; all others are this refusal, and were
/// expecting version 1 of a record that is at version 2.
fn one_won<'a>(answers: &'a [Answer], success: &str, refusal: &str, record: &str) -> &'a Value {
    let (won, lost): (Vec<&Value>, Vec<&Value>) = answers
        .iter()
        .map(Answer::data)
        .partition(|data| data["__typename"] == success);
    assert_eq!(won.len(), 1, "{won:?}");
    for conflict in lost {
        assert_eq!(conflict["__typename"], refusal);
        assert_eq!(conflict["code"], "VERSION_CONFLICT");
        assert_eq!(conflict["expectedVersion"], 1);
        assert_eq!(conflict[record], won[0][record], "what it lost to");
    }
    assert_eq!(won[0][record]["version"], 2);
    &won[0][record]
}
