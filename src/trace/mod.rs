//! The W3C trace context, which is sent to the servers that a decision asks.
//!
//! A request that waits for something has a span `orgate.decide` with a child for each wait, for whatever subscriber
//! `tracing` has. The requests that are sent meanwhile carry `traceparent` and `tracestate`: those of the incoming request,
//! or what [`Builder::trace_context`](crate::server::Builder::trace_context) returns. `baggage` is never sent. A question that
//! several requests share carries the context of the request that started it; what is fetched in the background carries none.

mod context;
mod hook;
mod scope;

pub use context::TraceContext;
pub(crate) use hook::Hook;
pub(crate) use scope::carry;
pub use scope::current;
