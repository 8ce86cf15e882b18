//! Who knows what a subject holds now: one small trait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::source_error::SourceError;
use crate::change::Question;
use crate::future::BoxFuture;
use crate::token::{Subject, SubjectKind};

/// A source of what a subject holds now. Logto's Management API is one
/// ([`LogtoManagement`](crate::logto::LogtoManagement)); any other store of permissions can be another.
///
/// An implementation asks its source each time: what is kept, for how long, and how many ask at once is decided by the
/// caller, who also ends a call that takes longer than two seconds.
///
/// ```
/// use orgate::future::BoxFuture;
/// use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
///
/// /// Everybody may read, nobody may write.
/// struct ReadOnly;
///
/// impl PermissionSource for ReadOnly {
///     fn permissions<'a>(&'a self, query: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
///         Box::pin(async move {
///             match query.subject_id() {
///                 "blocked" => Ok(Permissions::none()),
///                 _ => Ok(Permissions::of(["read:orders"])),
///             }
///         })
///     }
/// }
/// ```
pub trait PermissionSource: Send + Sync + 'static {
    /// What the subject of the query holds now.
    fn permissions<'a>(&'a self, query: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>>;

    /// Whether it could be asked now, for [`ResourceServer::ready`](crate::ResourceServer::ready). Default: it is always ready.
    fn ready(&self) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async { Ok(()) })
    }

    /// Whether a subject that exists is suspended now: `Some(false)` ends a suspension that a log has kept. Default: unknown.
    fn is_suspended<'a>(&'a self, _subject_id: &'a str) -> BoxFuture<'a, Result<Option<bool>, SourceError>> {
        Box::pin(async { Ok(None) })
    }

    /// What many subjects have in common has changed: a source that keeps roles, a template or permissions drops them. Called
    /// before a change takes effect, which waits for it, so it must not block. A panic in it is caught. Default: nothing.
    fn invalidate(&self) {}

    /// Returns how many calls its own limit allows now: for [`Usage`](crate::server::Usage). By default it has no limit.
    fn calls_left(&self) -> Option<usize> {
        None
    }

    /// Returns how many questions a minute it can be asked to watch what long connections rest on, beside requests: see
    /// [`lease`](crate::lease). By default it has no limit.
    fn lookups_per_minute(&self) -> Option<u32> {
        None
    }
}

/// The query to a permission source: a subject, and what its permissions are for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PermissionQuery {
    pub(crate) issuer_name: Arc<str>,
    pub(crate) subject: Arc<str>,
    pub(crate) kind: SubjectKind,
    pub(crate) model: PermissionModel,
}

/// What permissions are for: one of the three authorization models.
///
/// ```
/// use orgate::permissions::PermissionModel;
///
/// let api = PermissionModel::resource("https://api.example.com");
/// assert_eq!(api.as_str(), "resource");
/// assert_eq!(api.in_organization("acme").as_str(), "resource_in_organization");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PermissionModel {
    /// The API as a whole.
    #[non_exhaustive]
    Resource {
        /// The resource indicator.
        indicator: Arc<str>,
    },
    /// An organization's own permissions.
    #[non_exhaustive]
    Organization {
        /// The organization's id.
        organization: Arc<str>,
    },
    /// The API within an organization.
    #[non_exhaustive]
    ResourceInOrganization {
        /// The resource indicator.
        indicator: Arc<str>,
        /// The organization's id.
        organization: Arc<str>,
    },
    /// The API within each organization that the subject is a member of, through one client: what tokens *for those
    /// organizations* would hold. One answer for all of them, so that an organization that a request invents costs nothing.
    #[non_exhaustive]
    Memberships {
        /// The resource indicator.
        indicator: Arc<str>,
        /// The client that the subject acts through, if it is known.
        client: Option<Arc<str>>,
    },
}

impl PermissionModel {
    /// Returns the stable name, for logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Resource { .. } => "resource",
            Self::Organization { .. } => "organization",
            Self::ResourceInOrganization { .. } => "resource_in_organization",
            Self::Memberships { .. } => "memberships",
        }
    }
}

impl PermissionModel {
    /// Names the API with this resource indicator, as a whole.
    pub fn resource(indicator: impl Into<Arc<str>>) -> Self {
        Self::Resource { indicator: indicator.into() }
    }

    /// Names the API with this resource indicator, within each organization of the subject, through this client.
    pub fn memberships(indicator: impl Into<Arc<str>>, client: Option<&str>) -> Self {
        Self::Memberships { indicator: indicator.into(), client: client.map(Into::into) }
    }

    /// Names the organization's own permissions, for the organization with this id.
    pub fn organization(id: impl Into<Arc<str>>) -> Self {
        Self::Organization { organization: id.into() }
    }

    /// Names the same API, within the organization with this id. An organization's own permissions become those of that
    /// organization.
    #[must_use]
    pub fn in_organization(self, id: impl Into<Arc<str>>) -> Self {
        match self {
            Self::Resource { indicator }
            | Self::Memberships { indicator, .. }
            | Self::ResourceInOrganization { indicator, .. } => {
                Self::ResourceInOrganization { indicator, organization: id.into() }
            }
            Self::Organization { .. } => Self::organization(id),
        }
    }
}

impl PermissionQuery {
    pub(crate) fn new(subject: &Subject, model: PermissionModel) -> Self {
        let id = subject.shared_id().clone();
        Self { issuer_name: subject.entry().name().clone(), subject: id, kind: subject.kind(), model }
    }

    /// Creates a query as a server does, to ask a source directly: at startup, or in a test.
    ///
    /// ```
    /// use orgate::token::SubjectKind;
    /// use orgate::permissions::{PermissionModel, PermissionQuery};
    ///
    /// let model = PermissionModel::resource("https://api.example.com").in_organization("acme");
    /// let query = PermissionQuery::of("customers", "alice", SubjectKind::User, model);
    /// assert_eq!(query.organization_id(), Some("acme"));
    /// ```
    pub fn of(
        issuer_name: impl Into<Arc<str>>,
        subject_id: impl Into<Arc<str>>,
        kind: SubjectKind,
        model: PermissionModel,
    ) -> Self {
        Self { issuer_name: issuer_name.into(), subject: subject_id.into(), kind, model }
    }

    /// Returns the name of the issuer entry that the subject belongs to.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        &self.issuer_name
    }

    /// Returns the subject's id: a user's, or for a machine the client's.
    #[must_use]
    pub fn subject_id(&self) -> &str {
        &self.subject
    }

    /// Returns the subject's kind: user, machine or unknown.
    #[must_use]
    pub fn subject_kind(&self) -> SubjectKind {
        self.kind
    }

    /// Returns what the permissions are for.
    #[must_use]
    pub fn model(&self) -> &PermissionModel {
        &self.model
    }

    /// What must not have changed since the answer.
    pub(crate) fn question(&self) -> Question<'_> {
        let subject = &*self.subject;
        match &self.model {
            PermissionModel::Resource { .. } => Question::Api { subject, is_user: self.kind != SubjectKind::Machine },
            // What roles in any organization hold, whoever has them.
            PermissionModel::Memberships { .. } => Question::Api { subject, is_user: true },
            PermissionModel::Organization { organization } => {
                Question::Organization { subject, organization, api: false }
            }
            PermissionModel::ResourceInOrganization { organization, .. } => {
                Question::Organization { subject, organization, api: true }
            }
        }
    }

    /// Returns the organization that the permissions are in; `None` for the API as a whole, and for all memberships.
    #[must_use]
    pub fn organization_id(&self) -> Option<&str> {
        match &self.model {
            PermissionModel::Resource { .. } | PermissionModel::Memberships { .. } => None,
            PermissionModel::Organization { organization }
            | PermissionModel::ResourceInOrganization { organization, .. } => Some(organization),
        }
    }
}

/// The permissions that a subject holds now.
///
/// ```
/// use std::collections::BTreeSet;
/// use std::sync::Arc;
/// use orgate::permissions::Permissions;
///
/// let holds_two_scopes = Permissions::of(["read:orders", "write:orders"]);
/// let is_suspended = Permissions::none();
/// let in_one_organization = Permissions::of_memberships([("acme", Arc::new(BTreeSet::from(["read:orders".into()])))]);
/// # _ = (holds_two_scopes, is_suspended, in_one_organization);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    may_act: bool,
    scopes: BTreeSet<Box<str>>,
    organizations: BTreeMap<Box<str>, Arc<BTreeSet<Box<str>>>>,
}

impl Permissions {
    /// Creates the answer for a subject that may act and holds these scopes, or none.
    pub fn of<S: Into<Box<str>>>(scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes = scopes.into_iter().map(Into::into).collect();
        Self { may_act: true, scopes, organizations: BTreeMap::new() }
    }

    /// Creates the answer for a subject that may not act at all: it does not exist, is suspended, or is not a member of
    /// the organization.
    #[must_use]
    pub const fn none() -> Self {
        Self { may_act: false, scopes: BTreeSet::new(), organizations: BTreeMap::new() }
    }

    /// Creates the answer for [`PermissionModel::Memberships`]: the subject may act, and is a member of these
    /// organizations with these scopes in each.
    pub fn of_memberships(
        organizations: impl IntoIterator<Item = (impl Into<Box<str>>, Arc<BTreeSet<Box<str>>>)>,
    ) -> Self {
        let organizations = organizations.into_iter().map(|(id, scopes)| (id.into(), scopes)).collect();
        Self { may_act: true, scopes: BTreeSet::new(), organizations }
    }

    /// Returns what the subject holds in one organization, of an answer for [`PermissionModel::Memberships`]:
    /// [`none`](Self::none) where it is not a member.
    #[must_use]
    pub fn in_organization(&self, id: &str) -> Self {
        match self.organizations.get(id) {
            Some(scopes) if self.may_act => Self::of(scopes.iter().cloned()),
            _ => Self::none(),
        }
    }

    pub(crate) const fn may_act(&self) -> bool {
        self.may_act
    }

    pub(crate) fn holds(&self, scope: &str) -> bool {
        self.may_act && self.scopes.contains(scope)
    }

    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(|scope| &**scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain;

    impl PermissionSource for Plain {
        fn permissions<'a>(&'a self, _query: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
            Box::pin(async { Ok(Permissions::none()) })
        }
    }

    #[tokio::test]
    async fn source_that_says_nothing_else_is_ready_without_limits_and_knows_no_suspensions() {
        assert!(Plain.ready().await.is_ok());
        assert_eq!(Plain.is_suspended("alice").await.ok(), Some(None));
        assert_eq!((Plain.calls_left(), Plain.lookups_per_minute()), (None, None));
    }
}
