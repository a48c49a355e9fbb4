//! People who use the API, with verbs for what they do.

use crate::support::house::Seat;
use serde_json::{Value, json};

/// Somebody who sends requests, with or without a token.
#[derive(Clone)]
pub struct Actor {
    client: reqwest::Client,
    url: String,
    pub token: Option<String>,
}

/// What a request was answered with.
#[derive(Clone, Debug)]
pub struct Answer(pub Value);

impl Answer {
    /// The data, when there was no error.
    pub fn data(&self) -> &Value {
        assert!(
            self.0.get("errors").is_none(),
            "unexpected errors: {}",
            self.0
        );
        &self.0["data"]
    }

    /// The code of the first error, when there was one.
    pub fn error_code(&self) -> &str {
        self.0["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("expected an error with a code: {}", self.0))
    }

    /// The text of the first error.
    pub fn error_message(&self) -> &str {
        self.0["errors"][0]["message"].as_str().unwrap_or_default()
    }
}

/// All that is asked about a seat.
const SEAT: &str = "id version status label";
/// All that is asked about a refusal.
const REFUSAL: &str = "... on Refusal { code message }";

impl Actor {
    pub fn new(url: &str, token: Option<String>) -> Self {
        Self {
            client: reqwest::Client::new(),
            url: url.to_owned(),
            token,
        }
    }

    /// Sends an operation.
    pub async fn ask(&self, query: &str, variables: Value) -> Answer {
        let mut request = self
            .client
            .post(format!("{}/graphql", self.url))
            .json(&json!({"query": query, "variables": variables}));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Answer(request.send().await.unwrap().json().await.unwrap())
    }

    /// Calls a mutation and answers its result.
    async fn call(&self, field: &str, input_type: &str, selection: &str, input: &Value) -> Answer {
        // Nothing but bad input keeps staff from creating something.
        let refusal = if field.starts_with("create") {
            ""
        } else {
            REFUSAL
        };
        let query = format!(
            "mutation($input: {input_type}!) {{ \
               {field}(input: $input) {{ __typename {selection} {refusal} }} }}"
        );
        let Answer(mut answer) = self.ask(&query, json!({"input": input})).await;
        if answer["data"].is_object() {
            answer["data"] = answer["data"][field].take();
        }
        Answer(answer)
    }

    /// Every seat of an event, in the plan's order.
    pub async fn seats(&self, event: &str) -> Vec<Seat> {
        let query = "query($id: ID!) { event(id: $id) { seatMap { seats { id version } } } }";
        let answer = self.ask(query, json!({"id": event})).await;
        let seats = answer.data()["event"]["seatMap"]["seats"]
            .as_array()
            .unwrap()
            .clone();
        seats.iter().map(Seat::from).collect()
    }

    /// Every seat of an event with its status, in the plan's order.
    pub async fn seat_map(&self, event: &str) -> Value {
        let query = format!(
            "query($id: ID!) {{ event(id: $id) {{ seatMap {{ cursor seats {{ {SEAT} }} }} }} }}"
        );
        let answer = self.ask(&query, json!({"id": event})).await;
        answer.data()["event"]["seatMap"].clone()
    }

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
             ... on LimitExceeded {{ limit requested }} \
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
        let selection = format!(
            "... on SeatsReleased {{ cursor seats {{ {SEAT} }} \
                 hold {{ id total {{ amountMinor }} seats {{ {SEAT} }} }} }}"
        );
        self.call("releaseHold", "ReleaseHoldInput", &selection, &input)
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
             ... on SaleNotOpen {{ status }}"
        );
        self.call("confirmHold", "ConfirmHoldInput", &selection, input)
            .await
    }

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
}

impl Seat {
    /// As `holdSeats` wants it.
    pub fn input(&self) -> Value {
        json!({"seatId": self.id, "version": self.version})
    }
}

impl From<&Value> for Seat {
    fn from(seat: &Value) -> Self {
        Self {
            id: seat["id"].as_str().unwrap().to_owned(),
            version: seat["version"].as_i64().unwrap(),
        }
    }
}
