//! Start, use, stop, and what each leaves behind.

use super::*;

#[tokio::test]
async fn it_starts_answers_stops_and_starts_again_with_its_data() {
    let folder = open_folder();
    let options = options(folder.path());
    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    mark(postgres.database_url()).await;

    let client = connect(postgres.database_url()).await;
    for (setting, value) in [
        ("listen_addresses", ""),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("lc_messages", "C"),
        ("lc_collate", "C"),
        // The caller's word against usher's own.
        ("shared_buffers", "16MB"),
        ("max_connections", "300"),
    ] {
        assert_eq!(
            ask(&client, &format!("SHOW {setting}")).await,
            value,
            "{setting}"
        );
    }
    let other = connect(&postgres.database_url_for("postgres")).await;
    let name = ask(&other, "SELECT current_database()::text").await;
    assert_eq!(name, "postgres");

    assert!(!processes(&options).is_empty());
    postgres.stop().await.unwrap();
    assert_eq!(processes(&options), []);
    let run = options.data_dir.join("run");
    assert_eq!(fs::read_dir(run).unwrap().count(), 0);

    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    assert_eq!(read_mark(postgres.database_url()).await, "still here");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn the_data_folder_stays_ushers_and_the_rest_is_private() {
    let folder = open_folder();
    let mut options = options(folder.path());
    options.data_dir = folder.path().join("a/b/data");
    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    let us = Uid::effective().as_raw();
    let database_user = fs::metadata(options.data_dir.join("postgres"))
        .unwrap()
        .uid();
    assert_eq!(
        is_root(),
        database_user != us,
        "PostgreSQL must not be root"
    );
    for (name, mode, owner) in [
        ("", 0o711, us),
        ("../..", 0o711, us),
        ("postgres", 0o700, database_user),
        ("run", 0o700, database_user),
        ("postgres.log", 0o600, us),
    ] {
        let metadata = fs::metadata(options.data_dir.join(name)).unwrap();
        assert_eq!(metadata.mode() & 0o777, mode, "{name}");
        assert_eq!(metadata.uid(), owner, "{name}");
    }
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn the_server_shares_neither_ushers_environment_nor_its_terminal() {
    let folder = open_folder();
    let options = options(folder.path());
    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    let server = server_process(&options);
    // A terminal's Ctrl-C goes to a whole process group.
    assert_eq!(nix::unistd::getpgid(Some(server)), Ok(server));
    let path = format!("/proc/{server}/environ");
    let environment = fs::read(path).unwrap();
    let names: Vec<_> = environment
        .split(|byte| *byte == 0)
        .filter_map(|variable| variable.split(|byte| *byte == b'=').next())
        .map(String::from_utf8_lossy)
        .filter(|name| !name.is_empty() && !name.starts_with("PG"))
        .collect();
    let allowed = ["PATH", "LC_ALL", "LD_LIBRARY_PATH"];
    assert!(
        names.iter().all(|name| allowed.contains(&&**name)),
        "{names:?}"
    );
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_long_path_gets_its_socket_elsewhere_and_leaves_nothing_there() {
    let folder = open_folder();
    let options = options(&folder.path().join("long, \"odd\" names ".repeat(8)));
    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    let socket = super::super::socket::SocketFolder::of(&options.data_dir);
    assert!(socket.path().starts_with("/tmp"), "{socket:?}");
    assert_eq!(fs::metadata(socket.path()).unwrap().mode() & 0o777, 0o700);

    mark(postgres.database_url()).await;
    let attached = running_url(&options).await.unwrap();
    assert_eq!(attached.as_deref(), Some(postgres.database_url()));
    postgres.stop().await.unwrap();
    assert!(!socket.path().exists());
}

#[test]
fn a_panic_stops_the_server() {
    let folder = open_folder();
    let options = options(folder.path());
    let theirs = options.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let postgres = runtime.block_on(EmbeddedPostgres::start(&theirs)).unwrap();
        assert!(!processes(&theirs).is_empty());
        panic!("as it happens, with {}", postgres.database_url());
    });
    let panic = thread.join().unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.starts_with("as it happens"), "{message}");
    assert_eq!(processes(&options), []);
}

#[tokio::test]
async fn a_start_that_is_given_up_stops_the_server() {
    let folder = open_folder();
    let options = options(folder.path());
    make_marked_cluster(&options).await;
    tokio::select! {
        biased;
        () = until("a server process", || !processes(&options).is_empty()) => {}
        started = EmbeddedPostgres::start(&options) => {
            // So quick that there was nothing to give up.
            started.unwrap().stop().await.unwrap();
        }
    }
    assert_eq!(processes(&options), []);
    make_sure_it_starts(&options).await;
}

#[tokio::test]
async fn a_server_that_ends_by_itself_is_told_of() {
    let folder = open_folder();
    let options = options(folder.path());
    let mut postgres = EmbeddedPostgres::start(&options).await.unwrap();
    let in_vain = tokio::time::timeout(Duration::from_millis(50), postgres.exited());
    assert!(in_vain.await.is_err());

    kill(server_process(&options), Signal::SIGKILL).unwrap();
    let error = tokio::time::timeout(LIMIT, postgres.exited())
        .await
        .unwrap();
    let text = shown(&error);
    assert!(
        text.starts_with("PostgreSQL ended by itself (signal: 9 (SIGKILL))"),
        "{text}"
    );
    postgres.stop().await.unwrap();
    make_sure_it_starts(&options).await;
}

async fn make_sure_it_starts(options: &EmbeddedOptions) {
    let postgres = EmbeddedPostgres::start(options).await.unwrap();
    postgres.stop().await.unwrap();
    assert_eq!(processes(options), []);
}
