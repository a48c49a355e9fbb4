//! pgbench beside usher: what the database does alone, one transaction after the other in
//! each connection.

use crate::server::Server;
use crate::{Outcome, Rate};
use std::process::Stdio;
use tokio::process::Command;
use usher::model::ids::EventId;

/// What came out of a run.
pub struct Alone {
    /// Transactions a second.
    pub rate: f64,
    /// 99th percentile in milliseconds.
    pub p99: f64,
}

/// The transaction of a hold: the checked UPDATE, the row of the hold, and the row that the
/// trigger writes into the feed. In five statements, as a program sends it, or in one.
#[derive(Clone, Copy)]
pub enum Transaction {
    FiveStatements,
    OneStatement,
}

impl Transaction {
    pub const ALL: [Self; 2] = [Self::FiveStatements, Self::OneStatement];

    pub fn name(self) -> &'static str {
        match self {
            Self::FiveStatements => "pgbench, in five statements",
            Self::OneStatement => "pgbench, in one statement",
        }
    }

    fn script(self, event: EventId, first: usize, share: usize) -> String {
        let seat = format!("\\set n :n + 1\n\\set seat {first} + :client_id * {share} + :n\n");
        let update = format!(
            "UPDATE seats SET version = version + 1, status = 'HELD', \
                 owner_id = '00000000-0000-7000-8000-000000000000', \
                 held_until = now() + interval '10 minutes', cause = 'HELD', actor = 'pgbench' \
             WHERE event_id = {event} AND seat_no = :seat AND version = 1 \
                 AND (status = 'AVAILABLE' OR status = 'HELD' AND held_until <= now()) \
             RETURNING seat_no, version, status"
        );
        let insert = "INSERT INTO holds (event_id, id, token_hash, buyer, status, seat_nos, \
                                         amounts, currency, expires_at)";
        let values = |seat: &str| {
            format!(
                "{event}, gen_random_uuid(), sha256('secret'), NULL, 'ACTIVE', \
                 ARRAY[{seat}::integer], ARRAY[3000::bigint], 'EUR', \
                 now() + interval '10 minutes'"
            )
        };
        match self {
            Self::FiveStatements => format!(
                "{seat}BEGIN;\n{update};\n{insert} VALUES ({}) \
                 RETURNING pg_current_xact_id();\nCOMMIT;\n",
                values(":seat")
            ),
            Self::OneStatement => format!(
                "{seat}WITH held AS ({update}) {insert} SELECT {} FROM held \
                 RETURNING pg_current_xact_id();\n",
                values("seat_no")
            ),
        }
    }

    /// Runs it as often as it goes, on the seats of an event from `first` on, of which each
    /// client has its `share`.
    pub async fn run(
        self,
        server: &Server,
        event: EventId,
        (first, share): (usize, usize),
        rate: Rate,
    ) -> Outcome<Alone> {
        let folder = tempfile::tempdir()?;
        let script = folder.path().join("script.sql");
        std::fs::write(&script, self.script(event, first, share))?;
        let output = Command::new("pgbench")
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2"])
            .args(["--define=n=-1", "--log", "--log-prefix=times"])
            .arg(format!("--client={}", rate.clients))
            .arg(format!("--time={}", rate.seconds))
            .arg(format!("--host={}", server.socket_folder().display()))
            .args(["--username=usher", "--file"])
            .arg(&script)
            .arg("usher")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .await?;
        let text = String::from_utf8(output.stdout)?;
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        let Some(tps) = found.filter(|tps: &f64| tps.is_finite()) else {
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            let first = complaint.lines().next().unwrap_or_default();
            return Err(format!("pgbench failed: {first}").into());
        };
        Ok(Alone {
            rate: tps,
            p99: p99(folder.path())?,
        })
    }
}

/// Of the times in pgbench's logs, one for each of its threads: microseconds in the third
/// column.
fn p99(folder: &std::path::Path) -> Outcome<f64> {
    let mut histogram = crate::report::new_histogram();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().contains("times") {
            for line in std::fs::read_to_string(path)?.lines() {
                let time = line.split(' ').nth(2).ok_or("no time in pgbench's log")?;
                histogram.record(time.parse()?)?;
            }
        }
    }
    #[allow(
        clippy::cast_precision_loss,
        reason = "microseconds, shown as milliseconds"
    )]
    let milliseconds = histogram.value_at_quantile(0.99) as f64 / 1000.0;
    Ok(milliseconds)
}
