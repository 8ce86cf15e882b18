//! Gauges: what a server holds, read when somebody asks.

use std::sync::Arc;

use super::register::{counter, gauge};
use super::table::{
    CACHE_BYTES, CACHE_ENTRIES, CHECKS_REFUSED, CHECKS_RUNNING, CHECKS_WAITING, INTROSPECTION_WAITING, KEY_AGE,
    KEY_FETCHES, KEYS, LEASES, LOG_LAG, LOG_PENDING, Metric, POINT_WAITING, REVOCATION_ROWS, SOURCE_LEFT,
    SOURCE_WAITING, STALE_KEYS, SUSPENSIONS, UNKNOWN_KIDS, WEAKENED, WITHOUT_ANSWER,
};
use crate::ResourceServer;
use crate::issuer::keys::KeySetState;
use crate::meter::Instead;
use crate::server::CallUsage;

impl ResourceServer {
    /// Sets the gauges of the [metrics](crate::metrics): call it before each scrape, or every few seconds where an exporter
    /// pushes. Does nothing without [`Builder::metrics`](crate::server::Builder::metrics).
    pub fn update_metrics(&self) {
        let Some(sink) = &self.state.meter.0 else { return };
        let usage = self.usage();
        set(&CACHE_ENTRIES, &[], usage.cached_tokens);
        set(&CACHE_BYTES, &[], usage.cached_token_bytes);
        set(&CHECKS_RUNNING, &[], usage.verifications_running);
        set(&CHECKS_WAITING, &[], usage.verifications_waiting);
        set(&LEASES, &[], usage.leases);
        set(&POINT_WAITING, &[], usage.decisions_waiting);
        calls(&SOURCE_WAITING, &usage.permission_sources);
        calls(&INTROSPECTION_WAITING, &usage.introspection);
        for source in &usage.permission_sources {
            if let Some(left) = source.calls_left {
                set(&SOURCE_LEFT, &[&source.issuer], left);
            }
        }
        self.update_keys();
        let revocations = self.revocations();
        set(&REVOCATION_ROWS, &[], revocations.rows);
        set(&SUSPENSIONS, &[], revocations.suspensions);
        set(&WEAKENED, &[], revocations.weakened_blocks);
        if let Some(log) = self.change_log() {
            set(&LOG_PENDING, &[], log.pending);
            // Never delivered whole: no alert on an age must take that for a good one.
            gauge(&LOG_LAG, &[]).set(log.lag.map_or(f64::INFINITY, |lag| lag.as_secs_f64()));
        }
        let present: Vec<Arc<str>> = self.state.entries.load().iter().map(|entry| entry.rules.name.clone()).collect();
        for gone in sink.gone(&present) {
            for metric in [&KEYS, &SOURCE_WAITING, &SOURCE_LEFT, &INTROSPECTION_WAITING, &KEY_AGE] {
                gauge(metric, &[&gone]).set(f64::NAN);
            }
        }
    }

    fn update_keys(&self) {
        for status in self.keys() {
            let issuer = status.issuer_name();
            set(&KEYS, &[issuer], status.key_count());
            match status.age() {
                Some(age) => gauge(&KEY_AGE, &[issuer]).set(age),
                None if status.state() == KeySetState::Fixed => {}
                // No set, or one that was never confirmed: no alert on an age must take that for a good one.
                None => gauge(&KEY_AGE, &[issuer]).set(f64::INFINITY),
            }
            // They begin with zero: where a counter begins with one, no query sees that it grew.
            for metric in [&STALE_KEYS, &UNKNOWN_KIDS] {
                counter(metric, &[issuer]).increment(0);
            }
            for outcome in ["answered", "failed"] {
                counter(&KEY_FETCHES, &[issuer, outcome]).increment(0);
            }
        }
        counter(&CHECKS_REFUSED, &[]).increment(0);
        for by in Instead::ALL {
            counter(&WITHOUT_ANSWER, &[by.as_str()]).increment(0);
        }
    }
}

fn calls(metric: &Metric, of: &[CallUsage]) {
    for calls in of {
        set(metric, &[&calls.issuer], calls.waiting);
    }
}

fn set(metric: &Metric, labels: &[&str], value: impl TryInto<u64>) {
    #[allow(clippy::cast_precision_loss, reason = "gauges are floats")]
    let value = value.try_into().unwrap_or(u64::MAX) as f64;
    gauge(metric, labels).set(value);
}
