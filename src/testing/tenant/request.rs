//! What a client asks of the token endpoint.

/// For which resource, in which organization, with which scopes: what a client says when it asks for an access token.
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
    /// A token for a global API resource: `resource` alone.
    pub fn resource(indicator: impl Into<String>) -> Self {
        Self { resource: Some(indicator.into()), ..Self::default() }
    }

    /// A token for organization permissions: `organization_id` alone.
    pub fn organization(id: impl Into<String>) -> Self {
        Self { organization: Some(id.into()), ..Self::default() }
    }

    /// A user's opaque token: neither. A machine is rejected.
    pub fn opaque() -> Self {
        Self::default()
    }

    /// With `organization_id`: for an API resource within an organization.
    pub fn in_organization(mut self, id: impl Into<String>) -> Self {
        self.organization = Some(id.into());
        self
    }

    /// With `scope`, separated by spaces. A machine gets only what it asks for here; a user's client without it gets
    /// what it asked for at sign-in, with it a part of that.
    pub fn scope(mut self, scopes: &str) -> Self {
        let scopes = scopes.split_ascii_whitespace().map(str::to_owned);
        self.scopes.get_or_insert_default().extend(scopes);
        self
    }
}
