//! Budgets that replicas share through a real Redis, and what becomes of them without it.

use super::{POINT, ask, header, reads, status};
use crate::support::house::{Limits, settings};
use crate::support::redis::Redis;
use crate::support::{House, eventually};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::time::Duration;
use usher::config::{RateLimitSettings, RedisSettings};
use usher::db::redis::Redis as Connected;
use usher::limits::{Budget, Clock, Decision, LimitKey, Limiter};

const HERE: &str = "192.0.2.1";

/// As a process is connected with it, which waits for an answer for so long.
async fn connected(redis: &Redis, timeout: Duration) -> Option<Connected> {
    let url = Some(redis.url.clone().into());
    let settings = RedisSettings::new(url, timeout, "usher".to_owned());
    Connected::open(&settings).await.unwrap()
}

/// Two servers on one Redis, and on one clock.
struct Replicas {
    redis: Redis,
    house: House,
    replica: House,
    clock: Clock,
}

impl Replicas {
    async fn sharing(rate_limits: RateLimitSettings) -> Self {
        let redis = Redis::start().await;
        let clock = Clock::by_hand();
        let limits = async || Limits {
            rate_limits: rate_limits.clone(),
            limit_clock: clock.clone(),
            redis: connected(&redis, Duration::from_mins(1)).await,
            ..Limits::default()
        };
        let house = House::open_with_all(limits().await).await;
        let replica = house.replica_with_all(limits().await, settings()).await;
        Self {
            redis,
            house,
            replica,
            clock,
        }
    }
}

#[tokio::test]
async fn replicas_take_from_one_budget() {
    let Replicas {
        redis,
        house,
        replica,
        clock,
    } = Replicas::sharing(reads("4/40s")).await;
    for (server, left) in [(&house, 3), (&replica, 2), (&replica, 1), (&house, 0)] {
        let answer = ask(server, HERE, None, POINT).await;
        assert_eq!(answer.status(), 200);
        let limit = format!("\"reads\";r={left};t={}", 10 * (4 - left));
        assert_eq!(header(&answer, "ratelimit"), Some(limit.as_str()));
    }
    let keys = redis.keys().await;
    assert_eq!(keys, ["usher:limit:reads:address:192.0.2.1:4/40000000"]);
    let rest: i64 = redis.ask(redis::cmd("PTTL").arg(&keys[0])).await;
    assert!((1..=40_000).contains(&rest), "it goes by itself: {rest}");
    for server in [&house, &replica] {
        let refused = ask(server, HERE, None, POINT).await;
        assert_eq!(refused.status(), 429);
        assert_eq!(header(&refused, "retry-after"), Some("10"));
    }
    clock.advance(Duration::from_secs(10));
    assert_eq!(status(&replica, HERE).await, 200);
    assert_eq!(status(&house, HERE).await, 429);
    // Redis has forgotten the script, and is told it again.
    redis.ask::<()>(redis::cmd("SCRIPT").arg("FLUSH")).await;
    assert_eq!(status(&house, HERE).await, 429);
    assert_eq!(status(&house, "192.0.2.2").await, 200);
}

#[tokio::test]
async fn without_redis_each_process_counts_alone_until_it_is_back() {
    let Replicas {
        mut redis,
        house,
        replica,
        clock: _clock,
    } = Replicas::sharing(reads("4/1h")).await;
    for server in [&house, &replica, &house, &replica] {
        assert_eq!(status(server, HERE).await, 200);
    }
    assert_eq!(status(&house, HERE).await, 429);
    redis.stop().await;
    for server in [&house, &replica] {
        for _ in 0..4 {
            assert_eq!(status(server, HERE).await, 200);
        }
        assert_eq!(status(server, HERE).await, 429);
    }
    redis.start_again().await;
    for (number, server) in [&house, &replica].into_iter().enumerate() {
        // Another one each time: who is refused again and again is not asked about any more.
        let strangers = format!("198.51.{number}.");
        let mut tries = 0;
        eventually("it is counted in Redis again", async || {
            tries += 1;
            status(server, &format!("{strangers}{}", tries % 256)).await;
            let keys = redis.keys().await;
            keys.iter()
                .any(|key| key.contains(&strangers))
                .then_some(())
        })
        .await;
    }
    for server in [&replica, &house, &house, &replica] {
        assert_eq!(status(server, HERE).await, 200);
    }
    for server in [&house, &replica] {
        assert_eq!(status(server, HERE).await, 429);
    }
}

#[tokio::test]
async fn a_redis_that_is_silent_or_refuses_decides_nothing() {
    let redis = Redis::start().await;
    let clock = Clock::by_hand();
    let here = LimitKey::of_address(HERE.parse().unwrap());
    let connected = connected(&redis, Duration::from_millis(100)).await;
    let limiter = Limiter::new(&reads("2/1h"), connected, &clock);
    let check = async || limiter.check(&here, Budget::Reads, 1).await.unwrap();
    assert!(check().await.allowed);
    let key = redis.keys().await.remove(0);
    redis.ask::<()>(redis::cmd("DEL").arg(&key)).await;
    redis
        .ask::<()>(redis::cmd("LPUSH").arg(&key).arg("x"))
        .await;
    let alone = check().await;
    assert_eq!((alone.allowed, alone.remaining), (true, 1));
    redis.pause();
    assert_eq!(check().await.remaining, 0);
    assert!(!check().await.allowed);
    redis.go_on();
}

/// By Redis' own clock, which no test moves: enough is there from the start for all of them.
#[tokio::test]
async fn redis_counts_by_its_own_clock() {
    let redis = Redis::start().await;
    let connected = connected(&redis, Duration::from_mins(1)).await;
    let limiter = Limiter::new(&reads("100/24h"), connected, &Clock::default());
    let here = LimitKey::of_address(HERE.parse().unwrap());
    let mut decisions = Vec::new();
    for _ in 0..2 {
        let decision = limiter.check(&here, Budget::Reads, 50).await.unwrap();
        decisions.push((decision.allowed, decision.remaining));
    }
    assert_eq!(decisions, [(true, 50), (true, 0)]);
    let refused = limiter.check(&here, Budget::Reads, 50).await.unwrap();
    assert!(!refused.allowed);
    let half_a_day = Duration::from_hours(11)..=Duration::from_hours(12);
    assert!(half_a_day.contains(&refused.retry_after));
}

/// What governor cannot say exactly it rounds up to a whole point.
fn rounded(decision: Decision) -> Decision {
    let point = decision.window / decision.limit;
    let points = decision.reset_after.as_micros().div_ceil(point.as_micros());
    Decision {
        reset_after: point * u32::try_from(points).unwrap(),
        ..decision
    }
}

#[tokio::test]
async fn redis_and_governor_decide_the_same() {
    let redis = Redis::start().await;
    let connected = connected(&redis, Duration::from_mins(1)).await;
    let steps = prop::collection::vec((0_u64..3_000_000, 0_u32..400), 20..60);
    let sales = (1_u32..300, 1_u64..100, steps);
    let mut runner = TestRunner::deterministic();
    let (mut allowed, mut refused) = (0, 0);
    for number in 0..60 {
        let (points, seconds, steps) = sales.new_tree(&mut runner).unwrap().current();
        let settings = reads(&format!("{points}/{seconds}s"));
        let clock = Clock::by_hand();
        let shared = Limiter::new(&settings, connected.clone(), &clock);
        let alone = Limiter::new(&settings, None, &clock);
        let key = LimitKey::Subject(format!("buyer {number}").into());
        for (pause, cost) in steps {
            clock.advance(Duration::from_micros(pause));
            let by_redis = shared.check(&key, Budget::Reads, cost).await.unwrap();
            let by_governor = alone.check(&key, Budget::Reads, cost).await.unwrap();
            assert_eq!(rounded(by_redis), rounded(by_governor), "{settings:?}");
            if by_redis.allowed {
                allowed += 1;
            } else {
                refused += 1;
            }
        }
    }
    assert!(allowed > 100 && refused > 100, "{allowed} and {refused}");
    assert_eq!(redis.keys().await.len(), 60, "they were asked of Redis");
}
