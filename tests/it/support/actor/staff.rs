//! What staff do.

use super::{Actor, Answer, SEAT};
use crate::support::house::Seat;
use serde_json::{Value, json};

impl Actor {
    /// Imports a plan that is right; answers its id.
    pub async fn import_plan(&self, document: &Value) -> String {
        let answer = self.try_import_plan(document).await;
        answer.data()["plan"]["id"].as_str().unwrap().to_owned()
    }

    pub async fn try_import_plan(&self, document: &Value) -> Answer {
        let selection = "... on SeatingPlanImported { plan { id seatCount } } \
             ... on SeatingPlanRefused { problems { path message } furtherProblems }";
        let input = json!({"document": document});
        self.call(
            "importSeatingPlan",
            "ImportSeatingPlanInput",
            selection,
            &input,
        )
        .await
    }

    /// Creates a venue; answers its id.
    pub async fn create_venue(&self, name: &str, time_zone: &str) -> String {
        let answer = self.try_create_venue(name, time_zone).await;
        answer.data()["venue"]["id"].as_str().unwrap().to_owned()
    }

    pub async fn try_create_venue(&self, name: &str, time_zone: &str) -> Answer {
        let selection = "... on VenueCreated { venue { id version name timeZone } }";
        let input = json!({"name": name, "timeZone": time_zone});
        self.call("createVenue", "CreateVenueInput", selection, &input)
            .await
    }

    /// Creates an event; answers the result.
    pub async fn create_event(&self, input: &Value) -> Value {
        self.try_create_event(input).await.data().clone()
    }

    pub async fn try_create_event(&self, input: &Value) -> Answer {
        let selection = "... on EventCreated { event { id version status } }";
        self.call("createEvent", "CreateEventInput", selection, input)
            .await
    }

    /// Opens a sale; answers the result.
    pub async fn open_sale(&self, event: &str, version: i64) -> Value {
        self.try_open_sale(event, version).await.data().clone()
    }

    pub async fn try_open_sale(&self, event: &str, version: i64) -> Answer {
        let selection = "... on SaleOpened { event { id version status } } \
             ... on EventVersionConflict { expectedVersion event { version } } \
             ... on EventStatusConflict { event { status } }";
        let input = json!({"eventId": event, "version": version});
        self.call("openSale", "OpenSaleInput", selection, &input)
            .await
    }

    pub async fn close_sale(&self, event: &str, version: i64) -> Answer {
        let selection = "... on SaleClosed { event { id version status } } \
             ... on EventVersionConflict { expectedVersion event { version } } \
             ... on EventStatusConflict { event { status } }";
        let input = json!({"eventId": event, "version": version});
        self.call("closeSale", "CloseSaleInput", selection, &input)
            .await
    }

    /// `updateVenue` with exactly this input.
    pub async fn update_venue(&self, input: &Value) -> Answer {
        let selection = "... on VenueUpdated { venue { id version name timeZone } } \
             ... on VenueVersionConflict { expectedVersion venue { id version name timeZone } }";
        self.call("updateVenue", "UpdateVenueInput", selection, input)
            .await
    }

    /// `updateEvent` with exactly this input.
    pub async fn update_event(&self, input: &Value) -> Answer {
        let event = "id version status name startsAt endsAt saleStartsAt saleEndsAt holdSeconds \
             holdTotalSeconds maxSeatsPerHold maxSeatsPerBuyer maxHoldsPerBuyer orphanRule \
             prices { category price { amountMinor currency } }";
        let selection = format!(
            "... on EventUpdated {{ event {{ {event} }} }} \
             ... on EventVersionConflict {{ expectedVersion event {{ {event} }} }} \
             ... on EventStatusConflict {{ event {{ {event} }} }}"
        );
        self.call("updateEvent", "UpdateEventInput", &selection, input)
            .await
    }

    /// A page of what became of a seat.
    pub async fn seat_history(&self, seat: &str, page: &Value) -> Answer {
        let query = "query($id: ID!, $first: Int, $after: String) { node(id: $id) { \
             ... on Seat { history(first: $first, after: $after) { \
                 nodes { version status cause actor changedAt owner } \
                 edges { cursor node { version } } \
                 pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } } }";
        let variables = json!({"id": seat, "first": page["first"], "after": page["after"]});
        let Answer(mut answer) = self.ask(query, variables).await;
        if answer["data"]["node"].is_object() {
            answer["data"] = answer["data"]["node"]["history"].take();
        }
        Answer(answer)
    }

    pub async fn cancel_event(&self, event: &str, version: i64) -> Answer {
        let selection = "... on EventCancelled { \
                 event { id version status } endedHolds releasedSeats cursor } \
             ... on EventVersionConflict { expectedVersion event { version } } \
             ... on EventStatusConflict { event { status } }";
        let input = json!({"eventId": event, "version": version});
        self.call("cancelEvent", "CancelEventInput", selection, &input)
            .await
    }

    pub async fn block(&self, event: &str, seats: &[Seat]) -> Answer {
        self.block_input(&box_office_input(event, seats)).await
    }

    /// `blockSeats` with exactly this input.
    pub async fn block_input(&self, input: &Value) -> Answer {
        let selection = format!(
            "... on SeatsBlocked {{ event {{ id }} attempts cursor seats {{ {SEAT} }} }} {LOST}"
        );
        self.call("blockSeats", "BlockSeatsInput", &selection, input)
            .await
    }

    pub async fn unblock(&self, event: &str, seats: &[Seat]) -> Answer {
        self.unblock_input(&box_office_input(event, seats)).await
    }

    /// `unblockSeats` with exactly this input.
    pub async fn unblock_input(&self, input: &Value) -> Answer {
        let selection = format!(
            "... on SeatsUnblocked {{ event {{ id }} attempts cursor seats {{ {SEAT} }} }} {LOST}"
        );
        self.call("unblockSeats", "UnblockSeatsInput", &selection, input)
            .await
    }

    /// Sells seats to nobody whom usher knows.
    pub async fn book(&self, event: &str, seats: &[Seat]) -> Answer {
        self.book_input(&box_office_input(event, seats)).await
    }

    /// `bookSeats` with exactly this input.
    pub async fn book_input(&self, input: &Value) -> Answer {
        let selection = format!(
            "... on SeatsBooked {{ attempts cursor booking {{ id reference version status \
                 paymentReference total {{ amountMinor currency }} seats {{ {SEAT} }} }} }} {LOST}"
        );
        self.call("bookSeats", "BookSeatsInput", &selection, input)
            .await
    }
}

/// What the refusals of the box office are asked for.
const LOST: &str = "... on SeatConflict { attempts \
         conflicts { expectedVersion seat { id version status label } } \
         alternatives { id version status label } } \
     ... on EventStatusConflict { event { status } }";

/// Seats of an event, as all mutations of the box office want them.
pub fn box_office_input(event: &str, seats: &[Seat]) -> Value {
    let seats: Vec<Value> = seats.iter().map(Seat::input).collect();
    json!({"eventId": event, "seats": seats})
}
