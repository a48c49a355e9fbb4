//! What an operation costs: the points of its fields, times the nodes that they are asked of.
//!
//! Known before anything runs, so that it can be refused for its cost, or for how much its
//! caller has had already. Each fragment is added up once and remembered, and the sums
//! saturate: the time is linear in the document. What the fields cost is [`Costs`]'s to say.

use crate::graphql::{Costs, LARGEST_PAGE, ListSize};
use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Name, Number, Value, Variables};
use async_graphql_value::Value as Argument;
use std::collections::HashMap;

/// What this operation of a document costs, with these variables; at least a point.
///
/// The document must have passed the checks of its structure: its fragments end, and are not
/// deep.
pub fn of_operation(
    costs: &Costs,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
) -> u64 {
    let root = match operation.ty {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    };
    let mut adding = Adding {
        costs,
        document,
        operation,
        variables,
        fragments: HashMap::new(),
    };
    adding
        .set(&operation.selection_set.node, root)
        .times(1)
        .max(1)
}

/// What a selection costs: once, and once more for each node of the page that it is of.
#[derive(Clone, Copy, Default)]
struct Sum {
    once: u64,
    each: u64,
}

impl Sum {
    fn plus(self, other: Self) -> Self {
        Self {
            once: self.once.saturating_add(other.once),
            each: self.each.saturating_add(other.each),
        }
    }

    fn times(self, nodes: u64) -> u64 {
        self.once.saturating_add(self.each.saturating_mul(nodes))
    }
}

struct Adding<'operation> {
    costs: &'operation Costs,
    document: &'operation ExecutableDocument,
    operation: &'operation OperationDefinition,
    variables: &'operation Variables,
    fragments: HashMap<&'operation Name, Sum>,
}

impl<'operation> Adding<'operation> {
    fn set(&mut self, set: &'operation SelectionSet, of_type: &str) -> Sum {
        let mut sum = Sum::default();
        for selection in &set.items {
            sum = sum.plus(match &selection.node {
                Selection::Field(field) => self.field(&field.node, of_type),
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let of_type = condition.map_or(of_type, |on| on.node.on.node.as_str());
                    self.set(&fragment.node.selection_set.node, of_type)
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node),
            });
        }
        sum
    }

    fn fragment(&mut self, name: &Name) -> Sum {
        if let Some(sum) = self.fragments.get(name) {
            return *sum;
        }
        let document = self.document;
        let Some((name, fragment)) = document.fragments.get_key_value(name) else {
            return Sum::default();
        };
        let of_type = fragment.node.type_condition.node.on.node.as_str();
        let sum = self.set(&fragment.node.selection_set.node, of_type);
        self.fragments.insert(name, sum);
        sum
    }

    fn field(&mut self, field: &'operation Field, of_type: &str) -> Sum {
        let costs = self.costs;
        let cost = costs.field(of_type, &field.name.node);
        let (weight, filter, size, of) = match cost {
            Some(cost) => (cost.weight, cost.filter, cost.size, cost.of.as_str()),
            None => (1, 0, ListSize::Assumed(1), ""),
        };
        let weight = if filter > 0 && self.is_given(field, "filter") {
            weight.saturating_add(filter)
        } else {
            weight
        };
        let below = self.set(&field.selection_set.node, of);
        let once = |points: u64| Sum {
            once: points.saturating_add(weight),
            each: 0,
        };
        match size {
            ListSize::Assumed(nodes) => once(below.times(1).saturating_mul(nodes)),
            ListSize::Page(default) => once(below.times(self.page(field, default))),
            ListSize::OfPage => Sum {
                once: weight,
                each: below.times(1),
            },
        }
    }

    /// How many nodes the page of a field has at most.
    fn page(&self, field: &Field, default: u64) -> u64 {
        let Some(first) = field.get_argument("first") else {
            return default;
        };
        // A number beyond what a list allows is refused when it is looked at, and so is what is
        // no number. Until then it is the worst. Nothing is copied: values can be large.
        match &first.node {
            Argument::Null => default,
            Argument::Number(number) => page_of(number),
            Argument::Variable(name) => match self.variable(name) {
                None | Some(Value::Null) => default,
                Some(Value::Number(number)) => page_of(number),
                Some(_) => LARGEST_PAGE,
            },
            _ => LARGEST_PAGE,
        }
    }

    /// Whether a field has this argument, and it is not null.
    fn is_given(&self, field: &Field, argument: &str) -> bool {
        match field.get_argument(argument).map(|value| &value.node) {
            None | Some(Argument::Null) => false,
            Some(Argument::Variable(name)) => {
                !matches!(self.variable(name), None | Some(Value::Null))
            }
            Some(_) => true,
        }
    }

    fn variable(&self, name: &Name) -> Option<&Value> {
        self.variables.get(name).or_else(|| {
            let mut definitions = self.operation.variable_definitions.iter();
            let definition = definitions.find(|definition| definition.node.name.node == *name)?;
            let default = definition.node.default_value.as_ref()?;
            Some(&default.node)
        })
    }
}

fn page_of(first: &Number) -> u64 {
    first
        .as_u64()
        .map_or(LARGEST_PAGE, |first| first.min(LARGEST_PAGE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;
    use serde_json::{Value as Json, json};
    use std::fmt::Write;

    fn cost_with(text: &str, variables: Json) -> u64 {
        let document = parse_query(text).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let variables = serde_json::from_value(variables).unwrap();
        of_operation(&Costs::of_schema(), &document, &operation.node, &variables)
    }

    fn cost(text: &str) -> u64 {
        cost_with(text, json!({}))
    }

    #[test]
    fn a_field_is_a_point_and_the_database_ten() {
        assert_eq!(cost("{ __typename }"), 1);
        assert_eq!(cost("{ viewer { role subject } }"), 3);
        assert_eq!(cost("{ event(id: 1) { id name } }"), 12);
        assert_eq!(
            cost("mutation { releaseHold(input: {}) { __typename } }"),
            21
        );
        assert_eq!(cost("{ nothing { at { all } } }"), 3);
    }

    #[test]
    fn a_list_costs_by_its_first() {
        assert_eq!(cost("{ events { nodes { id } } }"), 10 + 1 + 20);
        assert_eq!(cost("{ events(first: 3) { nodes { id } } }"), 10 + 1 + 3);
        assert_eq!(cost("{ events(first: 0) { nodes { id } } }"), 10 + 1);
        let both =
            "{ events(first: 3) { nodes { id } edges { node { id } } pageInfo { endCursor } } }";
        assert_eq!(cost(both), 10 + (1 + 3) + (1 + 3 * 2) + 2);
        let nested = "{ events(first: 100) { nodes { seats(first: 1000) { nodes { id } } } } }";
        assert_eq!(cost(nested), 10 + 1 + 100 * (10 + 1 + 1_000));
    }

    #[test]
    fn a_variable_counts_like_what_it_says() {
        let text = "query($n: Int) { events(first: $n) { nodes { id } } }";
        assert_eq!(cost_with(text, json!({"n": 7})), 11 + 7);
        assert_eq!(cost_with(text, json!({"n": null})), 11 + 20);
        assert_eq!(cost(text), 11 + 20);
        assert_eq!(cost(&text.replace("Int", "Int = 50")), 11 + 50);
        for beyond in [
            json!(1_001),
            json!(u64::MAX),
            json!(-1),
            json!("x"),
            json!([1]),
        ] {
            assert_eq!(
                cost_with(text, json!({"n": beyond})),
                11 + 1_000,
                "{beyond}"
            );
        }
    }

    #[test]
    fn fragments_cost_wherever_they_are_spread() {
        let page = "{ events(first: 3) { ...page ... on EventConnection { nodes { id } } } } \
             fragment page on EventConnection { nodes { ...event } } \
             fragment event on Event { id name }";
        assert_eq!(cost(page), 10 + (1 + 3 * 2) + (1 + 3));
        let union =
            "mutation { holdSeats(input: {}) { ... on SeatsHeld { hold { seats { id } } } } }";
        assert_eq!(cost(union), 20 + 1 + 1 + 5);
    }

    #[test]
    fn a_filter_of_seats_is_dear_wherever_it_is_written() {
        let seats = |arguments: &str| {
            format!(
                "query($filter: SeatFilter, $status: SeatStatus) {{ \
                 event(id: 1) {{ seats(first: 1{arguments}) {{ nodes {{ id }} }} }} }}"
            )
        };
        let without = cost(&seats(""));
        assert_eq!(without, 10 + 10 + 1 + 1);
        assert_eq!(cost(&seats(", filter: null")), without);
        assert_eq!(cost(&seats(", filter: {status: HELD}")), without + 100);
        assert_eq!(cost(&seats(", filter: {status: $status}")), without + 100);
        let variable = seats(", filter: $filter");
        for nothing in [json!({}), json!({"filter": null})] {
            assert_eq!(cost_with(&variable, nothing), without);
        }
        let held = json!({"filter": {"status": "HELD"}});
        assert_eq!(cost_with(&variable, held), without + 100);
        let by_default = variable.replace("SeatFilter", "SeatFilter = {status: HELD}");
        assert_eq!(cost(&by_default), without + 100);
        // Of other lists it is no search.
        let events = "{ events(filter: {status: CLOSED}, first: 3) { nodes { id } } }";
        assert_eq!(cost(events), 10 + 1 + 3);
    }

    #[test]
    fn a_map_is_dear_and_its_compact_form_is_not() {
        let map = |of: &str| cost(&format!("{{ event(id: 1) {{ seatMap {{ {of} }} }} }}"));
        assert!(map("seats { id status version }") > 4_000);
        assert!(map("compact { statuses versions }") < 50);
    }

    #[test]
    fn sums_saturate() {
        let mut text = "{ venues(first: 1000) { nodes { x { ...f0 } } } }".to_owned();
        for number in 0..30 {
            let spreads = format!("...f{} ", number + 1).repeat(10);
            let _ = write!(text, " fragment f{number} on Query {{ {spreads} }}");
        }
        text += " fragment f30 on Query { __typename }";
        assert_eq!(cost(&text), u64::MAX);
    }
}
