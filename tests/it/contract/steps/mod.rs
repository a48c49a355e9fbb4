//! Random steps, and what each of them asks for as things stand.

mod deeds;
mod random;

pub use self::random::steps;

use super::model::{Asked, Change, Person};

/// The seats of the event: of the first category, and of both.
pub const STALLS: usize = 8;
pub const SEATS: usize = 14;

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
    Extend {
        by: By,
        hold: HoldPick,
        key: Option<u8>,
    },
    ExchangeOfHold {
        by: By,
        hold: HoldPick,
        give: Vec<usize>,
        take: Vec<SeatPick>,
        retry: bool,
        key: Option<u8>,
    },
    ExchangeOfBooking {
        by: By,
        booking: BookingPick,
        give: Vec<usize>,
        take: Vec<SeatPick>,
        retry: bool,
        key: Option<u8>,
    },
    CancelBooking {
        by: By,
        booking: BookingPick,
        /// Of the booking's own, or of all.
        seats: Option<Vec<usize>>,
        key: Option<u8>,
    },
    /// What staff do with seats.
    BoxOffice {
        who: Person,
        deed: BoxOffice,
        seats: Vec<SeatPick>,
        retry: bool,
        key: Option<u8>,
    },
    /// What staff do with the event.
    Office {
        who: Person,
        deed: Office,
        behind: i64,
    },
    /// A request with a key is sent again.
    Again(usize),
    /// The time of a running hold passes.
    Lapse(HoldPick),
    /// The sweeper publishes what has lapsed.
    Publish,
}

/// What staff do with seats.
#[derive(Clone, Copy, Debug)]
pub enum BoxOffice {
    Block,
    Unblock,
    BookFor(Option<&'static str>),
}

/// What staff do with the event.
#[derive(Clone, Copy, Debug)]
pub enum Office {
    Update(Change),
    OpenSale,
    CloseSale,
    Cancel,
}

/// A booking that was made so many bookings ago, as it was so many versions ago.
#[derive(Clone, Copy, Debug)]
pub struct BookingPick {
    ago: usize,
    behind: i64,
    has_token: bool,
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
