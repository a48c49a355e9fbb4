//! The time limits that PostgreSQL keeps for usher's connections, all of them.

use crate::support::House;
use crate::support::house::settings;
use crate::support::program::{run, usher};
use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_postgres::config::Host;
use usher::config::DatabaseSettings;
use usher::db::Database;

fn limited() -> DatabaseSettings {
    DatabaseSettings {
        statement_timeout: Duration::from_secs(11),
        lock_timeout: Duration::from_secs(3),
        idle_transaction_timeout: Duration::from_secs(17),
        ..settings()
    }
}

async fn in_force(connection: &mut AsyncPgConnection) -> String {
    #[derive(QueryableByName)]
    struct Limits {
        #[diesel(sql_type = Text)]
        limits: String,
    }
    let query = "SELECT concat_ws(' ', current_setting('statement_timeout'), \
                 current_setting('lock_timeout'), \
                 current_setting('idle_in_transaction_session_timeout')) AS limits";
    let limits: Limits = diesel::sql_query(query)
        .get_result(connection)
        .await
        .unwrap();
    limits.limits
}

/// Those of a connection of the pool, and of one as the feed has.
async fn limits_of(url: &str) -> [String; 2] {
    let database = Database::open(url.to_owned().into(), limited())
        .await
        .unwrap();
    let mut pooled = database.connection().await.unwrap();
    let mut dedicated = database.dedicated_connection().await.unwrap();
    [in_force(&mut pooled).await, in_force(&mut dedicated).await]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_has_them_and_what_the_url_says_itself_counts() {
    let house = House::open().await;
    let url = |options: &str| format!("{}&options={options}", house.server_url);
    for (url, limits) in [
        (house.server_url.clone(), "11s 3s 17s"),
        (url("-c%20work_mem%3D5MB"), "11s 3s 17s"),
        (url("-c%20statement_timeout%3D0"), "0 3s 17s"),
        (url("--lock-timeout%3D5s"), "11s 5s 17s"),
    ] {
        assert_eq!(limits_of(&url).await, [limits, limits], "{url}");
    }
}

/// As a pooler that is told to ignore what it does not know: no `options` get through.
async fn forgetful(listener: TcpListener, socket: PathBuf) {
    while let Ok((client, _)) = listener.accept().await {
        let socket = socket.clone();
        tokio::spawn(async move {
            // Whoever hangs up ends it.
            let _ = forget_options(client, socket).await;
        });
    }
}

async fn forget_options(mut client: TcpStream, socket: PathBuf) -> std::io::Result<()> {
    // Asked for TLS, it has none; then who it is, and how it wants it.
    let start_up = loop {
        let length = client.read_u32().await? as usize;
        let mut message = vec![0; length - 4];
        client.read_exact(&mut message).await?;
        if message.len() > 4 {
            break message;
        }
        client.write_all(b"N").await?;
    };
    let (version, parameters) = start_up.split_at(4);
    let texts: Vec<&[u8]> = parameters.split(|byte| *byte == 0).collect();
    let mut kept = version.to_vec();
    for pair in texts.chunks(2) {
        if let [name, value] = pair
            && !name.is_empty()
            && *name != b"options"
        {
            kept.extend([*name, b"\0", *value, b"\0"].concat());
        }
    }
    kept.push(0);
    let mut server = UnixStream::connect(socket).await?;
    let length = u32::try_from(kept.len() + 4).unwrap();
    server.write_u32(length).await?;
    server.write_all(&kept).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leaves_them_out_on_the_way_is_warned_of() {
    let house = House::open().await;
    let config: tokio_postgres::Config = house.database_url.parse().unwrap();
    let (Host::Unix(folder), port) = (&config.get_hosts()[0], config.get_ports()[0]) else {
        panic!("{config:?} names no folder");
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(forgetful(listener, folder.join(format!(".s.PGSQL.{port}"))));
    let url = format!(
        "postgres://usher:hunter2@{address}/{}?sslmode=disable",
        config.get_dbname().unwrap()
    );
    let migrate = async |url: &str| {
        let mut command = usher(&["migrate"]);
        command.env("DATABASE_URL", url);
        run(command).await
    };
    let warned = migrate(&url).await;
    warned.printed();
    assert_eq!(warned.errors.lines().count(), 1, "{}", warned.errors);
    for part in [
        "connections to the database have no such limits",
        "missing=\"statement_timeout, lock_timeout\"",
        "ALTER ROLE",
    ] {
        assert!(warned.errors.contains(part), "{}", warned.errors);
    }
    // Said by the URL, it is meant, and directly nothing is left out.
    let meant = format!("{url}&options=-cstatement_timeout%3D0%20-clock_timeout%3D0");
    for silent in [&meant, &house.database_url] {
        let migrated = migrate(silent).await;
        migrated.printed();
        assert_eq!(migrated.errors, "", "{silent}");
    }
}
