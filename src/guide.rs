//! The guide.

// In the repository, pages link to files; here they link to modules. Of two definitions of a link the first one counts. A picture
// is a file there and a part of the page here.
macro_rules! page {
    ($name:ident, $file:literal, $about:literal $(, $kind:literal of $picture:literal)?) => {
        #[doc = $about]
        #[doc = ""]
        $(#[doc = concat!("[picture]: data:image/", $kind, ";base64,", include_str!(concat!("../", $picture)), "\n")])?
        #[doc = include_str!("../docs/links.md")]
        #[doc = ""]
        #[doc = include_str!(concat!("../", $file))]
        pub mod $name {}
    };
}

page!(
    getting_started,
    "docs/guide/getting-started.md",
    "From nothing to a first 200, with every step in Logto's console."
);
page!(concepts, "docs/guide/concepts.md", "The steps of a request, the three models, and a glossary.");
page!(policies, "docs/guide/policies.md", "What a route can require: in words, as text and as data.");
page!(
    organizations,
    "docs/guide/organizations.md",
    "Where a request names its organization, and APIs with several issuers."
);
page!(routing, "docs/guide/routing.md", "Policies in front of handlers: axum, Tower, tonic, and outside of HTTP.");
page!(responses, "docs/guide/responses.md", "What you see, why, and what to do about it; the list of all responses.");
page!(testing, "docs/guide/testing.md", "A real issuer, a tenant, faults and a clock for your tests.");
page!(
    keys_and_outages,
    "docs/guide/keys-and-outages.md",
    "When keys are fetched, and what happens while an issuer cannot be reached."
);
page!(
    permission_freshness,
    "docs/guide/permission-freshness.md",
    "How soon a change at the issuer takes effect, and what clients are told."
);
page!(
    long_connections,
    "docs/guide/long-connections.md",
    "Event streams, WebSockets and streaming calls that end with the right to them."
);
page!(decision_points, "docs/guide/decision-points.md", "Decisions about single objects.");
page!(
    sender_constrained_tokens,
    "docs/guide/sender-constrained-tokens.md",
    "Tokens that are worthless to a thief, tokens of browsers, and stronger sign-ins."
);
page!(other_issuers, "docs/guide/other-issuers.md", "Settings for issuers other than Logto, and opaque tokens.");
page!(mcp_servers, "docs/guide/mcp-servers.md", "Policies for the tools of an MCP server.");
page!(openapi, "docs/guide/openapi.md", "Documents whose operations say what their policies require.");
page!(
    running_a_fleet,
    "docs/guide/running-a-fleet.md",
    "Keeping changes in a file, and sharing them among replicas through Redis."
);
page!(gateway, "docs/guide/gateway.md", "The same decisions for services in other languages.");
page!(behind_nginx, "docs/guide/behind-nginx.md", "The gateway as a forward-auth service of NGINX.");
page!(
    behind_caddy_and_traefik,
    "docs/guide/behind-caddy-and-traefik.md",
    "The gateway as a forward-auth service of Caddy and Traefik."
);
page!(behind_envoy, "docs/guide/behind-envoy.md", "The gateway as an external authorizer of Envoy.");
page!(production_checklist, "docs/guide/production-checklist.md", "What to look at before the first deployment.");
page!(performance, "docs/guide/performance.md", "What a request costs.");
page!(defaults, "docs/guide/defaults.md", "The defaults and their reasons.");
page!(features, "docs/guide/features.md", "Cargo features and what they cost.");
page!(examples, "docs/guide/examples.md", "The programs in `examples/`.");
page!(migrating, "docs/guide/migrating.md", "From hand-written middleware, other crates, or a proxy.");
page!(
    how_a_request_is_decided,
    "docs/guide/how-a-request-is-decided.md",
    "The way of a request through the source, with the names of the functions."
);
page!(
    observability,
    "docs/guide/observability.md",
    "Records, metrics, traces and alerts: what a server shows about its decisions.",
    "svg+xml" of "docs/guide/observability.svg.b64"
);
page!(
    auditing_access,
    "docs/guide/auditing-access.md",
    "Which role may call which route, by code and tenant together: the matrix, its findings, and rules for CI.",
    "png" of "docs/guide/auditing-access.png.b64"
);
page!(security, "SECURITY.md", "Who can do what, and what protects against it.");
page!(design, "DESIGN.md", "The reasons behind the structure and the rules.");
page!(changelog, "CHANGELOG.md", "What changed.");
page!(contributing, "CONTRIBUTING.md", "How to change the crate.");

/// Settings and oddities of other issuers, one page each.
pub mod issuers {
    page!(auth0, "docs/guide/issuers/auth0.md", "Auth0.");
    page!(cognito, "docs/guide/issuers/cognito.md", "Amazon Cognito.");
    page!(entra, "docs/guide/issuers/entra.md", "Microsoft Entra.");
    page!(keycloak, "docs/guide/issuers/keycloak.md", "Keycloak.");
    page!(okta, "docs/guide/issuers/okta.md", "Okta.");
    page!(zitadel, "docs/guide/issuers/zitadel.md", "Zitadel.");
}
