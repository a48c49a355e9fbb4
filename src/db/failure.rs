//! Which database failures pass by themselves: the one place that knows.

use diesel::result::{DatabaseErrorKind, Error};

/// Whether the transaction lost to another one, which has gone on meanwhile, so
/// that it may succeed when it is simply run again.
///
/// A serialization failure (SQLSTATE 40001) has a kind of its own. Diesel keeps
/// no SQLSTATE of a deadlock (40P01), so it is known by PostgreSQL's English
/// message; connections ask for `lc_messages=C`.
pub fn lost_to_another_transaction(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => true,
        Error::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            information.message() == "deadlock detected"
        }
        _ => false,
    }
}

/// Whether a booking was given a reference that another booking of the event
/// has: the next one that is drawn is free.
pub fn took_a_taken_reference(error: &Error) -> bool {
    matches!(
        error,
        Error::DatabaseError(DatabaseErrorKind::UniqueViolation, information)
            if information.constraint_name() == Some("bookings_event_id_reference_key")
    )
}

/// Whether an idempotency key was used by another transaction at the same time: what that
/// was answered can be read now.
pub fn used_a_used_key(error: &Error) -> bool {
    matches!(
        error,
        Error::DatabaseError(DatabaseErrorKind::UniqueViolation, information)
            if information.constraint_name() == Some("idempotency_keys_pkey")
    )
}

/// Whether a lock was waited for in vain (SQLSTATE 55P03). Whoever has it may
/// keep it for long: waiting again would only keep a connection from others.
pub fn waited_for_a_lock_in_vain(error: &Error) -> bool {
    matches!(
        error,
        Error::DatabaseError(DatabaseErrorKind::Unknown, information)
            if information.message() == "canceling statement due to lock timeout"
    )
}

/// Whether the database took longer than its `statement_timeout` (SQLSTATE 57014): it has
/// undone the statement, and is busy.
fn ran_out_of_time(error: &Error) -> bool {
    matches!(
        error,
        Error::DatabaseError(DatabaseErrorKind::Unknown, information)
            if information.message() == "canceling statement due to statement timeout"
    )
}

/// Whether the database was asked what became of a transaction that it has not had (yet): a
/// crash has undone one of this number, if there was one.
pub fn has_had_no_such_transaction(error: &Error) -> bool {
    matches!(
        error,
        Error::DatabaseError(_, information)
            if information.message().starts_with("transaction ID")
                && information.message().ends_with("is in the future")
    )
}

/// Whether the database did not answer, because it is away or busy: nothing is wrong with the
/// request, which may be made again.
pub fn was_not_answered(error: &Error) -> bool {
    connection_was_lost(error) || ran_out_of_time(error)
}

/// Whether the database could not be reached or went away: nothing is wrong
/// with the request.
pub fn connection_was_lost(error: &Error) -> bool {
    match error {
        Error::BrokenTransactionManager
        | Error::DatabaseError(
            DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection,
            _,
        ) => true,
        Error::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            let message = information.message();
            message.starts_with("terminating connection")
                || message.starts_with("the database system is")
        }
        _ => false,
    }
}
