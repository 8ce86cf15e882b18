//! A route that a reload changes or takes away ends the connections that it let in, and so does a gateway that stops.

use tokio::sync::watch;

/// Whether a route is still in the file as it was. Routes that a reload does not change share one.
#[derive(Clone, Debug)]
pub(crate) struct Retired(watch::Sender<bool>);

impl Retired {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn retire(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }

    /// Waits until the route is changed or gone, or the gateway stops.
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + Send + Sync + use<> {
        let mut retired = self.0.subscribe();
        async move {
            // The sender lives as long as the route; without one there is nothing left to be let in by.
            _ = retired.wait_for(|retired| *retired).await;
        }
    }
}
