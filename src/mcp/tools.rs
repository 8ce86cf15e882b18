use std::fmt;
use std::time::Duration;

use super::method::Kind;
use crate::policy::Policy;

const DEFAULT_BODY: usize = 4 * 1024 * 1024;
const DEFAULT_BUFFER: usize = 64 * 1024 * 1024;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// The policies of an MCP server: a basic one, and one for each tool, prompt and resource. For
/// [`Guard::mcp`](crate::Guard::mcp) and [`ResourceServer::mcp`](crate::ResourceServer::mcp).
///
/// What no policy names is rejected. A challenge names the scopes of the call and those of the basic policy, since clients
/// replace their token by one with the scopes that it names.
///
/// ```
/// use orgate::mcp::Tools;
/// use orgate::policy::resource;
///
/// let tools = Tools::new(resource().scope("mcp:read"))
///     .tool("whoami", resource().scope("mcp:read"))
///     .tool("delete_all", resource().all_of(["mcp:read", "mcp:admin"]));
/// # _ = tools;
/// ```
#[derive(Clone)]
#[must_use]
pub struct Tools {
    pub(super) basic: Policy,
    pub(super) named: Vec<(Kind, String, Policy)>,
    pub(super) any: Vec<(Kind, Policy)>,
    pub(super) trusts_headers: bool,
    pub(super) max_body: usize,
    pub(super) max_buffered: usize,
    pub(super) body_timeout: Duration,
    pub(super) session_secret: Option<Vec<u8>>,
}

impl Tools {
    /// Takes the basic policy: for everything that calls nothing, such as `initialize`, lists, notifications and streams.
    pub fn new(basic: Policy) -> Self {
        Self {
            basic,
            named: Vec::new(),
            any: Vec::new(),
            trusts_headers: false,
            max_body: DEFAULT_BODY,
            max_buffered: DEFAULT_BUFFER,
            body_timeout: DEFAULT_TIMEOUT,
            session_secret: None,
        }
    }

    /// Adds a tool. Its policy stands alone: the basic one is not asked too.
    ///
    /// With [`argument`](crate::policy::argument) it reads the organization from an argument of the call:
    ///
    /// ```
    /// use orgate::mcp::Tools;
    /// use orgate::policy::{argument, resource};
    ///
    /// let tools = Tools::new(resource().scope("mcp:read"))
    ///     .tool("orders", resource().for_member_of(argument("organization")).scope("read:orders").live());
    /// # _ = tools;
    /// ```
    pub fn tool(self, name: impl Into<String>, policy: Policy) -> Self {
        self.add(Kind::Tool, name.into(), policy)
    }

    /// Adds a prompt, for `prompts/get` and the completion of its arguments.
    pub fn prompt(self, name: impl Into<String>, policy: Policy) -> Self {
        self.add(Kind::Prompt, name.into(), policy)
    }

    /// Adds a resource, for `resources/read`, subscriptions and completion. The URI is compared character by character; of a
    /// template only the completion is meant.
    pub fn resource(self, uri: impl Into<String>, policy: Policy) -> Self {
        self.add(Kind::Resource, uri.into(), policy)
    }

    /// Sets the policy of every tool that has none of its own. Default: such a tool is rejected.
    pub fn any_tool(self, policy: Policy) -> Self {
        self.add_any(Kind::Tool, policy)
    }

    /// Sets the policy of every prompt that has none of its own. Default: such a prompt is rejected.
    pub fn any_prompt(self, policy: Policy) -> Self {
        self.add_any(Kind::Prompt, policy)
    }

    /// Sets the policy of every resource that has none of its own. Default: such a resource is rejected.
    ///
    /// If the service takes several spellings of a URI for one resource, those that are not named here have this policy, however
    /// strict the named one is.
    pub fn any_resource(self, policy: Policy) -> Self {
        self.add_any(Kind::Resource, policy)
    }

    /// Decides by `Mcp-Method` and `Mcp-Name`, without reading the body, where the protocol version of the request has the
    /// service compare them (2026-07-28 and later). Default: by the body.
    ///
    /// A service that does not compare them runs whatever tool the body names, whatever policy that has. rmcp compares them
    /// since its version 3.5. Policies that read an [`argument`](crate::policy::argument) cannot be judged so.
    pub fn dangerous_trust_headers(mut self) -> Self {
        self.trusts_headers = true;
        self
    }

    /// Sets the largest body that is read, in bytes. Default: 4 MiB; 64 MiB at most.
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sets how many bytes of bodies are held at once, of which one subject may hold a quarter, and one body at least.
    /// Default: 64 MiB. Beyond that a request receives 503.
    pub fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.max_buffered = bytes;
        self
    }

    /// Sets how long a body may take to arrive. Default: 10 s; 5 min at most.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }

    /// Sets the secret by which sessions are bound to their owners, at least 32 octets: the same at every replica that shares
    /// sessions. Default: a random one, which only this process knows.
    pub fn session_secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.session_secret = Some(secret.into());
        self
    }

    /// Returns the basic policy.
    pub fn basic_policy(&self) -> &Policy {
        &self.basic
    }

    /// Adds a policy to the basic one and to those of everything that is named by now. A guard's
    /// [`require`](crate::Guard::require) does the same.
    #[allow(clippy::needless_pass_by_value, reason = "as a guard takes it")]
    pub fn require(mut self, more: Policy) -> Self {
        self.basic = self.basic.and(more.clone());
        let named = self.named.iter_mut().map(|(_, _, policy)| policy);
        for policy in named.chain(self.any.iter_mut().map(|(_, policy)| policy)) {
            *policy = policy.clone().and(more.clone());
        }
        self
    }

    /// What is called, as it is printed in tables and records, and its policy. The basic policy is for no call.
    pub(crate) fn policies(&self) -> impl Iterator<Item = (Option<String>, &Policy)> {
        let named = self.named.iter().map(|(kind, name, policy)| (Some(label(*kind, name)), policy));
        let any = self.any.iter().map(|(kind, policy)| (Some(label(*kind, "*")), policy));
        std::iter::once((None, &self.basic)).chain(named).chain(any)
    }

    fn add(mut self, kind: Kind, name: String, policy: Policy) -> Self {
        self.named.push((kind, name, policy));
        self
    }

    fn add_any(mut self, kind: Kind, policy: Policy) -> Self {
        self.any.push((kind, policy));
        self
    }
}

/// `tools/call delete_all`.
pub(super) fn label(kind: Kind, name: &str) -> String {
    format!("{} {name}", kind.method())
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policies: Vec<String> = self.policies().map(|(call, policy)| format!("{call:?}: {policy}")).collect();
        f.debug_struct("Tools").field("policies", &policies).finish_non_exhaustive()
    }
}
