//! The reading of bodies: how large one may be, and how slowly it may come; how large all may be
//! together is `body_room`'s.
//!
//! It must never look at what is read, nor wait for a client beyond a limit. Bodies are read
//! as they are: nothing is ever decompressed.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::body_room::{BodyRoom, NoRoom, TakenRoom};
use super::graphql_errors::ErrorCode;
use super::graphql_http_answer::Refusal;
use super::header_list::listed;

/// Most that is read, and thrown away, of a body that is too large.
const MOST_DISCARDED: usize = 16 * 1024 * 1024;
/// Longest that is waited for it.
const LONGEST_DISCARD: Duration = Duration::from_secs(5);
/// Most room that is made for a body before anything of it has come.
const FIRST_ROOM: usize = 64 * 1024;
/// How many bytes a second a client sends at least, on the average: less than the worst
/// mobile network. Whoever sends one byte at a time keeps a connection from others.
const SLOWEST_RATE: f64 = 4096.0;

/// A body that was read, and the room that it takes as long as it is kept.
pub struct ReadBody {
    /// All of it.
    pub bytes: Bytes,
    _room: TakenRoom,
}

/// Reads a body of at most `largest` bytes, in which the client pauses for at most `patience`.
///
/// axum limits only its own extractors, and a length that is announced need not be the
/// true one: the announced length spares a read, the count is the limit.
///
/// # Errors
/// When it is longer, takes too long, is compressed, ends too soon, or has no room beside others.
pub async fn read_body(
    headers: &HeaderMap,
    body: Body,
    largest: usize,
    patience: Duration,
    room: &BodyRoom,
) -> Result<ReadBody, Refusal> {
    refuse_compressed(headers)?;
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let mut chunks = body.into_data_stream();
    if let Some(length) = announced.filter(|length| *length > largest) {
        // A client that expects to be told to go on has sent nothing yet.
        if length <= MOST_DISCARDED && !headers.contains_key(EXPECT) {
            discard(chunks).await;
        }
        return Err(Refusal::too_large(largest));
    }
    if room.has(announced.unwrap_or_default()).is_err() {
        if !headers.contains_key(EXPECT) {
            discard(chunks).await;
        }
        return Err(no_room());
    }
    let mut taken = room.take_none();
    let mut read = Vec::with_capacity(announced.unwrap_or_default().min(FIRST_ROOM));
    let begun = Instant::now();
    loop {
        let deadline = deadline(begun, Instant::now(), read.len(), patience);
        let Ok(chunk) = timeout_at(deadline, chunks.next()).await else {
            return Err(too_slow());
        };
        let Some(chunk) = chunk else {
            return Ok(ReadBody {
                bytes: read.into(),
                _room: taken,
            });
        };
        let chunk =
            chunk.map_err(|_| Refusal::bad_request("the body could not be read to its end"))?;
        if read.len() + chunk.len() > largest {
            discard(chunks).await;
            return Err(Refusal::too_large(largest));
        }
        if let Err(NoRoom) = taken.grow(chunk.len()) {
            // Not kept while the rest is awaited.
            drop((read, taken));
            discard(chunks).await;
            return Err(no_room());
        }
        read.extend_from_slice(&chunk);
    }
}

/// When the next part of a body has to be there, of which `read` bytes have come since `begun`.
fn deadline(begun: Instant, now: Instant, read: usize, patience: Duration) -> Instant {
    // Whoever sent much at first may not rest on it for longer than others.
    let in_time = begun + patience + seconds_for(read);
    in_time.min(now + patience)
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts single bytes")]
fn seconds_for(bytes: usize) -> Duration {
    Duration::from_secs_f64(bytes as f64 / SLOWEST_RATE)
}

// A small body can stand for one that fills the memory.
fn refuse_compressed(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_plain = |coding: &str| coding.is_empty() || coding.eq_ignore_ascii_case("identity");
    let mut lines = headers.get_all(CONTENT_ENCODING).iter();
    let are_texts = lines.all(|line| line.to_str().is_ok());
    if are_texts && listed(headers, CONTENT_ENCODING).all(is_plain) {
        return Ok(());
    }
    let refusal = Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::UnsupportedMediaType,
        "the body must not be compressed: send it without `Content-Encoding`",
    );
    // RFC 9110, section 15.5.16.
    Err(refusal.with_header(ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

fn too_slow() -> Refusal {
    let refusal = Refusal::new(
        StatusCode::REQUEST_TIMEOUT,
        ErrorCode::RequestTimeout,
        "the body did not come in time",
    );
    refusal.with_header(CONNECTION, HeaderValue::from_static("close"))
}

fn no_room() -> Refusal {
    Refusal::overloaded().with_header(CONNECTION, HeaderValue::from_static("close"))
}

// A client that sends its whole body before it looks for an answer would find the
// connection broken, and never learn why, if the rest were left unread.
async fn discard(mut chunks: BodyDataStream) {
    let reading = async {
        let mut left = MOST_DISCARDED;
        while let Some(Ok(chunk)) = chunks.next().await {
            let Some(rest) = left.checked_sub(chunk.len()) else {
                return;
            };
            left = rest;
        }
    };
    // The answer is the same whether all of it came in time or not.
    let _ = tokio::time::timeout(LONGEST_DISCARD, reading).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_body_ends_and_a_pause_ends_sooner() {
        let begun = Instant::now();
        let patience = Duration::from_secs(10);
        let after = |now: u64, read| {
            let deadline = deadline(begun, begun + Duration::from_secs(now), read, patience);
            (deadline - begun).as_secs()
        };
        // Nothing yet, and then one byte a second.
        assert_eq!(after(0, 0), 10);
        assert_eq!(after(9, 9), 10);
        // At twice the slowest rate it goes on.
        assert_eq!(after(20, 20 * 8192), 30);
        // At half of it, it does not.
        assert_eq!(after(19, 19 * 2048), 19);
        // Much at once, and then nothing.
        assert_eq!(after(1, 1024 * 1024), 11);
    }

    #[test]
    fn only_what_is_not_compressed_is_read() {
        let refuses = |lines: &[&'static [u8]]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CONTENT_ENCODING, HeaderValue::from_bytes(line).unwrap());
            }
            refuse_compressed(&headers).is_err()
        };
        assert!(!refuses(&[]));
        assert!(!refuses(&[b"identity"]));
        assert!(!refuses(&[b""]));
        for coding in [&b"gzip"[..], b"br", b"identity, gzip", b"unknown", b"\xff"] {
            assert!(refuses(&[coding]), "{coding:?}");
            assert!(refuses(&[b"identity", coding]), "{coding:?}");
        }
    }
}
