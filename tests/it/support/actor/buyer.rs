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
        let selection = format!(
            "... on SeatsHeld {{ token attempts cursor \
                 hold {{ id expiresAt total {{ amountMinor currency }} seats {{ {SEAT} }} }} }} \
             ... on SeatConflict {{ attempts \
                 conflicts {{ expectedVersion seat {{ {SEAT} }} }} \
                 alternatives {{ {SEAT} }} }} \
             ... on LimitExceeded {{ kind limit requested }} \
             ... on SaleNotOpen {{ status opensAt closedAt }}"
        );
        self.call("holdSeats", "HoldSeatsInput", &selection, input)
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
