//! The policies of an MCP server, ready to decide.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::buffer::Buffer;
use super::method::Kind;
use super::session::Sessions;
use super::tools::{Tools, label};
use crate::ResourceServer;
use crate::engine::Requirement;
use crate::error::ConfigError;
use crate::policy::{Policy, any_issuer, authenticated};
use crate::respond::Wanted;
use crate::scope::Scope;

const MAX_BODY: usize = 64 * 1024 * 1024;
const MAX_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// What records call a request before it is known what it calls, and one that calls what no policy is for.
const UNNAMED: &str = "(unnamed)";

pub(super) struct Plan {
    /// Verifies the token, before a body is read.
    pub(super) admission: Requirement,
    pub(super) basic: Requirement,
    named: HashMap<(Kind, Box<str>), Requirement>,
    any: HashMap<Kind, Requirement>,
    /// The arguments of tools that policies read.
    pub(super) arguments: Vec<Arc<str>>,
    pub(super) trusts_headers: bool,
    pub(super) buffer: Buffer,
    pub(super) sessions: Sessions,
}

impl Plan {
    pub(super) fn new(server: &ResourceServer, tools: &Tools) -> Result<Self, ConfigError> {
        check(tools)?;
        let basic = server.requirement(mandatory(&tools.basic, "the basic policy")?)?;
        let besides = &basic.wanted().scopes.clone();
        let mut plan = Self {
            admission: server.operation(authenticated().and(any_issuer()), UNNAMED, |_| basic.wanted().again())?,
            basic,
            named: HashMap::new(),
            any: HashMap::new(),
            arguments: Vec::new(),
            trusts_headers: tools.trusts_headers,
            buffer: Buffer::new(
                tools.max_body,
                (tools.max_buffered / 4).max(tools.max_body),
                tools.max_buffered,
                tools.body_timeout,
            ),
            sessions: Sessions::new(tools.session_secret.as_deref())?,
        };
        for (kind, name, policy) in &tools.named {
            let requirement = plan.operation(server, *kind, name, policy, besides)?;
            if name.is_empty() || plan.named.insert((*kind, name.as_str().into()), requirement).is_some() {
                return Err(ConfigError::new(format_args!(
                    "{:?}: a name that is empty or occurs twice",
                    label(*kind, name)
                )));
            }
        }
        for (kind, policy) in &tools.any {
            let requirement = plan.operation(server, *kind, "*", policy, besides)?;
            if plan.any.insert(*kind, requirement).is_some() {
                return Err(ConfigError::new(format_args!("{:?}: two policies", label(*kind, "*"))));
            }
        }
        Ok(plan)
    }

    fn operation(
        &mut self,
        server: &ResourceServer,
        kind: Kind,
        name: &str,
        policy: &Policy,
        besides: &[Scope],
    ) -> Result<Requirement, ConfigError> {
        let call = label(kind, name);
        let requirement = server
            .operation(mandatory(policy, &call)?, &call, |wanted| Wanted { besides: besides.to_vec(), ..wanted })?;
        for argument in requirement.rules().arguments() {
            if kind != Kind::Tool {
                return Err(ConfigError::new(format_args!(
                    "{call:?}: argument({argument:?}): only tools have arguments"
                )));
            }
            if self.trusts_headers {
                return Err(ConfigError::new(format_args!(
                    "{call:?}: argument({argument:?}) is in the body, which is not read with dangerous_trust_headers"
                )));
            }
            if !self.arguments.contains(argument) {
                self.arguments.push(argument.clone());
            }
        }
        Ok(requirement)
    }

    /// What decides, the basic requirement first.
    pub(super) fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        std::iter::once(&self.basic).chain(self.named.values()).chain(self.any.values())
    }

    /// What decides about one call; none if no policy is for it.
    pub(super) fn requirement(&self, kind: Kind, name: &str) -> Option<&Requirement> {
        // A key with a borrowed name would need a type of its own; a call is about to allocate more than this.
        self.named.get(&(kind, Box::from(name))).or_else(|| self.any.get(&kind))
    }
}

fn check(tools: &Tools) -> Result<(), ConfigError> {
    let out_of =
        |what: &str, value: &dyn std::fmt::Debug| Err(ConfigError::new(format_args!("{what} {value:?}: out of range")));
    if tools.max_body == 0 || tools.max_body > MAX_BODY {
        return out_of("max_body_bytes", &tools.max_body);
    }
    if tools.max_buffered < tools.max_body {
        return out_of("max_buffered_bytes", &tools.max_buffered);
    }
    if tools.body_timeout.is_zero() || tools.body_timeout > MAX_TIMEOUT {
        return out_of("body_timeout", &tools.body_timeout);
    }
    Ok(())
}

/// A body must not be read for somebody without a token.
fn mandatory(policy: &Policy, what: &str) -> Result<Policy, ConfigError> {
    if policy.is_optional() {
        return Err(ConfigError::new(format_args!(
            "{what}: policy ({policy}): an MCP server cannot have optional policies"
        )));
    }
    if policy.describe().shadow_only {
        return Err(ConfigError::new(format_args!(
            "{what}: policy ({policy}): an MCP server cannot have policies that are not enforced"
        )));
    }
    Ok(policy.clone())
}
