//! What a parsed document comes to once its fragments are spread, without spreading them.
//!
//! Thirty fragments, each of which spreads the next one twice, are a billion fields in 999 bytes. So
//! each fragment is measured once and remembered, and the sums saturate: the time is linear in
//! the document. Nothing here may depend on variables: a document that is found good is kept
//! with the others ([`super::cache`]) and not looked at again.

use super::refusal::{Limit, exceeded, exceeded_by};
use crate::config::DocumentSettings;
use crate::graphql::Costs;
use crate::http::graphql_errors::{ErrorCode, coded};
use async_graphql::parser::types::{
    BaseType, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet, Type,
};
use async_graphql::{Positioned, ServerError};
use std::collections::HashMap;

/// Operations of one document, of which one is run.
const MOST_OPERATIONS: usize = 20;
/// Variables of one operation.
pub const MOST_VARIABLES: usize = 100;
/// Fields of a document once all fragments are spread, those of the fragments themselves
/// counted once more: that is what the rules of GraphQL are checked on.
const MOST_FIELDS: u64 = 5_000;
/// Fields and fragments inside one another. The library has the same limit.
const MOST_LEVELS: u32 = 32;
/// Mutations of one operation: it is not to be a batch.
const MOST_MUTATIONS: u64 = 10;
/// Lists of types, fields and so on inside one another, of which the usual tools ask for one
/// and a person for three: types know their fields, and fields their types, without an end.
const MOST_INTROSPECTED_LISTS: u32 = 3;
/// The fields of `__Type` that are such lists.
const INTROSPECTED_LISTS: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];

/// Checks a document whose text was found small enough.
///
/// # Errors
/// When it is larger or deeper than an operation may be, or does not end.
pub fn check(
    document: &ExecutableDocument,
    settings: &DocumentSettings,
    costs: &Costs,
) -> Result<(), ServerError> {
    let mut measuring = Measuring::of(document);
    let mut fields: u64 = 0;
    if document.operations.iter().count() > MOST_OPERATIONS {
        return Err(exceeded(Limit::Operations, MOST_OPERATIONS));
    }
    for (_, operation) in document.operations.iter() {
        check_variables(&operation.node, costs)?;
        measuring.directives += operation.node.directives.len();
        let shape = measuring.set(&operation.node.selection_set, 1)?;
        if operation.node.ty == OperationType::Mutation && shape.roots > MOST_MUTATIONS {
            return Err(exceeded_by(
                Limit::MutationFields,
                MOST_MUTATIONS,
                shape.roots,
            ));
        }
        fields = fields.saturating_add(shape.fields);
        shape.check(settings)?;
    }
    for name in document.fragments.keys() {
        let shape = measuring.fragment(name, 1)?;
        fields = fields.saturating_add(shape.fields);
        shape.check(settings)?;
    }
    if fields > MOST_FIELDS {
        return Err(exceeded_by(Limit::Fields, MOST_FIELDS, fields));
    }
    if measuring.aliases > settings.max_aliases as usize {
        return Err(exceeded(Limit::Aliases, settings.max_aliases as usize));
    }
    if measuring.directives > settings.max_directives as usize {
        return Err(exceeded(
            Limit::Directives,
            settings.max_directives as usize,
        ));
    }
    Ok(())
}

// The library looks a variable's type up before it has checked that there is one, and panics.
fn check_variables(operation: &OperationDefinition, costs: &Costs) -> Result<(), ServerError> {
    let definitions = &operation.variable_definitions;
    if definitions.len() > MOST_VARIABLES {
        return Err(exceeded(Limit::Variables, MOST_VARIABLES));
    }
    for definition in definitions {
        let name = innermost(&definition.node.var_type.node);
        if !costs.has_type(name) {
            let mut error = coded(
                ErrorCode::GraphqlValidationFailed,
                format!("Unknown type \"{name}\""),
            );
            error.locations = vec![definition.pos];
            return Err(error);
        }
    }
    Ok(())
}

fn innermost(mut of: &Type) -> &str {
    loop {
        match &of.base {
            BaseType::Named(name) => return name,
            BaseType::List(items) => of = items,
        }
    }
}

/// What a selection set comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shape {
    /// Its fields and fragments, and all below them.
    fields: u64,
    /// Its own fields.
    roots: u64,
    /// Fields inside one another.
    depth: u32,
    /// Fields and fragments inside one another.
    levels: u32,
    /// Lists of the schema's description inside one another.
    introspected_lists: u32,
    /// Whether the schema is asked for.
    introspects: bool,
}

impl Shape {
    fn check(self, settings: &DocumentSettings) -> Result<(), ServerError> {
        if self.introspects && !settings.introspection {
            return Err(coded(
                ErrorCode::IntrospectionDisabled,
                "introspection is switched off here: use the schema that you were given",
            ));
        }
        if self.fields > MOST_FIELDS {
            return Err(exceeded_by(Limit::Fields, MOST_FIELDS, self.fields));
        }
        if self.depth > settings.max_depth {
            return Err(exceeded(Limit::Depth, settings.max_depth as usize));
        }
        if self.levels > MOST_LEVELS {
            return Err(exceeded(Limit::Levels, MOST_LEVELS as usize));
        }
        if self.introspected_lists > MOST_INTROSPECTED_LISTS {
            return Err(exceeded(
                Limit::IntrospectionDepth,
                MOST_INTROSPECTED_LISTS as usize,
            ));
        }
        Ok(())
    }

    fn beside(self, other: Self) -> Self {
        Self {
            fields: self.fields.saturating_add(other.fields),
            roots: self.roots.saturating_add(other.roots),
            depth: self.depth.max(other.depth),
            levels: self.levels.max(other.levels),
            introspected_lists: self.introspected_lists.max(other.introspected_lists),
            introspects: self.introspects || other.introspects,
        }
    }

    /// Of a field with this selection in it.
    fn inside_field(self, name: &str) -> Self {
        Self {
            fields: self.fields.saturating_add(1),
            roots: 1,
            depth: self.depth + 1,
            levels: self.levels + 1,
            introspected_lists: self.introspected_lists
                + u32::from(INTROSPECTED_LISTS.contains(&name)),
            introspects: self.introspects || name == "__schema" || name == "__type",
        }
    }

    /// Of a fragment with this selection in it. It counts as a field, so that also what spreads
    /// nothing but fragments has a bound: whoever follows all spreads comes by each of them.
    fn inside_fragment(self) -> Self {
        Self {
            fields: self.fields.saturating_add(1),
            levels: self.levels + 1,
            ..self
        }
    }
}

/// Measures the selections of one document, each once.
struct Measuring<'document> {
    document: &'document ExecutableDocument,
    /// `None` while it is being measured: who meets that has come back to where it began.
    fragments: HashMap<&'document str, Option<Shape>>,
    aliases: usize,
    directives: usize,
    /// Selections that were looked at: what the work is.
    #[cfg(test)]
    looked_at: usize,
}

impl<'document> Measuring<'document> {
    fn of(document: &'document ExecutableDocument) -> Self {
        Self {
            document,
            fragments: HashMap::new(),
            aliases: 0,
            directives: 0,
            #[cfg(test)]
            looked_at: 0,
        }
    }

    fn set(
        &mut self,
        set: &'document Positioned<SelectionSet>,
        level: u32,
    ) -> Result<Shape, ServerError> {
        // Also the bound on the recursion: fragments can be a thousand steps deep.
        if level > MOST_LEVELS + 1 {
            return Err(exceeded(Limit::Levels, MOST_LEVELS as usize));
        }
        let mut whole = Shape::default();
        for selection in &set.node.items {
            #[cfg(test)]
            {
                self.looked_at += 1;
            }
            self.directives += selection.node.directives().len();
            let shape = match &selection.node {
                Selection::Field(field) => {
                    self.aliases += usize::from(field.node.alias.is_some());
                    let inner = self.set(&field.node.selection_set, level + 1)?;
                    inner.inside_field(&field.node.name.node)
                }
                Selection::InlineFragment(fragment) => {
                    let inner = self.set(&fragment.node.selection_set, level + 1)?;
                    inner.inside_fragment()
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    self.fragment(name, level + 1)?.inside_fragment()
                }
            };
            whole = whole.beside(shape);
        }
        Ok(whole)
    }

    fn fragment(&mut self, name: &str, level: u32) -> Result<Shape, ServerError> {
        match self.fragments.get(name) {
            Some(Some(shape)) => return Ok(*shape),
            Some(None) => {
                return Err(coded(
                    ErrorCode::GraphqlValidationFailed,
                    format!("Cannot spread fragment \"{name}\" within itself"),
                ));
            }
            None => {}
        }
        let document = self.document;
        // Here, and not by the rules of GraphQL: before those are checked the library follows all
        // spreads, as often as they stand there.
        let Some((name, fragment)) = document.fragments.get_key_value(name) else {
            return Err(coded(
                ErrorCode::GraphqlValidationFailed,
                format!("Unknown fragment: \"{name}\""),
            ));
        };
        self.directives += fragment.node.directives.len();
        self.fragments.insert(name, None);
        let shape = self.set(&fragment.node.selection_set, level)?;
        self.fragments.insert(name, Some(shape));
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;
    use std::fmt::Write;

    fn doubling(fragments: usize) -> String {
        let mut text = "{ ...f0 }".to_owned();
        for number in 0..fragments {
            let next = number + 1;
            let _ = write!(
                text,
                " fragment f{number} on Query {{ ...f{next} ...f{next} }}"
            );
        }
        text + &format!(" fragment f{fragments} on Query {{ __typename }}")
    }

    fn refusal(text: &str) -> Option<String> {
        let document = parse_query(text).unwrap();
        let costs = Costs::of_schema();
        let checked = check(&document, &DocumentSettings::default(), &costs);
        checked.err().map(|error| error.message)
    }

    #[test]
    fn what_doubles_is_looked_at_once() {
        // Within the levels, so that it is the sum that is too large.
        let text = doubling(25);
        let document = parse_query(&text).unwrap();
        let mut measuring = Measuring::of(&document);
        let (_, operation) = document.operations.iter().next().unwrap();
        let shape = measuring.set(&operation.node.selection_set, 1).unwrap();
        assert_eq!(
            shape.fields,
            3 * (1 << 25) - 1,
            "who spreads it has that much work"
        );
        assert_eq!(measuring.looked_at, 1 + 2 * 25 + 1, "and this has so much");
        let message = refusal(&text).unwrap();
        assert!(message.contains("5000 are allowed"), "{message}");
        assert!(refusal(&doubling(40)).unwrap().contains("more than 32"));
        assert_eq!(refusal(&doubling(8)), None);
    }

    #[test]
    fn sums_saturate() {
        // Each fragment spreads the next one ten times: 10^29 do not fit.
        let mut text = "{ ...f0 }".to_owned();
        for number in 0..29 {
            let spreads = format!("...f{} ", number + 1).repeat(10);
            let _ = write!(text, " fragment f{number} on Query {{ {spreads} }}");
        }
        text += " fragment f29 on Query { __typename }";
        assert!(refusal(&text).unwrap().contains("5000 are allowed"));
    }

    #[test]
    fn what_doubles_and_leads_nowhere_is_refused() {
        let text = doubling(25);
        let nowhere = text.replace("{ __typename }", "{ ...missing ...missing }");
        assert_eq!(refusal(&nowhere).unwrap(), "Unknown fragment: \"missing\"");
        // Fragments alone are work, too.
        let empty = text.replace("{ __typename }", "{ ... { ... { __typename } } }");
        assert!(refusal(&empty).unwrap().contains("5000 are allowed"));
    }

    #[test]
    fn cycles_end() {
        for text in [
            "{ ...a } fragment a on Query { ...a }",
            "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a ...a }",
            "{ __typename } fragment a on Query { event { ...a } }",
        ] {
            let message = refusal(text).unwrap();
            assert!(message.starts_with("Cannot spread fragment"), "{message}");
        }
        let mut long = "{ ...f0 }".to_owned();
        for number in 0..1_000 {
            let next = (number + 1) % 1_000;
            let _ = write!(long, " fragment f{number} on Query {{ ...f{next} }}");
        }
        assert!(refusal(&long).unwrap().contains("inside one another"));
    }

    #[test]
    fn a_mutation_is_no_batch() {
        let text = |count: usize| {
            let fields = (0..count).map(|number| format!("m{number}: x "));
            format!(
                "mutation {{ ...f }} fragment f on Mutation {{ {} }}",
                fields.collect::<String>()
            )
        };
        assert_eq!(refusal(&text(10)), None);
        assert!(refusal(&text(11)).unwrap().contains("11 mutations"));
    }

    #[test]
    fn introspection_has_an_end() {
        let text = |fields: &str| format!("{{ __schema {{ types {{ {fields} }} }} }}");
        assert_eq!(refusal(&text("fields { type { fields { name } } }")), None);
        let circular =
            text("fields { type { fields { type { fields { type { fields { name } } } } } } }");
        assert!(
            refusal(&circular)
                .unwrap()
                .contains("3 lists of the schema")
        );
    }

    #[test]
    fn a_variable_has_a_type_that_there_is() {
        for good in ["ID!", "[HoldSeatsInput!]", "Int"] {
            assert_eq!(refusal(&format!("query($a: {good}) {{ a(b: $a) }}")), None);
        }
        let message = refusal("query($a: [[Nothing!]] = [1]) { a(b: $a) }").unwrap();
        assert_eq!(message, "Unknown type \"Nothing\"");
    }
}
