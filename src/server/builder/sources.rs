//! What a server asks and tells beside its issuers.

use std::sync::Arc;

use super::Builder;
use crate::change::{FileSettings, Log};
use crate::decision::Decider;
use crate::token::Introspection;

impl Builder {
    /// Stores changes outside of this process, in a file or in a store that replicas share. Default: none, so a restart
    /// forgets revocations and suspensions, and each replica must receive every webhook.
    pub fn change_log(mut self, log: impl Log) -> Self {
        self.change_log = Some(Arc::new(log));
        self
    }

    /// Stores revocations and suspensions in a file, so that they survive a restart. Default: none.
    ///
    /// For one process: a second one that has the same path does not start. Beside a shared
    /// [`change_log`](Self::change_log) the file keeps what this replica knows, so that a restart of everything forgets
    /// nothing. [`FileSettings`] sets how safely it is written; a path is enough. The file is opened by
    /// [`build`](Self::build).
    ///
    /// ```no_run
    /// use orgate::ResourceServer;
    ///
    /// let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com")
    ///     .change_file("/var/lib/shop/changes")
    ///     .build()?;
    /// # _ = server;
    /// # Ok::<(), orgate::ConfigError>(())
    /// ```
    pub fn change_file(mut self, file: impl Into<FileSettings>) -> Self {
        self.change_file = Some(file.into());
        self
    }

    /// Sets the decision point for policies with [`decide`](crate::Policy::decide) and for the extractor
    /// [`Authorizer`](crate::axum::Authorizer).
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
