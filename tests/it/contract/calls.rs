//! Every mutation as these tests call it: its input's type, and all that is asked
//! about its answer.

use crate::support::actor::Actor;
use serde_json::{Value, json};

/// A mutation that these tests call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mutation {
    HoldSeats,
    HoldBestAvailable,
    ReleaseHold,
    ExtendHold,
    ConfirmHold,
    ExchangeSeats,
    CancelBooking,
    BlockSeats,
    UnblockSeats,
    BookSeats,
    UpdateEvent,
    OpenSale,
    CloseSale,
    CancelEvent,
}

const SEAT: &str = "id version status";
const HOLD: &str = "id expiresAt total { amountMinor currency } seats { id version status }";
const BOOKING: &str = "id reference version status paymentReference \
    total { amountMinor currency } seats { id version status }";
const EVENT: &str = "id version status";
/// What may be answered to more than one of them.
const REFUSALS: [(&str, &str); 7] = [
    (
        "SeatConflict",
        "attempts conflicts { expectedVersion seat { id version status } } \
         alternatives { id version status }",
    ),
    ("LimitExceeded", "kind limit requested"),
    ("SaleNotOpen", "status opensAt closedAt"),
    ("HoldLapsed", "lost { id version status }"),
    (
        "BookingVersionConflict",
        "expectedVersion booking { id reference version status paymentReference \
           total { amountMinor currency } seats { id version status } }",
    ),
    (
        "EventVersionConflict",
        "expectedVersion event { id version status }",
    ),
    ("EventStatusConflict", "event { id version status }"),
];

impl Mutation {
    /// Its name in the schema.
    fn field(self) -> &'static str {
        match self {
            Self::HoldSeats => "holdSeats",
            Self::HoldBestAvailable => "holdBestAvailable",
            Self::ReleaseHold => "releaseHold",
            Self::ExtendHold => "extendHold",
            Self::ConfirmHold => "confirmHold",
            Self::ExchangeSeats => "exchangeSeats",
            Self::CancelBooking => "cancelBooking",
            Self::BlockSeats => "blockSeats",
            Self::UnblockSeats => "unblockSeats",
            Self::BookSeats => "bookSeats",
            Self::UpdateEvent => "updateEvent",
            Self::OpenSale => "openSale",
            Self::CloseSale => "closeSale",
            Self::CancelEvent => "cancelEvent",
        }
    }

    /// The types of [`REFUSALS`] that its result may be.
    fn refusals(self) -> &'static [&'static str] {
        match self {
            Self::HoldSeats | Self::HoldBestAvailable => {
                &["SeatConflict", "LimitExceeded", "SaleNotOpen"]
            }
            Self::ReleaseHold => &[],
            Self::ExtendHold => &["SaleNotOpen"],
            Self::ConfirmHold => &["HoldLapsed", "LimitExceeded", "SaleNotOpen"],
            Self::ExchangeSeats => &[
                "SeatConflict",
                "LimitExceeded",
                "SaleNotOpen",
                "BookingVersionConflict",
            ],
            Self::CancelBooking => &["BookingVersionConflict"],
            Self::BlockSeats | Self::UnblockSeats | Self::BookSeats => {
                &["SeatConflict", "EventStatusConflict"]
            }
            Self::UpdateEvent | Self::OpenSale | Self::CloseSale | Self::CancelEvent => {
                &["EventVersionConflict", "EventStatusConflict"]
            }
        }
    }

    /// What is asked when it was done.
    fn success(self) -> String {
        match self {
            Self::HoldSeats | Self::HoldBestAvailable => {
                format!("... on SeatsHeld {{ token attempts cursor hold {{ {HOLD} }} }}")
            }
            Self::ReleaseHold => {
                format!("... on SeatsReleased {{ cursor seats {{ {SEAT} }} hold {{ {HOLD} }} }}")
            }
            Self::ConfirmHold => {
                format!("... on HoldConfirmed {{ cursor booking {{ {BOOKING} }} }}")
            }
            Self::ExtendHold => format!("... on HoldExtended {{ hold {{ {HOLD} }} }}"),
            Self::ExchangeSeats => format!(
                "... on SeatsExchanged {{ attempts cursor hold {{ {HOLD} }} \
                     booking {{ {BOOKING} }} given {{ {SEAT} }} taken {{ {SEAT} }} \
                     priceDifference {{ amountMinor currency }} }}"
            ),
            Self::CancelBooking => format!(
                "... on BookingCancelled {{ attempts cursor booking {{ {BOOKING} }} \
                     seats {{ {SEAT} }} refund {{ amountMinor currency }} }}"
            ),
            Self::BlockSeats => {
                format!("... on SeatsBlocked {{ attempts cursor seats {{ {SEAT} }} }}")
            }
            Self::UnblockSeats => {
                format!("... on SeatsUnblocked {{ attempts cursor seats {{ {SEAT} }} }}")
            }
            Self::BookSeats => {
                format!("... on SeatsBooked {{ attempts cursor booking {{ {BOOKING} }} }}")
            }
            Self::UpdateEvent => format!("... on EventUpdated {{ event {{ {EVENT} }} }}"),
            Self::OpenSale => format!("... on SaleOpened {{ event {{ {EVENT} }} }}"),
            Self::CloseSale => format!("... on SaleClosed {{ event {{ {EVENT} }} }}"),
            Self::CancelEvent => format!(
                "... on EventCancelled {{ cursor endedHolds releasedSeats event {{ {EVENT} }} }}"
            ),
        }
    }

    /// Calls it and answers what it came to: `{"error": code}`, or the result's data.
    pub async fn call(self, actor: &Actor, input: &Value) -> Value {
        let field = self.field();
        let (head, tail) = field.split_at(1);
        let input_type = format!("{}{tail}Input", head.to_uppercase());
        let refusals = REFUSALS
            .iter()
            .filter(|(name, _)| self.refusals().contains(name))
            .map(|(name, fields)| format!("... on {name} {{ {fields} }}"))
            .collect::<Vec<_>>()
            .join(" ");
        let query = format!(
            "mutation($input: {input_type}!) {{ {field}(input: $input) {{ __typename \
               {success} {refusals} ... on Refusal {{ code message }} }} }}",
            success = self.success(),
        );
        let answer = actor.ask(&query, json!({"input": input})).await;
        match answer.0["errors"][0]["extensions"]["code"].as_str() {
            Some(code) => json!({"error": code}),
            None => answer.data()[field].clone(),
        }
    }
}
