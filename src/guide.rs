//! The guide.

// In the repository, pages link to files; here they link to modules. Of two definitions of a link the first one counts.
macro_rules! page {
    ($name:ident, $file:literal, $about:literal) => {
        #[doc = $about]
        #[doc = ""]
        #[doc = include_str!("../docs/links.md")]
        #[doc = ""]
        #[doc = include_str!(concat!("../docs/guide/", $file, ".md"))]
        pub mod $name {}
    };
}

page!(getting_started, "getting-started", "From nothing to a first 200, with every step in Logto's console.");
page!(concepts, "concepts", "The steps of a request, the three models, and a glossary.");
page!(policies, "policies", "What a route can require: in words, as text and as data.");
page!(organizations, "organizations", "Where a request names its organization, and APIs with several issuers.");
page!(routing, "routing", "Policies in front of handlers: axum, Tower, tonic, and outside of HTTP.");
page!(responses, "responses", "What you see, why, and what to do about it; the list of all responses.");
page!(testing, "testing", "A real issuer, a tenant, faults and a clock for your tests.");
page!(
    keys_and_outages,
    "keys-and-outages",
    "When keys are fetched, and what happens while an issuer cannot be reached."
);
page!(
    permission_freshness,
    "permission-freshness",
    "How soon a change at the issuer takes effect, and what clients are told."
);
page!(
    long_connections,
    "long-connections",
    "Event streams, WebSockets and streaming calls that end with the right to them."
);
page!(decision_points, "decision-points", "Decisions about single objects.");
page!(
    sender_constrained_tokens,
    "sender-constrained-tokens",
    "Tokens that are worthless to a thief, tokens of browsers, and stronger sign-ins."
);
page!(other_issuers, "other-issuers", "Settings for issuers other than Logto, and opaque tokens.");
page!(mcp_servers, "mcp-servers", "Policies for the tools of an MCP server.");
page!(openapi, "openapi", "Documents whose operations say what their policies require.");
page!(running_a_fleet, "running-a-fleet", "Keeping changes in a file, and sharing them among replicas through Redis.");
page!(gateway, "gateway", "The same decisions for services in other languages.");
page!(behind_nginx, "behind-nginx", "The gateway as a forward-auth service of NGINX.");
page!(
    behind_caddy_and_traefik,
    "behind-caddy-and-traefik",
    "The gateway as a forward-auth service of Caddy and Traefik."
);
page!(behind_envoy, "behind-envoy", "The gateway as an external authorizer of Envoy.");
page!(production_checklist, "production-checklist", "What to look at before the first deployment.");
page!(performance, "performance", "What a request costs.");
page!(defaults, "defaults", "Every default, with its reason.");
page!(features, "features", "Cargo features and what they cost.");
page!(examples, "examples", "The programs in `examples/`.");
page!(migrating, "migrating", "From hand-written middleware, other crates, or a proxy.");
page!(
    how_a_request_is_decided,
    "how-a-request-is-decided",
    "The way of a request through the source, with the names of the functions."
);

/// Records, metrics, traces and alerts: what a server shows about its decisions.
///
#[doc = concat!("[picture]: data:image/svg+xml;base64,", include_str!("../docs/guide/observability.svg.b64"), "\n\n")]
#[doc = include_str!("../docs/links.md")]
#[doc = ""]
#[doc = include_str!("../docs/guide/observability.md")]
pub mod observability {}

/// Which role may call which route, by code and tenant together: the matrix, its findings, and rules for CI.
///
#[doc = concat!("[picture]: data:image/png;base64,", include_str!("../docs/guide/auditing-access.png.b64"), "\n\n")]
#[doc = include_str!("../docs/links.md")]
#[doc = ""]
#[doc = include_str!("../docs/guide/auditing-access.md")]
pub mod auditing_access {}

/// Settings and oddities of other issuers, one page each.
pub mod issuers {
    #[doc = include_str!("../docs/guide/issuers/auth0.md")]
    pub mod auth0 {}

    #[doc = include_str!("../docs/guide/issuers/cognito.md")]
    pub mod cognito {}

    #[doc = include_str!("../docs/guide/issuers/entra.md")]
    pub mod entra {}

    #[doc = include_str!("../docs/guide/issuers/keycloak.md")]
    pub mod keycloak {}

    #[doc = include_str!("../docs/guide/issuers/okta.md")]
    pub mod okta {}

    #[doc = include_str!("../docs/guide/issuers/zitadel.md")]
    pub mod zitadel {}
}

#[doc = include_str!("../docs/links.md")]
#[doc = ""]
#[doc = include_str!("../SECURITY.md")]
pub mod security {}

#[doc = include_str!("../docs/links.md")]
#[doc = ""]
#[doc = include_str!("../DESIGN.md")]
pub mod design {}

#[doc = include_str!("../docs/links.md")]
#[doc = ""]
#[doc = include_str!("../CHANGELOG.md")]
pub mod changelog {}

#[doc = include_str!("../docs/links.md")]
#[doc = ""]
#[doc = include_str!("../CONTRIBUTING.md")]
pub mod contributing {}
