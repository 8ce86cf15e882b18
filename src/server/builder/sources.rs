//! What a server asks and tells beside its issuers.

use std::sync::Arc;

use super::Builder;
use crate::change::Log;
use crate::decision::Decider;
use crate::token::Introspection;

impl Builder {
    /// Keeps changes beyond this process, in a file or in a store that replicas share. Default: none, so a restart forgets
    /// revocations and suspensions, and each replica must receive every webhook.
    pub fn change_log(mut self, log: impl Log) -> Self {
        self.change_log = Some(Arc::new(log));
        self
    }

    /// Whom policies with [`decide`](crate::Policy::decide) and the extractor [`Authorizer`](crate::axum::Authorizer) ask.
    pub fn decision_point(mut self, decider: Decider) -> Self {
        self.decider = Some(decider);
        self
    }

    /// Accepts opaque tokens too, for a server with one issuer: as [`Issuer::introspection`](crate::Issuer::introspection).
    pub fn introspection(mut self, ask: Introspection) -> Self {
        self.introspection = Some(ask);
        self
    }
}
