//! MCP servers in a guard.

use std::convert::Infallible;
use std::sync::Arc;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::routing::any_service;
use http::{Request, Response};
use tower_layer::Layer as _;
use tower_service::Service;

use super::guard::Guard;
use super::methods::Methods;
use super::route::{Endpoint, ProtectMcp};
use crate::mcp::{RequestBody, Tools};

impl<S: Clone + Send + Sync + 'static> Guard<S> {
    /// Adds an MCP server, with a policy for each tool, prompt and resource. The route table has a row for each of
    /// them.
    ///
    /// The service is whatever speaks MCP over Streamable HTTP, such as rmcp's `StreamableHttpService`. See [`crate::mcp`] for
    /// how its requests are decided.
    pub fn mcp<M, R>(self, path: &str, service: M, tools: Tools) -> Self
    where
        M: Service<Request<RequestBody<Body>>, Response = Response<R>, Error = Infallible>,
        M: Clone + Send + Sync + 'static,
        M::Future: Send + 'static,
        R: HttpBody<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let protect: ProtectMcp<S> = Arc::new(move |layer| any_service(layer.layer(service.clone())));
        let endpoint = Endpoint::Mcp(self.server().clone(), Box::new(tools), protect);
        self.add(path, Methods::Whole, endpoint)
    }
}
