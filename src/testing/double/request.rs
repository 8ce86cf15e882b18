//! Requests for tests of a decision point.

use std::fmt::Display;

use crate::decision::{DecisionRequest, Resource};
use crate::testing::organization;
use crate::token::{Subject, SubjectKind};

/// Makes a [`DecisionRequest`] from invented facts, for tests of your own decision point.
///
/// ```
/// use orgate::decision::Resource;
/// use orgate::testing::TestDecisionRequest;
///
/// let request = TestDecisionRequest::user("alice")
///     .organization("org_a")
///     .scope("read:documents")
///     .wants("read", Resource::new("document", "1"));
/// assert_eq!(request.organization_id(), Some("org_a"));
/// ```
#[derive(Clone, Debug)]
#[must_use = "wants(..) makes the request"]
pub struct TestDecisionRequest {
    issuer_name: String,
    kind: SubjectKind,
    id: String,
    client_id: Option<String>,
    scopes: Vec<String>,
    organization: Option<String>,
}

impl TestDecisionRequest {
    /// Starts with a user of the issuer entry `main`, through the client `app`.
    pub fn user(id: impl Into<String>) -> Self {
        Self {
            issuer_name: "main".to_owned(),
            kind: SubjectKind::User,
            id: id.into(),
            client_id: Some("app".to_owned()),
            scopes: Vec::new(),
            organization: None,
        }
    }

    /// Starts with a client on its own behalf, of the issuer entry `main`.
    pub fn machine(id: impl Into<String>) -> Self {
        let id = id.into();
        Self { kind: SubjectKind::Machine, client_id: Some(id.clone()), ..Self::user(id) }
    }

    /// Sets the issuer entry of the subject and the organization.
    pub fn issuer_name(mut self, name: impl Into<String>) -> Self {
        self.issuer_name = name.into();
        self
    }

    /// Sets the client that the token was issued to.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = Some(id.into());
        self
    }

    /// Adds scopes of the token, separated by spaces.
    pub fn scope(mut self, scopes: impl Display) -> Self {
        self.scopes.extend(scopes.to_string().split_whitespace().map(str::to_owned));
        self
    }

    /// Sets the organization that the request is about.
    pub fn organization(mut self, id: impl Into<String>) -> Self {
        self.organization = Some(id.into());
        self
    }

    /// Returns the request.
    #[must_use]
    pub fn wants(&self, action: impl Into<String>, resource: Resource) -> DecisionRequest {
        let subject = Subject::new(self.issuer_name.as_str().into(), self.id.as_str().into(), self.kind);
        let scopes = self.scopes.iter().map(String::as_str);
        let request = DecisionRequest::of(subject, self.client_id.as_deref(), scopes, action, resource);
        match &self.organization {
            Some(id) => request.organization(&organization(&self.issuer_name, id)),
            None => request,
        }
    }
}
