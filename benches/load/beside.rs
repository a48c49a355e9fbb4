//! Contenders beside one another: they take turns, each for a few seconds, so that what else
//! the machine has to do meets all of them.

use crate::Outcome;
use crate::calls::Pace;
use crate::contender::Contender;
use crate::page::Output;
use crate::prepared::Tokens;
use crate::report::{Ratio, Report, Row};
use crate::server::Server;
use crate::slice::Slice;
use crate::supply::Supply;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::time::Duration;

/// How much is asked, and for how long.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct Times {
    /// Connections that each send one request after the other.
    #[arg(long, default_value_t = 64)]
    pub clients: usize,
    /// How long each contender is measured, in all of its turns together.
    #[arg(long, default_value_t = 12)]
    pub seconds: usize,
    /// How long a turn is.
    #[arg(long, default_value_t = 3)]
    pub slice: usize,
    /// Open loop: so many calls are due a second, at fixed times, whatever the answers take,
    /// and each time counts from when the call was due. Without it the loop is closed: whoever
    /// waits for an answer asks nothing meanwhile, and what a stall would have done to those
    /// calls is missing (coordinated omission).
    #[arg(long)]
    pub rate: Option<u32>,
}

impl Times {
    /// How many turns each contender has.
    pub fn rounds(&self) -> usize {
        (self.seconds / self.slice.max(1)).max(1)
    }

    pub fn seconds_a_slice(&self) -> usize {
        self.slice.max(1)
    }

    pub fn pace(&self) -> Outcome<Pace> {
        Ok(Pace {
            clients: self.clients,
            time: Duration::from_secs(u64::try_from(self.seconds_a_slice())?),
            rate: self.rate,
        })
    }

    /// Shows the rows as a table, and writes them to the file.
    pub fn report(&self, run: &str, rows: Vec<Row>, output: &Output) -> Outcome<()> {
        let loop_is = match self.rate {
            Some(rate) => format!(
                "open loop, {rate} calls due a second; times count from when a call was due"
            ),
            None => "closed loop".to_owned(),
        };
        println!(
            "{} turns of {} s each, {loop_is}\n",
            self.rounds(),
            self.seconds_a_slice()
        );
        Report::new(run, self, rows)?.show(output)
    }
}

/// Has all of them take their turns; answers a row for each.
pub async fn run(
    server: &Server,
    contenders: &[Contender],
    supply: &mut Supply,
    tokens: &Tokens,
    times: &Times,
) -> Outcome<Vec<Row>> {
    let seats = supply.seats(server).await?;
    let mut slices: Vec<Vec<Slice>> = contenders.iter().map(|_| Vec::new()).collect();
    let progress = progress(times.rounds() * contenders.len())?;
    for _ in 0..times.rounds() {
        for (contender, slices) in contenders.iter().zip(&mut slices) {
            progress.set_message(contender.name());
            slices.push(contender.take_turn(server, supply, tokens, times).await?);
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    let mut rows = Vec::new();
    for (number, contender) in contenders.iter().enumerate() {
        let mut all = Slice::empty();
        for slice in &slices[number] {
            all.add(slice)?;
        }
        let mut row = Row::new(contender.name(), &all);
        row.seats = seats;
        row.turns = slices[number].iter().map(Slice::rate).collect();
        if row.clients < times.clients {
            println!(
                "{}: {} clients, not {}, since the database takes no more connections",
                row.name, row.clients, times.clients
            );
        }
        row.offered = times.rate;
        if number > 0 && times.rate.is_none() {
            row.ratio = Ratio::of(&slices[0], &slices[number])?;
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Which turn it is, for whoever looks at a terminal.
fn progress(turns: usize) -> Outcome<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} ({elapsed}, {eta} left)")?;
    let bar = ProgressBar::new(u64::try_from(turns)?).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(250));
    Ok(bar)
}
