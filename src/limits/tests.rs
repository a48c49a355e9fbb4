//! What a budget decides, compared with the arithmetic written down once more, in whole
//! numbers and without a clock.

use super::*;
use futures_util::FutureExt;
use proptest::prelude::*;

/// A bucket that was full at time 0.
struct Model {
    interval: u64,
    points: u64,
    now: u64,
    full_at: u64,
}

impl Model {
    /// Whether the points are there; how many are then; how long to wait.
    fn take(&mut self, cost: u64) -> (bool, u64, u64) {
        let cost = cost.clamp(1, self.points);
        let window = self.interval * self.points;
        let debt = self.full_at.saturating_sub(self.now);
        let after = debt + cost * self.interval;
        if after > window {
            return (false, (window - debt) / self.interval, after - window);
        }
        self.full_at = self.now + after;
        (true, (window - after) / self.interval, 0)
    }
}

fn rate(text: &str) -> Rate {
    match text.parse() {
        Ok(RateLimit::Rate(rate)) => rate,
        other => panic!("{text}: {other:?}"),
    }
}

fn limiter(text: &str, clock: &Clock) -> Limiter {
    let settings = RateLimitSettings {
        reads: RateLimit::Rate(rate(text)),
        ..RateLimitSettings::off()
    };
    Limiter::new(&settings, None, clock)
}

fn check(limiter: &Limiter, key: &LimitKey, cost: u32) -> Decision {
    let checked = limiter.check(key, Budget::Reads, cost);
    // Nobody is waited for.
    checked.now_or_never().unwrap().unwrap()
}

fn somebody() -> LimitKey {
    LimitKey::Subject("somebody".into())
}

proptest! {
    #[test]
    fn a_budget_is_a_bucket_that_is_filled_evenly(
        points in 1_u32..300,
        seconds in 1_u64..100,
        steps in prop::collection::vec((0_u64..3_000_000, 0_u32..400), 1..60),
    ) {
        let text = format!("{points}/{seconds}s");
        let clock = Clock::by_hand();
        let limiter = limiter(&text, &clock);
        let interval = rate(&text).interval();
        let mut model = Model {
            interval: interval.as_micros().try_into().unwrap(),
            points: points.into(),
            now: 0,
            full_at: 0,
        };
        for (pause, cost) in steps {
            clock.advance(Duration::from_micros(pause));
            model.now += pause;
            let decision = check(&limiter, &somebody(), cost);
            let wait = u64::try_from(decision.retry_after.as_micros()).unwrap();
            let decided = (decision.allowed, u64::from(decision.remaining), wait);
            prop_assert_eq!(decided, model.take(cost.into()));
            let debt = Duration::from_micros(model.full_at.saturating_sub(model.now));
            prop_assert!(decision.reset_after >= debt);
            prop_assert!(decision.reset_after < debt + interval);
        }
    }
}

#[test]
fn who_waits_as_long_as_was_said_is_let_in_and_not_a_moment_before() {
    let clock = Clock::by_hand();
    let limiter = limiter("10/10s", &clock);
    assert!(check(&limiter, &somebody(), 8).allowed);
    let refused = check(&limiter, &somebody(), 5);
    assert!(!refused.allowed);
    assert_eq!(refused.remaining, 2);
    assert_eq!(refused.retry_after, Duration::from_secs(3));
    let moment = Duration::from_micros(1);
    clock.advance(refused.retry_after.saturating_sub(moment));
    assert!(!check(&limiter, &somebody(), 5).allowed);
    clock.advance(moment);
    assert!(check(&limiter, &somebody(), 5).allowed);
}

#[test]
fn what_costs_more_than_all_waits_for_all_and_is_done() {
    let clock = Clock::by_hand();
    let limiter = limiter("10/10s", &clock);
    let all = check(&limiter, &somebody(), 1_000);
    assert!(all.allowed);
    assert_eq!((all.limit, all.remaining), (10, 0));
    let again = check(&limiter, &somebody(), 1_000);
    assert_eq!(again.retry_after, Duration::from_secs(10));
    clock.advance(again.retry_after);
    assert!(check(&limiter, &somebody(), 1_000).allowed);
}

#[test]
fn everybody_has_a_budget_of_each_kind_and_nothing_is_counted_that_is_off() {
    let clock = Clock::by_hand();
    let one = RateLimit::Rate(rate("1/1s"));
    let settings = RateLimitSettings {
        reads: one,
        writes: one,
        ..RateLimitSettings::off()
    };
    let limiter = Limiter::new(&settings, None, &clock);
    let ask = |key: &LimitKey, budget| {
        let checked = limiter.check(key, budget, 1).now_or_never().unwrap();
        checked.map(|decision| decision.allowed)
    };
    let other = LimitKey::Subject("other".into());
    assert_eq!(ask(&somebody(), Budget::Reads), Some(true));
    assert_eq!(ask(&somebody(), Budget::Reads), Some(false));
    assert_eq!(ask(&somebody(), Budget::Writes), Some(true));
    assert_eq!(ask(&other, Budget::Reads), Some(true));
    assert_eq!(ask(&somebody(), Budget::Sockets), None);
}

#[test]
fn what_is_owed_is_paid_with_what_is_asked_for_next_and_never_twice() {
    let clock = Clock::by_hand();
    let limiter = limiter("100/100s", &clock);
    let (debtor, other) = (somebody(), LimitKey::Subject("other".into()));
    limiter.owe(&debtor, Budget::Reads, 30);
    limiter.owe(&debtor, Budget::Reads, 20);
    // Where nobody is limited nobody owes anything.
    limiter.owe(&debtor, Budget::Writes, 20);
    assert_eq!(check(&limiter, &other, 10).remaining, 90);
    assert_eq!(check(&limiter, &debtor, 10).remaining, 40);
    assert_eq!(check(&limiter, &debtor, 10).remaining, 30);

    // Who is refused owes it still.
    limiter.owe(&debtor, Budget::Reads, 45);
    for _ in 0..2 {
        let refused = check(&limiter, &debtor, 5);
        assert!(!refused.allowed);
        assert_eq!(refused.retry_after, Duration::from_secs(20));
    }
    clock.advance(Duration::from_secs(20));
    let allowed = check(&limiter, &debtor, 5);
    assert!(allowed.allowed);
    assert_eq!(allowed.remaining, 0);

    // What is more than a whole budget is paid in parts.
    clock.advance(Duration::from_secs(100));
    limiter.owe(&debtor, Budget::Reads, 150);
    assert_eq!(check(&limiter, &debtor, 1).remaining, 0);
    clock.advance(Duration::from_secs(99));
    assert_eq!(check(&limiter, &debtor, 1).remaining, 47);
    limiter.owe(&debtor, Budget::Reads, u32::MAX);
    limiter.owe(&debtor, Budget::Reads, u32::MAX);
    assert!(!check(&limiter, &debtor, 1_000).allowed);
}
