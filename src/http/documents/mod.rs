//! What may be asked: every document passes here before it is run, whichever transport it
//! came by.
//!
//! ```text
//!   text ──► trusted? ──► known? ──► scan ──► parse ──► structure ──► kept
//!   or its id or hash      │         (linear, before anything recurses)
//!                          └──► variables, cost ──► the rules of GraphQL, and execution
//! ```
//!
//! Reading order: [`scan`] looks at the text, [`structure`] at what was parsed, [`variables`]
//! at the values, [`copies`] at what they take where they are used, [`cost`] adds up. [`cache`] keeps documents, [`persisted`] texts by their
//! hashes, [`trusted`] the only ones that are run when there is a manifest. [`refusal`] is how
//! too much is refused.
//!
//! **Invariant:** the work here is linear in what was sent, with nothing that a document could
//! multiply. It must never run anything, nor know which transport asked.

mod cache;
mod copies;
mod cost;
mod persisted;
mod refusal;
mod scan;
mod structure;
mod trusted;
mod variables;

pub use trusted::TrustedDocumentsError;

use super::graphql_errors::{ErrorCode, coded, has_code, parse_failed};
use super::graphql_request::Parameters;
use crate::config::DocumentSettings;
use crate::graphql::{Costs, DocumentChecker};
use crate::model::Caller;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, OperationDefinition};
use async_graphql::{ServerError, Variables};
use cache::DocumentCache;
use persisted::{PersistedQueries, TextHash};
use refusal::{Limit, exceeded_by};
use std::sync::Arc;
use trusted::TrustedDocuments;

/// Documents as they are read and limited here. A clone is the same.
#[derive(Clone)]
pub struct Documents(Arc<Inner>);

struct Inner {
    settings: DocumentSettings,
    costs: Costs,
    cache: DocumentCache,
    persisted: Option<PersistedQueries>,
    trusted: Option<TrustedDocuments>,
}

/// A document, with its text as it was sent, or as it is known by what was sent for it.
pub struct Known {
    /// The text.
    pub text: String,
    /// What it says.
    pub document: Arc<ExecutableDocument>,
}

impl Default for Documents {
    fn default() -> Self {
        Self::limited_by(DocumentSettings::default())
    }
}

impl Documents {
    /// Those that these settings allow. Their manifest of trusted documents is read now.
    ///
    /// # Errors
    /// When there is something wrong with the manifest.
    pub fn new(settings: DocumentSettings) -> Result<Self, TrustedDocumentsError> {
        let documents = Self::limited_by(settings);
        let Some(file) = documents.0.settings.manifest() else {
            return Ok(documents);
        };
        let checker = DocumentChecker::default();
        let trusted = TrustedDocuments::load(file, |text| {
            let document = documents.read(text).map_err(|error| error.message)?;
            checker.check(&document)?;
            Ok(document)
        })?;
        tracing::info!(
            documents = trusted.count(),
            "only trusted documents are run"
        );
        let settings = documents.0.settings.clone();
        Ok(Self(Arc::new(Inner {
            trusted: Some(trusted),
            persisted: None,
            ..Inner::limited_by(settings)
        })))
    }

    /// The same, whether or not a manifest is named.
    fn limited_by(settings: DocumentSettings) -> Self {
        Self(Arc::new(Inner::limited_by(settings)))
    }

    /// How long operations may take, and what else there is to know of the limits.
    pub fn settings(&self) -> &DocumentSettings {
        &self.0.settings
    }

    /// The document that a request names, by its text, its id or its hash.
    ///
    /// # Errors
    /// When it is not known here, not allowed, or not a document.
    pub fn find(&self, parameters: &mut Parameters) -> Result<Known, ServerError> {
        let text = parameters.query.take();
        let id = parameters.document_id.take();
        // Its value is of the library's type, which has no borrowed form of JSON's.
        let extensions = serde_json::to_value(&parameters.extensions).unwrap_or_default();
        let hash = match extensions.as_object() {
            Some(extensions) => persisted::hash_of_extensions(extensions)?,
            None => None,
        };
        if let Some(trusted) = &self.0.trusted {
            return find_trusted(trusted, text, id.as_deref().or(hash));
        }
        match (text, hash, &self.0.persisted) {
            (Some(text), Some(hash), Some(persisted)) => {
                let hash = persisted::parse_hash(hash)?;
                if TextHash::of(&text) != hash {
                    return Err(persisted::mismatch());
                }
                let document = self.read(&text)?;
                persisted.insert(hash, &text);
                Ok(Known { text, document })
            }
            (Some(text), ..) => {
                let document = self.read(&text)?;
                Ok(Known { text, document })
            }
            (None, Some(hash), Some(persisted)) => {
                let text = persisted.get(persisted::parse_hash(hash)?);
                let text = text.ok_or_else(persisted::not_found)?.to_string();
                let document = self.read(&text)?;
                Ok(Known { text, document })
            }
            (None, Some(_), None) => Err(persisted::not_supported()),
            (None, None, _) => Err(coded(
                ErrorCode::DocumentNotTrusted,
                "there are no documents with ids here: send the document in `query`",
            )),
        }
    }

    /// What a text says, if it is a document that may be run.
    ///
    /// # Errors
    /// When it is too large, too deep, or not a document; that is not remembered.
    pub fn read(&self, text: &str) -> Result<Arc<ExecutableDocument>, ServerError> {
        let Inner {
            settings,
            costs,
            cache,
            ..
        } = &*self.0;
        if let Some(known) = cache.get(text) {
            return Ok(known);
        }
        let tokens = scan::check(text, settings)?;
        let document = parse_query(text).map_err(|cause| parse_failed(&cause))?;
        structure::check(&document, settings, costs)?;
        let document = Arc::new(document);
        cache.insert(text, tokens, Arc::clone(&document));
        Ok(document)
    }

    /// What the security log says of a document that was refused with this error: nothing, unless
    /// it asks for what whoever runs usher has forbidden.
    pub fn offence(&self, error: &ServerError) -> Option<&'static str> {
        if has_code(error, ErrorCode::IntrospectionDisabled) {
            Some("introspection, which is switched off")
        } else if self.0.trusted.is_some() && has_code(error, ErrorCode::DocumentNotTrusted) {
            Some("a document that is not trusted")
        } else {
            None
        }
    }

    /// What an operation costs, when it may be run with these variables by this caller.
    ///
    /// # Errors
    /// When the variables are too large, or it costs too much.
    pub fn cost(
        &self,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        variables: &Variables,
        caller: &Caller,
    ) -> Result<u32, ServerError> {
        let settings = &self.0.settings;
        variables::check(variables, caller, settings)?;
        copies::check(document, variables, caller, settings)?;
        let cost = cost::of_operation(&self.0.costs, document, operation, variables);
        match u32::try_from(cost) {
            Ok(cost) if cost <= settings.max_cost => Ok(cost),
            _ => Err(exceeded_by(Limit::Cost, settings.max_cost.into(), cost)),
        }
    }
}

impl Inner {
    fn limited_by(settings: DocumentSettings) -> Self {
        let persists = settings.persisted_queries && settings.manifest().is_none();
        Self {
            costs: Costs::of_schema(),
            cache: DocumentCache::default(),
            persisted: persists.then(PersistedQueries::default),
            trusted: None,
            settings,
        }
    }
}

fn find_trusted(
    trusted: &TrustedDocuments,
    text: Option<String>,
    id: Option<&str>,
) -> Result<Known, ServerError> {
    let untrusted = |message| coded(ErrorCode::DocumentNotTrusted, message);
    let named = match id {
        Some(id) => Some(trusted.text(id).ok_or_else(|| {
            untrusted("only trusted documents are run here, and none has the id that was sent")
        })?),
        None => None,
    };
    let text = match (text, named) {
        (Some(text), Some(named)) if text != **named => {
            return Err(untrusted(
                "the text in `query` is not that of the id beside it",
            ));
        }
        (Some(text), _) => text,
        (None, named) => named.map(ToString::to_string).unwrap_or_default(),
    };
    match trusted.get(&text) {
        Some(document) => Ok(Known {
            document: Arc::clone(document),
            text,
        }),
        None => Err(untrusted(
            "only trusted documents are run here, and this is none: send exactly the text that \
             is in the manifest, or its id as `documentId`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_parsed_once_and_a_mistake_each_time() {
        let documents = Documents::default();
        let first = documents.read("{ a }").unwrap();
        assert!(Arc::ptr_eq(&first, &documents.read("{ a }").unwrap()));
        assert!(documents.read("{ a").is_err() && documents.read("{ a").is_err());
    }
}
