//! Random steps.

use super::{BookingPick, BoxOffice, By, HoldPick, Office, SEATS, SeatPick, Seen, Step};
use crate::contract::model::{Change, Person};
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::{Just, Strategy, any, prop_oneof};

/// Up to thirty steps.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..=30)
}

fn step() -> impl Strategy<Value = Step> {
    let hold = (
        person(),
        seats(),
        weighted(0.25, hold()),
        any::<bool>(),
        key(),
    )
        .prop_map(|(who, seats, into, retry, key)| Step::Hold {
            who,
            seats,
            into,
            retry,
            key,
        });
    let release = (by(), hold_or_none(), of(vec(0..SEATS, 1..=2)), key()).prop_map(
        |(by, hold, seats, key)| Step::Release {
            by,
            hold,
            seats,
            key,
        },
    );
    let confirm =
        (by(), hold_or_none(), any::<bool>(), key()).prop_map(|(by, hold, is_paid, key)| {
            Step::Confirm {
                by,
                hold,
                is_paid,
                key,
            }
        });
    let given = || vec(0..SEATS, 1..=2);
    let exchange_of_hold = (
        by(),
        hold_or_none(),
        given(),
        one_or_two(),
        any::<bool>(),
        key(),
    )
        .prop_map(|(by, hold, give, take, retry, key)| Step::ExchangeOfHold {
            by,
            hold,
            give,
            take,
            retry,
            key,
        });
    let exchange_of_booking = (by(), booking(), given(), one_or_two(), any::<bool>(), key())
        .prop_map(
            |(by, booking, give, take, retry, key)| Step::ExchangeOfBooking {
                by,
                booking,
                give,
                take,
                retry,
                key,
            },
        );
    let cancel = (by(), booking(), of(given()), key()).prop_map(|(by, booking, seats, key)| {
        Step::CancelBooking {
            by,
            booking,
            seats,
            key,
        }
    });
    let box_office = (staff(), box_office(), one_or_two(), any::<bool>(), key()).prop_map(
        |(who, deed, seats, retry, key)| Step::BoxOffice {
            who,
            deed,
            seats,
            retry,
            key,
        },
    );
    prop_oneof![
        10 => hold,
        4 => release,
        4 => confirm,
        2 => (by(), hold_or_none(), key())
            .prop_map(|(by, hold, key)| Step::Extend { by, hold, key }),
        3 => exchange_of_hold,
        3 => exchange_of_booking,
        3 => cancel,
        4 => box_office,
        4 => (staff(), office(), behind())
            .prop_map(|(who, deed, behind)| Step::Office { who, deed, behind }),
        3 => (0..8_usize).prop_map(Step::Again),
        3 => hold_or_none().prop_map(Step::Lapse),
        1 => Just(Step::Publish),
    ]
}

fn person() -> impl Strategy<Value = Person> {
    prop_oneof![
        4 => Just(Person::Anna),
        2 => Just(Person::Ben),
        2 => Just(Person::Visitor),
        1 => Just(Person::Tess),
    ]
}

fn staff() -> impl Strategy<Value = Person> {
    prop_oneof![6 => Just(Person::Tess), 1 => person()]
}

fn by() -> impl Strategy<Value = By> {
    prop_oneof![3 => Just(By::Owner), 1 => person().prop_map(By::Anybody)]
}

fn key() -> impl Strategy<Value = Option<u8>> {
    weighted(0.3, 0..4_u8)
}

fn booking() -> impl Strategy<Value = BookingPick> {
    (0..4_usize, behind(), any::<bool>()).prop_map(|(ago, behind, has_token)| BookingPick {
        ago,
        behind,
        has_token,
    })
}

fn box_office() -> impl Strategy<Value = BoxOffice> {
    prop_oneof![
        Just(BoxOffice::Block),
        Just(BoxOffice::Unblock),
        of(Just("anna")).prop_map(BoxOffice::BookFor),
    ]
}

fn office() -> impl Strategy<Value = Office> {
    prop_oneof![
        6 => change().prop_map(Office::Update),
        4 => Just(Office::OpenSale),
        2 => Just(Office::CloseSale),
        1 => Just(Office::Cancel),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (900..1_200_i64).prop_map(Change::PriceOfStalls),
        (2..=5_usize).prop_map(Change::SeatsPerHold),
        (4..=9_usize).prop_map(Change::SeatsPerBuyer),
        (1..=3_usize).prop_map(Change::HoldsPerBuyer),
        any::<bool>().prop_map(Change::IsExtendable),
    ]
}

fn behind() -> impl Strategy<Value = i64> {
    prop_oneof![5 => Just(0_i64), 1 => 1..3_i64]
}

fn seats() -> impl Strategy<Value = Vec<SeatPick>> {
    let seen = prop_oneof![
        8 => Just(Seen::Now),
        3 => (1..4_i64).prop_map(Seen::Before),
        1 => Just(Seen::Never),
    ];
    let seat = (0..SEATS, seen).prop_map(|(seat, seen)| SeatPick { seat, seen });
    vec(seat, 1..=4)
}

fn one_or_two() -> impl Strategy<Value = Vec<SeatPick>> {
    seats().prop_map(|mut seats| {
        seats.truncate(2);
        seats
    })
}

fn hold() -> impl Strategy<Value = HoldPick> {
    (0..5_usize).prop_map(HoldPick::Recent)
}

fn hold_or_none() -> impl Strategy<Value = HoldPick> {
    prop_oneof![15 => hold(), 1 => Just(HoldPick::Nobodys)]
}
