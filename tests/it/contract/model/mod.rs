//! The contract as a plain state machine: what every mutation answers, and what it
//! leaves, if one request comes after the other.
//!
//! It is written from the contract and shares no code with usher. Holds and bookings
//! are numbered in the order in which they are made; an answer is the mutation's
//! result as JSON with these numbers as ids, and a seat is `[number, version, status]`.

mod asked;
mod buying;
mod changing;
mod rules;
mod selling;

pub use self::asked::{Asked, Change, Exchanged, Expected, Person, Presented, Request, Token};

use self::rules::require_staff;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where a seat stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Available,
    Held,
    Booked,
    Blocked,
}

/// What has a seat: by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Hold(usize),
    Booking(usize),
}

/// A seat of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    pub version: i64,
    pub status: Status,
    pub owner: Option<Owner>,
}

/// Where a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldStatus {
    Active,
    Released,
    Confirmed,
    Lapsed,
}

/// A hold.
#[derive(Clone, Debug)]
pub struct Hold {
    pub buyer: Option<&'static str>,
    pub status: HoldStatus,
    /// Its time has passed, whether that is published or not.
    pub is_over: bool,
    /// How many ends it has had so far, beside the present one.
    pub earlier_ends: usize,
    /// Its seats, and what each costs.
    pub seats: BTreeMap<usize, i64>,
}

/// A booking.
#[derive(Clone, Debug)]
pub struct Booking {
    pub version: i64,
    pub buyer: Option<&'static str>,
    /// The hold that it was; none when staff sold it by hand.
    pub hold: Option<usize>,
    pub is_cancelled: bool,
    /// Its seats, and what each costs.
    pub seats: BTreeMap<usize, i64>,
    pub payment_reference: Option<&'static str>,
}

/// Where the event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventStatus {
    OnSale,
    Closed,
    Cancelled,
}

/// What the event allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub seats_per_hold: usize,
    pub seats_per_buyer: usize,
    pub holds_per_buyer: usize,
    /// A hold may be extended.
    pub is_extendable: bool,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub data: Value,
    /// It is done, now or before, and not refused.
    pub is_done: bool,
    /// The same was answered before: nothing was done.
    pub is_replay: bool,
}

/// A rule of the contract that a model breaks, to see that the difference is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenRule {
    /// An old version is as good as the present one.
    Versions,
    /// Limits count nothing but the hold at hand.
    Limits,
    /// A request that is sent again is done again.
    Keys,
    /// A lapsed hold keeps its seats until that is published.
    Lapse,
}

/// One event, and all that was done to it.
#[derive(Clone, Debug)]
pub struct Model {
    pub seats: Vec<Seat>,
    /// The category of each seat, and what a seat of each costs.
    categories: Vec<usize>,
    prices: [i64; 2],
    pub holds: Vec<Hold>,
    pub bookings: Vec<Booking>,
    limits: Limits,
    pub status: EventStatus,
    pub version: i64,
    done: BTreeMap<(Person, u8), (Request, Value)>,
    broken: Option<BrokenRule>,
}

/// Done, or refused: what is answered.
type Outcome = Result<Value, Value>;

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Available => "AVAILABLE",
            Self::Held => "HELD",
            Self::Booked => "BOOKED",
            Self::Blocked => "BLOCKED",
        }
    }
}

impl HoldStatus {
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Released => "RELEASED",
            Self::Confirmed => "CONFIRMED",
            Self::Lapsed => "LAPSED",
        }
    }
}

impl EventStatus {
    fn name(self) -> &'static str {
        match self {
            Self::OnSale => "ON_SALE",
            Self::Closed => "CLOSED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl Model {
    /// An event on sale, at this version, with seats of these categories.
    pub fn new(
        categories: Vec<usize>,
        prices: [i64; 2],
        limits: Limits,
        version: i64,
        broken: Option<BrokenRule>,
    ) -> Self {
        let new = Seat {
            version: 1,
            status: Status::Available,
            owner: None,
        };
        Self {
            seats: vec![new; categories.len()],
            categories,
            prices,
            holds: Vec::new(),
            bookings: Vec::new(),
            limits,
            status: EventStatus::OnSale,
            version,
            done: BTreeMap::new(),
            broken,
        }
    }

    /// What is answered; what it does is done.
    pub fn answer(&mut self, asked: &Asked) -> Answer {
        let first = |data, is_done| Answer {
            data,
            is_done,
            is_replay: false,
        };
        if let Err(refused) = require_staff(asked.who, &asked.request) {
            return first(refused, false);
        }
        let key = asked.key.map(|key| (asked.who, key));
        if let Some(done) = key.and_then(|key| self.done.get(&key))
            && self.broken != Some(BrokenRule::Keys)
        {
            return if done.0 == asked.request {
                Answer {
                    data: once(done.1.clone()),
                    is_done: true,
                    is_replay: true,
                }
            } else {
                first(error("IDEMPOTENCY_KEY_REUSED"), false)
            };
        }
        match self.perform(asked.who, &asked.request) {
            Ok(done) => {
                if let Some(key) = key {
                    self.done.insert(key, (asked.request.clone(), done.clone()));
                }
                first(done, true)
            }
            Err(refused) => first(refused, false),
        }
    }

    fn perform(&mut self, who: Person, request: &Request) -> Outcome {
        match request {
            Request::Hold { seats, into, retry } => self.hold(who, seats, *into, *retry),
            Request::Release { token, seats } => self.release(who, *token, seats.as_deref()),
            Request::Confirm {
                token,
                payment_reference,
            } => self.confirm(who, *token, *payment_reference),
            Request::Extend { token } => self.extend(who, *token),
            Request::Exchange {
                of,
                give,
                take,
                retry,
            } => self.exchange(who, *of, give, take, *retry),
            Request::CancelBooking { booking, seats } => {
                self.cancel_booking(who, *booking, seats.as_deref())
            }
            Request::Block { seats, retry } => self.block(seats, *retry),
            Request::Unblock { seats, retry } => self.unblock(seats, *retry),
            Request::Book {
                seats,
                buyer,
                retry,
            } => self.book(seats, *buyer, *retry),
            Request::Update { version, change } => self.update(*version, *change),
            Request::OpenSale { version } => self.open_sale(*version),
            Request::CloseSale { version } => self.close_sale(*version),
            Request::CancelEvent { version } => self.cancel_event(*version),
        }
    }

    /// The time of a running hold passes.
    pub fn lapse(&mut self, hold: usize) {
        self.holds[hold].is_over = true;
    }

    /// What has lapsed is published.
    pub fn publish(&mut self) {
        for number in 0..self.holds.len() {
            let hold = &self.holds[number];
            if hold.status != HoldStatus::Active || !hold.is_over {
                continue;
            }
            for seat in hold.seats.keys().copied().collect::<Vec<_>>() {
                if self.seats[seat].owner == Some(Owner::Hold(number)) {
                    self.change(seat, Status::Available, None);
                }
            }
            self.holds[number].status = HoldStatus::Lapsed;
        }
    }

    /// A seat as it is, as it is answered.
    pub fn seat(&self, seat: usize) -> Value {
        let Seat {
            version, status, ..
        } = self.seats[seat];
        json!([seat, version, status.name()])
    }

    fn seats_json<'a>(&self, seats: impl IntoIterator<Item = &'a usize>) -> Value {
        seats.into_iter().map(|seat| self.seat(*seat)).collect()
    }

    fn hold_json(&self, number: usize) -> Value {
        let hold = &self.holds[number];
        json!({
            "id": number, "expiresAt": hold.earlier_ends,
            "total": euros(hold.seats.values().sum()),
            "seats": self.seats_json(hold.seats.keys()),
        })
    }

    fn booking_json(&self, number: usize) -> Value {
        let booking = &self.bookings[number];
        json!({
            "id": number, "reference": number, "version": booking.version,
            "status": if booking.is_cancelled { "CANCELLED" } else { "CONFIRMED" },
            "paymentReference": booking.payment_reference,
            "total": euros(booking.seats.values().sum()),
            "seats": self.seats_json(booking.seats.keys()),
        })
    }

    fn event_json(&self) -> Value {
        json!({"id": 0, "version": self.version, "status": self.status.name()})
    }

    fn price(&self, seat: usize) -> i64 {
        self.prices[self.categories[seat]]
    }

    fn change(&mut self, seat: usize, status: Status, owner: Option<Owner>) {
        let seat = &mut self.seats[seat];
        seat.version += 1;
        (seat.status, seat.owner) = (status, owner);
    }
}

fn euros(minor: i64) -> Value {
    json!({"amountMinor": minor, "currency": "EUR"})
}

/// What is answered the second time took one transaction.
fn once(mut data: Value) -> Value {
    if let Some(attempts) = data.get_mut("attempts") {
        *attempts = json!(1);
    }
    data
}

fn error(code: &str) -> Value {
    json!({"error": code})
}

/// A refusal: its type, its code, and what else it says.
fn refusal(name: &str, code: &str, more: Value) -> Value {
    let mut refusal = json!({"__typename": name, "code": code});
    let (Value::Object(refusal_fields), Value::Object(more)) = (&mut refusal, more) else {
        panic!("what else it says is an object");
    };
    refusal_fields.extend(more);
    refusal
}
