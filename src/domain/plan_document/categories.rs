//! Owns the price levels of a document and the look-up of one by its name.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

use super::reading::{Fields, Place, Shortened};
use super::refusal::Problems;
use super::{DEFAULT_COLOR, MAX_CATEGORIES};
use crate::model::seating_plan::Category;

/// How many names a message about an unknown category lists.
const LISTED_NAMES: usize = 6;

/// Longer than any colour name of CSS.
const MAX_COLOR_NAME: usize = 32;

/// The categories of one document.
pub(super) struct Categories<'d> {
    /// In document order, with a stand-in for each that was reported, so that
    /// an index into the document's array is one into this list.
    pub(super) list: Vec<Category>,
    by_name: HashMap<&'d str, usize>,
    /// Whether every name could be read. If not, it is a guess which category
    /// is unknown, and a report per seat would bury the true cause.
    complete: bool,
}

impl<'d> Categories<'d> {
    /// Reads `categories` of the document.
    pub(super) fn read(document: &Fields<'d, '_>, problems: &mut Problems) -> Self {
        let advice = "list the price levels as [{\"name\": \"Stalls\"}]";
        let items = document.required_items("categories", advice, problems);
        let place = document.place_of("categories");
        let mut categories = Categories {
            list: Vec::new(),
            by_name: HashMap::new(),
            complete: document.value("categories").is_some_and(Value::is_array),
        };
        if items.len() > MAX_CATEGORIES {
            let count = items.len();
            problems.add(
                &place,
                format_args!("has {count} entries, but a plan has at most {MAX_CATEGORIES}"),
            );
            categories.complete = false;
        }
        for (index, item) in items.iter().take(MAX_CATEGORIES).enumerate() {
            let name = categories.read_one(item, &Place::Item(&place, index), problems);
            categories.complete &= name.is_some();
        }
        categories
    }

    /// Reads one entry and answers its name.
    fn read_one(
        &mut self,
        item: &'d Value,
        place: &Place<'_>,
        problems: &mut Problems,
    ) -> Option<&'d str> {
        let fields = Fields::of(item, place, problems)?;
        let color = read_color(&fields, problems);
        let advice = "seats refer to their category by its name";
        let name = fields.required_name("name", advice, problems)?;
        let index = self.list.len();
        if let Some(first) = self.by_name.get(name) {
            problems.add(
                &fields.place_of("name"),
                format_args!(
                    "{} is the name of categories[{first}] too: give each its own",
                    Shortened(name)
                ),
            );
        } else {
            self.by_name.insert(name, index);
        }
        self.list.push(Category {
            name: name.to_owned(),
            color: color.to_owned(),
        });
        Some(name)
    }

    /// The category that a seat or zone names under `category`, as an index.
    pub(super) fn find(&self, owner: &Fields<'_, '_>, problems: &mut Problems) -> Option<usize> {
        let advice = "name one of the plan's categories";
        let name = owner.required_name("category", advice, problems)?;
        let found = self.by_name.get(name).copied();
        if found.is_none() && self.complete {
            problems.add(
                &owner.place_of("category"),
                format_args!(
                    "{} is not a category of this plan, which has {}",
                    Shortened(name),
                    Names(&self.list)
                ),
            );
        }
        found
    }
}

/// Only plain colours pass: the text ends up in attributes of a drawing, where
/// CSS functions could load things from elsewhere.
fn read_color<'d>(fields: &Fields<'d, '_>, problems: &mut Problems) -> &'d str {
    let Some(color) = fields.text("color", problems) else {
        return DEFAULT_COLOR;
    };
    let plain = match color.strip_prefix('#') {
        Some(digits) => {
            matches!(digits.len(), 3 | 6) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        None => {
            (1..=MAX_COLOR_NAME).contains(&color.len())
                && color.bytes().all(|byte| byte.is_ascii_alphabetic())
        }
    };
    if !plain {
        problems.add(
            &fields.place_of("color"),
            format_args!(
                "{} is not a colour: use #rgb, #rrggbb or a CSS colour name",
                Shortened(color)
            ),
        );
    }
    color
}

/// The first few names, for a message.
struct Names<'c>(&'c [Category]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("none");
        }
        for (index, category) in self.0.iter().take(LISTED_NAMES).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(formatter, "{separator}{}", Shortened(&category.name))?;
        }
        match self.0.len().saturating_sub(LISTED_NAMES) {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}
