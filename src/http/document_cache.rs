//! Documents that were parsed before: clients send the same few again and again, and parsing
//! one takes longer than answering it.
//!
//! A document is only ever what its text says, so that this cache cannot go stale.

use async_graphql::parser::types::ExecutableDocument;
use async_graphql::parser::{Error, parse_query};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::sync::Arc;

/// Memory of all cached documents together, in bytes, as [`BySize`] takes them to have.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// What a word or a sign of a document takes at most once it is parsed: a field is the largest
/// thing that one can stand for.
const BYTES_OF_A_TOKEN: usize = 400;
/// Bytes of text of one that is cached: longer ones are seldom sent twice.
const MAX_LENGTH: usize = 16 * 1024;
/// Documents that are expected in the cache. More would cut it into pieces, more of them the
/// more cores there are, each with its share of the room, and large documents would fit into
/// none.
const EXPECTED_DOCUMENTS: usize = 32;

/// Documents by their text; the ones used least are dropped first. A clone is the same
/// cache.
#[derive(Clone)]
pub struct DocumentCache {
    documents: Arc<Cache<String, Arc<ExecutableDocument>, BySize>>,
}

/// By an estimate that no document exceeds, however little text there is to it.
#[derive(Clone)]
struct BySize;

impl Weighter<String, Arc<ExecutableDocument>> for BySize {
    fn weight(&self, text: &String, _: &Arc<ExecutableDocument>) -> u64 {
        (text.len() + (1 + tokens(text)) * BYTES_OF_A_TOKEN) as u64
    }
}

/// How many words and signs there are, at most.
fn tokens(text: &str) -> usize {
    let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut before = b' ';
    let is_beginning = |byte: u8| {
        let is_beginning =
            byte.is_ascii_punctuation() && byte != b'_' || is_of_word(byte) && !is_of_word(before);
        before = byte;
        is_beginning
    };
    text.bytes().map(is_beginning).filter(|is| *is).count()
}

impl Default for DocumentCache {
    fn default() -> Self {
        let documents = Cache::with_weighter(EXPECTED_DOCUMENTS, MAX_BYTES, BySize);
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
    fn words_and_signs_are_counted() {
        assert_eq!(tokens("{ a b_c(d: 12) }"), 9);
        assert_eq!(tokens("{a a a}"), 5);
        assert_eq!(tokens(""), 0);
    }

    #[test]
    fn the_largest_is_kept_whatever_the_number_of_cores() {
        let cache = DocumentCache::default();
        assert_eq!(cache.documents.num_shards(), 1, "all room is in one piece");
        // Nothing has more signs in as much text.
        let largest = format!("{{a{}}}", ",".repeat(MAX_LENGTH - "{a}".len()));
        let first = cache.parse(&largest).unwrap();
        assert!(Arc::ptr_eq(&first, &cache.parse(&largest).unwrap()));
    }

    #[test]
    fn it_has_an_end() {
        let cache = DocumentCache::default();
        for number in 0..60 {
            let fields = "a ".repeat(1_000);
            cache.parse(&format!("{{ a{number} {fields} }}")).unwrap();
        }
        assert!(cache.documents.weight() <= MAX_BYTES);
        assert!(cache.documents.len() < 30, "of 400 kB each");
        let long = format!("{{ {} }}", "x".repeat(MAX_LENGTH));
        let first = cache.parse(&long).unwrap();
        assert!(!Arc::ptr_eq(&first, &cache.parse(&long).unwrap()));
    }
}
