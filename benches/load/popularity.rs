//! Which seats are wanted most.

use crate::Outcome;
use rand::distr::weighted::WeightedIndex;

/// As Zipf has it: the second best seat is wanted half as often as the best one.
pub fn popularity(seats: usize) -> Outcome<WeightedIndex<f64>> {
    let ranks = 1..=u32::try_from(seats)?;
    Ok(WeightedIndex::new(ranks.map(|rank| 1.0 / f64::from(rank)))?)
}
