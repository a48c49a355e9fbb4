//! Until when a query is worth working on.

use super::errors::{ApiError, ApiResult, code};
use async_graphql::Context;
use std::time::Instant;

/// In the data of a query: its client is answered without it at this time. A mutation has none,
/// because it is done to its end.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

/// Checks that somebody still waits for this query.
///
/// # Errors
/// When nobody does.
pub(super) fn check(context: &Context<'_>) -> ApiResult<()> {
    let is_over = |Deadline(at): &Deadline| Instant::now() >= *at;
    if context.data_opt::<Deadline>().is_some_and(is_over) {
        return Err(ApiError::new(
            code::OPERATION_TIMEOUT,
            "the query took too long",
        ));
    }
    Ok(())
}
