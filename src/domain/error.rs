//! What went wrong, as the domain tells it.

use crate::db::DatabaseUnavailable;
use crate::model::Permission;

/// Why a use case has no outcome. The text is for the caller, says what to do
/// where something can be done, and never tells what failed inside.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// The input makes no sense, whatever the state of the database.
    #[error("{field}: {message}")]
    InvalidInput {
        /// Which part of the input, as the API names it.
        field: String,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// There is no such thing, or the caller may not know of it.
    #[error("there is no such {what}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
    },
    /// The event has no such seat.
    #[error("{field}: there is no such seat")]
    SeatNotFound {
        /// Which part of the input names it.
        field: String,
    },
    /// The caller must sign in first.
    #[error("sign in first: send a token with the role {}", .0.roles())]
    Unauthenticated(Permission),
    /// The caller is signed in and still may not.
    #[error("the token that was sent does not have the role {}", .0.roles())]
    Forbidden(Permission),
    /// The idempotency key stands for another request.
    #[error(
        "idempotencyKey: this key was used for another request: send exactly the same input \
         again, or take a new key"
    )]
    KeyReused,
    /// Other transactions won every time; trying again later may help.
    #[error("too many others are changing the same records at this moment: try again")]
    Contended,
    /// A mistake in usher: what has been asked for made it panic.
    #[error("deciding it panicked")]
    Panicked,
    /// The database cannot be reached, or too many wait for it.
    #[error(transparent)]
    Unavailable(#[from] DatabaseUnavailable),
    /// The same of a whole batch: what happened was logged, once for all of its commands.
    #[error("the batch was given up")]
    GivenUp,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] diesel::result::Error),
}

impl DomainError {
    /// The input is wrong in this part for this reason.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidInput {
            field: field.into(),
            message: message.into(),
        }
    }
}
