//! Rows measured side by side: each round times a batch of every row, so that whatever else the machine does hits all of
//! them alike, and rows are compared within rounds.

use std::time::{Duration, Instant};

/// A row by its place.
#[derive(Clone, Copy)]
pub(crate) struct Row(usize);

/// Measures one batch: nanoseconds for each operation.
type Batch<'a> = Box<dyn FnMut() -> f64 + 'a>;

#[derive(Default)]
pub(crate) struct Rounds<'a> {
    rows: Vec<Batch<'a>>,
}

impl<'a> Rounds<'a> {
    pub(crate) fn add(&mut self, batch: impl FnMut() -> f64 + 'a) -> Row {
        self.rows.push(Box::new(batch));
        Row(self.rows.len() - 1)
    }

    /// One round to warm up, and then so many.
    pub(crate) fn run(mut self, rounds: usize) -> Measured {
        let rows = self.rows.len();
        let mut measured = Vec::new();
        for round in 0..=rounds {
            let mut times = vec![0.0; rows];
            // No row always follows the same one.
            for row in (0..rows).map(|row| (row * stride(rows, round) + round) % rows) {
                times[row] = self.rows[row]();
            }
            measured.push(times);
        }
        Measured { rounds: measured.split_off(1) }
    }
}

/// A step that visits every row: 1, or another number without a common divisor.
fn stride(rows: usize, round: usize) -> usize {
    let steps: Vec<usize> = (1..rows.max(2)).filter(|step| divisor(rows, *step) == 1).collect();
    steps[round % steps.len()]
}

fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

pub(crate) struct Measured {
    rounds: Vec<Vec<f64>>,
}

impl Measured {
    /// The median over rounds.
    pub(crate) fn median(&self, row: Row) -> f64 {
        self.compare(row, row, |time, _| time)
    }

    /// The median of what two rows of one round say together.
    pub(crate) fn compare(&self, row: Row, other: Row, of: impl Fn(f64, f64) -> f64) -> f64 {
        median(self.rounds.iter().map(|round| of(round[row.0], round[other.0])).collect())
    }

    /// How much longer the one takes than the other: the median of the differences.
    pub(crate) fn beyond(&self, row: Row, other: Row) -> f64 {
        self.compare(row, other, |time, other| time - other)
    }
}

pub(crate) fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

pub(crate) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index")]
    let at = (values.len() as f64 * share) as usize;
    values[at.min(values.len() - 1)]
}

#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(crate) fn time(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

#[allow(clippy::cast_precision_loss, reason = "far below what a float holds exactly")]
pub(crate) fn nanoseconds(time: Duration) -> f64 {
    time.as_nanos() as f64
}
