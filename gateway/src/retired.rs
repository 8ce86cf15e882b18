//! A route that a reload changes or takes away ends the connections that it let in, and so does a gateway that stops.

use tokio::sync::watch;

/// What becomes of a route, and with it of the connections that it let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It is in the file.
    InForce,
    /// The gateway stops: what does not end by itself ends.
    Stopping,
    /// A reload has changed it or taken it away, or the time to stop is nearly over: everything ends.
    Over,
}

/// Whether a route is still in the file as it was. Routes that a reload does not change share one.
#[derive(Clone, Debug)]
pub(crate) struct Retired(watch::Sender<Stage>);

impl Retired {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Stage::InForce))
    }

    pub(crate) fn retire(&self) {
        self.advance(Stage::Over);
    }

    /// Ends what lasts until this stage. A stage before the present one has no effect.
    pub(crate) fn advance(&self, stage: Stage) {
        self.0.send_modify(|present| *present = stage.max(*present));
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }

    /// Waits for this stage or a later one.
    pub(crate) fn wait(&self, stage: Stage) -> impl Future<Output = ()> + Send + Sync + use<> {
        let mut retired = self.0.subscribe();
        async move {
            // The sender lives as long as the route; without one there is nothing left to be let in by.
            _ = retired.wait_for(|present| *present >= stage).await;
        }
    }
}
