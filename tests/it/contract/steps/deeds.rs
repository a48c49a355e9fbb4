//! What a step comes to as things stand.

use super::{BookingPick, BoxOffice, By, Deed, HoldPick, Office, SEATS, SeatPick, Seen, Step};
use crate::contract::model::{
    Asked, Booking, Exchanged, Expected, HoldStatus, Model, Person, Presented, Request, Token,
};
use std::collections::BTreeMap;

impl Step {
    /// What it comes to, as things stand in the model and after what was asked before.
    pub fn deed(&self, model: &Model, before: &[Asked]) -> Deed {
        match self {
            Self::Again(pick) => {
                let keyed: Vec<&Asked> =
                    before.iter().filter(|asked| asked.key.is_some()).collect();
                match keyed.len() {
                    0 => Deed::Nothing,
                    count => Deed::Ask(keyed[count - 1 - pick % count].clone()),
                }
            }
            Self::Lapse(pick) => match token(model, *pick) {
                Some(Some(hold)) if model.holds[hold].status == HoldStatus::Active => {
                    Deed::Lapse(hold)
                }
                _ => Deed::Nothing,
            },
            Self::Publish => Deed::Publish,
            _ => self
                .asked_about_a_hold(model)
                .or_else(|| self.asked_about_a_booking(model))
                .or_else(|| self.asked_by_staff(model))
                .map_or(Deed::Nothing, Deed::Ask),
        }
    }

    fn asked_about_a_hold(&self, model: &Model) -> Option<Asked> {
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
                    into: into.and_then(|pick| token(model, pick)),
                    retry: *retry,
                },
            ),
            Self::Release {
                by,
                hold,
                seats,
                key,
            } => {
                let token = token(model, *hold)?;
                let seats = seats
                    .as_ref()
                    .map(|picks| owned(token.map(|hold| &model.holds[hold].seats), picks));
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
                let token = token(model, *hold)?;
                let payment_reference = is_paid.then_some("payment-1");
                let request = Request::Confirm {
                    token,
                    payment_reference,
                };
                (by.person(model, token), *key, request)
            }
            Self::Extend { by, hold, key } => {
                let token = token(model, *hold)?;
                (by.person(model, token), *key, Request::Extend { token })
            }
            Self::ExchangeOfHold {
                by,
                hold,
                give,
                take,
                retry,
                key,
            } => {
                let token = token(model, *hold)?;
                let own = token.map(|hold| &model.holds[hold].seats);
                let of = Exchanged::Hold(token);
                let request = exchange(model, of, own, (give, take), *retry);
                (by.person(model, token), *key, request)
            }
            _ => return None,
        };
        Some(Asked { who, key, request })
    }

    fn asked_about_a_booking(&self, model: &Model) -> Option<Asked> {
        let (who, key, request) = match self {
            Self::ExchangeOfBooking {
                by,
                booking,
                give,
                take,
                retry,
                key,
            } => {
                let presented = presented(model, *booking)?;
                let booking = &model.bookings[presented.booking];
                let of = Exchanged::Booking(presented);
                let own = Some(&booking.seats);
                let request = exchange(model, of, own, (give, take), *retry);
                (by.person_of(booking.buyer), *key, request)
            }
            Self::CancelBooking {
                by,
                booking,
                seats,
                key,
            } => {
                let presented = presented(model, *booking)?;
                let booking = &model.bookings[presented.booking];
                let request = Request::CancelBooking {
                    booking: presented,
                    seats: seats
                        .as_ref()
                        .map(|picks| owned(Some(&booking.seats), picks)),
                };
                (by.person_of(booking.buyer), *key, request)
            }
            _ => return None,
        };
        Some(Asked { who, key, request })
    }

    fn asked_by_staff(&self, model: &Model) -> Option<Asked> {
        let (who, key, request) = match self {
            Self::BoxOffice {
                who,
                deed,
                seats,
                retry,
                key,
            } => {
                let (seats, retry) = (expected(model, seats), *retry);
                let request = match deed {
                    BoxOffice::Block => Request::Block { seats, retry },
                    BoxOffice::Unblock => Request::Unblock { seats, retry },
                    BoxOffice::BookFor(buyer) => Request::Book {
                        seats,
                        buyer: *buyer,
                        retry,
                    },
                };
                (*who, *key, request)
            }
            Self::Office { who, deed, behind } => {
                let version = (model.version - behind).max(1);
                let request = match *deed {
                    Office::Update(change) => Request::Update { version, change },
                    Office::OpenSale => Request::OpenSale { version },
                    Office::CloseSale => Request::CloseSale { version },
                    Office::Cancel => Request::CancelEvent { version },
                };
                (*who, None, request)
            }
            _ => return None,
        };
        Some(Asked { who, key, request })
    }
}

impl By {
    /// Whoever made the hold, while there is one.
    fn person(self, model: &Model, token: Token) -> Person {
        self.person_of(token.and_then(|hold| model.holds[hold].buyer))
    }

    fn person_of(self, buyer: Option<&str>) -> Person {
        let all = [Person::Anna, Person::Ben, Person::Visitor, Person::Tess];
        match self {
            Self::Anybody(person) => person,
            Self::Owner => all
                .into_iter()
                .find(|person| person.subject() == buyer)
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

/// The token that is picked; `None` when there is no hold to pick from.
fn token(model: &Model, pick: HoldPick) -> Option<Token> {
    let count = model.holds.len();
    match pick {
        HoldPick::Nobodys => Some(None),
        HoldPick::Recent(ago) => Some(Some(count.checked_sub(1 + ago.checked_rem(count)?)?)),
    }
}

fn presented(model: &Model, pick: BookingPick) -> Option<Presented> {
    let count = model.bookings.len();
    let booking = count.checked_sub(1 + pick.ago.checked_rem(count)?)?;
    let Booking { version, hold, .. } = model.bookings[booking];
    Some(Presented {
        booking,
        token: hold.filter(|_| pick.has_token),
        // There is none before the first, but there is one that has not been yet.
        version: if pick.behind < version {
            version - pick.behind
        } else {
            version + 1
        },
    })
}

fn exchange(
    model: &Model,
    of: Exchanged,
    own: Option<&BTreeMap<usize, i64>>,
    (give, take): (&[usize], &[SeatPick]),
    retry: bool,
) -> Request {
    let mut give = owned(own, give);
    let take = expected(model, take);
    // A seat that is in both lists is refused before anything is looked at.
    give.retain(|seat| take.iter().all(|(taken, _)| taken != seat));
    if give.is_empty() {
        give = (0..SEATS)
            .filter(|seat| take.iter().all(|(taken, _)| taken != seat))
            .take(1)
            .collect();
    }
    Request::Exchange {
        of,
        give,
        take,
        retry,
    }
}

/// Seats of a hold or booking, but for the highest number, which is any seat.
fn owned(own: Option<&BTreeMap<usize, i64>>, picks: &[usize]) -> Vec<usize> {
    let own: Vec<usize> = own.into_iter().flatten().map(|(seat, _)| *seat).collect();
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
