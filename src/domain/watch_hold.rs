//! A hold as its owner sees it, running or over.

use crate::db::holds::{self, Hold};
use crate::db::seats::{self, SeatState};
use crate::domain::DomainError;
use crate::domain::access::{self, HoldUnusable};
use crate::model::Caller;
use crate::model::status::HoldStatus;
use crate::model::token::HoldToken;
use diesel_async::AsyncPgConnection;
use std::time::Duration;

/// A hold and its seats.
#[derive(Clone, Debug)]
pub struct WatchedHold {
    /// The hold; `LAPSED` from the moment on when its time has run out, whether that is
    /// published or not.
    pub hold: Hold,
    /// Its seats as they are, in the plan's order. When it is over they may be another's.
    pub seats: Vec<SeatState>,
    /// How long it runs on; nothing when it is over.
    pub left: Duration,
}

impl WatchedHold {
    /// Whether it is not over.
    pub fn is_running(&self) -> bool {
        self.hold.status == HoldStatus::Active
    }

    /// Whether its owner sees the same in both: as long as it runs nobody but its owner can
    /// change a seat of it.
    pub fn looks_like(&self, other: &Self) -> bool {
        let of = |this: &Self| (this.hold.status, this.hold.expires_at);
        of(self) == of(other) && self.hold.seat_nos == other.hold.seat_nos
    }
}

/// The hold of this token, if this caller may use it.
///
/// # Errors
/// When the database fails.
pub async fn look_at_hold(
    connection: &mut AsyncPgConnection,
    token: &HoldToken,
    caller: &Caller,
) -> Result<Option<WatchedHold>, DomainError> {
    let found = holds::find(connection, token.event, token.hold).await?;
    let Some((mut hold, now)) = found.filter(|(hold, _)| access::may_use(hold, token, caller))
    else {
        return Ok(None);
    };
    if let Err(HoldUnusable::Ended(status)) = access::require_running(&hold, now) {
        hold.status = status;
    }
    let seats = seats::load(connection, hold.event_id, &hold.seat_nos).await?;
    Ok(Some(WatchedHold {
        left: (hold.expires_at - now).to_std().unwrap_or_default(),
        hold,
        seats,
    }))
}
