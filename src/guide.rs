//! Pages to read.

/// The way of a request through the source, with the names of the functions.
#[doc = include_str!("../docs/guide/how-a-request-is-decided.md")]
pub mod how_a_request_is_decided {}

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

/// Records, metrics, traces and alerts: what a server shows about its decisions.
///
// Of two definitions of a link the first counts: here the picture is in the page, and in the repository it is a file.
#[doc = concat!("[picture]: data:image/svg+xml;base64,", include_str!("../docs/guide/observability.svg.b64"), "\n\n")]
#[doc = include_str!("../docs/guide/observability.md")]
pub mod observability {}

/// How soon a change at the issuer takes effect, and what clients are told.
#[doc = include_str!("../docs/guide/permission-freshness.md")]
pub mod permission_freshness {}

/// Policies for the tools of an MCP server.
#[doc = include_str!("../docs/guide/mcp-servers.md")]
pub mod mcp_servers {}

/// Documents whose operations say what their policies require.
#[doc = include_str!("../docs/guide/openapi.md")]
pub mod openapi {}

/// Which role may call which route, by code and tenant together: the matrix, its findings, and rules for CI.
///
// As above: in the repository the picture is a file.
#[doc = concat!("[picture]: data:image/png;base64,", include_str!("../docs/guide/auditing-access.png.b64"), "\n\n")]
#[doc = include_str!("../docs/guide/auditing-access.md")]
pub mod auditing_access {}

/// Keeping changes in a file, and sharing them among replicas through Redis.
#[doc = include_str!("../docs/guide/running-a-fleet.md")]
pub mod running_a_fleet {}
