//! What the fields of the schema cost, in points. One point is about one field that is answered
//! from memory.
//!
//! It owns the weights and the sizes that lists are taken to have. It is told what the schema
//! is by its own text, so that a field that is added is counted, and one that needs a weight is
//! written in the tables below. It must never look at a document: `http::documents` adds up what
//! an operation costs, before it runs.
//!
//! The library could add up too (`#[graphql(complexity)]`), but only while it checks an
//! operation that is about to run, with every fragment spread: too late for whoever limits
//! how much is asked, and in time that is not bounded by the document.

use super::pagination::DEFAULT_PAGE;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, Type, TypeKind, TypeSystemDefinition,
};
use std::collections::{HashMap, HashSet};

/// The largest page of any list: more is refused when it is asked for.
pub const LARGEST_PAGE: u64 = 1_000;

/// What a field costs that asks the database or counts a whole hall.
const READING: u64 = 10;
/// What a mutation or a subscription costs by itself.
const CHANGING: u64 = 20;
/// What a filter adds that may have every seat of a hall looked at to find the first.
const SEARCHING: u64 = 100;
/// How many objects a list has that nobody asked for by number.
const SHORT_LIST: u64 = 5;
/// How many seats a map is taken to have. Asked for field by field it is by far the dearest
/// thing here; its compact form costs next to nothing. What it really has costs something beside
/// that, which is known when it is shown.
const MAP: u64 = 1_500;

/// So many seats of a map cost a point when they are shown as objects.
pub(super) const LISTED_SEATS_OF_A_POINT: u64 = 10;
/// So many do when they are shown in their compact form, or counted.
pub(super) const PACKED_SEATS_OF_A_POINT: u64 = 1_000;

/// Fields that cost something by themselves, beside those of [`CHANGING_TYPES`].
const READING_FIELDS: [&str; 11] = [
    "Query.node",
    "Query.venues",
    "Query.events",
    "Query.event",
    "Query.hold",
    "Query.booking",
    "Event.availability",
    "Event.seatMap",
    "Event.seats",
    "Seat.history",
    "SeatMap.compact",
];
/// Fields whose argument `filter` is so dear.
const SEARCHING_FIELDS: [&str; 1] = ["Event.seats"];
const CHANGING_TYPES: [&str; 2] = ["Mutation", "Subscription"];

/// Lists that are longer than others.
const LONG_LISTS: [(&str, u64); 5] = [
    ("SeatMap.seats", MAP),
    ("SeatMapSnapshot.seats", MAP),
    ("SeatMapDelta.changes", 50),
    ("__Schema.types", 10),
    ("__Schema.directives", 5),
];

/// How the schema describes itself: the library leaves it out of the schema's text.
const INTROSPECTION: &str = "
    type __Schema { types: [__Type!]! queryType: __Type! mutationType: __Type
        subscriptionType: __Type directives: [__Directive!]! }
    type __Type { fields: [__Field!] interfaces: [__Type!] possibleTypes: [__Type!]
        enumValues: [__EnumValue!] inputFields: [__InputValue!] ofType: __Type }
    type __Field { args: [__InputValue!]! type: __Type! }
    type __InputValue { type: __Type! }
    type __EnumValue { name: String! }
    type __Directive { args: [__InputValue!]! locations: [String!]! }
    type Introspection { __schema: __Schema! __type: __Type }";

/// What every field of the schema costs.
#[derive(Debug, Default)]
pub struct Costs {
    fields: HashMap<String, HashMap<String, FieldCost>>,
    types: HashSet<String>,
}

/// What one field costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldCost {
    /// By itself.
    pub weight: u64,
    /// What is added to that with a `filter`.
    pub filter: u64,
    /// How many times what is selected of it.
    pub size: ListSize,
    /// The type that is selected of.
    pub of: String,
}

/// How many objects a field answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListSize {
    /// One, or so many as a list is taken to have.
    Assumed(u64),
    /// It is a page, whose `nodes` and `edges` are as many as `first` says, or as this when
    /// it says nothing.
    Page(u64),
    /// It is the list of a page.
    OfPage,
}

impl Costs {
    /// Those of usher's schema.
    pub fn of_schema() -> Self {
        let mut costs = Self::default();
        let built_in = ["Int", "Float", "String", "Boolean", "ID"];
        costs.types.extend(built_in.map(str::to_owned));
        costs.read(&super::sdl());
        costs.read(INTROSPECTION);
        // Anybody can ask it at the root.
        if let Some(of_root) = costs.fields.remove("Introspection") {
            costs.types.remove("Introspection");
            costs
                .fields
                .entry("Query".to_owned())
                .or_default()
                .extend(of_root);
        }
        costs
    }

    /// What a field of a type costs; `None` when there is no such field, which costs a point
    /// until it is refused.
    pub fn field(&self, of_type: &str, name: &str) -> Option<&FieldCost> {
        self.fields.get(of_type)?.get(name)
    }

    /// Whether there is a type of this name.
    pub fn has_type(&self, name: &str) -> bool {
        self.types.contains(name)
    }

    fn read(&mut self, sdl: &str) {
        let document = match parse_schema(sdl) {
            Ok(document) => document,
            Err(error) => {
                // The library wrote the text itself, and a test reads it.
                tracing::error!(%error, "the schema's own text cannot be read");
                return;
            }
        };
        for definition in document.definitions {
            let TypeSystemDefinition::Type(definition) = definition else {
                continue;
            };
            let name = definition.node.name.node.to_string();
            let fields = match definition.node.kind {
                TypeKind::Object(object) => object.fields,
                TypeKind::Interface(interface) => interface.fields,
                _ => Vec::new(),
            };
            let costs = fields.iter().map(|field| {
                let field = &field.node;
                (field.name.node.to_string(), cost(&name, field))
            });
            self.fields.insert(name.clone(), costs.collect());
            self.types.insert(name);
        }
    }
}

fn cost(of_type: &str, field: &FieldDefinition) -> FieldCost {
    let coordinate = format!("{of_type}.{}", field.name.node);
    let (of, is_list) = innermost(&field.ty.node);
    let long = LONG_LISTS.iter().find(|(list, _)| *list == coordinate);
    let is_page = field
        .arguments
        .iter()
        .any(|argument| argument.node.name.node == "first");
    let size = match long {
        Some((_, size)) => ListSize::Assumed(*size),
        None if is_page => ListSize::Page(DEFAULT_PAGE as u64),
        None if is_list && of_type.ends_with("Connection") => ListSize::OfPage,
        None if is_list => ListSize::Assumed(SHORT_LIST),
        None => ListSize::Assumed(1),
    };
    let weight = if CHANGING_TYPES.contains(&of_type) {
        CHANGING
    } else if READING_FIELDS.contains(&coordinate.as_str()) {
        READING
    } else {
        1
    };
    let is_searching = SEARCHING_FIELDS.contains(&coordinate.as_str());
    FieldCost {
        weight,
        filter: if is_searching { SEARCHING } else { 0 },
        size,
        of,
    }
}

fn innermost(of: &Type) -> (String, bool) {
    match &of.base {
        BaseType::Named(name) => (name.to_string(), false),
        BaseType::List(items) => (innermost(items).0, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tables_name_is_there() {
        let costs = Costs::of_schema();
        let lists = LONG_LISTS.iter().map(|(list, _)| list);
        let fields = READING_FIELDS.iter().chain(&SEARCHING_FIELDS);
        for coordinate in fields.chain(lists) {
            let (of_type, name) = coordinate.split_once('.').unwrap();
            assert!(costs.field(of_type, name).is_some(), "{coordinate}");
        }
        for of_type in CHANGING_TYPES {
            assert!(costs.has_type(of_type), "{of_type}");
        }
        assert!(costs.has_type("HoldSeatsInput") && !costs.has_type("Introspection"));
    }

    #[test]
    fn every_root_field_but_the_viewer_and_the_schema_has_a_weight() {
        let costs = Costs::of_schema();
        for root in ["Query", "Mutation", "Subscription"] {
            for (name, cost) in &costs.fields[root] {
                let is_free = ["viewer", "__schema", "__type"].contains(&name.as_str());
                assert_eq!(cost.weight == 1, is_free, "{root}.{name}");
            }
        }
    }

    #[test]
    fn lists_have_a_size() {
        let costs = Costs::of_schema();
        let size = |of_type, name| costs.field(of_type, name).unwrap().size;
        assert_eq!(size("Query", "events"), ListSize::Page(20));
        assert_eq!(size("EventConnection", "nodes"), ListSize::OfPage);
        assert_eq!(size("EventConnection", "pageInfo"), ListSize::Assumed(1));
        assert_eq!(size("SeatMap", "seats"), ListSize::Assumed(MAP));
        assert_eq!(size("Hold", "seats"), ListSize::Assumed(SHORT_LIST));
        assert_eq!(size("Query", "event"), ListSize::Assumed(1));
        assert_eq!(costs.field("SeatEdge", "node").unwrap().of, "Seat");
        // Interfaces and what describes the schema are counted like everything else.
        assert_eq!(costs.field("Refusal", "message").unwrap().weight, 1);
        assert_eq!(size("Query", "__schema"), ListSize::Assumed(1));
    }
}
