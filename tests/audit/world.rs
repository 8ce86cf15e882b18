//! A random tenant, and a random guard over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::HeaderName;
use orgate::decision::{Decider, Decision, DecisionFuture, DecisionPoint, DecisionRequest};
use orgate::logto::LogtoManagement;
use orgate::policy::RequestSource;
use orgate::policy::{
    all_of, any_of, any_organization, authenticated, check, claim, client, decide, header, machine, optional,
    organization, path, resource, resource_at, sender_constrained, user,
};
use orgate::testing::{RoleType, TestTenant};
use orgate::{Guard, Issuer, Policy, ResourceServer};

use crate::random::Random;
use crate::support::{API, OTHER, UNKNOWN, handler};

const API_SCOPES: [&str; 4] = ["a", "b", "c", "d"];
const OTHER_SCOPES: [&str; 3] = ["a", "x", "y"];
const ORGANIZATION_SCOPES: [&str; 3] = ["a", "o", "p"];
/// Some of them are defined nowhere.
const ASKED: [&str; 9] = ["a", "b", "c", "d", "x", "y", "o", "p", "typo"];

/// What conditions of the world hold now.
#[derive(Default)]
pub(crate) struct Switches {
    pub(crate) check: AtomicBool,
    pub(crate) decision: AtomicBool,
}

struct Point(Arc<Switches>);

impl DecisionPoint for Point {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        let allowed = self.0.decision.load(Ordering::SeqCst);
        Box::pin(async move { Ok(if allowed { Decision::allow().once() } else { Decision::deny().once() }) })
    }
}

pub(crate) struct World {
    pub(crate) tenant: TestTenant,
    pub(crate) guard: Guard,
    pub(crate) switches: Arc<Switches>,
    pub(crate) user_roles: Vec<(String, bool)>,
    pub(crate) machine_roles: Vec<(String, bool)>,
}

impl World {
    pub(crate) async fn random(random: &mut Random) -> Self {
        let tenant = TestTenant::start().await;
        tenant.add_resource(API, &API_SCOPES);
        tenant.add_resource(OTHER, &OTHER_SCOPES);
        for scope in ORGANIZATION_SCOPES {
            tenant.add_organization_scope(scope);
        }
        tenant.add_organization("acme");
        tenant.add_organization("globex");
        let (mut user_roles, mut machine_roles) = (Vec::new(), Vec::new());
        for number in 0..2 + random.below(5) {
            let name = format!("role{number}");
            let machines = random.once_in(3);
            let kind = if machines { RoleType::MachineToMachine } else { RoleType::User };
            let is_global = random.once_in(2);
            let of_api = random.some_of(&API_SCOPES, 3);
            let of_other = random.some_of(&OTHER_SCOPES, 1);
            if is_global {
                tenant.add_role(&name, kind, API, &of_api);
                for scope in of_other {
                    tenant.add_scope_to_role(&name, OTHER, scope);
                }
            } else {
                tenant.add_organization_role(&name, kind, &random.some_of(&ORGANIZATION_SCOPES, 2));
                for (resource, scopes) in [(API, of_api), (OTHER, of_other)] {
                    for scope in scopes {
                        tenant.add_resource_scope_to_organization_role(&name, resource, scope);
                    }
                }
            }
            let roles = if machines { &mut machine_roles } else { &mut user_roles };
            roles.push((name, is_global));
        }
        let switches = Arc::new(Switches::default());
        let servers = [&[API, OTHER, UNKNOWN][..], &[OTHER, API]];
        let [server, second] = servers.map(|resources| server(&tenant, switches.clone(), resources));
        let held = switches.clone();
        let flag = check("flag", move |_| held.check.load(Ordering::SeqCst));
        let (mut guard, mut merged): (Guard, Guard) = (server.guard(), second.guard());
        for number in 0..2 + random.below(5) {
            let path = format!("/r{number}/{{org}}");
            if random.once_in(12) {
                guard = guard.public_on(&path, axum::routing::MethodFilter::GET, handler);
                continue;
            }
            let policy = policy(random, &flag);
            let policy = if random.once_in(8) { optional(policy) } else { policy };
            let policy = match random.below(12) {
                0 => policy.dangerous_shadow_only(),
                1 => policy.shadow(clause(random, &flag)),
                _ => policy,
            };
            if random.once_in(3) && !policy.to_string().contains(UNKNOWN) {
                merged = merged.get(&path, handler, policy);
            } else {
                guard = guard.get(&path, handler, policy);
            }
        }
        let guard = guard.merge(merged);
        Self { tenant, guard, switches, user_roles, machine_roles }
    }
}

/// The first of the resources is "this API".
fn server(tenant: &TestTenant, switches: Arc<Switches>, resources: &[&str]) -> ResourceServer {
    let (id, secret) = tenant.management_client();
    let management = LogtoManagement::builder(tenant.origin(), id, secret).calls_per_10_seconds(100_000);
    let management = management.clock(tenant.issuer().clock()).build().unwrap();
    let issuer = Issuer::new(tenant.issuer().url()).permissions(management);
    let point = Decider::builder(Point(switches)).build().unwrap();
    let builder = ResourceServer::builder(issuer, resources[0]).clock(tenant.issuer().clock()).decision_point(point);
    resources[1..].iter().fold(builder, |builder, resource| builder.resource(*resource)).build().unwrap()
}

/// One to three clauses.
fn policy(random: &mut Random, flag: &Policy) -> Policy {
    let mut policy = clause(random, flag);
    for _ in 0..random.below(3) {
        if random.once_in(2) {
            policy = policy.or(clause(random, flag));
        }
    }
    policy
}

fn source(random: &mut Random) -> RequestSource {
    match random.below(4) {
        0 => header("x-org"),
        1 => any_organization(),
        _ => path("org"),
    }
}

fn clause(random: &mut Random, flag: &Policy) -> Policy {
    let indicator = random.one_of(&[None, None, None, Some(OTHER), Some(UNKNOWN)]);
    let api = || indicator.map_or_else(resource, resource_at);
    let mut is_live = random.once_in(6);
    let (mut policy, takes_scopes) = match random.below(9) {
        0 => {
            is_live = false;
            (authenticated(), false)
        }
        1 | 2 => (api(), true),
        3 => (api().about(path("org")), true),
        4 | 5 => (organization(source(random)), true),
        6 => {
            is_live = true;
            (api().for_member_of(path("org")), true)
        }
        _ => (api().in_organization(source(random)), true),
    };
    if takes_scopes {
        for _ in 0..random.below(3) {
            let scopes = random.some_of(&ASKED, 3);
            let scopes = if scopes.is_empty() { vec!["a"] } else { scopes };
            policy = policy.and(if random.once_in(2) { all_of(scopes) } else { any_of(scopes) });
        }
    }
    if is_live {
        policy = if random.once_in(2) { policy.live() } else { policy.fresh_within(Duration::from_secs(30)) };
    }
    match random.below(8) {
        0 | 1 => policy = policy.and(user()),
        2 => policy = policy.and(machine()),
        _ => {}
    }
    for _ in 0..random.below(3) {
        let condition = match random.below(9) {
            0 => flag.clone(),
            1 => client(["web"]),
            2 => client(["web", "probe-1", "probe-3"]),
            3 => claim("client_id", "web"),
            4 => decide("read", "document", path("org")),
            5 => sender_constrained(),
            _ => continue,
        };
        policy = policy.and(condition);
    }
    policy
}

/// The header that names the organization.
pub(crate) fn organization_header() -> HeaderName {
    HeaderName::from_static("x-org")
}
