//! The demo: three halls, with an event on sale in each.

use crate::db::{Database, DatabaseUnavailable, plans as seating_plans, venues};
use crate::domain::DomainError;
use crate::domain::create_event::{CreateEvent, create_event};
use crate::domain::create_venue::create_venue;
use crate::domain::import_plan::import_plan;
use crate::domain::plan_cache::PlanCache;
use crate::domain::plan_document::{PlanDocument, PlanRefused};
use crate::domain::sale::{ChangeSale, open_sale};
use crate::model::Caller;
use crate::model::status::OrphanRule;
use chrono::{DateTime, Days, NaiveTime, TimeZone, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

/// A hall, and what is on in it.
struct Show {
    plan: &'static [u8],
    venue: &'static str,
    time_zone: &'static str,
    event: &'static str,
    in_days: u64,
    currency: &'static str,
    prices: &'static [(&'static str, i64)],
}

const SHOWS: [Show; 3] = [
    Show {
        plan: include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/demo/plans/theatre.json"
        )),
        venue: "Lantern Theatre",
        time_zone: "Europe/London",
        event: "The Lighthouse Keeper's Daughter",
        in_days: 30,
        currency: "GBP",
        prices: &[
            ("Stalls", 6_500),
            ("Rear Stalls", 4_500),
            ("Circle", 5_500),
            ("Rear Circle", 3_000),
            ("Box", 9_000),
        ],
    },
    Show {
        plan: include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/demo/plans/concert-hall.json"
        )),
        venue: "Meridian Hall",
        time_zone: "Europe/Berlin",
        event: "Night of Symphonies",
        in_days: 45,
        currency: "EUR",
        prices: &[
            ("Parterre Front", 12_000),
            ("Parterre", 9_500),
            ("Side Balcony", 7_000),
            ("Balcony", 6_000),
            ("Gallery", 3_500),
            ("Choir", 2_500),
        ],
    },
    Show {
        plan: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/demo/plans/club.json")),
        venue: "The Copper Room",
        time_zone: "America/New_York",
        event: "Brass Against the Machine",
        in_days: 14,
        currency: "USD",
        prices: &[
            ("Standing", 3_500),
            ("Gallery", 5_000),
            ("Lounge", 8_000),
            ("Terrace", 6_000),
        ],
    },
];

/// Why the demo was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No connection was to be had.
    #[error(transparent)]
    Unavailable(#[from] DatabaseUnavailable),
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] diesel::result::Error),
    /// A use case failed.
    #[error(transparent)]
    Domain(#[from] DomainError),
    /// A plan that usher ships is wrong.
    #[error(transparent)]
    Plan(#[from] PlanRefused),
}

/// Loads the demo into a database that has neither a venue nor a plan, and so no
/// event; answers whether it did.
///
/// # Errors
/// When a part of it cannot be stored.
pub async fn load_into_empty(database: &Database, plans: &PlanCache) -> Result<bool, DemoError> {
    let mut connection = database.connection().await?;
    // Whole or not at all, and by one of several processes that start at once.
    connection
        .transaction(async |connection| {
            let lock = "SELECT pg_advisory_xact_lock(hashtext('usher demo'))";
            diesel::sql_query(lock).execute(connection).await?;
            if venues::any(connection).await? || seating_plans::any(connection).await? {
                return Ok(false);
            }
            for show in &SHOWS {
                load(connection, plans, show).await?;
            }
            Ok(true)
        })
        .await
}

async fn load(
    connection: &mut AsyncPgConnection,
    plans: &PlanCache,
    show: &Show,
) -> Result<(), DemoError> {
    let staff = Caller::Staff {
        subject: "demo".to_owned(),
    };
    let venue = create_venue(connection, &staff, show.venue, show.time_zone).await?;
    let document = PlanDocument::parse(show.plan)?;
    let plan = import_plan(connection, &staff, &document, |_written| {}).await?;
    let event = CreateEvent {
        venue: venue.id,
        plan,
        name: show.event.to_owned(),
        starts_at: evening(show),
        sale_starts_at: None,
        sale_ends_at: None,
        currency: show.currency.to_owned(),
        prices: show
            .prices
            .iter()
            .map(|(name, amount)| ((*name).to_owned(), *amount))
            .collect(),
        hold_seconds: 600,
        max_seats_per_hold: 10,
        ends_at: None,
        hold_total_seconds: None,
        max_seats_per_buyer: None,
        max_holds_per_buyer: None,
        orphan_rule: OrphanRule::Off,
    };
    let event = create_event(connection, plans, &staff, event).await?;
    let sale = ChangeSale {
        event: event.id,
        version: event.version,
    };
    if open_sale(connection, &staff, sale).await?.is_err() {
        tracing::warn!(event = event.name, "somebody else has changed a demo event");
    }
    Ok(())
}

/// Half past seven on the day, where the venue is.
fn evening(show: &Show) -> DateTime<Utc> {
    let day = Utc::now() + Days::new(show.in_days);
    let time = NaiveTime::from_hms_opt(19, 30, 0).unwrap_or_default();
    let local = day.date_naive().and_time(time);
    let zone: chrono_tz::Tz = show.time_zone.parse().unwrap_or(chrono_tz::UTC);
    // No clock is put forward in the evening.
    zone.from_local_datetime(&local)
        .earliest()
        .map_or(day, |evening| evening.to_utc())
}
