//! Whether a document fits the schema, without running anything of it.

use super::builder;
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument};
use async_graphql::{Request, Response};
use futures_util::FutureExt;
use std::sync::Arc;

/// In place of every execution.
struct RunsNothing;

impl ExtensionFactory for RunsNothing {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for RunsNothing {
    async fn execute(
        &self,
        _: &ExtensionContext<'_>,
        _: Option<&str>,
        _: NextExecute<'_>,
    ) -> Response {
        Response::default()
    }
}

/// Says what keeps documents from being run by this schema.
pub struct DocumentChecker {
    schema: super::UsherSchema,
}

impl Default for DocumentChecker {
    fn default() -> Self {
        let schema = builder().extension(RunsNothing).finish();
        Self { schema }
    }
}

impl DocumentChecker {
    /// Checks a document by the rules of GraphQL.
    ///
    /// # Errors
    /// The first of its mistakes.
    pub fn check(&self, document: &ExecutableDocument) -> Result<(), String> {
        let mut request = Request::new("");
        // The rules are checked for all operations, whichever is to be run.
        if let DocumentOperations::Multiple(operations) = &document.operations {
            request.operation_name = operations.keys().next().map(ToString::to_string);
        }
        request.set_parsed_query(document.clone());
        // Nothing in there waits for anything.
        let response = self.schema.execute(request).now_or_never();
        let errors = response.unwrap_or_default().errors;
        match errors.into_iter().next() {
            Some(error) => Err(error.message),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;

    #[test]
    fn mistakes_are_found_and_nothing_is_run() {
        let checker = DocumentChecker::default();
        let check = |text: &str| checker.check(&parse_query(text).unwrap());
        for good in [
            "{ viewer { role } }",
            "query($id: ID!) { event(id: $id) { name } }",
            "mutation A($i: ReleaseHoldInput!) { releaseHold(input: $i) { __typename } } \
             query B { viewer { role } }",
            "subscription($id: ID!) { seatMap(eventId: $id) { __typename } }",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "{ nothing }",
            "query A { viewer { role } } query B { viewer { nothing } }",
            "subscription { seatMap(eventId: 1) { __typename nothing } }",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
