//! A position in the change feed of one event, and its opaque text form.

use crate::model::ids::EventId;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;

/// A place in the feed of one event.
///
/// The order of the feed is the order of (`transaction`, `id`) because readers
/// take only transactions that have ended; see the `feed` floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What the cursor promises.
    pub kind: CursorKind,
    /// Which feed: another number for each database and for each copy of it, so that
    /// a cursor of another one is recognised.
    pub epoch: i64,
    /// Whose map: a cursor says nothing about the maps of other events.
    pub event: EventId,
    /// PostgreSQL's 64-bit transaction number.
    pub transaction: u64,
    /// The last change of that transaction which lies before.
    pub id: i64,
}

/// What a cursor promises about the map that it came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorKind {
    /// Of a map: everything up to and including (`transaction`, `id`) has been
    /// seen, so that deltas can go on from here.
    Map,
    /// Of a mutation: the change was made by `transaction`. Changes of earlier
    /// transactions that had not ended by then may be unseen, so that deltas
    /// cannot go on from here without a gap.
    Change,
}

/// First byte of the text form: its layout, and the kind.
const MAP_FORMAT: u8 = 1;
const CHANGE_FORMAT: u8 = 2;
const LENGTH: usize = 1 + 8 * 4;

/// The text is not a cursor that usher gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this API: pass one on exactly as it came, or leave it out")]
pub struct MalformedCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(match self.kind {
            CursorKind::Map => MAP_FORMAT,
            CursorKind::Change => CHANGE_FORMAT,
        });
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.event.0.to_be_bytes());
        bytes.extend_from_slice(&self.transaction.to_be_bytes());
        bytes.extend_from_slice(&self.id.to_be_bytes());
        formatter.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = MalformedCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| MalformedCursor)?;
        if bytes.len() != LENGTH {
            return Err(MalformedCursor);
        }
        let (kind, numbers) = match bytes.as_slice() {
            [MAP_FORMAT, numbers @ ..] => (CursorKind::Map, numbers),
            [CHANGE_FORMAT, numbers @ ..] => (CursorKind::Change, numbers),
            _ => return Err(MalformedCursor),
        };
        let mut numbers = numbers.chunks_exact(8).map(|chunk| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(chunk);
            u64::from_be_bytes(bytes)
        });
        let mut next = || numbers.next().ok_or(MalformedCursor);
        Ok(Self {
            kind,
            epoch: next()?.cast_signed(),
            event: EventId(next()?.cast_signed()),
            transaction: next()?,
            id: next()?.cast_signed(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURSOR: Cursor = Cursor {
        kind: CursorKind::Map,
        epoch: -3,
        event: EventId(42),
        transaction: u64::MAX,
        id: i64::MAX,
    };

    #[test]
    fn survives_its_text_form() {
        assert_eq!(CURSOR.to_string().parse(), Ok(CURSOR));
        let change = Cursor {
            kind: CursorKind::Change,
            ..CURSOR
        };
        assert_eq!(change.to_string().parse(), Ok(change));
    }

    #[test]
    fn refuses_what_is_not_one() {
        let text = CURSOR.to_string();
        for bad in [
            "",
            "!",
            "AA",
            &text[1..],
            &text[..40],
            &format!("{text}AAAA"),
        ] {
            assert_eq!(bad.parse::<Cursor>(), Err(MalformedCursor), "{bad:?}");
        }
    }

    #[test]
    fn refuses_another_format() {
        let mut bytes = URL_SAFE_NO_PAD.decode(CURSOR.to_string()).unwrap();
        bytes[0] = 3;
        let other = URL_SAFE_NO_PAD.encode(bytes);
        assert_eq!(other.parse::<Cursor>(), Err(MalformedCursor));
    }
}
