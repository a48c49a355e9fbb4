//! What came out of a run.

use hdrhistogram::Histogram;
use std::time::Duration;

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
    #[allow(
        clippy::cast_precision_loss,
        reason = "microseconds, shown as milliseconds"
    )]
    pub fn at(&self, quantile: f64) -> f64 {
        self.histogram.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// One line: rate, median, and the slow ones.
    pub fn line(&self, what: &str) -> String {
        format!(
            "{what:<38} {:>9.0} /s   p50 {:>7.2} ms   p99 {:>7.2} ms   p99.9 {:>7.2} ms",
            self.rate(),
            self.at(0.5),
            self.at(0.99),
            self.at(0.999),
        )
    }
}

/// Microseconds, to three digits.
#[allow(clippy::expect_used, reason = "three digits are allowed")]
pub fn new_histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}
