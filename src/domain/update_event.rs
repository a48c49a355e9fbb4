//! Changing events.

use crate::db::events::{self, Event, EventDetails};
use crate::domain::event_view::{self, EventView};
use crate::domain::permissions::require;
use crate::domain::transaction::{self, Abort, UnitOfWork, Work};
use crate::domain::{DomainError, Environment, event_policies, price_list, text};
use crate::model::ids::EventId;
use crate::model::status::{EventStatus, OrphanRule};
use crate::model::{Caller, Permission};
use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;

/// What becomes of something that an event may have or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays as it is.
    Keep,
    /// This; `None` for nothing.
    To(Option<T>),
}

/// A change of an event, decided on one version of it. `None` keeps what is there.
#[derive(Clone, Debug)]
pub struct UpdateEvent {
    /// The event.
    pub event: EventId,
    /// The version of it that the decision was made on.
    pub version: i32,
    /// What it is called.
    pub name: Option<String>,
    /// When the performance starts.
    pub starts_at: Option<DateTime<Utc>>,
    /// When it ends, if that is known.
    pub ends_at: Change<DateTime<Utc>>,
    /// Start of the sale window, if it has one.
    pub sale_starts_at: Change<DateTime<Utc>>,
    /// End of the sale window, if it has one.
    pub sale_ends_at: Change<DateTime<Utc>>,
    /// Category and amount in minor units, for those that change.
    pub prices: Vec<(String, i64)>,
    /// How long a hold lasts, in seconds.
    pub hold_seconds: Option<i32>,
    /// How long a hold may last with all its extensions, in seconds.
    pub hold_total_seconds: Option<i32>,
    /// How many seats one hold may have.
    pub max_seats_per_hold: Option<i32>,
    /// How many seats one buyer may have, held and booked, if that is limited.
    pub max_seats_per_buyer: Change<i32>,
    /// How many running holds one buyer may have, if that is limited.
    pub max_holds_per_buyer: Change<i32>,
    /// What happens to whoever leaves a single seat alone.
    pub orphan_rule: Option<OrphanRule>,
}

/// Why the event was not changed.
#[derive(Debug)]
pub enum UpdateEventRefused {
    /// Somebody else has changed the event since: here it is.
    VersionConflict(Event),
    /// A cancelled event is not changed any more.
    Cancelled(Event),
}

/// Changes what `command` names of an event. Holds and bookings keep the prices and
/// the times that they were made with.
///
/// # Errors
/// When the caller may not, nothing is named, the event would make no sense as
/// a whole, there is no such event, or the database fails.
pub async fn update_event(
    connection: &mut AsyncPgConnection,
    environment: &Environment,
    caller: &Caller,
    mut command: UpdateEvent,
) -> Result<Result<EventView, UpdateEventRefused>, DomainError> {
    require(caller, Permission::ManageEvents)?;
    if command.changes_nothing() {
        let message = "nothing is changed: give at least one field that is, such as this";
        return Err(DomainError::invalid("name", message));
    }
    if let Some(name) = &mut command.name {
        *name = text::name("name", name)?.to_owned();
    }
    price_list::check(&command.prices)?;
    let work = Work {
        environment,
        caller,
        command: &command,
    };
    let settled = transaction::run(connection, environment.concurrency, &work).await?;
    Ok(settled.result)
}

impl UnitOfWork for Work<'_, UpdateEvent> {
    type Reading = ();
    type Success = EventView;
    type Refusal = UpdateEventRefused;

    async fn run(
        &self,
        connection: &mut AsyncPgConnection,
        (): &(),
    ) -> Result<EventView, Abort<UpdateEventRefused>> {
        let UpdateEvent { event, version, .. } = *self.command;
        let (current, _) = event_view::find_event(connection, self.caller, event).await?;
        if current.version != version {
            let conflict = UpdateEventRefused::VersionConflict(current);
            return Err(Abort::Refused(conflict));
        }
        if current.status == EventStatus::Cancelled {
            return Err(Abort::Refused(UpdateEventRefused::Cancelled(current)));
        }
        let mut details = current.details();
        self.command.apply(&mut details);
        event_policies::check(&details)?;
        let plans = &self.environment.plans;
        let plan = plans.get(connection, current.plan_id).await?;
        let prices = price_list::some(&plan, &self.command.prices)?;
        let Some(updated) = events::update(connection, event, version, &details).await? else {
            // Somebody else was faster; the next reading shows what the event became.
            let conflict = UpdateEventRefused::VersionConflict(current);
            return Err(Abort::Outrun(conflict));
        };
        for (category_no, amount) in prices {
            events::update_price(connection, event, category_no, amount).await?;
        }
        Ok(event_view::complete(connection, plans, updated).await?)
    }
}

impl UpdateEvent {
    fn changes_nothing(&self) -> bool {
        let Self {
            event: _,
            version: _,
            name,
            starts_at,
            ends_at,
            sale_starts_at,
            sale_ends_at,
            prices,
            hold_seconds,
            hold_total_seconds,
            max_seats_per_hold,
            max_seats_per_buyer,
            max_holds_per_buyer,
            orphan_rule,
        } = self;
        let times = [ends_at, sale_starts_at, sale_ends_at];
        let limits = [max_seats_per_buyer, max_holds_per_buyer];
        let numbers = [hold_seconds, hold_total_seconds, max_seats_per_hold];
        name.is_none()
            && starts_at.is_none()
            && times.iter().all(|time| **time == Change::Keep)
            && prices.is_empty()
            && numbers.iter().all(|number| number.is_none())
            && limits.iter().all(|limit| **limit == Change::Keep)
            && orphan_rule.is_none()
    }

    fn apply(&self, details: &mut EventDetails) {
        set(&mut details.name, self.name.clone());
        set(&mut details.starts_at, self.starts_at);
        self.ends_at.apply(&mut details.ends_at);
        self.sale_starts_at.apply(&mut details.sale_starts_at);
        self.sale_ends_at.apply(&mut details.sale_ends_at);
        set(&mut details.hold_seconds, self.hold_seconds);
        set(&mut details.hold_total_seconds, self.hold_total_seconds);
        set(&mut details.max_seats_per_hold, self.max_seats_per_hold);
        self.max_seats_per_buyer
            .apply(&mut details.max_seats_per_buyer);
        self.max_holds_per_buyer
            .apply(&mut details.max_holds_per_buyer);
        set(&mut details.orphan_rule, self.orphan_rule);
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

impl<T: Copy> Change<T> {
    fn apply(self, field: &mut Option<T>) {
        if let Self::To(value) = self {
            *field = value;
        }
    }
}
