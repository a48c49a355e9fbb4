//! What is asked for, and by whom.

/// Somebody who sends requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Person {
    Anna,
    Ben,
    Visitor,
    Tess,
}

/// A hold's token: the hold's number, or `None` for a text that nobody was given.
pub type Token = Option<usize>;

/// A seat, and the version that it is expected at.
pub type Expected = (usize, i64);

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Hold {
        seats: Vec<Expected>,
        into: Option<Token>,
        retry: bool,
    },
    Release {
        token: Token,
        seats: Option<Vec<usize>>,
    },
    Confirm {
        token: Token,
        payment_reference: Option<&'static str>,
    },
    Extend {
        token: Token,
    },
    Exchange {
        of: Exchanged,
        give: Vec<usize>,
        take: Vec<Expected>,
        retry: bool,
    },
    CancelBooking {
        booking: Presented,
        seats: Option<Vec<usize>>,
    },
    Block {
        seats: Vec<Expected>,
        retry: bool,
    },
    Unblock {
        seats: Vec<Expected>,
        retry: bool,
    },
    Book {
        seats: Vec<Expected>,
        buyer: Option<&'static str>,
        retry: bool,
    },
    Update {
        version: i64,
        change: Change,
    },
    OpenSale {
        version: i64,
    },
    CloseSale {
        version: i64,
    },
    CancelEvent {
        version: i64,
    },
}

/// A booking by its reference, the token that comes with it, and the version that it is
/// expected at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Presented {
    pub booking: usize,
    pub token: Option<usize>,
    pub version: i64,
}

/// Whose seats are exchanged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Exchanged {
    Hold(Token),
    Booking(Presented),
}

/// What staff change about the event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    PriceOfStalls(i64),
    SeatsPerHold(usize),
    SeatsPerBuyer(usize),
    HoldsPerBuyer(usize),
    IsExtendable(bool),
}

/// A request, who sends it, and under which idempotency key.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub who: Person,
    pub key: Option<u8>,
    pub request: Request,
}

impl Person {
    /// What the person's token says, if there is one.
    pub fn subject(self) -> Option<&'static str> {
        match self {
            Self::Anna => Some("anna"),
            Self::Ben => Some("ben"),
            Self::Visitor => None,
            Self::Tess => Some("tess"),
        }
    }

    pub fn is_staff(self) -> bool {
        self == Self::Tess
    }
}
