//! Random steps, and what each of them asks for as things stand.

use super::model::{Asked, Expected, HoldStatus, Model, Person, Request, Token};
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::{Just, Strategy, any, prop_oneof};

/// The seats of the event: of the first category, and of both.
pub const STALLS: usize = 6;
pub const SEATS: usize = 10;

/// Something that somebody does, or that happens. Whatever it picks is picked from
/// what there is by then, so that a step that is left out leaves sense behind.
#[derive(Clone, Debug)]
pub enum Step {
    Hold {
        who: Person,
        seats: Vec<SeatPick>,
        into: Option<HoldPick>,
        retry: bool,
        key: Option<u8>,
    },
    Release {
        by: By,
        hold: HoldPick,
        /// Of the hold's own, or of all.
        seats: Option<Vec<usize>>,
        key: Option<u8>,
    },
    Confirm {
        by: By,
        hold: HoldPick,
        is_paid: bool,
        key: Option<u8>,
    },
    OpenSale {
        who: Person,
        behind: i64,
    },
    CloseSale {
        who: Person,
        behind: i64,
    },
    /// A request with a key is sent again.
    Again(usize),
    /// The time of a running hold passes.
    Lapse(HoldPick),
    /// The sweeper publishes what has lapsed.
    Publish,
}

/// A seat as somebody has seen it.
#[derive(Clone, Copy, Debug)]
pub struct SeatPick {
    seat: usize,
    seen: Seen,
}

/// At which version a seat was seen.
#[derive(Clone, Copy, Debug)]
pub enum Seen {
    Now,
    /// So many versions ago, or at its first.
    Before(i64),
    /// It has not come to that yet.
    Never,
}

/// A token.
#[derive(Clone, Copy, Debug)]
pub enum HoldPick {
    /// Of the hold that was made so many holds ago.
    Recent(usize),
    Nobodys,
}

/// Who uses a hold.
#[derive(Clone, Copy, Debug)]
pub enum By {
    Owner,
    Anybody(Person),
}

/// What a step comes to.
#[derive(Clone, Debug)]
pub enum Deed {
    Ask(Asked),
    Lapse(usize),
    Publish,
    /// There is nothing to do it with.
    Nothing,
}

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
    prop_oneof![
        10 => hold,
        4 => release,
        4 => confirm,
        2 => (staff(), behind()).prop_map(|(who, behind)| Step::OpenSale { who, behind }),
        1 => (staff(), behind()).prop_map(|(who, behind)| Step::CloseSale { who, behind }),
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

fn hold() -> impl Strategy<Value = HoldPick> {
    (0..5_usize).prop_map(HoldPick::Recent)
}

fn hold_or_none() -> impl Strategy<Value = HoldPick> {
    prop_oneof![15 => hold(), 1 => Just(HoldPick::Nobodys)]
}

impl Step {
    /// What it comes to, as things stand in the model and after what was asked before.
    pub fn deed(&self, model: &Model, before: &[Asked]) -> Deed {
        let (who, key, request) = match self {
            Self::Hold {
                who,
                seats,
                into,
                retry,
                key,
            } => (
                *who,
                *key,
                Request::Hold {
                    seats: expected(model, seats),
                    into: into.map(|pick| token(model, pick)),
                    retry: *retry,
                },
            ),
            Self::Release {
                by,
                hold,
                seats,
                key,
            } => {
                let token = token(model, *hold);
                let seats = seats.as_ref().map(|picks| released(model, token, picks));
                (
                    by.person(model, token),
                    *key,
                    Request::Release { token, seats },
                )
            }
            Self::Confirm {
                by,
                hold,
                is_paid,
                key,
            } => {
                let token = token(model, *hold);
                let payment_reference = is_paid.then_some("payment-1");
                let request = Request::Confirm {
                    token,
                    payment_reference,
                };
                (by.person(model, token), *key, request)
            }
            Self::OpenSale { who, behind } => {
                let version = (model.version - behind).max(1);
                (*who, None, Request::OpenSale { version })
            }
            Self::CloseSale { who, behind } => {
                let version = (model.version - behind).max(1);
                (*who, None, Request::CloseSale { version })
            }
            Self::Again(pick) => {
                let keyed: Vec<&Asked> =
                    before.iter().filter(|asked| asked.key.is_some()).collect();
                return match keyed.len() {
                    0 => Deed::Nothing,
                    count => Deed::Ask(keyed[count - 1 - pick % count].clone()),
                };
            }
            Self::Lapse(pick) => {
                return match token(model, *pick) {
                    Some(hold) if model.holds[hold].status == HoldStatus::Active => {
                        Deed::Lapse(hold)
                    }
                    _ => Deed::Nothing,
                };
            }
            Self::Publish => return Deed::Publish,
        };
        Deed::Ask(Asked { who, key, request })
    }
}

impl By {
    /// Whoever made the hold, while there is one.
    fn person(self, model: &Model, token: Token) -> Person {
        let subject = token.and_then(|hold| model.holds[hold].buyer);
        let all = [Person::Anna, Person::Ben, Person::Visitor, Person::Tess];
        match self {
            Self::Anybody(person) => person,
            Self::Owner => all
                .into_iter()
                .find(|person| person.subject() == subject)
                .unwrap_or(Person::Anna),
        }
    }
}

/// Each seat once, at the version that it was seen at.
fn expected(model: &Model, picks: &[SeatPick]) -> Vec<Expected> {
    let mut expected: Vec<Expected> = Vec::new();
    for SeatPick { seat, seen } in picks {
        let version = model.seats[*seat].version;
        let version = match seen {
            Seen::Now => version,
            Seen::Before(steps) => (version - steps).max(1),
            Seen::Never => version + 1,
        };
        if expected.iter().all(|(named, _)| named != seat) {
            expected.push((*seat, version));
        }
    }
    expected
}

fn token(model: &Model, pick: HoldPick) -> Token {
    let count = model.holds.len();
    match pick {
        HoldPick::Recent(ago) if count > 0 => Some(count - 1 - ago % count),
        HoldPick::Recent(_) | HoldPick::Nobodys => None,
    }
}

/// Seats of the hold, but for the highest numbers, which are any seats.
fn released(model: &Model, token: Token, picks: &[usize]) -> Vec<usize> {
    let own: Vec<usize> = token
        .map(|hold| model.holds[hold].seats.keys().copied().collect())
        .unwrap_or_default();
    let mut seats: Vec<usize> = picks
        .iter()
        .map(|pick| match own.len() {
            count if count > 0 && *pick < SEATS - 1 => own[pick % count],
            _ => *pick,
        })
        .collect();
    seats.sort_unstable();
    seats.dedup();
    seats
}
