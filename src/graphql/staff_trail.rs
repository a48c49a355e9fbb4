//! What staff do, for the security log: which mutation, about what, and what became of it.
//!
//! It owns the choice of what of an input is named. It must never name anything but ids, the
//! reference of a booking and the name of a thing: an input can hold tokens.

use crate::graphql::errors::ApiResult;
use crate::graphql::services::caller;
use crate::model::Caller;
use crate::model::global_id::GlobalId;
use crate::model::reference::BookingReference;
use crate::model::token::HoldToken;
use crate::trail;
use async_graphql::{Context, Name, OutputType, Value};

/// Most characters of what a mutation is about.
const LONGEST: usize = 300;

/// Runs a mutation. When one of staff or of the box office asked for it, the security log says
/// so: every mutation goes through here.
pub(super) async fn recorded<T: OutputType>(
    context: &Context<'_>,
    work: impl Future<Output = ApiResult<T>>,
) -> ApiResult<T> {
    let answer = work.await;
    let caller = caller(context);
    if matches!(caller, Caller::BoxOffice { .. } | Caller::Staff { .. }) {
        let outcome = match &answer {
            Ok(result) => result.introspection_type_name().into_owned(),
            Err(error) => error.code().to_owned(),
        };
        trail::acted(caller, context.field().name(), &about(context), &outcome);
    }
    answer
}

/// What the input names, such as `eventId: RXZlbnQ6MQ`.
fn about(context: &Context<'_>) -> String {
    let arguments = context.field().arguments().unwrap_or_default();
    let inputs = arguments.iter().filter_map(|(_, value)| match value {
        Value::Object(input) => Some(input),
        _ => None,
    });
    let named = inputs
        .flatten()
        .filter_map(|(field, value)| named(field, value));
    let text = named.collect::<Vec<_>>().join(", ");
    text.chars().take(LONGEST).collect()
}

fn named(field: &Name, value: &Value) -> Option<String> {
    let Value::String(text) = value else {
        return None;
    };
    match field.as_str() {
        // Of a token only what is no secret.
        "token" | "holdToken" => {
            let token: HoldToken = text.parse().ok()?;
            Some(format!("hold: {} of event {}", token.hold, token.event))
        }
        "name" => Some(format!("name: {text}")),
        // Whatever else somebody has put there is not written down: it may be a token.
        "eventId" | "venueId" | "planId" if text.parse::<GlobalId>().is_ok() => {
            Some(format!("{field}: {text}"))
        }
        "reference" => {
            let reference: BookingReference = text.parse().ok()?;
            Some(format!("reference: {reference}"))
        }
        _ => None,
    }
}
