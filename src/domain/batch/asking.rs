//! Asks the commands of a batch, one after the other, in memory: whichever fails at it fails
//! alone.

use crate::domain::DomainError;
use crate::domain::batch::{Member, Stop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// After so long others are let at the processor, who may have nothing to do with this batch.
const LONGEST_STRETCH: Duration = Duration::from_millis(1);

/// Asks all members that have not failed, one after the other. One that panics has failed, as
/// one that says so itself, and nobody else has: what it may have entered half-way is
/// forgotten, because the batch is then run again without it.
pub(super) async fn ask_all(
    members: &mut [Box<dyn Member>],
    mut question: impl FnMut(&mut dyn Member),
) -> Result<(), Stop> {
    let mut has_one_failed = false;
    let mut since = Instant::now();
    for member in members.iter_mut().filter(|member| !member.has_failed()) {
        let asked = catch_unwind(AssertUnwindSafe(|| question(member.as_mut())));
        if asked.is_err() {
            member.fail(DomainError::Panicked);
        }
        has_one_failed |= member.has_failed();
        if since.elapsed() > LONGEST_STRETCH {
            tokio::task::yield_now().await;
            since = Instant::now();
        }
    }
    if has_one_failed {
        return Err(Stop::Outrun(Vec::new()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::batch::{Commission, Decision, FirstReading, Ledger, Needs, No, Tries};
    use crate::domain::idempotency::Effect;
    use crate::model::Caller;
    use crate::model::ids::EventId;

    struct Bomb {
        is_armed: bool,
    }

    impl Decision for Bomb {
        type Record = ();
        type Refusal = ();

        fn caller(&self) -> &Caller {
            &Caller::Anonymous
        }

        fn event(&self) -> Option<EventId> {
            None
        }

        fn needs(&self, _: &mut Needs) {
            assert!(!self.is_armed, "it goes off");
        }

        fn needs_then(&self, _: &FirstReading, _: &mut Needs) {}

        fn decide(&self, _: &mut Ledger, _: &mut Tries) -> Result<Effect<()>, No<()>> {
            Err(No::Refused(()))
        }
    }

    #[tokio::test]
    async fn whoever_panics_has_failed_and_nobody_else_and_is_not_asked_again() {
        let (commissions, mut answers): (Vec<_>, Vec<_>) = [false, true, false]
            .map(|is_armed| Commission::new(Bomb { is_armed }, None))
            .into_iter()
            .unzip();
        let mut members: Vec<Box<dyn Member>> = Vec::new();
        for commission in commissions {
            members.push(Box::new(commission));
        }
        let mut needs = Needs::default();
        let asked = ask_all(&mut members, |member| member.needs(&mut needs)).await;
        assert!(matches!(asked, Err(Stop::Outrun(lost)) if lost.is_empty()));
        let failed: Vec<bool> = members.iter().map(|member| member.has_failed()).collect();
        assert_eq!(failed, [false, true, false]);
        let asked = ask_all(&mut members, |member| member.needs(&mut needs)).await;
        assert!(asked.is_ok());
        members.remove(1).answer();
        let (_, settled) = answers.remove(1).within(Duration::ZERO).await.unwrap();
        assert!(matches!(settled, Err(DomainError::Panicked)));
    }
}
