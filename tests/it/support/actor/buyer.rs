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
