//! Relay's global object identification: one opaque text for any node.
//! <https://relay.dev/graphql/objectidentification.htm>
//!
//! **Invariant:** the id of a seat is base64url, without padding, of `Seat:`, the event's
//! number, `:` and the seat's place in the plan's order; the id of an event is that of
//! `Event:` and its number. All other ids are opaque. These two are promised to clients
//! (`docs/compact-maps.md`): one that loads the compact form of a map has no other way to
//! name a seat.

use crate::model::ids::{BookingId, EventId, HoldId, PlanId, SeatNo, VenueId};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;

/// Any node of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalId {
    /// A venue.
    Venue(VenueId),
    /// A seating plan.
    SeatingPlan(PlanId),
    /// An event.
    Event(EventId),
    /// One seat of one event.
    Seat(EventId, SeatNo),
    /// A hold.
    Hold(EventId, HoldId),
    /// A booking.
    Booking(EventId, BookingId),
}

/// The text is not an id that usher gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this API: ids are opaque, pass them on exactly as they came")]
pub struct MalformedId;

impl GlobalId {
    /// The name of the GraphQL type that the id stands for.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Venue(_) => "Venue",
            Self::SeatingPlan(_) => "SeatingPlan",
            Self::Event(_) => "Event",
            Self::Seat(..) => "Seat",
            Self::Hold(..) => "Hold",
            Self::Booking(..) => "Booking",
        }
    }
}

impl fmt::Display for GlobalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.type_name();
        let plain = match self {
            Self::Venue(id) => format!("{name}:{id}"),
            Self::SeatingPlan(id) => format!("{name}:{id}"),
            Self::Event(id) => format!("{name}:{id}"),
            Self::Seat(event, seat_no) => format!("{name}:{event}:{seat_no}"),
            Self::Hold(event, id) => format!("{name}:{event}:{id}"),
            Self::Booking(event, id) => format!("{name}:{event}:{id}"),
        };
        formatter.write_str(&URL_SAFE_NO_PAD.encode(plain))
    }
}

impl FromStr for GlobalId {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| MalformedId)?;
        let plain = std::str::from_utf8(&bytes).map_err(|_| MalformedId)?;
        let (name, key) = plain.split_once(':').ok_or(MalformedId)?;
        let two = || key.split_once(':').ok_or(MalformedId);
        let id = match name {
            "Venue" => Self::Venue(VenueId(parse(key)?)),
            "SeatingPlan" => Self::SeatingPlan(PlanId(parse(key)?)),
            "Event" => Self::Event(EventId(parse(key)?)),
            "Seat" => Self::Seat(EventId(parse(two()?.0)?), parse(two()?.1)?),
            "Hold" => Self::Hold(EventId(parse(two()?.0)?), HoldId(parse(two()?.1)?)),
            "Booking" => Self::Booking(EventId(parse(two()?.0)?), BookingId(parse(two()?.1)?)),
            _ => return Err(MalformedId),
        };
        // One node has one id: "+7", "007" and other spellings are refused.
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(MalformedId)
        }
    }
}

fn parse<T: FromStr>(text: &str) -> Result<T, MalformedId> {
    text.parse().map_err(|_| MalformedId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn every_kind_survives_its_text_form() {
        let uuid = Uuid::from_u128(7);
        for id in [
            GlobalId::Venue(VenueId(1)),
            GlobalId::SeatingPlan(PlanId(2)),
            GlobalId::Event(EventId(i64::MAX)),
            GlobalId::Seat(EventId(3), 2_399),
            GlobalId::Hold(EventId(4), HoldId(uuid)),
            GlobalId::Booking(EventId(5), BookingId(uuid)),
        ] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    /// Clients make these ids themselves: `web/compact-seats.js` has the same vectors.
    #[test]
    fn the_id_of_a_seat_follows_from_its_event_and_its_place() {
        let vectors = include_str!("../../tests/vectors/compact-seats.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let vectors = vectors["seatIds"].as_array().unwrap();
        assert!(vectors.len() >= 5);
        for vector in vectors {
            let Ok(GlobalId::Event(event)) = vector["eventId"].as_str().unwrap().parse() else {
                panic!("{vector} has no id of an event");
            };
            let seat_no = vector["seatNo"].as_i64().unwrap().try_into().unwrap();
            let id = GlobalId::Seat(event, seat_no);
            assert_eq!(vector["seatId"], id.to_string());
        }
    }

    #[test]
    fn refuses_what_is_not_one() {
        let encode = |plain: &str| URL_SAFE_NO_PAD.encode(plain);
        for bad in [
            String::new(),
            "42".to_owned(),
            "Event:42".to_owned(),
            encode("Event:"),
            encode("Event:+42"),
            encode("Event:042"),
            encode("Event:9223372036854775808"),
            encode("Seat:1"),
            encode("Seat:1:2147483648"),
            encode("Hold:1:7"),
            encode("Order:1"),
            URL_SAFE_NO_PAD.encode([0xff, 0xfe]),
        ] {
            assert_eq!(bad.parse::<GlobalId>(), Err(MalformedId), "{bad:?}");
        }
    }
}
