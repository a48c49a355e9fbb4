//! How an operation that asks for too much is refused: which limit, how much it is, and what to
//! do. One code for all of them, and never a word of what was sent.

use crate::http::graphql_errors::{ErrorCode, coded};
use async_graphql::ServerError;

/// What there can be too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of a document.
    Bytes,
    /// Tokens of a document.
    Tokens,
    /// Brackets inside one another.
    Brackets,
    /// Letters of a name.
    Name,
    /// Operations in one document.
    Operations,
    /// Fields inside one another.
    Depth,
    /// Fields and fragments inside one another.
    Levels,
    /// Fields, once all fragments are spread.
    Fields,
    /// Fields of `Mutation` in one operation.
    MutationFields,
    /// Aliases of a document.
    Aliases,
    /// Directives of a document.
    Directives,
    /// Variables of an operation.
    Variables,
    /// Bytes of all variables.
    VariablesBytes,
    /// Bytes of all variables where they are used.
    VariablesCopies,
    /// Lists and objects inside one another in a variable.
    VariablesDepth,
    /// Items of one list in a variable.
    ListItems,
    /// Lists of the schema's own description inside one another.
    IntrospectionDepth,
    /// Points.
    Cost,
}

impl Limit {
    /// What there is too much of, and what to do about it.
    fn words(self) -> (&'static str, &'static str) {
        let parts = "send it in parts";
        match self {
            Self::Bytes => ("bytes in the document", "move values into variables"),
            Self::Tokens => ("words and signs in the document", parts),
            Self::Brackets => ("brackets inside one another in the document", "nest less"),
            Self::Name => ("characters in a name", "use a shorter one"),
            Self::Operations => (
                "operations in one document",
                "send those that are used together",
            ),
            Self::Depth => (
                "fields inside one another",
                "ask for what is below by its id",
            ),
            Self::Levels => (
                "fields and fragments inside one another",
                "use fewer fragments that spread others",
            ),
            Self::Fields => ("fields once its fragments are spread", parts),
            Self::MutationFields => (
                "mutations in one operation",
                "send each in an operation of its own",
            ),
            Self::Aliases => ("aliases in the document", parts),
            Self::Directives => ("directives in the document", parts),
            Self::Variables => ("variables", "use an input object"),
            Self::VariablesBytes => ("bytes in the variables", parts),
            Self::VariablesCopies => (
                "bytes in its arguments once variables are put in",
                "use each variable once",
            ),
            Self::VariablesDepth => (
                "lists and objects inside one another in a variable",
                "nest less",
            ),
            Self::ListItems => ("items in a list of a variable", parts),
            Self::IntrospectionDepth => (
                "lists of the schema's own types inside one another",
                "ask for the types by their names",
            ),
            Self::Cost => (
                "points of cost",
                "ask for fewer fields, or for fewer nodes with a smaller `first`",
            ),
        }
    }
}

/// The refusal of an operation that has more than `most`.
pub fn exceeded(limit: Limit, most: usize) -> ServerError {
    let (what, advice) = limit.words();
    coded(
        ErrorCode::GraphqlLimitExceeded,
        format!("the operation has more than {most} {what}: {advice}"),
    )
}

/// The same, of which it is known how many there are.
pub fn exceeded_by(limit: Limit, most: u64, found: u64) -> ServerError {
    let (what, advice) = limit.words();
    coded(
        ErrorCode::GraphqlLimitExceeded,
        format!("the operation has {found} {what}, and {most} are allowed: {advice}"),
    )
}
