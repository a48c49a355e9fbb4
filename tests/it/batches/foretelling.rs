//! What a batch decides in memory is what the database does, for states and seats at random.

use crate::booking::event_key;
use crate::support::{Event, House};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::runtime::Runtime;
use usher::db::schema::events;
use usher::db::seats::{self, FromState, SeatMove, SeatState, ToState, Transition};
use usher::db::{clock, plans};
use usher::domain::alternatives::{self, Loser};
use usher::model::ids::{BookingId, EventId, HoldId, PlanId, SeatNo};
use usher::model::seating_plan::SeatingPlan;
use usher::model::status::{Cause, SeatStatus};
use uuid::Uuid;

/// As many as make each state meet each other one several times.
fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

/// A house that a test without a runtime of its own is at home in.
struct Stage {
    runtime: Runtime,
    house: House,
    event: Event,
}

impl Stage {
    fn new(open: impl AsyncFnOnce(&House) -> Event) -> Self {
        let runtime = Runtime::new().unwrap();
        let (house, event) = runtime.block_on(async {
            let house = House::open().await;
            let event = open(&house).await;
            (house, event)
        });
        Self {
            runtime,
            house,
            event,
        }
    }

    fn event_id(&self) -> EventId {
        EventId(event_key(&self.event))
    }
}

// --- What a transition may start from ---

const SEATS: usize = 8;
/// The owners that there are: few, so that they are often the same one.
const OWNERS: u128 = 2;

fn owner(number: u128) -> Uuid {
    Uuid::from_u128(number + 1)
}

/// How a seat stands, and how it was seen.
#[derive(Clone, Debug)]
struct Standing {
    status: SeatStatus,
    owner: u128,
    /// When a hold on it lapses, in microseconds from the start of the transaction.
    lapses_in: i64,
    from: FromState,
    /// How far the version is that somebody expects from the one that it is at.
    off_by: i32,
}

fn standing() -> impl Strategy<Value = Standing> {
    let status = prop_oneof![
        Just(SeatStatus::Available),
        Just(SeatStatus::Held),
        Just(SeatStatus::Held),
        Just(SeatStatus::Booked),
        Just(SeatStatus::Blocked),
    ];
    let from = (0..7, 0..OWNERS).prop_map(|(which, of)| {
        let (hold, booking) = (HoldId(owner(of)), BookingId(owner(of)));
        match which {
            0 => FromState::Takeable,
            1 => FromState::Held,
            2 => FromState::HeldBy(hold),
            3 => FromState::BookedBy(booking),
            4 => FromState::Blocked,
            5 => FromState::Lapsed,
            _ => FromState::UnclaimedSince(hold),
        }
    });
    let lapses_in = prop_oneof![
        Just(-1_000_000),
        Just(-1),
        Just(0),
        Just(1),
        Just(1_000_000)
    ];
    let off_by = prop_oneof![4 => Just(0), 1 => Just(-1), 1 => Just(1)];
    (status, 0..OWNERS, lapses_in, from, off_by).prop_map(
        |(status, owner, lapses_in, from, off_by)| Standing {
            status,
            owner,
            lapses_in,
            from,
            off_by,
        },
    )
}

/// The UPDATE that brings a seat there.
fn bring(event: EventId, seat_no: usize, standing: &Standing) -> String {
    let Standing {
        status,
        owner: of,
        lapses_in,
        ..
    } = standing;
    let of = owner(*of);
    let (status, owner, until) = match status {
        SeatStatus::Available => return String::new(),
        SeatStatus::Held => {
            let until = format!("now() + interval '{lapses_in} microseconds'");
            ("HELD", format!("'{of}'"), until)
        }
        SeatStatus::Booked => ("BOOKED", format!("'{of}'"), "NULL".to_owned()),
        SeatStatus::Blocked => ("BLOCKED", "NULL".to_owned(), "NULL".to_owned()),
    };
    format!(
        "UPDATE seats SET status = '{status}', owner_id = {owner}, held_until = {until}, \
                cause = 'CORRECTION', version = version + 1 \
         WHERE event_id = {} AND seat_no = {seat_no};",
        event.0
    )
}

/// Which seats the ledger of a batch would let through, and which the UPDATE does.
async fn foretold_and_changed(
    sql: &mut AsyncPgConnection,
    event: EventId,
    standings: &[Standing],
) -> [BTreeSet<SeatNo>; 2] {
    let bring: String = standings
        .iter()
        .enumerate()
        .map(|(seat_no, standing)| bring(event, seat_no, standing))
        .collect();
    sql.batch_execute(&format!("BEGIN; {bring}")).await.unwrap();
    let now = clock::moment(sql).await.unwrap().now;
    let keys = (0..).take(standings.len()).map(|seat_no| (event, seat_no));
    let mut rows = seats::load_rows(sql, keys).await.unwrap();
    rows.sort_by_key(|row| row.seat_no);
    let pairs = || rows.iter().zip(standings);
    let foretold = pairs()
        .filter(|(row, standing)| standing.off_by == 0 && standing.from.accepts(row, now))
        .map(|(row, _)| row.seat_no)
        .collect();
    let moves: Vec<SeatMove> = pairs()
        .map(|(row, standing)| SeatMove {
            event,
            seat_no: row.seat_no,
            version: row.version + standing.off_by,
            transition: Arc::new(Transition {
                from: standing.from,
                to: ToState::Booked(BookingId(Uuid::from_u128(99))),
                cause: Cause::Booked,
                actor: "somebody".to_owned(),
            }),
        })
        .collect();
    let changed = seats::change(sql, &moves).await.unwrap();
    let changed = changed
        .into_iter()
        .map(|(_, state)| state.seat_no)
        .collect();
    sql.batch_execute("ROLLBACK").await.unwrap();
    [foretold, changed]
}

#[test]
fn what_a_transition_may_start_from_is_the_same_in_memory_and_in_the_database() {
    let stage = Stage::new(async |house| house.event(1, SEATS).await);
    let mut sql = stage.runtime.block_on(stage.house.sql());
    let sql = std::cell::RefCell::new(&mut sql);
    let changed_once = std::cell::Cell::new(0);
    let run = |standings: Vec<Standing>| {
        let sql = &mut sql.borrow_mut();
        let both = foretold_and_changed(sql, stage.event_id(), &standings);
        let [foretold, changed] = stage.runtime.block_on(both);
        changed_once.set(changed_once.get() + changed.len());
        prop_assert_eq!(foretold, changed);
        Ok::<(), TestCaseError>(())
    };
    runner(400)
        .run(&vec(standing(), SEATS..=SEATS), run)
        .unwrap();
    let changed = changed_once.get();
    assert!(changed > 200, "only {changed} seats were changed at all");
}

// --- What a loser is offered ---

const IN_A_ROW: usize = 20;

/// A hall in which no two seats are equally far from a third one, so that there is one answer.
fn uneven_plan(rows: usize) -> serde_json::Value {
    let row = |row: usize| {
        let seat = |seat: usize| {
            // Far less than the distance of two seats, and of no simple ratio to it.
            #[allow(clippy::cast_precision_loss, reason = "small numbers")]
            let shift =
                |by: usize| ((row * 31 + seat * 17 + by) as f64 * 0.618_033_988_7).fract() * 0.3;
            #[allow(clippy::cast_precision_loss, reason = "small numbers")]
            let (x, y) = (seat as f64 + shift(0), shift(7));
            json!({
                "seat_guid": format!("{row}-{seat}"), "seat_number": (seat + 1).to_string(),
                "position": {"x": x, "y": y}, "category": "Stalls",
            })
        };
        json!({
            "row_number": (row + 1).to_string(), "position": {"x": 0, "y": row},
            "seats": (0..IN_A_ROW).map(seat).collect::<Vec<_>>(),
        })
    };
    json!({
        "name": "Uneven Hall",
        "categories": [{"name": "Stalls", "color": "#0072b2"}],
        "zones": [{
            "name": "Stalls", "position": {"x": 0, "y": 0},
            "rows": (0..rows).map(row).collect::<Vec<_>>(),
        }],
    })
}

/// For each lost seat the nearest one that is left, found by looking at all.
fn by_looking_at_all(plan: &SeatingPlan, lost: &[SeatNo], free: &BTreeSet<SeatNo>) -> Vec<SeatNo> {
    let place = |seat_no: SeatNo| {
        let seat = plan.seat(seat_no).unwrap();
        (seat.x.unwrap(), seat.y.unwrap())
    };
    let mut free = free.clone();
    let mut found: Vec<SeatNo> = lost
        .iter()
        .filter_map(|lost| {
            let (x, y) = place(*lost);
            let far = |seat_no: &SeatNo| {
                let (other_x, other_y) = place(*seat_no);
                (x - other_x).powi(2) + (y - other_y).powi(2)
            };
            let nearest = *free.iter().min_by(|a, b| far(a).total_cmp(&far(b)))?;
            free.remove(&nearest);
            Some(nearest)
        })
        .collect();
    found.sort_unstable();
    found
}

/// Which seats are free, which of them a caller has lost, and which he could have had.
#[derive(Clone, Debug)]
struct Race {
    free: Vec<SeatNo>,
    lost: Vec<SeatNo>,
    kept: Vec<SeatNo>,
}

/// In a hall that is half empty at least.
fn race(rows: usize) -> impl Strategy<Value = Race> {
    let all: Vec<SeatNo> = (0..).take(rows * IN_A_ROW).collect();
    let last = all.len();
    among(all.clone(), subsequence(all, last / 2..=last))
}

/// In one that is nearly sold out.
fn late_race(rows: usize) -> impl Strategy<Value = Race> {
    let all: Vec<SeatNo> = (0..).take(rows * IN_A_ROW).collect();
    among(all.clone(), subsequence(all, 0..=12))
}

fn among(
    all: Vec<SeatNo>,
    free: impl Strategy<Value = Vec<SeatNo>>,
) -> impl Strategy<Value = Race> {
    (
        free,
        subsequence(all.clone(), 1..=6),
        subsequence(all, 0..=6),
    )
        .prop_map(|(free, lost, mut kept)| {
            kept.retain(|seat_no| !lost.contains(seat_no));
            Race { free, lost, kept }
        })
}

/// What a loser is offered when only these seats are free.
async fn found_by_the_database(
    sql: &mut AsyncPgConnection,
    (event, plan): (EventId, &SeatingPlan),
    free: &[SeatNo],
    (lost, kept): (&[SeatNo], &[SeatNo]),
) -> Vec<SeatState> {
    let free: Vec<String> = free.iter().map(ToString::to_string).collect();
    let block = format!(
        "BEGIN; UPDATE seats SET status = 'BLOCKED', cause = 'BLOCKED', version = version + 1 \
         WHERE event_id = {} AND seat_no <> ALL ('{{{}}}')",
        event.0,
        free.join(", ")
    );
    sql.batch_execute(&block).await.unwrap();
    let loser = Loser {
        event,
        plan,
        lost,
        kept,
    };
    let found = alternatives::find(sql, &[loser]).await;
    sql.batch_execute("ROLLBACK").await.unwrap();
    found.unwrap().remove(0)
}

fn numbers(states: &[SeatState]) -> Vec<SeatNo> {
    states.iter().map(|state| state.seat_no).collect()
}

#[test]
fn the_seats_that_a_loser_is_offered_are_the_nearest_of_all() {
    const ROWS: usize = 12;
    let [all, fewer] = compare(ROWS, &prop_oneof![race(ROWS), late_race(ROWS)], 200);
    assert!(
        all > 40 && fewer > 5,
        "{all} found all, {fewer} found fewer"
    );
}

/// Where not all of the house is looked at, because some of those around are free.
#[test]
fn the_seats_that_a_loser_is_offered_are_the_nearest_in_a_large_house_as_well() {
    const ROWS: usize = 52;
    let found = compare(ROWS, &race(ROWS), 30);
    assert_eq!(found, [30, 0]);
}

/// Has seats looked for in so many cases, and by looking at all of them; answers for how many
/// all were found, and for how many fewer.
fn compare(rows: usize, race: &impl Strategy<Value = Race>, cases: u32) -> [u32; 2] {
    let stage = Stage::new(async |house| {
        let plan = house.staff().import_plan(&uneven_plan(rows)).await;
        let draft = house.draft_on(&plan, json!({})).await;
        house.open_sale(draft).await
    });
    let id = stage.event_id();
    let mut sql = stage.runtime.block_on(stage.house.sql());
    let plan: SeatingPlan = stage.runtime.block_on(async {
        let plan: PlanId = events::table
            .select(events::plan_id)
            .filter(events::id.eq(id))
            .first(&mut sql)
            .await
            .unwrap();
        plans::load(&mut sql, plan).await.unwrap().unwrap()
    });
    let sql = std::cell::RefCell::new(&mut sql);
    let tally = std::cell::Cell::new([0, 0]);
    let run = |Race { free, lost, kept }: Race| {
        let offered: BTreeSet<SeatNo> = free
            .iter()
            .copied()
            .filter(|seat_no| !kept.contains(seat_no))
            .collect();
        let expected = by_looking_at_all(&plan, &lost, &offered);
        let sql = &mut sql.borrow_mut();
        let looking = found_by_the_database(sql, (id, &plan), &free, (&lost, &kept));
        let found = stage.runtime.block_on(looking);
        prop_assert_eq!(&numbers(&found), &expected);
        let [all, fewer] = tally.get();
        tally.set(if found.len() == lost.len() {
            [all + 1, fewer]
        } else {
            [all, fewer + 1]
        });
        Ok::<(), TestCaseError>(())
    };
    runner(cases).run(race, run).unwrap();
    tally.get()
}
