//! What is left in the end, there and in the model.

use super::known::uuid_of;
use super::{World, same};
use crate::contract::model::Owner;
use crate::contract::steps::SEATS;
use crate::support::checks;
use diesel::QueryableByName;
use diesel::sql_types::{Array, Integer, Nullable, Text};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use std::collections::BTreeMap;

impl World<'_> {
    /// Compares what is left in the end.
    ///
    /// # Errors
    /// When it differs.
    pub async fn end(mut self) -> Result<(), String> {
        let event = self.event.clone();
        let map = self.house.visitor().seat_map(&event).await["seats"].take();
        let mut map = self.known.translate(map);
        let expected: Value = (0..SEATS).map(|seat| self.model.seat(seat)).collect();
        same("the seat map", &map.take(), &expected)?;

        let owners = self
            .rows(
                "seat_no::text AS id, status, ARRAY[seat_no] AS seats, \
                                owner_id::text AS more",
                "seats",
                "seat_no",
            )
            .await;
        let expected = self.model.seats.iter().zip(0..).map(|(seat, number)| Row {
            id: number.to_string(),
            status: seat.status.name().to_owned(),
            seats: vec![number],
            more: seat.owner.map(|owner| match owner {
                Owner::Hold(hold) => uuid_of(&self.known.holds[hold]),
                Owner::Booking(booking) => uuid_of(&self.known.bookings[booking]),
            }),
        });
        same("seats and their owners", &owners, &expected.collect())?;

        let columns = "id::text AS id, status, seat_nos AS seats, buyer AS more";
        let holds = self.rows(columns, "holds", "id").await;
        let mut expected: Vec<Row> = self
            .model
            .holds
            .iter()
            .zip(&self.known.holds)
            .map(|(hold, id)| Row {
                id: uuid_of(id),
                status: hold.status.name().to_owned(),
                seats: seat_nos(&hold.seats),
                more: hold.buyer.map(str::to_owned),
            })
            .collect();
        expected.sort();
        same("the holds", &holds, &expected)?;

        let bookings = self.rows(columns, "bookings", "id").await;
        let mut expected: Vec<Row> = self
            .model
            .bookings
            .iter()
            .zip(&self.known.bookings)
            .map(|(booking, id)| Row {
                id: uuid_of(id),
                status: if booking.is_cancelled {
                    "CANCELLED"
                } else {
                    "CONFIRMED"
                }
                .to_owned(),
                seats: seat_nos(&booking.seats),
                more: booking.buyer.map(str::to_owned),
            })
            .collect();
        expected.sort();
        same("the bookings", &bookings, &expected)?;

        let violations = checks::violations(&mut self.sql).await;
        same("what is broken", &violations, &Vec::new())
    }

    async fn rows(&mut self, columns: &str, table: &str, order: &str) -> Vec<Row> {
        let event = self.event_key;
        let query =
            format!("SELECT {columns} FROM {table} WHERE event_id = {event} ORDER BY {order}");
        diesel::sql_query(query).load(&mut self.sql).await.unwrap()
    }
}

/// A row of the database that the model knows as well.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Array<Integer>)]
    seats: Vec<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    more: Option<String>,
}

fn seat_nos(seats: &BTreeMap<usize, i64>) -> Vec<i32> {
    let seats = seats.keys();
    seats.map(|seat| i32::try_from(*seat).unwrap()).collect()
}
