//! What was answered, what a process takes, and a sequence that a seed repeats.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) passed: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) unavailable: AtomicU64,
    pub(crate) changes: AtomicU64,
    pub(crate) faults: AtomicU64,
    /// Answers in times without an excuse, and how often the machine was too slow.
    pub(crate) strict: AtomicU64,
    pub(crate) stalls: AtomicU64,
    /// Streams that are open, and those that the gateway has ended.
    pub(crate) open: AtomicUsize,
    pub(crate) ended: AtomicU64,
    /// Why, and how often.
    pub(crate) reasons: Mutex<BTreeMap<String, u64>>,
    pub(crate) wrong: Mutex<Vec<String>>,
}

impl Tally {
    pub(crate) fn answers(&self) -> u64 {
        [&self.passed, &self.rejected, &self.unavailable].iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn count(&self, status: u16) {
        let count = match status {
            200 => &self.passed,
            401 | 403 => &self.rejected,
            _ => &self.unavailable,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [passed, rejected, unavailable] =
            [&self.passed, &self.rejected, &self.unavailable].map(|count| count.load(Ordering::Relaxed));
        let [strict, changes, faults, stalls, ended] =
            [&self.strict, &self.changes, &self.faults, &self.stalls, &self.ended]
                .map(|count| count.load(Ordering::Relaxed));
        let open = self.open.load(Ordering::Relaxed);
        let wrong = self.wrong.lock().map_or(0, |wrong| wrong.len());
        write!(
            f,
            "{passed} passed, {rejected} rejected, {unavailable} unavailable, {strict} in calm, {open} streams open, \
             {ended} ended, {changes} changes, {faults} faults, {stalls} stalls, {wrong} wrong"
        )
    }
}

/// What a process takes, as the kernel and its own metrics say.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) memory_kib: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
    pub(crate) tasks: u64,
    pub(crate) leases: u64,
}

impl Usage {
    /// `metrics`: what it serves to Prometheus.
    pub(crate) fn of(process: u32, metrics: &str) -> Result<Self, Box<dyn Error>> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
        let number = |text: &str, name: &str| -> Result<u64, Box<dyn Error>> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
            Ok(line.ok_or_else(|| format!("no {name}"))?.parse()?)
        };
        Ok(Self {
            memory_kib: number(&status, "VmRSS:")?,
            threads: number(&status, "Threads:")?,
            descriptors: std::fs::read_dir(format!("/proc/{process}/fd"))?.count() as u64,
            tasks: number(metrics, "orgate_gateway_tasks ")?,
            leases: number(metrics, "orgate_leases ")?,
        })
    }

    /// Whether it takes more than this one did, memory aside, by more than so many descriptors and tasks.
    pub(crate) fn is_more_than(&self, before: &Self, slack: u64) -> bool {
        self.descriptors > before.descriptors + slack
            || self.tasks > before.tasks + slack
            || self.threads > before.threads + 2
    }
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { memory_kib, threads, descriptors, tasks, leases } = self;
        write!(f, "{memory_kib} KiB, {descriptors} descriptors, {threads} threads, {tasks} tasks, {leases} leases")
    }
}

/// A sequence that a seed repeats.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ mixed >> 31) % end as u64) as usize
    }
}
