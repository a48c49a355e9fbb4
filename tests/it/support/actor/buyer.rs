//! What a buyer does.

use super::{Actor, Answer, SEAT};
use crate::support::house::Seat;
use serde_json::{Value, json};

impl Actor {
    pub async fn hold(&self, event: &str, seats: &[Seat]) -> Answer {
        self.hold_into(event, seats, None).await
    }

    pub async fn hold_into(&self, event: &str, seats: &[Seat], token: Option<&str>) -> Answer {
        let seats: Vec<Value> = seats.iter().map(Seat::input).collect();
        let mut input = json!({"eventId": event, "seats": seats});
        if let Some(token) = token {
            input["holdToken"] = json!(token);
        }
        self.hold_input(&input).await
    }

    /// `holdSeats` with exactly this input.
    pub async fn hold_input(&self, input: &Value) -> Answer {
        self.call("holdSeats", "HoldSeatsInput", &held_or_not(), input)
            .await
    }

    /// The best seats for a party that may be parted.
    pub async fn best(&self, event: &str, quantity: usize) -> Answer {
        self.best_input(&json!({"eventId": event, "quantity": quantity}))
            .await
    }

    /// `holdBestAvailable` with exactly this input.
    pub async fn best_input(&self, input: &Value) -> Answer {
        let input_type = "HoldBestAvailableInput";
        self.call("holdBestAvailable", input_type, &held_or_not(), input)
            .await
    }

    pub async fn release(&self, token: &str, seats: Option<&[&str]>) -> Answer {
        let mut input = json!({"token": token});
        if let Some(seats) = seats {
            input["seatIds"] = json!(seats);
        }
        self.release_input(&input).await
    }

    /// `releaseHold` with exactly this input.
    pub async fn release_input(&self, input: &Value) -> Answer {
        let selection = format!(
            "... on SeatsReleased {{ cursor seats {{ {SEAT} }} \
                 hold {{ id total {{ amountMinor }} seats {{ {SEAT} }} }} }}"
        );
        self.call("releaseHold", "ReleaseHoldInput", &selection, input)
            .await
    }

    pub async fn confirm(&self, token: &str) -> Answer {
        self.confirm_input(&json!({"token": token})).await
    }

    /// `confirmHold` with exactly this input.
    pub async fn confirm_input(&self, input: &Value) -> Answer {
        let selection = format!(
            "... on HoldConfirmed {{ cursor booking {{ id reference version status \
                 paymentReference total {{ amountMinor currency }} seats {{ {SEAT} }} }} }} \
             ... on HoldLapsed {{ lost {{ {SEAT} }} }} \
             ... on LimitExceeded {{ kind limit requested }} \
             ... on SaleNotOpen {{ status }}"
        );
        self.call("confirmHold", "ConfirmHoldInput", &selection, input)
            .await
    }

    pub async fn extend(&self, token: &str) -> Answer {
        self.extend_input(&json!({"token": token})).await
    }

    /// `extendHold` with exactly this input.
    pub async fn extend_input(&self, input: &Value) -> Answer {
        let selection = format!(
            "... on HoldExtended {{ attempts hold {{ id expiresAt seats {{ {SEAT} }} }} }} \
             ... on SaleNotOpen {{ status }} \
             ... on HoldExtensionExhausted {{ expiresAt }} ... on HoldEnded {{ end }}"
        );
        self.call("extendHold", "ExtendHoldInput", &selection, input)
            .await
    }

    /// Swaps seats of the hold of this token.
    pub async fn exchange_held(&self, token: &str, give: &[Seat], take: &[Seat]) -> Answer {
        let input = exchange(json!({"token": token}), give, take);
        self.exchange_input(&input).await
    }

    /// Swaps seats of this booking as it was answered.
    pub async fn exchange_booked(&self, booking: &Value, give: &[Seat], take: &[Seat]) -> Answer {
        let (reference, version) = (&booking["reference"], &booking["version"]);
        let of = json!({"reference": reference, "bookingVersion": version});
        self.exchange_input(&exchange(of, give, take)).await
    }

    /// `exchangeSeats` with exactly this input.
    pub async fn exchange_input(&self, input: &Value) -> Answer {
        let selection = format!(
            "... on SeatsLeftAlone {{ seats {{ {SEAT} }} }} \
             ... on SeatsExchanged {{ loneSeats {{ {SEAT} }} attempts cursor priceDifference {{ amountMinor currency }} \
                 given {{ {SEAT} }} taken {{ {SEAT} }} \
                 hold {{ id expiresAt {PRICED} }} \
                 booking {{ {BOOKING} {PRICED} }} }} \
             ... on SeatConflict {{ attempts \
                 conflicts {{ expectedVersion seat {{ {SEAT} }} }} \
                 alternatives {{ {SEAT} }} }} \
             ... on LimitExceeded {{ kind limit requested }} \
             ... on SaleNotOpen {{ status }} \
             ... on BookingVersionConflict {{ expectedVersion booking {{ {BOOKING} {PRICED} }} }}"
        );
        self.call("exchangeSeats", "ExchangeSeatsInput", &selection, input)
            .await
    }

    /// Cancels these seats of this booking as it was answered; all without a list.
    pub async fn cancel(&self, booking: &Value, seats: Option<&[Seat]>) -> Answer {
        let (reference, version) = (&booking["reference"], &booking["version"]);
        let mut input = json!({"reference": reference, "version": version});
        if let Some(seats) = seats {
            input["seatIds"] = json!(ids(seats));
        }
        self.cancel_input(&input).await
    }

    /// `cancelBooking` with exactly this input.
    pub async fn cancel_input(&self, input: &Value) -> Answer {
        let selection = format!(
            "... on BookingCancelled {{ attempts cursor refund {{ amountMinor currency }} \
                 seats {{ {SEAT} }} booking {{ {BOOKING} {PRICED} }} }} \
             ... on BookingVersionConflict {{ expectedVersion booking {{ {BOOKING} {PRICED} }} }}"
        );
        self.call("cancelBooking", "CancelBookingInput", &selection, input)
            .await
    }
}

/// What is asked about a booking, beside its seats.
const BOOKING: &str = "id reference version status";
/// What is asked about the seats of a hold or booking.
const PRICED: &str = "total { amountMinor currency } seats { id version status label } \
    lineItems { seat { id version } price { amountMinor currency } }";

fn ids(seats: &[Seat]) -> Vec<&str> {
    seats.iter().map(|seat| seat.id.as_str()).collect()
}

/// The input of an exchange of these seats of a hold or booking.
pub fn exchange(mut of: Value, give: &[Seat], take: &[Seat]) -> Value {
    let take: Vec<Value> = take.iter().map(Seat::input).collect();
    of["giveSeatIds"] = json!(ids(give));
    of["takeSeats"] = json!(take);
    of
}

/// All that is asked about seats that are held, or are not.
fn held_or_not() -> String {
    format!(
        "... on SeatsHeld {{ token attempts cursor loneSeats {{ {SEAT} }} \
             hold {{ id expiresAt total {{ amountMinor currency }} seats {{ {SEAT} }} }} }} \
         ... on SeatConflict {{ attempts \
             conflicts {{ expectedVersion seat {{ {SEAT} }} }} \
             alternatives {{ {SEAT} }} }} \
         ... on LimitExceeded {{ kind limit requested }} \
         ... on SaleNotOpen {{ status opensAt closedAt }} \
         ... on SeatsLeftAlone {{ seats {{ {SEAT} }} }} \
         ... on NotEnoughSeats {{ largestGroup }}"
    )
}
