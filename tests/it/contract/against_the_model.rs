//! Random sequences of mutations by several people: every answer and what is left in
//! the end are what the model says.

use super::model::BrokenRule;
use super::steps::{Deed, Step, steps};
use super::world::{Tally, World, import_hall, model};
use crate::support::House;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use std::cell::RefCell;
use tokio::runtime::Runtime;

#[test]
fn every_answer_is_what_the_model_says() {
    let stage = Stage::new();
    let (found, tally) = stage.look_for_a_difference(80, None);
    if let Some(difference) = found {
        panic!("{difference}");
    }
    println!("{tally:?}");
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return;
    }
    // It has been where it was to go.
    for name in [
        "SeatsHeld",
        "SeatsReleased",
        "HoldExtended",
        "HoldConfirmed",
        "SeatsExchanged",
        "BookingCancelled",
        "SeatsBlocked",
        "SeatsBooked",
        "EventUpdated",
        "SeatConflict",
        "LimitExceeded",
        "HoldNotFound",
        "HoldEnded",
        "SaleNotOpen",
        "BookingNotFound",
        "EventVersionConflict",
        "EventStatusConflict",
        "replay",
    ] {
        assert!(tally.contains_key(name), "no {name} among {tally:?}");
    }
}

/// The negative control: a model that breaks a rule. What makes the difference is
/// looked for and made small between two models, which is fast, and then is one
/// between that model and the server as well.
#[test]
fn a_model_that_breaks_a_rule_is_not_the_servers() {
    let stage = Stage::new();
    for broken in [
        BrokenRule::Versions,
        BrokenRule::Limits,
        BrokenRule::Keys,
        BrokenRule::Lapse,
    ] {
        let config = Config {
            cases: 10_000,
            max_shrink_iters: 100_000,
            failure_persistence: None,
            ..Config::default()
        };
        let run = |steps: Vec<Step>| differ(&steps, broken).map_err(TestCaseError::fail);
        let steps = match TestRunner::new(config).run(&steps(), run) {
            Err(TestError::Fail(_, steps)) => steps,
            other => panic!("{broken:?} makes no difference: {other:?}"),
        };
        assert!(steps.len() <= 8, "{broken:?}: {steps:#?}");
        let run = |broken| {
            let mut tally = Tally::new();
            let run = stage.run(&steps, broken, &mut tally);
            stage.runtime.block_on(run)
        };
        assert_eq!(run(None), Ok(()), "{steps:#?}");
        assert!(run(Some(broken)).is_err(), "{broken:?}: {steps:#?}");
    }
}

/// The search itself: it finds a difference to the server, and makes it small.
#[test]
fn a_difference_is_found_and_made_small() {
    let stage = Stage::new();
    let (found, _) = stage.look_for_a_difference(200, Some(BrokenRule::Versions));
    let found = found.expect("old versions are used all the time");
    assert!(found.steps.len() <= 8, "{found}");
}

/// Whether a model that breaks a rule answers otherwise than one that breaks none.
fn differ(steps: &[Step], broken: BrokenRule) -> Result<(), String> {
    let [mut broken, mut right] = [Some(broken), None].map(|broken| model(1, broken));
    let mut before = Vec::new();
    for step in steps {
        match step.deed(&broken, &before) {
            Deed::Nothing => {}
            Deed::Lapse(hold) => {
                broken.lapse(hold);
                right.lapse(hold);
            }
            Deed::Publish => {
                broken.publish();
                right.publish();
            }
            Deed::Ask(asked) => {
                let answers = [&mut broken, &mut right].map(|model| model.answer(&asked).data);
                if answers[0] != answers[1] {
                    return Err(format!("{asked:?}: {answers:?}"));
                }
                before.push(asked);
            }
        }
    }
    Ok(())
}

/// A house whose sweeper publishes nothing by itself, so that the model knows when
/// something is published.
struct Stage {
    runtime: Runtime,
    house: Option<House>,
    plan: String,
}

/// Where server and model differ.
struct Difference {
    steps: Vec<Step>,
    why: String,
    seed: u64,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(formatter, "the server and the model differ after")?;
        for step in &self.steps {
            writeln!(formatter, "  {step:?}")?;
        }
        write!(
            formatter,
            "{}\nagain: PROPTEST_RNG_SEED={} cargo test --test it -- against_the_model",
            self.why, self.seed
        )
    }
}

impl Stage {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let (house, plan) = runtime.block_on(async {
            let house = House::open().await;
            house.running.sweeper.abort();
            let plan = import_hall(&house).await;
            (house, plan)
        });
        Self {
            runtime,
            house: Some(house),
            plan,
        }
    }

    /// Runs this many sequences, and makes the first one small that shows a
    /// difference.
    fn look_for_a_difference(
        &self,
        cases: u32,
        broken: Option<BrokenRule>,
    ) -> (Option<Difference>, Tally) {
        // What PROPTEST_CASES and its likes say comes first.
        let mut config = Config {
            failure_persistence: None,
            max_shrink_iters: 300,
            ..Config::default()
        };
        if std::env::var_os("PROPTEST_CASES").is_none() {
            config.cases = cases;
        }
        let seed = match config.rng_seed {
            RngSeed::Fixed(seed) => seed,
            RngSeed::Random => rand::random(),
        };
        config.rng_seed = RngSeed::Fixed(seed);
        let tally = RefCell::new(Tally::new());
        let run = |steps: Vec<Step>| {
            let mut tally = tally.borrow_mut();
            let result = self.runtime.block_on(self.run(&steps, broken, &mut tally));
            result.map_err(TestCaseError::fail)
        };
        let found = match TestRunner::new(config).run(&steps(), run) {
            Ok(()) => None,
            Err(TestError::Fail(why, steps)) => Some(Difference {
                steps,
                why: why.message().to_owned(),
                seed,
            }),
            Err(TestError::Abort(why)) => panic!("{why}"),
        };
        (found, tally.into_inner())
    }

    async fn run(
        &self,
        steps: &[Step],
        broken: Option<BrokenRule>,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let house = self.house.as_ref().unwrap();
        let mut world = World::new(house, &self.plan, broken).await;
        for step in steps {
            world.take(step, tally).await?;
        }
        world.end().await
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.house = None;
    }
}
