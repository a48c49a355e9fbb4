//! One message, many watchers.
//!
//! A thousand people who watch the same map with the same document are told the same, so
//! the document is executed once for each message and not once for each of them:
//!
//! ```text
//!   subscriber ──► its own execution: arguments, rights ──► hands over a MapWatcher
//!                                                                │ what is due?
//!   subscribers of a group (document, variables, rights,         ▼
//!   event as it was read) ── same key? ──► one execution, one answer, written once
//! ```
//!
//! **Invariant:** what a shared answer says depends on nothing but its group and its
//! message. Whoever is not staff is therefore answered as a visitor would be, and what
//! differs from subscriber to subscriber must never be a field of such a message.

use crate::domain::event_view::EventView;
use crate::feed::{
    self, Due, DueKey, MapWatcher, Reached, SeatMap, SeatMapMessage, SnapshotReason,
};
use crate::graphql::UsherSchema;
use crate::graphql::errors::code;
use crate::model::ids::EventId;
use crate::model::{Caller, Permission};
use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection};
use async_graphql::{Name, Request, Response, Value, Variables};
use async_stream::stream;
use backon::{BackoffBuilder, ExponentialBackoff};
use futures_util::{Stream, StreamExt};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::sleep;

/// Messages that a group keeps for those of its members who come later.
const KEPT: usize = 16;

/// The subscriptions of one process. What they are answered with is what its transport makes
/// of a response, once for all who are answered the same.
pub struct Watching<Answer> {
    schema: UsherSchema,
    write: fn(Response) -> Answer,
    groups: Arc<Mutex<HashMap<GroupKey, Weak<Group<Answer>>>>>,
}

/// A subscription of somebody.
pub struct Subscriber {
    /// Who it is.
    pub caller: Caller,
    /// The operation, with its document parsed and the caller among its data.
    pub request: Request,
}

impl<Answer> Clone for Watching<Answer> {
    fn clone(&self) -> Self {
        Self {
            schema: self.schema.clone(),
            write: self.write,
            groups: Arc::clone(&self.groups),
        }
    }
}

/// What makes subscribers watch the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct GroupKey {
    query: String,
    operation_name: Option<String>,
    /// As JSON, with null for the cursor to resume from.
    variables: String,
    watched: Watched,
    /// On whose behalf it runs.
    caller: Caller,
    event: EventId,
    event_version: i32,
}

/// Subscribers who are told the same.
struct Group<Answer> {
    template: Arc<Template>,
    event: Arc<EventView>,
    messages: Mutex<VecDeque<(DueKey, Arc<Place<Answer>>)>>,
}

/// Where the message of one key is, or will be.
type Place<Answer> = OnceCell<(Arc<Answer>, Reached)>;

/// In the data of a subscriber's own execution: takes what the resolver would stream.
#[derive(Clone, Default)]
pub(super) struct Handover(Arc<Mutex<Option<HandedOver>>>);

/// What a resolver hands over.
pub(super) struct HandedOver {
    pub(super) watcher: MapWatcher,
    pub(super) event: Arc<EventView>,
}

/// In the data of a subscriber's own execution: the map it watched was given up, for this
/// reason, and it needs a new one.
pub(super) struct WatchAnew(pub(super) SnapshotReason);

/// In the data of an execution for a whole group: what its resolver is to show.
pub(super) struct ToShow {
    shown: Mutex<Option<Shown>>,
    event: Arc<EventView>,
}

enum Shown {
    Message(SeatMapMessage),
    Map(SeatMap),
}

/// What many can watch together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Watched {
    SeatMap,
    Availability,
}

/// The map of a subscription was given up. It waits for another one as long as it takes:
/// all who lost it ask at the same time, and nobody comes back to a subscription that has
/// ended.
struct LostMap {
    reason: SnapshotReason,
    pauses: ExponentialBackoff,
}

impl LostMap {
    fn because(reason: SnapshotReason) -> Self {
        Self {
            reason,
            pauses: feed::pauses().build(),
        }
    }

    /// Why and how soon to ask again, when this was the answer.
    fn again_after(&mut self, response: &Response) -> Option<(SnapshotReason, Duration)> {
        let is_unavailable = response.errors.iter().any(|error| {
            let code = error.extensions.as_ref().and_then(|all| all.get("code"));
            code == Some(&Value::from(code::UNAVAILABLE))
        });
        let pause = is_unavailable.then(|| self.pauses.next())??;
        Some((self.reason, pause))
    }
}

impl Handover {
    /// The one of this execution, if a group can take over what is streamed.
    pub(super) fn take_over(&self, handed_over: HandedOver) {
        *lock(&self.0) = Some(handed_over);
    }

    fn take(&self) -> Option<HandedOver> {
        lock(&self.0).take()
    }
}

impl<Answer: PartialEq + Send + Sync + 'static> Watching<Answer> {
    /// Subscriptions to this schema, whose responses are written so.
    pub fn new(schema: UsherSchema, write: fn(Response) -> Answer) -> Self {
        Self {
            schema,
            write,
            groups: Arc::default(),
        }
    }

    /// The answers to a subscription, for as long as anybody reads them.
    pub fn subscribe(
        &self,
        subscriber: Subscriber,
    ) -> impl Stream<Item = Arc<Answer>> + Send + use<Answer> {
        let watching = self.clone();
        stream! {
            let Subscriber { caller, mut request } = subscriber;
            let Some(mut template) = Template::of(&caller, &mut request).map(Arc::new) else {
                let mut responses = watching.schema.execute_stream(request);
                while let Some(response) = responses.next().await {
                    yield Arc::new((watching.write)(response));
                }
                return;
            };
            let own_variables = request.variables.clone();
            let anew = |template: &Template, reason| {
                let request = template.request(own_variables.clone());
                request.data(caller.clone()).data(WatchAnew(reason))
            };
            let mut lost: Option<LostMap> = None;
            loop {
                let handover = Handover::default();
                let mut responses = watching
                    .schema
                    .execute_stream(request.data(handover.clone()));
                let mut again = None;
                while let Some(response) = responses.next().await {
                    again = lost.as_mut().and_then(|lost| lost.again_after(&response));
                    if again.is_some() {
                        break;
                    }
                    yield Arc::new((watching.write)(response));
                }
                drop(responses);
                if let Some((reason, pause)) = again {
                    sleep(pause).await;
                    request = anew(&template, reason);
                    continue;
                }
                // What is not handed over was answered to its end.
                let Some(HandedOver { mut watcher, event }) = handover.take() else { return };
                let group = watching.group(&template, event);
                // Its members keep one document between them.
                template = Arc::clone(&group.template);
                let is_map = template.key.watched == Watched::SeatMap;
                let mut last_counts: Option<Arc<Answer>> = None;
                let reason = loop {
                    let due = match watcher.due().await {
                        Ok(due) => due,
                        Err(reason) => break reason,
                    };
                    let (answer, reached) = watching.message(&group, &due).await;
                    watcher.advance(reached);
                    // Counts may be as they were though seats have changed. A delta may look
                    // like the one before, and is news all the same.
                    if is_map {
                        yield answer;
                    } else if last_counts.as_ref() != Some(&answer) {
                        last_counts = Some(Arc::clone(&answer));
                        yield answer;
                    }
                };
                lost = Some(LostMap::because(reason));
                request = anew(&template, reason);
            }
        }
    }

    fn group(&self, template: &Arc<Template>, event: Arc<EventView>) -> Arc<Group<Answer>> {
        let key = GroupKey {
            event: event.event.id,
            event_version: event.event.version,
            ..template.key.clone()
        };
        let mut groups = lock(&self.groups);
        if let Some(group) = groups.get(&key).and_then(Weak::upgrade) {
            return group;
        }
        groups.retain(|_, group| group.strong_count() > 0);
        let group = Arc::new(Group {
            template: Arc::clone(template),
            event,
            messages: Mutex::default(),
        });
        groups.insert(key, Arc::downgrade(&group));
        group
    }

    /// The message that is due: made for the first member that needs it.
    async fn message(&self, group: &Group<Answer>, due: &Due) -> (Arc<Answer>, Reached) {
        let place = group.place_of(match group.template.key.watched {
            Watched::SeatMap => due.key(),
            Watched::Availability => due.key_of_map(),
        });
        let made = place.get_or_init(async || {
            let (request, reached) = group.request(due);
            let response = self.schema.execute_stream(request).next().await;
            metrics::counter!("usher_watcher_executions_total").increment(1);
            // The resolver always has something to show.
            let response = response.unwrap_or_default();
            (Arc::new((self.write)(response)), reached)
        });
        made.await.clone()
    }
}

impl<Answer> Group<Answer> {
    fn place_of(&self, key: DueKey) -> Arc<Place<Answer>> {
        let mut messages = lock(&self.messages);
        if let Some((_, place)) = messages.iter().find(|(known, _)| *known == key) {
            return Arc::clone(place);
        }
        let place = Arc::new(OnceCell::new());
        messages.push_front((key, Arc::clone(&place)));
        messages.truncate(KEPT);
        place
    }

    /// The execution that makes a message, and how far that tells.
    fn request(&self, due: &Due) -> (Request, Reached) {
        let (shown, reached) = match self.template.key.watched {
            Watched::SeatMap => {
                let (message, reached) = due.message();
                (Shown::Message(message), reached)
            }
            Watched::Availability => {
                let (map, reached) = due.map();
                (Shown::Map(map), reached)
            }
        };
        let to_show = ToShow {
            shown: Mutex::new(Some(shown)),
            event: Arc::clone(&self.event),
        };
        let request = self.template.request(self.template.variables.clone());
        let caller = self.template.key.caller.clone();
        (request.data(caller).data(to_show), reached)
    }
}

impl ToShow {
    /// The message to show, once, and the event that it is about.
    pub(super) fn message(&self) -> Option<(&Arc<EventView>, SeatMapMessage)> {
        match lock(&self.shown).take()? {
            Shown::Message(message) => Some((&self.event, message)),
            Shown::Map(_) => None,
        }
    }

    /// The map to count, once, and the event that it is of.
    pub(super) fn map(&self) -> Option<(&Arc<EventView>, SeatMap)> {
        match lock(&self.shown).take()? {
            Shown::Map(map) => Some((&self.event, map)),
            Shown::Message(_) => None,
        }
    }
}

/// What a subscription is executed from, again and again.
struct Template {
    document: ExecutableDocument,
    /// Of its event it says nothing yet.
    key: GroupKey,
    /// With null for the cursor to resume from.
    variables: Variables,
}

impl Template {
    /// That of a subscription to something that many watch; `None` for others.
    fn of(caller: &Caller, request: &mut Request) -> Option<Self> {
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
    fn request(&self, variables: Variables) -> Request {
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

/// Nothing panics while it holds these locks, and what is in them is whole in any case.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
