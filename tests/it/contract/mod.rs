//! The contract as a whole: random sequences of mutations against a model of it,
//! and what holds of any history of mutations that raced.

mod against_the_model;
mod calls;
mod history;
mod model;
mod steps;
mod world;
