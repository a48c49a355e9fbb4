//! Documents that were parsed before: clients send the same few again and again, and parsing
//! one takes longer than answering it.
//!
//! A document is only ever what its text says, so that this cache cannot go stale.

use async_graphql::parser::types::ExecutableDocument;
use async_graphql::parser::{Error, parse_query};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::sync::Arc;

/// Bytes of text of all cached documents together. What is parsed takes up to about thirty times
/// as much.
const MAX_BYTES: u64 = 512 * 1024;
/// Bytes of text of one that is cached: longer ones are seldom sent twice.
const MAX_LENGTH: usize = 16 * 1024;
/// Documents that are expected in the cache.
const EXPECTED_DOCUMENTS: usize = 500;

/// Documents by their text; the ones used least are dropped first. A clone is the same
/// cache.
#[derive(Clone)]
pub struct DocumentCache {
    documents: Arc<Cache<String, Arc<ExecutableDocument>, ByLength>>,
}

#[derive(Clone)]
struct ByLength;

impl Weighter<String, Arc<ExecutableDocument>> for ByLength {
    fn weight(&self, text: &String, _: &Arc<ExecutableDocument>) -> u64 {
        // At least 1, because what weighs nothing is never dropped.
        text.len().max(1) as u64
    }
}

impl Default for DocumentCache {
    fn default() -> Self {
        let documents = Cache::with_weighter(EXPECTED_DOCUMENTS, MAX_BYTES, ByLength);
        Self {
            documents: Arc::new(documents),
        }
    }
}

impl DocumentCache {
    /// What this text says.
    ///
    /// # Errors
    /// When it is not a document; that is not remembered.
    pub fn parse(&self, text: &str) -> Result<Arc<ExecutableDocument>, Error> {
        if let Some(known) = self.documents.get(text) {
            return Ok(known);
        }
        let document = Arc::new(parse_query(text)?);
        if text.len() <= MAX_LENGTH {
            self.documents
                .insert(text.to_owned(), Arc::clone(&document));
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_parsed_once_and_a_mistake_each_time() {
        let cache = DocumentCache::default();
        let first = cache.parse("{ a }").unwrap();
        assert!(Arc::ptr_eq(&first, &cache.parse("{ a }").unwrap()));
        assert!(!Arc::ptr_eq(&first, &cache.parse("{ b }").unwrap()));
        assert!(cache.parse("{ a").is_err() && cache.parse("{ a").is_err());
    }

    #[test]
    fn it_has_an_end() {
        let cache = DocumentCache::default();
        for number in 0..10_000 {
            let padding = "x".repeat(1_000);
            cache.parse(&format!("{{ a{number} {padding} }}")).unwrap();
        }
        assert!(cache.documents.weight() <= MAX_BYTES);
        let long = format!("{{ {} }}", "x".repeat(MAX_LENGTH));
        let first = cache.parse(&long).unwrap();
        assert!(!Arc::ptr_eq(&first, &cache.parse(&long).unwrap()));
    }
}
