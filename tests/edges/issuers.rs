//! Several issuers, and entries that come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use orgate::change::{About, Change, Effect};
use orgate::engine::{Observer, Record, TokenCache};
use orgate::policy::{any_issuer, path, resource};
use orgate::server::ChangeError;
use orgate::testing::{Endpoint, TestClock, TestIssuer};
use orgate::{AccessToken, Guard, Issuer, Organization, ResourceServer};
use tower::ServiceExt as _;

use crate::support::{API, START, api, get, issuer_at, send};

/// Where tenants bring their issuers, and no word of `dangerous_` was said.
#[tokio::test]
async fn an_added_issuer_is_no_service_of_this_machine() {
    use tokio::io::AsyncReadExt as _;
    let first = TestIssuer::start().await;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let internal = listener.local_addr().unwrap();
    let entry = Issuer::new("https://tenant.logto.app/oidc").jwks_json(first.jwks_json());
    let server = ResourceServer::builder(entry, API).build().unwrap();
    for issuer in [
        Issuer::new(format!("http://{internal}/v1/agent")),
        Issuer::new("https://tenant-7.example.com").jwks_uri(format!("http://{internal}/keys")),
        Issuer::new(format!("http://localhost:{}/v1/agent", internal.port())),
    ] {
        assert!(server.add_issuer(issuer.name("tenant-7")).is_err());
    }
    let heard = tokio::time::timeout(Duration::from_millis(300), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read(&mut [0; 64]).await.unwrap()
    });
    assert!(heard.await.is_err(), "the service was asked");
}

/// Counts tokens that were verified before.
#[derive(Clone, Default)]
struct Hits(Arc<AtomicUsize>);

impl Observer for Hits {
    fn decided(&self, record: &Record<'_>) {
        self.0.fetch_add(usize::from(record.token_cache() == Some(TokenCache::Hit)), Ordering::Relaxed);
    }
}

/// As a configuration that is read anew: one entry stays, one moves to another URL under its name, one is new, one goes.
#[tokio::test]
async fn list_of_issuers_is_replaced_as_a_whole_or_not_at_all() {
    let clock = TestClock::new(START);
    let (stays, before, after) = (issuer_at(&clock).await, issuer_at(&clock).await, issuer_at(&clock).await);
    let (goes, new) = (issuer_at(&clock).await, issuer_at(&clock).await);
    let hits = Hits::default();
    let named = |issuer: &TestIssuer, name: &str| Issuer::new(issuer.url()).name(name);
    let server = ResourceServer::builder(named(&stays, "stays"), API)
        .issuer(named(&before, "moves"))
        .issuer(named(&goes, "goes"))
        .clock(clock.clone())
        .observer(hits.clone())
        .max_issuers(4)
        .build()
        .unwrap();
    let app: Router = server.guard().get("/", async || "", resource().any_issuer()).into_router().unwrap();
    let moves: Router = server.guard().get("/", async || "", resource().issued_by("moves")).into_router().unwrap();
    let token = |issuer: &TestIssuer| format!("Bearer {}", issuer.resource_token(API).client("web").mint());
    let passes = async |app: &Router, issuer: &TestIssuer| send(app, "/", &token(issuer)).await.status() == 200;
    let handle = server.issuer("stays").unwrap();
    handle.revoke(About::subject("lost")).unwrap();
    let names = || server.issuers().iter().map(|handle| handle.name().unwrap().to_string()).collect::<Vec<_>>();
    let list = || vec![named(&stays, "stays"), named(&after, "moves"), named(&new, "new")];

    let plain = Issuer::new("http://127.0.0.1:9/oidc").name("plain");
    for (wrong, expected) in [
        ([list(), vec![plain]].concat(), "plain http"),
        ([list(), vec![named(&goes, "new")]].concat(), "\"new\" occurs twice"),
        ([list(), vec![named(&stays, "again")]].concat(), "occurs twice"),
        ([list(), vec![named(&goes, "")]].concat(), "empty name"),
        ([list(), vec![named(&goes, "a"), named(&before, "b")]].concat(), "expected one to 4"),
        (Vec::new(), "expected one to 4"),
    ] {
        let error = server.set_issuers(wrong).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(names(), ["stays", "moves", "goes"]);
        assert!(passes(&app, &before).await && passes(&moves, &before).await && passes(&app, &goes).await);
        assert!(!passes(&app, &after).await && !passes(&app, &new).await);
    }

    let known = token(&stays);
    assert_eq!(send(&app, "/", &known).await.status(), 200);
    let (asked, hits_before) = (stays.requests(Endpoint::Keys), hits.0.load(Ordering::Relaxed));
    server.set_issuers(list()).unwrap();
    assert_eq!(send(&app, "/", &known).await.status(), 200);
    assert_eq!(hits.0.load(Ordering::Relaxed), hits_before + 1, "an entry that is the same keeps its verified tokens");
    assert_eq!(names(), ["stays", "moves", "new"]);
    assert!(passes(&app, &stays).await && passes(&app, &after).await && passes(&app, &new).await);
    assert!(passes(&moves, &after).await, "it takes the place of its name");
    assert!(!passes(&app, &before).await && !passes(&moves, &before).await && !passes(&app, &goes).await);
    assert!(!handle.is_removed());
    assert_eq!(stays.requests(Endpoint::Keys), asked, "and its keys");
    let lost = stays.resource_token(API).client("web").subject("lost").mint();
    assert_eq!(send(&app, "/", &format!("Bearer {lost}")).await.status(), 401, "and its revocations");

    // Other settings of the same issuer: what was revoked stays.
    server.set_issuers([named(&stays, "renamed")]).unwrap();
    assert_eq!(names(), ["renamed"]);
    assert!(passes(&app, &stays).await && !passes(&app, &after).await);
    assert_eq!(send(&app, "/", &format!("Bearer {lost}")).await.status(), 401);
}

/// `any_issuer()` accepts every tenant's tokens: what keeps data apart is the key that the handler uses.
#[tokio::test]
async fn one_organization_id_of_two_issuers_is_two_keys() {
    let clock = TestClock::new(START);
    let (customers, evil) = (issuer_at(&clock).await, issuer_at(&clock).await);
    let server = ResourceServer::builder(Issuer::new(customers.url()).name("customers"), API)
        .issuer(Issuer::new(evil.url()).name("evil"))
        .clock(clock)
        .build()
        .unwrap();
    let show = async |org: Organization| format!("{:?}", org.key());
    let policy = resource().in_organization(path("org")).scope("read:orders");
    let guard: Guard = server.guard().get("/orgs/{org}/orders", show, policy);
    let error = guard.clone().into_router().unwrap_err().to_string();
    let (narrow, wide) = (error.find("issued by").unwrap(), error.find("any issuer").unwrap());
    assert!(narrow < wide, "the narrow word comes first: {error}");

    let app = guard.require(any_issuer()).into_router().unwrap();
    let mut keys = Vec::new();
    for issuer in [&customers, &evil] {
        let token = issuer.organization_resource_token(API, "acme").scope("read:orders").mint();
        let answer = send(&app, "/orgs/acme/orders", &format!("Bearer {token}")).await;
        assert_eq!(answer.status(), 200);
        keys.push(to_bytes(answer.into_body(), 1000).await.unwrap());
    }
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_token_is_revoked_without_naming_its_entry() {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).name("customers");
    let server = ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap();
    let handle = server.issuer("customers").unwrap();
    let logout = async move |token: AccessToken| handle.revoke_token(&token).unwrap();
    let app: Router =
        server.guard().get("/", async || "", resource()).post("/logout", logout, resource()).into_router().unwrap();
    let token = issuer.resource_token(API).mint();
    let request = Request::post("/logout").header("authorization", format!("Bearer {token}"));
    let status = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(get(&app, "/", &token).await, StatusCode::UNAUTHORIZED);
    // The name of an issuer is not the name of its entry.
    assert!(server.issuer(issuer.url()).is_err());
}

#[tokio::test]
async fn a_revocation_until_now_reaches_tokens_of_a_clock_that_is_ahead() {
    let clock = TestClock::new(START);
    let issuer = TestIssuer::builder().clock(clock.ahead(Duration::from_secs(5))).start().await;
    let entry = Issuer::new(issuer.url()).name("main");
    let server = ResourceServer::builder(entry, API).clock(clock.clone()).build().unwrap();
    let app = api(&server);
    let stolen = issuer.resource_token(API).client("mobile-app").mint();
    assert_eq!(get(&app, "/", &stolen).await, StatusCode::OK);
    clock.advance(Duration::from_secs(2));
    server.issuer("main").unwrap().revoke(About::client("mobile-app")).unwrap();
    assert_eq!(get(&app, "/", &stolen).await, StatusCode::UNAUTHORIZED);
}

/// What a policy says is bound when it is made: a name where it says one, else the entry itself.
#[tokio::test]
async fn a_policy_without_an_issuer_follows_its_entry_and_not_the_name() {
    let clock = TestClock::new(START);
    let (first, second) = (issuer_at(&clock).await, issuer_at(&clock).await);
    let entry = |issuer: &TestIssuer, name: &str| Issuer::new(issuer.url()).name(name);
    let server = ResourceServer::builder(entry(&first, "customers"), API).clock(clock).build().unwrap();
    let guard = server.guard().get("/silent", async || "", resource());
    let guard = guard.get("/named", async || "", resource().issued_by("customers"));
    let app: Router = guard.get("/any", async || "", resource().any_issuer()).into_router().unwrap();
    let (old, new) = (first.resource_token(API).mint(), second.resource_token(API).mint());
    let statuses = async |token: &str| {
        let paths = ["/silent", "/named", "/any"];
        let mut statuses = Vec::new();
        for path in paths {
            statuses.push(get(&app, path, token).await.as_u16());
        }
        statuses
    };
    assert_eq!(statuses(&old).await, [200, 200, 200]);

    let handle = server.issuer("customers").unwrap();
    handle.update(entry(&first, "renamed")).unwrap();
    assert_eq!(statuses(&old).await, [200, 403, 200], "the entry, whatever it is called");
    let added = server.add_issuer(entry(&second, "customers")).unwrap();
    assert_eq!(statuses(&new).await, [403, 200, 200], "another entry of the former name");
    assert_eq!(statuses(&old).await, [200, 403, 200]);

    added.remove().unwrap();
    handle.update(entry(&first, "customers")).unwrap();
    assert_eq!(statuses(&old).await, [200, 200, 200]);
    handle.remove().unwrap();
    server.add_issuer(entry(&second, "customers")).unwrap();
    assert_eq!(statuses(&new).await, [403, 200, 200], "a successor is another entry");
}

#[tokio::test]
async fn a_revocation_that_would_reject_no_token_is_an_error() {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(Issuer::new(issuer.url()).name("main"), API).build().unwrap();
    let (handle, at) = (server.issuer("main").unwrap(), SystemTime::UNIX_EPOCH + START);
    for about in [About::OrganizationTemplate, About::ApiPermissions] {
        let error = handle.revoke(about.clone()).unwrap_err();
        assert!(matches!(error, ChangeError::WithoutEffect { .. }), "{error}");
        for effect in [Effect::NotBefore, Effect::Suspended, Effect::Restored, Effect::Deleted] {
            let change = Change::new(issuer.url(), about.clone(), effect, at);
            assert!(handle.apply_change(&change).is_err(), "{about:?} {effect:?}");
        }
        handle.apply_change(&Change::edited(issuer.url(), about, at)).unwrap();
    }
    let restored = Change::new(issuer.url(), About::client("app"), Effect::Restored, at);
    assert!(handle.apply_change(&restored).is_err(), "only a subject can be restored");
    handle.revoke(About::Everyone).unwrap();
}

/// Whoever prints an organization into a key or a log line does not mix two of them up.
#[tokio::test]
async fn an_organization_is_printed_with_its_issuer_where_there_are_several() {
    let clock = TestClock::new(START);
    let (first, second) = (issuer_at(&clock).await, issuer_at(&clock).await);
    let server = ResourceServer::builder(Issuer::new(first.url()).name("first"), API).clock(clock).build().unwrap();
    let policy = resource().in_organization(path("org")).any_issuer();
    let app: Router =
        server.guard().get("/{org}", async |org: Organization| org.to_string(), policy).into_router().unwrap();
    let printed = async |issuer: &TestIssuer| {
        let token = issuer.organization_resource_token(API, "acme").mint();
        let answer = send(&app, "/acme", &format!("Bearer {token}")).await;
        String::from_utf8(to_bytes(answer.into_body(), 1000).await.unwrap().to_vec()).unwrap()
    };
    assert_eq!(printed(&first).await, "acme");
    server.add_issuer(Issuer::new(second.url()).name("second")).unwrap();
    for issuer in [&first, &second] {
        assert_eq!(printed(issuer).await, format!("{} acme", issuer.url()));
    }
}
