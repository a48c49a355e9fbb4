//! Opaque texts that clients pass on: what is taken for one prints as it came, and what usher
//! prints is taken.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use secrecy::SecretString;
use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::LazyLock;
use usher::auth::{Authenticator, TokenRules};
use usher::config::Visitors;
use usher::model::cursor::{Cursor, CursorKind};
use usher::model::global_id::GlobalId;
use usher::model::ids::{BookingId, EventId, HoldId, PlanId, VenueId};
use usher::model::page_cursor;
use usher::model::reference::BookingReference;
use usher::model::token::HoldToken;
use uuid::Uuid;

/// Lists that have pages.
const LISTS: [&str; 3] = ["venues", "events", "seats:1"];

static AUTHENTICATOR: LazyLock<Authenticator> = LazyLock::new(|| {
    let secret = SecretString::from("a secret that nobody who asks has, 32+");
    Authenticator::new(Some(&secret), None, TokenRules::default(), Visitors::Buy)
        .expect("a secret that is long enough")
});

/// Takes the bytes as a text, as what a text stands for, and as the numbers of an id.
pub fn check(input: &[u8]) {
    if let Ok(text) = std::str::from_utf8(input) {
        read(text);
    }
    // A fuzzer that has to find base64 first finds nothing else.
    read(&URL_SAFE_NO_PAD.encode(input));
    print(input);
}

fn read(text: &str) {
    is_its_own_text::<GlobalId>(text);
    is_its_own_text::<Cursor>(text);
    if let Ok(token) = text.parse::<HoldToken>() {
        assert_eq!(token.reveal(), text);
        assert!(token.matches(&token.hash()));
        assert!(
            !format!("{token:?}").contains(text),
            "a token is never logged"
        );
    }
    for list in LISTS {
        if let Ok(key) = page_cursor::decode(list, text) {
            assert_eq!(page_cursor::encode(list, key), text);
            let others = LISTS.iter().filter(|other| **other != list);
            for other in others {
                assert!(
                    page_cursor::decode(other, text).is_err(),
                    "{other} takes {text}"
                );
            }
        }
    }
    // People type it in many ways, and it is printed in one.
    if let Ok(reference) = text.parse::<BookingReference>() {
        survives(&reference);
        assert_eq!(text.to_lowercase().parse(), Ok(reference));
    }
    let signed_in = AUTHENTICATOR.authenticate(Some(text), DateTime::UNIX_EPOCH);
    assert!(signed_in.is_err(), "nobody has signed {text}");
    let bearer = format!("Bearer {text}");
    let signed_in = AUTHENTICATOR.authenticate(Some(&bearer), DateTime::UNIX_EPOCH);
    assert!(signed_in.is_err(), "nobody has signed {text}");
}

fn is_its_own_text<Opaque: FromStr + Display>(text: &str) {
    if let Ok(opaque) = text.parse::<Opaque>() {
        assert_eq!(opaque.to_string(), text, "one thing has one text");
    }
}

/// What these bytes are the numbers of.
fn print(input: &[u8]) {
    let Some((numbers, _)) = input.split_first_chunk::<33>() else {
        return;
    };
    let number = |place: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&numbers[place * 8..][..8]);
        i64::from_be_bytes(bytes)
    };
    let (first, second) = (number(0), number(1));
    let uuid = Uuid::from_u64_pair(number(2).cast_unsigned(), number(3).cast_unsigned());
    let seat_no = i32::try_from(second >> 32).unwrap_or_default();
    for id in [
        GlobalId::Venue(VenueId(first)),
        GlobalId::SeatingPlan(PlanId(first)),
        GlobalId::Event(EventId(first)),
        GlobalId::Seat(EventId(first), seat_no),
        GlobalId::Hold(EventId(first), HoldId(uuid)),
        GlobalId::Booking(EventId(first), BookingId(uuid)),
    ] {
        survives(&id);
    }
    let is_map = numbers[32].is_multiple_of(2);
    survives(&Cursor {
        kind: if is_map {
            CursorKind::Map
        } else {
            CursorKind::Change
        },
        epoch: first,
        event: EventId(second),
        transaction: number(2).cast_unsigned(),
        id: number(3),
    });
    for list in LISTS {
        let text = page_cursor::encode(list, first);
        assert_eq!(page_cursor::decode(list, &text), Ok(first));
    }
    if first >= 0 {
        survives(&BookingReference::generate(EventId(first)));
    }
}

fn survives<Opaque>(opaque: &Opaque)
where
    Opaque: FromStr<Err: Debug> + Display + Debug + PartialEq,
{
    let text = opaque.to_string();
    let again = text.parse::<Opaque>().expect("what is printed is taken");
    assert_eq!(&again, opaque);
    assert_eq!(again.to_string(), text);
}
