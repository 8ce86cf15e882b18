//! What a decision point is asked.

use std::fmt;

use http::Method;

use super::key::RequestKey;
use super::property::Properties;
use super::{DecisionError, Property};
use crate::flight::{Lane, Tenant};
use crate::organization::Organization;
use crate::token::{AccessToken, IssuerId, NumericDate, Subject, SubjectKind};

/// A request to a decision point: a subject, an action, a resource, and the organization.
///
/// Who, and in which organization, comes from verified values only: an [`AccessToken`] and an [`Organization`], which
/// only the verifier can make. For tests of a decision point, the feature `testing` has
/// `testing::TestDecisionRequest`.
///
/// ```
/// use orgate::decision::{DecisionRequest, Resource};
/// use orgate::{AccessToken, Organization};
///
/// async fn rename(token: AccessToken, organization: Organization) {
///     let document = Resource::new("document", "d-17").property("owner", "user_1");
///     let request = DecisionRequest::new(&token, "rename", document).organization(&organization);
///     assert_eq!(request.subject_id(), token.subject().id());
/// }
/// ```
#[derive(Clone)]
pub struct DecisionRequest {
    pub(super) subject: Subject,
    /// The identity of the issuer entry; `None` where the request is made up for a test.
    entry: Option<IssuerId>,
    pub(super) client_id: Option<Box<str>>,
    /// A set: sorted, each once.
    pub(super) scopes: Vec<Box<str>>,
    pub(super) subject_properties: Properties,
    pub(super) action: Box<str>,
    pub(super) resource: Resource,
    pub(super) organization: Option<Organization>,
    pub(super) method: Option<Method>,
    pub(super) route: Option<Box<str>>,
    pub(super) context: Properties,
}

impl DecisionRequest {
    /// Creates a request about what the bearer of this token wants to do. If the token states how and when its user
    /// signed in, the subject has the properties `acr` and `auth_time`.
    #[must_use]
    pub fn new(token: &AccessToken, action: impl Into<String>, resource: Resource) -> Self {
        let request = Self::of(token.subject().clone(), token.client_id(), token.scopes(), action, resource);
        let mut request = Self { entry: Some(token.entry().issuer), ..request };
        if let Some(authentication) = token.authentication() {
            let properties = &mut request.subject_properties;
            properties.extend(authentication.acr.as_deref().map(|acr| ("acr".into(), acr.into())));
            let signed_in = authentication.auth_time.and_then(NumericDate::whole_seconds);
            properties.extend(signed_in.map(|seconds| ("auth_time".into(), seconds.into())));
        }
        request
    }

    /// From facts that somebody verified, or that are made up for a test.
    pub(crate) fn of<'a>(
        subject: Subject,
        client_id: Option<&str>,
        scopes: impl Iterator<Item = &'a str>,
        action: impl Into<String>,
        resource: Resource,
    ) -> Self {
        let mut scopes: Vec<Box<str>> = scopes.map(Into::into).collect();
        scopes.sort_unstable();
        scopes.dedup();
        Self {
            subject,
            entry: None,
            client_id: client_id.map(Into::into),
            scopes,
            subject_properties: Properties::new(),
            action: action.into().into(),
            resource,
            organization: None,
            method: None,
            route: None,
            context: Properties::new(),
        }
    }

    /// Sets the organization that the request is about: the tenant.
    #[must_use]
    pub fn organization(mut self, organization: &Organization) -> Self {
        self.organization = Some(organization.clone());
        self
    }

    /// Sets the HTTP method.
    #[must_use]
    pub fn method(mut self, method: &Method) -> Self {
        self.method = Some(method.clone());
        self
    }

    /// Sets the route as the router matched it: `/orgs/{org}/documents/{id}`.
    #[must_use]
    pub fn route(mut self, route: impl Into<String>) -> Self {
        self.route = Some(route.into().into());
        self
    }

    /// Adds a property of the subject, such as roles. A JSON `null` is ignored.
    #[must_use]
    pub fn subject_property(mut self, name: impl Into<String>, value: impl Into<Property>) -> Self {
        insert(&mut self.subject_properties, name, value);
        self
    }

    /// Adds a property of the request. A JSON `null` is ignored.
    #[must_use]
    pub fn context(mut self, name: impl Into<String>, value: impl Into<Property>) -> Self {
        insert(&mut self.context, name, value);
        self
    }
}

/// What a decision point reads.
impl DecisionRequest {
    /// Returns the `sub` claim of the token.
    #[must_use]
    pub fn subject_id(&self) -> &str {
        self.subject.id()
    }

    /// Returns the subject's kind: user, machine or unknown.
    #[must_use]
    pub fn subject_kind(&self) -> SubjectKind {
        self.subject.kind()
    }

    /// Returns the name of the issuer entry. Ids of subjects and of organizations are unique only within one entry.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        self.subject.issuer_name()
    }

    /// Returns the first `iss` value of the issuer entry, which identifies it whatever its name is.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.subject.issuer()
    }

    /// On whose behalf a decision point is asked.
    #[allow(dead_code, reason = "for the clients of decision points, which have features of their own")]
    pub(crate) fn lane(&self) -> Lane {
        let made_up = || Tenant::MadeUp(self.subject.entry().iss().clone());
        let tenant = self.entry.map_or_else(made_up, |entry| Tenant::Entry(entry.number()));
        Lane { tenant, subject: self.subject.shared_id().clone() }
    }

    /// Returns the client that the token was issued to.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// Returns the scopes of the token, sorted.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(AsRef::as_ref)
    }

    /// Returns the action.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Returns the resource.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Returns the id of the verified organization.
    #[must_use]
    pub fn organization_id(&self) -> Option<&str> {
        self.organization.as_ref().map(Organization::id)
    }

    /// Returns the HTTP method, if it is known.
    #[must_use]
    pub const fn http_method(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    /// Returns the matched route, if it is known.
    #[must_use]
    pub fn matched_route(&self) -> Option<&str> {
        self.route.as_deref()
    }

    /// Returns the other properties of the subject, by name.
    pub fn subject_properties(&self) -> impl Iterator<Item = (&str, &Property)> {
        named(&self.subject_properties)
    }

    /// Returns the properties of the request, by name.
    pub fn context_properties(&self) -> impl Iterator<Item = (&str, &Property)> {
        named(&self.context)
    }

    /// Returns the whole request as one comparable value. Two requests have the same key only if the point receives the
    /// same for both.
    #[must_use]
    pub fn key(&self) -> RequestKey {
        RequestKey::of(self)
    }

    /// Checks that the request can be sent: subject, action and resource must be named (AuthZEN 1.0 section 5).
    ///
    /// # Errors
    ///
    /// Returns an error if a name or an id is empty, or the organization belongs to another issuer than the subject.
    pub fn check(&self) -> Result<(), DecisionError> {
        let named = [self.subject_id(), self.action(), self.resource.kind(), self.resource.id()];
        if named.iter().any(|text| text.is_empty()) {
            return Err(DecisionError::wrong("the subject, the action or the resource has no name"));
        }
        match &self.organization {
            Some(organization) if organization.issuer() != self.issuer() => {
                Err(DecisionError::wrong("subject and organization are of different issuers"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for DecisionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecisionRequest")
            .field("action", &self.action)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// The resource of a request to a decision point: a type and an id, and other properties.
///
/// ```
/// use orgate::decision::Resource;
///
/// let document = Resource::new("document", "d-17").property("owner", "user_1");
/// assert_eq!((document.kind(), document.id()), ("document", "d-17"));
/// ```
#[derive(Clone, PartialEq)]
pub struct Resource {
    kind: Box<str>,
    id: Box<str>,
    pub(super) properties: Properties,
}

impl Resource {
    /// Creates a resource with this type and id.
    #[must_use]
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into().into(), id: id.into().into(), properties: Properties::new() }
    }

    /// Adds a property. A JSON `null` is ignored.
    #[must_use]
    pub fn property(mut self, name: impl Into<String>, value: impl Into<Property>) -> Self {
        insert(&mut self.properties, name, value);
        self
    }

    /// Returns the type, such as `document`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the other properties, by name.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &Property)> {
        named(&self.properties)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").field("kind", &self.kind).finish_non_exhaustive()
    }
}

fn insert(properties: &mut Properties, name: impl Into<String>, value: impl Into<Property>) {
    let (name, value) = (name.into().into(), value.into());
    if value.is_null() {
        properties.remove(&name);
    } else {
        properties.insert(name, value);
    }
}

fn named(properties: &Properties) -> impl Iterator<Item = (&str, &Property)> {
    properties.iter().map(|(name, value)| (&**name, value))
}
