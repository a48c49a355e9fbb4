//! Commands that could not be done together, because of one of them: they are parted in halves
//! until it is alone, and the others are done.

use crate::batcher::attempt::{Ended, attempt};
use crate::batcher::{Shared, alone, answers, lane};
use crate::domain::batch::{Member, Run};
use std::sync::Arc;

/// Answers them all in the end.
pub(super) async fn run(shared: Arc<Shared>, members: Vec<Box<dyn Member>>) {
    metrics::counter!("usher_batches_taken_apart_total").increment(1);
    tracing::debug!(commands = members.len(), "a batch is taken apart");
    // The first half is done before the second one, as they have come.
    let mut parts = vec![members];
    while let Some(mut part) = parts.pop() {
        let mut how = Run {
            lock_timeout: Some(lane::lock_timeout(&shared)),
            ..Run::default()
        };
        let mut connection = None;
        let ended = match shared.turn(&shared.parts).await {
            Ok(_turn) => attempt(&shared, &mut connection, &mut part, &mut how).await,
            Err(busy) => Ended::GivenUp(busy),
        };
        match ended {
            Ended::Done => answers::give(&shared, connection, part),
            Ended::Undone | Ended::Failed(_) if part.len() > 1 => {
                drop(connection);
                let second = part.split_off(part.len() / 2);
                parts.extend([second, part]);
            }
            // It is this one: whoever waits as long as it may does not do so here.
            Ended::Undone | Ended::Failed(_) => {
                for member in part {
                    tokio::spawn(alone::run(Arc::clone(&shared), member));
                }
            }
            Ended::GivenUp(error) => answers::refuse(part, &error),
        }
    }
}
