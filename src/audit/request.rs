//! Asking for an audit.

use std::fmt;
use std::future::IntoFuture;

use super::audit::Audit;
use super::directory::{Directory, Wanted};
use super::error::AuditError;
use super::requirement::Api;
use crate::ResourceServer;
use crate::future::BoxFuture;
use crate::route::RouteDescription;

/// An audit that is about to be made: await it.
#[must_use = "an audit is made when it is awaited"]
pub struct AuditRequest<'a> {
    server: ResourceServer,
    routes: Vec<RouteDescription>,
    directory: &'a dyn Directory,
    issuer: Option<String>,
    wanted: Wanted,
}

impl ResourceServer {
    /// Puts these routes beside the roles of a tenant. [`Guard::audit`](crate::Guard::audit) does it with its own routes.
    pub fn audit<'a>(&self, routes: Vec<RouteDescription>, directory: &'a dyn Directory) -> AuditRequest<'a> {
        AuditRequest { server: self.clone(), routes, directory, issuer: None, wanted: Wanted::default() }
    }
}

impl AuditRequest<'_> {
    /// Says whose tenant it is, by the name of the issuer entry. A server with several entries needs it.
    pub fn issuer(mut self, name: impl Into<String>) -> Self {
        self.issuer = Some(name.into());
        self
    }

    /// Says what of the tenant is read. Default: all but the members ([`Wanted::default`]).
    pub const fn wanted(mut self, wanted: Wanted) -> Self {
        self.wanted = wanted;
        self
    }

    /// Reads the members too, so that [`Audit::who`], [`Audit::subject`] and [`Audit::holders`] can name them.
    pub const fn with_members(self) -> Self {
        self.wanted(Wanted::everything())
    }

    fn api(&self) -> Result<Api, AuditError> {
        let entries = self.server.state.entries.load();
        let entry = match &self.issuer {
            Some(name) => entries.named(name),
            None if entries.iter().count() == 1 => entries.iter().next(),
            None => None,
        };
        let Some(entry) = entry else {
            let known: Vec<&str> = entries.iter().map(|entry| &*entry.rules.name).collect();
            return Err(AuditError::new(match &self.issuer {
                Some(name) => format!("issuer {name:?}: this server has {known:?}"),
                None => format!("this server has the issuers {known:?}: use issuer(name)"),
            }));
        };
        Ok(Api {
            issuer: entry.rules.name.to_string(),
            issuers: entries.iter().count(),
            resources: entry.rules.resources.iter().map(ToString::to_string).collect(),
            organization_tokens: entry.rules.organization_tokens,
            sender_constrained: self.server.state.bindings.required,
            scopes: self.server.state.scopes.clone(),
        })
    }
}

impl<'a> IntoFuture for AuditRequest<'a> {
    type Output = Result<Audit, AuditError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    /// # Errors
    ///
    /// Returns an [`AuditError`] if the directory cannot be read or is not consistent, a policy is faulty or does not fit the
    /// server, or it is not said whose tenant it is.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let api = self.api()?;
            let tenant = self.directory.read(self.wanted).await?;
            Audit::of(&api, &self.routes, tenant)
        })
    }
}

impl fmt::Debug for AuditRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditRequest").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
