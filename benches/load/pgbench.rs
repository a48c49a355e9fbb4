//! pgbench beside usher: what the database does alone, one transaction after the other in
//! each connection.

use crate::Outcome;
use crate::calls::{Answer, Call, Calls, Pace};
use crate::effect::Effect;
use crate::server::Server;
use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// More connections than this are no load, but a queue in the database.
const MOST_CLIENTS: usize = 250;

/// How many of so many clients the database has connections for, beside usher's.
pub async fn clients(server: &Server, wanted: usize) -> Outcome<usize> {
    let query = "SELECT current_setting('max_connections')::bigint \
                     - current_setting('superuser_reserved_connections')::bigint \
                     - count(*) FILTER (WHERE backend_type = 'client backend') - 2 \
                 FROM pg_stat_activity";
    let room = server.sql().await?.query_one(query, &[]).await?;
    let room: i64 = room.try_get(0)?;
    let room = usize::try_from(room)?.clamp(1, MOST_CLIENTS);
    Ok(wanted.min(room))
}

/// Runs a script of this effect for a time, in which each client does at most `share` calls that count.
pub async fn run(
    server: &Server,
    effect: Effect,
    script: &str,
    pace: Pace,
    share: usize,
) -> Outcome<Calls> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("script.sql");
    std::fs::write(&file, script)?;
    let mut command = Command::new("pgbench");
    command
        .args(["--no-vacuum", "--protocol=prepared"])
        .args(["--define=n=-1", "--log", "--log-prefix=times"])
        .arg(format!("--jobs={}", pace.clients.min(2)))
        .arg(format!("--client={}", pace.clients))
        .arg(format!("--time={}", pace.time.as_secs()));
    if let Some(rate) = pace.rate {
        // Its latencies count from when a transaction was due, too.
        command.arg(format!("--rate={rate}"));
    }
    let output = command
        .arg(format!("--host={}", server.socket_folder().display()))
        .args(["--username=usher", "--file"])
        .arg(&file)
        .arg("usher")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .await?;
    // A client that fails ends alone, and the others go on.
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let error = complaints.lines().find(|line| line.contains("error"));
    if let (false, _) | (_, Some(_)) = (output.status.success(), error) {
        let first = error.or(complaints.lines().next()).unwrap_or_default();
        return Err(format!("pgbench failed: {first}").into());
    }
    read_log(folder.path(), effect, pace, share)
}

/// The calls in pgbench's logs, one for each of its threads: its client, how long it took in
/// microseconds, and when it ended in seconds and microseconds.
fn read_log(folder: &Path, effect: Effect, pace: Pace, share: usize) -> Outcome<Calls> {
    let mut done: HashMap<u32, usize> = HashMap::new();
    let mut calls = Vec::new();
    // When the first client had nothing left to do.
    let mut over = None;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.to_string_lossy().contains("times") {
            continue;
        }
        for line in std::fs::read_to_string(path)?.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            let [client, _, took, _, seconds, microseconds, ..] = fields[..] else {
                return Err(format!("an unknown kind of log: {line}").into());
            };
            let done = done.entry(client.parse()?).or_default();
            *done += 1;
            if *done > share {
                continue;
            }
            let ended = Duration::from_secs(seconds.parse()?)
                + Duration::from_micros(microseconds.parse()?);
            if *done == share {
                over = Some(over.map_or(ended, |over: Duration| over.min(ended)));
            }
            calls.push(Call {
                ended,
                took: Duration::from_micros(took.parse()?),
                answer: Answer::Success(effect),
            });
        }
    }
    let began = calls
        .iter()
        .map(|call| call.ended.saturating_sub(call.took))
        .min();
    let began = began.ok_or("pgbench did nothing")?;
    for call in &mut calls {
        call.ended -= began;
    }
    let over = over.map_or(pace.time, |over| over.saturating_sub(began).min(pace.time));
    Ok(Calls { all: calls, over })
}
