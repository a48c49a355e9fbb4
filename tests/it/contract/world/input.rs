//! What the model's requests are in the words of the server.

use super::World;
use crate::contract::calls::Mutation;
use crate::contract::model::{Asked, Change, Exchanged, Expected, Presented, Request, Token};
use serde_json::{Value, json};

/// A token that nobody was given.
const NOBODYS: &str = "nobody was given this";

impl World<'_> {
    /// Which mutation, and its input.
    pub fn input(&self, asked: &Asked) -> (Mutation, Value) {
        let (mutation, mut input) = match &asked.request {
            Request::Hold { seats, into, retry } => {
                let into = into.as_ref().map(|token| self.token(*token));
                let mut input = self.seats_input(seats, *retry);
                input["holdToken"] = json!(into);
                (Mutation::HoldSeats, input)
            }
            Request::Release { token, seats } => {
                let seats = seats.as_deref().map(|seats| self.ids(seats));
                let input = json!({"token": self.token(*token), "seatIds": seats});
                (Mutation::ReleaseHold, input)
            }
            Request::Extend { token } => {
                (Mutation::ExtendHold, json!({"token": self.token(*token)}))
            }
            Request::Confirm {
                token,
                payment_reference,
            } => {
                let token = self.token(*token);
                let input = json!({"token": token, "paymentReference": payment_reference});
                (Mutation::ConfirmHold, input)
            }
            Request::Exchange {
                of,
                give,
                take,
                retry,
            } => {
                let mut input = match of {
                    Exchanged::Hold(token) => json!({"token": self.token(*token)}),
                    Exchanged::Booking(presented) => self.presented(*presented, "bookingVersion"),
                };
                input["giveSeatIds"] = json!(self.ids(give));
                input["takeSeats"] = self.versions(take);
                input["onConflict"] = policy(*retry);
                (Mutation::ExchangeSeats, input)
            }
            Request::CancelBooking { booking, seats } => {
                let mut input = self.presented(*booking, "version");
                input["seatIds"] = json!(seats.as_deref().map(|seats| self.ids(seats)));
                (Mutation::CancelBooking, input)
            }
            Request::Block { seats, retry } => {
                (Mutation::BlockSeats, self.seats_input(seats, *retry))
            }
            Request::Unblock { seats, retry } => {
                (Mutation::UnblockSeats, self.seats_input(seats, *retry))
            }
            Request::Book {
                seats,
                buyer,
                retry,
            } => {
                let mut input = self.seats_input(seats, *retry);
                input["buyer"] = json!(buyer);
                (Mutation::BookSeats, input)
            }
            Request::Update { version, change } => {
                let mut input = self.event_input(*version);
                let (field, value) = changed(*change);
                input[field] = value;
                (Mutation::UpdateEvent, input)
            }
            Request::OpenSale { version } => (Mutation::OpenSale, self.event_input(*version)),
            Request::CloseSale { version } => (Mutation::CloseSale, self.event_input(*version)),
            Request::CancelEvent { version } => (Mutation::CancelEvent, self.event_input(*version)),
        };
        if let Some(key) = asked.key {
            input["idempotencyKey"] = json!(format!("event {} key {key:06}", self.event_key));
        }
        (mutation, input)
    }

    fn token(&self, token: Token) -> &str {
        token.map_or(NOBODYS, |hold| self.known.tokens[hold].as_str())
    }

    fn ids(&self, seats: &[usize]) -> Vec<&str> {
        let seats = seats.iter();
        seats.map(|seat| self.seats[*seat].as_str()).collect()
    }

    fn versions(&self, seats: &[Expected]) -> Value {
        let seats = seats.iter();
        seats
            .map(|(seat, version)| json!({"seatId": self.seats[*seat], "version": version}))
            .collect()
    }

    fn seats_input(&self, seats: &[Expected], retry: bool) -> Value {
        let seats = self.versions(seats);
        json!({"eventId": self.event, "seats": seats, "onConflict": policy(retry)})
    }

    fn event_input(&self, version: i64) -> Value {
        json!({"eventId": self.event, "version": version})
    }

    fn presented(&self, presented: Presented, version: &str) -> Value {
        let token = presented.token.map(|hold| self.known.tokens[hold].as_str());
        let reference = &self.known.references[presented.booking];
        json!({"reference": reference, "token": token, version: presented.version})
    }
}

fn policy(retry: bool) -> Value {
    json!(if retry { "RETRY" } else { "REPORT" })
}

fn changed(change: Change) -> (&'static str, Value) {
    match change {
        Change::PriceOfStalls(price) => {
            let prices = json!([{"category": "Stalls", "amountMinor": price}]);
            ("prices", prices)
        }
        Change::SeatsPerHold(seats) => ("maxSeatsPerHold", json!(seats)),
        Change::SeatsPerBuyer(seats) => ("maxSeatsPerBuyer", json!(seats)),
        Change::HoldsPerBuyer(holds) => ("maxHoldsPerBuyer", json!(holds)),
        // A hold lasts 600 seconds without an extension.
        Change::IsExtendable(is_extendable) => {
            let seconds = if is_extendable { 1_800 } else { 600 };
            ("holdTotalSeconds", json!(seconds))
        }
    }
}
