//! Authorization details of a token (RFC 9396), as conditions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use http::Request;
use orgate::policy::{
    AuthorizationDetail, Parser, Policy, authorization_detail, organization, path, resource, resource_at,
};
use orgate::testing::TestIssuer;
use orgate::{Issuer, ResourceServer};
use serde::Deserialize;
use serde_json::{Value, json};

use super::support::{API, Seen, request, send, whose};

const BILLING: &str = "https://api.example.com/billing";

struct World {
    issuer: TestIssuer,
    server: ResourceServer,
}

impl World {
    async fn start() -> Self {
        let issuer = TestIssuer::start().await;
        let entry = Issuer::new(issuer.url()).resource(API).resource(BILLING);
        let server = ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap();
        Self { issuer, server }
    }

    fn app(&self, policy: Policy) -> Router {
        self.server.guard().get("/pay/{creditor}", whose, policy).into_router().unwrap()
    }

    async fn ask(&self, app: &Router, details: &Value) -> Seen {
        let token = self.issuer.resource_token(API).scope("pay").claim("authorization_details", details.clone()).mint();
        send(app, request("GET", "/pay/alice", "Bearer", &token, &[])).await
    }
}

#[track_caller]
fn is_denied(seen: &Seen, what: &Value) {
    assert_eq!((seen.status, &*seen.remediation()), (403, "none"), "{what}: {seen:?}");
    assert_eq!(seen.challenges(), ["Bearer realm=\"https://api.example.com\""]);
}

fn reads(detail: &AuthorizationDetail<'_>) -> bool {
    detail.has_action("read")
}

#[tokio::test]
async fn detail_of_exactly_this_type_that_passes_the_check_is_needed() {
    let world = World::start().await;
    let app = world.app(resource().authorization_detail("account", "reads", reads));
    let good = json!({ "type": "account", "actions": ["read"] });
    for details in [
        json!([good]),
        json!([{ "type": "payment" }, good]),
        json!([{ "type": "account", "actions": ["write"] }, good]),
        json!([{ "type": "account", "actions": ["write", "read"], "x": { "deep": [1, null] } }]),
        // What is for others is not looked at.
        json!([{ "type": "payment", "actions": 7, "locations": false }, good]),
    ] {
        assert_eq!(world.ask(&app, &details).await.status, 200, "{details}");
    }
    for details in [
        json!([]),
        json!([{ "type": "Account", "actions": ["read"] }]),
        json!([{ "type": "account ", "actions": ["read"] }]),
        json!([{ "type": "payment", "actions": ["read"] }]),
        json!([{ "type": "account" }]),
        json!([{ "type": "account", "actions": "read" }]),
        json!([{ "type": "account", "actions": ["write"] }]),
        json!([{ "type": "account", "actions": ["read", 7] }]),
        json!([{ "type": "account", "actions": [["read"]] }]),
        json!([{ "type": "account", "Actions": ["read"], "action": "read" }]),
        json!([{ "type": "account", "privileges": ["read"], "datatypes": ["read"] }]),
    ] {
        is_denied(&world.ask(&app, &details).await, &details);
    }
    let without = world.issuer.resource_token(API).mint();
    is_denied(&send(&app, request("GET", "/pay/alice", "Bearer", &without, &[])).await, &Value::Null);
}

/// RFC 9396 section 2: an array of objects, each with a `type` that is a string.
#[tokio::test]
async fn claim_of_another_form_passes_no_condition_whatever_else_is_in_it() {
    let world = World::start().await;
    let app = world.app(resource().authorization_detail("account", "any", |_| true));
    let good = json!({ "type": "account" });
    let many: Vec<Value> = vec![good.clone(); 65];
    assert_eq!(world.ask(&app, &json!(&many[..64])).await.status, 200);
    for details in [
        Value::Null,
        json!("account"),
        good.clone(),
        json!({ "0": good }),
        json!([good, "account"]),
        json!([good, null]),
        json!([good, []]),
        json!([good, {}]),
        json!([good, { "type": null }]),
        json!([good, { "type": "" }]),
        json!([good, { "type": ["account"] }]),
        json!([good, { "Type": "account" }]),
        json!(&many),
    ] {
        is_denied(&world.ask(&app, &details).await, &details);
    }
    for payload in [
        r#"[{"type":"account","type":"account"}]"#,
        r#"[{"type":"account","a":1,"a":2}]"#,
        r#"[{"type":"account"},{"type":"x","\u0074ype":"account"}]"#,
    ] {
        let token = world.issuer.resource_token(API);
        let claims: Value = {
            use base64::Engine as _;
            let minted = token.mint();
            let payload = minted.split('.').nth(1).unwrap();
            serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
        };
        let text = claims.to_string();
        let with = format!("{},\"authorization_details\":{payload}}}", text.strip_suffix('}').unwrap());
        let token = world.issuer.resource_token(API).raw_payload(with).mint();
        let seen = send(&app, request("GET", "/pay/alice", "Bearer", &token, &[])).await;
        is_denied(&seen, &json!(payload));
    }
    // Routes that do not ask for details are not concerned.
    let plain = world.app(resource());
    assert_eq!(world.ask(&plain, &json!("nonsense")).await.status, 200);
}

#[tokio::test]
async fn detail_for_other_locations_does_not_count() {
    let world = World::start().await;
    let detail = |policy: Policy| policy.authorization_detail("account", "any", |_| true);
    let (api, billing) = (world.app(detail(resource())), world.app(detail(resource_at(BILLING))));
    let org = world.app(detail(organization(path("creditor"))));
    let ask = async |app: &Router, audience: &str, locations: Value| {
        let details = json!([{ "type": "account", "locations": locations }]);
        let token = match audience {
            "org" => world.issuer.organization_token("alice"),
            audience => world.issuer.resource_token(audience),
        };
        let token = token.claim("authorization_details", details).mint();
        send(app, request("GET", "/pay/alice", "Bearer", &token, &[])).await.status
    };
    for (locations, expected) in [
        (json!([API]), [200, 403, 200]),
        (json!([BILLING]), [403, 200, 200]),
        (json!(["https://elsewhere.example", API]), [200, 403, 200]),
        (json!(["https://elsewhere.example"]), [403, 403, 403]),
        (json!([format!("{API}/")]), [403, 403, 403]),
        (json!([API.to_uppercase()]), [403, 403, 403]),
        (json!([]), [403, 403, 403]),
        (json!(API), [403, 403, 403]),
        (json!([API, 7]), [403, 403, 403]),
        (Value::Null, [403, 403, 403]),
    ] {
        let statuses = [
            ask(&api, API, locations.clone()).await,
            ask(&billing, BILLING, locations.clone()).await,
            ask(&org, "org", locations.clone()).await,
        ];
        assert_eq!(statuses, expected, "{locations}");
    }
}

#[derive(Deserialize)]
struct Payment {
    amount: f64,
    creditor: String,
}

#[derive(Debug)]
struct TooMuch;

impl std::fmt::Display for TooMuch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("too much")
    }
}

impl std::error::Error for TooMuch {}

#[tokio::test]
async fn check_sees_detail_and_request_and_its_error_is_the_source_of_the_rejection() {
    let world = World::start().await;
    let small = |detail: &AuthorizationDetail<'_>| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let payment: Payment = detail.parse()?;
        assert_eq!((detail.kind(), detail.facts().token().has_scope("pay")), ("payment", true));
        assert_eq!(detail.identifier().as_deref(), Some("i-1"));
        assert!(detail.has_datatype("d") && detail.has_privilege("p") && !detail.has_privilege("d"));
        let is_own = detail.facts().path("creditor") == Some(&*payment.creditor);
        if is_own && payment.amount <= 10.0 { Ok(()) } else { Err(TooMuch.into()) }
    };
    let policy = resource().scope("pay").authorization_detail("payment", "small", small);
    let app = world.app(policy.clone());
    let payment = |amount: f64, creditor: &str| {
        json!([{
            "type": "payment", "amount": amount, "creditor": creditor, "identifier": "i-1", "datatypes": ["d"],
            "privileges": ["p"],
        }])
    };
    assert_eq!(world.ask(&app, &payment(10.0, "alice")).await.status, 200);
    for details in [payment(11.0, "alice"), payment(1.0, "bob")] {
        is_denied(&world.ask(&app, &details).await, &details);
    }
    let requirement = world.server.requirement(policy).unwrap();
    let reject = async |details: Value| {
        let token = world.issuer.resource_token(API).scope("pay").claim("authorization_details", details).mint();
        let mut parts = Request::get("/pay/alice").header("authorization", format!("Bearer {token}")).body(()).unwrap();
        parts.extensions_mut().insert(orgate::organization::PathParams::new([("creditor", "alice")]));
        let (mut parts, ()) = parts.into_parts();
        requirement.authorize(&mut parts).await.unwrap_err()
    };
    let source = |rejection: &orgate::Rejection| std::error::Error::source(rejection).map(ToString::to_string);
    assert_eq!(source(&reject(payment(11.0, "alice")).await), Some("too much".to_owned()));
    let unfit = reject(json!([{ "type": "payment", "amount": "much", "secret": "s3cret" }])).await;
    assert!(source(&unfit).is_some_and(|text| text.contains("amount") && !text.contains("s3cret")), "{unfit:?}");
    assert_eq!(source(&reject(json!([{ "type": "x" }])).await), None);
    let scope_first = world.issuer.resource_token(API).claim("authorization_details", payment(1.0, "alice")).mint();
    let seen = send(&app, request("GET", "/pay/alice", "Bearer", &scope_first, &[])).await;
    assert_eq!((seen.status, &*seen.remediation()), (403, "request_scope"));
}

#[tokio::test]
async fn check_runs_once_for_each_detail_until_one_passes() {
    let world = World::start().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = authorization_detail("account", "counted", {
        let runs = runs.clone();
        move |detail| {
            runs.fetch_add(1, Ordering::SeqCst);
            detail.has_action("read")
        }
    });
    // In two clauses of one model, and beside the policy as a shadow: once.
    let policy = resource().and(counted.clone()).scope("x").or(resource().and(counted.clone()));
    let app = world.app(policy.shadow(resource().and(counted)));
    let ran = async |details: Value| {
        runs.store(0, Ordering::SeqCst);
        let token = world.issuer.resource_token(API).scope("x").claim("authorization_details", details).mint();
        let status = send(&app, request("GET", "/pay/alice", "Bearer", &token, &[])).await.status;
        (status, runs.load(Ordering::SeqCst))
    };
    let (reads, writes) =
        (json!({ "type": "account", "actions": ["read"] }), json!({ "type": "account", "actions": ["write"] }));
    assert_eq!(ran(json!([writes, reads, reads])).await, (200, 2));
    assert_eq!(ran(json!([writes, writes])).await, (403, 2));
    assert_eq!(ran(json!([{ "type": "other" }])).await, (403, 0));
    assert_eq!(ran(json!([writes, 7])).await, (403, 0));
}

#[tokio::test]
async fn printed_condition_is_read_with_the_code_that_is_registered() {
    let text = r#"resource and scope pay and authorization-detail "a b" "is \"small\"""#;
    let parser = Parser::new().authorization_detail("a b", "is \"small\"", |_| true);
    assert_eq!(parser.parse(text).unwrap().to_string(), text);
    for (text, expected) in [
        (text, "see Parser::authorization_detail"),
        ("resource and authorization-detail", "the type of an authorization detail, found the end"),
        ("resource and authorization-detail account", "as a string, found the end"),
        ("resource and authorization-detail account small", "as a string, found `small`"),
    ] {
        let fault = text.parse::<Policy>().unwrap_err().to_string();
        assert!(fault.contains(expected), "{fault} should contain {expected}");
    }
    let other_type = Parser::new().authorization_detail("x", "is \"small\"", |_| true);
    assert!(other_type.parse(text).is_err());

    let world = World::start().await;
    let one = |name: &str| authorization_detail("account", name, |_| true);
    for (policy, expected) in [
        (resource().and(authorization_detail("", "x", |_| true)), "authorization_detail(\"\", \"x\", ..)"),
        (resource().and(authorization_detail("x", "", |_| true)), "authorization_detail(\"x\", \"\", ..)"),
        (resource().and(one("x")).and(one("x")), "two different checks have this type and name"),
        ((0..65).fold(resource(), |policy, number| policy.and(one(&number.to_string()))), "more than 64 checks"),
    ] {
        let fault = world.server.requirement(policy).unwrap_err().to_string();
        assert!(fault.contains(expected), "{fault} should contain {expected}");
    }
    let twice = one("x");
    assert!(world.server.requirement(resource().and(twice.clone()).and(twice)).is_ok());
    let description = serde_json::to_value(resource().and(one("x")).describe()).unwrap();
    assert_eq!(
        description["clauses"][0]["conditions"],
        json!([{ "kind": "authorization_detail", "detail_type": "account", "name": "x" }])
    );
}
