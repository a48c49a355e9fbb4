//! More connections than there are files: the database keeps its own.

use super::wire::Wire;
use crate::support::House;
use crate::support::program::{Server, usher};
use futures_util::future::join_all;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn connections_do_not_use_up_the_files_of_all_others() {
    let house = House::open().await;
    let event = house.event(1, 1).await;
    let serving = usher(&[]);
    let program = serving.as_std().get_program();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 200; exec \"$0\" --listen 127.0.0.1:0"])
        .arg(program)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("DATABASE_URL", &house.database_url)
        .env("USHER_VISITORS", "buy")
        .env("USHER_REQUEST_TIMEOUT", "300ms")
        .kill_on_drop(true);
    let mut server = Server::start(command).await;
    server
        .logged(|line| line.contains("not enough open files") && line.contains("connections=100"))
        .await;
    let attackers = join_all((0..250).map(async |_| {
        let mut wire = Wire::from([127, 6, 6, 6], &server.url).await;
        wire.say("GET / HTTP/1.1\r\n").await;
        wire.heard().await
    }));
    let buyer = async {
        let held = server.visitor().hold(&event.id, &event.seats).await;
        assert_eq!(held.data()["__typename"], "SeatsHeld", "{}", held.0);
    };
    tokio::join!(attackers, buyer);
    let log = server.log();
    // The warnings are that all places are taken, or all that one address may have.
    let complaints: Vec<_> = log
        .iter()
        .filter(|line| line.contains(" WARN ") || line.contains("ERROR"))
        .collect();
    assert!(
        complaints.iter().all(|line| line.contains("others wait")
            || line.contains("more are refused")
            || line.contains("change feed")),
        "{complaints:#?}"
    );
    server.stop().await;
}
