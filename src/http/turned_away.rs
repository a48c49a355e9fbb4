//! Who is refused before it is looked at what they ask for is written down, and a flood of them
//! is not.
//!
//! It must never be silent about the first one from an address, or of a name.

use std::fmt::Display;
use std::sync::Arc;

use super::client_address::ClientAddress;
use crate::limits::{Clock, LimitKey, Mention, Mentions};
use crate::model::Caller;
use crate::trail;

/// Writes them down; a clone counts the same lines.
#[derive(Clone)]
pub struct TurnedAway(Arc<Mentions>);

impl TurnedAway {
    /// Nobody was yet.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Mentions::new(clock)))
    }

    /// Somebody who comes from there is refused for this reason, whoever it is.
    pub fn note(&self, ClientAddress(address): ClientAddress, reason: impl Display) {
        self.write(&LimitKey::of_address(address), None, reason);
    }

    /// The same of a caller who is known, or known to be nobody.
    pub fn note_of(
        &self,
        caller: &Caller,
        ClientAddress(address): ClientAddress,
        reason: impl Display,
    ) {
        self.write(&LimitKey::of(caller, address), Some(caller), reason);
    }

    fn write(&self, key: &LimitKey, caller: Option<&Caller>, reason: impl Display) {
        match self.0.of(key) {
            Mention::Line => trail::turned_away(caller, reason),
            Mention::LeftOut(times) => trail::left_out(times),
            Mention::Nothing => {}
        }
    }
}
