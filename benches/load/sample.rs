//! A watcher that reads everything: what it knows, and when it came to know it.

use crate::Outcome;
use crate::report::new_histogram;
use crate::server::Server;
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::collections::HashMap;
use std::time::Instant;
use usher::model::global_id::GlobalId;
use usher::model::ids::{EventId, SeatNo};

/// When a change was answered to whoever made it.
pub type Answered = HashMap<(SeatNo, i32), Instant>;

/// The versions that are known of the seats, and when each of them became known.
#[derive(Default)]
pub struct Sample {
    versions: HashMap<SeatNo, i32>,
    arrivals: Vec<(SeatNo, i32, Instant)>,
}

#[derive(Deserialize)]
struct Message {
    payload: Payload,
}

#[derive(Deserialize)]
struct Payload {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    seat_map: Map,
}

#[derive(Deserialize)]
struct Map {
    #[serde(alias = "changes")]
    seats: Vec<Seat>,
}

#[derive(Deserialize)]
struct Seat {
    #[serde(alias = "seatId")]
    id: String,
    version: i32,
}

impl Sample {
    /// Takes a snapshot or a delta.
    pub fn hear(&mut self, text: &[u8], now: Instant) -> Outcome<()> {
        let message: Message = serde_json::from_slice(text)?;
        let is_first = self.versions.is_empty();
        for seat in message.payload.data.seat_map.seats {
            let Ok(GlobalId::Seat(_, seat_no)) = seat.id.parse() else {
                return Err(format!("not a seat: {}", seat.id).into());
            };
            let known = self.versions.entry(seat_no).or_default();
            if !is_first {
                // Whoever is told of a newer version has not missed those before it.
                for version in *known + 1..=seat.version {
                    self.arrivals.push((seat_no, version, now));
                }
            }
            *known = seat.version.max(*known);
        }
        Ok(())
    }

    /// From each answer to the arrival here, in microseconds: none when the change was
    /// here before the answer was there.
    pub fn delays(&self, answered: &Answered) -> Outcome<Histogram<u64>> {
        let mut delays = new_histogram();
        for (seat_no, version, arrived) in &self.arrivals {
            if let Some(answered) = answered.get(&(*seat_no, *version)) {
                let delay = arrived.saturating_duration_since(*answered);
                delays.record(u64::try_from(delay.as_micros())?)?;
            }
        }
        Ok(delays)
    }
}

/// Fails unless everybody knows what the database knows.
pub async fn check(server: &Server, event: EventId, samples: &[Sample]) -> Outcome<()> {
    let query = "SELECT seat_no, version FROM seats WHERE event_id = $1";
    let rows = server.sql().await?.query(query, &[&event.0]).await?;
    let mut versions = HashMap::with_capacity(rows.len());
    for row in rows {
        versions.insert(row.try_get::<_, i32>(0)?, row.try_get::<_, i32>(1)?);
    }
    for sample in samples {
        if sample.versions != versions {
            let is_wrong = |seat: &&SeatNo| sample.versions.get(seat) != versions.get(seat);
            let wrong = versions.keys().filter(is_wrong).count();
            return Err(format!("the run is void: a watcher is wrong about {wrong} seats").into());
        }
    }
    Ok(())
}
