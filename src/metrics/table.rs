//! Every metric: its name, its labels and what it means.

use ::metrics::Unit as RecordedUnit;

/// Bounds of histogram buckets for all durations, in seconds: from a signature check to the longest wait.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_25, 0.001, 0.002_5, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    name: &'static str,
    kind: MetricKind,
    labels: &'static [&'static str],
    unit: Unit,
    description: &'static str,
}

/// The kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It is set by [`update_metrics`](crate::ResourceServer::update_metrics), except for calls under way.
    Gauge,
    /// A distribution.
    Histogram,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Count,
    Seconds,
    Bytes,
}

impl Metric {
    const fn counter(name: &'static str, labels: &'static [&'static str], description: &'static str) -> Self {
        Self { name, kind: MetricKind::Counter, labels, unit: Unit::Count, description }
    }

    const fn gauge(name: &'static str, labels: &'static [&'static str], description: &'static str) -> Self {
        Self { name, kind: MetricKind::Gauge, labels, unit: Unit::Count, description }
    }

    const fn seconds(name: &'static str, labels: &'static [&'static str], description: &'static str) -> Self {
        Self { name, kind: MetricKind::Histogram, labels, unit: Unit::Seconds, description }
    }

    const fn unit(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// Returns the name, by the conventions of Prometheus.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> MetricKind {
        self.kind
    }

    /// Returns the names of the labels.
    #[must_use]
    pub const fn labels(&self) -> &'static [&'static str] {
        self.labels
    }

    /// Returns what it means.
    #[must_use]
    pub const fn description(&self) -> &'static str {
        self.description
    }

    pub(super) const fn recorded_unit(&self) -> RecordedUnit {
        match self.unit {
            Unit::Count => RecordedUnit::Count,
            Unit::Seconds => RecordedUnit::Seconds,
            Unit::Bytes => RecordedUnit::Bytes,
        }
    }
}

impl MetricKind {
    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! table {
    ($($constant:ident = $metric:expr;)*) => {
        $(pub(super) const $constant: Metric = $metric;)*

        /// Every metric.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

table! {
    DECISIONS = Metric::counter("orgate_decisions_total", &["route", "outcome", "kind", "shadow"],
        "Decisions about requests; kind is that of the rejection, shadow what the shadow policy would have done.");
    DECISION_DURATION = Metric::seconds("orgate_decision_duration_seconds", &["outcome"],
        "Duration of decisions that checked a signature or waited.");
    WAIT_DURATION = Metric::seconds("orgate_wait_duration_seconds", &["for"],
        "Duration of the waits of decisions, by what was waited for.");
    CACHE_HITS = Metric::counter("orgate_token_cache_hits_total", &[],
        "Requests whose token was verified before.");
    CACHE_MISSES = Metric::counter("orgate_token_cache_misses_total", &[],
        "Requests whose token had to be verified.");
    CACHE_ENTRIES = Metric::gauge("orgate_token_cache_entries", &[], "Verified tokens that are cached.");
    CACHE_BYTES = Metric::gauge("orgate_token_cache_bytes", &[], "Size of the cached tokens.").unit(Unit::Bytes);
    CHECKS_RUNNING = Metric::gauge("orgate_signature_checks_running", &[], "Signature checks under way.");
    CHECKS_WAITING = Metric::gauge("orgate_signature_checks_waiting", &[],
        "Requests that wait for a signature check.");
    CHECKS_REFUSED = Metric::counter("orgate_signature_checks_refused_total", &[],
        "Requests rejected because no signature check came free in time.");
    KEY_AGE = Metric::gauge("orgate_key_set_age_seconds", &["issuer"],
        "Time since the key set was fetched or confirmed; infinite where there is none.").unit(Unit::Seconds);
    KEYS = Metric::gauge("orgate_key_set_keys", &["issuer"], "Usable keys of the key set.");
    KEY_FETCHES = Metric::counter("orgate_key_set_fetches_total", &["issuer", "outcome"], "Fetches of the key set.");
    KEY_FETCH_DURATION = Metric::seconds("orgate_key_set_fetch_duration_seconds", &["issuer"],
        "Duration of the fetches of the key set.");
    KEY_FETCHES_RUNNING = Metric::gauge("orgate_key_set_fetches_running", &["issuer"],
        "Fetches of the key set under way.");
    STALE_KEYS = Metric::counter("orgate_key_set_stale_served_total", &["issuer"],
        "Times that a stale key set came into use because it could not be refreshed.");
    UNKNOWN_KIDS = Metric::counter("orgate_unknown_kids_suppressed_total", &["issuer"],
        "Lookups of unknown key ids that the fetch budget did not allow.");
    SOURCE_CALLS = Metric::counter("orgate_permission_source_calls_total", &["issuer", "outcome"],
        "Questions to the permission source.");
    SOURCE_DURATION = Metric::seconds("orgate_permission_source_call_duration_seconds", &["issuer"],
        "Duration of the questions to the permission source.");
    SOURCE_RUNNING = Metric::gauge("orgate_permission_source_calls_running", &["issuer"],
        "Questions to the permission source under way.");
    SOURCE_WAITING = Metric::gauge("orgate_permission_source_calls_waiting", &["issuer"],
        "Questions that wait for a slot at the permission source.");
    SOURCE_LEFT = Metric::gauge("orgate_permission_source_calls_left", &["issuer"],
        "Calls that the permission source's own limit allows now.");
    WITHOUT_ANSWER = Metric::counter("orgate_decided_without_answer_total", &["by"],
        "Judgments by something else because a permission source or decision point gave no answer.");
    INTROSPECTION_CALLS = Metric::counter("orgate_introspection_calls_total", &["issuer", "outcome"],
        "Calls of the introspection endpoint.");
    INTROSPECTION_DURATION = Metric::seconds("orgate_introspection_call_duration_seconds", &["issuer"],
        "Duration of the calls of the introspection endpoint.");
    INTROSPECTION_RUNNING = Metric::gauge("orgate_introspection_calls_running", &["issuer"],
        "Calls of the introspection endpoint under way.");
    INTROSPECTION_WAITING = Metric::gauge("orgate_introspection_calls_waiting", &["issuer"],
        "Calls that wait for a slot at the introspection endpoint.");
    POINT_CALLS = Metric::counter("orgate_decision_point_calls_total", &["outcome"], "Calls of the decision point.");
    POINT_DURATION = Metric::seconds("orgate_decision_point_call_duration_seconds", &[],
        "Duration of the calls of the decision point.");
    POINT_RUNNING = Metric::gauge("orgate_decision_point_calls_running", &[],
        "Calls of the decision point under way.");
    POINT_WAITING = Metric::gauge("orgate_decision_point_calls_waiting", &[],
        "Calls that wait for a slot at the decision point.");
    WEBHOOKS = Metric::counter("orgate_webhooks_total", &["issuer", "event", "outcome"], "Webhook deliveries.");
    REVOCATION_ROWS = Metric::gauge("orgate_revocation_rows", &[],
        "Rows of the revocation list, suspensions aside.");
    SUSPENSIONS = Metric::gauge("orgate_revocation_suspensions", &[], "Suspensions in the revocation list.");
    WEAKENED = Metric::gauge("orgate_revocation_weakened_blocks", &[],
        "Blocks that became a not-before because the revocation list was full.");
    LEASES = Metric::gauge("orgate_leases", &[],
        "Connections and responses that end with the right that they rest on.");
    LOG_LAG = Metric::gauge("orgate_change_log_lag_seconds", &[],
        "Time since the change log was last known to be delivered whole.").unit(Unit::Seconds);
    LOG_PENDING = Metric::gauge("orgate_change_log_pending_changes", &[],
        "Changes that were applied and are not kept by the change log yet.");
}
