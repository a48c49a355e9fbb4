//! Owns what is sent of things that do not change: their bytes in each encoding, encoded
//! once and kept in memory as long as there is room, and the tag that they are known by.
//!
//! An entity tag stands for the bytes of one representation, and what is compressed is
//! another one than what is plain (RFC 9110, 8.8.3.3). The layer that compresses all other
//! answers as they go out would leave the tag of the plain one on them, and on every
//! request do again what can be done once: anybody could have it compress megabytes for
//! the price of a GET. So what does not change is sent from here, outside of that layer.

mod negotiation;

use async_compression::Level;
use async_compression::tokio::bufread::{BrotliEncoder, GzipEncoder, ZstdEncoder};
use axum::body::Bytes;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
pub use negotiation::Encoding;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use std::hash::Hash;
use std::io;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::task::JoinError;

/// Bytes of all that is kept of one kind of things. A hall of 60,000 seats takes about a
/// megabyte as it is, and half of that in all encodings together.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Representations that are expected to be kept. More would cut the cache into pieces,
/// each with its share of the room, and the largest might fit into none.
const EXPECTED: usize = 32;
/// Bytes of a hash: two that are equal by chance are not to be feared.
const HASH_BYTES: usize = 16;

/// Something as it is sent.
pub struct Representation {
    body: Bytes,
    encoding: Encoding,
    /// SHA-256 of the body, cut short, in base64url.
    hash: String,
}

/// A representation could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Unmade {
    /// It could not be written or compressed.
    #[error("what is to be sent could not be written")]
    Unwritable(#[from] io::Error),
    /// What was to make it panicked; that has been logged.
    #[error("what is to be sent was not finished")]
    Lost,
}

/// What has been made of things of one kind, by what names them; a clone is the same.
pub struct Kept<Key>(Arc<Cache<(Key, Encoding), Arc<Representation>, ByBytes>>);

impl<Key> Clone for Kept<Key> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Clone)]
struct ByBytes;

impl<Key> Weighter<(Key, Encoding), Arc<Representation>> for ByBytes {
    fn weight(&self, _: &(Key, Encoding), representation: &Arc<Representation>) -> u64 {
        representation.body.len() as u64
    }
}

impl<Key: Clone + Eq + Hash> Kept<Key> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(Arc::new(Cache::with_weighter(EXPECTED, MAX_BYTES, ByBytes)))
    }

    /// Something in this encoding, if it has been made and is still there.
    pub fn get(&self, key: &Key, encoding: Encoding) -> Option<Arc<Representation>> {
        // The cache is asked by the pair that it owns.
        self.0.get(&(key.clone(), encoding))
    }

    /// Something in this encoding, made once however many ask at the same time; `plain`
    /// makes it as it is.
    ///
    /// # Errors
    /// When `plain` fails, or what it makes cannot be compressed.
    pub async fn make<Failure: From<Unmade>>(
        &self,
        key: Key,
        encoding: Encoding,
        plain: impl Future<Output = Result<Arc<Representation>, Failure>>,
    ) -> Result<Arc<Representation>, Failure> {
        let plain_key = (key.clone(), Encoding::Identity);
        if encoding == Encoding::Identity {
            return self.0.get_or_insert_async(&plain_key, plain).await;
        }
        let encoded = async {
            let plain = self.0.get_or_insert_async(&plain_key, plain).await?;
            Ok(plain.encoded(encoding).await?)
        };
        self.0.get_or_insert_async(&(key, encoding), encoded).await
    }
}

impl Representation {
    /// What this makes, as it is. It may take long: it runs where nobody waits for anything
    /// else.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn of(
        make: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static,
    ) -> Result<Arc<Self>, Unmade> {
        Self::made(make, Encoding::Identity).await
    }

    async fn encoded(&self, encoding: Encoding) -> Result<Arc<Self>, Unmade> {
        let plain = self.body.clone();
        let encode = move || Handle::current().block_on(encode(&plain, encoding));
        Self::made(encode, encoding).await
    }

    async fn made(
        make: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static,
        encoding: Encoding,
    ) -> Result<Arc<Self>, Unmade> {
        let work = move || {
            let body = make()?;
            let hash = Sha256::digest(&body);
            let hash = hash.get(..HASH_BYTES).unwrap_or(&hash);
            Ok(Arc::new(Self {
                hash: URL_SAFE_NO_PAD.encode(hash),
                encoding,
                body: body.into(),
            }))
        };
        let lost = |error: JoinError| {
            tracing::error!(%error, "what is to be sent was not finished");
            Unmade::Lost
        };
        tokio::task::spawn_blocking(work).await.map_err(lost)?
    }

    /// The answer to a request with these headers, of this type, which may be kept as
    /// `Cache-Control` says; nothing but the tag when that is what the client has already.
    pub fn answer(&self, request: &HeaderMap, content_type: &str, caching: &str) -> Response {
        let tag = format!("\"{}\"", self.hash);
        let caching = [
            (ETAG, tag.as_str()),
            (CACHE_CONTROL, caching),
            (VARY, "accept-encoding"),
        ];
        if is_known(request, &self.hash) {
            return (StatusCode::NOT_MODIFIED, caching).into_response();
        }
        let content_type = [(CONTENT_TYPE, content_type)];
        let mut response = (caching, content_type, self.body.clone()).into_response();
        if let Some(name) = self.encoding.header_value() {
            response.headers_mut().insert(CONTENT_ENCODING, name);
        }
        response
    }
}

/// Whether `If-None-Match` names this tag, strong or weak, or any at all.
fn is_known(headers: &HeaderMap, hash: &str) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().any(|tags| {
        let tags = tags.as_bytes().trim_ascii();
        // No tag has a quotation mark in it, so tags and what is between them take turns.
        // After the last mark there is no tag, or one that nobody has closed.
        let mut parts: Vec<&[u8]> = tags.split(|byte| *byte == b'"').collect();
        parts.pop();
        let mut opaque = parts.into_iter().skip(1).step_by(2);
        tags == b"*" || opaque.any(|tag| tag == hash.as_bytes())
    })
}

/// The levels are those after which more time makes a drawing hardly smaller, at a fifth
/// of a second for 60,000 seats. Brotli's last two would halve it once more, in 14 s.
async fn encode(plain: &[u8], encoding: Encoding) -> io::Result<Vec<u8>> {
    let mut encoded = Vec::new();
    match encoding {
        Encoding::Identity => encoded.extend_from_slice(plain),
        Encoding::Gzip => {
            let mut gzip = GzipEncoder::with_quality(plain, Level::Precise(6));
            gzip.read_to_end(&mut encoded).await?;
        }
        Encoding::Zstd => {
            let mut zstd = ZstdEncoder::with_quality(plain, Level::Precise(9));
            zstd.read_to_end(&mut encoded).await?;
        }
        Encoding::Brotli => {
            let mut brotli = BrotliEncoder::with_quality(plain, Level::Precise(5));
            brotli.read_to_end(&mut encoded).await?;
        }
    }
    Ok(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn known(lines: &[&'static [u8]]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_NONE_MATCH, HeaderValue::from_bytes(line).unwrap());
        }
        is_known(&headers, "abc-_1")
    }

    #[test]
    fn a_tag_is_known_wherever_it_stands_and_weak_as_well() {
        for line in [
            &b"\"abc-_1\""[..],
            b"W/\"abc-_1\"",
            b"\"x\", \"abc-_1\"",
            b"\"x\",W/\"abc-_1\",\"y\"",
            b"\"a,\\b\", \"abc-_1\"",
            b"\"\", \"abc-_1\"",
            b"\"caf\xe9\", \"abc-_1\"",
            b"*",
            b" * ",
        ] {
            assert!(known(&[line]), "{}", line.escape_ascii());
        }
        assert!(known(&[b"\"x\"", b"\"abc-_1\""]));
    }

    #[test]
    fn what_is_another_tag_or_none_is_not_known() {
        for line in [
            &b""[..],
            b"abc-_1",
            b"\"abc-_1",
            b"\"abc-_\"",
            b"\"abc-_12\"",
            b"\"x, abc-_1, y\"",
            b"\"x\"abc-_1\"y\"",
            b"\"*\"",
        ] {
            assert!(!known(&[line]), "{}", line.escape_ascii());
        }
        assert!(!known(&[]));
    }
}
