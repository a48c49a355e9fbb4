//! Seating plans.

use crate::domain::plan_drawing;
use crate::model::global_id::GlobalId;
use crate::model::seating_plan as model;
use crate::model::status;
use async_graphql::{Enum, ID, Json, Object, SimpleObject};
use std::sync::Arc;

/// The drawing of a hall. It never changes: another drawing is another plan.
#[derive(Clone)]
pub struct SeatingPlan(pub Arc<model::SeatingPlan>);

/// The drawing of a hall. It never changes: another drawing is another plan.
#[Object]
impl SeatingPlan {
    /// Global id.
    pub(in crate::graphql) async fn id(&self) -> ID {
        GlobalId::SeatingPlan(self.0.id).to_string().into()
    }

    /// Where its drawing is on this server, for `GET`: a JSON document with the labels,
    /// positions and categories of all seats, which clients may keep for ever. Use it as
    /// it is: it is another one in another database, though the id be the same.
    async fn path(&self) -> String {
        let (id, made) = (GlobalId::SeatingPlan(self.0.id), self.0.created_at);
        let made = made.timestamp_micros();
        format!("/plans/{id}?v={}-{made}", plan_drawing::FORMAT)
    }

    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Width of the drawing, in the units of the seats' positions.
    async fn width(&self) -> f64 {
        self.0.width
    }

    /// Height of the drawing, in the units of the seats' positions.
    async fn height(&self) -> f64 {
        self.0.height
    }

    /// How many places it has, standing ones included.
    async fn seat_count(&self) -> usize {
        self.0.seats.len()
    }

    /// Its price levels.
    async fn categories(&self) -> Vec<Category> {
        self.0
            .categories
            .iter()
            .map(|category| Category {
                name: category.name.clone(),
                color: category.color.clone(),
            })
            .collect()
    }

    /// Its parts.
    async fn zones(&self) -> Vec<Zone> {
        self.0
            .zones
            .iter()
            .map(|zone| Zone {
                name: zone.name.clone(),
                kind: zone.kind.into(),
                x: zone.x,
                y: zone.y,
                areas: Json(zone.areas.clone()),
            })
            .collect()
    }
}

/// A price level of a plan.
#[derive(SimpleObject)]
struct Category {
    /// What it is called; unique in its plan.
    name: String,
    /// The colour to draw its seats in, as CSS writes it.
    color: String,
}

/// A named part of a plan.
#[derive(SimpleObject)]
struct Zone {
    /// What it is called.
    name: String,
    /// What kind of places it has.
    kind: ZoneKind,
    /// Its origin, in plan units from the left.
    x: f64,
    /// Its origin, in plan units from the top.
    y: f64,
    /// Shapes to draw, relative to the zone's origin, as the imported document
    /// has them.
    areas: Json<serde_json::Value>,
}

/// What kind of places a zone has.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "status::ZoneKind")]
enum ZoneKind {
    /// Rows of seats.
    Seated,
    /// A number of places without row, number or position.
    GeneralAdmission,
}
