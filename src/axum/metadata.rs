//! Routes for the metadata documents of the indicators that a guard's policies use.

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use http::StatusCode;

use super::methods::Methods;
use super::route::{Endpoint, Route};
use crate::ResourceServer;
use crate::policy::Policy;
use crate::respond::nearest;

/// Where the documents of indicators are that may come with an issuer entry at run time.
const LATER: [&str; 2] =
    ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/{*oauth_protected_resource}"];

/// One route for each path that a document has, and those of all documents for policies that accept any issuer entry. A policy
/// that is faulty has none: its route says what is wrong. Documents of several servers may have one path, on several hosts, or
/// be of one indicator.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(guarded: &[(&ResourceServer, Vec<&Policy>)]) -> Vec<Route<S>> {
    let mut found: Vec<(String, Vec<ResourceServer>)> = Vec::new();
    for (server, policies) in guarded {
        for policy in policies {
            // As an operation: a tool's policy may read its arguments.
            let Ok(requirement) = server.operation((*policy).clone(), "metadata", |wanted| wanted) else { continue };
            let known = requirement.resources().filter_map(|indicator| server.metadata_path(indicator));
            let later = LATER.iter().filter(|_| server.has_metadata() && requirement.rules().takes_any_issuer());
            for path in known.chain(later.map(ToString::to_string)) {
                let Some((_, servers)) = found.iter_mut().find(|(known, _)| *known == path) else {
                    found.push((path, vec![(*server).clone()]));
                    continue;
                };
                if !is_among(server, servers) {
                    servers.push((*server).clone());
                }
            }
        }
    }
    // What comes at run time may have the path of a document that another server has from the start.
    let later = found.iter().find(|(path, _)| path == LATER[0]).map(|(_, servers)| servers.clone()).unwrap_or_default();
    for (_, servers) in &mut found {
        let more = later.iter().filter(|server| !is_among(server, servers)).cloned().collect::<Vec<_>>();
        servers.extend(more);
    }
    found.into_iter().map(|(path, servers)| route(servers, path)).collect()
}

fn is_among(server: &ResourceServer, servers: &[ResourceServer]) -> bool {
    servers.iter().any(|known| Arc::ptr_eq(&known.state, &server.state))
}

fn route<S: Clone + Send + Sync + 'static>(servers: Vec<ResourceServer>, path: String) -> Route<S> {
    let methods = MethodFilter::GET.or(MethodFilter::HEAD).or(MethodFilter::OPTIONS);
    let handler = move |request: Request| {
        let (parts, _) = request.into_parts();
        // The issuers of every server that has the indicator: which of their routes the client calls is not known here.
        let issuers = |indicator: &str| {
            let all = servers.iter().flat_map(|server| server.state.authorization_servers(indicator));
            let mut seen = HashSet::new();
            all.filter(|issuer| seen.insert(issuer.clone())).collect()
        };
        let ranked = servers.iter().filter_map(|server| Some((server.state.metadata_nearness(&parts)?, server)));
        let response = nearest(ranked).and_then(|server| server.state.metadata_response_with(&parts, &issuers));
        let response: Response = match response {
            Some(response) => response.map(Body::from),
            None => StatusCode::NOT_FOUND.into_response(),
        };
        std::future::ready(response)
    };
    Route {
        path,
        methods: Methods::Only(methods),
        endpoint: Endpoint::Public(Box::new(on(methods, handler))),
        browser_token: None,
    }
}
