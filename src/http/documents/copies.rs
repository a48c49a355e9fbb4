//! How large the variables of an operation are once they stand where the document uses them.
//!
//! The rules of GraphQL are checked on arguments whose variables are replaced by copies of their
//! values, a whole list of them at once. So a value that is used two thousand times in one
//! argument takes two thousand times its room, however small the request is. What is counted here
//! is that room, and none of it is copied.

use super::refusal::{Limit, exceeded};
use super::variables::size;
use crate::config::DocumentSettings;
use crate::model::{Caller, Permission};
use async_graphql::parser::types::{Directive, ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Positioned, ServerError, Value, Variables};
use async_graphql_value::Value as Argument;
use std::collections::HashMap;

/// How often the largest variables may be used. A client uses each once or twice.
const MOST_COPIES: usize = 4;

/// Checks what the variables take where they are used. Staff import seating plans.
///
/// # Errors
/// When that is too much.
pub fn check(
    document: &ExecutableDocument,
    variables: &Variables,
    caller: &Caller,
    settings: &DocumentSettings,
) -> Result<(), ServerError> {
    if caller.may(Permission::ManageEvents) {
        return Ok(());
    }
    let mut sizes: HashMap<&Name, usize> = HashMap::new();
    let mut note = |name, value: &Value| -> Result<(), ServerError> {
        let known = sizes.entry(name).or_default();
        *known = size(value)?.max(*known);
        Ok(())
    };
    for (_, operation) in document.operations.iter() {
        for definition in &operation.node.variable_definitions {
            if let Some(default) = &definition.node.default_value {
                note(&definition.node.name.node, &default.node)?;
            }
        }
    }
    for (name, value) in variables.iter() {
        note(name, value)?;
    }
    let mut used = Used { sizes, bytes: 0 };
    for (_, operation) in document.operations.iter() {
        used.by_directives(&operation.node.directives);
        used.by_set(&operation.node.selection_set.node);
    }
    for fragment in document.fragments.values() {
        used.by_directives(&fragment.node.directives);
        used.by_set(&fragment.node.selection_set.node);
    }
    let most = (settings.max_variables_bytes as usize).saturating_mul(MOST_COPIES);
    if used.bytes > most {
        return Err(exceeded(Limit::VariablesCopies, most));
    }
    Ok(())
}

struct Used<'a> {
    sizes: HashMap<&'a Name, usize>,
    bytes: usize,
}

impl Used<'_> {
    // The document has passed the checks of its structure: it is not deep.
    fn by_set(&mut self, set: &SelectionSet) {
        for selection in &set.items {
            self.by_directives(selection.node.directives());
            match &selection.node {
                Selection::Field(field) => {
                    for (_, argument) in &field.node.arguments {
                        self.by_argument(&argument.node);
                    }
                    self.by_set(&field.node.selection_set.node);
                }
                Selection::InlineFragment(fragment) => {
                    self.by_set(&fragment.node.selection_set.node);
                }
                // It is looked at by itself.
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    fn by_directives(&mut self, directives: &[Positioned<Directive>]) {
        for directive in directives {
            for (_, argument) in &directive.node.arguments {
                self.by_argument(&argument.node);
            }
        }
    }

    fn by_argument(&mut self, argument: &Argument) {
        match argument {
            Argument::Variable(name) => {
                let size = self.sizes.get(name).copied().unwrap_or_default();
                self.bytes = self.bytes.saturating_add(size);
            }
            Argument::List(items) => items.iter().for_each(|item| self.by_argument(item)),
            Argument::Object(fields) => fields.values().for_each(|item| self.by_argument(item)),
            Argument::Null
            | Argument::Number(_)
            | Argument::String(_)
            | Argument::Boolean(_)
            | Argument::Binary(_)
            | Argument::Enum(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;
    use serde_json::{Value as Json, json};

    fn refusal(text: &str, variables: Json) -> Option<String> {
        let document = parse_query(text).unwrap();
        let variables = serde_json::from_value(variables).unwrap();
        let settings = DocumentSettings::default();
        let checked = check(&document, &variables, &Caller::Anonymous, &settings);
        checked.err().map(|error| error.message)
    }

    #[test]
    fn a_value_counts_as_often_as_it_is_used() {
        let value = json!({"v": vec![""; 10_000]});
        let in_list = |uses: usize| {
            let uses = "$v ".repeat(uses);
            format!("query($v: [String]) {{ events(first: [{uses}]) {{ nodes {{ id }} }} }}")
        };
        assert_eq!(refusal(&in_list(2), value.clone()), None);
        let message = refusal(&in_list(1_900), value.clone()).unwrap();
        assert!(message.contains("once variables are put in"), "{message}");
        // In a fragment and a directive as well, and of a default.
        let uses = "$v ".repeat(100);
        for text in [
            format!(
                "query {{ ...a }} fragment a on Query {{ event(id: {{a: [{uses}]}}) {{ id }} }}"
            ),
            format!("query {{ viewer @skip(if: [{uses}]) {{ role }} }}"),
        ] {
            assert!(refusal(&text, value.clone()).is_some(), "{text}");
        }
        let default = "1 ".repeat(5_000);
        let text = format!("query($v: [Int] = [{default}]) {{ event(id: [{uses}]) {{ id }} }}");
        assert!(refusal(&text, json!({})).is_some());
    }

    #[test]
    fn what_is_not_used_counts_nothing() {
        let large = json!({"v": "x".repeat(200_000)});
        assert_eq!(refusal("query($v: String) { __typename }", large), None);
    }
}
