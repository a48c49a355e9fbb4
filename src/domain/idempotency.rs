//! Requests that are done once, however often they are sent.
//!
//! A client that got no answer cannot know whether its request was done. Under the
//! same idempotency key it may send it again: what was answered is written in the
//! transaction of the effect, and is answered again. A refusal has no effect, so it
//! leaves nothing behind and is judged afresh.

use crate::db::idempotency_keys::{self, Claim};
use crate::domain::DomainError;
use crate::domain::batch::Ledger;
use crate::domain::environment::Environment;
use crate::domain::event_view::{self, EventView};
use crate::domain::transaction::{self, Abort, Settled, UnitOfWork};
use crate::model::Caller;
use crate::model::ids::EventId;
use diesel::result::Error::SerializationError;
use diesel_async::AsyncPgConnection;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Longest key, in characters.
const MAX_KEY_CHARS: usize = 255;
/// Shortest key of a visitor, in characters: nothing but the key keeps it apart from
/// those of all other visitors.
const MIN_VISITORS_KEY_CHARS: usize = 16;

/// A request that its caller gave a key.
#[derive(Clone, Debug)]
pub struct IdempotentRequest {
    key_hash: Vec<u8>,
    input_hash: Vec<u8>,
}

/// What a use case did to an event: all that is answered.
#[derive(Debug)]
pub struct Effect<R> {
    /// The event.
    pub event: Arc<EventView>,
    /// What was done; the part that is remembered.
    pub record: R,
}

impl IdempotentRequest {
    /// The request of `caller` for `operation` with the input `command`, if it was
    /// given a key.
    ///
    /// # Errors
    /// When the key is empty, too long, or too short for a visitor.
    pub fn new(
        caller: &Caller,
        operation: &str,
        command: &impl Serialize,
        key: Option<&str>,
    ) -> Result<Option<Self>, DomainError> {
        let Some(key) = key else {
            return Ok(None);
        };
        let invalid = |message: String| Err(DomainError::invalid("idempotencyKey", message));
        let length = key.chars().count();
        if length == 0 {
            return invalid("must not be empty: leave it out to do without".to_owned());
        }
        if length > MAX_KEY_CHARS {
            return invalid(format!("must have at most {MAX_KEY_CHARS} characters"));
        }
        if caller.subject().is_none() && length < MIN_VISITORS_KEY_CHARS {
            return invalid(format!(
                "must have at least {MIN_VISITORS_KEY_CHARS} characters while you are not \
                 signed in: take a random one, such as a UUID"
            ));
        }
        let command = serde_json::to_string(command).map_err(unwritable)?;
        Ok(Some(Self {
            key_hash: hash([&caller.to_string(), key]),
            input_hash: hash([operation, &command]),
        }))
    }
}

impl IdempotentRequest {
    /// SHA-256 of the caller and the key.
    pub fn key_hash(&self) -> &[u8] {
        &self.key_hash
    }

    /// What the request was answered before, if it was.
    ///
    /// # Errors
    /// [`DomainError::KeyReused`] when the key was used for another input.
    pub fn outcome<R: DeserializeOwned>(
        &self,
        ledger: &Ledger,
        caller: &Caller,
    ) -> Result<Option<Effect<R>>, DomainError> {
        let Some(used) = ledger.used(&self.key_hash) else {
            return Ok(None);
        };
        if used.input_hash != self.input_hash {
            return Err(DomainError::KeyReused);
        }
        let outcome = used.outcome.clone().unwrap_or_default();
        let Remembered { event, record } = serde_json::from_value(outcome).map_err(unreadable)?;
        // The input is the same, so it is about the same event, which was read.
        let event = ledger.event(caller, event)?;
        Ok(Some(Effect { event, record }))
    }

    /// Remembers what the request is answered.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn remember<R: Serialize>(
        &self,
        ledger: &mut Ledger,
        effect: &Effect<R>,
    ) -> Result<(), DomainError> {
        let outcome = Remembered {
            event: effect.event.event.id,
            record: &effect.record,
        };
        let outcome = serde_json::to_value(outcome).map_err(unwritable)?;
        ledger.put_key(&self.key_hash, &self.input_hash, outcome);
        Ok(())
    }
}

/// SHA-256 of two texts, each with its length before it, so that nothing can move
/// from one to the other.
fn hash(texts: [&str; 2]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().to_vec()
}

/// Runs `work` as [`transaction::run`] does; once only for the same `request`.
///
/// # Errors
/// As [`transaction::run`]; [`DomainError::KeyReused`] when the key was used for
/// another input.
pub async fn run<W, R>(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    request: Option<&IdempotentRequest>,
    work: &W,
) -> Result<Settled<Effect<R>, W::Refusal>, DomainError>
where
    W: UnitOfWork<Success = Effect<R>>,
    R: Serialize + DeserializeOwned + Send + Sync,
{
    let Some(request) = request else {
        return transaction::run(connection, environment.concurrency, work).await;
    };
    let once = Once {
        environment,
        caller,
        request,
        work,
    };
    transaction::run(connection, environment.concurrency, &once).await
}

/// Work that is done if nobody has done it.
struct Once<'a, W> {
    environment: &'a Environment,
    caller: &'a Caller,
    request: &'a IdempotentRequest,
    work: &'a W,
}

/// What is remembered.
#[derive(Serialize, Deserialize)]
struct Remembered<R> {
    event: EventId,
    record: R,
}

impl<W, R> UnitOfWork for Once<'_, W>
where
    W: UnitOfWork<Success = Effect<R>>,
    R: Serialize + DeserializeOwned + Send + Sync,
{
    type Reading = W::Reading;
    type Success = Effect<R>;
    type Refusal = W::Refusal;

    async fn read(
        &self,
        connection: &mut AsyncPgConnection,
        attempt: u32,
    ) -> Result<W::Reading, DomainError> {
        self.work.read(connection, attempt).await
    }

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
        reading: &W::Reading,
    ) -> Result<Effect<R>, Abort<W::Refusal>> {
        let IdempotentRequest {
            key_hash,
            input_hash,
        } = self.request;
        match idempotency_keys::claim(connection, key_hash, input_hash).await? {
            Claim::New => {
                let effect = self.work.run(connection, reading).await?;
                let outcome = Remembered {
                    event: effect.event.event.id,
                    record: &effect.record,
                };
                let outcome = serde_json::to_value(outcome).map_err(unwritable)?;
                idempotency_keys::finish(connection, key_hash, &outcome).await?;
                Ok(effect)
            }
            Claim::Used(used) if used.input_hash == *input_hash => {
                let outcome = used.outcome.unwrap_or_default();
                let Remembered { event, record } =
                    serde_json::from_value(outcome).map_err(unreadable)?;
                let plans = &self.environment.plans;
                let (event, _) = event_view::find(connection, plans, self.caller, event).await?;
                Ok(Effect {
                    event: Arc::new(event),
                    record,
                })
            }
            Claim::Used(_) => Err(DomainError::KeyReused.into()),
        }
    }
}

fn unwritable(error: serde_json::Error) -> DomainError {
    DomainError::Database(SerializationError(error.into()))
}

fn unreadable(error: serde_json::Error) -> DomainError {
    DomainError::Database(diesel::result::Error::DeserializationError(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buyer(subject: &str) -> Caller {
        Caller::Buyer {
            subject: subject.to_owned(),
        }
    }

    fn request(caller: &Caller, operation: &str, input: i32, key: &str) -> IdempotentRequest {
        IdempotentRequest::new(caller, operation, &input, Some(key))
            .unwrap()
            .unwrap()
    }

    #[test]
    fn a_key_belongs_to_its_caller_and_stands_for_one_input() {
        let anna = request(&buyer("anna"), "holdSeats", 1, "key");
        let ben = request(&buyer("ben"), "holdSeats", 1, "key");
        assert_ne!(anna.key_hash, ben.key_hash);
        let shifted = request(&buyer("ann"), "holdSeats", 1, "akey");
        assert_ne!(anna.key_hash, shifted.key_hash);
        let same = request(&buyer("anna"), "holdSeats", 1, "key");
        assert_eq!(
            (&anna.key_hash, &anna.input_hash),
            (&same.key_hash, &same.input_hash)
        );
        for (operation, input) in [("holdSeats", 2), ("releaseHold", 1)] {
            let other = request(&buyer("anna"), operation, input, "key");
            assert_eq!(anna.key_hash, other.key_hash);
            assert_ne!(anna.input_hash, other.input_hash);
        }
    }

    #[test]
    fn a_key_is_neither_empty_nor_endless_nor_a_visitors_guessable_one() {
        let new = |caller: &Caller, key: &str| {
            IdempotentRequest::new(caller, "holdSeats", &1, Some(key)).is_ok()
        };
        let (anna, visitor) = (buyer("anna"), Caller::Anonymous);
        assert!(new(&anna, "1") && new(&anna, &"ä".repeat(255)));
        assert!(!new(&anna, "") && !new(&anna, &"ä".repeat(256)));
        assert!(new(&visitor, &"x".repeat(16)) && !new(&visitor, &"x".repeat(15)));
        let none = IdempotentRequest::new(&visitor, "holdSeats", &1, None);
        assert!(none.unwrap().is_none());
    }
}
