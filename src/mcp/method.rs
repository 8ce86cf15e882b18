//! The methods of the protocol, and what each of them names.

/// What a method does, as far as policies are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Nothing that has a policy of its own.
    Basic,
    /// Calls what `params.name` or `params.uri` names; clients repeat the name in `Mcp-Name`.
    Named(Kind),
    /// Is about a resource that only the body names.
    Resource,
    /// Completes an argument of what `params.ref` names.
    Completion,
    /// Is told of changes, also of the resources that the body names.
    Subscription,
    Unknown,
}

/// What can have a policy of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Tool,
    Prompt,
    Resource,
}

/// The methods of the protocol versions up to 2026-07-28. Extensions (`tasks/*`, `skills/*`) are not among them.
pub(super) fn method(name: &str) -> Method {
    match name {
        "tools/call" => Method::Named(Kind::Tool),
        "prompts/get" => Method::Named(Kind::Prompt),
        "resources/read" => Method::Named(Kind::Resource),
        "resources/subscribe" | "resources/unsubscribe" => Method::Resource,
        "completion/complete" => Method::Completion,
        "subscriptions/listen" => Method::Subscription,
        "initialize"
        | "ping"
        | "server/discover"
        | "tools/list"
        | "prompts/list"
        | "resources/list"
        | "resources/templates/list"
        | "logging/setLevel"
        | "notifications/initialized"
        | "notifications/cancelled"
        | "notifications/progress"
        | "notifications/roots/list_changed"
        | "notifications/elicitation/response" => Method::Basic,
        _ => Method::Unknown,
    }
}

impl Kind {
    /// The method that calls it.
    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Tool => "tools/call",
            Self::Prompt => "prompts/get",
            Self::Resource => "resources/read",
        }
    }

    /// The member of `params` that names it.
    pub(super) const fn member(self) -> &'static str {
        match self {
            Self::Tool | Self::Prompt => "name",
            Self::Resource => "uri",
        }
    }
}
