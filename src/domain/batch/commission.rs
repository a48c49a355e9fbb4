//! A command on its way through a batch, with whoever waits for its answer.

use crate::domain::DomainError;
use crate::domain::batch::{
    Decision, FirstReading, Ledger, Load, Member, Needs, No, Standing, Tries,
};
use crate::domain::conflict::SeatConflict;
use crate::domain::idempotency::{Effect, IdempotentRequest};
use crate::domain::transaction::Settled;
use crate::model::ids::EventId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tracing::Span;

/// What a command is answered: how it ended, beside the decision that knows how to tell it.
pub type Outcome<D> = (
    D,
    Result<Settled<Effect<<D as Decision>::Record>, <D as Decision>::Refusal>, DomainError>,
);

/// A command, under an idempotency key or none.
pub struct Commission<D: Decision> {
    decision: D,
    request: Option<IdempotentRequest>,
    /// In how many transactions it was decided.
    tries: u32,
    /// What is told of that.
    attempts: u32,
    state: State<D>,
    has_failed: bool,
    answer: oneshot::Sender<Outcome<D>>,
    is_settled: Arc<AtomicBool>,
    /// That of its request: what is logged of the decision says whose it was.
    span: Span,
}

/// Where the answer to a command will be.
pub struct Answer<D: Decision> {
    answer: oneshot::Receiver<Outcome<D>>,
    /// Whether it is settled if the command is done: it was taken on, or withdrawn.
    is_settled: Arc<AtomicBool>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// Nobody has taken the command on in time, and nobody will: it is not done.
    Withdrawn,
    /// Whoever had taken it on has come to an end.
    Lost,
}

impl<D: Decision> Answer<D> {
    /// The answer, if the command is taken on in this time: from then on it is waited for.
    ///
    /// # Errors
    /// When there is none.
    pub async fn within(mut self, patience: Duration) -> Result<Outcome<D>, NoAnswer> {
        match tokio::time::timeout(patience, &mut self.answer).await {
            Ok(answer) => answer.map_err(|_| NoAnswer::Lost),
            Err(_) if !self.is_settled.swap(true, Ordering::SeqCst) => Err(NoAnswer::Withdrawn),
            Err(_) => self.answer.await.map_err(|_| NoAnswer::Lost),
        }
    }
}

enum State<D: Decision> {
    Undecided(Standing),
    Decided(Result<Result<Effect<D::Record>, D::Refusal>, DomainError>),
}

impl<D: Decision> Commission<D> {
    /// The command, and where its answer will be.
    pub fn new(decision: D, request: Option<IdempotentRequest>) -> (Self, Answer<D>) {
        let (answer, answered) = oneshot::channel();
        let is_settled = Arc::new(AtomicBool::new(false));
        let answered = Answer {
            answer: answered,
            is_settled: Arc::clone(&is_settled),
        };
        let commission = Self {
            decision,
            request,
            tries: 0,
            attempts: 1,
            state: State::Undecided(Standing::Outrun),
            has_failed: false,
            answer,
            is_settled,
            span: Span::current(),
        };
        (commission, answered)
    }

    /// The outcome of the first time, or that of now, which is remembered.
    fn once(
        &mut self,
        ledger: &mut Ledger,
        tries: &mut Tries,
    ) -> Result<Effect<D::Record>, No<D::Refusal>> {
        let Some(request) = &self.request else {
            return self.decision.decide(ledger, tries);
        };
        if let Some(before) = request.outcome(ledger, self.decision.caller())? {
            return Ok(before);
        }
        let effect = self.decision.decide(ledger, tries)?;
        if let Err(error) = request.remember(ledger, &effect) {
            // It is entered, and its caller is told that it failed: committed, it would be done
            // twice when it is sent again.
            self.has_failed = true;
            return Err(error.into());
        }
        Ok(effect)
    }
}

impl<D: Decision> Member for Commission<D> {
    fn event(&self) -> Option<EventId> {
        self.decision.event()
    }

    fn load(&self) -> Load {
        self.decision.load()
    }

    fn take_on(&self) -> bool {
        !self.answer.is_closed() && !self.is_settled.swap(true, Ordering::SeqCst)
    }

    fn needs(&self, needs: &mut Needs) {
        if let Some(request) = &self.request {
            needs.key(request.key_hash());
        }
        self.decision.needs(needs);
    }

    fn needs_then(&self, first: &FirstReading, needs: &mut Needs) {
        self.decision.needs_then(first, needs);
    }

    fn begin_try(&mut self) {
        self.tries += 1;
    }

    fn decide(&mut self, ledger: &mut Ledger, is_last: bool) {
        let mut tries = Tries {
            count: self.tries,
            is_last,
        };
        let span = self.span.clone();
        let decided = span.in_scope(|| self.once(ledger, &mut tries));
        self.state = match decided {
            Ok(effect) => State::Decided(Ok(Ok(effect))),
            Err(No::Refused(refusal)) => State::Decided(Ok(Err(refusal))),
            Err(No::Outrun(refusal)) if is_last => State::Decided(Ok(Err(refusal))),
            Err(No::Failed(error)) => State::Decided(Err(error)),
            Err(No::Outrun(_)) => State::Undecided(Standing::Outrun),
            Err(No::PutOff) => State::Undecided(Standing::PutOff),
        };
        self.attempts = tries.count;
    }

    fn standing(&self) -> Standing {
        match self.state {
            State::Undecided(standing) => standing,
            State::Decided(_) => Standing::Decided,
        }
    }

    fn conflict(&mut self) -> Option<&mut SeatConflict> {
        match &mut self.state {
            State::Decided(Ok(Err(refusal))) => D::conflict(refusal),
            _ => None,
        }
    }

    fn fail(&mut self, error: DomainError) {
        self.state = State::Decided(Err(error));
        self.has_failed = true;
    }

    fn has_failed(&self) -> bool {
        self.has_failed
    }

    fn answer(self: Box<Self>) {
        let Self {
            decision,
            attempts,
            state,
            answer,
            ..
        } = *self;
        let result = match state {
            State::Decided(result) => result,
            State::Undecided(_) => Err(DomainError::Contended),
        };
        let settled = result.map(|result| Settled { result, attempts });
        // Nobody waits any more: it is done all the same, and a retry tells.
        let _ = answer.send((decision, settled));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::clock::Moment;
    use crate::db::transaction_id::TransactionId;
    use crate::domain::batch::Stop;
    use crate::domain::batch::asking::ask_all;
    use crate::domain::batch::ledger::Changes;
    use crate::domain::event_view;
    use crate::model::Caller;
    use crate::model::ids::SeatNo;
    use chrono::DateTime;
    use serde::{Deserialize, Serialize, Serializer};
    use std::collections::{BTreeSet, HashMap, HashSet};

    const EVENT: EventId = EventId(1);

    /// Takes a seat, and may have no words for that.
    #[derive(Clone, Copy, Deserialize)]
    struct Taking {
        seat_no: SeatNo,
        is_writable: bool,
    }

    const WRITABLE: Taking = Taking {
        seat_no: 0,
        is_writable: true,
    };

    impl Serialize for Taking {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if self.is_writable {
                serializer.serialize_unit()
            } else {
                Err(serde::ser::Error::custom("no words for it"))
            }
        }
    }

    impl Decision for Taking {
        type Record = Self;
        type Refusal = ();

        fn caller(&self) -> &Caller {
            &Caller::Anonymous
        }

        fn event(&self) -> Option<EventId> {
            Some(EVENT)
        }

        fn needs(&self, _: &mut Needs) {}

        fn needs_then(&self, _: &FirstReading, _: &mut Needs) {}

        fn decide(&self, ledger: &mut Ledger, _: &mut Tries) -> Result<Effect<Self>, No<()>> {
            let event = ledger.event(&Caller::Anonymous, EVENT)?;
            ledger.note_picked(EVENT, &[self.seat_no]);
            let record = *self;
            Ok(Effect { event, record })
        }
    }

    fn ledger() -> Ledger {
        let now = DateTime::UNIX_EPOCH;
        let transaction = TransactionId(1);
        let view = event_view::example(EVENT, now);
        Ledger {
            moment: Moment {
                now,
                clock: now,
                transaction,
            },
            events: HashMap::from([(EVENT, Arc::new(view))]),
            holds: HashMap::new(),
            bookings: HashMap::new(),
            keys: HashMap::new(),
            possessions: HashMap::new(),
            seats: HashMap::new(),
            takeable: HashMap::new(),
            withheld: BTreeSet::new(),
            lost: HashSet::new(),
            changes: Changes::default(),
        }
    }

    #[tokio::test]
    async fn what_cannot_be_remembered_is_not_done_and_the_others_of_its_batch_are() {
        let (mut members, mut answers) = (Vec::<Box<dyn Member>>::new(), Vec::new());
        for seat_no in 0..3 {
            let key = format!("a key of command {seat_no}");
            let request = IdempotentRequest::new(&Caller::Anonymous, "take", &(), Some(&key));
            let is_writable = seat_no != 1;
            let taking = Taking {
                seat_no,
                is_writable,
            };
            let (commission, answer) = Commission::new(taking, request.unwrap());
            members.push(Box::new(commission));
            answers.push(answer);
        }
        let mut spoilt = ledger();
        let asked = ask_all(&mut members, |member| member.decide(&mut spoilt, false)).await;
        assert!(
            matches!(asked, Err(Stop::Outrun(lost)) if lost.is_empty()),
            "this is not to be committed: {spoilt:?}"
        );
        let mut whole = ledger();
        let asked = ask_all(&mut members, |member| member.decide(&mut whole, false)).await;
        assert!(asked.is_ok());
        assert_eq!(whole.changes.picked, [(EVENT, 0), (EVENT, 2)].into());
        assert_eq!(whole.changes.keys.len(), 2);
        for member in members {
            member.answer();
        }
        for (answer, is_done) in answers.into_iter().zip([true, false, true]) {
            let (_, settled) = answer.within(Duration::ZERO).await.unwrap();
            assert_eq!(settled.is_ok_and(|settled| settled.result.is_ok()), is_done);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_is_not_taken_on_in_time_is_never_done() {
        let (late, answer) = Commission::new(WRITABLE, None);
        let none = answer.within(Duration::from_secs(5)).await;
        assert_eq!(none.err(), Some(NoAnswer::Withdrawn));
        assert!(!late.take_on());

        let (taken, answer) = Commission::new(WRITABLE, None);
        assert!(taken.take_on());
        let waiting = tokio::spawn(answer.within(Duration::from_secs(5)));
        tokio::time::advance(Duration::from_mins(1)).await;
        Box::new(taken).answer();
        let (_, settled) = waiting.await.unwrap().unwrap();
        assert!(matches!(settled, Err(DomainError::Contended)), "to the end");
    }
}
