//! Two roles: one that owns the tables and migrates them, and one that usher works as, which may
//! do just what that needs.

use crate::support::checks::count;
use crate::support::cluster::{Cluster, connect};
use crate::support::eventually;
use crate::support::program::{Answered, Server, of_postgres, run, usher};
use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde_json::json;
use std::process::Stdio;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// An empty database of a role of its own, and another role that has nothing.
struct TwoRoles {
    superuser: String,
    owner: String,
    run: String,
    run_role: String,
    _cluster: Arc<Cluster>,
}

impl TwoRoles {
    async fn new() -> Self {
        let cluster = Cluster::shared();
        let superuser = cluster.empty_database().await;
        let mut admin = connect(&superuser).await;
        let database = ask(&mut admin, "SELECT current_database()").await;
        let (owner_role, run_role) = (format!("owner {database}"), format!("run {database}"));
        let create = format!(
            "CREATE ROLE \"{owner_role}\" LOGIN; CREATE ROLE \"{run_role}\" LOGIN; \
             ALTER DATABASE {database} OWNER TO \"{owner_role}\""
        );
        admin.batch_execute(&create).await.unwrap();
        let url = |role: &str| {
            let role = role.replace(' ', "%20");
            superuser.replace("//usher@", &format!("//{role}:hunter2@"))
        };
        Self {
            owner: url(&owner_role),
            run: url(&run_role),
            run_role,
            superuser,
            _cluster: cluster,
        }
    }

    fn both(&self, arguments: &[&str]) -> Command {
        let mut command = usher(arguments);
        command.env("DATABASE_URL", &self.run);
        command.env("USHER_VISITORS", "buy");
        command.env("USHER_MIGRATION_DATABASE_URL", &self.owner);
        command
    }

    fn alone(&self, arguments: &[&str]) -> Command {
        let mut command = usher(arguments);
        command.env("DATABASE_URL", &self.run);
        command.env("USHER_VISITORS", "buy");
        command
    }

    async fn migrate(&self) -> Answered {
        run(self.both(&["migrate"])).await
    }
}

async fn ask(sql: &mut AsyncPgConnection, query: &str) -> String {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text)]
        line: String,
    }
    let query = format!("SELECT ({query})::text AS line");
    let answer: Line = diesel::sql_query(query).get_result(sql).await.unwrap();
    answer.line
}

const SERVE: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// One line with these words, and without any secret.
async fn expect_complaint(command: Command, mentions: &[&str]) {
    let answered = run(command).await;
    let complaint = answered.complaint();
    for part in mentions {
        assert!(complaint.contains(part), "{complaint}");
    }
    assert!(!complaint.contains("hunter2"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_migrates_and_the_other_role_serves() {
    let roles = TwoRoles::new().await;
    let migrated = roles.migrate().await;
    assert!(migrated.printed().starts_with("migrated: "), "{migrated:?}");
    assert_eq!(migrated.errors, "");
    assert_eq!(
        roles.migrate().await.printed(),
        "the database is up to date"
    );
    // Nothing is left to do, and the role knows that.
    let alone = run(roles.alone(&["migrate"])).await;
    assert_eq!(alone.printed(), "the database is up to date");

    let mut serve = roles.alone(&SERVE);
    serve.arg("--demo");
    let server = Server::start(serve).await;
    let events = "{ events { nodes { id } } }";
    let events = server.visitor().ask(events, json!({})).await;
    let events = events.data()["events"]["nodes"].as_array().unwrap();
    assert_eq!(events.len(), 3, "the demo was loaded");
    let event = events[0]["id"].as_str().unwrap();
    let seats = server.visitor().seats(event).await;
    let held = server.visitor().hold(event, &seats[..2]).await;
    assert_eq!(held.data()["__typename"], "SeatsHeld");
    let mut admin = connect(&roles.superuser).await;
    let others = format!(
        "pg_stat_activity WHERE application_name = 'usher' AND datname = current_database() \
         AND usename <> '{}'",
        roles.run_role
    );
    assert_eq!(count(&mut admin, &others).await, 0);
    assert_eq!(count(&mut admin, "seat_changes").await, 2);
    server.stop().await;
}

/// The SQL that two documents have, with other names: roles are everybody's on a server.
fn documented(file: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let (_, sql) = text.split_once("```sql\nCREATE ROLE usher_owner").unwrap();
    let (sql, _) = sql.split_once("```").unwrap();
    let sql = format!("CREATE ROLE usher_owner{sql}").replace("usher", "documented");
    let statements = sql
        .lines()
        .map(|line| line.split("--").next().unwrap().trim());
    statements.map(ToOwned::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roles_are_made_as_the_documents_say() {
    let statements = documented("deploy/README.md");
    assert_eq!(statements, documented("docs/operations.md"));
    let cluster = Cluster::shared();
    let somewhere = cluster.empty_database().await;
    let mut psql = of_postgres(&mut connect(&somewhere).await, "psql").await;
    psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]);
    psql.args(["--dbname", &somewhere, "--file=-"]);
    psql.stdin(Stdio::piped());
    let mut psql = psql.spawn().unwrap();
    let mut input = psql.stdin.take().unwrap();
    let statements = statements.join("\n").into_bytes();
    input.write_all(&statements).await.unwrap();
    drop(input);
    assert!(psql.wait().await.unwrap().success());

    let config: tokio_postgres::Config = somewhere.parse().unwrap();
    let database = format!("/{}?", config.get_dbname().unwrap());
    let url = |role: &str| {
        let url = somewhere.replace(&database, "/documented?");
        url.replace("//usher@", &format!("//{role}:hunter2@"))
    };
    let roles = TwoRoles {
        owner: url("documented_owner"),
        run: url("documented_run"),
        run_role: "documented_run".to_owned(),
        superuser: url("usher"),
        _cluster: cluster,
    };
    let migrated = roles.migrate().await;
    assert!(migrated.printed().starts_with("migrated: "), "{migrated:?}");
    assert_eq!(migrated.errors, "", "nothing is too much");
    let mut serve = roles.alone(&SERVE);
    serve.arg("--demo");
    let server = Server::start(serve).await;
    let mut admin = connect(&roles.superuser).await;
    assert_eq!(count(&mut admin, "events").await, 3);
    let mut run_role = connect(&roles.run).await;
    assert_eq!(
        ask(&mut run_role, "current_setting('lc_messages')").await,
        "C"
    );
    for refused in [
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE TABLE mine (id int)",
    ] {
        assert!(run_role.batch_execute(refused).await.is_err(), "{refused}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_both_migrates_by_the_one_and_serves_by_the_other() {
    let roles = TwoRoles::new().await;
    let server = Server::start(roles.both(&SERVE)).await;
    let mut admin = connect(&roles.superuser).await;
    let of_run = format!(
        "pg_stat_activity WHERE application_name = 'usher' AND usename = '{}'",
        roles.run_role
    );
    assert!(count(&mut admin, &of_run).await >= 3);
    let of_owner = "pg_stat_activity WHERE application_name = 'usher' AND usename = \
                    'owner ' || current_database()";
    eventually("the owner is gone", async || {
        (count(&mut admin, of_owner).await == 0).then_some(())
    })
    .await;
    let owned = "pg_tables WHERE schemaname = 'public' \
                 AND tableowner <> 'owner ' || current_database()";
    assert_eq!(count(&mut admin, owned).await, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_migrate_says_what_to_do() {
    let roles = TwoRoles::new().await;
    for arguments in [&["migrate"][..], &SERVE] {
        let pending = "this usher needs migrations that have not run (";
        let role = format!("the role {} may not", roles.run_role);
        let hint = "run `usher migrate` with USHER_MIGRATION_DATABASE_URL";
        expect_complaint(roles.alone(arguments), &[pending, &role, hint]).await;
    }
    // All have run, and nobody has given the role anything.
    let mut owner = usher(&["migrate"]);
    owner.env("DATABASE_URL", &roles.owner);
    run(owner).await.printed();
    for arguments in [&["migrate"][..], &SERVE] {
        let role = format!("the role {} may not use the tables", roles.run_role);
        expect_complaint(roles.alone(arguments), &[&role, "SELECT on venues"]).await;
    }
    roles.migrate().await.printed();
    let mut admin = connect(&roles.superuser).await;
    let take = format!("REVOKE INSERT ON holds FROM \"{}\"", roles.run_role);
    admin.batch_execute(&take).await.unwrap();
    expect_complaint(roles.alone(&SERVE), &["(INSERT on holds …)"]).await;
    // A version that is one behind.
    roles.migrate().await.printed();
    let forget = "DELETE FROM __diesel_schema_migrations \
                  WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)";
    admin.batch_execute(forget).await.unwrap();
    expect_complaint(roles.alone(&SERVE), &["that have not run (1 of them)"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_other_url_is_said_by_its_name() {
    let roles = TwoRoles::new().await;
    let mut nobody = usher(&["migrate"]);
    nobody.env("USHER_MIGRATION_DATABASE_URL", &roles.owner);
    expect_complaint(nobody, &["is given without DATABASE_URL"]).await;
    for (url, mentions) in [
        ("hunter2", "USHER_MIGRATION_DATABASE_URL cannot be read"),
        (
            "postgres://u:hunter2@127.0.0.1:1/d?sslmode=disable",
            "cannot connect to 127.0.0.1:1/d (USHER_MIGRATION_DATABASE_URL)",
        ),
        (
            "postgres://u:hunter2@127.0.0.1:1/d?sslrootcert=/nonexistent",
            "(USHER_MIGRATION_DATABASE_URL): /nonexistent cannot be read",
        ),
    ] {
        for arguments in [&["migrate"][..], &SERVE] {
            let mut command = roles.both(arguments);
            command.env("USHER_MIGRATION_DATABASE_URL", url);
            expect_complaint(command, &[mentions]).await;
        }
    }
    for (url, mentions) in [
        (
            roles.run.replace("run%20", "no%20"),
            "could not be given what usher needs: role \"no test_",
        ),
        (
            "postgres://localhost/usher".to_owned(),
            "DATABASE_URL cannot be read",
        ),
    ] {
        let mut command = roles.both(&["migrate"]);
        command.env("DATABASE_URL", url);
        expect_complaint(command, &[mentions]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_too_much_is_taken_away_and_what_cannot_be_is_warned_of() {
    let roles = TwoRoles::new().await;
    roles.migrate().await.printed();
    let mut admin = connect(&roles.superuser).await;
    let generous = format!(
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO \"{0}\"",
        roles.run_role
    );
    admin.batch_execute(&generous).await.unwrap();
    assert_eq!(roles.migrate().await.errors, "");
    let may = |privileges: &str| {
        format!(
            "has_table_privilege('{}', 'seat_changes', '{privileges}')",
            roles.run_role
        )
    };
    let write = may("INSERT, UPDATE, DELETE, TRUNCATE");
    assert_eq!(ask(&mut admin, &write).await, "false");
    assert_eq!(ask(&mut admin, &may("SELECT")).await, "true");

    let by_all = format!(
        "GRANT DELETE ON seat_changes TO PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC; \
         GRANT \"owner {1}\" TO \"{0}\"; ALTER ROLE \"{0}\" SUPERUSER",
        roles.run_role,
        ask(&mut admin, "current_database()").await
    );
    admin.batch_execute(&by_all).await.unwrap();
    let warned = roles.migrate().await;
    warned.printed();
    for words in [
        "is a superuser, or can become one: it can do more than usher needs",
        "can become the owner of the tables",
        "may create tables in usher's schema",
        "may write into the change feed",
    ] {
        assert!(warned.errors.contains(words), "{}", warned.errors);
    }
    assert!(!warned.errors.contains("hunter2"), "{}", warned.errors);
}

/// What a role has from a group, also from one whose place it must take first.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_by_another_role_is_warned_of() {
    let roles = TwoRoles::new().await;
    assert_eq!(roles.migrate().await.errors, "");
    let mut admin = connect(&roles.superuser).await;
    let group = ask(&mut admin, "'group of ' || current_database()").await;
    let feed = "may write into the change feed";
    let tables = "may do with usher's tables what nobody has to";
    for (gift, words) in [
        ("GRANT TRIGGER ON seat_changes TO", feed),
        ("GRANT UPDATE (status) ON seat_changes TO", feed),
        ("GRANT UPDATE ON SEQUENCE seat_changes_id_seq TO", feed),
        ("GRANT TRIGGER ON seats TO", tables),
        ("GRANT DELETE ON bookings TO", tables),
        ("GRANT UPDATE (name) ON plan_zones TO", tables),
        ("GRANT CREATE ON SCHEMA public TO", "may create tables"),
        (
            "GRANT pg_write_server_files TO",
            "may run programs or write",
        ),
        (
            "GRANT EXECUTE ON FUNCTION publish_seat_changes() TO",
            "may publish changes of seats that were none",
        ),
    ] {
        for inherits in ["INHERIT", "NOINHERIT"] {
            let role = &roles.run_role;
            let give = format!(
                "ALTER ROLE \"{role}\" {inherits}; CREATE ROLE \"{group}\"; \
                 {gift} \"{group}\"; GRANT \"{group}\" TO \"{role}\""
            );
            admin.batch_execute(&give).await.unwrap();
            let warned = roles.migrate().await.errors;
            assert_eq!(warned.lines().count(), 1, "{gift} {inherits}: {warned}");
            assert!(warned.contains(words), "{gift} {inherits}: {warned}");
            let take = format!("DROP OWNED BY \"{group}\"; DROP ROLE \"{group}\"");
            admin.batch_execute(&take).await.unwrap();
        }
    }
    for (property, words) in [
        ("CREATEROLE", "may create and grant roles"),
        ("NOCREATEROLE", ""),
    ] {
        let alter = format!("ALTER ROLE \"{}\" {property}", roles.run_role);
        admin.batch_execute(&alter).await.unwrap();
        let warned = roles.migrate().await.errors;
        assert_eq!(warned.is_empty(), words.is_empty(), "{property}: {warned}");
        assert!(warned.contains(words), "{property}: {warned}");
    }
}

/// PostgreSQL's path begins with a schema that is called as whoever asks. Diesel's own table is
/// moved there, or all tables would be made once more.
#[tokio::test(flavor = "multi_thread")]
async fn privileges_are_about_the_schema_of_the_tables() {
    let roles = TwoRoles::new().await;
    roles.migrate().await.printed();
    let mut admin = connect(&roles.superuser).await;
    let owner = ask(&mut admin, "'owner ' || current_database()").await;
    let another = format!(
        "CREATE SCHEMA AUTHORIZATION \"{owner}\"; \
         ALTER TABLE __diesel_schema_migrations SET SCHEMA \"{owner}\"; \
         REVOKE ALL ON SCHEMA public FROM PUBLIC, \"{}\"",
        roles.run_role
    );
    admin.batch_execute(&another).await.unwrap();
    assert_eq!(roles.migrate().await.errors, "");
    let may = |privilege: &str| {
        let role = &roles.run_role;
        format!("has_schema_privilege('{role}', 'public', '{privilege}')")
    };
    assert_eq!(ask(&mut admin, &may("USAGE")).await, "true");
    assert_eq!(ask(&mut admin, &may("CREATE")).await, "false");
    let generous = "GRANT CREATE ON SCHEMA public TO PUBLIC";
    admin.batch_execute(generous).await.unwrap();
    let warned = roles.migrate().await.errors;
    assert!(warned.contains("may create tables"), "{warned}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_migrates_says_how_long_changes_are_kept() {
    let roles = TwoRoles::new().await;
    roles.migrate().await.printed();
    let mut admin = connect(&roles.superuser).await;
    let kept = "SELECT format('%s %s %s', resume_window_seconds, history_retention_seconds, \
                              coalesce(history_changes::text, 'all')) FROM retention";
    assert_eq!(ask(&mut admin, kept).await, "86400 34560000 all");
    let mut migrate = roles.both(&["migrate", "--history-changes", "1000"]);
    migrate.args(["--history-retention", "30days", "--resume-window", "1h"]);
    run(migrate).await.printed();
    assert_eq!(ask(&mut admin, kept).await, "3600 2592000 1000");
    // A server that serves as that role changes nothing about it, and says so.
    for (retention, is_warned_of) in [("2h", true), ("31days", false)] {
        let mut serve = roles.alone(&SERVE);
        serve.args(["--history-retention", retention, "--resume-window", "1h"]);
        let server = Server::start(serve).await;
        let log = server.log().join("\n");
        assert_eq!(log.contains("kept for longer"), is_warned_of, "{log}");
        server.stop().await;
    }
    assert_eq!(ask(&mut admin, kept).await, "3600 2592000 1000");
}
