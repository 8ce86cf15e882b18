//! MCP servers: a policy for each tool, prompt and resource behind one address.
//!
//! An MCP server is a protected resource whose requests all have one path: what is called stands in the body, or in headers
//! that say the same. [`Tools`] names the policies; [`Guard::mcp`](crate::Guard::mcp) or
//! [`ResourceServer::mcp`](crate::ResourceServer::mcp) puts them in front of a server, whatever it is written with.
//!
//! ```
//! use orgate::mcp::Tools;
//! use orgate::policy::resource;
//! use orgate::respond::Metadata;
//! use orgate::{Guard, ResourceServer};
//! # use std::convert::Infallible;
//! # use axum::body::Body;
//! # #[derive(Clone)]
//! # struct McpService;
//! # impl<B> tower::Service<http::Request<B>> for McpService {
//! #     type Response = http::Response<Body>;
//! #     type Error = Infallible;
//! #     type Future = std::future::Ready<Result<Self::Response, Infallible>>;
//! #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> { std::task::Poll::Ready(Ok(())) }
//! #     fn call(&mut self, _: http::Request<B>) -> Self::Future { std::future::ready(Ok(http::Response::new(Body::empty()))) }
//! # }
//! # let mcp_service = McpService;
//!
//! let server = ResourceServer::builder("https://tenant.logto.app/oidc", "https://api.example.com/mcp")
//!     .metadata(Metadata::new().scopes(["mcp:read"]))
//!     .build()?;
//! let tools = Tools::new(resource().scope("mcp:read"))
//!     .tool("whoami", resource().scope("mcp:read"))
//!     .tool("delete_all", resource().all_of(["mcp:read", "mcp:admin"]));
//! let guard: Guard = server.guard().mcp("/mcp", mcp_service, tools);
//! # guard.into_router()?;
//! # Ok::<(), orgate::ConfigError>(())
//! ```
//!
//! How a request is decided:
//!
//! 1. `GET`, `DELETE`, and everything a client does before it calls something (`initialize`, lists, `ping`, notifications)
//!    need the basic policy.
//! 2. `POST`: the token is verified first. Then the body is read, within bounds, and parsed strictly: one JSON-RPC message,
//!    no member twice, no name that another parser could take for one that is read. The policy of what it calls decides,
//!    and the service receives the same bytes. `Mcp-Method` and `Mcp-Name`, where a client sends them, must say the same.
//! 3. A tool, prompt or resource without a policy is rejected, a method that is not known here too (`tasks/*` among them).
//! 4. A session belongs to the subject and the client that opened it: to anybody else it is unknown.
//!
//! Tools find the verified token and the organization in the [`Grant`](crate::engine::Grant) among the request's
//! extensions.

mod answer;
mod body;
mod buffer;
mod decide;
mod headers;
mod layer;
mod message;
mod method;
mod plan;
mod service;
mod session;
mod tools;

pub use body::RequestBody;
pub use layer::McpLayer;
pub use service::Mcp;
pub use tools::Tools;
