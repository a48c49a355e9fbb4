//! Owns the bytes that are sent of each plan: drawn once, encoded once for each
//! encoding, and kept in memory as long as there is room. None of it can go stale.

use super::negotiation::Encoding;
use crate::db::{Database, DatabaseUnavailable};
use crate::domain::plan_cache::PlanCache;
use crate::domain::plan_drawing;
use crate::model::ids::PlanId;
use async_compression::Level;
use async_compression::tokio::bufread::{BrotliEncoder, GzipEncoder, ZstdEncoder};
use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};
use std::io;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::task::JoinError;

/// Bytes of all that is kept. A hall of 60,000 seats takes about a megabyte as it is,
/// and half of that in all encodings together.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Representations that are expected to be kept. More would cut the cache into pieces,
/// each with its share of the room, and the largest plans might fit into none.
const EXPECTED: usize = 32;
/// Bytes of a hash: two that are equal by chance are not to be feared.
const HASH_BYTES: usize = 16;

/// A drawing as it is sent.
pub struct Representation {
    /// What is sent.
    pub body: Bytes,
    /// SHA-256 of that, cut short, in base64url.
    pub hash: String,
}

/// A plan could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PlanFailure {
    /// There is none with this id.
    #[error("there is no such plan")]
    NotFound,
    /// No connection was to be had.
    #[error(transparent)]
    Unavailable(#[from] DatabaseUnavailable),
    /// The database failed.
    #[error("the plan could not be read")]
    Database(#[source] diesel::result::Error),
    /// It could not be drawn or compressed.
    #[error("the drawing could not be written")]
    Unwritable(#[from] io::Error),
    /// What was to make it panicked; that has been logged.
    #[error("the drawing was not finished")]
    Lost,
}

/// What is sent of all plans; a clone is the same.
#[derive(Clone)]
pub struct Representations {
    database: Database,
    plans: PlanCache,
    kept: Arc<Cache<(PlanId, Encoding), Arc<Representation>, ByBytes>>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<(PlanId, Encoding), Arc<Representation>> for ByBytes {
    fn weight(&self, _: &(PlanId, Encoding), representation: &Arc<Representation>) -> u64 {
        representation.body.len() as u64
    }
}

impl Representations {
    /// None yet.
    pub fn new(database: Database, plans: PlanCache) -> Self {
        let kept = Cache::with_weighter(EXPECTED, MAX_BYTES, ByBytes);
        Self {
            database,
            plans,
            kept: Arc::new(kept),
        }
    }

    /// The drawing in this encoding, if it has been made and is still there. Asks no
    /// database.
    pub fn cached(&self, id: PlanId, encoding: Encoding) -> Option<Arc<Representation>> {
        self.kept.get(&(id, encoding))
    }

    /// The drawing in this encoding, made once however many ask at the same time.
    ///
    /// # Errors
    /// When there is no such plan, or it cannot be read.
    pub async fn make(
        &self,
        id: PlanId,
        encoding: Encoding,
    ) -> Result<Arc<Representation>, PlanFailure> {
        let key = (id, encoding);
        if encoding == Encoding::Identity {
            self.kept.get_or_insert_async(&key, self.draw(id)).await
        } else {
            let encoded = async {
                let plain = (id, Encoding::Identity);
                let plain = self.kept.get_or_insert_async(&plain, self.draw(id)).await?;
                let encode = move || Handle::current().block_on(encode(&plain.body, encoding));
                blocking(encode).await
            };
            self.kept.get_or_insert_async(&key, encoded).await
        }
    }

    async fn draw(&self, id: PlanId) -> Result<Arc<Representation>, PlanFailure> {
        let mut connection = self.database.connection_for_request().await?;
        let plan = self.plans.get(&mut connection, id).await;
        drop(connection);
        let plan = plan.map_err(|error| match error {
            diesel::result::Error::NotFound => PlanFailure::NotFound,
            error => PlanFailure::Database(error),
        })?;
        blocking(move || Ok(plan_drawing::render(&plan)?)).await
    }
}

/// Does what takes long on a thread where nobody waits for anything else.
async fn blocking(
    work: impl FnOnce() -> io::Result<Vec<u8>> + Send + 'static,
) -> Result<Arc<Representation>, PlanFailure> {
    let work = move || {
        let body = work()?;
        let hash = Sha256::digest(&body);
        let hash = hash.get(..HASH_BYTES).unwrap_or(&hash);
        Ok(Arc::new(Representation {
            hash: URL_SAFE_NO_PAD.encode(hash),
            body: body.into(),
        }))
    };
    let lost = |error: JoinError| {
        tracing::error!(%error, "a drawing was not finished");
        PlanFailure::Lost
    };
    tokio::task::spawn_blocking(work).await.map_err(lost)?
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
