//! People who use the API, with verbs for what they do.

pub mod buyer;
mod staff;

pub use staff::box_office_input;

use crate::support::house::Seat;
use serde_json::{Value, json};

/// Somebody who sends requests, with or without a token.
#[derive(Clone)]
pub struct Actor {
    client: reqwest::Client,
    pub url: String,
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
pub(super) const SEAT: &str = "id version status label";
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
    pub(super) async fn call(
        &self,
        field: &str,
        input_type: &str,
        selection: &str,
        input: &Value,
    ) -> Answer {
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

    /// Every seat of an event with its status, in a map that shows the change of an
    /// answer.
    pub async fn seat_map_after(&self, event: &str, answer: &Answer) -> Value {
        let query = format!(
            "query($id: ID!, $cursor: Cursor!) {{ \
               event(id: $id) {{ seatMap(atLeast: $cursor) {{ seats {{ {SEAT} }} }} }} }}"
        );
        let variables = json!({"id": event, "cursor": answer.data()["cursor"]});
        let answer = self.ask(&query, variables).await;
        answer.data()["event"]["seatMap"]["seats"].clone()
    }

    /// Every seat of an event with its status, in the plan's order.
    pub async fn seat_map(&self, event: &str) -> Value {
        let query = format!(
            "query($id: ID!) {{ event(id: $id) {{ seatMap {{ cursor seats {{ {SEAT} }} }} }} }}"
        );
        let answer = self.ask(&query, json!({"id": event})).await;
        answer.data()["event"]["seatMap"].clone()
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
