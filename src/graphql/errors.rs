//! Technical errors: a stable `extensions.code`, a text for the client, and
//! nothing of what happened inside. A cause is logged here, once, unless it is that of many:
//! then it was logged where that was known.

use crate::db::DatabaseUnavailable;
use crate::db::failure::was_not_answered;
use crate::domain::DomainError;
use crate::feed::FeedError;
use crate::model::causes::in_full;
use async_graphql::{Error, ErrorExtensions};
use std::error::Error as StdError;
use std::time::Duration;

/// The values of `extensions.code` that resolvers set.
pub mod code {
    /// The input makes no sense, whatever the state of the database.
    pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
    /// There is no such thing, or the caller may not know of it.
    pub const NOT_FOUND: &str = "NOT_FOUND";
    /// The caller must sign in first.
    pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
    /// The caller is signed in and still may not.
    pub const FORBIDDEN: &str = "FORBIDDEN";
    /// The idempotency key was used before, for another input.
    pub const IDEMPOTENCY_KEY_REUSED: &str = "IDEMPOTENCY_KEY_REUSED";
    /// Too many others changed the same records; try again.
    pub const CONTENDED: &str = "CONTENDED";
    /// The database cannot be reached or is overloaded; try again later.
    pub const UNAVAILABLE: &str = "UNAVAILABLE";
    /// The map did not come to the cursor of `atLeast` in time.
    pub const CURSOR_NOT_REACHED: &str = "CURSOR_NOT_REACHED";
    /// The query took longer than its client was kept waiting.
    pub const OPERATION_TIMEOUT: &str = "OPERATION_TIMEOUT";
    /// The operation asks for more than one operation may.
    pub const GRAPHQL_LIMIT_EXCEEDED: &str = "GRAPHQL_LIMIT_EXCEEDED";
    /// Something is wrong with the server.
    pub const INTERNAL: &str = "INTERNAL_SERVER_ERROR";
}

/// The extension of an error that says after how many milliseconds to try again, and that the
/// field that it stands for has done nothing.
pub const RETRY_AFTER_MS: &str = "retryAfterMs";

/// After which time the overloaded server is worth another try.
pub const OVERLOAD_PAUSE: Duration = Duration::from_secs(1);

/// What resolvers answer.
pub(super) type ApiResult<T> = Result<T, ApiError>;

/// An error on its way to the client.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    code: &'static str,
    message: String,
    /// When it is worth trying again, if that is known.
    retry_after: Option<Duration>,
}

impl ApiError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    /// Its `extensions.code`.
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    /// This part of the input is wrong for this reason.
    pub(super) fn bad_input(field: &str, message: impl std::fmt::Display) -> Self {
        Self::new(code::BAD_USER_INPUT, format!("{field}: {message}"))
    }

    fn unavailable(cause: &(dyn StdError + 'static)) -> Self {
        tracing::warn!(cause = in_full(cause), "the database is unavailable");
        Self::try_again()
    }

    /// Nothing was done, because more is asked for than can be done. It was counted, and is
    /// logged, where it was found out: that happens thousands of times in a second.
    fn overloaded() -> Self {
        Self {
            retry_after: Some(OVERLOAD_PAUSE),
            ..Self::try_again()
        }
    }

    fn try_again() -> Self {
        Self::new(
            code::UNAVAILABLE,
            "the service is overloaded or its database is away: try again",
        )
    }

    fn internal(cause: &(dyn StdError + 'static)) -> Self {
        tracing::error!(cause = in_full(cause), "a request failed");
        Self::new(
            code::INTERNAL,
            "something went wrong on the server; it has been logged",
        )
    }

    fn database(cause: &diesel::result::Error) -> Self {
        if was_not_answered(cause) {
            Self::unavailable(cause)
        } else {
            Self::internal(cause)
        }
    }
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Self::new(error.message).extend_with(|_, extensions| {
            extensions.set("code", error.code);
            if let Some(wait) = error.retry_after {
                let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                extensions.set(RETRY_AFTER_MS, wait);
            }
        })
    }
}

/// Only what the schema itself lacks comes this way: a mistake in its wiring.
impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        tracing::error!(message = error.message, "a resolver could not run");
        Self::new(
            code::INTERNAL,
            "something went wrong on the server; it has been logged",
        )
    }
}

impl From<DatabaseUnavailable> for ApiError {
    fn from(error: DatabaseUnavailable) -> Self {
        match error {
            DatabaseUnavailable::Busy => Self::overloaded(),
            DatabaseUnavailable::Unreachable(_) => Self::unavailable(&error),
        }
    }
}

impl From<diesel::result::Error> for ApiError {
    fn from(error: diesel::result::Error) -> Self {
        Self::database(&error)
    }
}

impl From<DomainError> for ApiError {
    fn from(error: DomainError) -> Self {
        let code = match &error {
            DomainError::InvalidInput { .. } => code::BAD_USER_INPUT,
            DomainError::NotFound { .. } | DomainError::SeatNotFound { .. } => code::NOT_FOUND,
            DomainError::Unauthenticated(_) => code::UNAUTHENTICATED,
            DomainError::Forbidden(_) => code::FORBIDDEN,
            DomainError::KeyReused => code::IDEMPOTENCY_KEY_REUSED,
            DomainError::Contended => code::CONTENDED,
            DomainError::Panicked => return Self::internal(&error),
            DomainError::Unavailable(DatabaseUnavailable::Busy) => return Self::overloaded(),
            DomainError::Unavailable(cause) => return Self::unavailable(cause),
            DomainError::GivenUp => return Self::try_again(),
            DomainError::Database(cause) => return Self::database(cause),
        };
        // Commands come from the one argument of a mutation.
        let argument = match &error {
            DomainError::InvalidInput { .. }
            | DomainError::SeatNotFound { .. }
            | DomainError::KeyReused => "input.",
            _ => "",
        };
        Self::new(code, format!("{argument}{error}"))
    }
}

impl From<FeedError> for ApiError {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Unavailable(cause) => cause.into(),
            FeedError::Database(cause) => cause.into(),
            FeedError::Silent | FeedError::TooManySeats => Self::unavailable(&error),
            FeedError::ForeignCursor => Self::bad_input("atLeast", error),
            FeedError::NotReached => Self::new(code::CURSOR_NOT_REACHED, error.to_string()),
        }
    }
}
