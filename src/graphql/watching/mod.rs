//! One message, many watchers.
//!
//! A thousand people who watch the same map and ask for the same are told the same, so
//! what they ask for is executed once for each message and not once for each of them:
//!
//! ```text
//!   subscriber ──► its own execution: arguments, rights ──► hands over a MapWatcher
//!                                                                │ what is due?
//!   subscribers of a group (what is asked for, rights,           ▼
//!   event as it was read) ── same key? ──► one execution, one answer, written once
//! ```
//!
//! **Invariant:** what a shared answer says depends on nothing but its group and its
//! message. Whoever is not staff is therefore answered as a visitor would be, and what
//! differs from subscriber to subscriber must never be a field of such a message.
//!
//! Reading order: [`template`] is what a subscription is executed from, [`fingerprint`] what it
//! asks for, however that is written, [`group`] who is told
//! the same, [`handover`] what passes between an execution and this, [`lost_map`] what becomes
//! of a subscription whose map was given up. This file is the life of a subscription.

mod fingerprint;
mod group;
mod handover;
mod lost_map;
mod template;

pub(super) use handover::{HandedOver, Handover, ToShow, WatchAnew};

use crate::domain::event_view::EventView;
use crate::feed::{Due, Reached};
use crate::graphql::{SeatsShown, UsherSchema};
use crate::limits::{Pace, Turn};
use crate::model::Caller;
use async_graphql::{Request, Response};
use async_stream::stream;
use futures_util::{Stream, StreamExt};
use group::{Group, GroupKey, Place};
use lost_map::LostMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use template::{Template, Watched};
use tokio::time::sleep;

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
    /// The operation, with its document parsed, and the caller and what is shown among its data.
    pub request: Request,
    /// What the operation shows.
    pub shown: Arc<SeatsShown>,
    /// How fast its messages are made.
    pub pace: Pace,
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
            let Subscriber { caller, mut request, shown, pace } = subscriber;
            let Some(mut template) = Template::of(&caller, &mut request).map(Arc::new) else {
                let mut responses = watching.schema.execute_stream(request);
                while let Some(response) = responses.next().await {
                    yield Arc::new((watching.write)(response));
                    let points = shown.take();
                    if points > 0 {
                        pace.turn().await.spend(points);
                    }
                }
                return;
            };
            let anew = |template: &Template, reason| {
                let request = template.request();
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
                    let mut due = match watcher.due().await {
                        Ok(due) => due,
                        Err(reason) => break reason,
                    };
                    let mut place = group.place_of(&due);
                    let mut turn = None;
                    if place.get().is_none() {
                        let own = pace.turn().await;
                        if own.has_waited {
                            // There is more by now, and perhaps somebody has made it.
                            due = match watcher.due().await {
                                Ok(due) => due,
                                Err(reason) => break reason,
                            };
                            place = group.place_of(&due);
                        }
                        turn = Some(own);
                    }
                    let (answer, reached) = watching.message(&group, &due, &place, &shown, turn).await;
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

    /// The message that is due: made for the first member that needs it, who pays for it.
    async fn message(
        &self,
        group: &Group<Answer>,
        due: &Due,
        place: &Place<Answer>,
        shown: &SeatsShown,
        turn: Option<Turn>,
    ) -> (Arc<Answer>, Reached) {
        let made = place.get_or_init(async || {
            let (request, reached) = group.request(due);
            let shown = shown.anew();
            let request = request.data(Arc::clone(&shown));
            let response = self.schema.execute_stream(request).next().await;
            if let Some(turn) = turn {
                turn.spend(shown.take().saturating_add(group.template.points));
            }
            metrics::counter!("usher_watcher_executions_total").increment(1);
            // The resolver always has something to show.
            let mut response = response.unwrap_or_default();
            // Where that is in the document of one member says nothing to the others.
            for error in &mut response.errors {
                error.locations.clear();
            }
            (Arc::new((self.write)(response)), reached)
        });
        made.await.clone()
    }
}

/// Nothing panics while it holds these locks, and what is in them is whole in any case.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
