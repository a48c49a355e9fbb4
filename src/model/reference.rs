//! The reference of a booking: short enough to be read out over a telephone.

use crate::model::ids::EventId;
use std::fmt;
use std::str::FromStr;

/// `<event>-XXXX-XXXX` in Crockford's base 32, which has no I, L, O and U:
/// <https://www.crockford.com/base32.html>. The event's number comes first so
/// that the booking is found by its key; 40 random bits follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookingReference {
    /// The event that was booked.
    pub event: EventId,
    random: u64,
}

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RANDOM_DIGITS: usize = 8;
const RANDOM_BITS: u32 = 40;

/// The text is not a booking's reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the reference of a booking: it looks like 1A-7KQ2-M9XT")]
pub struct MalformedReference;

impl BookingReference {
    /// A new reference for a booking of `event`. Two may be equal by chance;
    /// the database keeps them apart.
    pub fn generate(event: EventId) -> Self {
        Self {
            event,
            random: rand::random::<u64>() >> (u64::BITS - RANDOM_BITS),
        }
    }
}

impl fmt::Display for BookingReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = encode(self.random, RANDOM_DIGITS);
        let (first, second) = digits.split_at(RANDOM_DIGITS / 2);
        let event = encode(self.event.0.cast_unsigned(), 1);
        write!(formatter, "{event}-{first}-{second}")
    }
}

impl FromStr for BookingReference {
    type Err = MalformedReference;

    /// Takes what people type: any letter case, spaces or no hyphens in the
    /// random part, O for 0, I and L for 1.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 64 {
            return Err(MalformedReference);
        }
        let digits: Vec<u8> = text
            .bytes()
            .filter(|byte| !matches!(byte, b'-' | b' '))
            .map(digit)
            .collect::<Option<_>>()
            .ok_or(MalformedReference)?;
        let split = digits
            .len()
            .checked_sub(RANDOM_DIGITS)
            .ok_or(MalformedReference)?;
        let (event, random) = digits.split_at(split);
        let event = i64::try_from(decode(event)?).map_err(|_| MalformedReference)?;
        Ok(Self {
            event: EventId(event),
            random: decode(random)?,
        })
    }
}

fn encode(mut number: u64, at_least: usize) -> String {
    let mut digits = Vec::new();
    while number > 0 || digits.len() < at_least {
        digits.push(ALPHABET[(number % 32) as usize] as char);
        number /= 32;
    }
    digits.iter().rev().collect()
}

fn decode(digits: &[u8]) -> Result<u64, MalformedReference> {
    if digits.is_empty() {
        return Err(MalformedReference);
    }
    digits
        .iter()
        .try_fold(0_u64, |number, digit| {
            number.checked_mul(32)?.checked_add(u64::from(*digit))
        })
        .ok_or(MalformedReference)
}

fn digit(byte: u8) -> Option<u8> {
    let byte = match byte.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    let place = ALPHABET.iter().position(|letter| *letter == byte)?;
    u8::try_from(place).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_its_text_form() {
        for event in [1, 31, 32, 1_000_000, i64::MAX] {
            let reference = BookingReference::generate(EventId(event));
            assert_eq!(reference.to_string().parse(), Ok(reference));
        }
        let reference = BookingReference {
            event: EventId(42),
            random: 1,
        };
        assert_eq!(reference.to_string(), "1A-0000-0001");
    }

    #[test]
    fn takes_what_people_type() {
        let reference = BookingReference {
            event: EventId(42),
            random: 1,
        };
        for typed in [
            "1a-0000-0001",
            "1A0000 0001",
            "la-oooo-ooo1",
            "IA-0000-000L",
        ] {
            assert_eq!(typed.parse(), Ok(reference), "{typed}");
        }
    }

    #[test]
    fn refuses_what_is_not_one() {
        for bad in [
            "",
            "-",
            "0000-0001",
            "1U-0000-0001",
            "ä",
            &"Z".repeat(60),
            &"1".repeat(65),
        ] {
            assert_eq!(
                bad.parse::<BookingReference>(),
                Err(MalformedReference),
                "{bad:?}"
            );
        }
    }
}
