//! Asking for an audit.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use super::audit::Audit;
use super::directory::{Directory, Wanted};
use super::error::AuditError;
use super::requirement::Api;
use crate::ResourceServer;
use crate::future::BoxFuture;
use crate::issuer::TrustedIssuer;
use crate::route::RouteDescription;

/// An audit that is about to be made: await it.
#[must_use = "an audit is made when it is awaited"]
pub struct AuditRequest<'a> {
    server: ResourceServer,
    rows: Vec<Row>,
    directory: &'a dyn Directory,
    issuer: Option<String>,
    wanted: Wanted,
}

/// Servers, and the rows with the number of theirs.
type Apis<'a> = (Vec<Api>, Vec<(&'a RouteDescription, usize)>);

/// A route, and the server that judges its requests.
pub(crate) struct Row {
    pub(crate) description: RouteDescription,
    pub(crate) server: ResourceServer,
}

impl ResourceServer {
    /// Puts these routes beside the roles of a tenant. [`Guard::audit`](crate::Guard::audit) does it with its own routes.
    pub fn audit<'a>(&self, routes: Vec<RouteDescription>, directory: &'a dyn Directory) -> AuditRequest<'a> {
        let row = |description| Row { description, server: self.clone() };
        AuditRequest::of(self.clone(), routes.into_iter().map(row).collect(), directory)
    }
}

impl<'a> AuditRequest<'a> {
    /// The entry of the tenant is one of `server`.
    pub(crate) fn of(server: ResourceServer, rows: Vec<Row>, directory: &'a dyn Directory) -> Self {
        Self { server, rows, directory, issuer: None, wanted: Wanted::default() }
    }
}

impl AuditRequest<'_> {
    /// Says whose tenant it is, by the name of the issuer entry. A server with several entries needs it. Where the routes of a
    /// guard have several servers, it is the name that the guard's own server has for the issuer.
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

    /// The entry whose tenant it is.
    fn entry(&self) -> Result<Arc<TrustedIssuer>, AuditError> {
        let entries = self.server.state.entries.load();
        let entry = match &self.issuer {
            Some(name) => entries.named(name),
            None if entries.iter().count() == 1 => entries.iter().next(),
            None => None,
        };
        entry.cloned().ok_or_else(|| {
            let known: Vec<&str> = entries.iter().map(|entry| &*entry.rules.name).collect();
            AuditError::new(match &self.issuer {
                Some(name) => format!("issuer {name:?}: this server has {known:?}"),
                None => format!("this server has the issuers {known:?}: use issuer(name)"),
            })
        })
    }

    /// What each server says of the issuer, the guard's own first, and the rows with the number of theirs.
    fn apis(&self) -> Result<Apis<'_>, AuditError> {
        let entry = self.entry()?;
        let mut servers = vec![&self.server];
        let rows = self.rows.iter().map(|Row { description, server }| {
            let known = servers.iter().position(|known| Arc::ptr_eq(&known.state, &server.state));
            let number = known.unwrap_or_else(|| {
                servers.push(server);
                servers.len() - 1
            });
            (description, number)
        });
        let rows = rows.collect();
        Ok((servers.into_iter().map(|server| api(server, &entry)).collect(), rows))
    }
}

/// What a server says of this issuer, whose entry it may have with other settings.
fn api(server: &ResourceServer, issuer: &TrustedIssuer) -> Api {
    let entries = server.state.entries.load();
    let entry = issuer.rules.issuers.iter().find_map(|iss| entries.trusted(iss)).map(|(_, entry)| entry);
    let resources = entry.iter().flat_map(|entry| entry.rules.resources.iter());
    Api {
        issuer: entry.map_or(&issuer.rules.name, |entry| &entry.rules.name).to_string(),
        is_trusted: entry.is_some(),
        issuers: entries.iter().count(),
        resources: resources.map(ToString::to_string).collect(),
        organization_tokens: entry.is_some_and(|entry| entry.rules.organization_tokens),
        sender_constrained: server.state.bindings.required,
        scopes: server.state.scopes.clone(),
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
            let (apis, rows) = self.apis()?;
            let tenant = self.directory.read(self.wanted).await?;
            Audit::of(&apis, &rows, tenant)
        })
    }
}

impl fmt::Debug for AuditRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditRequest").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
