//! How a server gets metrics.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use super::decisions::Decisions;
use super::register::describe;
use crate::meter::Meter;
use crate::server::Builder;

/// Records what one server reports.
#[derive(Default)]
pub(super) struct Recording {
    /// The issuer entries that had gauges at the last update.
    pub(super) issuers: Mutex<BTreeSet<Arc<str>>>,
}

impl Builder {
    /// Reports [metrics](crate::metrics) to the recorder that is installed in this process. Default: off.
    ///
    /// Install the recorder before: see [`metrics`](crate::metrics).
    pub fn metrics(mut self) -> Self {
        describe();
        self.meter = Meter(Some(Arc::new(Recording::default())));
        self.observers.tallies = Some(Arc::new(Decisions::default()));
        self
    }
}
