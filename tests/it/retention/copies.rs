//! Cursors of another database: a dump that was restored, a standby that was promoted.
//! Each copy has the feed's rows and its stored number, and goes its own way.

use super::{age, age_in, answer_to, change_all, cursor, prune, retention, settle};
use crate::support::cluster::{Cluster, connect, options};
use crate::support::program::{DataFolder, Server, of_postgres, run, usher};
use crate::support::{House, checks, eventually};
use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use std::path::Path;
use tokio::process::Command;
use usher::db::embedded::EmbeddedPostgres;
use usher::db::feed_state;
use usher::db::migrations;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// What a query answers that answers one text.
async fn ask(sql: &mut AsyncPgConnection, query: &str) -> String {
    let query = format!("SELECT ({query})::text AS line");
    let answer: Line = diesel::sql_query(query).get_result(sql).await.unwrap();
    answer.line
}

async fn dump(house: &House) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut pg_dump = of_postgres(&mut house.sql().await, "pg_dump").await;
    pg_dump.args(["--clean", "--if-exists", "--dbname", &house.database_url]);
    pg_dump.arg("--file").arg(file.path());
    run(pg_dump).await.printed();
    file
}

async fn restore(house: &House, file: &Path, database_url: &str) {
    let mut psql = of_postgres(&mut house.sql().await, "psql").await;
    psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]);
    psql.args(["--dbname", database_url, "--file"]).arg(file);
    run(psql).await.printed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_was_restored_elsewhere_knows_no_cursor_of_its_origin() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let mut sql = house.sql().await;
    let of_origin = cursor(&house, &event).await;
    change_all(&mut sql).await;
    // As from a PostgreSQL that has counted far more transactions.
    sql.batch_execute("UPDATE feed SET horizon = '4000000000000'")
        .await
        .unwrap();
    assert_eq!(
        answer_to(&house, &event, &of_origin).await,
        "CURSOR_TOO_OLD",
        "there it is a horizon"
    );

    let elsewhere = Cluster::shared().empty_database().await;
    let dump = dump(&house).await;
    restore(&house, dump.path(), &elsewhere).await;
    let copy = house.replica_at(&elsewhere).await;
    let stored = "SELECT epoch FROM feed";
    let mut copied = copy.sql().await;
    assert_eq!(ask(&mut copied, stored).await, ask(&mut sql, stored).await);
    assert_eq!(answer_to(&copy, &event, &of_origin).await, "CURSOR_UNKNOWN");
    // It goes on from its own cursors, and the horizon that it came with is none.
    let of_copy = cursor(&copy, &event).await;
    change_all(&mut copied).await;
    assert_eq!(answer_to(&copy, &event, &of_copy).await, "a delta");
    assert_eq!(
        answer_to(&house, &event, &of_copy).await,
        "CURSOR_UNKNOWN",
        "nor the other way round"
    );
    // Its own takes the place of that one, though it is lower.
    age(&copy, "401 days", "version = 2").await;
    assert_eq!(prune(&copy, &retention()).await, [2]);
    let state = feed_state::read(&mut copied).await.unwrap();
    assert!(state.pruned_before < state.next, "{state:?}");
    assert_ne!(state.pruned_before.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_was_restored_over_its_origin_knows_no_cursor_of_before() {
    let house = House::open().await;
    let event = house.event(1, 2).await;
    let dump = dump(&house).await;
    let of_before = cursor(&house, &event).await;
    // Lost by the restore.
    change_all(&mut house.sql().await).await;
    restore(&house, dump.path(), &house.database_url).await;
    // The server that has been running all the time is not taken in either.
    for server in [&house, &house.replica().await] {
        assert_eq!(
            answer_to(server, &event, &of_before).await,
            "CURSOR_UNKNOWN"
        );
        let of_now = cursor(server, &event).await;
        change_all(&mut house.sql().await).await;
        settle(server).await;
        assert_eq!(answer_to(server, &event, &of_now).await, "a delta");
    }
}

/// An empty database of a role that may do nothing but have it: its URL for the
/// superuser, and for the role.
async fn of_a_plain_role() -> (String, String) {
    let url = Cluster::shared().empty_database().await;
    let mut admin = connect(&url).await;
    let database = ask(&mut admin, "SELECT current_database()").await;
    let give = format!(
        "CREATE ROLE plain_{database} LOGIN; \
         ALTER DATABASE {database} OWNER TO plain_{database}; \
         ALTER SCHEMA public OWNER TO plain_{database}"
    );
    admin.batch_execute(&give).await.unwrap();
    let plain = url.replace("usher@", &format!("plain_{database}@"));
    (url, plain)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_privileges_of_its_own_is_enough() {
    let elsewhere = House::open().await;
    let (admin, plain) = of_a_plain_role().await;
    migrations::run_pending(connect(&plain).await)
        .await
        .unwrap();
    let house = elsewhere.replica_at(&plain).await;
    let event = house.event(1, 2).await;
    let mut sql = connect(&plain).await;
    let is_superuser = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
    assert_eq!(ask(&mut sql, is_superuser).await, "false");
    let origin = ask(&mut sql, "SELECT feed_origin()").await;
    assert!(!origin.contains("unknown"), "{origin}");

    let before = cursor(&house, &event).await;
    change_all(&mut sql).await;
    age_in(&admin, "401 days", "true").await;
    let after = cursor(&house, &event).await;
    assert_eq!(prune(&house, &retention()).await, [2]);
    change_all(&mut sql).await;
    assert_eq!(answer_to(&house, &event, &before).await, "CURSOR_TOO_OLD");
    assert_eq!(answer_to(&house, &event, &after).await, "a delta");
}

/// Some who run PostgreSQL for others let nobody ask which one it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_tell_which_one_it_is_is_used_with_a_warning() {
    let _cluster = Cluster::shared();
    let (admin, plain) = of_a_plain_role().await;
    let mut admin = connect(&admin).await;
    let close =
        "REVOKE EXECUTE ON FUNCTION pg_control_system(), pg_walfile_name(pg_lsn) FROM public";
    admin.batch_execute(close).await.unwrap();
    let mut server = usher(&["--listen", "127.0.0.1:0"]);
    server.env("DATABASE_URL", &plain);
    let mut server = Server::start(server).await;
    let warning = server.logged(|line| line.contains("which one it is")).await;
    assert!(warning.contains("WARN"), "{warning}");
    assert!(
        warning.contains("system unknown, timeline unknown"),
        "{warning}"
    );
    let ready = reqwest::get(format!("{}/readyz", server.url)).await;
    assert_eq!(ready.unwrap().status(), 200);
    // A superuser would be told; but all who ask about one feed ask as the owner of its table.
    let by_superuser = feed_state::read(&mut admin).await.unwrap();
    let by_owner = feed_state::read(&mut connect(&plain).await).await.unwrap();
    assert_eq!(by_superuser.epoch, by_owner.epoch);
    server.stop().await;
}

/// A PostgreSQL of its own: this test stops and promotes it.
async fn start(folder: &DataFolder, settings: &[(&str, &str)]) -> EmbeddedPostgres {
    let quick = [("fsync", "off"), ("shared_buffers", "16MB")];
    let settings = quick.iter().chain(settings).copied();
    let options = options(folder.path(), settings);
    EmbeddedPostgres::start(&options).await.unwrap()
}

/// A copy of a PostgreSQL that is stopped, with the file that says what it is to be.
async fn copy(origin: &DataFolder, signal: &str) -> DataFolder {
    let copy = DataFolder::new();
    std::fs::create_dir(copy.path()).unwrap();
    let mut cp = Command::new("cp");
    cp.arg("-a");
    cp.args(["postgres"].map(|cluster| origin.path().join(cluster)));
    cp.arg(copy.path());
    run(cp).await.printed();
    std::fs::write(copy.path().join("postgres").join(signal), "").unwrap();
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_promoted_standby_nor_a_recovered_backup_knows_a_cursor_of_its_origin() {
    let elsewhere = House::open().await;
    let origin_folder = DataFolder::new();
    let origin = start(&origin_folder, &[]).await;
    let database = connect(origin.database_url()).await;
    migrations::run_pending(database).await.unwrap();
    let house = elsewhere.replica_at(origin.database_url()).await;
    let event = house.event(1, 2).await;
    origin.stop().await.unwrap();

    let backup_folder = copy(&origin_folder, "recovery.signal").await;
    let standby_folder = copy(&origin_folder, "standby.signal").await;
    let origin = start(&origin_folder, &[]).await;
    let place = origin.database_url().to_owned();
    let standby = start(&standby_folder, &[("primary_conninfo", &place)]).await;
    let mut standing_by = connect(standby.database_url()).await;
    let house = elsewhere.replica_at(&place).await;
    change_all(&mut house.sql().await).await;
    let of_origin = cursor(&house, &event).await;
    eventually("the standby has followed", async || {
        (checks::count(&mut standing_by, "seat_changes").await == 2).then_some(())
    })
    .await;
    // Whoever asks a standby is told no, as whoever would write there.
    let refused = feed_state::read(&mut standing_by).await.unwrap_err();
    assert!(refused.to_string().contains("recovery"), "{refused}");

    // A restart is neither.
    origin.stop().await.unwrap();
    let origin = start(&origin_folder, &[]).await;
    let house = elsewhere.replica_at(&place).await;
    change_all(&mut house.sql().await).await;
    assert_eq!(answer_to(&house, &event, &of_origin).await, "a delta");
    origin.stop().await.unwrap();

    assert_eq!(ask(&mut standing_by, "SELECT pg_promote()").await, "true");
    let backup = start(&backup_folder, &[("restore_command", "false")]).await;
    for copy in [&standby, &backup] {
        let mut sql = connect(copy.database_url()).await;
        eventually("the recovery is done", async || {
            let recovering = ask(&mut sql, "SELECT pg_is_in_recovery()").await;
            (recovering == "false").then_some(())
        })
        .await;
        let house = elsewhere.replica_at(copy.database_url()).await;
        assert_eq!(
            answer_to(&house, &event, &of_origin).await,
            "CURSOR_UNKNOWN"
        );
        // As from an old connection, which has seen the standby.
        let old = feed_state::read(&mut standing_by).await.unwrap();
        let new = feed_state::read(&mut connect(standby.database_url()).await).await;
        assert_eq!(old.epoch, new.unwrap().epoch);
    }
    standby.stop().await.unwrap();
    backup.stop().await.unwrap();
}
