//! The memory that all bodies have together while they are read.
//!
//! It owns how many bytes of them there may be. It must never keep out a small body: what most
//! requests send is read however many large ones there are, and bounded by the connections that
//! it comes on.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::seldom::Seldom;

/// Bytes of each body that need no room: a mutation has some hundreds, and its document some
/// thousands at most.
pub const SMALL_BODY: usize = 16 * 1024;

/// How often it is logged, at most, that there is no room.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(1);

/// The room of all bodies; a clone is the same.
#[derive(Clone)]
pub struct BodyRoom(Arc<Shared>);

struct Shared {
    bytes: Arc<Semaphore>,
    full: Seldom,
}

/// The room that one body has, until this is dropped.
pub struct TakenRoom {
    room: BodyRoom,
    bytes: usize,
    permit: Option<OwnedSemaphorePermit>,
}

/// Other bodies have all of it.
#[derive(Debug, PartialEq, Eq)]
pub struct NoRoom;

impl BodyRoom {
    /// Room for so many bytes.
    pub fn new(bytes: u32) -> Self {
        let permits = bytes.try_into().unwrap_or(usize::MAX);
        Self(Arc::new(Shared {
            bytes: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            full: Seldom::every(BETWEEN_WARNINGS),
        }))
    }

    /// That of a body of which nothing has come yet.
    pub fn take_none(&self) -> TakenRoom {
        TakenRoom {
            room: self.clone(),
            bytes: 0,
            permit: None,
        }
    }

    /// Whether a body of this length, of which nothing has come yet, could be read now.
    ///
    /// # Errors
    /// When it could not.
    pub fn has(&self, length: usize) -> Result<(), NoRoom> {
        if length.saturating_sub(SMALL_BODY) <= self.0.bytes.available_permits() {
            Ok(())
        } else {
            Err(self.is_full())
        }
    }

    fn is_full(&self) -> NoRoom {
        counter!("usher_shed_total", "reason" => "bodies").increment(1);
        if let Some(times) = self.0.full.now() {
            tracing::warn!(
                times,
                "overloaded: the bodies that are being read have all the memory there is for them"
            );
        }
        NoRoom
    }
}

impl TakenRoom {
    /// Takes room for so many more bytes.
    ///
    /// # Errors
    /// When there is none.
    pub fn grow(&mut self, by: usize) -> Result<(), NoRoom> {
        let before = self.bytes.saturating_sub(SMALL_BODY);
        self.bytes += by;
        let more = self.bytes.saturating_sub(SMALL_BODY) - before;
        if more == 0 {
            return Ok(());
        }
        let bytes = Arc::clone(&self.room.0.bytes);
        let taken = u32::try_from(more)
            .ok()
            .and_then(|more| bytes.try_acquire_many_owned(more).ok())
            .ok_or_else(|| self.room.is_full())?;
        match &mut self.permit {
            Some(permit) => permit.merge(taken),
            none => *none = Some(taken),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_share_what_there_is_and_small_ones_are_always_read() {
        let room = BodyRoom::new(1_000);
        let mut first = room.take_none();
        first.grow(SMALL_BODY).unwrap();
        first.grow(600).unwrap();
        let mut second = room.take_none();
        second.grow(SMALL_BODY + 300).unwrap();
        assert_eq!(second.grow(200), Err(NoRoom));
        assert_eq!(room.has(SMALL_BODY + 101), Err(NoRoom));
        assert_eq!(room.has(SMALL_BODY + 100), Ok(()));
        room.take_none().grow(SMALL_BODY).unwrap();
        drop(first);
        let mut third = room.take_none();
        third.grow(SMALL_BODY + 700).unwrap();
        drop((second, third));
        assert_eq!(room.0.bytes.available_permits(), 1_000);
    }
}
