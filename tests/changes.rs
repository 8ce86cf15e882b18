//! Changes and issuer handles over HTTP: what takes effect when, what a log carries between servers, and what ends with an
//! entry.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod web;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use http::Request;
use orgate::change::{About, Change, Fact, Facts, Log, LogError, Staleness, Update, Updates};
use orgate::future::BoxFuture;
use orgate::logto::webhooks::{Event, SigningKeys, Webhooks};
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{any_issuer, organization, path, resource};
use orgate::server::IssuerHandle;
use orgate::testing::{TestIssuer, TestTenant};
use orgate::time::Clock as _;
use orgate::{Issuer, ResourceServer};
use serde_json::json;
use tokio::sync::broadcast;
use web::{Answer, Api, RESOURCE};

impl Answer {
    #[track_caller]
    fn is(&self, status: u16, remediation: &str) {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        let found = (self.status, body["remediation"].as_str().unwrap_or_default());
        assert_eq!(found, (status, remediation), "{self:?}");
    }
}

fn app(server: &ResourceServer) -> Router {
    let routes = server.guard().get("/", async || "ok", resource());
    routes.get("/orgs/{org}", async || "ok", organization(path("org"))).into_router().unwrap()
}

fn now(issuer: &TestIssuer) -> SystemTime {
    SystemTime::UNIX_EPOCH + issuer.clock().now().unix
}

// --- handles ---

#[tokio::test]
async fn revocation_by_hand_reaches_the_leeway_and_tells_new_tokens_to_wait() {
    let api = Api::start().await;
    let (app, entry) = (app(&api.server), api.server.issuer(api.issuer.url()).unwrap());
    let old = api.token("a");
    api.issuer.clock().advance(Duration::from_secs(5));
    api.ask(&app, "GET", "/", Some(&old)).await.is(200, "");
    let revoked_at = now(&api.issuer);
    let until = entry.revoke(About::Everyone).unwrap();
    assert_eq!(until, revoked_at + Duration::from_secs(60));
    api.ask(&app, "GET", "/", Some(&old)).await.is(401, "refresh");
    api.issuer.clock().advance(Duration::from_secs(10));
    let answer = api.ask(&app, "GET", "/", Some(&api.token("a"))).await;
    answer.is(401, "retry");
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert_eq!(wait, 51);
    api.issuer.clock().advance(Duration::from_secs(wait));
    api.ask(&app, "GET", "/", Some(&old)).await.is(401, "refresh");
    api.ask(&app, "GET", "/", Some(&api.token("a"))).await.is(200, "");
}

#[tokio::test]
async fn one_token_is_revoked_by_its_id_or_with_its_subject() {
    let api = Api::start().await;
    let (app, entry) = (app(&api.server), api.server.issuer(api.issuer.url()).unwrap());
    let token = |subject: &str, id: Option<&str>| {
        let token = api.issuer.resource_token(RESOURCE).subject(subject);
        match id {
            Some(id) => token.claim("jti", id).mint(),
            None => token.without_claim("jti").mint(),
        }
    };
    let (one, other) = (token("alice", Some("1")), token("alice", Some("2")));
    entry.revoke_token(&api.server.verify(&one).await.unwrap()).unwrap();
    api.ask(&app, "GET", "/", Some(&one)).await.is(401, "refresh");
    api.ask(&app, "GET", "/", Some(&other)).await.is(200, "");
    let (nameless, bob) = (token("alice", None), token("bob", None));
    entry.revoke_token(&api.server.verify(&nameless).await.unwrap()).unwrap();
    assert_eq!(api.ask(&app, "GET", "/", Some(&other)).await.status, 401);
    api.ask(&app, "GET", "/", Some(&bob)).await.is(200, "");
    let elsewhere = Api::start().await;
    let foreign = elsewhere.server.verify(&elsewhere.token("a")).await.unwrap();
    assert!(entry.revoke_token(&foreign).unwrap_err().to_string().contains("expected issuer"));
}

#[tokio::test]
async fn suspended_actor_is_rejected_however_deep_it_stands() {
    let api = Api::start().await;
    let (app, entry) = (app(&api.server), api.server.issuer(api.issuer.url()).unwrap());
    let acting = |act: serde_json::Value| api.issuer.resource_token(RESOURCE).subject("alice").claim("act", act).mint();
    let (direct, nested) =
        (acting(json!({ "sub": "agent" })), acting(json!({ "sub": "tool", "act": { "sub": "agent" } })));
    for token in [&direct, &nested] {
        api.ask(&app, "GET", "/", Some(token)).await.is(200, "");
    }
    entry.apply_change(&Change::suspended(entry.issuer(), "agent", now(&api.issuer))).unwrap();
    for token in [&direct, &nested] {
        api.ask(&app, "GET", "/", Some(token)).await.is(401, "authenticate");
    }
    api.ask(&app, "GET", "/", Some(&acting(json!({ "sub": "tool" })))).await.is(200, "");
}

#[tokio::test]
async fn update_replaces_settings_and_keeps_what_was_revoked() {
    let api = Api::start().await;
    let (app, url) = (app(&api.server), api.issuer.url().to_owned());
    let entry = api.server.issuer(&url).unwrap();
    let (alice, bob) = (
        api.issuer.resource_token(RESOURCE).subject("alice").mint(),
        api.issuer.resource_token(RESOURCE).subject("bob").mint(),
    );
    entry.apply_change(&Change::suspended(entry.issuer(), "alice", now(&api.issuer))).unwrap();
    api.ask(&app, "GET", "/", Some(&bob)).await.is(200, "");

    let elsewhere = entry.update(Issuer::new("https://other.example")).unwrap_err().to_string();
    assert!(elsewhere.contains("another issuer"), "{elsewhere}");
    assert!(entry.update(Issuer::new(&*url).algorithms([])).is_err());
    api.ask(&app, "GET", "/", Some(&bob)).await.is(200, "");

    // Other keys: what was verified by the old ones is verified anew, also from the cache.
    let other = TestIssuer::start().await;
    entry.update(Issuer::new(&*url).name("main").jwks_json(other.jwks_json())).unwrap();
    api.ask(&app, "GET", "/", Some(&bob)).await.is(401, "refresh");
    assert_eq!(&*entry.name().unwrap(), "main");
    let by_other = |subject: &str| other.resource_token(RESOURCE).issuer(&*url).subject(subject);
    let issued = api.issuer.clock().now().unix;
    api.ask(&app, "GET", "/", Some(&by_other("bob").issued_at(issued).mint())).await.is(200, "");
    let answer = api.ask(&app, "GET", "/", Some(&by_other("alice").issued_at(issued).mint())).await;
    answer.is(401, "authenticate");

    // Only the name: keys stay.
    entry.update(Issuer::new(&*url).name("renamed").jwks_json(other.jwks_json())).unwrap();
    assert!(api.server.issuer("main").is_err() && api.server.issuer("renamed").is_ok());
    api.ask(&app, "GET", "/", Some(&by_other("bob").issued_at(issued).mint())).await.is(200, "");
    // And back to the keys of before.
    entry.update(&*url).unwrap();
    api.ask(&app, "GET", "/", Some(&bob)).await.is(200, "");
    api.ask(&app, "GET", "/", Some(&alice)).await.is(401, "authenticate");
}

#[tokio::test]
async fn entry_that_reuses_a_name_inherits_nothing() {
    let api = Api::start().await;
    let server = &api.server;
    let any = server.guard().get("/", async || "ok", resource().and(any_issuer())).into_router().unwrap();
    let (first, second) = (TestTenant::start().await, TestTenant::start().await);
    for tenant in [&first, &second] {
        // Three clocks: the server's is the one that counts.
        tenant.issuer().clock().set_wall(api.issuer.clock().now().unix);
    }
    let add = |tenant: &TestTenant| server.add_issuer(Issuer::new(tenant.issuer().url()).name("tenant")).unwrap();
    let token = |tenant: &TestTenant| tenant.issuer().resource_token(RESOURCE).subject("alice").mint();
    let handle = add(&first);
    let keys = SigningKeys::new([first.signing_key()]).unwrap();
    let webhooks: Router = Router::new().route("/hook", handle.webhooks(keys.clone()).endpoint());
    handle.apply_change(&Change::suspended(handle.issuer(), "alice", now(&api.issuer))).unwrap();
    api.ask(&any, "GET", "/", Some(&token(&first))).await.is(401, "authenticate");
    handle.remove().unwrap();
    let other = add(&second);
    api.ask(&any, "GET", "/", Some(&token(&second))).await.is(200, "");

    assert!(handle.is_removed() && handle.name().is_err() && handle.revoke(About::Everyone).is_err());
    assert!(handle.remove().is_err() && handle.update(first.issuer().url()).is_err());
    assert!(handle.export_keys().is_err() && handle.key_status().is_err() && handle.refresh_keys().await.is_err());
    let removed = handle.remove().unwrap_err();
    let causes: [Box<dyn std::error::Error>; 2] = [
        Box::new(handle.update(first.issuer().url()).unwrap_err()),
        Box::new(handle.refresh_keys().await.unwrap_err()),
    ];
    for error in causes {
        assert_eq!(error.source().and_then(|source| source.downcast_ref()), Some(&removed), "{error}");
    }
    assert_eq!(removed.issuer(), handle.issuer());
    // A delivery to the route of the old one says nothing to the new one.
    let delivery = first.sign_delivery(deletion("alice", now(&api.issuer)));
    let post = |path: &str| {
        let mut request = Request::post(path).body(Body::from(delivery.body().clone())).unwrap();
        request.headers_mut().extend(delivery.headers().clone());
        request
    };
    assert_eq!(api.send(&webhooks, post("/hook")).await.status, 410);
    api.ask(&any, "GET", "/", Some(&token(&second))).await.is(200, "");

    // Entries that come later are found by the request.
    let resolving = server.clone();
    let resolved = Webhooks::resolve(move |request| {
        let name = request.uri.path().strip_prefix("/hooks/")?;
        Some((resolving.issuer(name).ok()?, keys.clone()))
    });
    let webhooks: Router = Router::new().route("/hooks/{name}", resolved.endpoint());
    assert_eq!(api.send(&webhooks, post("/hooks/nobody")).await.status, 404);
    assert_eq!(api.send(&webhooks, post("/hooks/tenant")).await.status, 200);
    api.ask(&any, "GET", "/", Some(&token(&second))).await.is(401, "authenticate");
    other.remove().unwrap();
    assert_eq!(api.send(&webhooks, post("/hooks/tenant")).await.status, 404);
}

fn deletion(user: &str, at: SystemTime) -> Vec<u8> {
    event("User.Deleted", user, &json!({}), at)
}

fn event(name: &str, user: &str, more: &serde_json::Value, at: SystemTime) -> Vec<u8> {
    let unix = at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let mut data = json!({ "id": user });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "event": name, "createdAt": iso8601(unix), "data": data }).to_string().into_bytes()
}

/// The civil calendar of one time, as JavaScript writes it.
fn iso8601(unix: Duration) -> String {
    let (days, second) = (unix.as_secs() / 86_400, unix.as_secs() % 86_400);
    let (mut year, mut rest) = (1970, days);
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while rest >= 365 + u64::from(is_leap(year)) {
        rest -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while rest >= lengths[month] {
        rest -= lengths[month];
        month += 1;
    }
    let (hour, minute) = (second / 3600, second % 3600 / 60);
    format!("{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{:02}.000Z", month + 1, rest + 1, second % 60)
}

#[tokio::test]
async fn late_delivery_only_takes_away() {
    let api = Api::start().await;
    let (app, entry) = (app(&api.server), api.server.issuer(api.issuer.url()).unwrap());
    let tenant = TestTenant::start().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let webhooks = entry
        .webhooks(SigningKeys::new([tenant.signing_key()]).unwrap())
        .on_event(move |event: &Event| seen.lock().unwrap().push(event.name().to_owned()));
    let deliver = |name: &str, user: &str, more: serde_json::Value, age: u64| {
        let at = now(&api.issuer) - Duration::from_secs(age);
        let delivery = tenant.sign_delivery(event(name, user, &more, at));
        webhooks.receive(delivery.headers(), delivery.body()).unwrap();
    };
    let token = |user: &str| api.issuer.resource_token(RESOURCE).subject(user).mint();
    let (old, suspension) = (token("alice"), "User.SuspensionStatus.Updated");
    api.issuer.clock().advance(Duration::from_secs(3600 / 2));
    // A replay: tokens of before go, and no more.
    deliver(suspension, "alice", json!({ "isSuspended": true }), 301);
    api.ask(&app, "GET", "/", Some(&old)).await.is(401, "refresh");
    api.ask(&app, "GET", "/", Some(&token("alice"))).await.is(200, "");
    deliver("User.Deleted", "alice", json!({}), 301);
    api.ask(&app, "GET", "/", Some(&token("alice"))).await.is(200, "");
    // Five minutes are young enough.
    deliver(suspension, "alice", json!({ "isSuspended": true }), 299);
    api.ask(&app, "GET", "/", Some(&token("alice"))).await.is(401, "authenticate");
    api.issuer.clock().advance(Duration::from_secs(3600));
    deliver(suspension, "alice", json!({ "isSuspended": false }), 301);
    api.ask(&app, "GET", "/", Some(&token("alice"))).await.is(401, "authenticate");
    assert_eq!((told.lock().unwrap().len(), webhooks.stale_deliveries()), (1, 3));
    // By hand an event may have any age.
    let at = now(&api.issuer) - Duration::from_secs(301);
    let delivery = tenant.sign_delivery(event(suspension, "alice", &json!({ "isSuspended": false }), at));
    let keys = SigningKeys::new([tenant.signing_key()]).unwrap();
    let lifted = orgate::logto::webhooks::verify(delivery.headers(), delivery.body(), &keys).unwrap();
    let handed: Event = serde_json::from_str(&serde_json::to_string(&lifted).unwrap()).unwrap();
    entry.apply(&handed).unwrap();
    api.ask(&app, "GET", "/", Some(&token("alice"))).await.is(200, "");
}

#[tokio::test]
async fn organization_tokens_of_another_prefix() {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).organization_audience_prefix("org:");
    let server = ResourceServer::builder(entry, RESOURCE).clock(issuer.clock()).build().unwrap();
    let api = Api { issuer, server };
    let app = app(&api.server);
    let of = |audience: &str| api.issuer.resource_token(RESOURCE).subject("alice").audience([audience]).mint();
    let (acme, logto) = (of("org:acme"), of("urn:logto:organization:acme"));
    api.ask(&app, "GET", "/orgs/acme", Some(&acme)).await.is(200, "");
    api.ask(&app, "GET", "/orgs/acme", Some(&logto)).await.is(401, "authenticate");
    api.ask(&app, "GET", "/orgs/globex", Some(&acme)).await.is(403, "organization_token");
    let both = api.issuer.resource_token(RESOURCE).audience([RESOURCE, "org:acme"]).mint();
    api.ask(&app, "GET", "/", Some(&both)).await.is(403, "resource_token");
    let entry = api.server.issuer(api.issuer.url()).unwrap();
    entry.apply_change(&Change::member_removed(entry.issuer(), "acme", "alice", now(&api.issuer))).unwrap();
    assert_eq!(api.ask(&app, "GET", "/orgs/acme", Some(&acme)).await.status, 401);
    let refused = ResourceServer::builder(Issuer::new("https://x.example").organization_audience_prefix(""), RESOURCE);
    assert!(refused.build().unwrap_err().to_string().contains("organization_audience_prefix"));
    let overlapping = Issuer::new("https://x.example").organization_audience_prefix("https://api.");
    assert!(ResourceServer::builder(overlapping, RESOURCE).build().is_err());
}

/// Once told of a change that concerns everybody, it applies one of its own.
struct Applying(Arc<Mutex<Option<IssuerHandle>>>);

impl PermissionSource for Applying {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        Box::pin(std::future::ready(Ok(Permissions::of(["read"]))))
    }

    fn invalidate(&self) {
        let entry = self.0.lock().unwrap().take();
        if let Some(entry) = entry {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
            entry.apply_change(&Change::suspended(entry.issuer(), "alice", at)).unwrap();
        }
    }
}

#[tokio::test]
async fn source_that_is_told_of_a_change_holds_no_lock_of_the_server() {
    let (issuer, handle) = (TestIssuer::start().await, Arc::new(Mutex::new(None)));
    let settings = Issuer::new(issuer.url()).permissions(Applying(handle.clone()));
    let server = ResourceServer::builder(settings, RESOURCE).clock(issuer.clock()).build().unwrap();
    let entry = server.issuer(issuer.url()).unwrap();
    *handle.lock().unwrap() = Some(entry.clone());
    let alice = issuer.resource_token(RESOURCE).subject("alice").mint();
    assert_eq!(verdict(&server, &alice).await, "ok");
    entry.apply_change(&Change::edited(entry.issuer(), About::ApiPermissions, now(&issuer))).unwrap();
    assert!(handle.lock().unwrap().is_none(), "it was told");
    assert_eq!(verdict(&server, &alice).await, "authenticate");
}

// --- logs ---

/// A log as a file would be: lines of text, that survive the servers that wrote them.
#[derive(Clone)]
struct Lines(Arc<Kept>);

struct Kept {
    lines: Mutex<Vec<String>>,
    written: broadcast::Sender<String>,
    staleness: Option<Staleness>,
    clock: orgate::testing::TestClock,
}

impl Lines {
    fn new(clock: &orgate::testing::TestClock, staleness: Option<Staleness>) -> Self {
        let (lines, written) = (Mutex::default(), broadcast::Sender::new(4));
        Self(Arc::new(Kept { lines, written, staleness, clock: clock.clone() }))
    }
}

impl Log for Lines {
    fn append<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            for change in changes {
                let line = serde_json::to_string(change).unwrap();
                let mut lines = self.0.lines.lock().unwrap();
                lines.push(line.clone());
                _ = self.0.written.send(line);
            }
            Ok(())
        })
    }

    fn follow(&self, held: Arc<dyn Facts>) -> Box<dyn Updates> {
        let lines = self.0.lines.lock().unwrap();
        let changes = lines.iter().map(|line| serde_json::from_str::<Change>(line).unwrap());
        // As facts, each a line of text in turn.
        let facts = changes.filter_map(|change| change.fact()).map(|fact| serde_json::to_string(&fact).unwrap());
        let mut pending: Vec<Update> =
            facts.map(|fact| Update::Fact(serde_json::from_str::<Fact>(&fact).unwrap())).collect();
        pending.push(Update::current(held.now().monotonic));
        pending.reverse();
        Box::new(Following { pending, written: self.0.written.subscribe(), clock: self.0.clock.clone() })
    }

    fn staleness(&self) -> Option<Staleness> {
        self.0.staleness
    }
}

struct Following {
    pending: Vec<Update>,
    written: broadcast::Receiver<String>,
    clock: orgate::testing::TestClock,
}

impl Updates for Following {
    fn next(&mut self) -> BoxFuture<'_, Option<Update>> {
        Box::pin(async move {
            if let Some(update) = self.pending.pop() {
                return Some(update);
            }
            match self.written.recv().await {
                Ok(line) if line.is_empty() => Some(Update::current(self.clock.now().monotonic)),
                Ok(line) => Some(Update::Change(serde_json::from_str(&line).unwrap())),
                Err(broadcast::error::RecvError::Lagged(_)) => Some(Update::Gap),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        })
    }
}

fn replica(issuer: &TestIssuer, log: &Lines) -> ResourceServer {
    ResourceServer::builder(issuer.url(), RESOURCE).clock(issuer.clock()).change_log(log.clone()).build().unwrap()
}

async fn verdict(server: &ResourceServer, token: &str) -> &'static str {
    match server.verify(token).await {
        Ok(_) => "ok",
        Err(rejection) => rejection.remediation().as_str(),
    }
}

async fn eventually(server: &ResourceServer, token: &str, expected: &str) {
    for _ in 0..500 {
        if verdict(server, token).await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never became {expected}");
}

#[tokio::test]
async fn change_at_one_server_is_obeyed_by_the_other_and_after_a_restart() {
    let issuer = TestIssuer::start().await;
    let log = Lines::new(&issuer.clock(), Some(Staleness::refuse_after(Duration::MAX)));
    let (one, two) = (replica(&issuer, &log), replica(&issuer, &log));
    let token = |user: &str| issuer.resource_token(RESOURCE).subject(user).mint();
    let (alice, bob) = (token("alice"), token("bob"));
    for server in [&one, &two] {
        assert_eq!(
            (verdict(server, &alice).await, verdict(server, &bob).await),
            ("ok", "ok"),
            "from the first request on"
        );
    }
    let at = now(&issuer);
    let entry = one.issuer(issuer.url()).unwrap();
    entry.apply_change(&Change::suspended(entry.issuer(), "alice", at)).unwrap();
    assert_eq!(verdict(&one, &alice).await, "authenticate", "here at once");
    eventually(&two, &alice, "authenticate").await;
    entry.apply_change(&Change::not_before(entry.issuer(), About::subject("bob"), at)).unwrap();
    one.changes_kept().await;
    assert_eq!(one.change_log().unwrap().pending, 0);
    eventually(&two, &bob, "refresh").await;

    // A server that starts later, and all that restart.
    drop((one, two));
    let three = replica(&issuer, &log);
    assert_eq!((verdict(&three, &alice).await, verdict(&three, &bob).await), ("authenticate", "refresh"));
    let lifted = Change::restored(issuer.url(), "alice", at + Duration::from_millis(1));
    three.issuer(issuer.url()).unwrap().apply_change(&lifted).unwrap();
    three.changes_kept().await;
    assert_eq!(verdict(&replica(&issuer, &log), &alice).await, "ok");
}

#[tokio::test]
async fn server_that_is_not_current_rejects_or_goes_on_as_the_log_says() {
    let issuer = TestIssuer::start().await;
    let bound = Duration::from_secs(10);
    let (strict, lax) = (
        Lines::new(&issuer.clock(), Some(Staleness::refuse_after(bound))),
        Lines::new(&issuer.clock(), Some(Staleness::go_on_after(bound))),
    );
    let (refusing, going_on) = (replica(&issuer, &strict), replica(&issuer, &lax));
    refusing.ready().await.unwrap();
    let token = issuer.resource_token(RESOURCE).mint();
    assert_eq!((verdict(&refusing, &token).await, verdict(&going_on, &token).await), ("ok", "ok"));
    issuer.clock().advance(Duration::from_secs(10));
    assert_eq!((verdict(&refusing, &token).await, verdict(&going_on, &token).await), ("retry", "ok"));
    assert!(refusing.ready().await.unwrap_err().issuer_name().is_none());
    let status = going_on.change_log().unwrap();
    assert!(!status.is_current && status.behind == 1, "{status:?}");
    assert_eq!(verdict(&refusing, &token).await, "retry");
    assert_eq!(refusing.change_log().unwrap().behind, 2);
    // It is heard of again.
    strict.0.written.send(String::new()).unwrap();
    eventually(&refusing, &token, "ok").await;
}

/// What is told while a question is on its way: asked again until it is asked later than the change.
struct Told {
    change: Mutex<Option<(IssuerHandle, Change)>>,
    calls: Mutex<u32>,
    holds: Mutex<bool>,
}

struct Source(Arc<Told>);

impl PermissionSource for Source {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        Box::pin(async move {
            *self.0.calls.lock().unwrap() += 1;
            let holds = *self.0.holds.lock().unwrap();
            // It has answered, and then it changes, and the change arrives first.
            if let Some((entry, change)) = self.0.change.lock().unwrap().take() {
                *self.0.holds.lock().unwrap() = false;
                entry.apply_change(&change).unwrap();
            }
            Ok(if holds { Permissions::of(["a"]) } else { Permissions::none() })
        })
    }
}

#[tokio::test]
async fn change_while_permissions_are_fetched_is_obeyed() {
    let issuer = TestIssuer::start().await;
    let subject = About::subject("alice");
    let member_free = [subject, About::Everything, About::ApiPermissions, About::Everyone];
    for about in member_free {
        let told = Arc::new(Told { change: Mutex::default(), calls: Mutex::default(), holds: Mutex::new(true) });
        let entry = Issuer::new(issuer.url()).permissions(Source(told.clone()));
        let server = ResourceServer::builder(entry, RESOURCE).clock(issuer.clock()).build().unwrap();
        let policy = resource().scope("a").fresh_within(Duration::from_secs(600));
        let app = server.guard().get("/", async || "ok", policy).into_router().unwrap();
        let handle = server.issuer(issuer.url()).unwrap();
        let change = Change::edited(handle.issuer(), about.clone(), now(&issuer));
        *told.change.lock().unwrap() = Some((handle, change));
        let token = issuer.resource_token(RESOURCE).subject("alice").scope("a").mint();
        let api = Api { issuer: TestIssuer::start().await, server };
        let answer = api.ask(&app, "GET", "/", Some(&token)).await;
        assert_ne!(answer.status, 200, "{about:?}");
        assert!(*told.calls.lock().unwrap() >= 2, "{about:?}: asked again");
    }
}
