//! Owns what is said about a bad plan: the public refusal, and the collector
//! that fills it. It must never grow with the badness of a document: past the
//! first problems it only counts.

use std::fmt;

use super::reading::Place;

/// How many problems a refusal spells out; the rest are counted.
pub const MAX_PROBLEMS: usize = 20;

/// Why a document is not a seating plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRefused {
    /// The first [`MAX_PROBLEMS`] problems, in the order of the reading.
    pub problems: Vec<PlanProblem>,
    /// How many more there are.
    pub further: usize,
}

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanProblem {
    /// Where it is: `zones[0].rows[2].seats[5].seat_guid`, or `$` for the whole
    /// document.
    pub path: String,
    /// What is wrong there and what to do about it. Reads on from the path.
    pub message: String,
}

impl fmt::Display for PlanRefused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{problem}")?;
        }
        match self.further {
            0 => Ok(()),
            1 => write!(formatter, "\nand 1 further problem"),
            further => write!(formatter, "\nand {further} further problems"),
        }
    }
}

impl fmt::Display for PlanProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}

impl std::error::Error for PlanRefused {}

/// Collects problems while a document is read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<PlanProblem>,
    further: usize,
}

impl Problems {
    /// Notes a problem. Path and message are only written out while there is
    /// room, so a document of nothing but mistakes costs no more than a good one.
    pub(super) fn add(&mut self, place: &Place<'_>, message: fmt::Arguments<'_>) {
        if self.found.len() < MAX_PROBLEMS {
            self.found.push(PlanProblem {
                path: place.to_string(),
                message: message.to_string(),
            });
        } else {
            self.further += 1;
        }
    }

    /// Whether nothing was found so far.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Ends the collecting.
    pub(super) fn into_refusal(self) -> PlanRefused {
        PlanRefused {
            problems: self.found,
            further: self.further,
        }
    }
}
