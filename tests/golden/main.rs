//! Every token that a real Logto 1.37 issued in one scenario, judged through the public API at its time of issue, with
//! the keys that were published then.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::match_bool, clippy::redundant_closure_for_method_calls, reason = "they read better here")]

#[macro_use]
mod corpus;
mod api;
mod changes;
#[allow(dead_code, reason = "its other users need more of it")]
#[path = "../tenant/scenario.rs"]
mod scenario;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::http::{Request, Response, StatusCode};
use orgate::http::{Fetch, FetchError, HttpClient};
use orgate::policy::{authenticated, resource, resource_at};
use orgate::testing::TestClock;
use orgate::token::SubjectKind;
use orgate::{Claims, Issuer, ResourceServer};
use serde::Deserialize;
use serde_json::Value;

use api::{ACME, Api, GLOBEX, ISSUER, RESOURCE, Refusal, Refused, Seen, handler, issuer};
use corpus::{Row, key_set, row, rows};
use verdicts::{
    DENIED, EXPIRED, INVALID, LACKS_SCOPE, NO_KEY, NO_KEY_YET, VERDICTS, Verdict, WANTS_RESOURCE, Who, accepted,
};

const LEEWAY: u64 = 60;

#[test]
fn the_corpus_is_whole() {
    let rows = rows();
    let (issued, errors): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.issued);
    assert_eq!((issued.len(), errors.len()), (63, 4));
    assert!(errors.iter().all(|row| row.token.is_none() && matches!(row.status, Some(400 | 403))));
    assert!(issued.iter().all(|row| row.token.is_some() && row.keys.is_some() && row.now.is_some()));
    assert_eq!(issued.iter().filter(|row| row.format.as_deref() == Some("opaque")).count(), 7);

    let written: BTreeSet<_> = VERDICTS.iter().map(|line| line.0).collect();
    assert_eq!(written.len(), 63, "a line of the table is there twice");
    assert_eq!(written, issued.iter().map(|row| &*row.name).collect());
    assert_eq!(accepted().count(), 49);

    let scenario = corpus::scenario();
    assert_eq!((&*scenario.issuer, &*scenario.resource), (ISSUER, RESOURCE));
    assert_eq!((&*scenario.orgs["acme"], &*scenario.orgs["globex"]), (ACME, GLOBEX));
}

#[tokio::test]
async fn every_token_on_every_route() {
    judge_all(|keys| Api::new(issuer(keys)), |who| who).await;
}

/// The looser profile takes the same tokens. Even where the API is named like the application, whose ID token then has
/// the right audience, no ID token passes. Nothing says which tokens are machines', but an equal `sub`.
#[tokio::test]
async fn every_token_as_an_untyped_one() {
    let application = corpus::scenario().apps["orders-web"].id.clone();
    let id_token = row("id_token");
    assert_eq!(id_token.text("aud"), Some(&*application));
    let api = |keys: &str| {
        Api::new(issuer(keys).untyped_jwt().organization_tokens().resource(RESOURCE).resource(&application))
    };
    judge_all(api, |who| if who == Who::User { Who::Nobody(DENIED) } else { who }).await;
}

async fn judge_all(api: impl Fn(&str) -> Api, who: impl Fn(Who) -> Who) {
    let apis: BTreeMap<String, Api> = corpus::key_sets().into_keys().map(|keys| (keys.clone(), api(&keys))).collect();
    for (name, expected, global, members, orders) in VERDICTS {
        let row = row(name);
        let ask = Ask { api: &apis[row.keys()], row: &row };
        let whom = who(expected);
        ask.model("/resource", ["read:orders", "delete:orders"], None, global).await;
        for (at, organization) in [ACME, GLOBEX].into_iter().enumerate() {
            let scopes = ["read:members", "manage:members"];
            ask.model(&format!("/members/{organization}"), scopes, Some(organization), members[at]).await;
            let scopes = ["read:orders", "delete:orders"];
            ask.model(&format!("/orders/{organization}"), scopes, Some(organization), orders[at]).await;
        }
        ask.kind("/user", whom, Who::User).await;
        ask.kind("/machine", whom, Who::Machine).await;
    }
}

struct Ask<'a> {
    api: &'a Api,
    row: &'a Row,
}

impl Ask<'_> {
    /// The three routes of a model, for one organization.
    async fn model(&self, prefix: &str, [first, second]: [&str; 2], organization: Option<&str>, expected: Verdict) {
        let routes: [(&str, &[&str]); 3] = [("one", &[first]), ("none", &[]), ("two", &[first, second])];
        for (route, required) in routes {
            let held: &[&str] = match expected {
                Verdict::Two => &[first, second],
                Verdict::One => &[first],
                Verdict::None => &[],
                Verdict::Refused(refusal) => {
                    self.refused(&format!("{prefix}/{route}"), refusal, required, &[]).await;
                    continue;
                }
            };
            let missing: Vec<_> = required.iter().copied().filter(|scope| !held.contains(scope)).collect();
            if missing.is_empty() {
                self.passed(&format!("{prefix}/{route}"), organization).await;
            } else {
                self.refused(&format!("{prefix}/{route}"), LACKS_SCOPE, required, &missing).await;
            }
        }
    }

    async fn kind(&self, path: &str, whom: Who, wanted: Who) {
        match whom {
            Who::Nobody(refusal) => self.refused(path, refusal, &[], &[]).await,
            whom if whom == wanted => self.passed(path, None).await,
            _ => self.refused(path, DENIED, &[], &[]).await,
        }
    }

    async fn passed(&self, path: &str, organization: Option<&str>) {
        let what = format!("{} at {path}", self.row.name);
        let answer = self.api.get(path, self.row.token(), self.row.now()).await;
        let seen = answer.seen(&what);
        assert_eq!(seen.organization.as_ref().map(|organization| organization.id()), organization, "{what}");
        assert_says(seen, self.row, &what);
    }

    async fn refused(&self, path: &str, refusal: Refusal, required: &[&str], missing: &[&str]) {
        let what = format!("{} at {path}", self.row.name);
        let answer = self.api.get(path, self.row.token(), self.row.now()).await;
        let forbidden = refusal.0 == 403;
        answer.is_refused(refusal, &what);
        let Refused { rejection, challenge, .. } = answer.refused(&what);
        let scope =
            challenge.split_once(", scope=\"").map(|(_, rest)| rest.split('"').next().unwrap_or_default().to_owned());
        // Where there is no valid token, and where a scope is missing: what the route requires.
        assert_eq!(
            scope,
            (matches!(refusal.0, 401 | 403) && !required.is_empty()).then(|| required.join(" ")),
            "{what}"
        );
        let texts = |scopes: &[orgate::scope::Scope]| scopes.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(rejection.required_scopes()), if forbidden { required } else { &[] }, "{what}");
        assert_eq!(texts(rejection.missing_scopes()), missing, "{what}");
    }
}

/// The accepted token says what the recorder read in it.
fn assert_says(seen: &Seen, row: &Row, what: &str) {
    let token = &seen.token;
    assert_eq!(Some(token.subject().id()), row.text("sub"), "{what}");
    assert_eq!(token.client_id(), row.text("client_id"), "{what}");
    assert_eq!(Some(token.issuer()), row.text("iss"), "{what}");
    assert_eq!(token.issuer_name(), ISSUER, "{what}");
    assert_eq!(token.token_id(), row.text("jti"), "{what}");
    assert_eq!(token.audience().collect::<Vec<_>>(), [row.text("aud").unwrap()], "{what}");
    assert_eq!(token.organization_claim(), row.text("organization_id"), "{what}");
    let scopes: Vec<_> = row.text("scope").unwrap_or_default().split_whitespace().collect();
    assert_eq!(token.scopes().collect::<Vec<_>>(), scopes, "{what}");
    let unix = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(unix(token.expires_at()), row.number("exp"), "{what}");
    assert_eq!(token.issued_at().map(unix), Some(row.number("iat")), "{what}");
    assert_eq!(token.not_before(), None, "{what}");
    assert_eq!(token.claims::<Value>().ok(), row.claims, "{what}");
}

/// Whose tokens they are, by the ids of the scenario.
#[tokio::test]
async fn users_and_machines_are_who_they_were() {
    let scenario = corpus::scenario();
    let (user, app) = (|name: &str| scenario.users[name].clone(), |name: &str| scenario.apps[name].id.clone());
    for (name, subject, kind, client) in [
        ("user_resource", user("alice"), SubjectKind::User, app("orders-web")),
        ("user_spa_resource", user("alice"), SubjectKind::User, app("orders-spa")),
        ("user_bob_org_resource", user("bob"), SubjectKind::User, app("orders-web")),
        ("user_carol_org_no_role", user("carol"), SubjectKind::User, app("orders-web")),
        ("tx_user_resource_act", user("alice"), SubjectKind::User, app("orders-web")),
        ("m2m_resource", app("orders-worker"), SubjectKind::Machine, app("orders-worker")),
        ("m2m_org", app("orders-worker"), SubjectKind::Machine, app("orders-worker")),
        ("m2m_org_resource_no_role", app("orders-worker-bare"), SubjectKind::Machine, app("orders-worker-bare")),
    ] {
        let row = row(name);
        let answer = Api::new(issuer(row.keys())).get("/anyone", row.token(), row.now()).await;
        let token = &answer.seen(name).token;
        assert_eq!((token.subject().id(), token.subject().kind()), (&*subject, kind), "{name}");
        assert_eq!(token.client_id(), Some(&*client), "{name}");
    }
}

#[tokio::test]
async fn each_token_lives_exactly_as_long_as_it_says() {
    for name in accepted() {
        let row = row(name);
        let api = Api::new(issuer(row.keys()));
        let (issued, expires) = (row.number("iat"), row.number("exp"));
        assert_eq!(expires - issued, 3600, "{name}");
        for (now, refusal) in [
            (issued - LEEWAY - 1, Some(INVALID)),
            (issued - LEEWAY, None),
            (expires + LEEWAY - 1, None),
            (expires + LEEWAY, Some(EXPIRED)),
            (expires + 3600, Some(EXPIRED)),
        ] {
            let answer = api.get("/anyone", row.token(), now).await;
            let what = format!("{name}, {} s after issue", now.cast_signed() - issued.cast_signed());
            match refusal {
                Some(refusal) => answer.is_refused(refusal, &what),
                None => assert_says(answer.seen(&what), &row, &what),
            }
        }
    }
}

/// Which sets hold the key that signed, by the set that was published then.
fn sets_that_verify(published: &str) -> &'static [&'static str] {
    match published {
        "jwks_initial" => &["jwks_initial", "jwks_after_rotate_1_ec"],
        "jwks_after_rotate_1_ec" => &["jwks_after_rotate_1_ec", "jwks_after_rotate_2_rsa"],
        "jwks_after_rotate_2_rsa" => &["jwks_after_rotate_2_rsa", "jwks_after_rotate_3_rsa"],
        "jwks_after_rotate_3_rsa" => &["jwks_after_rotate_3_rsa", "jwks_after_rotate_4_ec"],
        "jwks_after_rotate_4_ec" => &["jwks_after_rotate_4_ec"],
        other => panic!("no token that this API takes was issued under {other}"),
    }
}

#[tokio::test]
async fn only_published_keys_verify() {
    let (mut verified, mut without_key) = (0, 0);
    for keys in corpus::key_sets().into_keys() {
        let api = Api::new(issuer(&keys));
        for name in accepted() {
            let row = row(name);
            let what = format!("{name} under {keys}");
            let answer = api.get("/anyone", row.token(), row.now()).await;
            if sets_that_verify(row.keys()).contains(&&*keys) {
                assert_says(answer.seen(&what), &row, &what);
                verified += 1;
            } else {
                answer.is_refused(NO_KEY, &what);
                without_key += 1;
            }
        }
        // No key is even looked for.
        for name in ["id_token", "after_rotate_2_rsa_id_token", "management_api"] {
            let row = row(name);
            let answer = api.get("/anyone", row.token(), row.now()).await;
            answer.is_refused(INVALID, &format!("{name} under {keys}"));
        }
    }
    // 49 tokens, six sets; those of the last rotation verify with one set, all others with two.
    assert_eq!((verified, without_key), (2 * 45 + 4, 6 * 49 - 94));
}

/// A signature belongs to one token: with another one's, by the same key, it is worth nothing.
#[tokio::test]
async fn signatures_cannot_be_exchanged() {
    let tokens: Vec<_> = accepted().map(row).collect();
    let mut exchanged = 0;
    for (one, other) in tokens.iter().flat_map(|one| tokens.iter().map(move |other| (one, other))) {
        if one.keys() != other.keys() || one.name == other.name {
            continue;
        }
        let (signed, _) = one.token().rsplit_once('.').unwrap();
        let (_, signature) = other.token().rsplit_once('.').unwrap();
        let api = Api::new(issuer(one.keys()));
        let answer = api.get("/anyone", &format!("{signed}.{signature}"), one.now()).await;
        answer.is_refused(INVALID, &format!("{} with the signature of {}", one.name, other.name));
        exchanged += 1;
    }
    assert_eq!(exchanged, 33 * 32 + 4 * (4 * 3));
}

#[tokio::test]
async fn rotations_orphan_the_first_token_at_the_second() {
    let rotation = corpus::rotation();
    let first = &rotation.first_token;
    let now = first.claims["iat"].as_u64().unwrap();
    let expected = [(true, true), (true, false), (false, false), (false, false)];
    assert_eq!(rotation.steps.len(), expected.len());
    for (step, (before, after)) in rotation.steps.iter().zip(expected) {
        for (keys, verifies, when) in [(&step.jwks_before, before, "before"), (&step.jwks_after, after, "after")] {
            let what = format!("{when} {}", step.tag);
            let api = Api::new(Issuer::new(ISSUER).jwks_json(keys.to_string()));
            let answer = api.get("/resource/two", &first.token, now).await;
            match verifies {
                true => assert_eq!(Some(answer.seen(&what).token.subject().id()), first.claims["sub"].as_str()),
                false => answer.is_refused(NO_KEY, &what),
            }
        }
        assert_eq!(after, step.first_token_still_verifies == "ok", "{}", step.tag);

        // The tokens issued after this step need the set that was published then.
        let newest = row(&format!("{}_m2m_resource", step.tag));
        for (keys, verifies) in [(&step.jwks_before, false), (&step.jwks_after, true)] {
            let api = Api::new(Issuer::new(ISSUER).jwks_json(keys.to_string()));
            let answer = api.get("/resource/two", newest.token(), newest.now()).await;
            match verifies {
                true => assert_says(answer.seen(&newest.name), &newest, &newest.name),
                false => answer.is_refused(NO_KEY, &newest.name),
            }
        }
    }
}

/// The recorded documents, served as the issuer served them.
#[derive(Clone)]
struct Recorded {
    key_set: Arc<Mutex<String>>,
    fetches: Arc<AtomicUsize>,
}

impl Fetch for Recorded {
    fn fetch(
        &self,
        request: Request<Bytes>,
        _: usize,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, FetchError>> + Send + '_>> {
        let (status, body) = match &*request.uri().to_string() {
            "http://localhost:3001/oidc/.well-known/openid-configuration" => (StatusCode::OK, corpus::discovery()),
            "http://localhost:3001/oidc/jwks" => {
                self.fetches.fetch_add(1, Ordering::SeqCst);
                (StatusCode::OK, self.key_set.lock().unwrap().clone())
            }
            _ => (StatusCode::NOT_FOUND, String::new()),
        };
        let response = Response::builder().status(status).body(Bytes::from(body)).map_err(FetchError::new);
        Box::pin(async move { response })
    }
}

/// One server lives through the four rotations: the first token of a new key is accepted at once, and a key that is no
/// longer published verifies nothing as soon as its absence is known.
#[tokio::test]
async fn rotations_as_they_happened() {
    let rotation = corpus::rotation();
    let first = &rotation.first_token;
    let recorded = Recorded {
        key_set: Arc::new(Mutex::new(rotation.steps[0].jwks_before.to_string())),
        fetches: Arc::new(AtomicUsize::new(0)),
    };
    let clock = TestClock::new(Duration::ZERO);
    let server = ResourceServer::builder(ISSUER, RESOURCE)
        .clock(clock.clone())
        .http_client(HttpClient::custom(recorded.clone()))
        .build()
        .unwrap();
    let router = server.guard().get("/", handler, resource().scope("read:orders")).into_router().unwrap();
    let api = Api { router, clock: clock.clone() };

    let now = first.claims["iat"].as_u64().unwrap();
    api.get("/", &first.token, now).await.seen("the first token");
    api.get("/", row("user_resource").token(), now).await.seen("another one with the same key");
    assert_eq!(recorded.fetches.load(Ordering::SeqCst), 1);

    let mut before_last: Option<Row> = None;
    for (step, first_verifies) in rotation.steps.iter().zip([true, false, false, false]) {
        *recorded.key_set.lock().unwrap() = step.jwks_after.to_string();
        clock.advance_monotonic(Duration::from_secs(60));
        let newest = row(&format!("{}_user_resource", step.tag));
        let fetches = recorded.fetches.load(Ordering::SeqCst);
        let answer = api.get("/", newest.token(), newest.now()).await;
        assert_says(answer.seen(&newest.name), &newest, &newest.name);
        assert_eq!(recorded.fetches.load(Ordering::SeqCst), fetches + 1, "{}", step.tag);

        clock.advance_monotonic(Duration::from_secs(60));
        let answer = api.get("/", &first.token, newest.now()).await;
        match first_verifies {
            true => _ = answer.seen(&step.tag),
            // While the token is new, another one could be signed with the same key.
            false if newest.now() < first.claims["iat"].as_u64().unwrap() + 60 => {
                answer.is_refused(NO_KEY_YET, &step.tag);
            }
            false => answer.is_refused(NO_KEY, &step.tag),
        }
        if let Some(before_last) = before_last.replace(newest) {
            api.get("/", before_last.token(), before_last.now()).await.seen("the key before is still published");
        }
    }
}

/// The token for the Management API is a good one, where it belongs.
#[tokio::test]
async fn the_management_token_is_rejected_for_its_issuer_alone() {
    let management = "https://default.logto.app/api";
    let other = row("management_api");
    let keys = key_set("jwks_admin_tenant");
    let serve = |issuer: &str| {
        Api::serving(Issuer::new(issuer).jwks_json(&*keys), management, |server| {
            server.guard().get("/", handler, resource().scope("all").machine()).into_router().unwrap()
        })
    };
    let answer = serve("http://localhost:3002/oidc").get("/", other.token(), other.now()).await;
    assert_eq!(answer.seen("at home").token.subject().id(), "m-default");
    serve(ISSUER).get("/", other.token(), other.now()).await.is_refused(INVALID, "another issuer");
}

/// Both issuers in one server: each one's keys serve its own tokens only.
#[tokio::test]
async fn two_issuers_in_one_server() {
    let (ours, theirs) = (row("m2m_resource"), row("management_api"));
    let serve = |our_keys: &str, their_keys: &str| {
        let tenant = Issuer::new(ISSUER).name("tenant").jwks_json(key_set(our_keys));
        let admin = Issuer::new("http://localhost:3002/oidc")
            .name("admin")
            .resource("https://default.logto.app/api")
            .jwks_json(key_set(their_keys));
        let clock = TestClock::new(Duration::ZERO);
        let server = ResourceServer::builder(tenant, RESOURCE).issuer(admin).clock(clock.clone()).build().unwrap();
        let router = server
            .guard()
            .get("/tenant", handler, resource().issued_by("tenant"))
            .get("/admin", handler, resource().issued_by("admin"))
            .get("/any", handler, resource().any_issuer())
            .into_router()
            .unwrap();
        Api { router, clock }
    };
    let api = serve("jwks_initial", "jwks_admin_tenant");
    for (row, name, at_tenant, at_admin) in [(&ours, "tenant", true, false), (&theirs, "admin", false, true)] {
        for (path, passes) in [("/tenant", at_tenant), ("/admin", at_admin), ("/any", true)] {
            let answer = api.get(path, row.token(), row.now()).await;
            match passes {
                true => assert_eq!(answer.seen(path).token.issuer_name(), name),
                false => answer.is_refused(DENIED, &format!("{name} at {path}")),
            }
        }
    }
    let crossed = serve("jwks_admin_tenant", "jwks_initial");
    for row in [ours, theirs] {
        crossed.get("/any", row.token(), row.now()).await.is_refused(NO_KEY, &row.name);
    }
}

/// A second API of the same server, whose tokens live for five seconds.
#[tokio::test]
async fn another_resource_indicator_of_the_server() {
    let scenario = corpus::scenario();
    let short = scenario.resource_short;
    let clock = TestClock::new(Duration::ZERO);
    let server = ResourceServer::builder(issuer("jwks_initial"), RESOURCE)
        .resource(&*short)
        .clock(clock.clone())
        .leeway(Duration::ZERO)
        .build()
        .unwrap();
    let router = server
        .guard()
        .get("/orders", handler, resource())
        .get("/short", handler, resource_at(&short).scope("read:short"))
        .into_router()
        .unwrap();
    let api = Api { router, clock };

    let row = row("m2m_short_lived");
    let (issued, expires) = (row.number("iat"), row.number("exp"));
    assert_eq!(expires - issued, 5);
    api.get("/short", row.token(), expires - 1).await.seen("in its last second");
    api.get("/short", row.token(), expires).await.is_refused(EXPIRED, "without leeway");
    api.get("/short", row.token(), issued - 1).await.is_refused(INVALID, "from the future");
    api.get("/orders", row.token(), issued).await.is_refused(WANTS_RESOURCE, "the other API");
    let orders = self::row("m2m_resource");
    api.get("/short", orders.token(), orders.now()).await.is_refused(WANTS_RESOURCE, "the other");
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Custom {
    tier: String,
    user_email: Option<String>,
    app_name: Option<String>,
    #[serde(default)]
    org_ids: Vec<String>,
    ticket: Option<String>,
}

#[tokio::test]
async fn custom_claims_reach_the_handler() {
    async fn custom(Claims(custom): Claims<Custom>) -> Extension<Custom> {
        Extension(custom)
    }
    let alice = |ticket: Option<&str>| Custom {
        tier: "gold".into(),
        user_email: Some("alice@example.com".into()),
        app_name: None,
        org_ids: vec![ACME.into(), GLOBEX.into()],
        ticket: ticket.map(Into::into),
    };
    let worker = || Custom {
        tier: "machine".into(),
        user_email: None,
        app_name: Some("orders-worker".into()),
        org_ids: vec![],
        ticket: None,
    };
    let api = Api::serving(issuer("jwks_initial"), RESOURCE, |server| {
        let gold = authenticated().claim("tier", "gold");
        server.guard().get("/custom", custom, authenticated()).get("/gold", custom, gold).into_router().unwrap()
    });
    for (name, expected) in [
        ("custom_claims_user_resource", alice(None)),
        ("custom_claims_user_org", alice(None)),
        ("custom_claims_user_org_resource", alice(None)),
        ("custom_claims_tx_user_resource", alice(Some("T-1"))),
        ("custom_claims_m2m_resource", worker()),
        ("custom_claims_m2m_org", worker()),
    ] {
        let row = row(name);
        let response = api.send("/custom", row.token(), row.now()).await;
        assert_eq!(response.extensions().get(), Some(&expected), "{name}");
        let gold = api.send("/gold", row.token(), row.now()).await;
        assert_eq!(gold.status() == 200, expected.tier == "gold", "{name}");
    }
    // Claims that are not there are the server's mistake, never "no claims".
    let plain = row("user_resource");
    assert_eq!(api.send("/custom", plain.token(), plain.now()).await.status(), 500);
    assert_eq!(api.send("/gold", plain.token(), plain.now()).await.status(), 403);
}
