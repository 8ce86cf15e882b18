//! What has been asked of an issuer.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::Endpoint;

#[derive(Debug)]
pub(super) struct Traffic {
    counts: watch::Sender<Counts>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    requests: HashMap<Endpoint, usize>,
    pub(super) not_modified: usize,
    pub(super) in_flight: usize,
    pub(super) most_in_flight: usize,
}

impl Counts {
    pub(super) fn requests(&self, endpoint: Endpoint) -> usize {
        self.requests.iter().filter(|(asked, _)| endpoint.holds(**asked)).map(|(_, count)| count).sum()
    }
}

impl Traffic {
    pub(super) fn new() -> Self {
        Self { counts: watch::Sender::new(Counts::default()) }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts.borrow().clone()
    }

    /// Requests in flight stay counted as such.
    pub(super) fn reset(&self) {
        self.counts.send_modify(|counts| {
            let in_flight = counts.in_flight;
            *counts = Counts { in_flight, most_in_flight: in_flight, ..Counts::default() };
        });
    }

    pub(super) async fn wait_for(&self, endpoint: Endpoint, requests: usize) {
        // The sender is ours: it cannot be gone while we wait.
        let _ = self.counts.subscribe().wait_for(|counts| counts.requests(endpoint) >= requests).await;
    }

    pub(super) fn not_modified(&self) {
        self.counts.send_modify(|counts| counts.not_modified += 1);
    }

    pub(super) fn arrive(self: &Arc<Self>, endpoint: Endpoint) -> Flight {
        self.counts.send_modify(|counts| {
            *counts.requests.entry(endpoint).or_default() += 1;
            counts.in_flight += 1;
            counts.most_in_flight = counts.most_in_flight.max(counts.in_flight);
        });
        Flight(Arc::clone(self))
    }
}

/// One request, until its answer has left or its client has gone.
#[derive(Debug)]
pub(super) struct Flight(Arc<Traffic>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.counts.send_modify(|counts| counts.in_flight -= 1);
    }
}
