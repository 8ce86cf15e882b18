use std::collections::HashMap;
use std::iter::repeat_n;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use http::uri::{Authority, Scheme};
use hyper_util::client::legacy::Client as Pool;
use tokio::sync::Semaphore;

use super::client::{Connector, builder};
use super::lane::{Lane, Stream};
use crate::gateway::{Streams, Upstream};
use crate::net::Body;

/// What one response may hold in memory while its client does not read it. All of a connection together cannot use up the
/// connection's own window, so that none of them holds up another.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// What an upload may hold in memory while the upstream does not read it.
const SEND_BUFFER: usize = 64 * 1024;
/// How many connections an upstream may have besides those that its streams need, while others are silent.
const SPARE: usize = 4;

/// Connections to upstreams of HTTP/2. Each upstream has as many as its open streams need.
///
/// They are not pinged: servers of gRPC close a connection with more than a few pings, and all calls on it. The system finds
/// peers that are gone. Requests avoid a connection that is silent, whose peer may hang, for as long as there is another one.
pub(super) struct Lanes {
    connector: Connector,
    known: Mutex<HashMap<Target, Arc<Road>>>,
}

#[derive(PartialEq, Eq, Hash)]
struct Target(Scheme, Authority, Streams);

/// All lanes to one upstream, and the streams that it may have besides those that are open.
struct Road {
    lanes: Vec<Arc<Lane>>,
    free: Arc<Semaphore>,
    all: usize,
}

impl Lanes {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, known: Mutex::default() }
    }

    /// Takes a stream of the first connection that has one. Returns `None` if the upstream has as many as it may have.
    pub(super) fn take(&self, upstream: &Upstream, streams: Streams) -> Option<(Pool<Connector, Body>, Arc<Stream>)> {
        let (pool, stream) = self.road(upstream, streams).take(|| self.pool())?;
        Some((pool, Arc::new(stream)))
    }

    fn road(&self, upstream: &Upstream, streams: Streams) -> Arc<Road> {
        let target = Target(upstream.scheme.clone(), upstream.authority.clone(), streams);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(road) = known.get(&target) {
            return road.clone();
        }
        // Reloads may have brought others, and taken them away.
        known.retain(|_, road| road.is_used());
        let turns = Arc::new(AtomicU64::new(0));
        let sizes = streams.of_connections().chain(repeat_n(streams.each.clamp(1, streams.all.max(1)), SPARE));
        let lanes = sizes.map(|all| Arc::new(Lane::new(self.pool(), all, turns.clone()))).collect();
        let road = Arc::new(Road { lanes, free: Arc::new(Semaphore::new(streams.all)), all: streams.all });
        known.insert(target, road.clone());
        road
    }

    fn pool(&self) -> Pool<Connector, Body> {
        let mut builder = builder();
        builder
            // A pool forgets a connection that is idle, also while calls are open on it: there would be two.
            .pool_idle_timeout(None)
            .http2_only(true)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .http2_max_send_buf_size(SEND_BUFFER);
        builder.build(self.connector.clone())
    }
}

impl Road {
    fn take(&self, connect: impl Fn() -> Pool<Connector, Body>) -> Option<(Pool<Connector, Body>, Stream)> {
        let one_of_all = self.free.clone().try_acquire_owned().ok()?;
        let open = |lane: &Arc<Lane>| Some((lane.clone(), lane.take(&connect)?));
        let mut in_use = self.lanes.iter().filter(|lane| !lane.is_retired());
        let (lane, taken) = in_use.find_map(open).or_else(|| {
            // Each gets its turn, so that one whose peer is alive is found.
            let mut silent = self.lanes.clone();
            silent.sort_by_key(|lane| lane.silent_since());
            silent.iter().find_map(open)
        })?;
        Some(taken.open(&lane, one_of_all))
    }

    fn is_used(&self) -> bool {
        self.free.available_permits() < self.all
    }
}
