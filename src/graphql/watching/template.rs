//! What a subscription is executed from.

use super::fingerprint;
use super::group::GroupKey;
use crate::graphql::services::Places;
use crate::model::ids::EventId;
use crate::model::{Caller, Permission};
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection,
};
use async_graphql::{Positioned, Request, Variables};

/// So many fields of a message cost a point, beside the one that a message costs.
const FIELDS_OF_A_POINT: u64 = 10;

/// What many can watch together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Watched {
    SeatMap,
    Availability,
}

/// What a subscription is executed from, again and again. That of any member of a group will do
/// for all of them: it has nothing that is not asked for.
pub(super) struct Template {
    document: ExecutableDocument,
    /// Of its event it says nothing yet.
    pub(super) key: GroupKey,
    variables: Variables,
    /// What it costs to make a message, beside the seats in it.
    pub(super) points: u32,
}

impl Template {
    /// That of a subscription to something that many watch; `None` for others.
    pub(super) fn of(caller: &Caller, request: &mut Request) -> Option<Self> {
        let operation_name = request.operation_name.clone();
        let variables = request.variables.clone();
        let document = request.parsed_query().ok()?;
        let (operation, root) = subscription(document, operation_name.as_deref())?;
        let watched = match root.name.node.as_str() {
            "seatMap" => Watched::SeatMap,
            "availability" => Watched::Availability,
            _ => return None,
        };
        let asked = fingerprint::read(document, &operation.node, root, &variables);
        let key = GroupKey {
            asked: asked.fingerprint,
            watched,
            caller: shared(caller),
            event: EventId(0),
            event_version: 0,
        };
        let fragments = asked.fragments.iter().filter_map(|name| {
            let fragment = document.fragments.get(*name)?;
            Some(((*name).clone(), fragment.clone()))
        });
        let fragments = fragments.collect();
        Some(Self {
            document: ExecutableDocument {
                operations: DocumentOperations::Single(operation.clone()),
                fragments,
            },
            key,
            points: u32::try_from(1 + asked.fields / FIELDS_OF_A_POINT).unwrap_or(u32::MAX),
            variables,
        })
    }

    /// An execution on nobody's behalf yet.
    pub(super) fn request(&self) -> Request {
        let request = Request::new("").variables(self.variables.clone());
        let mut request = request.data(Places::default());
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

/// The subscription that is to run, and its one field.
fn subscription<'a>(
    document: &'a ExecutableDocument,
    operation_name: Option<&str>,
) -> Option<(&'a Positioned<OperationDefinition>, &'a Field)> {
    let mut operations = document.operations.iter();
    let (_, operation) = operations.find(|(name, operation)| {
        operation.node.ty == OperationType::Subscription
            && operation_name.is_none_or(|wanted| name.is_some_and(|name| name == wanted))
    })?;
    let [only] = operation.node.selection_set.node.items.as_slice() else {
        return None;
    };
    match &only.node {
        Selection::Field(field) => Some((operation, &field.node)),
        _ => None,
    }
}
