//! Who watches decisions and key sets.

use std::sync::Arc;

use super::Builder;
use crate::engine::Observer;
use crate::issuer::keys::KeyEvent;
use crate::trace::{Hook, TraceContext};

impl Builder {
    /// Adds an observer, which receives every decision except those on public routes.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.add(observer);
        self
    }

    /// Calls `watcher` on each event of a key set, with the name of the issuer entry.
    ///
    /// It is called from requests and from fetches, outside every lock, and must not block. A panic in it is caught. What it
    /// holds lives as long as the server does, so it should not hold a clone of the server.
    ///
    /// ```
    /// use orgate::ResourceServer;
    /// use orgate::issuer::keys::KeyEvent;
    ///
    /// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com")
    ///     .on_key_event(|issuer, event| match event {
    ///         KeyEvent::Failed { reason, .. } => eprintln!("keys of {issuer} were not refreshed: {reason}"),
    ///         KeyEvent::StaleServed { age, .. } => eprintln!("stale keys of {issuer} serve, age {age:?}"),
    ///         _ => {}
    ///     })
    ///     .build()?;
    /// # Ok::<(), orgate::ConfigError>(())
    /// ```
    pub fn on_key_event(mut self, watcher: impl Fn(&str, &KeyEvent) + Send + Sync + 'static) -> Self {
        self.watcher = Some(Arc::new(watcher));
        self
    }

    /// Sets how the [trace context](crate::trace) of the current span is found. Default: calls made for a decision
    /// carry the context of the incoming request, so the other server's spans are siblings of this server's spans and
    /// not children.
    ///
    /// It is called once for each wait, inside of its span, and must not block. Where it returns `None`, the default applies;
    /// a panic in it is caught. For OpenTelemetry:
    ///
    /// ```
    /// use std::collections::HashMap;
    ///
    /// use opentelemetry::propagation::TextMapPropagator;
    /// use opentelemetry_sdk::propagation::TraceContextPropagator;
    /// use orgate::ResourceServer;
    /// use orgate::trace::TraceContext;
    /// use tracing_opentelemetry::OpenTelemetrySpanExt;
    ///
    /// fn current() -> Option<TraceContext> {
    ///     let mut headers = HashMap::new();
    ///     TraceContextPropagator::new().inject_context(&tracing::Span::current().context(), &mut headers);
    ///     TraceContext::new(headers.get("traceparent")?, headers.get("tracestate").map(String::as_str))
    /// }
    ///
    /// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com")
    ///     .trace_context(current)
    ///     .build()?;
    /// # _ = server;
    /// # Ok::<(), orgate::ConfigError>(())
    /// ```
    pub fn trace_context(mut self, current: impl Fn() -> Option<TraceContext> + Send + Sync + 'static) -> Self {
        self.trace = Hook::new(current);
        self
    }

    /// Turns off sending the [trace context](crate::trace), for issuers and decision points that should not see how
    /// this system names its traces. Default: it is sent.
    pub fn disable_trace_context(mut self) -> Self {
        self.trace = Hook::None;
        self
    }
}
