//! What the categories of a plan cost, as staff name it.

use crate::domain::DomainError;
use crate::model::seating_plan::SeatingPlan;
use std::collections::HashSet;

/// The highest price, in minor units: sums of a whole house stay far below 2⁶³.
const MAX_AMOUNT_MINOR: i64 = 1_000_000_000_000;

/// Whether these categories and amounts may be prices, whatever the plan.
///
/// # Errors
/// When an amount is out of range, or a category is named twice.
pub fn check(prices: &[(String, i64)]) -> Result<(), DomainError> {
    let mut priced = HashSet::new();
    for (index, (category, amount)) in prices.iter().enumerate() {
        if !(0..=MAX_AMOUNT_MINOR).contains(amount) {
            let message = format!("must be from 0 to {MAX_AMOUNT_MINOR} minor units");
            let field = format!("prices[{index}].amountMinor");
            return Err(DomainError::invalid(field, message));
        }
        if !priced.insert(category) {
            let message = "this category is priced before";
            let field = format!("prices[{index}].category");
            return Err(DomainError::invalid(field, message));
        }
    }
    Ok(())
}

/// The amounts by the number of their category, for some of a plan's categories.
///
/// # Errors
/// As [`check`], and when the plan has no such category.
pub fn some(plan: &SeatingPlan, prices: &[(String, i64)]) -> Result<Vec<(i32, i64)>, DomainError> {
    check(prices)?;
    let mut numbered = Vec::with_capacity(prices.len());
    for (name, amount) in prices {
        let mut categories = (0..).zip(&plan.categories);
        let found = categories.find(|(_, category)| category.name == *name);
        let (category_no, _) = found.ok_or_else(|| {
            let names: Vec<_> = plan.categories.iter().map(|one| &*one.name).collect();
            let message = format!("the plan has only these categories: {}", names.join(", "));
            DomainError::invalid("prices", message)
        })?;
        numbered.push((category_no, *amount));
    }
    Ok(numbered)
}

/// The amounts in the order of the plan's categories, each of which has one.
///
/// # Errors
/// As [`some`], and when a category has no price.
pub fn complete(plan: &SeatingPlan, prices: &[(String, i64)]) -> Result<Vec<i64>, DomainError> {
    let mut numbered = some(plan, prices)?;
    let is_priced = |name: &String| prices.iter().any(|(priced, _)| priced == name);
    let unpriced: Vec<_> = plan
        .categories
        .iter()
        .filter(|category| !is_priced(&category.name))
        .map(|category| &*category.name)
        .collect();
    if !unpriced.is_empty() {
        let message = format!("these categories have no price: {}", unpriced.join(", "));
        return Err(DomainError::invalid("prices", message));
    }
    numbered.sort_unstable();
    Ok(numbered.into_iter().map(|(_, amount)| amount).collect())
}
