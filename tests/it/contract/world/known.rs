//! The words of a server and those of the model: ids, tokens and times there,
//! numbers here.

use serde_json::{Value, json};
use usher::model::global_id::GlobalId;

/// What the server has named so far, each at the place of its number.
#[derive(Default)]
pub struct Known {
    pub tokens: Vec<String>,
    pub holds: Vec<String>,
    /// The ends that each hold has had.
    ends: Vec<Vec<String>>,
    pub bookings: Vec<String>,
    pub references: Vec<String>,
}

impl Known {
    /// The same in the words of the model.
    pub fn translate(&mut self, value: Value) -> Value {
        match value {
            Value::Array(values) => values
                .into_iter()
                .map(|value| self.translate(value))
                .collect(),
            Value::Object(mut fields) => {
                fields.retain(|name, _| name != "cursor" && name != "message");
                let id = fields.get("id").and_then(Value::as_str).map(str::to_owned);
                let id = id.map(|id| (id.parse::<GlobalId>().unwrap(), id));
                if let Some((GlobalId::Seat(_, seat), _)) = id {
                    return json!([seat, fields["version"], fields["status"]]);
                }
                if let Some((parsed, id)) = id {
                    let number = match parsed {
                        GlobalId::Hold(..) => number_of(&mut self.holds, id),
                        GlobalId::Booking(..) => number_of(&mut self.bookings, id),
                        _ => 0,
                    };
                    fields["id"] = json!(number);
                    if let Some(Value::String(end)) = fields.get("expiresAt") {
                        self.ends.resize(self.holds.len(), Vec::new());
                        let end = number_of(&mut self.ends[number], end.clone());
                        fields["expiresAt"] = json!(end);
                    }
                }
                for (name, numbers) in [
                    ("token", &mut self.tokens),
                    ("reference", &mut self.references),
                ] {
                    if let Some(Value::String(text)) = fields.get(name) {
                        fields[name] = json!(number_of(numbers, text.clone()));
                    }
                }
                fields
                    .into_iter()
                    .map(|(name, value)| (name, self.translate(value)))
                    .collect()
            }
            other => other,
        }
    }
}

/// The place of a text in what is known; it is added if it is new.
fn number_of(known: &mut Vec<String>, text: String) -> usize {
    let place = known.iter().position(|known| *known == text);
    place.unwrap_or_else(|| {
        known.push(text);
        known.len() - 1
    })
}

/// The key of a hold or a booking in the database.
pub fn uuid_of(id: &str) -> String {
    match id.parse() {
        Ok(GlobalId::Hold(_, id)) => id.to_string(),
        Ok(GlobalId::Booking(_, id)) => id.to_string(),
        other => panic!("not the id of a hold or a booking: {other:?}"),
    }
}
