//! The contract as a whole: random sequences of mutations against a model of it,
//! and what holds of any history of mutations that raced.

mod against_the_model;
mod anomalies;
mod broken_histories;
mod calls;
mod concurrent_histories;
mod crowd;
mod history;
mod model;
mod outcomes;
mod recorder;
mod steps;
mod world;
