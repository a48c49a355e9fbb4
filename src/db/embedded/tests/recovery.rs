//! What crashes leave behind, and the next start.

use super::*;

#[tokio::test]
async fn the_server_of_a_killed_usher_is_stopped_and_its_data_is_kept() {
    let folder = open_folder();
    let options = options(folder.path());
    let victim = Victim::start(folder.path());
    assert!(running_url(&options).await.unwrap().is_some());
    let orphan = server_process(&options);
    victim.kill();
    assert!(is_alive(orphan));
    assert_eq!(running_url(&options).await.unwrap(), None);

    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    assert_ne!(server_process(&options), orphan);
    assert_eq!(read_mark(postgres.database_url()).await, "still here");
    postgres.stop().await.unwrap();
    assert_eq!(processes(&options), []);
}

#[tokio::test]
async fn a_lock_file_that_names_a_stranger_is_stale_and_the_stranger_lives() {
    let folder = open_folder();
    let options = options(folder.path());
    make_marked_cluster(&options).await;
    let cluster = options.data_dir.join("postgres");
    let mut stranger = Stranger::of_the_owner_of(&cluster);
    let cases = [
        (stranger.process(), true),
        // A crash may cost PostgreSQL's lock file and not the socket's.
        (stranger.process(), false),
        (Pid::this(), true),
    ];
    for (process, in_cluster) in cases {
        leave_lock_file(&options, process);
        if !in_cluster {
            fs::remove_file(cluster.join("postmaster.pid")).unwrap();
        }
        let postgres = EmbeddedPostgres::start(&options).await.unwrap();
        assert_ne!(server_process(&options), process);
        assert_eq!(read_mark(postgres.database_url()).await, "still here");
        postgres.stop().await.unwrap();
    }
    assert!(stranger.lives());
}

#[tokio::test]
async fn the_server_of_another_cluster_is_a_stranger_too() {
    let (folder, other_folder) = (open_folder(), open_folder());
    let (options, other_options) = (options(folder.path()), options(other_folder.path()));
    let other = EmbeddedPostgres::start(&other_options).await.unwrap();
    mark(other.database_url()).await;
    make_marked_cluster(&options).await;
    leave_lock_file(&options, server_process(&other_options));

    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    assert_eq!(read_mark(other.database_url()).await, "still here");
    postgres.stop().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test]
async fn a_lock_file_of_a_dead_process_or_without_one_is_no_hindrance() {
    let folder = open_folder();
    let options = options(folder.path());
    make_marked_cluster(&options).await;
    let gone = Stranger::of_the_owner_of(&options.data_dir.join("postgres")).process();
    leave_lock_file(&options, gone);
    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    assert_eq!(read_mark(postgres.database_url()).await, "still here");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn the_last_processes_of_a_killed_server_are_waited_for() {
    let folder = open_folder();
    let options = options(folder.path());
    let victim = Victim::start(folder.path());
    let server = server_process(&options);
    let is_helper = |process: &Pid| {
        let title = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
        title.contains("background writer")
    };
    // It says what it is only once it has had its turn on the processor.
    let helper = || processes(&options).into_iter().find(is_helper);
    until("the helper is at work", || helper().is_some()).await;
    let helper = helper().unwrap();
    // A helper that cannot notice that its server is gone.
    kill(helper, Signal::SIGSTOP).unwrap();
    victim.kill();
    kill(server, Signal::SIGKILL).unwrap();
    until("all but the stopped helper end", || {
        processes(&options) == [helper]
    })
    .await;

    let log = options.data_dir.join("postgres.log");
    let refused = || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        text.contains("pre-existing shared memory block")
    };
    let release = async {
        until("PostgreSQL refuses to start beside it", refused).await;
        kill(helper, Signal::SIGCONT).unwrap();
    };
    let (postgres, ()) = tokio::join!(EmbeddedPostgres::start(&options), release);
    let postgres = postgres.unwrap();
    assert_eq!(read_mark(postgres.database_url()).await, "still here");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn an_interrupted_initdb_leaves_nothing_half_made() {
    let folder = open_folder();
    let options = options(folder.path());
    let unfinished = || {
        let entries = fs::read_dir(&options.data_dir).into_iter().flatten();
        entries
            .map(|entry| entry.unwrap().path())
            .find(|path| path.display().to_string().contains("postgres.unfinished"))
    };
    tokio::select! {
        biased;
        () = until("initdb to be at work", || {
            unfinished().is_some_and(|path| path.join("base").exists())
        }) => {}
        started = EmbeddedPostgres::start(&options) => {
            panic!("initdb was too quick: {started:?}");
        }
    }
    assert!(unfinished().is_some());
    assert!(!options.data_dir.join("postgres").exists());

    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    postgres.stop().await.unwrap();
    assert_eq!(unfinished(), None);
}
