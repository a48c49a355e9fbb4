//! Who is refused before it is known who they are is written down, and a flood of them is not.
//!
//! It must never be silent about one who is the first from an address.

use std::fmt::Display;
use std::sync::Arc;

use super::client_address::ClientAddress;
use crate::limits::{Clock, LimitKey, Mention, Mentions};
use crate::trail;

/// Writes them down; a clone counts the same lines.
#[derive(Clone)]
pub struct TurnedAway(Arc<Mentions>);

impl TurnedAway {
    /// Nobody was yet.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Mentions::new(clock)))
    }

    /// Somebody who comes from there is refused for this reason.
    pub fn note(&self, ClientAddress(address): ClientAddress, reason: impl Display) {
        match self.0.of(&LimitKey::of_address(address)) {
            Mention::Line => trail::turned_away(reason),
            Mention::LeftOut(times) => trail::left_out(times),
            Mention::Nothing => {}
        }
    }
}
