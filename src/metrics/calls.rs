//! Calls to other servers, and what else is counted where it happens.

use std::sync::Arc;
use std::time::Duration;

use super::recording::Recording;
use super::register::{counter, gauge, histogram};
use super::table::{
    CHECKS_REFUSED, INTROSPECTION_CALLS, INTROSPECTION_DURATION, INTROSPECTION_RUNNING, KEY_FETCH_DURATION,
    KEY_FETCHES, KEY_FETCHES_RUNNING, Metric, POINT_CALLS, POINT_DURATION, POINT_RUNNING, SOURCE_CALLS,
    SOURCE_DURATION, SOURCE_RUNNING, STALE_KEYS, UNKNOWN_KIDS, WEBHOOKS, WITHOUT_ANSWER,
};
use crate::lock::lock;
use crate::meter::{Call, CallOutcome, Instead, Sink};

/// The metrics of one kind of call.
struct Of {
    calls: &'static Metric,
    duration: &'static Metric,
    running: &'static Metric,
}

const fn of(call: Call) -> Of {
    match call {
        Call::KeySet => Of { calls: &KEY_FETCHES, duration: &KEY_FETCH_DURATION, running: &KEY_FETCHES_RUNNING },
        Call::Introspection => {
            Of { calls: &INTROSPECTION_CALLS, duration: &INTROSPECTION_DURATION, running: &INTROSPECTION_RUNNING }
        }
        Call::PermissionSource => Of { calls: &SOURCE_CALLS, duration: &SOURCE_DURATION, running: &SOURCE_RUNNING },
        Call::DecisionPoint => Of { calls: &POINT_CALLS, duration: &POINT_DURATION, running: &POINT_RUNNING },
    }
}

impl Sink for Recording {
    fn call_began(&self, call: Call, issuer: Option<&str>) {
        gauge(of(call).running, issuer.as_slice()).increment(1.0);
    }

    fn call_ended(&self, call: Call, issuer: Option<&str>, outcome: CallOutcome, took: Duration) {
        let of = of(call);
        gauge(of.running, issuer.as_slice()).decrement(1.0);
        histogram(of.duration, issuer.as_slice()).record(took);
        let outcome = match outcome {
            CallOutcome::Answered => "answered",
            CallOutcome::Failed => "failed",
            CallOutcome::GivenUp => "given_up",
        };
        count(of.calls, issuer, outcome);
    }

    fn not_called(&self, call: Call, issuer: Option<&str>) {
        count(of(call).calls, issuer, "not_called");
    }

    fn verification_refused(&self) {
        counter(&CHECKS_REFUSED, &[]).increment(1);
    }

    fn stale_keys_served(&self, issuer: &str) {
        counter(&STALE_KEYS, &[issuer]).increment(1);
    }

    fn unknown_kid_suppressed(&self, issuer: &str) {
        counter(&UNKNOWN_KIDS, &[issuer]).increment(1);
    }

    fn without_answer(&self, by: Instead) {
        counter(&WITHOUT_ANSWER, &[by.as_str()]).increment(1);
    }

    fn webhook(&self, issuer: &str, event: &'static str, outcome: &'static str) {
        counter(&WEBHOOKS, &[issuer, event, outcome]).increment(1);
    }

    fn gone(&self, present: &[Arc<str>]) -> Vec<Arc<str>> {
        let mut known = lock(&self.issuers);
        let gone = known.iter().filter(|issuer| !present.contains(issuer)).cloned().collect();
        known.clear();
        known.extend(present.iter().cloned());
        gone
    }
}

fn count(calls: &Metric, issuer: Option<&str>, outcome: &str) {
    match issuer {
        Some(issuer) => counter(calls, &[issuer, outcome]).increment(1),
        None => counter(calls, &[outcome]).increment(1),
    }
}
