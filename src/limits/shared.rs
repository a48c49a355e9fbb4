//! Budgets that all processes with one Redis count together.
//!
//! It owns the script, the keys and what is made of an answer. It must never let anybody wait
//! for a Redis that is away: then it has no answer, and this process decides alone.

use super::{Budget, Clock, LimitKey, Standing};
use crate::config::Rate;
use crate::db::redis::{Redis, RedisFailed, Script};
use crate::model::causes::in_full;
use crate::model::seldom::Seldom;
use std::num::NonZeroU32;
use std::time::Duration;

/// The generic cell rate algorithm, in microseconds. A key holds when its budget is full
/// again, and is gone by then. Answers whether the points were taken, and how long it now is
/// until all are there. The clock is Redis', the same for all; it may have been set back, and
/// nobody owes more than a whole budget.
const TAKE: &str = r"
local interval, points, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = tonumber(ARGV[4])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local window = interval * points
local full_at = tonumber(redis.call('GET', KEYS[1])) or now
full_at = math.min(math.max(full_at, now), now + window)
local after = full_at + interval * cost
if after - now > window then
  return {0, full_at - now}
end
local rest = math.ceil((after - now) / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', rest)
return {1, after - now}
";

/// How often it is said that Redis serves and refuses the script.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// The budgets in a Redis.
pub struct SharedBudgets {
    redis: Redis,
    script: Script,
    clock: Clock,
    refused: Seldom,
}

impl SharedBudgets {
    /// Those that are there, whoever has begun them.
    pub fn new(redis: Redis, clock: Clock) -> Self {
        Self {
            redis,
            script: Script::new(TAKE),
            clock,
            refused: Seldom::every(SAID_EVERY),
        }
    }

    /// Takes so many points, or none. There is no answer when Redis gives none.
    pub async fn check(
        &self,
        key: &LimitKey,
        budget: Budget,
        rate: Rate,
        cost: NonZeroU32,
    ) -> Option<Standing> {
        let key = self.redis.key(&format!("limit:{}:{key}", budget.name()));
        // A key of its own for another rate: what is owed at one means nothing at the other.
        let key = format!("{key}:{}/{}", rate.points(), rate.window().as_micros());
        let arguments = [
            rate.interval().as_micros().to_string(),
            rate.points().to_string(),
            cost.to_string(),
            self.clock
                .time_by_hand()
                .map_or_else(String::new, |time| time.as_micros().to_string()),
        ];
        let answer = self.redis.run(&self.script, &key, &arguments).await;
        match answer {
            Ok((allowed, debt)) => Some(Standing {
                allowed,
                debt: Duration::from_micros(debt),
            }),
            // It was said when it went away.
            Err(RedisFailed::Away) => None,
            Err(error @ RedisFailed::Refused(_)) => {
                if let Some(times) = self.refused.now() {
                    tracing::warn!(
                        error = in_full(&error),
                        times,
                        "Redis does not count rate limits: each process counts alone"
                    );
                }
                None
            }
        }
    }
}
