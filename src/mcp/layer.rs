use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::plan::Plan;
use super::service::Mcp;
use super::tools::Tools;
use crate::ResourceServer;
use crate::engine::Requirement;
use crate::error::ConfigError;

/// Puts the policies of [`Tools`] in front of an MCP server. Made by [`ResourceServer::mcp`](crate::ResourceServer::mcp).
#[derive(Clone)]
pub struct McpLayer(Arc<Plan>);

impl ResourceServer {
    /// Returns a layer that decides the requests of an MCP server, for services outside of a guard.
    ///
    /// # Errors
    ///
    /// Returns the first policy that is faulty or does not fit this server, and the first setting that is out of range.
    pub fn mcp(&self, tools: &Tools) -> Result<McpLayer, ConfigError> {
        Plan::new(self, tools).map(|plan| McpLayer(Arc::new(plan)))
    }
}

impl McpLayer {
    /// Returns what decides, the basic requirement first.
    pub fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        self.0.requirements()
    }
}

impl<S> Layer<S> for McpLayer {
    type Service = Mcp<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Mcp::new(inner, self.0.clone())
    }
}

impl fmt::Debug for McpLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpLayer").field("basic", &self.0.basic).finish_non_exhaustive()
    }
}
