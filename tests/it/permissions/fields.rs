//! Every field of the schema, and an operation that asks for it.
//!
//! The schema itself says which fields there are: one that is added is walked, or this says that
//! it needs an argument or an input here.

use crate::support::actor::{Actor, Answer};
use crate::support::house::plan;
use crate::support::{Event, House};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

const INTROSPECTION: &str = "{ __schema { types { name possibleTypes { name } \
    fields { name args { name defaultValue type { kind } } \
        type { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";

/// What the operations are about: an event with a hold and a booking of visitors.
pub struct Fixture {
    visitor: Actor,
    pub event: Event,
    venue: String,
    plan: String,
    hold_token: String,
    booking_token: String,
    reference: String,
}

/// An operation that asks for one field.
pub struct Operation {
    /// As `Type.field`.
    pub field: String,
    /// Those that lead to it.
    pub by: Vec<String>,
    /// How the answer names them and it.
    names: Vec<String>,
    pub document: String,
    pub variables: Value,
}

/// How a type is reached from `Query`.
#[derive(Clone, Default)]
struct Path {
    /// With their arguments.
    calls: Vec<String>,
    /// As `Type.field`.
    fields: Vec<String>,
    names: Vec<String>,
}

/// A type of the schema.
struct Type {
    fields: Vec<Field>,
    possible: Vec<String>,
}

struct Field {
    name: String,
    /// The names of the arguments that must be given.
    required: Vec<String>,
    /// What it answers, without lists and non-null.
    kind: String,
    of: String,
}

impl Operation {
    pub async fn ask(&self, actor: &Actor) -> Answer {
        actor.ask(&self.document, self.variables.clone()).await
    }

    /// Whether the field itself was answered, and nothing on the way to it was null or empty.
    pub fn is_reached(&self, answer: &Answer) -> bool {
        let mut at = &answer.0["data"];
        for name in &self.names {
            let inner = at.as_array().map_or(at, |list| &list[0]);
            let Some(next) = inner.get(name) else {
                return false;
            };
            at = next;
        }
        true
    }
}

impl Fixture {
    pub async fn new(house: &House) -> Self {
        let event = house.event(3, 10).await;
        let visitor = house.visitor();
        let held = visitor.hold(&event.id, &event.seats[0..1]).await;
        let booking_token = held.data()["token"].as_str().unwrap().to_owned();
        let confirmed = visitor.confirm(&booking_token).await;
        let reference = confirmed.data()["booking"]["reference"].as_str().unwrap();
        let held = visitor.hold(&event.id, &event.seats[5..6]).await;
        let query = "query($id: ID!) { event(id: $id) { venue { id } plan { id } } }";
        let answer = visitor.ask(query, json!({"id": event.id})).await;
        let of_event = |what: &str| {
            answer.data()["event"][what]["id"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        Self {
            venue: of_event("venue"),
            plan: of_event("plan"),
            hold_token: held.data()["token"].as_str().unwrap().to_owned(),
            reference: reference.to_owned(),
            booking_token,
            visitor,
            event,
        }
    }

    /// An operation for every field that a query can reach, and for every mutation.
    pub async fn operations(&self) -> Vec<Operation> {
        let types = self.types().await;
        let mut operations = self.queries(&types);
        for field in &types["Mutation"].fields {
            operations.push(self.mutation(field, &types));
        }
        operations
    }

    pub async fn fields_of(&self, name: &str) -> BTreeSet<&'static str> {
        let types = self.types().await;
        let fields = types[name].fields.iter();
        fields.map(|field| &*field.name.clone().leak()).collect()
    }

    /// A document for each subscription.
    pub fn subscriptions(&self) -> Vec<(&'static str, String)> {
        let (event, token) = (&self.event.id, &self.hold_token);
        vec![
            (
                "seatMap",
                format!("subscription {{ seatMap(eventId: {event:?}) {{ __typename }} }}"),
            ),
            (
                "availability",
                format!("subscription {{ availability(eventId: {event:?}) {{ __typename }} }}"),
            ),
            (
                "hold",
                format!("subscription {{ hold(token: {token:?}) {{ __typename }} }}"),
            ),
        ]
    }

    /// From `Query` to every type that fields lead to, the shortest way first.
    fn queries(&self, types: &HashMap<String, Type>) -> Vec<Operation> {
        let mut operations = Vec::new();
        let mut seen = HashSet::from(["Query".to_owned()]);
        let mut open = VecDeque::from([("Query".to_owned(), Path::default())]);
        while let Some((name, path)) = open.pop_front() {
            for field in &types[&name].fields {
                let call = format!("{}{}", field.name, self.arguments(&name, field));
                let selection = match field.kind.as_str() {
                    "SCALAR" | "ENUM" => "",
                    _ => "{ __typename }",
                };
                let asked = path
                    .calls
                    .iter()
                    .rev()
                    .fold(format!("{call} {selection}"), |inner, outer| {
                        format!("{outer} {{ {inner} }}")
                    });
                let qualified = format!("{name}.{}", field.name);
                let mut names = path.names.clone();
                names.push(field.name.clone());
                operations.push(Operation {
                    field: qualified.clone(),
                    by: path.fields.clone(),
                    names: names.clone(),
                    document: format!("{{ {asked} }}"),
                    variables: json!({}),
                });
                if field.kind == "OBJECT" && seen.insert(field.of.clone()) {
                    let mut path = path.clone();
                    path.calls.push(call);
                    path.fields.push(qualified);
                    path.names = names;
                    open.push_back((field.of.clone(), path));
                }
            }
        }
        operations
    }

    /// A mutation with an input that makes sense: refused by the domain at most. What it
    /// answers is asked for a level deep.
    fn mutation(&self, field: &Field, types: &HashMap<String, Type>) -> Operation {
        let input = self.input(&field.name);
        let mut number = 0;
        let mut answers = String::new();
        for possible in &types[&field.of].possible {
            answers += &format!("... on {possible} {{ ");
            for part in &types[possible].fields {
                let selection = match part.kind.as_str() {
                    "SCALAR" | "ENUM" => "",
                    _ => "{ __typename }",
                };
                number += 1;
                answers += &format!("f{number}: {} {selection} ", part.name);
            }
            answers += "} ";
        }
        let name = &field.name;
        let input_type = format!("{}{}Input", name[..1].to_uppercase(), &name[1..]);
        Operation {
            field: format!("Mutation.{name}"),
            by: Vec::new(),
            names: vec![name.clone()],
            document: format!(
                "mutation($input: {input_type}!) {{ {name}(input: $input) {{ __typename {answers} }} }}"
            ),
            variables: json!({"input": input}),
        }
    }

    fn arguments(&self, of: &str, field: &Field) -> String {
        match (of, field.name.as_str()) {
            ("Query", "node" | "event") => format!("(id: {:?})", self.event.id),
            ("Query", "hold") => format!("(token: {:?})", self.hold_token),
            ("Query", "booking") => format!(
                "(reference: {:?}, token: {:?})",
                self.reference, self.booking_token
            ),
            // One is enough to look at its fields.
            ("Event", "seats") | ("Query", "events" | "venues") => "(first: 1)".to_owned(),
            _ => {
                let missing = &field.required;
                assert!(missing.is_empty(), "{of}.{} needs {missing:?}", field.name);
                String::new()
            }
        }
    }

    fn input(&self, mutation: &str) -> Value {
        let event = &self.event;
        // At a version that nobody has seen: whoever may is answered with a conflict.
        let stale = json!([{"seatId": event.seats[9].id, "version": 1_000}]);
        let lost = "AAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        match mutation {
            "holdSeats" | "blockSeats" | "unblockSeats" | "bookSeats" => {
                json!({"eventId": event.id, "seats": stale})
            }
            "holdBestAvailable" => json!({"eventId": event.id, "quantity": 1_000}),
            "extendHold" | "releaseHold" | "confirmHold" => json!({"token": lost}),
            "exchangeSeats" => json!({
                "token": lost, "giveSeatIds": [event.seats[0].id], "takeSeats": stale,
            }),
            "cancelBooking" => json!({"reference": self.reference, "version": 1_000}),
            "createVenue" => json!({"name": "Walked", "timeZone": "UTC"}),
            "updateVenue" => json!({"venueId": self.venue, "version": 1_000, "name": "Walked"}),
            "importSeatingPlan" => json!({"document": plan(1, 1)}),
            "createEvent" => json!({
                "venueId": self.venue, "planId": self.plan, "name": "Walked", "currency": "EUR",
                "startsAt": "2030-01-01T19:30:00Z",
                "prices": [{"category": "Stalls", "amountMinor": 1_000}],
            }),
            "updateEvent" => json!({"eventId": event.id, "version": 1_000, "name": "Walked"}),
            "openSale" | "closeSale" | "cancelEvent" => {
                json!({"eventId": event.id, "version": 1_000})
            }
            other => panic!("{other} needs an input here"),
        }
    }

    async fn types(&self) -> HashMap<String, Type> {
        let answer = self.visitor.ask(INTROSPECTION, json!({})).await;
        let types = answer.data()["__schema"]["types"].as_array().unwrap();
        types.iter().map(read_type).collect()
    }
}

fn read_type(named: &Value) -> (String, Type) {
    let fields = named["fields"].as_array().into_iter().flatten();
    let possible = named["possibleTypes"].as_array().into_iter().flatten();
    let read = Type {
        fields: fields.map(read_field).collect(),
        possible: possible.map(|possible| text(&possible["name"])).collect(),
    };
    (text(&named["name"]), read)
}

fn read_field(field: &Value) -> Field {
    let required = field["args"].as_array().unwrap().iter().filter(|argument| {
        argument["type"]["kind"] == "NON_NULL" && argument["defaultValue"].is_null()
    });
    let mut answered = &field["type"];
    while !answered["ofType"].is_null() {
        answered = &answered["ofType"];
    }
    Field {
        name: text(&field["name"]),
        required: required.map(|argument| text(&argument["name"])).collect(),
        kind: text(&answered["kind"]),
        of: text(&answered["name"]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
