//! Money.

use crate::model::money;
use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value};

/// An amount of money, exact.
#[derive(SimpleObject, Clone)]
pub struct Money {
    /// The amount in the currency's minor unit: cents for EUR, yen for JPY.
    amount_minor: MinorUnits,
    /// ISO 4217 alphabetic code.
    currency: String,
}

impl From<money::Money> for Money {
    fn from(money: money::Money) -> Self {
        Self {
            amount_minor: MinorUnits(money.amount_minor),
            currency: money.currency,
        }
    }
}

impl Money {
    /// An amount of this currency.
    pub fn new(amount_minor: i64, currency: &str) -> Self {
        Self {
            amount_minor: MinorUnits(amount_minor),
            currency: currency.to_owned(),
        }
    }
}

/// An amount on its way in or out, in minor units.
#[derive(Clone, Copy)]
pub struct MinorUnits(pub i64);

/// What every JSON reader holds exactly.
const MAX: i64 = (1 << 53) - 1;

/// A whole number of a currency's minor units, such as cents: a JSON number
/// without fraction, of up to 2⁵³ − 1 either way, because a price in some
/// currencies does not fit the 32 bits of an `Int`.
#[Scalar]
impl ScalarType for MinorUnits {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::Number(number) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        match number.as_i64() {
            Some(amount) if (-MAX..=MAX).contains(&amount) => Ok(Self(amount)),
            _ => Err(InputValueError::custom(
                "not a whole number of up to 2^53 - 1",
            )),
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}
