//! What cannot work, and what is said then.

use super::super::locate::Places;
use super::super::owner::Owner;
use super::*;

#[tokio::test]
async fn a_second_usher_on_the_folder_is_refused_and_may_attach() {
    let folder = open_folder();
    let options = options(folder.path());
    assert_eq!(running_url(&options).await.unwrap(), None);
    let first = EmbeddedPostgres::start(&options).await.unwrap();

    let expected = format!(
        "another usher (process {}) is already running on {}: stop it, or set USHER_DATA_DIR to another folder",
        std::process::id(),
        options.data_dir.display()
    );
    assert_eq!(refusal(&options).await, expected);
    let url = running_url(&options).await.unwrap().unwrap();
    mark(&url).await;
    assert_eq!(read_mark(first.database_url()).await, "still here");

    first.stop().await.unwrap();
    assert_eq!(running_url(&options).await.unwrap(), None);
}

#[tokio::test]
async fn a_database_that_is_closed_to_an_onlooker_is_told_of() {
    if is_root() {
        // Nothing is closed to root.
        return;
    }
    let folder = open_folder();
    let options = options(folder.path());
    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    let run = options.data_dir.join("run");
    fs::set_permissions(&run, fs::Permissions::from_mode(0o000)).unwrap();
    let text = shown(&running_url(&options).await.unwrap_err());
    fs::set_permissions(&run, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(
        text.contains("belongs to another user: run this command as"),
        "{text}"
    );
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn data_of_another_major_version_is_named_and_not_touched() {
    let folder = open_folder();
    let options = options(folder.path());
    make_marked_cluster(&options).await;
    let version = options.data_dir.join("postgres/PG_VERSION");
    let real = fs::read_to_string(&version).unwrap();
    fs::write(&version, "12\n").unwrap();
    let text = refusal(&options).await;
    for part in [
        "was written by PostgreSQL 12,",
        &format!("are of PostgreSQL {}:", real.trim()),
        "install PostgreSQL 12 or set USHER_POSTGRES_BIN",
    ] {
        assert!(text.contains(part), "{text}");
    }

    fs::write(&version, real).unwrap();
    let postgres = EmbeddedPostgres::start(&options).await.unwrap();
    assert_eq!(read_mark(postgres.database_url()).await, "still here");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn missing_programs_get_an_answer_that_helps() {
    let folder = open_folder();
    let mut options = options(folder.path());
    options.postgres_bin = Some(folder.path().to_path_buf());
    let text = refusal(&options).await;
    let expected = format!(
        "USHER_POSTGRES_BIN is {}, but there is no program postgres in it",
        folder.path().display()
    );
    assert!(text.starts_with(&expected), "{text}");

    let owner = Owner::of(&folder.path().join("none")).unwrap();
    let nowhere = Places::default().find(&owner, None).await.unwrap_err();
    let text = shown(&nowhere);
    for part in ["postgresql", "USHER_POSTGRES_BIN", "DATABASE_URL"] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn programs_of_the_datas_version_win_and_old_ones_are_refused() {
    let folder = open_folder();
    let owner = Owner::of(&folder.path().join("none")).unwrap();
    let folders: Vec<_> = ["13.4", "16.1", "17.0"]
        .map(|version| pretend_programs(folder.path(), version))
        .to_vec();
    let places = Places {
        explicit: None,
        folders: folders.clone(),
    };
    for (wanted, found) in [(None, 16), (Some(17), 17), (Some(15), 16)] {
        let programs = places.find(&owner, wanted).await.unwrap();
        assert_eq!(programs.major, found, "{wanted:?}");
    }
    let old = Places {
        explicit: Some(folders[0].clone()),
        folders,
    };
    let text = shown(&old.find(&owner, None).await.unwrap_err());
    assert!(
        text.contains("is version 13, and usher needs 14 or newer"),
        "{text}"
    );
}

/// A folder of programs that only tell their version.
fn pretend_programs(folder: &Path, version: &str) -> PathBuf {
    let folder = folder.join(version);
    fs::create_dir(&folder).unwrap();
    for program in ["postgres", "initdb"] {
        let path = folder.join(program);
        let script = format!("#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n");
        // Another process writes it. A file that is open for writing cannot be run,
        // and what another test starts meanwhile keeps open what is open here.
        let write = Command::new("sh")
            .args(["-c", r#"printf %s "$1" > "$0" && chmod 755 "$0""#])
            .args([path.as_os_str(), script.as_ref()])
            .status();
        assert!(write.unwrap().success());
    }
    folder
}

#[tokio::test]
async fn a_data_folder_that_is_none_is_told_of() {
    let folder = open_folder();
    let mut options = options(folder.path());
    fs::write(&options.data_dir, "a file").unwrap();
    let text = refusal(&options).await;
    assert!(text.contains("data is not a folder"), "{text}");
    assert!(text.contains("USHER_DATA_DIR"), "{text}");

    options.data_dir = options.data_dir.join("below");
    let text = refusal(&options).await;
    assert!(text.contains("data/below"), "{text}");
    assert!(text.contains("Not a directory"), "{text}");
}

#[tokio::test]
async fn a_folder_that_is_no_cluster_is_not_touched() {
    let folder = open_folder();
    let options = options(folder.path());
    let cluster = options.data_dir.join("postgres");
    fs::create_dir_all(&cluster).unwrap();
    let note = cluster.join("note");
    fs::write(&note, "mine").unwrap();
    if is_root() {
        let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
        std::os::unix::fs::chown(&cluster, Some(nobody.uid.as_raw()), None).unwrap();
    }
    let text = refusal(&options).await;
    assert!(text.contains("is no PostgreSQL cluster"), "{text}");
    assert_eq!(fs::read_to_string(note).unwrap(), "mine");
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let folder = open_folder();
    let mut options = options(folder.path());
    options.settings.push(("work_mem".into(), "plenty".into()));
    let text = refusal(&options).await;
    let expected = r#"FATAL:  invalid value for parameter "work_mem": "plenty""#;
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("data/postgres.log"), "{text}");
    assert_eq!(processes(&options), []);
}

#[tokio::test]
async fn a_folder_closed_to_postgresqls_user_is_named() {
    if !is_root() {
        return;
    }
    let folder = open_folder();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let text = refusal(&options(&closed)).await;
    let expected = format!("because {} is closed to others", closed.display());
    assert!(text.contains(&expected), "{text}");
    assert!(text.contains("USHER_DATA_DIR"), "{text}");
}

#[tokio::test]
async fn a_socket_folder_of_somebody_else_is_refused() {
    let folder = open_folder();
    let options = options(folder.path());
    make_marked_cluster(&options).await;
    let run = options.data_dir.join("run");
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
    let text = refusal(&options).await;
    assert!(text.contains("data/run is not a private folder"), "{text}");

    fs::remove_dir(&run).unwrap();
    std::os::unix::fs::symlink("/tmp", &run).unwrap();
    let text = refusal(&options).await;
    assert!(text.contains("data/run is not a private folder"), "{text}");
}

#[tokio::test]
async fn a_cluster_of_a_user_that_postgresql_cannot_be_is_told_of() {
    if !is_root() {
        return;
    }
    let folder = open_folder();
    let options = options(folder.path());
    fs::create_dir_all(options.data_dir.join("postgres")).unwrap();
    let text = refusal(&options).await;
    assert!(text.contains("belongs to the user root"), "{text}");
    assert!(text.contains("chown -R"), "{text}");
}
