//! Seating plans with mistakes.

use crate::domain::plan_document::PlanRefused;
use crate::graphql::refusal::RefusalCode;
use async_graphql::SimpleObject;

/// The seating plan has mistakes: nothing was stored.
#[derive(SimpleObject)]
pub struct SeatingPlanRefused {
    /// Always `SEATING_PLAN_REFUSED`.
    pub(super) code: RefusalCode,
    /// Why, for people.
    pub(super) message: String,
    /// What is wrong with it, the first twenty.
    problems: Vec<SeatingPlanProblem>,
    /// How many more there are.
    further_problems: usize,
}

/// One mistake of a seating plan.
#[derive(SimpleObject)]
struct SeatingPlanProblem {
    /// Where in the document, such as `zones[0].rows[2].seats[5].category`;
    /// `$` for the whole of it.
    path: String,
    /// What is wrong and what to do.
    pub(super) message: String,
}

impl SeatingPlanRefused {
    pub(in crate::graphql) fn new(refused: PlanRefused) -> Self {
        let problems: Vec<_> = refused
            .problems
            .into_iter()
            .map(|problem| SeatingPlanProblem {
                path: problem.path,
                message: problem.message,
            })
            .collect();
        Self {
            code: RefusalCode::SeatingPlanRefused,
            message: "the seating plan has mistakes; nothing was stored".to_owned(),
            further_problems: refused.further,
            problems,
        }
    }
}
