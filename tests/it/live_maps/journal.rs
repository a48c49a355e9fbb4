//! What a watcher was told, in the order in which it was told it: the evidence that
//! is judged when all is over.

use serde_json::Value;
use std::collections::BTreeMap;
use std::time::SystemTime;
use usher::model::cursor::Cursor;
use usher::model::global_id::GlobalId;
use usher::model::ids::SeatNo;
use usher::model::status::SeatStatus;

/// A place in the feed, which is in the order of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub transaction: u64,
    pub id: i64,
}

/// Everything that one watcher was told.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    pub visits: Vec<Visit>,
}

/// From a subscription to its end, whoever ended it.
#[derive(Clone, Debug)]
pub struct Visit {
    pub began: SystemTime,
    /// The cursor that was brought along. Without one the watcher forgets what it knew.
    pub resumed_from: Option<Position>,
    pub messages: Vec<Message>,
    pub ended: Option<SystemTime>,
}

/// A snapshot, with the reason that it gives, or a delta without one.
#[derive(Clone, Debug)]
pub struct Message {
    pub at: SystemTime,
    pub snapshot: Option<String>,
    pub position: Position,
    pub seats: Vec<Told>,
}

/// What was said of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub seat: SeatNo,
    pub version: i32,
    pub status: SeatStatus,
}

/// The newest that is known of each seat.
pub type Known = BTreeMap<SeatNo, (i32, SeatStatus)>;

impl Journal {
    /// A subscription begins.
    pub fn begin(&mut self, resumed_from: Option<Position>) {
        self.visits.push(Visit {
            began: SystemTime::now(),
            resumed_from,
            messages: Vec::new(),
            ended: None,
        });
    }

    /// It was told something.
    pub fn tell(&mut self, message: Message) {
        self.visit().messages.push(message);
    }

    /// It ends.
    pub fn end(&mut self) {
        self.visit().ended = Some(SystemTime::now());
    }

    fn visit(&mut self) -> &mut Visit {
        self.visits.last_mut().expect("a subscription has begun")
    }
}

impl Message {
    /// What `Subscription.seatMap` says, with its cursor as it came.
    pub fn read(map: &Value) -> (Self, String) {
        let snapshot = map["reason"].as_str().map(ToOwned::to_owned);
        let (list, id) = match &snapshot {
            Some(_) => ("seats", "id"),
            None => ("changes", "seatId"),
        };
        let told = |seat: &Value| Told {
            seat: seat_no(seat[id].as_str().unwrap()),
            version: i32::try_from(seat["version"].as_i64().unwrap()).unwrap(),
            status: seat["status"].as_str().unwrap().parse().unwrap(),
        };
        let cursor = map["cursor"].as_str().unwrap().to_owned();
        let message = Self {
            at: SystemTime::now(),
            snapshot,
            position: Position::of(&cursor),
            seats: map[list].as_array().unwrap().iter().map(told).collect(),
        };
        (message, cursor)
    }

    /// Does to a map what a client does: a snapshot is the map from now on, and of
    /// what else is said of a seat the newest version wins.
    pub fn apply(&self, known: &mut Known) {
        if self.snapshot.is_some() {
            known.clear();
        }
        for told in &self.seats {
            let seat = known.entry(told.seat).or_insert((0, told.status));
            if told.version > seat.0 {
                *seat = (told.version, told.status);
            }
        }
    }
}

impl Position {
    /// Clients must not look into a cursor; whoever checks its promise has to.
    pub fn of(cursor: &str) -> Self {
        let cursor: Cursor = cursor.parse().unwrap();
        Self {
            transaction: cursor.transaction,
            id: cursor.id,
        }
    }
}

/// The place in the plan of the seat with this id.
fn seat_no(id: &str) -> SeatNo {
    match id.parse() {
        Ok(GlobalId::Seat(_, seat_no)) => seat_no,
        other => panic!("{id} is not a seat: {other:?}"),
    }
}
