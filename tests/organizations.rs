//! Which organization a request is about, from every source, for every model.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::type_complexity, reason = "tables")]

mod web;

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::routing::get;
use http::{HeaderValue, Request, Response};
use orgate::engine::Grant;
use orgate::organization::PathParams;
use orgate::policy::{
    Policy, RequestSource, any_organization, custom, header, organization, path, resource, resource_at, subdomain,
};
use orgate::rejection::{RejectionKind, Remediation};
use orgate::{AccessToken, Organization};
use tower::{Layer as _, ServiceExt as _, service_fn};
use web::{Answer, Api, RESOURCE, request, serve};

async fn whose(organization: Organization) -> String {
    organization.id().to_owned()
}

async fn whose_if_any(organization: Option<Organization>, token: AccessToken) -> String {
    format!("{} {:?}", token.subject(), organization.map(|organization| organization.id().to_owned()))
}

/// Both models with an organization, and a token of each.
fn models(api: &Api, source: impl Fn() -> RequestSource, id: &str) -> [(Policy, String); 2] {
    [
        (organization(source()).scope("x"), api.organization_token(id, "x")),
        (resource().in_organization(source()).scope("x"), api.member_token(id, "x")),
    ]
}

fn bearer(token: &str) -> HeaderValue {
    format!("Bearer {token}").parse().unwrap()
}

/// Everything that a client can see, but the date.
fn seen(answer: &Answer) -> (u16, Vec<(String, Vec<u8>)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    headers.sort();
    (answer.status, headers, answer.body.clone())
}

const NOT_NAMED: &str = "The request does not name exactly one organization.";
const NONE_IN_TOKEN: &str = "The access token is not for an organization.";
const OTHER: &str = "The access token is not for the organization that the request names.";

fn is_wrong_organization(answer: &Answer) {
    assert_eq!(answer.status, 403, "{answer:?}");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!([NOT_NAMED, NONE_IN_TOKEN, OTHER].contains(&&*detail), "{detail}");
    let expected = format!(
        "Bearer error=\"insufficient_scope\", scope=\"x\", error_description=\"{detail}\", realm=\"https://api.example.com\""
    );
    assert_eq!(answer.challenge(), Some(&*expected));
    assert_eq!(answer.json()["remediation"], "organization_token");
    let rejection = answer.rejection.as_ref().unwrap();
    assert_eq!((rejection.kind(), rejection.description()), (RejectionKind::WrongOrganization, &*detail));
}

#[tokio::test]
async fn the_cause_of_a_wrong_organization_is_told_without_its_id() {
    let api = Api::start().await;
    let in_org = || resource().in_organization(header("x-org")).scope("x");
    let guard = api.server.guard().get("/open", whose, in_org()).get("/hidden", whose, in_org().hide_organization());
    let app = guard.get("/org", whose, organization(header("x-org")).scope("x")).into_router().unwrap();
    let (member, global) = (api.member_token("acme", "x"), api.token("x"));
    let of_org = api.organization_token("acme", "x");
    let ask = async |path: &str, token: &str, named: &[&'static str]| {
        let mut request = request("GET", path, Some(token));
        for id in named {
            request.headers_mut().append("x-org", HeaderValue::from_static(id));
        }
        api.send(&app, request).await
    };
    let mut hidden = Vec::new();
    for (path, token, named, cause) in [
        ("/open", &member, &[][..], NOT_NAMED),
        ("/open", &member, &["acme", "globex"], NOT_NAMED),
        ("/open", &member, &["globex"], OTHER),
        ("/open", &global, &["acme"], NONE_IN_TOKEN),
        ("/open", &global, &[], NOT_NAMED),
        ("/org", &of_org, &[], NOT_NAMED),
        ("/org", &of_org, &["globex"], OTHER),
    ] {
        let answer = ask(path, token, named).await;
        is_wrong_organization(&answer);
        assert_eq!(answer.json()["detail"], cause, "{path} {named:?}");
        assert!(!answer.body.contains("acme") && !answer.body.contains("globex"), "{}", answer.body);
        if path == "/open" {
            hidden.push(seen(&ask("/hidden", token, named).await));
        }
    }
    assert!(hidden.iter().all(|other| *other == hidden[0] && other.0 == 404), "{hidden:?}");
}

#[tokio::test]
async fn the_global_model_knows_no_organization() {
    let api = Api::start().await;
    let app = api.server.guard().get("/orgs/{org}", whose_if_any, resource()).into_router().unwrap();
    let answer = api.ask(&app, "GET", "/orgs/acme", Some(&api.token(""))).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "user_1 None"));
    let both = api.issuer.resource_token(RESOURCE).audience([RESOURCE, "urn:logto:organization:acme"]).mint();
    let empty_claim = api.issuer.resource_token(RESOURCE).claim("organization_id", "").mint();
    for token in [api.organization_token("acme", ""), api.member_token("acme", ""), both, empty_claim] {
        let answer = api.ask(&app, "GET", "/orgs/acme", Some(&token)).await;
        assert_eq!((answer.status, answer.json()["remediation"].as_str()), (403, Some("resource_token")));
        assert_eq!(answer.rejection.unwrap().remediation(), Remediation::ResourceToken);
    }
}

#[tokio::test]
async fn from_the_path_as_the_handler_reads_it() {
    async fn both(organization: Organization, Path(read): Path<String>) -> String {
        format!("{} {read}", organization.id())
    }
    let api = Api::start().await;
    for (raw, id) in [
        ("acme", "acme"),
        ("%61cme", "acme"),
        ("a%2Fb", "a/b"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("a%2520b", "a%20b"),
        ("%C3%A9", "é"),
        ("%2e%2e", ".."),
        ("ACME", "ACME"),
    ] {
        for (policy, token) in models(&api, || path("org"), id) {
            let app = api.server.guard().get("/orgs/{org}", both, policy).into_router().unwrap();
            let answer = api.ask(&app, "GET", &format!("/orgs/{raw}"), Some(&token)).await;
            assert_eq!((answer.status, answer.body), (200, format!("{id} {id}")), "{raw}");
        }
    }
    for (policy, token) in models(&api, || path("org"), "acme") {
        let app = api.server.guard().get("/orgs/{org}", both, policy).into_router().unwrap();
        for raw in ["other", "ACME", "acme%20", "acme%00", "%ff", "%2561cme", "acme;x"] {
            is_wrong_organization(&api.ask(&app, "GET", &format!("/orgs/{raw}"), Some(&token)).await);
        }
        assert_eq!(api.ask(&app, "GET", "/orgs/", Some(&token)).await.status, 404);
    }
}

/// A parameter can be empty only behind a wildcard or a router of one's own; it never passes, whatever the token says.
#[tokio::test]
async fn an_empty_id_never_passes() {
    let api = Api::start().await;
    let tokens = [api.organization_token("", "x"), api.member_token("", "x"), api.token("x")];
    let sources: [fn() -> RequestSource; 5] = [
        || path("org"),
        || header("x-org"),
        || subdomain("example.com"),
        || custom("fixed", |_| Some(String::new())),
        any_organization,
    ];
    for source in sources {
        for policy in [organization(source()).scope("x"), resource().in_organization(source()).scope("x")] {
            let layer = api.server.require(policy).unwrap();
            let service =
                layer.layer(service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty()))));
            for token in &tokens {
                let mut request = request("GET", "/", Some(token));
                request.extensions_mut().insert(PathParams::new([("org", "")]));
                request.headers_mut().insert("x-org", HeaderValue::from_static(""));
                request.headers_mut().insert("host", HeaderValue::from_static(".example.com"));
                let answer = api.send_to(service.clone(), request).await;
                // `urn:logto:organization:` alone names nothing that a server serves.
                assert!(matches!(answer.status, 401 | 403), "{source:?} {answer:?}", source = source());
            }
        }
    }
}

#[tokio::test]
async fn a_path_that_layer_and_handler_could_read_differently() {
    let api = Api::start().await;
    for (policy, token) in models(&api, || path("org"), "acme") {
        let layer = api.server.require(policy).unwrap();
        let twice = Router::new().route("/{org}/x/{org}", get(whose)).route_layer(layer.clone());
        let nested = Router::new().nest("/{org}", Router::new().route("/{org}", get(whose)).route_layer(layer.clone()));
        let absent = Router::new().route("/{id}", get(whose)).route_layer(layer.clone());
        let around = Router::new().route("/{org}", get(whose)).layer(layer.clone());
        let outside = layer.clone().layer(Router::new().route("/{org}", get(whose)));
        for (app, target) in [(twice, "/acme/x/acme"), (nested, "/acme/acme"), (absent, "/acme")] {
            let answer = api.ask(&app, "GET", target, Some(&token)).await;
            assert_eq!((answer.status, answer.challenge()), (500, None), "{target}");
            assert_eq!(answer.json()["remediation"], "none");
            assert_eq!(answer.rejection.unwrap().kind(), RejectionKind::Misconfigured);
            assert_eq!(api.ask(&app, "GET", target, None).await.status, 401, "{target}");
        }
        assert_eq!(api.ask(&around, "GET", "/acme", Some(&token)).await.body, "acme");
        assert_eq!(api.send_to(outside, request("GET", "/acme", Some(&token))).await.status, 500);
    }
}

#[tokio::test]
async fn through_a_plain_router_nested() {
    let api = Api::start().await;
    for (policy, token) in models(&api, || path("org"), "acme") {
        let layer = api.server.require(policy).unwrap();
        let inner = Router::new().route("/orders/{id}", get(whose)).route_layer(layer);
        let app = Router::new().nest("/v1", Router::new().nest("/orgs/{org}", inner));
        assert_eq!(api.ask(&app, "GET", "/v1/orgs/acme/orders/1", Some(&token)).await.body, "acme");
        is_wrong_organization(&api.ask(&app, "GET", "/v1/orgs/other/orders/acme", Some(&token)).await);
    }
}

#[tokio::test]
async fn from_exactly_one_header() {
    let api = Api::start().await;
    for (policy, token) in models(&api, || header("X-Organization-Id"), "acme") {
        let app = api.server.guard().get("/", whose, policy).into_router().unwrap();
        let with = |values: &[&[u8]]| {
            let mut request = request("GET", "/", Some(&token));
            for value in values {
                request.headers_mut().append("x-organization-id", HeaderValue::from_bytes(value).unwrap());
            }
            request
        };
        assert_eq!(api.send(&app, with(&[b"acme"])).await.body, "acme");
        for wrong in [
            &[][..],
            &[&b"other"[..]],
            &[b""],
            &[b"acme", b"acme"],
            &[b"acme", b"other"],
            &[b"other", b"acme"],
            &[b"", b"acme"],
            &[b"acme,other"],
            &[b"ACME"],
            &[b"acm\xc3\xa9"],
            &[b"\xff"],
        ] {
            is_wrong_organization(&api.send(&app, with(wrong)).await);
        }
    }
    // Over a socket, where white space around a value is no part of it.
    let policy = resource().in_organization(header("x-organization-id"));
    let address = serve(api.server.guard().get("/", whose, policy).into_router().unwrap()).await;
    let client = reqwest::Client::new();
    let send = async |value: &str| {
        let request = client.get(format!("http://{address}/")).bearer_auth(api.member_token("acme", ""));
        request.header("X-ORGANIZATION-ID", value).send().await.unwrap().status().as_u16()
    };
    assert_eq!((send("acme").await, send("other").await), (200, 403));
}

#[tokio::test]
async fn from_the_subdomain() {
    let api = Api::start().await;
    for (policy, token) in models(&api, || subdomain("Example.com"), "acme") {
        let app = api.server.guard().get("/", whose, policy).into_router().unwrap();
        let with = |target: &str, hosts: &[&'static str]| {
            let mut request = request("GET", target, Some(&token));
            for host in hosts {
                request.headers_mut().append("host", HeaderValue::from_static(host));
            }
            request
        };
        for (target, hosts) in [
            ("/", &["acme.example.com"][..]),
            ("/", &["acme.example.com:8443"]),
            ("/", &["ACME.EXAMPLE.COM"]),
            ("/", &["acme.example.com."]),
            ("https://acme.example.com/", &["acme.example.com:443"]),
            ("https://acme.example.com/", &[]),
            ("https://Acme.Example.com:8443/", &[]),
            ("https://acme.example.com/", &["acme.example.com"]),
            ("https://acme.example.com/", &["ACME.example.com"]),
        ] {
            assert_eq!(api.send(&app, with(target, hosts)).await.body, "acme", "{target} {hosts:?}");
        }
        for (target, hosts) in [
            ("/", &[][..]),
            ("/", &["other.example.com"]),
            ("/", &["example.com"]),
            ("/", &["acme.example.org"]),
            ("/", &["a.acme.example.com"]),
            ("/", &["acme.a.example.com"]),
            ("/", &["acmeexample.com"]),
            ("/", &["acme.example.com.evil.test"]),
            ("/", &["acme@example.com"]),
            ("/", &["acme.example.com", "acme.example.com"]),
            ("/", &["acme.example.com", "other.example.com"]),
            ("https://other.example.com/", &[]),
            ("https://other.example.com/", &["acme.example.com"]),
            ("https://acme.example.com/", &["other.example.com"]),
            ("https://x@acme.example.com/", &[]),
        ] {
            is_wrong_organization(&api.send(&app, with(target, hosts)).await);
        }
        let mut forwarded = with("/", &["other.example.com"]);
        forwarded.headers_mut().insert("x-forwarded-host", HeaderValue::from_static("acme.example.com"));
        is_wrong_organization(&api.send(&app, forwarded).await);
    }
}

#[tokio::test]
async fn from_a_closure() {
    let api = Api::start().await;
    let source = || {
        custom("query org", |parts| parts.uri.query().and_then(|query| query.strip_prefix("org=")).map(str::to_owned))
    };
    for (policy, token) in models(&api, source, "acme") {
        let app = api.server.guard().get("/", whose, policy).into_router().unwrap();
        assert_eq!(api.ask(&app, "GET", "/?org=acme", Some(&token)).await.body, "acme");
        for target in ["/", "/?", "/?org=", "/?org=other", "/?x=1&org=acme"] {
            is_wrong_organization(&api.ask(&app, "GET", target, Some(&token)).await);
        }
    }
}

#[tokio::test]
async fn from_the_token() {
    let api = Api::start().await;
    for id in ["acme", "other"] {
        for (policy, any_organization) in models(&api, any_organization, id) {
            let app = api.server.guard().get("/", whose, policy).into_router().unwrap();
            assert_eq!(api.ask(&app, "GET", "/", Some(&any_organization)).await.body, id);
        }
    }
    let of_any = api
        .server
        .guard()
        .get("/", whose, resource().in_organization(any_organization()).scope("x"))
        .into_router()
        .unwrap();
    is_wrong_organization(&api.ask(&of_any, "GET", "/", Some(&api.token("x"))).await);
    let empty = api.issuer.resource_token(RESOURCE).claim("organization_id", "").scope("x").mint();
    is_wrong_organization(&api.ask(&of_any, "GET", "/", Some(&empty)).await);
}

#[tokio::test]
async fn the_wrong_model_is_rejected_with_the_way_out() {
    let api = Api::start().await;
    let app = api
        .server
        .guard()
        .get("/2/{org}", whose, organization(path("org")).scope("x"))
        .get("/3/{org}", whose, resource().in_organization(path("org")).scope("x"))
        .into_router()
        .unwrap();
    let several = api
        .issuer
        .organization_token("acme")
        .audience(["urn:logto:organization:acme", "urn:logto:organization:b"])
        .scope("x");
    let beside = api.issuer.organization_token("acme").audience(["urn:logto:organization:acme", RESOURCE]).scope("x");
    let with_claim = api.issuer.organization_token("acme").claim("organization_id", "acme").scope("x");
    for (target, token, remediation) in [
        ("/2/acme", api.token("x"), "organization_token"),
        ("/2/acme", api.member_token("acme", "x"), "organization_token"),
        ("/2/acme", several.mint(), "organization_token"),
        ("/2/acme", beside.mint(), "organization_token"),
        ("/2/acme", with_claim.mint(), "organization_token"),
        ("/3/acme", api.organization_token("acme", "x"), "resource_token"),
        ("/3/acme", beside.claim("organization_id", "acme").mint(), "resource_token"),
        ("/3/acme", api.token("x"), "organization_token"),
    ] {
        let answer = api.ask(&app, "GET", target, Some(&token)).await;
        assert_eq!((answer.status, answer.json()["remediation"].as_str()), (403, Some(remediation)), "{target}");
        assert_eq!(answer.json()["error"], "insufficient_scope");
        assert!(answer.challenge().unwrap().contains(", scope=\"x\", "), "{answer:?}");
    }
}

#[tokio::test]
async fn hidden_organizations_all_look_the_same() {
    let api = Api::start().await;
    let cases: [(fn() -> RequestSource, &str, &str); 3] = [
        (|| path("org"), "/orgs/acme", "/orgs/other"),
        (|| header("x-org"), "acme", "other"),
        (|| subdomain("example.com"), "acme.example.com", "other.example.com"),
    ];
    for (source, own, foreign) in cases {
        let ask = |place: &str, token: &str| {
            let target = if place.starts_with('/') { place } else { "/orgs/any" };
            let mut request = request("GET", target, Some(token));
            if !place.is_empty() && !place.starts_with('/') {
                let name = if place.contains('.') { "host" } else { "x-org" };
                request.headers_mut().insert(name, place.parse().unwrap());
            }
            request
        };
        for (policy, good) in models(&api, source, "acme") {
            let app = api.server.guard().get("/orgs/{org}", whose, policy.hide_organization()).into_router().unwrap();
            assert_eq!(api.send(&app, ask(own, &good)).await.status, 200);
            let mut answers = Vec::new();
            for token in [
                good.clone(),
                api.token("x"),
                api.token(""),
                api.organization_token("ghost", "x"),
                api.organization_token("ghost", ""),
                api.member_token("ghost", "x"),
            ] {
                answers.push(api.send(&app, ask(foreign, &token)).await);
                if token != good {
                    answers.push(api.send(&app, ask(own, &token)).await);
                }
                if !own.starts_with('/') {
                    answers.push(api.send(&app, ask("", &token)).await);
                }
            }
            for answer in &answers {
                assert_eq!(seen(answer), seen(&answers[0]));
                assert_eq!(answer.rejection.as_ref().unwrap().kind(), RejectionKind::Hidden);
            }
            assert_eq!((answers[0].status, answers[0].challenge()), (404, None));
            assert_eq!(answers[0].json()["remediation"], "none");
            assert_eq!(answers[0].json().get("required_scopes"), None);
            // What does not depend on the organization says what it is.
            assert_eq!(api.send(&app, request("GET", "/orgs/acme", None)).await.status, 401);
            assert_eq!(api.send(&app, request("GET", "/orgs/acme", Some("not.a.token"))).await.status, 401);
        }
        let policy = organization(source()).scope("x").hide_organization();
        let app = api.server.guard().get("/orgs/{org}", whose, policy).into_router().unwrap();
        let lacking = api.send(&app, ask(own, &api.organization_token("acme", ""))).await;
        assert_eq!((lacking.status, lacking.json()["error"].as_str()), (403, Some("insufficient_scope")));
    }
}

#[tokio::test]
async fn the_leftmost_branch_that_passes_fixes_the_organization() {
    let api = Api::start().await;
    let by_path = || resource().in_organization(path("org")).scope("a");
    let by_token = || resource().in_organization(any_organization()).scope("b");
    let permissions = || organization(path("org")).scope("p");
    let support = || resource().scope("support");
    let app = api
        .server
        .guard()
        .get("/1/{org}", whose_if_any, by_path().or(by_token()).or(permissions()).or(support()))
        .get("/2/{org}", whose_if_any, by_token().or(by_path()))
        .into_router()
        .unwrap();
    for (target, token, expected) in [
        ("/1/acme", api.member_token("acme", "a"), Some("Some(\"acme\")")),
        ("/1/acme", api.member_token("acme", "b"), Some("Some(\"acme\")")),
        ("/1/acme", api.member_token("other", "b"), Some("Some(\"other\")")),
        ("/1/acme", api.member_token("other", "a b"), Some("Some(\"other\")")),
        ("/1/acme", api.member_token("other", "a"), None),
        ("/1/acme", api.organization_token("acme", "p"), Some("Some(\"acme\")")),
        ("/1/acme", api.organization_token("acme", "a b support"), None),
        ("/1/acme", api.organization_token("other", "p"), None),
        ("/1/acme", api.token("support"), Some("None")),
        ("/1/acme", api.token("a b p"), None),
        ("/1/acme", api.member_token("acme", "support p"), None),
        ("/2/acme", api.member_token("other", "b"), Some("Some(\"other\")")),
        ("/2/acme", api.member_token("acme", "a"), Some("Some(\"acme\")")),
        ("/2/acme", api.member_token("other", "a"), None),
    ] {
        let answer = api.ask(&app, "GET", target, Some(&token)).await;
        match expected {
            Some(expected) => assert_eq!(answer.body, format!("user_1 {expected}"), "{target}"),
            None => assert_eq!(answer.status, 403, "{target}"),
        }
    }
}

#[tokio::test]
async fn several_resource_indicators() {
    const BILLING: &str = "https://api.example.com/billing";
    let api = Api::configured(|builder| builder.resource(BILLING)).await;
    let app = api
        .server
        .guard()
        .get("/main", whose_if_any, resource().scope("x"))
        .get("/billing", whose_if_any, resource_at(BILLING).scope("x"))
        .get("/billing/{org}", whose, resource_at(BILLING).in_organization(path("org")).scope("x"))
        .into_router()
        .unwrap();
    let main = api.token("x");
    let billing = api.issuer.resource_token(BILLING).scope("x").mint();
    let member = api.issuer.organization_resource_token(BILLING, "acme").scope("x").mint();
    let both = api.issuer.resource_token(BILLING).audience([RESOURCE, BILLING]).scope("x").mint();
    for (target, token, status) in [
        ("/main", &main, 200),
        ("/main", &billing, 403),
        ("/main", &both, 200),
        ("/billing", &billing, 200),
        ("/billing", &main, 403),
        ("/billing", &member, 403),
        ("/billing", &both, 200),
        ("/billing/acme", &member, 200),
        ("/billing/other", &member, 403),
        ("/billing/acme", &billing, 403),
        ("/billing/acme", &api.member_token("acme", "x"), 403),
    ] {
        assert_eq!(api.ask(&app, "GET", target, Some(token)).await.status, status, "{target}");
    }
    let elsewhere = api.issuer.resource_token("https://api.example.com/billing/").scope("x").mint();
    assert_eq!(api.ask(&app, "GET", "/billing", Some(&elsewhere)).await.status, 401);
}

#[tokio::test]
async fn without_axum_the_router_tells_the_parameters() {
    let api = Api::start().await;
    for (policy, token) in models(&api, || path("org"), "acme") {
        let service = api.server.require(policy).unwrap().layer(service_fn(async |request: Request<Body>| {
            let organization =
                request.extensions().get::<Grant>().and_then(Grant::organization).expect("an organization");
            Ok::<_, Infallible>(Response::new(Body::from(organization.id().to_owned())))
        }));
        let with = |pairs: &[(&'static str, &'static str)]| {
            let mut request = Request::new(Body::empty());
            request.headers_mut().insert("authorization", bearer(&token));
            request.extensions_mut().insert(PathParams::new(pairs.iter().copied()));
            request
        };
        assert_eq!(api.send_to(service.clone(), with(&[("id", "1"), ("org", "acme")])).await.body, "acme");
        is_wrong_organization(&api.send_to(service.clone(), with(&[("org", "other")])).await);
        is_wrong_organization(&api.send_to(service.clone(), with(&[("org", "")])).await);
        for wiring in [&[("id", "acme")][..], &[], &[("org", "acme"), ("org", "acme")]] {
            assert_eq!(api.send_to(service.clone(), with(wiring)).await.status, 500, "{wiring:?}");
        }
        let mut untold = Request::new(Body::empty());
        untold.headers_mut().insert("authorization", bearer(&token));
        assert_eq!(service.oneshot(untold).await.unwrap().status(), 500);
    }
}

#[tokio::test]
async fn support_gets_the_organization_of_the_request_and_the_policy_vouches_for_it() {
    async fn whose_word(organization: Organization) -> String {
        format!("{} {:?}", organization.id(), organization.provenance())
    }
    let api = Api::start().await;
    let policy = organization(path("org")).scope("x").or(resource().scope("support").about(path("org")));
    let app = api.server.guard().get("/orgs/{org}", whose_word, policy).into_router().unwrap();
    for (token, status, body) in [
        (api.organization_token("acme", "x"), 200, "acme Token"),
        (api.token("support"), 200, "acme Policy"),
        (api.token("x"), 403, ""),
        (api.organization_token("other", "x support"), 403, ""),
        (api.member_token("other", "support"), 403, ""),
    ] {
        let answer = api.ask(&app, "GET", "/orgs/acme", Some(&token)).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(status != 200 || answer.body == body, "{answer:?}");
    }

    // Without about(..) the clause has none: that is the server's fault, and the response does not say how it is built.
    let policy = organization(path("org")).scope("x").or(resource().scope("support"));
    let app = api.server.guard().get("/orgs/{org}", whose, policy).into_router().unwrap();
    let answer = api.ask(&app, "GET", "/orgs/acme", Some(&api.token("support"))).await;
    assert_eq!((answer.status, answer.body.contains("clause")), (500, false), "{answer:?}");
}
