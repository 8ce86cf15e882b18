//! The ways in: each translates its protocol into a request to judge, and the outcome back.

pub(crate) mod admin;
pub(crate) mod ext_authz;
pub(crate) mod forward_auth;
pub(crate) mod proxy;
pub(crate) mod webhooks;

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::gateway::Gateway;

/// The gateway that serves now. A request holds the one that it began with.
pub(crate) type Current = Arc<ArcSwap<Gateway>>;
