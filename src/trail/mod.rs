//! The security log: who was refused what, and what staff have done.
//!
//! Its lines have the target [`TARGET`], so that they can be kept apart from all others, and
//! stand in the span of their request, which has its id and the client's address. It must
//! never say what opens a door: no token, no part of one, no input as it came.

use crate::model::Caller;
use crate::model::permission::Permission;
use std::fmt::Display;

/// The target of the security log's lines, and of the spans that say whose they are.
pub const TARGET: &str = "usher::security";

/// Somebody lacks a permission.
pub fn lacks(caller: &Caller, permission: Permission) {
    tracing::warn!(target: TARGET, actor = actor(caller), %permission, "refused");
}

/// Somebody asked for what is another's, or for what may not be known of yet.
pub fn refused(caller: &Caller, what: impl Display) {
    let what = what.to_string();
    tracing::warn!(target: TARGET, actor = actor(caller), what, "refused");
}

/// A request was refused before it was looked at what it is about. It may not be known either
/// who sends it.
pub fn turned_away(caller: Option<&Caller>, reason: impl Display) {
    let reason = reason.to_string();
    tracing::warn!(target: TARGET, actor = caller.map(actor), reason, "turned away");
}

/// So many were turned away who have many lines already.
pub fn left_out(times: u64) {
    tracing::warn!(target: TARGET, times, "turned away, and not written down one by one");
}

/// Somebody saw what is another's, as this permission allows.
pub fn saw(caller: &Caller, permission: Permission, what: impl Display) {
    let what = what.to_string();
    tracing::info!(target: TARGET, actor = actor(caller), %permission, what, "seen");
}

/// A mutation of somebody who serves others, and what became of it: the type of its answer,
/// or the code of its error.
pub fn acted(caller: &Caller, action: &str, about: &str, outcome: &str) {
    tracing::info!(target: TARGET, actor = actor(caller), action, about, outcome, "done by staff");
}

/// As text, which is quoted in a log for people: a subject may have spaces and equals signs.
fn actor(caller: &Caller) -> String {
    caller.to_string()
}
