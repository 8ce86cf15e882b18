//! Tokens of a tenant in the test process.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::subject::{ProbeSubject, RoleTokens};
use crate::audit::{Directory as _, DirectoryError, RoleLevel, SubjectType, Wanted};
use crate::future::BoxFuture;
use crate::lock::lock;
use crate::testing::{Refused, TestTenant, TokenRequest};

/// Makes a user or a machine in a [`TestTenant`] for each set of roles, and gets its tokens.
///
/// Organization roles are held in one organization. Who holds none is a member of it all the same, unless
/// [`without_membership`](Self::without_membership) says otherwise.
///
/// ```
/// use orgate::testing::{TenantTokens, TestTenant};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let tenant = TestTenant::start().await;
/// tenant.add_resource("https://api.example.com", &["read:orders"]);
/// let tokens = TenantTokens::new(&tenant, "acme").resource("https://api.example.com");
/// # _ = tokens;
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct TenantTokens<'a> {
    tenant: &'a TestTenant,
    organization: String,
    client: String,
    resources: Vec<String>,
    joins: bool,
    made: Mutex<BTreeMap<ProbeSubject, String>>,
}

impl<'a> TenantTokens<'a> {
    /// Uses this organization, which is added if there is none with this id, and an application `probe` to sign in through.
    pub fn new(tenant: &'a TestTenant, organization: impl Into<String>) -> Self {
        let (organization, resources) = (organization.into(), Vec::new());
        let made = Mutex::default();
        Self { tenant, organization, client: "probe".to_owned(), resources, joins: true, made }
    }

    /// Gets tokens for this resource too.
    pub fn resource(mut self, indicator: impl Into<String>) -> Self {
        self.resources.push(indicator.into());
        self
    }

    /// Signs users in through this application, which is added if there is none with this id.
    pub fn client(mut self, id: impl Into<String>) -> Self {
        self.client = id.into();
        self
    }

    /// Keeps those out of the organization who hold no role in it.
    pub const fn without_membership(mut self) -> Self {
        self.joins = false;
        self
    }

    /// Returns the id of the user or machine that stands for a subject: `probe-0` for the first one. It is made if there is
    /// none yet.
    pub fn id(&self, subject: &ProbeSubject) -> String {
        let mut made = lock(&self.made);
        if let Some(id) = made.get(subject) {
            return id.clone();
        }
        let id = format!("probe-{}", made.len());
        made.insert(subject.clone(), id.clone());
        drop(made);
        self.make(subject, &id);
        id
    }

    fn make(&self, subject: &ProbeSubject, id: &str) {
        self.tenant.ensure(&self.organization, &self.client);
        match subject.subjects {
            SubjectType::User => self.tenant.add_user(id),
            SubjectType::Machine => _ = self.tenant.add_machine(id),
        }
        let in_organization = subject.roles.iter().any(|(level, _)| *level == RoleLevel::Organization);
        if in_organization || self.joins {
            self.tenant.add_member(&self.organization, id);
        }
        for (level, role) in &subject.roles {
            match level {
                RoleLevel::Global => self.tenant.give_role(id, role),
                RoleLevel::Organization => self.tenant.give_organization_role(&self.organization, id, role),
            }
        }
    }

    async fn every_token(&self, subject: &ProbeSubject) -> Result<Vec<String>, DirectoryError> {
        let id = self.id(subject);
        let tenant = self.tenant.read(Wanted::roles_only()).await?;
        let of_resources = tenant.resources.iter().flat_map(|resource| &resource.scopes);
        let scopes: Vec<&str> = of_resources.chain(&tenant.organization_permissions).map(String::as_str).collect();
        let wanted = self.resources.iter().flat_map(|resource| {
            let alone = TokenRequest::resource(resource);
            [alone.clone(), alone.in_organization(&self.organization)]
        });
        let mut wanted = wanted.chain([TokenRequest::organization(&self.organization)]);
        let granted: Vec<Result<String, Refused>> = match subject.subjects {
            SubjectType::User => {
                let grant = self.tenant.sign_in(&id, &self.client, &scopes).map_err(|error| refused(&error))?;
                wanted.by_ref().map(|request| grant.refresh(&request)).collect()
            }
            SubjectType::Machine => {
                let scopes = scopes.join(" ");
                wanted.by_ref().map(|request| self.tenant.machine_token(&id, &request.scope(&scopes))).collect()
            }
        };
        Ok(granted.into_iter().filter_map(Result::ok).collect())
    }
}

fn refused(refused: &Refused) -> DirectoryError {
    DirectoryError::new(format!("the tenant rejects a sign-in: {}", refused.code()))
}

impl RoleTokens for TenantTokens<'_> {
    fn tokens<'a>(&'a self, subject: &'a ProbeSubject) -> BoxFuture<'a, Result<Vec<String>, DirectoryError>> {
        Box::pin(self.every_token(subject))
    }
}
