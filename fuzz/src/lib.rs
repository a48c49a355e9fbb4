//! Hostile input for usher, made up by libFuzzer; CONTRIBUTING.md says how.

// The futures of a whole schema are deep, and optimized here they are looked into.
#![recursion_limit = "256"]

pub mod checks;
