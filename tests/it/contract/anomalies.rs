//! What the isolation levels of PostgreSQL let through on their own, each shown on two
//! connections that take turns, and that it does not pass what usher does about it:
//! the version in the UPDATE, a lock on what a buyer has, or SERIALIZABLE
//! transactions.
//!
//! These are statements in the manner of usher's, on its tables, written by hand.
//! Nobody waits for a time to pass: who must wait for the other is seen to wait.

use crate::support::checks;
use crate::support::cluster::{self, Cluster};
use crate::support::eventually;
use diesel::result::DatabaseErrorKind::SerializationFailure;
use diesel::result::Error::DatabaseError;
use diesel::result::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use std::sync::Arc;

const READ_COMMITTED: &str = "READ COMMITTED";
const REPEATABLE_READ: &str = "REPEATABLE READ";
const SERIALIZABLE: &str = "SERIALIZABLE";

/// What a buyer may have in these tests.
const SEATS_PER_BUYER: i64 = 2;

/// A database with three seats, and somebody who looks on.
struct Stage {
    url: String,
    watch: AsyncPgConnection,
    // The last one stops PostgreSQL.
    _cluster: Arc<Cluster>,
}

/// One of two who take turns. All that is asked and done is about event 1.
struct Session(AsyncPgConnection);

impl Stage {
    async fn new() -> Self {
        let cluster = Cluster::shared();
        let url = cluster.migrated_database().await;
        let mut watch = cluster::connect(&url).await;
        let seats = "INSERT INTO seats (event_id, seat_no) SELECT 1, generate_series(0, 2)";
        watch.batch_execute(seats).await.unwrap();
        Self {
            url,
            watch,
            _cluster: cluster,
        }
    }

    /// Two transactions at this level, both begun, and both with their snapshot if the
    /// level keeps one.
    async fn two(&self, level: &str) -> (Session, Session) {
        (self.session(level).await, self.session(level).await)
    }

    async fn session(&self, level: &str) -> Session {
        let mut connection = cluster::connect(&self.url).await;
        let begin = format!("BEGIN ISOLATION LEVEL {level}; SELECT 1 FROM feed");
        connection.batch_execute(&begin).await.unwrap();
        Session(connection)
    }

    /// Lets `second` do something for which it has to wait until `first` has ended.
    async fn in_turn<T>(&mut self, first: &mut Session, second: impl Future<Output = T>) -> T {
        let first_ends = async {
            eventually("the second waits for the first", async || {
                let waiting = "pg_stat_activity WHERE wait_event_type = 'Lock' \
                               AND datname = current_database()";
                (checks::count(&mut self.watch, waiting).await == 1).then_some(())
            })
            .await;
            first.commit().await.unwrap();
        };
        tokio::join!(second, first_ends).0
    }

    async fn holds_of_seat(&mut self, seat: i32) -> i64 {
        let holds = format!("holds WHERE status = 'ACTIVE' AND seat_nos @> '{{{seat}}}'");
        checks::count(&mut self.watch, &holds).await
    }

    /// Holds that say to have a seat that is not theirs.
    async fn robbed_holds(&mut self) -> i64 {
        let robbed = "holds h JOIN seats s ON s.seat_no = ANY (h.seat_nos) \
                      WHERE s.owner_id IS DISTINCT FROM h.id";
        checks::count(&mut self.watch, robbed).await
    }

    async fn seats_of_anna(&mut self) -> i64 {
        Session::count_of_anna(&mut self.watch).await
    }
}

impl Session {
    /// Whether nobody has a hold of this seat, by reading the holds.
    async fn is_free(&mut self, seat: i32) -> bool {
        let holds = format!("holds WHERE status = 'ACTIVE' AND seat_nos @> '{{{seat}}}'");
        checks::count(&mut self.0, &holds).await == 0
    }

    /// Writes a hold of this seat for Anna, and does not touch the seat.
    async fn insert_hold(&mut self, seat: i32) -> QueryResult<usize> {
        let insert = format!(
            "INSERT INTO holds (event_id, id, token_hash, buyer, seat_nos, amounts, currency, \
                                expires_at) \
             VALUES (1, gen_random_uuid(), '', 'anna', '{{{seat}}}', '{{1000}}', 'EUR', \
                     now() + interval '1 hour')"
        );
        diesel::sql_query(insert).execute(&mut self.0).await
    }

    /// Holds this seat for Anna, if the condition picks it; answers how many it picked.
    async fn hold(&mut self, seat: i32, condition: &str) -> QueryResult<usize> {
        let hold = format!(
            "WITH taken AS ( \
                 UPDATE seats SET status = 'HELD', version = version + 1, cause = 'HELD', \
                        owner_id = gen_random_uuid(), held_until = now() + interval '1 hour' \
                 WHERE event_id = 1 AND seat_no = {seat} AND {condition} RETURNING owner_id) \
             INSERT INTO holds (event_id, id, token_hash, buyer, seat_nos, amounts, currency, \
                                expires_at) \
             SELECT 1, owner_id, '', 'anna', '{{{seat}}}', '{{1000}}', 'EUR', \
                    now() + interval '1 hour' FROM taken"
        );
        diesel::sql_query(hold).execute(&mut self.0).await
    }

    /// How many seats Anna has.
    async fn of_anna(&mut self) -> i64 {
        Self::count_of_anna(&mut self.0).await
    }

    async fn count_of_anna(connection: &mut AsyncPgConnection) -> i64 {
        let seats = "(SELECT unnest(seat_nos) FROM holds \
                      WHERE buyer = 'anna' AND status = 'ACTIVE') of_anna";
        checks::count(connection, seats).await
    }

    /// As usher takes it before it counts.
    async fn lock_anna(&mut self) {
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended('buyer anna', 1))";
        diesel::sql_query(lock).execute(&mut self.0).await.unwrap();
    }

    async fn commit(&mut self) -> QueryResult<()> {
        self.0.batch_execute("COMMIT").await
    }
}

/// What usher asks in every UPDATE.
const AT_VERSION_1: &str = "version = 1 AND status = 'AVAILABLE'";
/// What it would ask without.
const ANYHOW: &str = "true";

fn assert_sent_back<T: std::fmt::Debug>(result: &QueryResult<T>) {
    let is_sent_back = matches!(result, Err(DatabaseError(SerializationFailure, _)));
    assert!(is_sent_back, "40001 is expected: {result:?}");
}

#[tokio::test]
async fn a_seat_is_oversold_at_repeatable_read_by_those_who_do_not_touch_it() {
    for level in [READ_COMMITTED, REPEATABLE_READ] {
        let mut stage = Stage::new().await;
        let (mut first, mut second) = stage.two(level).await;
        assert!(first.is_free(0).await && second.is_free(0).await);
        first.insert_hold(0).await.unwrap();
        second.insert_hold(0).await.unwrap();
        first.commit().await.unwrap();
        second.commit().await.unwrap();
        assert_eq!(stage.holds_of_seat(0).await, 2, "{level}: it is sold twice");
    }
}

#[tokio::test]
async fn a_seat_is_sold_once_by_those_who_check_its_version() {
    let mut stage = Stage::new().await;
    let (mut first, mut second) = stage.two(READ_COMMITTED).await;
    assert!(first.is_free(0).await && second.is_free(0).await);
    assert_eq!(first.hold(0, AT_VERSION_1).await.unwrap(), 1);
    let held = stage
        .in_turn(&mut first, second.hold(0, AT_VERSION_1))
        .await;
    assert_eq!(held.unwrap(), 0, "the second finds it at version 2");
    second.commit().await.unwrap();
    assert_eq!(stage.holds_of_seat(0).await, 1);

    // With a snapshot the second is not even told: it is sent back.
    for level in [REPEATABLE_READ, SERIALIZABLE] {
        let mut stage = Stage::new().await;
        let (mut first, mut second) = stage.two(level).await;
        assert_eq!(first.hold(0, AT_VERSION_1).await.unwrap(), 1);
        let held = stage
            .in_turn(&mut first, second.hold(0, AT_VERSION_1))
            .await;
        assert_sent_back(&held);
        assert_eq!(stage.holds_of_seat(0).await, 1);
    }
}

/// The reading itself is what a SERIALIZABLE transaction is held to, whether it
/// touches the seat or not.
#[tokio::test]
async fn a_seat_is_sold_once_at_serializable() {
    let mut stage = Stage::new().await;
    let (mut first, mut second) = stage.two(SERIALIZABLE).await;
    assert!(first.is_free(0).await && second.is_free(0).await);
    first.insert_hold(0).await.unwrap();
    second.insert_hold(0).await.unwrap();
    first.commit().await.unwrap();
    assert_sent_back(&second.commit().await);
    assert_eq!(stage.holds_of_seat(0).await, 1);
}

#[tokio::test]
async fn an_update_is_lost_at_read_committed_without_the_version() {
    let mut stage = Stage::new().await;
    let (mut first, mut second) = stage.two(READ_COMMITTED).await;
    assert!(first.is_free(0).await && second.is_free(0).await);
    assert_eq!(first.hold(0, ANYHOW).await.unwrap(), 1);
    let held = stage.in_turn(&mut first, second.hold(0, ANYHOW)).await;
    assert_eq!(held.unwrap(), 1, "nothing tells the second");
    second.commit().await.unwrap();
    assert_eq!(stage.holds_of_seat(0).await, 2);
    assert_eq!(stage.robbed_holds().await, 1, "the first has lost it");

    let mut stage = Stage::new().await;
    let (mut first, mut second) = stage.two(READ_COMMITTED).await;
    assert!(first.is_free(0).await && second.is_free(0).await);
    assert_eq!(first.hold(0, AT_VERSION_1).await.unwrap(), 1);
    let held = stage
        .in_turn(&mut first, second.hold(0, AT_VERSION_1))
        .await;
    assert_eq!(held.unwrap(), 0);
    second.commit().await.unwrap();
    assert_eq!(stage.robbed_holds().await, 0);
}

/// Each counts what Anna has, finds room for one more, and takes another seat: no
/// row is written by both, so no version says no.
#[tokio::test]
async fn a_limit_is_passed_by_write_skew_without_its_guard() {
    for level in [READ_COMMITTED, REPEATABLE_READ] {
        let mut stage = Stage::new().await;
        let mut before = stage.session(level).await;
        before.hold(2, AT_VERSION_1).await.unwrap();
        before.commit().await.unwrap();
        let (mut first, mut second) = stage.two(level).await;
        assert!(first.of_anna().await < SEATS_PER_BUYER);
        assert!(second.of_anna().await < SEATS_PER_BUYER);
        assert_eq!(first.hold(0, AT_VERSION_1).await.unwrap(), 1);
        assert_eq!(second.hold(1, AT_VERSION_1).await.unwrap(), 1);
        first.commit().await.unwrap();
        second.commit().await.unwrap();
        assert_eq!(stage.seats_of_anna().await, SEATS_PER_BUYER + 1, "{level}");
    }
}

#[tokio::test]
async fn a_limit_is_kept_at_read_committed_by_those_who_take_turns() {
    let mut stage = Stage::new().await;
    let mut before = stage.session(READ_COMMITTED).await;
    before.hold(2, AT_VERSION_1).await.unwrap();
    before.commit().await.unwrap();
    let (mut first, mut second) = stage.two(READ_COMMITTED).await;
    first.lock_anna().await;
    assert!(first.of_anna().await < SEATS_PER_BUYER);
    assert_eq!(first.hold(0, AT_VERSION_1).await.unwrap(), 1);
    stage.in_turn(&mut first, second.lock_anna()).await;
    assert_eq!(
        second.of_anna().await,
        SEATS_PER_BUYER,
        "the second sees what the first has left, and is refused"
    );
}

/// Why usher's lock goes with READ COMMITTED: where a transaction keeps its snapshot,
/// the second takes its turn and counts what there was before.
#[tokio::test]
async fn a_lock_does_not_help_those_who_keep_their_snapshot() {
    let mut stage = Stage::new().await;
    let mut before = stage.session(REPEATABLE_READ).await;
    before.hold(2, AT_VERSION_1).await.unwrap();
    before.commit().await.unwrap();
    let (mut first, mut second) = stage.two(REPEATABLE_READ).await;
    first.lock_anna().await;
    assert!(first.of_anna().await < SEATS_PER_BUYER);
    assert_eq!(first.hold(0, AT_VERSION_1).await.unwrap(), 1);
    stage.in_turn(&mut first, second.lock_anna()).await;
    assert!(second.of_anna().await < SEATS_PER_BUYER, "as it was");
    assert_eq!(second.hold(1, AT_VERSION_1).await.unwrap(), 1);
    second.commit().await.unwrap();
    assert_eq!(stage.seats_of_anna().await, SEATS_PER_BUYER + 1);
}

#[tokio::test]
async fn a_limit_is_kept_at_serializable_without_a_lock() {
    let mut stage = Stage::new().await;
    let mut before = stage.session(SERIALIZABLE).await;
    before.hold(2, AT_VERSION_1).await.unwrap();
    before.commit().await.unwrap();
    let (mut first, mut second) = stage.two(SERIALIZABLE).await;
    assert!(first.of_anna().await < SEATS_PER_BUYER);
    assert!(second.of_anna().await < SEATS_PER_BUYER);
    assert_eq!(first.hold(0, AT_VERSION_1).await.unwrap(), 1);
    assert_eq!(second.hold(1, AT_VERSION_1).await.unwrap(), 1);
    first.commit().await.unwrap();
    assert_sent_back(&second.commit().await);
    assert_eq!(stage.seats_of_anna().await, SEATS_PER_BUYER);
}
