//! A whole server on loopback: what enforcement costs beside HTTP, and what a flood of forged tokens does to others.
//!
//! Load and server share the machine. `benches/run` installs `wrk` and runs it; Linux only.
//!
//! ```text
//! cargo bench --bench loopback             # two minutes
//! cargo bench --bench loopback -- quick    # to see that it runs
//! ```

#![allow(missing_docs, reason = "a binary")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark may stop where it stands")]

mod flood;
mod site;
mod wrk;

/// How long it takes.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    seconds: f64,
    threads: &'static [usize],
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "quick");
    let effort = if quick {
        Effort { rounds: 1, seconds: 1.0, threads: &[1] }
    } else {
        Effort { rounds: 7, seconds: 1.0, threads: &[1, 2] }
    };
    wrk::compare(effort);
    flood::beside_good_tokens(effort);
}

fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index")]
    let at = (values.len() as f64 * share) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
