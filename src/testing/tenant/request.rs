//! What a client asks of the token endpoint.

/// A token request: the resource, the organization and the scopes that a client asks for.
///
/// ```
/// use orgate::testing::TokenRequest;
///
/// // The three models, and what a client gets that forgot both.
/// TokenRequest::resource("https://api.example.com");
/// TokenRequest::organization("acme");
/// TokenRequest::resource("https://api.example.com").in_organization("acme");
/// TokenRequest::opaque();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct TokenRequest {
    pub(super) resource: Option<String>,
    pub(super) organization: Option<String>,
    pub(super) scopes: Option<Vec<String>>,
}

impl TokenRequest {
    /// Requests a token for a global API resource: `resource` alone.
    pub fn resource(indicator: impl Into<String>) -> Self {
        Self { resource: Some(indicator.into()), ..Self::default() }
    }

    /// Requests a token for organization permissions: `organization_id` alone.
    pub fn organization(id: impl Into<String>) -> Self {
        Self { organization: Some(id.into()), ..Self::default() }
    }

    /// Requests a user's opaque token: neither `resource` nor `organization_id`. A machine's request is rejected.
    pub fn opaque() -> Self {
        Self::default()
    }

    /// Adds `organization_id`: for an API resource within an organization.
    pub fn in_organization(mut self, id: impl Into<String>) -> Self {
        self.organization = Some(id.into());
        self
    }

    /// Adds `scope`, separated by spaces. A machine receives only the scopes that it requests here. A user's client
    /// receives the scopes of the sign-in, or with this the requested part of them.
    pub fn scope(mut self, scopes: &str) -> Self {
        let scopes = scopes.split_ascii_whitespace().map(str::to_owned);
        self.scopes.get_or_insert_default().extend(scopes);
        self
    }
}
