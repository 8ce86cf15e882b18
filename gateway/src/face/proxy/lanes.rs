use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::uri::{Authority, Scheme};
use hyper_util::client::legacy::Client as Pool;
use tokio::sync::Semaphore;

use super::client::{Connector, Pings, builder};
use super::held::Stream;
use crate::gateway::{Streams, Upstream};
use crate::net::Body;

/// What one response may hold in memory while its client does not read it. All of a connection together cannot use up the
/// connection's own window, so that none of them holds up another.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// What an upload may hold in memory while the upstream does not read it.
const SEND_BUFFER: usize = 64 * 1024;

/// Connections to upstreams of HTTP/2. Each upstream has as many as its open streams need.
pub(super) struct Lanes {
    connector: Connector,
    pings: Pings,
    known: Mutex<HashMap<Target, Arc<[Lane]>>>,
}

#[derive(PartialEq, Eq, Hash)]
struct Target(Scheme, Authority, Streams);

/// One connection at a time, and the streams that it may have besides those that are open.
struct Lane {
    pool: Pool<Connector, Body>,
    free: Arc<Semaphore>,
    all: usize,
}

impl Lanes {
    pub(super) fn new(connector: Connector, pings: Pings) -> Self {
        Self { connector, pings, known: Mutex::default() }
    }

    /// Takes a stream of the first connection that has one. Returns `None` if each has as many as it may have.
    pub(super) fn take(&self, upstream: &Upstream, streams: Streams) -> Option<(Pool<Connector, Body>, Stream)> {
        let lanes = self.lanes(upstream, streams);
        lanes.iter().find_map(|lane| {
            let stream = lane.free.clone().try_acquire_owned().ok()?;
            Some((lane.pool.clone(), Arc::new(stream)))
        })
    }

    fn lanes(&self, upstream: &Upstream, streams: Streams) -> Arc<[Lane]> {
        let target = Target(upstream.scheme.clone(), upstream.authority.clone(), streams);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lanes) = known.get(&target) {
            return lanes.clone();
        }
        // Reloads may have brought others, and taken them away.
        known.retain(|_, lanes| lanes.iter().any(Lane::is_used));
        let lanes: Arc<[Lane]> = streams.of_connections().map(|all| self.lane(all)).collect();
        known.insert(target, lanes.clone());
        lanes
    }

    fn lane(&self, all: usize) -> Lane {
        let mut builder = builder();
        builder
            .http2_only(true)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_send_buf_size(SEND_BUFFER)
            .http2_keep_alive_interval(self.pings.every)
            .http2_keep_alive_timeout(self.pings.within)
            .http2_keep_alive_while_idle(true);
        Lane { pool: builder.build(self.connector.clone()), free: Arc::new(Semaphore::new(all)), all }
    }
}

impl Lane {
    fn is_used(&self) -> bool {
        self.free.available_permits() < self.all
    }
}
