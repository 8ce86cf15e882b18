//! How throughput grows with threads.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::requests::Load;
use crate::rounds::quantile;

pub(crate) struct Throughput {
    /// Requests a second with one thread, in the best rounds: in the others somebody else had the processor.
    pub(crate) one: f64,
    /// With two.
    pub(crate) two: f64,
}

/// Requests a second from one thread and from two, round by round: the first thread sends the first load, the second one the
/// second. The requests are made meanwhile.
pub(crate) fn measure(loads: &[[&Load; 2]], rounds: usize, slice: Duration) -> Vec<Throughput> {
    let mut measured = vec![Vec::new(); loads.len()];
    for _ in 0..rounds {
        for (load, measured) in loads.iter().zip(&mut measured) {
            measured.push((rate(&load[..1], slice), rate(load, slice)));
        }
    }
    let of =
        |measured: &[(f64, f64)], value: fn(&(f64, f64)) -> f64| quantile(measured.iter().map(value).collect(), 0.9);
    let throughput = |measured: Vec<(f64, f64)>| Throughput {
        one: of(&measured, |(one, _)| *one),
        two: of(&measured, |(_, two)| *two),
    };
    measured.into_iter().map(throughput).collect()
}

#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn rate(loads: &[&Load], slice: Duration) -> f64 {
    let (start, stop) = (Barrier::new(loads.len() + 1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let workers: Vec<_> = loads
            .iter()
            .map(|load| {
                let (mut load, start, stop) = (load.detached(), &start, &stop);
                scope.spawn(move || {
                    start.wait();
                    let begun = std::time::Instant::now();
                    let mut count = 0_u32;
                    while !stop.load(Ordering::Relaxed) {
                        for number in 0..64 {
                            let request = load.request(number);
                            load.send(request);
                        }
                        count += 64;
                    }
                    f64::from(count) / begun.elapsed().as_secs_f64()
                })
            })
            .collect();
        start.wait();
        std::thread::sleep(slice);
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().expect("a thread")).sum()
    })
}
