//! What an operation may ask for: its document, its variables, its cost and its time.
//!
//! Only what an operator would turn is a setting; what nobody has a reason to turn is a
//! constant where it is checked (`http::documents`).

use super::reading::{path, some_time, switch, unless_empty};
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MAX_BYTES: u32 = 64 * 1024;
const MAX_TOKENS: u32 = 4_000;
const MAX_DEPTH: u32 = 20;
const MAX_ALIASES: u32 = 100;
const MAX_DIRECTIVES: u32 = 50;
const MAX_COST: u32 = 25_000;
const MAX_VARIABLES_BYTES: u32 = 256 * 1024;
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);

/// What an operation may ask for.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Documents")]
pub struct DocumentSettings {
    /// Bytes of a document.
    #[arg(
        global = true,
        long = "max-document-bytes",
        env = "USHER_MAX_DOCUMENT_BYTES"
    )]
    #[arg(default_value_t = MAX_BYTES, value_name = "BYTES")]
    #[arg(value_parser = clap::value_parser!(u32).range(100..=1_048_576))]
    pub max_bytes: u32,
    /// Words and signs of a document. It is also what bounds the memory of parsing one: about
    /// 400 bytes for each.
    #[arg(
        global = true,
        long = "max-document-tokens",
        env = "USHER_MAX_DOCUMENT_TOKENS"
    )]
    #[arg(default_value_t = MAX_TOKENS, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub max_tokens: u32,
    /// Fields inside one another. The usual tools' introspection needs 13.
    #[arg(
        global = true,
        long = "max-document-depth",
        env = "USHER_MAX_DOCUMENT_DEPTH"
    )]
    #[arg(default_value_t = MAX_DEPTH, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=30))]
    pub max_depth: u32,
    /// Aliases of a document.
    #[arg(
        global = true,
        long = "max-document-aliases",
        env = "USHER_MAX_DOCUMENT_ALIASES"
    )]
    #[arg(default_value_t = MAX_ALIASES, value_name = "COUNT")]
    pub max_aliases: u32,
    /// Directives of a document.
    #[arg(
        global = true,
        long = "max-document-directives",
        env = "USHER_MAX_DOCUMENT_DIRECTIVES"
    )]
    #[arg(default_value_t = MAX_DIRECTIVES, value_name = "COUNT")]
    pub max_directives: u32,
    /// What one operation may cost, in points: about one for each field that is answered.
    #[arg(
        global = true,
        long = "max-operation-cost",
        env = "USHER_MAX_OPERATION_COST"
    )]
    #[arg(default_value_t = MAX_COST, value_name = "POINTS")]
    #[arg(value_parser = clap::value_parser!(u32).range(100..))]
    pub max_cost: u32,
    /// Bytes of an operation's variables, as JSON. Staff, who import seating plans, may send
    /// as many as a body has.
    #[arg(
        global = true,
        long = "max-variables-bytes",
        env = "USHER_MAX_VARIABLES_BYTES"
    )]
    #[arg(default_value_t = MAX_VARIABLES_BYTES, value_name = "BYTES")]
    #[arg(value_parser = clap::value_parser!(u32).range(100..))]
    pub max_variables_bytes: u32,
    /// How long a query or a mutation may take before its client is answered without it.
    /// Longer than a statement may take and a connection may be waited for.
    #[arg(
        global = true,
        long = "operation-timeout",
        env = "USHER_OPERATION_TIMEOUT"
    )]
    #[arg(default_value = "20s", value_parser = some_time, value_name = "TIME")]
    pub operation_timeout: Duration,
    /// Whether anybody may ask for the schema.
    #[arg(global = true, long = "introspection", env = "USHER_INTROSPECTION")]
    #[arg(default_value = "true", value_parser = switched_on, value_name = "SWITCH")]
    #[arg(action = clap::ArgAction::Set)]
    pub introspection: bool,
    /// Whether the playground is served at /graphiql.
    #[arg(global = true, long = "graphiql", env = "USHER_GRAPHIQL")]
    #[arg(default_value = "true", value_parser = switched_on, value_name = "SWITCH")]
    #[arg(action = clap::ArgAction::Set)]
    pub graphiql: bool,
    /// Whether clients may send the hash of a document in place of its text, once they have
    /// sent both (Apollo's automatic persisted queries).
    #[arg(
        global = true,
        long = "persisted-queries",
        env = "USHER_PERSISTED_QUERIES"
    )]
    #[arg(default_value = "true", value_parser = switched_on, value_name = "SWITCH")]
    #[arg(action = clap::ArgAction::Set)]
    pub persisted_queries: bool,
    /// A manifest of documents, as graphql-codegen or Apollo's tools write it; read when usher
    /// starts. No other document is then run for anybody.
    #[arg(
        global = true,
        long = "trusted-documents",
        env = "USHER_TRUSTED_DOCUMENTS"
    )]
    #[arg(value_parser = path, value_name = "FILE")]
    pub trusted_documents: Option<PathBuf>,
}

impl DocumentSettings {
    /// The manifest of the documents that alone are run, if there is one. An empty variable
    /// names none.
    pub fn manifest(&self) -> Option<&Path> {
        unless_empty(self.trusted_documents.as_deref())
    }
}

/// As without flags and variables.
impl Default for DocumentSettings {
    fn default() -> Self {
        Self {
            max_bytes: MAX_BYTES,
            max_tokens: MAX_TOKENS,
            max_depth: MAX_DEPTH,
            max_aliases: MAX_ALIASES,
            max_directives: MAX_DIRECTIVES,
            max_cost: MAX_COST,
            max_variables_bytes: MAX_VARIABLES_BYTES,
            operation_timeout: OPERATION_TIMEOUT,
            introspection: true,
            graphiql: true,
            persisted_queries: true,
            trusted_documents: None,
        }
    }
}

/// Yes unless something else is said: an empty variable is as good as none.
fn switched_on(text: &str) -> Result<bool, String> {
    if text.is_empty() {
        return Ok(true);
    }
    switch(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        documents: DocumentSettings,
    }

    fn read(arguments: &[&str]) -> DocumentSettings {
        let arguments = ["usher"].iter().chain(arguments);
        Command::try_parse_from(arguments).unwrap().documents
    }

    #[test]
    fn the_default_is_as_without_flags() {
        let (read, default) = (read(&[]), DocumentSettings::default());
        assert_eq!(format!("{read:?}"), format!("{default:?}"));
    }

    #[test]
    fn switches_are_turned_off_by_a_word() {
        assert!(!read(&["--introspection", "false"]).introspection);
        assert!(!read(&["--graphiql", "off"]).graphiql);
        assert!(read(&["--persisted-queries", ""]).persisted_queries);
        assert!(Command::try_parse_from(["usher", "--graphiql", "perhaps"]).is_err());
    }

    #[test]
    fn an_empty_name_is_no_manifest() {
        assert_eq!(read(&["--trusted-documents", ""]).manifest(), None);
        let named = read(&["--trusted-documents", "a.json"]);
        assert_eq!(named.manifest(), Some(Path::new("a.json")));
    }
}
