//! Secrets in files, as service managers and orchestrators hand them over.

use crate::support::House;
use crate::support::program::{Server, run, usher};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A file with this in it, for its owner alone.
fn file(folder: &Path, name: &str, content: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, content).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_are_taken_from_files() {
    let house = House::open().await;
    let folder = tempfile::tempdir().unwrap();
    let url = file(folder.path(), "url", &format!("{}\n", house.database_url));
    let mut by_variable = usher(&["migrate"]);
    by_variable.env("DATABASE_URL_FILE", &url);
    let mut by_flag = usher(&["migrate", "--database-url-file"]);
    by_flag.arg(&url);
    // An empty variable is none.
    by_flag.env("DATABASE_URL", "").env("REDIS_URL_FILE", "");
    for command in [by_variable, by_flag] {
        let migrated = run(command).await;
        assert_eq!(migrated.printed(), "the database is up to date");
        assert_eq!(migrated.errors, "");
    }

    let redis = file(folder.path(), "redis", "redis://:hunter2@127.0.0.1:1\n");
    let mut serve = usher(&["--listen", "127.0.0.1:0"]);
    serve.env("DATABASE_URL_FILE", &url);
    serve.env("USHER_MIGRATION_DATABASE_URL_FILE", &url);
    serve.env("REDIS_URL_FILE", &redis);
    let mut server = Server::start(serve).await;
    let away = server.logged(|line| line.contains("Redis is away")).await;
    assert!(!away.contains("hunter2"), "{away}");
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_secret_is_named_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let right = file(folder, "right", "postgres://u:hunter2@127.0.0.1:1/d");
    let empty = file(folder, "empty", "\n");
    let binary = folder.join("binary");
    std::fs::write(&binary, b"hunter2\xff").unwrap();
    let large = file(folder, "large", &"hunter2 ".repeat(10_000));
    let missing = folder.join("missing");
    for variable in ["DATABASE_URL", "USHER_MIGRATION_DATABASE_URL", "REDIS_URL"] {
        for (path, fault) in [
            (&empty, "is empty"),
            (&binary, "is not UTF-8 text"),
            (&large, "is larger than 64 KiB"),
            (&missing, "cannot be read"),
            (&folder.to_owned(), "cannot be read"),
        ] {
            let mut command = usher(&["migrate"]);
            command.env(format!("{variable}_FILE"), path);
            let answered = run(command).await;
            let expected = format!("{} {fault}", path.display());
            let complaint = answered.complaint();
            assert!(complaint.starts_with(&expected), "{complaint}");
            assert!(
                complaint.contains(&format!("({variable}_FILE)")),
                "{complaint}"
            );
            assert!(!complaint.contains("hunter2"), "{complaint}");
        }
        let mut both = usher(&["migrate"]);
        both.env(variable, "postgres://u:hunter2@localhost/d");
        both.env(format!("{variable}_FILE"), &right);
        let answered = run(both).await;
        let expected = format!("{variable} and {variable}_FILE are both given");
        assert!(answered.complaint().starts_with(&expected), "{answered:?}");
        assert!(!answered.errors.contains("hunter2"), "{answered:?}");
    }
    // Who needs no secret reads none.
    let mut schema = usher(&["schema"]);
    schema.env("DATABASE_URL_FILE", &missing);
    run(schema).await.printed();
}

#[tokio::test]
async fn a_file_that_everybody_may_read_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let url = file(folder.path(), "url", "postgres://u:hunter2@127.0.0.1:1/d");
    for (mode, is_warned_of) in [(0o400, false), (0o440, false), (0o644, true)] {
        std::fs::set_permissions(&url, Permissions::from_mode(mode)).unwrap();
        let mut command = usher(&["migrate"]);
        command.env("DATABASE_URL_FILE", &url);
        let answered = run(command).await;
        assert_eq!(answered.code, 1, "{answered:?}");
        let warning = "everybody on this machine may read the secret";
        assert_eq!(answered.errors.contains(warning), is_warned_of, "{mode:o}");
        assert!(!answered.errors.contains("hunter2"), "{answered:?}");
    }
}
