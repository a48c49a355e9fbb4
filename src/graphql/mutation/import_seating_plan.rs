//! `importSeatingPlan`.

use crate::domain::import_plan;
use crate::domain::permissions::require;
use crate::domain::plan_document::PlanDocument;
use crate::graphql::errors::{ApiError, ApiResult, code};
use crate::graphql::refusal::SeatingPlanRefused;
use crate::graphql::services::{caller, connection, services};
use crate::graphql::staff_trail::recorded;
use crate::graphql::types::seating_plan::SeatingPlan;
use crate::model::Permission;
use async_graphql::{Context, InputObject, Json, Object, SimpleObject, Union};

/// What a new seating plan is.
#[derive(InputObject)]
struct ImportSeatingPlanInput {
    /// The plan as pretix publishes the format and its plan editor exports it,
    /// with `accessible` for a seat and `general_admission: {capacity,
    /// category}` for a zone. Keys that are not known are ignored.
    document: Json<serde_json::Value>,
}

/// What became of it.
#[derive(Union)]
enum ImportSeatingPlanResult {
    /// The plan is there.
    SeatingPlanImported(SeatingPlanImported),
    /// The plan has mistakes.
    SeatingPlanRefused(SeatingPlanRefused),
}

/// The plan is there.
#[derive(SimpleObject)]
struct SeatingPlanImported {
    /// The plan.
    plan: SeatingPlan,
}

#[derive(Default)]
pub struct ImportSeatingPlanMutation;

#[Object]
impl ImportSeatingPlanMutation {
    /// Stores a seating plan, whole or not at all. For staff.
    async fn import_seating_plan(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The plan.")] input: ImportSeatingPlanInput,
    ) -> ApiResult<ImportSeatingPlanResult> {
        recorded(context, async move {
            let caller = caller(context);
            // Before the document is looked at: checking a big one takes a while.
            require(caller, Permission::ManageEvents)?;
            let Json(document) = input.document;
            let checked = tokio::task::spawn_blocking(move || PlanDocument::check(&document))
                .await
                .map_err(|_| ApiError::new(code::INTERNAL, "the plan could not be checked"))?;
            let document = match checked {
                Ok(document) => document,
                Err(refused) => {
                    let refused = SeatingPlanRefused::new(refused);
                    return Ok(ImportSeatingPlanResult::SeatingPlanRefused(refused));
                }
            };
            let mut connection = connection(context).await?;
            let id =
                import_plan::import_plan(&mut connection, caller, &document, |_written| {}).await?;
            let plan = services(context)?
                .environment
                .plans
                .get(&mut connection, id)
                .await?;
            Ok(ImportSeatingPlanResult::SeatingPlanImported(
                SeatingPlanImported {
                    plan: SeatingPlan(plan),
                },
            ))
        })
        .await
    }
}
