//! Routes for members whose clients cannot ask for a token of the organization: a random world, seen from outside.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use http::Request;
use orgate::change::Change;
use orgate::logto::LogtoManagement;
use orgate::policy::{Policy, path, resource};
use orgate::testing::{Endpoint, Fault, RoleType, TestClock, TestTenant, TokenRequest};
use orgate::time::Clock as _;
use orgate::{Issuer, Organization, ResourceServer};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::world::API;

const ORGANIZATIONS: [&str; 3] = ["o1", "o2", "o3"];
const USERS: [&str; 3] = ["u1", "u2", "u3"];
const CLIENTS: [&str; 3] = ["web", "partner", "document"];
const MACHINE: &str = "m1";

/// Yes and no, as the test runner throws them.
struct Coins(std::vec::IntoIter<bool>);

impl Coins {
    fn toss(&mut self) -> bool {
        self.0.next().unwrap_or(false)
    }
}

/// One of several issuers that know the same ids.
struct Issued {
    tenant: TestTenant,
    suspended: Vec<&'static str>,
    members: Vec<(&'static str, &'static str)>,
}

impl Issued {
    async fn start(clock: &TestClock, coins: &mut Coins) -> Self {
        let tenant = TestTenant::builder().clock(clock.clone()).start().await;
        tenant.add_resource(API, &["read", "write"]);
        tenant.add_organization_role("writer", RoleType::User, &[]);
        tenant.add_organization_role("robot", RoleType::MachineToMachine, &[]);
        tenant.add_role("global", RoleType::User, API, &["write"]);
        for role in ["writer", "robot"] {
            tenant.add_resource_scope_to_organization_role(role, API, "write");
        }
        tenant.add_application("web");
        tenant.add_third_party_application("partner");
        tenant.add_application_by_document("document", "https://client.example/metadata.json");
        tenant.add_machine(MACHINE);
        for user in USERS {
            tenant.add_user(user);
        }
        if coins.toss() {
            tenant.give_role(USERS[0], "global");
        }
        let mut members = Vec::new();
        for organization in ORGANIZATIONS {
            tenant.add_organization(organization);
            for (id, role) in USERS.map(|user| (user, "writer")).into_iter().chain([(MACHINE, "robot")]) {
                if coins.toss() {
                    tenant.add_member(organization, id);
                    members.push((organization, id));
                    if coins.toss() {
                        tenant.give_organization_role(organization, id, role);
                    }
                }
            }
            for (user, client) in USERS.into_iter().flat_map(|user| CLIENTS.map(|client| (user, client))) {
                if client != "web" && coins.toss() {
                    tenant.consent_to_organization(user, client, organization);
                }
            }
        }
        if coins.toss() {
            tenant.require_mfa(ORGANIZATIONS[2]);
        }
        if coins.toss() {
            tenant.set_up_mfa(USERS[1]);
        }
        let suspended: Vec<_> = USERS.into_iter().filter(|_| coins.toss() && coins.toss()).collect();
        for user in &suspended {
            tenant.suspend(user);
        }
        Self { tenant, suspended, members }
    }

    fn entry(&self, name: &str, clock: &TestClock) -> Issuer {
        let (id, secret) = self.tenant.management_client();
        let management = LogtoManagement::builder(self.tenant.origin(), id, secret).clock(clock.clone());
        Issuer::new(self.tenant.issuer().url()).name(name).permissions(management.build().unwrap())
    }

    /// Takes away some of what was given: memberships, consents, roles, users, an organization.
    fn change(&self, coins: &mut Coins) {
        let tenant = &self.tenant;
        for (organization, member) in &self.members {
            if coins.toss() && coins.toss() {
                tenant.remove_member(organization, member);
            }
        }
        for organization in ORGANIZATIONS {
            for user in USERS {
                if coins.toss() && coins.toss() {
                    tenant.withdraw_consent(user, "partner", organization);
                }
            }
        }
        if coins.toss() {
            tenant.take_role(USERS[0], "global");
        }
        if coins.toss() && coins.toss() {
            tenant.remove_organization(ORGANIZATIONS[1]);
        }
    }

    /// Whether a token for this organization would hold the scope, if it were issued now.
    fn grants(&self, subject: &str, client: &str, organization: &str) -> bool {
        if self.suspended.contains(&subject) || client == "document" {
            return false;
        }
        let request = TokenRequest::resource(API).in_organization(organization).scope("write");
        let token = if subject == MACHINE {
            self.tenant.machine_token(MACHINE, &request)
        } else {
            self.tenant.exchange(client, &self.tenant.subject_token(subject), &request)
        };
        token.is_ok_and(|token| {
            let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
            serde_json::from_slice::<Value>(&payload).unwrap()["scope"] == "write"
        })
    }
}

/// The audience of an organization's own tokens.
fn own(organization: &str) -> String {
    format!("urn:logto:organization:{organization}")
}

/// How many situations granted and denied, before and after the changes.
#[derive(Default)]
struct Seen([[u32; 2]; 2]);

impl Seen {
    fn count(&mut self, grants: bool, is_changed: bool) {
        self.0[usize::from(is_changed)][usize::from(grants)] += 1;
    }
}

fn app(server: &ResourceServer, policy: Policy) -> Router {
    server.guard().get("/{org}", async |org: Organization| org.id().to_owned(), policy).into_router().unwrap()
}

async fn ask(app: &Router, organization: &str, token: &str) -> (u16, Value) {
    let request = Request::get(format!("/{organization}")).header("authorization", format!("Bearer {token}"));
    let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), 100_000).await.unwrap();
    if status == 200 {
        assert_eq!(body, organization.as_bytes());
    }
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn compare(coins: Vec<bool>) -> Result<Seen, TestCaseError> {
    let mut seen = Seen::default();
    let mut coins = Coins(coins.into_iter());
    let clock = TestClock::new(Duration::from_secs(1_800_000_000));
    let (one, two) = (Issued::start(&clock, &mut coins).await, Issued::start(&clock, &mut coins).await);
    let builder = ResourceServer::builder(one.entry("one", &clock), API).issuer(two.entry("two", &clock));
    let server = builder.clock(clock.clone()).build().unwrap();
    let member = || resource().for_member_of(path("org")).scope("write").any_issuer().live();
    let (app, acting) = (app(&server, member()), app(&server, member().acting_allowed()));
    let subjects = USERS.into_iter().flat_map(|user| CLIENTS.map(|client| (user, client)));
    // As it is at first, and once some are removed, withdraw a consent, or lose a role.
    for (issued, is_changed) in [(&one, false), (&two, false), (&one, true), (&two, true)] {
        if is_changed {
            issued.change(&mut coins);
        }
        for (subject, client) in subjects.clone().chain([(MACHINE, MACHINE)]) {
            clock.advance(Duration::from_secs(10));
            for organization in ORGANIZATIONS.into_iter().chain(["unknown"]) {
                let grants = issued.grants(subject, client, organization);
                let what = format!("{subject} through {client} in {organization}: {grants}");
                let token = || issued.tenant.issuer().resource_token(API).subject(subject).client(client);
                let plain = token().scope("read write").mint();
                let (status, problem) = ask(&app, organization, &plain).await;
                prop_assert_eq!(status == 200, grants, "{} {} {}", what, status, problem);
                if !grants {
                    // No new token would help, unless the subject is gone or suspended.
                    let expected = if issued.suspended.contains(&subject) { (401, "refresh") } else { (403, "none") };
                    let remediation = problem["remediation"].as_str().unwrap();
                    prop_assert!(
                        (status, remediation) == expected || status == 403 && expected.0 == 401,
                        "{} {}",
                        what,
                        problem
                    );
                }
                // The token's own scopes bound what passes.
                prop_assert!(ask(&app, organization, &token().scope("read").mint()).await.0 != 200, "{}", what);
                // For the request's organization, injected or issued, and for another one.
                let same = token().scope("write").claim("organization_id", organization).mint();
                prop_assert_eq!(ask(&app, organization, &same).await.0 == 200, grants, "{}", what);
                let other = token().scope("write").claim("organization_id", "o9").mint();
                prop_assert_eq!(ask(&app, organization, &other).await.0, 403, "{}", what);
                // What custom claims can make of it is never taken for absent, nor for the request's.
                for forged in [json!(""), json!(null), json!([organization]), json!(1), json!({ "id": organization })] {
                    let forged = token().scope("write").claim("organization_id", forged).mint();
                    prop_assert!(matches!(ask(&app, organization, &forged).await.0, 401 | 403), "{}", what);
                }
                // A token of the organization, and one for both.
                for audience in [vec![own(organization)], vec![own(organization), API.to_owned()]] {
                    let own = token().scope("write").audience(audience).mint();
                    prop_assert!(matches!(ask(&app, organization, &own).await.0, 401 | 403), "{}", what);
                }
                // Somebody acts for the subject.
                for act in [json!({ "sub": "agent" }), json!({})] {
                    let acted = token().scope("write").claim("act", act).mint();
                    prop_assert_eq!(ask(&app, organization, &acted).await.0, 403, "{}", what);
                    prop_assert_eq!(ask(&acting, organization, &acted).await.0 == 200, grants, "{}", what);
                }
                let acted = token().scope("write").claim("act", json!(null)).mint();
                prop_assert!(ask(&app, organization, &acted).await.0 != 200, "{}", what);
                seen.count(grants, is_changed);
            }
        }
    }
    Ok(seen)
}

/// As many worlds as this, always the same ones, if the environment does not say otherwise.
const WORLDS: u32 = 2;
const WORLDS_FROM: &str = "ORGATE_WORLDS";

#[test]
fn members_pass_where_a_token_for_the_organization_would() {
    let wanted = std::env::var(WORLDS_FROM).ok().map(|count| count.parse().expect(WORLDS_FROM));
    let worlds = wanted.unwrap_or(WORLDS);
    let mut config = ProptestConfig::with_cases(worlds);
    config.failure_persistence = None;
    let counts = std::cell::RefCell::new([[0; 2]; 2]);
    let mut runner = match wanted {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let compared = runner.run(&prop::collection::vec(any::<bool>(), 240), |coins| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let seen = runtime.block_on(compare(coins))?;
        let mut counts = counts.borrow_mut();
        seen.0.into_iter().flatten().zip(counts.as_flattened_mut()).for_each(|(seen, count)| *count += seen);
        Ok(())
    });
    compared.unwrap();
    let counts = counts.into_inner();
    println!("{worlds} worlds; denied and granted, before and after changes: {counts:?}");
    assert!(counts.as_flattened().iter().all(|count| *count > 0), "{counts:?}");
}

#[tokio::test]
async fn removed_member_is_rejected_and_invented_organizations_cost_no_call() {
    let clock = TestClock::new(Duration::from_secs(1_800_000_000));
    let issued = Issued::start(&clock, &mut Coins(Vec::new().into_iter())).await;
    let tenant = &issued.tenant;
    tenant.add_member("o1", "u1");
    tenant.give_organization_role("o1", "u1", "writer");
    let server = ResourceServer::builder(issued.entry("one", &clock), API).clock(clock.clone()).build().unwrap();
    let fresh = resource().for_member_of(path("org")).scope("write").fresh_within(Duration::from_secs(30));
    let (app, hidden) = (app(&server, fresh.clone()), app(&server, fresh.hide_organization()));
    let token = tenant.issuer().resource_token(API).subject("u1").client("web").scope("write").mint();
    assert_eq!(ask(&app, "o1", &token).await.0, 200);
    clock.advance(Duration::from_secs(62));
    assert_eq!(ask(&app, "o1", &token).await.0, 200);
    let asked = tenant.issuer().requests(Endpoint::Management);
    for number in 0..100 {
        let (status, problem) = ask(&app, &format!("x{number}"), &token).await;
        assert_eq!((status, problem["remediation"].as_str()), (403, Some("none")), "{problem}");
        assert_eq!(ask(&hidden, &format!("x{number}"), &token).await.0, 404);
    }
    assert_eq!(tenant.issuer().requests(Endpoint::Management), asked);
    tenant.remove_member("o1", "u1");
    clock.advance(Duration::from_secs(31));
    assert_eq!(ask(&app, "o1", &token).await.0, 403);
}

#[tokio::test]
async fn policies_for_members_need_the_source() {
    let clock = TestClock::new(Duration::from_secs(1_800_000_000));
    let issued = Issued::start(&clock, &mut Coins(Vec::new().into_iter())).await;
    let server = ResourceServer::builder(issued.entry("one", &clock), API).clock(clock.clone()).build().unwrap();
    let member = || resource().for_member_of(path("org")).scope("write");
    let error = |server: &ResourceServer, policy: Policy| server.require(policy).map(|_| ()).unwrap_err().to_string();
    assert!(error(&server, member()).contains("`live` or `fresh within`"));
    assert!(error(&server, member().live().dangerous_token_only_on_error()).contains("`token only on error`"));
    assert!(error(&server, resource().live().acting_allowed()).contains("acting_allowed"));
    assert!(
        error(&server, resource().for_member_of(orgate::policy::any_organization()).live())
            .contains("any_organization")
    );
    let without = ResourceServer::builder(issued.tenant.issuer().url(), API).build().unwrap();
    assert!(error(&without, member().live()).contains("has no permission source"));
    for policy in [member().live(), member().acting_allowed().live(), member().live().hide_organization()] {
        let text = policy.to_string();
        assert_eq!(text.parse::<Policy>().unwrap().to_string(), text);
        assert!(server.require(policy).is_ok());
    }
}

/// A user of one organization, and a third-party client to which the user has consented.
async fn partner_of_member() -> (TestClock, Issued, ResourceServer, String) {
    let clock = TestClock::new(Duration::from_secs(1_800_000_000));
    let issued = Issued::start(&clock, &mut Coins(Vec::new().into_iter())).await;
    for organization in ["o1", "o2"] {
        issued.tenant.add_member(organization, "u1");
        issued.tenant.give_organization_role(organization, "u1", "writer");
        issued.tenant.consent_to_organization("u1", "partner", organization);
    }
    let server = ResourceServer::builder(issued.entry("one", &clock), API).clock(clock.clone()).build().unwrap();
    let token = issued.tenant.issuer().resource_token(API).subject("u1").client("partner").scope("write").mint();
    (clock, issued, server, token)
}

fn fresh() -> Policy {
    resource().for_member_of(path("org")).scope("write").fresh_within(Duration::from_secs(30))
}

#[tokio::test]
async fn withdrawn_consent_passes_until_the_age_that_the_route_allows_and_not_longer() {
    let (clock, issued, server, token) = partner_of_member().await;
    let app = app(&server, fresh());
    assert_eq!(ask(&app, "o1", &token).await.0, 200);
    issued.tenant.withdraw_consent("u1", "partner", "o1");
    assert_eq!(ask(&app, "o1", &token).await.0, 200);
    clock.advance(Duration::from_secs(31));
    assert_eq!(ask(&app, "o1", &token).await.0, 403);
    assert_eq!(ask(&app, "o2", &token).await.0, 200);
}

#[tokio::test]
async fn change_of_a_membership_is_obeyed_at_once_in_its_organization() {
    let (clock, issued, server, token) = partner_of_member().await;
    let app = app(&server, fresh());
    for organization in ["o1", "o2"] {
        assert_eq!(ask(&app, organization, &token).await.0, 200);
    }
    issued.tenant.remove_member("o1", "u1");
    let (entry, at) = (server.issuer("one").unwrap(), std::time::SystemTime::UNIX_EPOCH + clock.now().unix);
    entry.apply_change(&Change::member_removed(entry.issuer(), "o1", "u1", at)).unwrap();
    assert_eq!(ask(&app, "o1", &token).await.0, 403);
    assert_eq!(ask(&app, "o2", &token).await.0, 200);
}

#[tokio::test]
async fn source_that_is_down_is_503_for_members() {
    let (_, issued, server, token) = partner_of_member().await;
    let app = app(&server, fresh());
    issued.tenant.issuer().fail_always(Endpoint::Management, Fault::Status(500));
    assert_eq!(ask(&app, "o1", &token).await.0, 503);
    issued.tenant.issuer().recover();
}
