//! Documents that were read before: clients send the same few again and again, and parsing one
//! takes longer than answering it.
//!
//! A document is only ever what its text says, and was checked before it came here, so that
//! this cache cannot go stale.

use async_graphql::parser::types::ExecutableDocument;
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

/// Documents by their text; the ones used least are dropped first.
pub struct DocumentCache {
    documents: Cache<String, Entry, BySize>,
}

#[derive(Clone)]
struct Entry {
    document: Arc<ExecutableDocument>,
    tokens: usize,
}

/// By an estimate that no document exceeds, however little text there is to it.
#[derive(Clone)]
struct BySize;

impl Weighter<String, Entry> for BySize {
    fn weight(&self, text: &String, entry: &Entry) -> u64 {
        (text.len() + (1 + entry.tokens) * BYTES_OF_A_TOKEN) as u64
    }
}

impl Default for DocumentCache {
    fn default() -> Self {
        let documents = Cache::with_weighter(EXPECTED_DOCUMENTS, MAX_BYTES, BySize);
        Self { documents }
    }
}

impl DocumentCache {
    /// What this text was found to say.
    pub fn get(&self, text: &str) -> Option<Arc<ExecutableDocument>> {
        Some(self.documents.get(text)?.document)
    }

    /// Keeps what a text of so many tokens says.
    pub fn insert(&self, text: &str, tokens: usize, document: Arc<ExecutableDocument>) {
        if text.len() <= MAX_LENGTH {
            let entry = Entry { document, tokens };
            self.documents.insert(text.to_owned(), entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scan::scan;
    use super::*;
    use async_graphql::parser::parse_query;

    fn read(cache: &DocumentCache, text: &str) -> Arc<ExecutableDocument> {
        cache.get(text).unwrap_or_else(|| {
            let document = Arc::new(parse_query(text).unwrap());
            cache.insert(text, scan(text).unwrap().tokens, Arc::clone(&document));
            document
        })
    }

    #[test]
    fn a_document_is_known_by_its_text() {
        let cache = DocumentCache::default();
        let first = read(&cache, "{ a }");
        assert!(Arc::ptr_eq(&first, &read(&cache, "{ a }")));
        assert!(!Arc::ptr_eq(&first, &read(&cache, "{ b }")));
    }

    #[test]
    fn the_largest_is_kept_whatever_the_number_of_cores() {
        let cache = DocumentCache::default();
        assert_eq!(cache.documents.num_shards(), 1, "all room is in one piece");
        // Nothing has more tokens in as much text.
        let lists = "[]".repeat((MAX_LENGTH - "{a(a:[])}".len()) / 2);
        let largest = format!("{{a(a:[{lists}])}}");
        let first = read(&cache, &largest);
        assert!(Arc::ptr_eq(&first, &read(&cache, &largest)));
    }

    #[test]
    fn it_has_an_end() {
        let cache = DocumentCache::default();
        for number in 0..60 {
            let fields = "a ".repeat(1_000);
            read(&cache, &format!("{{ a{number} {fields} }}"));
        }
        assert!(cache.documents.weight() <= MAX_BYTES);
        assert!(cache.documents.len() < 30, "of 400 kB each");
        let long = format!("{{ {} }}", "x".repeat(MAX_LENGTH));
        let first = read(&cache, &long);
        assert!(!Arc::ptr_eq(&first, &read(&cache, &long)));
    }
}
