//! usher as operators call it: the built program with flags and variables. This
//! file has what it answers without a database; its folder has the rest.

mod database_url;
mod folder;
mod log;
mod output;
mod stopping;

use crate::support::program::{Answered, DataFolder, run, usher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;

/// A file of this repository.
fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[tokio::test]
async fn the_schema_is_printed_as_the_repository_has_it() {
    let printed = run(usher(&["schema"])).await;
    let kept = std::fs::read_to_string(file("schema.graphql")).unwrap();
    assert_eq!(printed.code, 0);
    assert!(printed.output == kept, "schema.graphql is not up to date");
    assert_eq!(printed.errors, "");
}

#[tokio::test]
async fn every_command_explains_itself_and_tells_no_secret() {
    for (command, mentions) in [
        (&[][..], "--listen"),
        (&["serve"], "--shutdown-timeout"),
        (&["migrate"], "--database-url"),
        (&["schema"], "Usage: usher schema"),
        (&["token"], "--subject"),
        (&["plan"], "import"),
        (&["plan", "import"], "<FILE>"),
    ] {
        let mut help = usher(command);
        help.arg("--help")
            .env("DATABASE_URL", "postgres://usher:hunter2@localhost/usher")
            .env("USHER_JWT_SECRET", "hunter2");
        let help = run(help).await;
        let printed = help.printed();
        assert!(printed.contains("Usage: usher"), "{printed}");
        assert!(printed.contains(mentions), "{printed}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
    let version = run(usher(&["--version"])).await;
    assert_eq!(
        version.printed(),
        format!("usher {}", env!("CARGO_PKG_VERSION"))
    );
}

/// The names of variables in a text, without the other words.
fn variables(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    words
        .filter(|word| {
            ["USHER_", "DATABASE_URL", "REDIS_URL"]
                .iter()
                .any(|it| word.starts_with(it))
        })
        .collect()
}

#[tokio::test]
async fn every_variable_is_in_the_sample() {
    let help = run(usher(&["--help"])).await;
    let sample = std::fs::read_to_string(file(".env.sample")).unwrap();
    let known = variables(help.printed());
    assert!(known.len() > 10, "{known:?}");
    assert_eq!(known, variables(&sample));
}

#[tokio::test]
async fn what_is_no_command_line_is_explained() {
    let bad_plan = file("demo/plans/club.json");
    let bad_plan = bad_plan.to_str().unwrap();
    for (arguments, mentions) in [
        (
            &["--listen", "nonsense"][..],
            "invalid value 'nonsense' for '--listen <ADDRESS>'",
        ),
        (&["--shutdown-timeout", "soon"], "'--shutdown-timeout"),
        (
            &["--database-connections", "0"],
            "'--database-connections <COUNT>'",
        ),
        (&["--resume-window", "0s"], "'--resume-window <TIME>'"),
        (&["--history-retention=-1s"], "'--history-retention <TIME>'"),
        (
            &["--history-retention", "101years"],
            "give a time from 1s to 100years",
        ),
        (&["--history-changes", "0"], "'--history-changes <COUNT>'"),
        (&["--history-changes=-5"], "'--history-changes <COUNT>'"),
        (
            &["--history-retention", "23h"],
            "the resume window of 1day is longer than changes are kept, 23h",
        ),
        (
            &["--rate-reads", "600"],
            "give a number and a time, such as 600/1m, or off",
        ),
        (&["--rate-sockets", "0/1m"], "'--rate-sockets <COUNT/TIME>'"),
        (&["--sockets-per-address", "0"], "'--sockets-per-address"),
        (
            &["--subscriptions-per-caller", "0"],
            "'--subscriptions-per-caller",
        ),
        (&["--rate-messages", "many"], "'--rate-messages"),
        (
            &["--trusted-proxies", "10.0.0.1,proxy.example"],
            "\"proxy.example\" is no address and no network",
        ),
        (&["--database-queue", "0"], "'--database-queue <COUNT>'"),
        (
            &["--allowed-origins", "https://a.example/"],
            "end it after the host and the port, without a slash",
        ),
        (&["--allowed-origins", "a.example"], "has no scheme"),
        (&["--allowed-origins", "null"], "write `*` for all"),
        (&["--max-connections", "0"], "'--max-connections <COUNT>'"),
        (&["--idle-timeout", "0s"], "'--idle-timeout <TIME>'"),
        (&["--log-format", "xml"], "[possible values: text, json]"),
        (&["--demo", "--no-demo"], "cannot be used with"),
        (&["token"], "--subject <NAME>"),
        (
            &["token", "--subject", "a", "--role", "king"],
            "[possible values: BUYER, BOX_OFFICE, STAFF]",
        ),
        (&["plan", "import"], "<FILE>"),
        (&["plan", "export", bad_plan], "unrecognized subcommand"),
        (&["dance"], "unrecognized subcommand 'dance'"),
    ] {
        let answered = run(usher(arguments)).await;
        let Answered {
            code,
            output,
            errors,
        } = &answered;
        assert_eq!((*code, output.as_str()), (2, ""), "{answered:?}");
        assert!(errors.starts_with("error: "), "{errors}");
        assert!(errors.contains(mentions), "{errors}");
        assert!(errors.contains("--help"), "{errors}");
    }
    let mut in_variable = usher(&[]);
    in_variable.env("USHER_LISTEN", "everywhere");
    let answered = run(in_variable).await;
    assert_eq!(answered.code, 2, "{answered:?}");
    assert!(answered.errors.contains("'everywhere'"), "{answered:?}");

    let mut in_variables = usher(&["migrate"]);
    in_variables
        .env("USHER_RESUME_WINDOW", "8days")
        .env("USHER_HISTORY_RETENTION", "1week");
    let answered = run(in_variables).await;
    assert_eq!(answered.code, 2, "{answered:?}");
    let mentions = "window of 8days is longer than changes are kept, 7days";
    assert!(answered.errors.contains(mentions), "{answered:?}");

    for variable in ["USHER_DEMO", "USHER_NO_DEMO"] {
        let mut unsure = usher(&[]);
        unsure.env(variable, "maybe");
        let answered = run(unsure).await;
        assert_eq!(answered.code, 2, "{answered:?}");
        assert!(answered.errors.contains("'maybe'"), "{answered:?}");
    }

    let answered = run(usher(&["--log", "usher=loud"])).await;
    assert!(
        answered.complaint().contains("filter"),
        "{}",
        answered.errors
    );
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_before_anything_is_started() {
    let folder = DataFolder::new();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let answered = run(folder.usher(&["--listen", &address])).await;
    let complaint = answered.complaint();
    assert!(complaint.contains(&address), "{complaint}");
    assert!(complaint.contains("USHER_LISTEN"), "{complaint}");
    assert!(!folder.path().exists());
}

#[tokio::test]
async fn postgresql_that_is_not_where_it_should_be_is_named() {
    let folder = DataFolder::new();
    let no_programs = tempfile::tempdir().unwrap();
    for place in [Path::new("/nonexistent"), no_programs.path()] {
        for command in [&["--listen", "127.0.0.1:0"][..], &["migrate"]] {
            let mut command = folder.usher(command);
            command.env("USHER_POSTGRES_BIN", place);
            let answered = run(command).await;
            let complaint = answered.complaint();
            assert!(complaint.contains("USHER_POSTGRES_BIN"), "{complaint}");
            assert!(complaint.contains(place.to_str().unwrap()), "{complaint}");
        }
    }
    assert!(!folder.path().join("postgres").exists());
}

#[tokio::test]
async fn a_plan_that_cannot_be_read_starts_no_database() {
    let folder = DataFolder::new();
    let missing = run(folder.usher(&["plan", "import", "/nonexistent/plan.json"])).await;
    let complaint = missing.complaint();
    let expected = "/nonexistent/plan.json cannot be read: No such file";
    assert!(complaint.starts_with(expected), "{complaint}");

    let not_json = file("Cargo.toml");
    let refused = run(folder.usher(&["plan", "import", not_json.to_str().unwrap()])).await;
    assert_eq!((refused.code, refused.output.as_str()), (1, ""));
    let expected = format!(
        "usher: {} was refused, nothing was stored:\n$: is not JSON",
        not_json.display()
    );
    assert!(refused.errors.starts_with(&expected), "{}", refused.errors);
    assert!(!folder.path().exists());
}
