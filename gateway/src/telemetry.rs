//! Metrics of the gateway itself, and the text that Prometheus reads.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use orgate::metrics::DURATION_BUCKETS;

use crate::gateway::Gateway;

/// How often durations that were recorded are summed up, whether or not anybody reads them.
const UPKEEP: Duration = Duration::from_secs(5);

const RELOADS: &str = "orgate_gateway_reloads_total";
const RELOAD_FAILED: &str = "orgate_gateway_last_reload_failed";
const UPSTREAM_FAILURES: &str = "orgate_gateway_upstream_failures_total";
const DROPPED: &str = "orgate_gateway_decisions_dropped_total";
const FAILED: &str = "orgate_gateway_decisions_failed_total";
const TASKS: &str = "orgate_gateway_tasks";

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Installs the recorder of this process, once. Whatever was counted before is lost.
pub(crate) fn start() {
    RECORDER.get_or_init(|| {
        let handle =
            PrometheusBuilder::new().set_buckets(&DURATION_BUCKETS).and_then(PrometheusBuilder::install_recorder);
        let handle =
            handle.inspect_err(|error| tracing::error!(target: "orgate", %error, "there are no metrics")).ok()?;
        describe_counter!(RELOADS, "Reloads of the configuration, by outcome: loaded or faulty.");
        describe_gauge!(RELOAD_FAILED, "1 while the file is faulty and the configuration before it is in force.");
        describe_counter!(UPSTREAM_FAILURES, "Requests without a response of their upstream, by upstream and reason.");
        describe_counter!(DROPPED, "Decisions that were not logged since the queue of the log was full.");
        describe_counter!(FAILED, "Decisions that could not be written to their log.");
        describe_gauge!(TASKS, "Tasks of the process: connections, and what runs beside them.");
        for outcome in ["loaded", "faulty"] {
            counter!(RELOADS, "outcome" => outcome).increment(0);
        }
        gauge!(RELOAD_FAILED).set(0);
        Some(handle)
    });
}

/// Returns all metrics as text, or `None` without a recorder.
pub(crate) fn render(gateway: &Gateway) -> Option<String> {
    let handle = RECORDER.get()?.as_ref()?;
    gateway.server.update_metrics();
    counter!(DROPPED).absolute(gateway.lasting.decisions.counts().dropped());
    counter!(FAILED).absolute(gateway.lasting.decisions.counts().failed());
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        gauge!(TASKS).set(u32::try_from(runtime.metrics().num_alive_tasks()).unwrap_or(u32::MAX));
    }
    Some(handle.render())
}

/// Bounds the memory of durations where nothing scrapes them. Never returns.
pub(crate) async fn upkeep() {
    let mut interval = tokio::time::interval(UPKEEP);
    loop {
        interval.tick().await;
        if let Some(Some(handle)) = RECORDER.get() {
            handle.run_upkeep();
        }
    }
}

pub(crate) fn reloaded(is_sound: bool) {
    counter!(RELOADS, "outcome" => if is_sound { "loaded" } else { "faulty" }).increment(1);
    gauge!(RELOAD_FAILED).set(u8::from(!is_sound));
}

pub(crate) fn upstream_failed(upstream: &str, reason: &'static str) {
    counter!(UPSTREAM_FAILURES, "upstream" => upstream.to_owned(), "reason" => reason).increment(1);
}
