use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::uri::{Authority, Scheme};
use orgate::engine::Requirement;
use orgate::{Issuer, ResourceServer};

use crate::compile::Lasting;
use crate::config::{Address, File};
use crate::identity::{AssertionKey, Names};
use crate::net::ServeSettings;
use crate::path::Table;
use crate::request::Preset;
use crate::retired::Retired;

/// Everything that one configuration says, checked and ready to serve. A reload makes another one.
pub(crate) struct Gateway {
    pub(crate) server: ResourceServer,
    /// What the tables of issuers were made into, in the order of the file.
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) routes: Table<Route>,
    /// In the order of the file.
    pub(crate) retired: Vec<Retired>,
    /// Whether a request may have to be judged again by others than this process.
    pub(crate) asks_others: bool,
    pub(crate) identity: Identity,
    pub(crate) forward_auth: Option<(Preset, String)>,
    pub(crate) certificate_header: Option<HeaderName>,
    pub(crate) webhooks: Option<axum::Router>,
    pub(crate) lasting: Lasting,
    pub(crate) tls: Option<Arc<tokio_rustls::rustls::ServerConfig>>,
    pub(crate) listen: BTreeMap<Face, Address>,
    pub(crate) serve: ServeSettings,
    pub(crate) max_body_bytes: Option<u64>,
    /// What it was made of.
    pub(crate) file: File,
    /// What is not wrong, but should be looked at.
    pub(crate) warnings: Vec<String>,
}

/// A way in: each is a socket of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Face {
    Proxy,
    ForwardAuth,
    ExtAuthz,
    Admin,
    Webhooks,
    Jwks,
}

/// A route of the file.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) access: Access,
    pub(crate) upstream: Option<Arc<Upstream>>,
    /// Whether upstream gets the caller's token.
    pub(crate) forwards_token: bool,
    pub(crate) retired: Retired,
}

#[derive(Clone, Debug)]
pub(crate) enum Access {
    Public,
    Policy(Requirement),
}

/// A server that requests are forwarded to.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) name: String,
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    /// Until its response begins, after it took the last part of the request.
    pub(crate) timeout: Duration,
    /// Whether it speaks HTTP/2 from the first byte, and how many streams may be open at once.
    pub(crate) http2: Option<Streams>,
}

/// How many streams an upstream of HTTP/2 may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Streams {
    pub(crate) all: usize,
    /// Those of one connection.
    pub(crate) each: usize,
}

/// What upstreams learn about a caller.
pub(crate) struct Identity {
    pub(crate) names: Names,
    pub(crate) key: Option<AssertionKey>,
    /// The `iss` of assertions: where clients reach the gateway.
    pub(crate) public_url: String,
    /// The `aud` of assertions where no upstream is known.
    pub(crate) resource: String,
}

impl Face {
    pub(crate) const ALL: [Self; 6] =
        [Self::Proxy, Self::ForwardAuth, Self::ExtAuthz, Self::Admin, Self::Webhooks, Self::Jwks];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::ForwardAuth => "forward_auth",
            Self::ExtAuthz => "ext_authz",
            Self::Admin => "admin",
            Self::Webhooks => "webhooks",
            Self::Jwks => "jwks",
        }
    }

    /// Whether whoever can connect can ask what tokens are worth, or read how the gateway is set up.
    pub(crate) const fn is_internal(self) -> bool {
        matches!(self, Self::ForwardAuth | Self::ExtAuthz | Self::Admin)
    }
}

impl Streams {
    /// Returns how many streams each of the connections may have.
    pub(crate) fn of_connections(self) -> impl Iterator<Item = usize> {
        let each = self.each.max(1);
        (0..self.all).step_by(each).map(move |before| each.min(self.all - before))
    }
}

impl Upstream {
    /// Returns the address without a path.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Policy(requirement) => f.write_str(requirement.policy()),
        }
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("routes", &self.routes).finish_non_exhaustive()
    }
}
