//! Metrics, for whatever recorder of the `metrics` crate the application installs.
//!
//! [`Builder::metrics`](crate::server::Builder::metrics) turns them on. Counters and durations are recorded as things happen;
//! gauges are set by [`ResourceServer::update_metrics`](crate::ResourceServer::update_metrics), which the application calls
//! before each scrape. [`ALL`] lists every metric, and the guide page
//! [observability](crate::guide::observability) explains them.
//!
//! Install the recorder first. A handle is registered when it is used for the first time, with the recorder that is
//! installed then, and kept: what was counted before a recorder was installed is lost, and a handle that was registered by
//! then stays without one.
//!
//! Labels are bounded: templates of routes, names of issuer entries, and words from closed sets. Nothing that a caller sends
//! becomes a label: requests that no route matches share the route `none`.
//!
//! ```
//! use metrics_exporter_prometheus::PrometheusBuilder;
//! use orgate::ResourceServer;
//! use orgate::metrics::DURATION_BUCKETS;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let prometheus = PrometheusBuilder::new().set_buckets(&DURATION_BUCKETS)?.install_recorder()?;
//! let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com").metrics().build()?;
//!
//! // In the handler of `/metrics`:
//! server.update_metrics();
//! let text = prometheus.render();
//! # assert!(text.contains("orgate_token_cache_entries 0"), "{text}");
//! # Ok(())
//! # }
//! ```

mod calls;
mod decisions;
mod gauges;
mod recording;
mod register;
mod table;

pub use table::{ALL, DURATION_BUCKETS, Metric, MetricKind};

#[cfg(test)]
mod tests;
