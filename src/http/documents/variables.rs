//! How large the variables of an operation may be: their number, their bytes, how deep they
//! go, and how long their lists are. In one pass, which is no deeper than JSON is read.

use super::refusal::{Limit, exceeded};
use super::structure::MOST_VARIABLES;
use crate::config::DocumentSettings;
use crate::model::{Caller, Permission};
use async_graphql::{ServerError, Value, Variables};

/// Lists and objects inside one another. A seating plan has eight.
const MOST_LEVELS: usize = 32;
/// Items of one list. No mutation of a buyer's takes more than a few hundred seats.
const MOST_ITEMS: usize = 10_000;

/// Checks the variables that came with an operation. Staff import seating plans, of which the
/// size of the body is the only limit.
///
/// # Errors
/// When there is too much of something.
pub fn check(
    variables: &Variables,
    caller: &Caller,
    settings: &DocumentSettings,
) -> Result<(), ServerError> {
    if variables.len() > MOST_VARIABLES {
        return Err(exceeded(Limit::Variables, MOST_VARIABLES));
    }
    let is_bounded = !caller.may(Permission::ManageEvents);
    let most = settings.max_variables_bytes as usize;
    let mut bytes = 2;
    for (name, value) in variables.iter() {
        bytes += name.len() + 4 + measure(value, 0, is_bounded)?;
    }
    if is_bounded && bytes > most {
        return Err(exceeded(Limit::VariablesBytes, most));
    }
    Ok(())
}

/// About how many bytes a value is as JSON.
///
/// # Errors
/// When it is deeper than a variable may be.
pub fn size(value: &Value) -> Result<usize, ServerError> {
    measure(value, 0, false)
}

fn measure(value: &Value, level: usize, is_bounded: bool) -> Result<usize, ServerError> {
    if level > MOST_LEVELS {
        return Err(exceeded(Limit::VariablesDepth, MOST_LEVELS));
    }
    let mut bytes = match value {
        Value::String(text) => return Ok(text.len() + 2),
        Value::Enum(name) => return Ok(name.len()),
        Value::Binary(binary) => return Ok(binary.len()),
        Value::Null | Value::Boolean(_) | Value::Number(_) => return Ok(4),
        Value::List(_) | Value::Object(_) => 2,
    };
    if let Value::List(items) = value {
        if is_bounded && items.len() > MOST_ITEMS {
            return Err(exceeded(Limit::ListItems, MOST_ITEMS));
        }
        for item in items {
            bytes += 1 + measure(item, level + 1, is_bounded)?;
        }
    }
    if let Value::Object(fields) = value {
        for (name, field) in fields {
            bytes += name.len() + 4 + measure(field, level + 1, is_bounded)?;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn staff() -> Caller {
        Caller::Staff {
            subject: "tess".to_owned(),
        }
    }

    fn refusal(variables: serde_json::Value, caller: &Caller) -> Option<String> {
        let variables = serde_json::from_value(variables).unwrap();
        let checked = check(&variables, caller, &DocumentSettings::default());
        checked.err().map(|error| error.message)
    }

    #[test]
    fn variables_have_bounds() {
        let nobody = Caller::Anonymous;
        let mut deep = json!(1);
        for _ in 0..=MOST_LEVELS {
            deep = json!([deep]);
        }
        let many: serde_json::Map<_, _> = (0..=100).map(|n| (format!("v{n}"), json!(1))).collect();
        for (variables, says) in [
            (json!({"a": "x".repeat(256 * 1024)}), "262144 bytes"),
            (json!({"a": vec!["x".repeat(100); 9_000]}), "262144 bytes"),
            (json!({"a": vec![0; MOST_ITEMS + 1]}), "10000 items"),
            (json!({"a": deep}), "32 lists and objects"),
            (json!(many), "100 variables"),
        ] {
            let message = refusal(variables, &nobody).unwrap();
            assert!(message.contains(says), "{message}");
        }
        assert_eq!(
            refusal(json!({"a": vec![0; MOST_ITEMS], "b": {"c": [1]}}), &nobody),
            None
        );
    }

    #[test]
    fn staff_may_send_a_plan() {
        assert_eq!(
            refusal(json!({"a": vec!["x".repeat(100); 20_000]}), &staff()),
            None
        );
        let mut deep = json!(1);
        for _ in 0..=MOST_LEVELS {
            deep = json!({"a": deep});
        }
        assert!(refusal(json!({"a": deep}), &staff()).is_some());
    }
}
