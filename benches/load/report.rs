//! What came out of a run.

use crate::Outcome;
use crate::page::Output;
use crate::slice::Slice;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// What a run has to say, for a file.
#[derive(Serialize, Deserialize)]
pub struct Report {
    /// The subcommand.
    pub run: String,
    /// Its flags.
    pub settings: Value,
    pub rows: Vec<Row>,
}

/// What came out of one contender's turns.
#[derive(Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    /// That the database has, in all events.
    pub seats: u64,
    pub clients: usize,
    /// Calls that were due a second, in an open loop.
    pub offered: Option<u32>,
    /// Successes a second.
    pub rate: f64,
    /// The same of each turn, in their order: what gets slower while it lasts shows here.
    #[serde(default)]
    pub turns: Vec<f64>,
    /// Conflicts a second.
    pub conflicts: f64,
    #[serde(flatten)]
    pub milliseconds: Percentiles,
    /// What a call has cost of a processor, in microseconds, whatever was answered. `None`
    /// where it cannot be told from what others cost.
    pub usher: Option<f64>,
    /// The same of all of PostgreSQL's processes.
    pub postgres: Option<f64>,
    /// The first row's rate as a multiple of this one's.
    pub ratio: Option<Ratio>,
}

/// How one rate compares with another.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Ratio {
    /// Of all turns together.
    pub of_totals: f64,
    /// Of the turns that followed one another: the least and the greatest.
    pub least: f64,
    pub greatest: f64,
}

/// What so many of the calls took at most, in milliseconds.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    #[serde(rename = "p99.9")]
    pub p99_9: f64,
    pub max: f64,
}

impl Percentiles {
    /// Of microseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            p50: at(histogram, 0.5),
            p90: at(histogram, 0.9),
            p99: at(histogram, 0.99),
            p99_9: at(histogram, 0.999),
            max: at(histogram, 1.0),
        }
    }
}

impl Ratio {
    /// Of one's turns to another's; none where the other did nothing.
    pub fn of(ones: &[Slice], others: &[Slice]) -> Outcome<Option<Self>> {
        let (mut one, mut other) = (Slice::empty(), Slice::empty());
        let (mut least, mut greatest) = (f64::INFINITY, 0.0_f64);
        for (of_one, of_other) in ones.iter().zip(others) {
            one.add(of_one)?;
            other.add(of_other)?;
            let ratio = of_one.rate() / of_other.rate();
            (least, greatest) = (least.min(ratio), greatest.max(ratio));
        }
        let of_totals = one.rate() / other.rate();
        Ok(of_totals.is_finite().then_some(Self {
            of_totals,
            least,
            greatest,
        }))
    }
}

impl Row {
    /// Of all turns together.
    #[allow(clippy::cast_precision_loss, reason = "shown with few digits")]
    pub fn new(name: String, all: &Slice) -> Self {
        let a_call = |cost: Duration| cost.as_secs_f64() * 1e6 / all.all.max(1) as f64;
        Self {
            name,
            seats: 0,
            clients: all.clients,
            offered: None,
            rate: all.rate(),
            turns: Vec::new(),
            conflicts: all.conflict_rate(),
            milliseconds: all.percentiles(),
            usher: Some(a_call(all.cost.usher)),
            postgres: Some(a_call(all.cost.postgres)),
            ratio: None,
        }
    }

    fn text(&self) -> String {
        let ratio = self.ratio.map_or_else(String::new, |ratio| {
            format!(
                "{:.2} ({:.2} to {:.2})",
                ratio.of_totals, ratio.least, ratio.greatest
            )
        });
        let times = &self.milliseconds;
        format!(
            "| {} | {} | {} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {} \
             | {} | {ratio} |",
            self.name,
            self.seats,
            self.clients,
            self.rate,
            self.conflicts,
            times.p50,
            times.p90,
            times.p99,
            times.p99_9,
            times.max,
            microseconds(self.usher),
            microseconds(self.postgres),
        )
    }
}

fn microseconds(of: Option<f64>) -> String {
    of.map_or_else(String::new, |of| format!("{of:.0}"))
}

impl Report {
    pub fn new(run: &str, settings: &impl Serialize, rows: Vec<Row>) -> Outcome<Self> {
        Ok(Self {
            run: run.to_owned(),
            settings: serde_json::to_value(settings)?,
            rows,
        })
    }

    /// Shows the rows as a table, and writes all of it to the file, if there is one.
    pub fn show(&self, output: &Output) -> Outcome<()> {
        println!(
            "| | seats | clients | successes/s | conflicts/s | p50 ms | p90 ms | p99 ms \
             | p99.9 ms | max ms | usher, µs a call | PostgreSQL, µs a call \
             | first row's multiple |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: \
             | --- |"
        );
        for row in &self.rows {
            println!("{}", row.text());
        }
        output.write(self)
    }
}

/// Times of requests that were answered.
pub struct Times {
    histogram: Histogram<u64>,
    elapsed: Duration,
}

impl Times {
    pub fn new(elapsed: Duration, histograms: impl IntoIterator<Item = Histogram<u64>>) -> Self {
        let mut all = new_histogram();
        for histogram in histograms {
            // Both have the same precision and resize themselves.
            all += histogram;
        }
        Self {
            histogram: all,
            elapsed,
        }
    }

    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Requests a second.
    #[allow(
        clippy::cast_precision_loss,
        reason = "a rate is shown with four digits"
    )]
    pub fn rate(&self) -> f64 {
        self.histogram.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// What so many of the requests took at most, in milliseconds.
    pub fn at(&self, quantile: f64) -> f64 {
        at(&self.histogram, quantile)
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "microseconds, shown as milliseconds"
)]
fn at(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1000.0
}

/// Microseconds, to three digits.
#[allow(clippy::expect_used, reason = "three digits are allowed")]
pub fn new_histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}
