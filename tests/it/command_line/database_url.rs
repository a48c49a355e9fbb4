//! usher on a PostgreSQL that somebody else runs: what `DATABASE_URL` says, and
//! what is answered when it says something wrong. No secret is ever shown.

use crate::support::cluster::{self, Cluster};
use crate::support::program::{Server, of_itself, run, usher};
use crate::support::{House, checks, house};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};
use tokio::process::Command;
use tokio_postgres::config::Host;
use usher::model::Role;

fn with_url(url: &str, arguments: &[&str]) -> Command {
    let mut command = usher(arguments);
    command.env("DATABASE_URL", url);
    command
}

/// This URL gets one line that has these words, and the secret stays one, also
/// for somebody who wants to know it all.
async fn expect_complaint(url: &str, mentions: &str) {
    for command in [&["--listen", "127.0.0.1:0"][..], &["migrate"]] {
        let answered = run(with_url(url, command)).await;
        let complaint = answered.complaint();
        assert!(complaint.contains(mentions), "{complaint}");
        assert!(!complaint.contains("hunter2"), "{complaint}");
    }
    let talkative = run(with_url(url, &["migrate", "--log", "trace"])).await;
    assert_eq!(talkative.code, 1);
    assert!(!talkative.errors.contains("hunter2"), "{talkative:?}");
}

#[tokio::test]
async fn a_url_that_is_none_is_refused() {
    for url in [
        "hunter2",
        "mysql://usher:hunter2@localhost/usher",
        "postgres://usher:hunter2@localhost:many/usher",
        "postgres://usher:hunter2@localhost/usher?sslmode=hunter2",
        "host=localhost password=hunter2 port=many",
    ] {
        expect_complaint(url, "DATABASE_URL cannot be read").await;
        expect_complaint(url, "invalid connection string").await;
    }
    let stray = "postgres://usher:secret@hunter2@localhost/usher";
    expect_complaint(stray, "write it as %40").await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be_so() {
    // Nobody listens there, and nobody else is given the port meanwhile.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = closed.local_addr().unwrap();
    let url = format!("postgres://usher:hunter2@{address}/usher");
    let expected = format!("cannot connect to {address}/usher (DATABASE_URL): ");
    expect_complaint(&url, &expected).await;
    for part in ["Connection refused", " (is PostgreSQL running there"] {
        expect_complaint(&url, part).await;
    }
}

#[tokio::test]
async fn what_the_server_refuses_is_said_in_its_words() {
    let house = House::open().await;
    let (_, rest) = house.database_url.split_once("@/").unwrap();
    let (_, parameters) = rest.split_once('?').unwrap();
    let no_database = format!("postgresql://usher:hunter2@/nothing?{parameters}");
    let expected = "database \"nothing\" does not exist (create it first";
    expect_complaint(&no_database, expected).await;
    let no_user = format!("postgresql://nobody:hunter2@/usher?{parameters}");
    expect_complaint(&no_user, "role \"nobody\" does not exist").await;

    let suspicious = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = suspicious.local_addr().unwrap();
    tokio::spawn(believe_nobody(suspicious));
    let url = format!("postgres://usher:hunter2@{address}/usher");
    expect_complaint(&url, "password authentication failed for user (check").await;
}

/// A PostgreSQL that asks for a password and then does not take it.
async fn believe_nobody(listener: TcpListener) {
    while let Ok((mut client, _)) = listener.accept().await {
        // No TLS here; then who it is; then the password.
        read_message(&mut client, false).await;
        client.write_all(b"N").await.unwrap();
        read_message(&mut client, false).await;
        client.write_all(b"R\0\0\0\x08\0\0\0\x03").await.unwrap();
        read_message(&mut client, true).await;
        let fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user\0\0";
        let length = u32::try_from(fields.len() + 4).unwrap();
        client.write_u8(b'E').await.unwrap();
        client.write_u32(length).await.unwrap();
        client.write_all(fields).await.unwrap();
    }
}

async fn read_message(client: &mut TcpStream, has_type: bool) {
    if has_type {
        client.read_u8().await.unwrap();
    }
    let length = client.read_u32().await.unwrap() as usize;
    client.read_exact(&mut vec![0; length - 4]).await.unwrap();
}

#[tokio::test]
async fn an_unencrypted_connection_is_warned_of_once() {
    let house = House::open().await;
    // What comes to 0.0.0.0 comes to this machine, but no rule knows it as that.
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config: tokio_postgres::Config = house.database_url.parse().unwrap();
    let database = config.get_dbname().unwrap();
    let user = config.get_user().unwrap();
    let url = |host: &str, mode: &str| {
        format!("postgres://{user}:hunter2@{host}:{port}/{database}?sslmode={mode}")
    };
    tokio::spawn(forward(listener, config.clone()));

    let serve = ["--listen", "127.0.0.1:0"];
    let server = Server::start(with_url(&url("0.0.0.0", "prefer"), &serve)).await;
    server.signal(nix::sys::signal::Signal::SIGTERM);
    let (code, log) = server.ended().await;
    assert_eq!(code, Some(0), "{log:#?}");
    let mut warnings = of_itself(&log);
    warnings.retain(|line| line.contains("WARN"));
    assert_eq!(warnings.len(), 1, "{log:#?}");
    for part in ["not encrypted", "sslmode=verify-full"] {
        assert!(warnings[0].contains(part), "{log:#?}");
    }
    assert!(!log.join("\n").contains("hunter2"), "{log:#?}");

    for silent in [
        &house.database_url,
        &url("127.0.0.1", "prefer"),
        &url("0.0.0.0", "disable"),
    ] {
        let migrated = run(with_url(silent, &["migrate"])).await;
        assert_eq!(migrated.printed(), "the database is up to date");
        assert_eq!(migrated.errors, "", "{silent}");
    }
    let refused = run(with_url(&url("0.0.0.0", "require"), &["migrate"])).await;
    let complaint = refused.complaint();
    assert!(
        complaint.contains("server does not support TLS (switch TLS on there"),
        "{complaint}"
    );
}

/// Makes a PostgreSQL that listens on a Unix socket be there over TCP.
async fn forward(listener: TcpListener, config: tokio_postgres::Config) {
    let (Host::Unix(folder), port) = (&config.get_hosts()[0], config.get_ports()[0]) else {
        panic!("{config:?} names no folder");
    };
    let socket = folder.join(format!(".s.PGSQL.{port}"));
    while let Ok((mut client, _)) = listener.accept().await {
        let mut server = UnixStream::connect(&socket).await.unwrap();
        tokio::spawn(async move {
            // Whoever hangs up ends it.
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

#[tokio::test]
async fn without_a_secret_no_token_is_accepted() {
    let house = House::open().await;
    let server = Server::beside(&house, &[]).await;
    for token in [house::token("anna", Role::Buyer), "x".to_owned()] {
        let answer = server.bearer(&token).ask("{ __typename }", json!({})).await;
        assert_eq!(answer.error_code(), "UNAUTHENTICATED");
        assert!(answer.error_message().contains("without a key"));
    }
    let answer = server.visitor().ask("{ viewer { role } }", json!({})).await;
    assert_eq!(answer.data()["viewer"]["role"], "VISITOR");
    let printed = server.printed().join("\n");
    for said in [
        "nobody is staff",
        "USHER_JWT_SECRET",
        "USHER_JWT_KEYS",
        "There is no event",
    ] {
        assert!(printed.contains(said), "{printed}");
    }
    server.signal(nix::sys::signal::Signal::SIGTERM);
    let (code, _) = server.ended().await;
    assert_eq!(code, Some(0));

    let minted = run(with_url(&house.database_url, &["token", "--subject", "a"])).await;
    let complaint = minted.complaint();
    assert!(complaint.contains("USHER_JWT_SECRET"), "{complaint}");
}

#[tokio::test]
async fn what_was_opened_is_said_without_secrets() {
    let house = House::open().await;
    house.event(1, 1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config: tokio_postgres::Config = house.database_url.parse().unwrap();
    let (user, database) = (config.get_user().unwrap(), config.get_dbname().unwrap());
    let url = format!("postgres://{user}:hunter2@{address}/{database}");
    tokio::spawn(forward(listener, config.clone()));
    let mut command = with_url(&url, &["--listen", "0.0.0.0:0"]);
    command.env(
        "USHER_JWT_SECRET",
        "as long as a secret has to be: 32 bytes",
    );
    let server = Server::start(command).await;
    let answer = server.visitor().ask("{ __typename }", json!({})).await;
    assert_eq!(answer.data()["__typename"], "Query");
    let printed = server.printed().join("\n");
    for said in [
        "http://127.0.0.1:",
        "all addresses",
        &format!("Database: {address}/{database}."),
    ] {
        assert!(printed.contains(said), "{printed}");
    }
    for unsaid in ["http://0.0.0.0", "hunter2", "no event", "USHER_JWT_SECRET"] {
        assert!(!printed.contains(unsaid), "{printed}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_token_of_the_same_secret_is_accepted() {
    const SECRET: &str = "as long as a secret has to be: 32 bytes";
    let house = House::open().await;
    let command = |arguments: &[&str], secret: &str| {
        let mut command = with_url(&house.database_url, arguments);
        command.env("USHER_JWT_SECRET", secret);
        command
    };
    let server = Server::start(command(&["--listen", "127.0.0.1:0"], SECRET)).await;
    let mint = ["token", "--subject", "tess", "--role", "STAFF"];
    let minted = run(command(&mint, SECRET)).await;
    let tess = server.bearer(minted.printed());
    let answer = tess.ask("{ viewer { role } }", json!({})).await;
    assert_eq!(answer.data()["viewer"]["role"], "STAFF");
    let minted = run(command(&mint, &SECRET.replace('3', "4"))).await;
    let other = server.bearer(minted.printed());
    let refused = other.ask("{ viewer { role } }", json!({})).await;
    assert_eq!(refused.error_code(), "UNAUTHENTICATED");
    server.stop().await;

    for arguments in [&mint[..], &["--listen", "127.0.0.1:0"]] {
        let short = run(command(arguments, "hunter2")).await;
        let complaint = short.complaint();
        assert!(complaint.contains("at least 32"), "{complaint}");
        assert!(!complaint.contains("hunter2"), "{complaint}");
    }
}

#[tokio::test]
async fn an_empty_database_is_migrated_and_stays_empty() {
    let cluster = Cluster::shared();
    let url = cluster.empty_database().await;
    let first = run(with_url(&url, &["migrate"])).await;
    assert!(first.printed().starts_with("migrated: "), "{first:?}");
    let second = run(with_url(&url, &["migrate"])).await;
    assert_eq!(second.printed(), "the database is up to date");

    let serve = ["--listen", "127.0.0.1:0"];
    Server::start(with_url(&url, &serve)).await.stop().await;
    let mut sql = cluster::connect(&url).await;
    assert_eq!(checks::count(&mut sql, "events").await, 0);
    // Unless somebody asks for the demo.
    let mut with_demo = with_url(&url, &serve);
    with_demo.arg("--demo");
    Server::start(with_demo).await.stop().await;
    assert_eq!(checks::count(&mut sql, "events").await, 3);
}
