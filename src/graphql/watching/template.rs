//! What a subscription is executed from.

use super::group::GroupKey;
use crate::model::ids::EventId;
use crate::model::{Caller, Permission};
use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection};
use async_graphql::{Name, Request, Value, Variables};

/// What many can watch together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Watched {
    SeatMap,
    Availability,
}

/// What a subscription is executed from, again and again.
pub(super) struct Template {
    document: ExecutableDocument,
    /// Of its event it says nothing yet.
    pub(super) key: GroupKey,
    /// With null for the cursor to resume from.
    pub(super) variables: Variables,
}

impl Template {
    /// That of a subscription to something that many watch; `None` for others.
    pub(super) fn of(caller: &Caller, request: &mut Request) -> Option<Self> {
        let document = request.parsed_query().ok()?.clone();
        let operation_name = request.operation_name.clone();
        let (root, after) = root_field(&document, operation_name.as_deref())?;
        let watched = match root.as_str() {
            "seatMap" => Watched::SeatMap,
            "availability" => Watched::Availability,
            _ => return None,
        };
        let mut variables = request.variables.clone();
        if let Some(after) = after.filter(|after| is_used_once(&request.query, after)) {
            // Left out it would be missed by a document whose variable may not be null.
            variables.insert(after, Value::Null);
        }
        let key = GroupKey {
            query: request.query.clone(),
            operation_name,
            variables: serde_json::to_string(&variables).ok()?,
            watched,
            caller: shared(caller),
            event: EventId(0),
            event_version: 0,
        };
        Some(Self {
            document,
            key,
            variables,
        })
    }

    /// An execution with these variables, on nobody's behalf yet.
    pub(super) fn request(&self, variables: Variables) -> Request {
        let mut request = Request::new(self.key.query.clone()).variables(variables);
        request.operation_name.clone_from(&self.key.operation_name);
        request.set_parsed_query(self.document.clone());
        request
    }
}

/// On whose behalf a shared execution runs: who is shown what everybody is shown watches as an
/// onlooker, and who may see more watches alone.
fn shared(caller: &Caller) -> Caller {
    let sees_more = [Permission::SeeDrafts, Permission::SeeHistory];
    if sees_more.iter().any(|more| caller.may(*more)) {
        caller.clone()
    } else {
        Caller::Onlooker
    }
}

/// The one field of the subscription that is to run, and the variable of its `after`.
fn root_field(
    document: &ExecutableDocument,
    operation_name: Option<&str>,
) -> Option<(Name, Option<Name>)> {
    let mut operations = document.operations.iter();
    let (_, operation) = operations.find(|(name, operation)| {
        operation.node.ty == OperationType::Subscription
            && operation_name.is_none_or(|wanted| name.is_some_and(|name| name == wanted))
    })?;
    let [only] = operation.node.selection_set.node.items.as_slice() else {
        return None;
    };
    let Selection::Field(field) = &only.node else {
        return None;
    };
    let field = &field.node;
    // A variable is written with a dollar sign in front, and nothing else is.
    let after = field
        .get_argument("after")
        .map(|value| value.node.to_string());
    let after = after.and_then(|text| text.strip_prefix('$').map(Name::new));
    Some((field.name.node.clone(), after))
}

/// Whether a variable stands in a document only where it is defined and in one more place.
/// Whatever else looks like it, in a comment or a longer name, only costs the sharing.
fn is_used_once(query: &str, variable: &Name) -> bool {
    query.matches(&format!("${variable}")).count() == 2
}
