//! Seating plans: written once, then only read.

use crate::db::schema::{plan_categories, plan_seats, plan_zones, seating_plans};
use crate::model::ids::{PlanId, SeatNo};
use crate::model::seating_plan::{Category, PlanRow, PlanSeat, SeatingPlan, Zone};
use crate::model::status::ZoneKind;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

/// Seats that go into one INSERT: a statement takes 65,535 parameters at most.
pub const SEATS_PER_INSERT: usize = 4_000;

/// Creates a plan without its seats; [`insert_seats`] follows in the same
/// transaction.
///
/// # Errors
/// When the database fails.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    name: &str,
    (width, height): (f64, f64),
    seat_count: i32,
    categories: &[Category],
    zones: &[Zone],
) -> QueryResult<PlanId> {
    let id: PlanId = diesel::insert_into(seating_plans::table)
        .values((
            seating_plans::name.eq(name),
            seating_plans::width.eq(width),
            seating_plans::height.eq(height),
            seating_plans::seat_count.eq(seat_count),
        ))
        .returning(seating_plans::id)
        .get_result(connection)
        .await?;
    let categories: Vec<_> = (0..)
        .zip(categories)
        .map(|(number, category): (i32, _)| {
            (
                plan_categories::plan_id.eq(id),
                plan_categories::category_no.eq(number),
                plan_categories::name.eq(&category.name),
                plan_categories::color.eq(&category.color),
            )
        })
        .collect();
    diesel::insert_into(plan_categories::table)
        .values(categories)
        .execute(connection)
        .await?;
    let zones: Vec<_> = (0..)
        .zip(zones)
        .map(|(number, zone): (i32, _)| {
            (
                plan_zones::plan_id.eq(id),
                plan_zones::zone_no.eq(number),
                plan_zones::name.eq(&zone.name),
                plan_zones::kind.eq(zone.kind),
                plan_zones::x.eq(zone.x),
                plan_zones::y.eq(zone.y),
                plan_zones::areas.eq(&zone.areas),
            )
        })
        .collect();
    // A statement takes 65,535 parameters; zones have seven each.
    for zones in zones.chunks(SEATS_PER_INSERT) {
        diesel::insert_into(plan_zones::table)
            .values(zones)
            .execute(connection)
            .await?;
    }
    Ok(id)
}

/// Adds up to [`SEATS_PER_INSERT`] seats to a plan, the first of them with
/// number `first`.
///
/// # Errors
/// When the database fails.
pub async fn insert_seats(
    connection: &mut AsyncPgConnection,
    plan: PlanId,
    first: SeatNo,
    seats: &[PlanSeat],
) -> QueryResult<usize> {
    let rows: Vec<_> = (first..)
        .zip(seats)
        .map(|(seat_no, seat)| {
            (
                plan_seats::plan_id.eq(plan),
                plan_seats::seat_no.eq(seat_no),
                plan_seats::guid.eq(&seat.guid),
                plan_seats::zone_no.eq(number(seat.zone)),
                plan_seats::row_no.eq(seat.row.as_ref().map(|row| number(row.index))),
                plan_seats::row_label.eq(seat.row.as_ref().map(|row| &row.label)),
                plan_seats::number.eq(seat.number.as_ref()),
                plan_seats::label.eq(&seat.label),
                plan_seats::category_no.eq(number(seat.category)),
                plan_seats::accessible.eq(seat.accessible),
                plan_seats::x.eq(seat.x),
                plan_seats::y.eq(seat.y),
            )
        })
        .collect();
    diesel::insert_into(plan_seats::table)
        .values(rows)
        .execute(connection)
        .await
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = plan_seats, check_for_backend(diesel::pg::Pg))]
struct SeatRow {
    guid: String,
    zone_no: i32,
    row_no: Option<i32>,
    row_label: Option<String>,
    number: Option<String>,
    label: String,
    category_no: i32,
    accessible: bool,
    x: Option<f64>,
    y: Option<f64>,
}

/// The whole plan; `None` when there is none with this id.
///
/// # Errors
/// When the database fails.
pub async fn load(
    connection: &mut AsyncPgConnection,
    id: PlanId,
) -> QueryResult<Option<SeatingPlan>> {
    let plan: Option<(DateTime<Utc>, String, f64, f64)> = seating_plans::table
        .find(id)
        .select((
            seating_plans::created_at,
            seating_plans::name,
            seating_plans::width,
            seating_plans::height,
        ))
        .first(connection)
        .await
        .optional()?;
    let Some((created_at, name, width, height)) = plan else {
        return Ok(None);
    };
    let categories: Vec<(String, String)> = plan_categories::table
        .filter(plan_categories::plan_id.eq(id))
        .order(plan_categories::category_no)
        .select((plan_categories::name, plan_categories::color))
        .load(connection)
        .await?;
    let zones: Vec<(String, ZoneKind, f64, f64, Value)> = plan_zones::table
        .filter(plan_zones::plan_id.eq(id))
        .order(plan_zones::zone_no)
        .select((
            plan_zones::name,
            plan_zones::kind,
            plan_zones::x,
            plan_zones::y,
            plan_zones::areas,
        ))
        .load(connection)
        .await?;
    let seats: Vec<SeatRow> = plan_seats::table
        .filter(plan_seats::plan_id.eq(id))
        .order(plan_seats::seat_no)
        .select(SeatRow::as_select())
        .load(connection)
        .await?;
    let categories = categories
        .into_iter()
        .map(|(name, color)| Category { name, color })
        .collect();
    let zones = zones
        .into_iter()
        .map(|(name, kind, x, y, areas)| Zone {
            name,
            kind,
            x,
            y,
            areas,
        })
        .collect();
    let seats = seats.into_iter().map(PlanSeat::from).collect();
    let identity = (id, created_at);
    let plan = SeatingPlan::new(identity, name, (width, height), categories, zones, seats);
    Ok(Some(plan))
}

impl From<SeatRow> for PlanSeat {
    fn from(row: SeatRow) -> Self {
        Self {
            guid: row.guid,
            zone: index(row.zone_no),
            row: row
                .row_no
                .zip(row.row_label)
                .map(|(number, label)| PlanRow {
                    index: index(number),
                    label,
                }),
            number: row.number,
            label: row.label,
            category: index(row.category_no),
            accessible: row.accessible,
            x: row.x,
            y: row.y,
        }
    }
}

/// A place in a plan as the database keeps it. A document has at most 200,000
/// seats and no more rows, zones or categories, so nothing is ever cut off.
fn number(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

fn index(number: i32) -> usize {
    usize::try_from(number).unwrap_or_default()
}

/// Whether there is any plan at all.
///
/// # Errors
/// When the database fails.
pub async fn any(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    let any = diesel::dsl::exists(seating_plans::table.select(seating_plans::id));
    diesel::select(any).get_result(connection).await
}
