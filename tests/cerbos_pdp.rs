//! An independent decision point: Cerbos, with policies of ours. All over HTTP, on loopback.
//!
//! `cargo test` needs nothing but Rust and leaves these out. After `npm ci` in `tests/cerbos`:
//!
//! ```sh
//! node tests/cerbos/pdp.mjs cargo test --test cerbos_pdp
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::env;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use http::Request;
use orgate::ResourceServer;
use orgate::authzen::{AuthZen, AuthZenBuilder, Semantic};
use orgate::decision::{CacheTimes, Decider, Decision, DecisionPoint as _, DecisionRequest, Resource};
use orgate::policy::{organization, path};
use orgate::testing::{TestDecisionRequest, TestIssuer};
use tokio::sync::RwLock;
use tower::ServiceExt as _;

/// There is one Cerbos for all tests. Whoever stops it holds this alone.
static CERBOS: LazyLock<RwLock<()>> = LazyLock::new(RwLock::default);

fn variable(name: &str) -> String {
    env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: node tests/cerbos/pdp.mjs cargo test --test cerbos_pdp"))
}

/// Cerbos knows no users: who somebody is, and with which roles, it is told.
const USERS: [(&str, &str, &[&str]); 5] = [
    ("alice", "acme", &["admin"]),
    ("bob", "acme", &["editor"]),
    ("carol", "acme", &["viewer"]),
    ("dave", "globex", &["admin"]),
    ("eve", "acme", &[]),
];

/// What is wanted: the route, the action, and the resource.
fn wants() -> [(&'static str, &'static str, Resource); 5] {
    let document = |id: &str, owner: &str| Resource::new("document", id).property("owner", owner);
    [
        ("/documents/{id}", "read", document("d1", "alice")),
        ("/documents/{id}/title", "edit", document("d2", "bob")),
        ("/documents/{id}/title", "edit", document("d3", "alice")),
        ("/documents/{id}", "delete", document("d2", "bob")),
        ("/invoices/{id}/approval", "approve", Resource::new("invoice", "i1").property("amount", 1000)),
    ]
}

/// By user and by what is wanted, of an organization `acme`.
const EXPECTED: [[bool; 5]; 5] = [
    [true, true, true, true, true],
    [true, true, false, false, true],
    [true, false, false, false, false],
    // An administrator, and of another organization.
    [false, false, false, false, false],
    [false, false, false, false, false],
];

fn request(
    user: (&str, &str, &[&str]),
    organization: &str,
    (route, action, resource): &(&str, &str, Resource),
) -> DecisionRequest {
    let (id, member_of, roles) = user;
    TestDecisionRequest::user(id)
        .client_id("back-office")
        .organization(organization)
        .wants(*action, resource.clone())
        .route(*route)
        .subject_property("roles", roles.to_vec())
        .subject_property("member_of", member_of)
}

fn builder() -> AuthZenBuilder {
    AuthZen::builder(variable("ORGATE_PDP")).bearer_token(variable("ORGATE_PDP_TOKEN")).map(|request, evaluation| {
        let roles = request.subject_properties().find(|(name, _)| *name == "roles").map(|(_, roles)| roles.clone());
        if let Some(roles) = roles {
            evaluation.set_subject_property("cerbos.roles", roles);
        }
    })
}

fn client() -> AuthZen {
    builder().build().unwrap()
}

fn verdicts(decisions: &[Decision]) -> Vec<bool> {
    decisions.iter().map(Decision::is_allowed).collect()
}

async fn turn(control: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(format!("{}/{control}", variable("ORGATE_PDP_CONTROL"))).send().await.unwrap();
    assert!(answer.status().is_success());
}

#[tokio::test]
async fn five_users_and_what_they_want() {
    let _running = CERBOS.read().await;
    let client = client();
    for (user, expected) in USERS.into_iter().zip(EXPECTED) {
        let mut verdicts = Vec::new();
        for want in &wants() {
            verdicts.push(client.decide(&request(user, "acme", want)).await.unwrap().is_allowed());
        }
        assert_eq!(verdicts, expected, "{}", user.0);
    }
    let dave_at_home = client.decide(&request(USERS[3], "globex", &wants()[3])).await.unwrap();
    assert!(dave_at_home.is_allowed());
}

#[tokio::test]
async fn all_in_one_go() {
    let _running = CERBOS.read().await;
    let client = client();
    let requests: Vec<_> = USERS.iter().flat_map(|user| wants().map(|want| request(*user, "acme", &want))).collect();
    assert_eq!(verdicts(&client.decide_all(&requests).await.unwrap()), EXPECTED.concat());
    let of_bob: Vec<_> = wants().iter().map(|want| request(USERS[1], "acme", want)).collect();
    assert_eq!(verdicts(&client.decide_all(&of_bob).await.unwrap()), EXPECTED[1], "one subject for all of them");
    for (semantic, expected) in [
        (Semantic::ExecuteAll, [true, true, false, false, true]),
        (Semantic::DenyOnFirstDeny, [true, true, false, false, false]),
        (Semantic::PermitOnFirstPermit, [true, false, false, false, false]),
    ] {
        assert_eq!(verdicts(&client.evaluate_all(&of_bob, semantic).await.unwrap()), expected, "{semantic:?}");
    }
}

/// Asked in one call, it answers both as the first: it finds its answers by the ids of subject and resource.
#[tokio::test]
async fn one_resource_of_two_organizations() {
    let _running = CERBOS.read().await;
    let want = &wants()[0];
    for organizations in [["acme", "globex"], ["globex", "acme"]] {
        let requests = organizations.map(|organization| request(USERS[0], organization, want));
        let expected = organizations.map(|organization| organization == "acme");
        assert_eq!(verdicts(&client().decide_all(&requests).await.unwrap()), expected);
    }
}

#[tokio::test]
async fn what_it_is_not_told_does_not_count() {
    let _running = CERBOS.read().await;
    let want = &wants()[0];
    let unmapped = AuthZen::builder(variable("ORGATE_PDP")).bearer_token(variable("ORGATE_PDP_TOKEN")).build().unwrap();
    assert!(!unmapped.decide(&request(USERS[0], "acme", want)).await.unwrap().is_allowed(), "no roles");
    let elsewhere =
        TestDecisionRequest::user("alice").wants("read", Resource::new("document", "d1").property("tenant", "acme"));
    let elsewhere = elsewhere.subject_property("roles", vec!["admin"]).subject_property("member_of", "acme");
    assert!(!client().decide(&elsewhere).await.unwrap().is_allowed(), "a tenant that is a mere property");
    let unknown = request(USERS[0], "acme", &("/", "read", Resource::new("spaceship", "1")));
    assert!(!client().decide(&unknown).await.unwrap().is_allowed());
}

#[tokio::test]
async fn a_wrong_credential_is_no_denial() {
    let _running = CERBOS.read().await;
    let url = variable("ORGATE_PDP");
    for stranger in [
        AuthZen::builder(&url),
        AuthZen::builder(&url).bearer_token("other"),
        AuthZen::builder(&url).header("x-key", "k"),
    ] {
        let stranger = stranger.build().unwrap();
        stranger.ready().await.expect("metadata is public");
        let error = stranger.decide(&request(USERS[0], "acme", &wants()[0])).await.unwrap_err();
        assert!(!error.is_unavailable() && error.to_string().contains("401"), "{error}");
    }
    let other_name = url.replace("127.0.0.1", "localhost");
    let named = AuthZen::builder(&other_name).bearer_token(variable("ORGATE_PDP_TOKEN")).build().unwrap();
    named.ready().await.expect("it repeats the host that it was asked as");
    let slash = AuthZen::builder(format!("{url}/")).build().unwrap();
    assert!(!slash.ready().await.unwrap_err().is_unavailable(), "not what its metadata states");
}

#[tokio::test]
async fn it_stops_in_the_middle() {
    let _alone = CERBOS.write().await;
    let decider = Decider::builder(client()).build().unwrap();
    let [read, edit, ..] = wants().map(|want| request(USERS[1], "acme", &want));
    assert!(decider.decide(&read).await.unwrap().is_allowed());

    turn("down").await;
    assert!(decider.decide(&edit).await.unwrap_err().is_unavailable());
    assert!(decider.decide(&read).await.unwrap().is_allowed(), "remembered for some seconds");
    assert!(decider.decide_within(&read, CacheTimes::NONE).await.unwrap_err().is_unavailable());
    assert!(decider.decide_all(&[read.clone(), edit.clone()]).await.unwrap_err().is_unavailable());
    assert!(client().ready().await.unwrap_err().is_unavailable());

    turn("up").await;
    assert!(decider.decide(&edit).await.unwrap().is_allowed());
}

/// What a guard says of five users on five routes: the decision point is asked with what the route names.
#[tokio::test]
async fn five_users_on_five_routes() {
    let _alone = CERBOS.write().await;
    let issuer = TestIssuer::start().await;
    let point = AuthZen::builder(variable("ORGATE_PDP")).bearer_token(variable("ORGATE_PDP_TOKEN")).map(
        |request, evaluation| {
            // A token for the organization is one of a member; its scopes are named as the roles are.
            evaluation.set_subject_property("cerbos.roles", request.scopes().map(str::to_owned).collect::<Vec<_>>());
            evaluation.set_subject_property("member_of", request.organization_id().unwrap_or_default());
        },
    );
    let decider = Decider::builder(point.build().unwrap()).remember(CacheTimes::NONE).build().unwrap();
    let server = ResourceServer::builder(issuer.url(), "https://api.example.com")
        .clock(issuer.clock())
        .decision_point(decider)
        .build()
        .unwrap();
    let wants = |action| organization(path("org")).decide(action, "document", path("id"));
    let done = async || "done";
    let app: Router = server
        .guard()
        .get("/orgs/{org}/documents/{id}", done, wants("read"))
        .put("/orgs/{org}/documents/{id}", done, wants("edit"))
        .delete("/orgs/{org}/documents/{id}", done, wants("delete"))
        .put("/orgs/{org}/documents/{id}/title", done, wants("edit"))
        .get("/orgs/{org}/drafts/{id}", done, wants("read"))
        .into_router()
        .unwrap();
    let routes = [
        ("GET", "documents/d1"),
        ("PUT", "documents/d1"),
        ("DELETE", "documents/d1"),
        ("PUT", "documents/d1/title"),
        ("GET", "drafts/d2"),
    ];
    let ask = async |user: (&str, &str, &[&str]), (method, route): (&str, &str)| {
        let token = issuer.organization_token(user.1).subject(user.0).scope(&user.2.join(" ")).mint();
        let request = Request::builder().method(method).uri(format!("/orgs/acme/{route}"));
        let request = request.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap().status().as_u16()
    };
    let expected = [[200; 5], [200, 403, 403, 403, 200], [200, 403, 403, 403, 200], [403; 5], [403; 5]];
    for (user, expected) in USERS.into_iter().zip(expected) {
        for (route, expected) in routes.into_iter().zip(expected) {
            assert_eq!(ask(user, route).await, expected, "{} {route:?}", user.0);
        }
    }
    turn("down").await;
    assert_eq!(ask(USERS[0], routes[0]).await, 503);
    turn("up").await;
    assert_eq!(ask(USERS[0], routes[0]).await, 200);
}
