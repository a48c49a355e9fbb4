//! A command on its own, after no batch could do it: it waits for locks as long as it may, and
//! is run again with growing pauses.

use crate::batcher::attempt::{Ended, attempt};
use crate::batcher::{Shared, answers, lane};
use crate::domain::batch::{Member, Run, Standing};
use crate::domain::{DomainError, transaction};
use std::sync::Arc;

/// Answers it in the end.
pub(super) async fn run(shared: Arc<Shared>, member: Box<dyn Member>) {
    let mut members = [member];
    let decided = decide(&shared, &mut members).await;
    let [mut member] = members;
    if let Err(error) = decided {
        member.fail(error);
    }
    answers::give(&shared, None, vec![member]);
}

async fn decide(shared: &Shared, members: &mut [Box<dyn Member>; 1]) -> Result<(), DomainError> {
    // What the batch has tried counts.
    let mut pauses = transaction::pauses().skip(lane::RUNS);
    let mut how = Run::default();
    loop {
        let pause = pauses.next();
        how.is_last = pause.is_none();
        // Nobody pauses with a connection in hand, or with a turn.
        let ended = {
            let _turn = shared.turn(&shared.alone).await?;
            attempt(shared, &mut None, members, &mut how).await
        };
        match ended {
            Ended::Done => {
                let [member] = &*members;
                if member.standing() == Standing::Decided {
                    return Ok(());
                }
            }
            Ended::Undone => {}
            Ended::Failed(error) => return Err(transaction::in_the_end(error)),
            Ended::GivenUp(error) => return Err(error),
        }
        tokio::time::sleep(pause.ok_or(DomainError::Contended)?).await;
    }
}
