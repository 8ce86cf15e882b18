//! Webhooks as they arrive: at a route, beside the routes that they change.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use orgate::change::{About, Change};
use orgate::logto::webhooks::{Event, MAX_BODY_BYTES, SigningKeys};
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{organization, path, resource};
use orgate::testing::{RoleType, TestTenant, TokenRequest, WebhookDelivery};
use orgate::time::Clock as _;
use orgate::{Issuer, ResourceServer};
use serde_json::Value;
use tower::ServiceExt as _;

const API: &str = "https://api.example.com";

/// Everybody holds the same, and whoever is asked about is written down.
#[derive(Clone, Default)]
struct Source(Arc<Mutex<Vec<String>>>);

impl PermissionSource for Source {
    fn permissions<'a>(
        &'a self,
        query: &'a PermissionQuery,
    ) -> Pin<Box<dyn Future<Output = Result<Permissions, SourceError>> + Send + 'a>> {
        let asked = format!("{} {}", query.subject_id(), query.organization_id().unwrap_or("api"));
        self.0.lock().unwrap().push(asked);
        Box::pin(async { Ok(Permissions::of(["read"])) })
    }
}

/// A tenant, and an API that it delivers to.
struct World {
    tenant: TestTenant,
    server: ResourceServer,
    source: Source,
    seen: Arc<Mutex<Vec<String>>>,
    app: Router,
}

impl World {
    /// Alice and Bob are members of acme and globex, and so is a machine, the worker.
    async fn start() -> Self {
        let tenant = TestTenant::start().await;
        let keys = SigningKeys::new([tenant.signing_key()]).unwrap();
        tenant.add_resource(API, &["read", "write"]);
        tenant.add_role("reader", RoleType::User, API, &["read"]);
        tenant.add_organization_role("member", RoleType::User, &["read:members"]);
        tenant.add_application("web");
        tenant.add_machine("worker");
        for user in ["alice", "bob"] {
            tenant.add_user(user);
        }
        for organization in ["acme", "globex"] {
            tenant.add_organization(organization);
            for member in ["alice", "bob", "worker"] {
                tenant.add_member(organization, member);
            }
        }
        let world = Self::of(tenant, keys);
        assert!(!world.told().is_empty());
        world
    }

    fn of(tenant: TestTenant, keys: SigningKeys) -> Self {
        let (source, seen) = (Source::default(), Arc::<Mutex<Vec<String>>>::default());
        let issuer = Issuer::new(tenant.issuer().url()).name("tenant").permissions(source.clone());
        let server = ResourceServer::builder(issuer, API).clock(tenant.issuer().clock()).build().unwrap();
        let told = Arc::clone(&seen);
        let webhooks = server
            .issuer("tenant")
            .unwrap()
            .webhooks(keys)
            .on_event(move |event| told.lock().unwrap().push(event.name().to_owned()));
        let hour = Duration::from_secs(3600);
        let app = server
            .guard()
            .get("/api", async || "ok", resource())
            .get("/orgs/{org}", async || "ok", organization(path("org")))
            .get("/live/api", async || "ok", resource().fresh_within(hour))
            .get("/live/orgs/{org}", async || "ok", organization(path("org")).fresh_within(hour))
            .public("/webhooks/logto", webhooks.endpoint())
            .into_router()
            .unwrap();
        Self { tenant, server, source, seen, app }
    }

    /// Two seconds: a token of after is younger than what happened before.
    fn pass(&self) {
        self.tenant.issuer().clock().advance(Duration::from_secs(2));
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.tenant.issuer().clock().now().unix
    }

    fn told(&self) -> Vec<WebhookDelivery> {
        let told = self.tenant.take_deliveries();
        self.pass();
        told
    }

    async fn send(&self, request: Request<Body>) -> (u16, Vec<u8>) {
        let (head, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        (head.status.as_u16(), body.collect().await.unwrap().to_bytes().to_vec())
    }

    async fn post(&self, headers: HeaderMap, body: impl Into<Body>) -> u16 {
        let mut request = Request::post("/webhooks/logto").body(body.into()).unwrap();
        *request.headers_mut() = headers;
        self.send(request).await.0
    }

    async fn deliver(&self, delivery: &WebhookDelivery) -> u16 {
        self.post(delivery.headers().clone(), delivery.body().clone()).await
    }

    async fn deliver_all(&self, deliveries: impl IntoIterator<Item = &WebhookDelivery>) {
        for delivery in deliveries {
            assert_eq!(self.deliver(delivery).await, 200, "{delivery:?}");
        }
    }

    /// What changed is delivered.
    async fn catch_up(&self) {
        self.pass();
        self.deliver_all(&self.told()).await;
    }

    /// The status, and what the client can do about it.
    async fn verdict(&self, path: &str, token: &str) -> (u16, String) {
        let request = Request::get(path).header("authorization", format!("Bearer {token}")).body(Body::empty());
        let (status, body) = self.send(request.unwrap()).await;
        if status == 200 {
            return (200, String::new());
        }
        let problem: Value = serde_json::from_slice(&body).unwrap();
        (status, problem["remediation"].as_str().unwrap().to_owned())
    }

    async fn passes(&self, path: &str, token: &str) {
        assert_eq!(self.verdict(path, token).await, (200, String::new()), "{path}");
    }

    async fn refused(&self, path: &str, token: &str, remediation: &str) {
        assert_eq!(self.verdict(path, token).await, (401, remediation.to_owned()), "{path}");
    }

    fn api_token(&self, user: &str) -> String {
        self.tenant.issuer().resource_token(API).subject(user).mint()
    }

    fn organization_token(&self, organization: &str, user: &str) -> String {
        self.tenant.issuer().organization_token(organization).subject(user).mint()
    }

    /// Everybody comes to the live routes with new tokens: whom the source is asked about.
    async fn asked(&self) -> Vec<String> {
        let issuer = self.tenant.issuer();
        for subject in ["alice", "bob", "worker"] {
            let of = |token: orgate::testing::TokenBuilder| {
                if subject == "worker" { token.machine(subject).mint() } else { token.subject(subject).mint() }
            };
            for organization in ["acme", "globex"] {
                let token = of(issuer.organization_token(organization));
                self.verdict(&format!("/live/orgs/{organization}"), &token).await;
            }
            self.verdict("/live/api", &of(issuer.resource_token(API))).await;
        }
        std::mem::take(&mut *self.source.0.lock().unwrap())
    }
}

#[tokio::test]
async fn every_recorded_delivery_is_taken() {
    let recorded: Value = serde_json::from_str(include_str!("golden/logto-1.37/webhooks.json")).unwrap();
    let keys = ["signing_key", "signing_key_after_rotation"].map(|key| recorded[key].as_str().unwrap());
    let tenant = TestTenant::start().await;
    // The moment of the recording.
    tenant.issuer().clock().set_wall(Duration::from_secs(1_795_181_800));
    let world = World::of(tenant, SigningKeys::new(keys).unwrap());
    let (deleted, other) = (world.api_token("cqcep3ppcqlf"), world.api_token("alice"));
    world.passes("/api", &deleted).await;
    let mut names = Vec::new();
    for delivery in recorded["deliveries"].as_array().unwrap() {
        let body = BASE64_STANDARD.decode(delivery["body_base64"].as_str().unwrap()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("logto-signature-sha-256", delivery["signature"].as_str().unwrap().parse().unwrap());
        let event: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(world.post(headers, body).await, 200, "{event}");
        names.push(event["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(names.len(), 36);
    assert_eq!(*world.seen.lock().unwrap(), names);
    world.refused("/api", &deleted, "authenticate").await;
    world.passes("/api", &other).await;
}

#[tokio::test]
async fn what_is_rejected_has_not_happened() {
    let world = World::start().await;
    let token = world.api_token("alice");
    world.tenant.suspend("alice");
    let suspension = &world.told()[0];
    let signed = |body: Vec<u8>| world.tenant.sign_delivery(body);

    assert_eq!(world.deliver(&suspension.clone().unsigned()).await, 401);
    let of_another = world.tenant.test_delivery().headers().clone();
    assert_eq!(world.post(of_another, suspension.body().clone()).await, 401);
    assert_eq!(world.deliver(&signed(vec![b' '; MAX_BODY_BYTES + 1])).await, 413);
    assert_eq!(world.post(HeaderMap::new(), vec![b' '; MAX_BODY_BYTES + 1]).await, 401, "the head comes first");
    for unreadable in ["", "null", "[]", "{}", "{\"event\":\"User.Deleted\"}"] {
        assert_eq!(world.deliver(&signed(unreadable.into())).await, 400, "{unreadable}");
    }
    assert_eq!(world.send(Request::get("/webhooks/logto").body(Body::empty()).unwrap()).await.0, 405);
    world.tenant.rotate_signing_key();
    assert_eq!(world.deliver(&signed(suspension.body().to_vec())).await, 401, "a key that is not known");
    assert!(world.seen.lock().unwrap().is_empty());
    world.passes("/api", &token).await;

    assert_eq!(world.deliver(suspension).await, 200);
    assert_eq!(*world.seen.lock().unwrap(), ["User.SuspensionStatus.Updated"]);
    world.refused("/api", &token, "authenticate").await;
}

#[tokio::test]
async fn no_more_is_read_than_a_delivery_may_have() {
    const CHUNK: usize = 64 * 1024;
    let world = World::start().await;
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    let chunks = stream::repeat_with(move || {
        counted.fetch_add(CHUNK, Ordering::Relaxed);
        Ok::<_, Infallible>(vec![b' '; CHUNK])
    });
    // What is no signature is told before anything of the body is read.
    let unsigned = Body::from_stream(stream::repeat_with(|| -> Result<Vec<u8>, Infallible> { panic!("it is read") }));
    assert_eq!(world.post(HeaderMap::new(), unsigned).await, 401);
    assert_eq!(world.post(some_signature(), Body::from_stream(chunks.take(64))).await, 413);
    assert!(read.load(Ordering::Relaxed) <= MAX_BODY_BYTES + CHUNK, "{read:?}");
    // A body that announces that it is too large is not read either.
    assert_eq!(world.post(some_signature(), vec![b' '; MAX_BODY_BYTES + 1]).await, 413);
}

fn some_signature() -> HeaderMap {
    HeaderMap::from_iter([("logto-signature-sha-256".parse().unwrap(), "0".repeat(64).parse().unwrap())])
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_called_too_large() {
    let world = World::start().await;
    let broken = stream::iter([Ok(vec![b'{']), Err(std::io::Error::other("reset"))]);
    assert_eq!(world.post(some_signature(), Body::from_stream(broken)).await, 400);
}

#[tokio::test]
async fn a_delivery_that_does_not_end_is_given_up() {
    let world = World::start().await;
    let endless = Body::from_stream(stream::pending::<Result<Vec<u8>, Infallible>>());
    let answer = tokio::time::timeout(Duration::from_secs(15), world.post(some_signature(), endless)).await;
    assert_eq!(answer.expect("it is still read"), 408);
}

#[tokio::test]
async fn everyone_who_wants_to_know_is_told_what_has_been_applied() {
    let world = World::start().await;
    let token = world.api_token("alice");
    world.passes("/api", &token).await;
    world.tenant.suspend("alice");
    let suspension = &world.told()[0];

    let seen = Arc::<Mutex<Vec<u16>>>::default();
    let (app, statuses) = (world.app.clone(), Arc::clone(&seen));
    let ask = move |_: &Event| {
        let request = Request::get("/api").header("authorization", format!("Bearer {token}")).body(Body::empty());
        let response = app.clone().oneshot(request.unwrap()).now_or_never().unwrap().unwrap();
        statuses.lock().unwrap().push(response.status().as_u16());
    };
    let keys = SigningKeys::new([world.tenant.signing_key()]).unwrap();
    let webhooks = world.server.issuer("tenant").unwrap().webhooks(keys).on_event(ask.clone()).on_event(ask);
    webhooks.receive(suspension.headers(), suspension.body()).unwrap();
    assert_eq!(*seen.lock().unwrap(), [401, 401]);
}

#[tokio::test]
async fn events_that_mean_nothing_are_taken() {
    let world = World::start().await;
    let tokens = [
        ("/api", world.api_token("alice")),
        ("/orgs/acme", world.organization_token("acme", "alice")),
        ("/live/api", world.api_token("fake-id")),
    ];
    world.pass();
    let mut largest = br#"{"event":"Grant.Revoked","createdAt":"2100-01-01T00:00:00.000Z"}"#.to_vec();
    largest.resize(MAX_BODY_BYTES, b' ');
    world.deliver_all(&[world.tenant.test_delivery(), world.tenant.sign_delivery(largest)]).await;
    assert_eq!(*world.seen.lock().unwrap(), ["User.Data.Updated", "Grant.Revoked"]);
    for (path, token) in &tokens {
        world.passes(path, token).await;
    }
}

#[tokio::test]
async fn each_change_is_asked_about_once() {
    type Act = fn(&TestTenant);
    let world = World::start().await;
    assert_eq!(world.asked().await.len(), 9);
    assert!(world.asked().await.is_empty());

    let users_and_organizations = [
        "alice acme",
        "alice globex",
        "alice api",
        "bob acme",
        "bob globex",
        "bob api",
        "worker acme",
        "worker globex",
    ];
    let changes: [(&str, Act, &[&str]); 11] = [
        ("a member goes", |tenant| tenant.remove_member("acme", "alice"), &["alice acme", "alice api"]),
        ("a member comes", |tenant| tenant.add_member("acme", "alice"), &["alice acme", "alice api"]),
        ("a machine goes", |tenant| tenant.remove_member("acme", "worker"), &["worker acme"]),
        (
            "a role of the template",
            |tenant| tenant.remove_scope_from_organization_role("member", "read:members"),
            &users_and_organizations,
        ),
        (
            "a scope of the template",
            |tenant| tenant.remove_organization_scope("read:members"),
            &users_and_organizations,
        ),
        (
            "a global role",
            |tenant| tenant.add_scope_to_role("reader", API, "write"),
            &["alice api", "bob api", "worker api"],
        ),
        (
            "a scope of the API",
            |tenant| tenant.remove_resource_scope(API, "write"),
            &["alice api", "bob api", "worker api"],
        ),
        ("a user's name", |tenant| tenant.touch_user("alice"), &[]),
        // Suspensions need no question, only their ends do.
        ("a suspension", |tenant| tenant.suspend("bob"), &[]),
        ("its end", |tenant| tenant.unsuspend("bob"), &["bob acme", "bob globex", "bob api"]),
        (
            "an organization goes",
            |tenant| tenant.remove_organization("globex"),
            &["alice globex", "alice api", "bob globex", "bob api", "worker globex"],
        ),
    ];
    for (what, change, expected) in changes {
        change(&world.tenant);
        let told = world.told();
        assert!(!told.is_empty(), "{what}");
        assert!(world.asked().await.is_empty(), "{what}: not yet told");
        world.deliver_all(&told).await;
        world.pass();
        assert_eq!(world.asked().await, expected, "{what}");
        world.deliver_all(&told).await;
        world.pass();
        assert!(world.asked().await.is_empty(), "{what}: again");
    }
}

#[tokio::test]
async fn a_suspended_user() {
    let world = World::start().await;
    let (tenant, of_api) = (&world.tenant, TokenRequest::resource(API));
    let before = tenant.sign_in("alice", "web", &["read"]).unwrap().refresh(&of_api).unwrap();
    let of_bob = world.api_token("bob");
    for _ in 0..2 {
        world.passes("/api", &before).await;
    }
    let impersonation = tenant.subject_token("alice");

    tenant.suspend("alice");
    world.catch_up().await;
    world.refused("/api", &before, "authenticate").await;
    let meanwhile = tenant.exchange("web", &impersonation, &of_api).unwrap();
    world.refused("/api", &meanwhile, "authenticate").await;
    world.passes("/api", &of_bob).await;

    world.pass();
    tenant.unsuspend("alice");
    world.catch_up().await;
    world.refused("/api", &before, "refresh").await;
    world.refused("/api", &meanwhile, "refresh").await;
    let after = tenant.sign_in("alice", "web", &["read"]).unwrap().refresh(&of_api).unwrap();
    world.passes("/api", &after).await;
}

#[tokio::test]
async fn a_removed_member() {
    let world = World::start().await;
    let grant = world.tenant.sign_in("alice", "web", &[]).unwrap();
    let acme = TokenRequest::organization("acme");
    let [in_acme, in_globex] = ["acme", "globex"].map(|id| grant.refresh(&TokenRequest::organization(id)).unwrap());
    let of_bob = world.organization_token("acme", "bob");
    world.passes("/orgs/acme", &in_acme).await;

    world.pass();
    world.tenant.remove_member("acme", "alice");
    world.catch_up().await;
    world.refused("/orgs/acme", &in_acme, "refresh").await;
    assert_eq!(grant.refresh(&acme).unwrap_err().code(), "oidc.access_denied");
    world.passes("/orgs/globex", &in_globex).await;
    world.passes("/orgs/acme", &of_bob).await;

    world.tenant.add_member("acme", "alice");
    world.catch_up().await;
    world.refused("/orgs/acme", &in_acme, "refresh").await;
    world.passes("/orgs/acme", &grant.refresh(&acme).unwrap()).await;
}

#[tokio::test]
async fn a_deleted_organization() {
    let world = World::start().await;
    let tokens = ["alice", "bob"].map(|user| world.organization_token("acme", user));
    let elsewhere = world.organization_token("globex", "alice");
    for token in &tokens {
        world.passes("/orgs/acme", token).await;
    }
    world.tenant.remove_organization("acme");
    world.catch_up().await;
    for token in &tokens {
        world.refused("/orgs/acme", token, "refresh").await;
    }
    world.passes("/orgs/globex", &elsewhere).await;
}

#[tokio::test]
async fn a_deleted_user() {
    let world = World::start().await;
    let (token, of_bob) = (world.api_token("alice"), world.api_token("bob"));
    world.passes("/api", &token).await;
    world.tenant.remove_user("alice");
    world.catch_up().await;
    world.refused("/api", &token, "authenticate").await;
    world.refused("/api", &world.api_token("alice"), "authenticate").await;
    world.passes("/api", &of_bob).await;
}

#[tokio::test]
async fn revoked_by_hand() {
    let world = World::start().await;
    let issuer = world.tenant.issuer();
    let api = || issuer.resource_token(API).subject("alice");
    let (one, other) = (api().claim("jti", "one").mint(), api().claim("jti", "other").mint());
    let (web, mobile) = (api().client("web").mint(), api().client("mobile").mint());
    let in_acme = world.organization_token("acme", "alice");
    let bob_in_acme = world.organization_token("acme", "bob");
    let (in_globex, bob_in_globex) =
        (world.organization_token("globex", "alice"), world.organization_token("globex", "bob"));
    let not_before = world.now();
    let cases = [
        (About::token("one"), "/api", &one, ("/api", &other)),
        (About::client("web"), "/api", &web, ("/api", &mobile)),
        (About::member("acme", "alice"), "/orgs/acme", &in_acme, ("/orgs/acme", &bob_in_acme)),
        (About::organization("globex"), "/orgs/globex", &in_globex, ("/orgs/acme", &bob_in_acme)),
    ];
    let entry = world.server.issuer("tenant").unwrap();
    for (about, path, token, (path_of_other, other)) in cases {
        world.passes(path, token).await;
        world.passes(path_of_other, other).await;
        entry.apply_change(&Change::not_before(entry.issuer(), about, not_before)).unwrap();
        world.refused(path, token, "refresh").await;
        world.passes(path_of_other, other).await;
    }
    world.refused("/orgs/globex", &bob_in_globex, "refresh").await;
    world.pass();
    world.passes("/api", &api().client("web").mint()).await;
    world.passes("/orgs/acme", &world.organization_token("acme", "alice")).await;
}

#[tokio::test]
async fn in_any_order_and_more_than_once() {
    for order in ["as sent", "backwards", "twice each", "there and back", "back and there"] {
        let world = World::start().await;
        let tenant = &world.tenant;
        for user in ["carol", "dave"] {
            tenant.add_user(user);
            tenant.add_member("acme", user);
        }
        assert!(!world.told().is_empty());
        let tokens = || {
            [
                ("/api", world.api_token("alice")),
                ("/api", world.api_token("bob")),
                ("/orgs/acme", world.organization_token("acme", "carol")),
                ("/api", world.api_token("carol")),
                ("/api", world.api_token("dave")),
                ("/orgs/globex", world.organization_token("globex", "carol")),
            ]
        };
        let before = tokens();
        for (path, token) in &before {
            world.passes(path, token).await;
        }
        let changes: [fn(&TestTenant); 7] = [
            |tenant| tenant.suspend("alice"),
            |tenant| tenant.unsuspend("alice"),
            |tenant| tenant.unsuspend("bob"),
            |tenant| tenant.suspend("bob"),
            |tenant| tenant.remove_member("acme", "carol"),
            |tenant| tenant.remove_user("dave"),
            |tenant| tenant.remove_organization("globex"),
        ];
        for change in changes {
            world.pass();
            change(tenant);
        }
        let sent = world.told();
        assert_eq!(sent.len(), 7);
        let (there, back) = (|| sent.iter(), || sent.iter().rev());
        match order {
            "as sent" => world.deliver_all(there()).await,
            "backwards" => world.deliver_all(back()).await,
            "twice each" => world.deliver_all(there().flat_map(|delivery| [delivery, delivery])).await,
            "there and back" => world.deliver_all(there().chain(back())).await,
            _ => world.deliver_all(back().chain(there())).await,
        }
        let of_before = ["refresh", "authenticate", "refresh", "", "authenticate", "refresh"];
        let of_after = ["", "authenticate", "", "", "authenticate", ""];
        for (tokens, expected) in [(before, of_before), (tokens(), of_after)] {
            for ((path, token), remediation) in tokens.iter().zip(expected) {
                let status = if remediation.is_empty() { 200 } else { 401 };
                let verdict = world.verdict(path, token).await;
                assert_eq!(verdict, (status, remediation.to_owned()), "{order}: {path}");
            }
        }
    }
}
