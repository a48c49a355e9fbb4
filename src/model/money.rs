//! Money: minor units and an ISO 4217 code, never a floating-point number.

/// An amount of one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// In the currency's minor unit: cents for EUR, yen for JPY.
    pub amount_minor: i64,
    /// ISO 4217 alphabetic code.
    pub currency: String,
}

/// Whether ISO 4217 knows this alphabetic code, in capitals as it is written there, and
/// says what its minor unit is. It does not for metals, for `XXX`, and for `XTS`: nothing
/// is paid in those.
pub fn is_currency(code: &str) -> bool {
    let currency = iso_currency::Currency::from_code(code);
    currency.is_some_and(|currency| currency.exponent().is_some())
}

#[cfg(test)]
mod tests {
    use super::is_currency;

    #[test]
    fn knows_the_codes_of_iso_4217_in_capitals_only() {
        assert!(is_currency("EUR"));
        assert!(is_currency("JPY"));
        assert!(!is_currency("eur"));
        assert!(!is_currency("EURO"));
        assert!(!is_currency("ZZZ"));
        assert!(!is_currency(""));
        for of_no_payment in ["XXX", "XTS", "XAU"] {
            assert!(!is_currency(of_no_payment), "{of_no_payment}");
        }
    }
}
