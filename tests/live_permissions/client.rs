//! A whole tenant, an API in front of Logto's Management API, and a client that does what it is told.

use std::pin::Pin;
use std::time::Duration;

use orgate::logto::LogtoManagement;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{Policy, organization, path, resource};
use orgate::testing::{Grant, RoleType, TestClock, TestTenant, TokenRequest};
use orgate::{Issuer, ResourceServer};

use crate::support::{API, Answer, Api};

/// The three models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Model {
    Api,
    Organization,
    ApiInOrganization,
}

pub(crate) const MODELS: [Model; 3] = [Model::Api, Model::Organization, Model::ApiInOrganization];

impl Model {
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Api => "/api",
            Self::Organization => "/own/acme",
            Self::ApiInOrganization => "/api/acme",
        }
    }

    pub(crate) fn request(self) -> TokenRequest {
        match self {
            Self::Api => TokenRequest::resource(API),
            Self::Organization => TokenRequest::organization("acme"),
            Self::ApiInOrganization => TokenRequest::resource(API).in_organization("acme"),
        }
    }
}

/// How far the API's clock is from the issuer's, in seconds.
pub(crate) const CLOCKS: [i64; 3] = [0, 60, -60];

/// A setting in which conversations are held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) model: Model,
    pub(crate) ahead: i64,
    pub(crate) is_live: bool,
}

pub(crate) fn settings() -> impl Iterator<Item = Setting> {
    MODELS.into_iter().flat_map(|model| {
        CLOCKS.into_iter().flat_map(move |ahead| [true, false].map(|is_live| Setting { model, ahead, is_live }))
    })
}

/// A source that is wrong about everybody.
struct Wrong(Permissions);

impl PermissionSource for Wrong {
    fn permissions<'a>(
        &'a self,
        _: &'a PermissionQuery,
    ) -> Pin<Box<dyn Future<Output = Result<Permissions, SourceError>> + Send + 'a>> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

/// A tenant with an API of two scopes, an organization `acme`, a user `alice` and a machine `worker`, both members, who hold
/// nothing yet.
pub(crate) struct World {
    pub(crate) tenant: TestTenant,
    pub(crate) clock: TestClock,
    pub(crate) api: Api,
    pub(crate) setting: Setting,
}

impl World {
    pub(crate) async fn start(setting: Setting) -> Self {
        Self::with(setting, None).await
    }

    /// The source says this, whatever is true.
    pub(crate) async fn disagreeing(setting: Setting, says: Permissions) -> Self {
        Self::with(setting, Some(says)).await
    }

    async fn with(setting: Setting, wrong: Option<Permissions>) -> Self {
        let clock = TestClock::new(Duration::from_millis(1_800_000_000_700));
        let tenant = TestTenant::builder().clock(clock.clone()).start().await;
        let by = Duration::from_secs(setting.ahead.unsigned_abs());
        let ours = if setting.ahead < 0 { clock.behind(by) } else { clock.ahead(by) };
        let (id, secret) = tenant.management_client();
        let management = LogtoManagement::builder(tenant.origin(), id, secret);
        let management = management.clock(ours.clone()).calls_per_10_seconds(200).build().unwrap();
        let entry = Issuer::new(tenant.issuer().url()).name("logto");
        let entry = match wrong {
            Some(says) => entry.permissions(Wrong(says)),
            None => entry.permissions(management),
        };
        let server = ResourceServer::builder(entry, API).clock(ours).build().unwrap();
        let fresh = |policy: Policy| {
            let policy = policy.scope("write");
            if setting.is_live { policy.live() } else { policy.fresh_within(Duration::from_secs(30)) }
        };
        let routes = [
            ("/api", fresh(resource())),
            ("/own/{org}", fresh(organization(path("org")))),
            ("/api/{org}", fresh(resource().in_organization(path("org")))),
        ];
        let world = Self { api: Api::of(&server, &routes), tenant, clock, setting };
        world.populate();
        world
    }

    fn populate(&self) {
        let tenant = &self.tenant;
        tenant.add_resource(API, &["read", "write"]);
        tenant.add_organization_role("writer", RoleType::User, &["read", "write"]);
        tenant.add_organization_role("machine-writer", RoleType::MachineToMachine, &["read", "write"]);
        for role in ["writer", "machine-writer"] {
            tenant.add_resource_scope_to_organization_role(role, API, "write");
        }
        tenant.add_role("global-writer", RoleType::User, API, &["write"]);
        tenant.add_role("global-machine-writer", RoleType::MachineToMachine, API, &["write"]);
        tenant.add_organization("acme");
        tenant.add_application("web");
        tenant.add_user("alice");
        tenant.add_machine("worker");
        tenant.add_member("acme", "alice");
        tenant.add_member("acme", "worker");
    }

    fn role(&self, who: &str) -> (&'static str, bool) {
        match (self.setting.model, who) {
            (Model::Api, "worker") => ("global-machine-writer", true),
            (Model::Api, _) => ("global-writer", true),
            (_, "worker") => ("machine-writer", false),
            _ => ("writer", false),
        }
    }

    /// Gives the permission `write` for the model of the setting.
    pub(crate) fn promote(&self, who: &str) {
        match self.role(who) {
            (role, true) => self.tenant.give_role(who, role),
            (role, false) => self.tenant.give_organization_role("acme", who, role),
        }
    }

    pub(crate) fn demote(&self, who: &str) {
        match self.role(who) {
            (role, true) => self.tenant.take_role(who, role),
            (role, false) => self.tenant.take_organization_role("acme", who, role),
        }
    }

    /// Until what was known is forgotten, where it serves for a time.
    pub(crate) fn settle(&self) {
        if !self.setting.is_live {
            self.clock.advance(Duration::from_secs(31));
        }
    }

    pub(crate) async fn get(&self, token: &str) -> Answer {
        self.api.get_at(self.setting.model.path(), token).await
    }
}

/// Who keeps asking until the answer is yes, or nothing helps.
pub(crate) enum Client<'a> {
    User { grant: Grant, request: TokenRequest },
    Machine { tenant: &'a TestTenant, request: TokenRequest, asks: bool },
}

impl<'a> Client<'a> {
    /// Alice, through a client that asks for these scopes at sign-in.
    pub(crate) fn alice(world: &'a World, scopes: &[&str]) -> Self {
        let grant = world.tenant.sign_in("alice", "web", scopes).unwrap();
        Self::User { grant, request: world.setting.model.request() }
    }

    /// The worker; `asks` if it asks for what it is told to ask for.
    pub(crate) fn worker(world: &'a World, scopes: &str, asks: bool) -> Self {
        let request = world.setting.model.request().scope(scopes);
        Self::Machine { tenant: &world.tenant, request, asks }
    }

    pub(crate) fn token(&self) -> Option<String> {
        match self {
            Self::User { grant, request } => grant.refresh(request).ok(),
            Self::Machine { tenant, request, .. } => tenant.machine_token("worker", request).ok(),
        }
    }

    /// Does what it is told; `false` if the issuer rejects.
    fn does(&mut self, remediation: &str) -> bool {
        match (self, remediation) {
            (_, "refresh") => true,
            (Self::User { grant, .. }, "reconsent") => grant.reconsent().is_ok(),
            (Self::Machine { request, asks, .. }, "request_scope") => {
                if *asks {
                    *request = request.clone().scope("write");
                }
                true
            }
            (_, other) => panic!("a client cannot do {other:?}"),
        }
    }

    /// From this token on: each answer until it passes, nothing helps, or the issuer gives no token. Every token is shown
    /// twice, and hears the same.
    pub(crate) async fn converses(&mut self, world: &World, token: String, pause: Duration) -> Vec<String> {
        let (mut token, mut heard) = (token, Vec::new());
        loop {
            let answer = world.get(&token).await;
            let (status, remediation) = answer.verdict();
            assert_eq!(world.get(&token).await.verdict(), (status, remediation.clone()), "{heard:?}");
            heard.push(if status == 200 { "200".to_owned() } else { format!("{status} {remediation}") });
            assert!(heard.len() <= 8, "it goes on and on: {heard:?}");
            if status == 200 || remediation == "none" {
                return heard;
            }
            world.clock.advance(pause);
            if !self.does(&remediation) {
                return heard;
            }
            match self.token() {
                Some(new) => token = new,
                None => return heard,
            }
            world.clock.advance(pause);
        }
    }
}
