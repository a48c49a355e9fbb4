//! Letting pass only who may.

use crate::domain::DomainError;
use crate::model::{Caller, Permission};
use crate::trail;

/// Lets only those pass who have the permission; a refusal is in the security log.
///
/// # Errors
/// When the caller does not have it: who is not signed in is told to do so first.
pub fn require(caller: &Caller, permission: Permission) -> Result<(), DomainError> {
    if caller.may(permission) {
        return Ok(());
    }
    trail::lacks(caller, permission);
    Err(match caller.subject() {
        None => DomainError::Unauthenticated(permission),
        Some(_) => DomainError::Forbidden(permission),
    })
}
