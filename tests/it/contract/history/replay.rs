//! The feed played again, transaction by transaction: who has which seats.

use super::successes::{Deed, deeds};
use super::{Call, Change, Done, History, Outcome, Rule, Violations};
use std::collections::{BTreeMap, BTreeSet};

/// What the feed says up to a moment.
struct Replay<'history> {
    history: &'history History,
    /// Status and owner of each seat that is not as it was created.
    seats: BTreeMap<usize, (&'history str, Option<&'history str>)>,
    /// The holds whose time has passed.
    over: BTreeSet<&'history str>,
}

impl History {
    pub(super) fn check_replay(&self, violations: &mut Violations) {
        let mut replay = Replay {
            history: self,
            seats: BTreeMap::new(),
            over: BTreeSet::new(),
        };
        for (transaction, changes) in self.transactions() {
            let now = changes.iter().map(|change| change.id).max().unwrap_or(0);
            let lapsed = self.lapses.iter().filter(|(after, _)| *after <= now);
            replay.over.extend(lapsed.map(|(_, hold)| hold.as_str()));
            let told: Vec<(&Call, &Done)> = self
                .calls
                .iter()
                .filter_map(|call| match &call.outcome {
                    Outcome::Done(done) if done.transaction == transaction => Some((call, done)),
                    _ => None,
                })
                .collect();
            let deeds = deeds(&changes, &told);
            for change in changes {
                let is_in = |deed: &&Deed<'_>| deed.changes.iter().any(|of| of.id == change.id);
                let did = deeds.iter().find(is_in).map(|deed| deed.done);
                replay.check_taken(change, did, violations);
                let state = (change.status.as_str(), change.owner.as_deref());
                replay.seats.insert(change.seat, state);
            }
            replay.check_owned(&deeds, violations);
            replay.check_limits(violations);
        }
        replay.check_end(violations);
    }
}

impl<'history> Replay<'history> {
    /// Nobody who has a seat loses it but by giving it up.
    fn check_taken(&self, change: &Change, did: Option<&Done>, violations: &mut Violations) {
        let before = self.seats.get(&change.seat).copied();
        let (status, owner) = before.unwrap_or(("AVAILABLE", None));
        let is_owners = || did.is_some_and(|did| did.owner.as_deref() == owner);
        let is_over = owner.is_some_and(|owner| self.over.contains(owner));
        let is_right = match (status, change.status.as_str()) {
            ("AVAILABLE", "HELD" | "BOOKED" | "BLOCKED") => true,
            ("BLOCKED", "AVAILABLE") => change.actor.starts_with("staff:"),
            ("HELD", "AVAILABLE") => match change.cause.as_str() {
                "RELEASED" => is_owners(),
                "LAPSED" => is_over,
                "CANCELLED" => change.actor.starts_with("staff:"),
                _ => false,
            },
            ("HELD", "BOOKED") => is_over || self.was_hold(change.owner.as_deref()) == owner,
            ("HELD", "HELD" | "BLOCKED") => is_over,
            ("BOOKED", "AVAILABLE") => is_owners(),
            _ => false,
        };
        if !is_right {
            let how = format!("{status} by {owner:?} becomes {change:?}");
            violations.add(Rule::Taken, how);
        }
    }

    fn was_hold(&self, booking: Option<&str>) -> Option<&'history str> {
        let booking = self.history.owners.get(booking?)?;
        booking.was_hold.as_deref()
    }

    /// The seats that are this one's.
    fn seats_of(&self, owner: &str) -> Vec<usize> {
        let seats = self.seats.iter();
        seats
            .filter(|(_, (_, has))| *has == Some(owner))
            .map(|(seat, _)| *seat)
            .collect()
    }

    /// Whoever did something has what it was told it has: of several who shared a
    /// transaction, whoever was last.
    fn check_owned(&self, deeds: &[Deed<'_>], violations: &mut Violations) {
        for owner in owners_of(deeds).collect::<BTreeSet<_>>() {
            let has = self.seats_of(owner);
            let owned = deeds.iter().map(|deed| deed.done);
            let owned = owned.filter(|done| done.owner.as_deref() == Some(owner));
            let said = owned.filter_map(|done| done.all.as_ref()).map(|all| {
                let mut said: Vec<usize> = all.iter().map(|seen| seen.seat).collect();
                said.sort_unstable();
                said
            });
            let said: Vec<_> = said.collect();
            let is_booked = owners_of(deeds).any(|one| self.was_hold(Some(one)) == Some(owner));
            // What a lapsed hold loses meanwhile is told to whoever uses it next.
            let is_wrong = !said.is_empty() && !said.contains(&has);
            if is_wrong && !is_booked && !self.over.contains(owner) {
                let how = format!("{owner} is said to have {said:?} and has {has:?}");
                violations.add(Rule::Owned, how);
            }
        }
    }

    fn check_limits(&self, violations: &mut Violations) {
        let mut seats_of_owner: BTreeMap<&str, usize> = BTreeMap::new();
        for owner in self.seats.values().filter_map(|(_, owner)| *owner) {
            *seats_of_owner.entry(owner).or_default() += 1;
        }
        let limits = self.history.limits;
        let mut of_buyer: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (id, seats) in seats_of_owner {
            if self.over.contains(id) {
                continue;
            }
            if seats > limits.seats_per_hold {
                violations.add(Rule::Limits, format!("{id} has {seats} seats"));
            }
            let Some(owner) = self.history.owners.get(id) else {
                violations.add(Rule::Owned, format!("{id} has seats and is not there"));
                continue;
            };
            if let Some(buyer) = &owner.buyer {
                let of_buyer = of_buyer.entry(buyer).or_default();
                of_buyer.0 += seats;
                of_buyer.1 += usize::from(!owner.is_booking);
            }
        }
        for (buyer, (seats, holds)) in of_buyer {
            if seats > limits.seats_per_buyer || holds > limits.holds_per_buyer {
                let how = format!("{buyer} has {seats} seats and {holds} holds");
                violations.add(Rule::Limits, how);
            }
        }
    }

    /// In the end every live hold and booking has all of its seats, and no others.
    fn check_end(&self, violations: &mut Violations) {
        for (id, owner) in &self.history.owners {
            let has = self.seats_of(id);
            let should_have = if owner.is_live {
                owner.seats.clone()
            } else {
                Vec::new()
            };
            if has != should_have {
                let how = format!("in the end {id} has {has:?}, not {should_have:?}");
                violations.add(Rule::Owned, how);
            }
        }
    }
}

fn owners_of<'a>(deeds: &'a [Deed<'_>]) -> impl Iterator<Item = &'a str> {
    deeds.iter().filter_map(|deed| deed.done.owner.as_deref())
}
