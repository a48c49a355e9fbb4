//! The server's settings: which hold, whose word counts, and that old clusters get new ones.

use super::*;

async fn shown_settings<const N: usize>(
    options: &EmbeddedOptions,
    names: [&str; N],
) -> [String; N] {
    let postgres = EmbeddedPostgres::start(options).await.unwrap();
    let client = connect(postgres.database_url()).await;
    let mut values = [const { String::new() }; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = ask(&client, &format!("SHOW {name}")).await;
    }
    drop(client);
    postgres.stop().await.unwrap();
    values
}

async fn alter_system(options: &EmbeddedOptions, statements: &[&str]) {
    let postgres = EmbeddedPostgres::start(options).await.unwrap();
    let client = connect(postgres.database_url()).await;
    for statement in statements {
        let statement = format!("ALTER SYSTEM SET {statement}");
        client.batch_execute(&statement).await.unwrap();
    }
    drop(client);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_fresh_cluster_is_durable_and_has_ushers_settings() {
    let folder = open_folder();
    let mut options = options(folder.path());
    options.settings.clear();
    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    let client = connect(postgres.database_url()).await;
    for (setting, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        // As initdb leaves them: the cluster can be backed up while it runs.
        ("wal_level", "replica"),
        ("archive_mode", "off"),
        ("max_connections", "300"),
        ("max_wal_size", "2GB"),
        ("min_wal_size", "512MB"),
        ("checkpoint_timeout", "15min"),
        ("random_page_cost", "1.1"),
        ("autovacuum_naptime", "15s"),
        ("jit", "off"),
        ("cluster_name", "usher"),
        ("TimeZone", "UTC"),
    ] {
        let shown = ask(&client, &format!("SHOW {setting}")).await;
        assert_eq!(shown, value, "{setting}");
    }
    // usher's own connections say for themselves how long they may stand idle.
    let timeout = ask(&client, "SHOW idle_in_transaction_session_timeout").await;
    assert_eq!(timeout, "1min");
    let buffers = "SELECT pg_size_bytes(current_setting('shared_buffers')) \
                   BETWEEN 128 * 1024 * 1024 AND 1024 * 1024 * 1024";
    assert!(
        client
            .query_one(buffers, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    );
    // What PostgreSQL could not take of the files is an error there, and left out in silence.
    let errors = "SELECT coalesce(string_agg(name || ': ' || error, ', '), '') \
                  FROM pg_file_settings WHERE error IS NOT NULL \
                  AND error <> 'setting could not be applied'";
    assert_eq!(ask(&client, errors).await, "");
    drop(client);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_cluster_of_an_older_usher_gets_the_new_settings() {
    let folder = open_folder();
    let options = options(folder.path());
    make_marked_cluster(&options).await;
    // initdb's file alone, as there was before, and one of another version of usher.
    let initial = fs::read_to_string(options.data_dir.join("postgres/postgresql.conf")).unwrap();
    assert!(initial.contains("\nmax_connections = 100"), "{initial}");
    assert!(!initial.contains("usher"), "{initial}");
    let file = options.data_dir.join("postgres.conf");
    fs::remove_file(&file).unwrap();
    let names = ["max_connections", "autovacuum_naptime"];
    assert_eq!(shown_settings(&options, names).await, ["300", "15s"]);

    fs::write(&file, "max_connections = 7\nno_such_setting = 1\n").unwrap();
    assert_eq!(shown_settings(&options, names).await, ["300", "15s"]);
    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    assert_eq!(read_mark(postgres.database_url()).await, "still here");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_users_word_counts_but_not_against_what_usher_relies_on() {
    let folder = open_folder();
    let mut options = options(folder.path());
    options.settings.clear();
    let overridden = [
        "max_connections = 50",
        "jit = on",
        // Against these usher has the last word.
        "fsync = off",
        "synchronous_commit = off",
        "listen_addresses = '*'",
    ];
    alter_system(&options, &overridden).await;
    let file = options.data_dir.join("postgres.local.conf");
    fs::write(
        &file,
        "max_connections = 40\nwork_mem = '5MB'\nautovacuum_naptime = '3s'\n\
         full_page_writes = off\nport = 1\n",
    )
    .unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let names = [
        "max_connections",
        "jit",
        "work_mem",
        "autovacuum_naptime",
        "fsync",
        "synchronous_commit",
        "full_page_writes",
        "listen_addresses",
        "port",
    ];
    assert_eq!(
        shown_settings(&options, names).await,
        ["50", "on", "5MB", "3s", "on", "on", "on", "", "5432"]
    );
    // The program's own word counts against everybody's.
    options.settings = vec![("max_connections".to_owned(), "60".to_owned())];
    assert_eq!(shown_settings(&options, ["max_connections"]).await, ["60"]);
}

#[tokio::test]
async fn a_file_that_makes_no_sense_is_named() {
    let folder = open_folder();
    let options = options(folder.path());
    make_marked_cluster(&options).await;
    let file = options.data_dir.join("postgres.local.conf");
    fs::write(&file, "no_such_setting = 1\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let told = refusal(&options).await;
    assert!(told.contains("no_such_setting"), "{told}");
    assert!(told.contains("postgres.local.conf"), "{told}");
    assert_eq!(processes(&options), []);
    fs::remove_file(&file).unwrap();
    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    postgres.stop().await.unwrap();
}
