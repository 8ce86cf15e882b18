//! Policies for tools, prompts, resources and what calls nothing; challenges, tables and records.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use orgate::decision::{self, Decider, DecisionFuture, DecisionPoint, DecisionRequest};
use orgate::engine::{Grant, Observer, Outcome, Record};
use orgate::logto::LogtoManagement;
use orgate::mcp::{RequestBody, Tools};
use orgate::policy::{argument, custom, header, machine, optional, organization, resource, resource_at, user};
use orgate::respond::Metadata;
use orgate::testing::{RoleType, TestIssuer, TestTenant, TokenRequest};
use orgate::time::Clock as _;
use orgate::{Guard, Issuer, Policy, ResourceServer};
use serde_json::{Value, json};
use tower::service_fn;

use super::support::*;

/// A service that passes everything, so that the status shows what the policies said.
fn passes()
-> impl tower::Service<Request<RequestBody<Body>>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    service_fn(async |request: Request<RequestBody<Body>>| {
        let grant = request.extensions().get::<Grant>().expect("a grant").clone();
        Ok(Response::new(Body::from(grant.requirement().policy().to_owned())))
    })
}

async fn status_of(issuer: &TestIssuer, tools: Tools, scope: &str, message: Value) -> u16 {
    let server = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).build().unwrap();
    let guard: Guard = server.guard().mcp("/mcp", passes(), tools);
    let address = serve(guard.into_router().unwrap()).await;
    let token = issuer.resource_token(API).scope(scope).mint();
    let body = Some(message.to_string().into());
    send(&client(Http::One), "POST", &format!("http://{address}/mcp"), Some(&token), &[], body).await.status
}

fn scoped(scope: &str) -> Policy {
    resource().scope(scope)
}

fn full() -> Tools {
    Tools::new(scoped("basic"))
        .tool("t", scoped("tool"))
        .prompt("p", scoped("prompt"))
        .resource("a:b", scoped("resource"))
}

#[tokio::test]
async fn each_call_needs_the_scope_of_its_own_policy() {
    let issuer = TestIssuer::start().await;
    let reference = |kind: &str, member: &str, name: &str| {
        message("completion/complete", &json!({ "ref": { "type": kind, member: name }, "argument": {} }))
    };
    let listen =
        |uris: &[&str]| message("subscriptions/listen", &json!({ "notifications": { "resourceSubscriptions": uris } }));
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {} });
    for (message, needed) in [
        (message("initialize", &json!({})), "basic"),
        (message("server/discover", &json!({})), "basic"),
        (message("tools/list", &json!({})), "basic"),
        (message("resources/templates/list", &json!({})), "basic"),
        (message("logging/setLevel", &json!({ "level": "info" })), "basic"),
        (notification, "basic"),
        (json!({ "jsonrpc": "2.0", "id": 1, "result": {} }), "basic"),
        (call("t", json!({})), "tool"),
        (message("prompts/get", &json!({ "name": "p" })), "prompt"),
        (reference("ref/prompt", "name", "p"), "prompt"),
        (message("resources/read", &json!({ "uri": "a:b" })), "resource"),
        (message("resources/subscribe", &json!({ "uri": "a:b" })), "resource"),
        (message("resources/unsubscribe", &json!({ "uri": "a:b" })), "resource"),
        (reference("ref/resource", "uri", "a:b"), "resource"),
        (listen(&[]), "basic"),
        (listen(&["a:b"]), "basic resource"),
    ] {
        for scope in ["basic", "tool", "prompt", "resource", "basic resource"] {
            let passes = needed.split(' ').all(|needed| scope.split(' ').any(|scope| scope == needed));
            let expected = if passes { 200 } else { 403 };
            assert_eq!(status_of(&issuer, full(), scope, message.clone()).await, expected, "{message} with {scope}");
        }
    }
}

#[tokio::test]
async fn what_no_policy_names_is_rejected_unless_there_is_one_for_the_rest() {
    let issuer = TestIssuer::start().await;
    let all = "basic tool prompt resource other";
    let others = [
        call("T", json!({})),
        call("", json!({})),
        call("*", json!({})),
        message("prompts/get", &json!({ "name": "t" })),
        message("resources/read", &json!({ "uri": "a:b/" })),
        message("subscriptions/listen", &json!({ "notifications": { "resourceSubscriptions": ["a:b", "a:c"] } })),
    ];
    for other in &others {
        assert_eq!(status_of(&issuer, full(), all, other.clone()).await, 403, "{other}");
        let any = full().any_tool(scoped("other")).any_prompt(scoped("other")).any_resource(scoped("other"));
        assert_eq!(status_of(&issuer, any.clone(), all, other.clone()).await, 200, "{other}");
        assert_eq!(status_of(&issuer, any, "basic resource", other.clone()).await, 403, "{other}");
    }
    for method in
        ["tasks/get", "tasks/list", "tasks/result", "skills/get", "resources/directory/read", "x", "notifications/x"]
    {
        let any = full().any_tool(scoped("other")).any_resource(scoped("other"));
        let request = message(method, &json!({ "uri": "a:b", "name": "t" }));
        assert_eq!(status_of(&issuer, any, all, request.clone()).await, 200, "an error of JSON-RPC: {method}");
        let world = World::start(tools()).await;
        let seen = world.post(Some(&world.token("mcp:read")), &[], request.to_string()).await;
        assert_eq!((&seen.json()["error"]["code"], &seen.json()["id"]), (&json!(-32601), &json!(1)), "{method}");
        let modern = [("mcp-protocol-version", NEW), ("mcp-method", method)];
        let seen = world.post(Some(&world.token("mcp:read")), &modern, request.to_string()).await;
        assert_eq!((seen.status, &seen.json()["error"]["code"]), (404, &json!(-32601)), "{method}");
    }
}

#[tokio::test]
async fn policy_of_several_resources_is_judged_once_for_a_message() {
    let issuer = TestIssuer::start().await;
    let judged = Arc::new(Mutex::new(Vec::new()));
    let counted = |name: &'static str| {
        let judged = judged.clone();
        scoped("basic").check(name, move |_| {
            judged.lock().unwrap().push(name);
            true
        })
    };
    let tools = Tools::new(scoped("basic")).any_resource(counted("any")).resource("a:b", counted("own"));
    let uris = json!({ "notifications": { "resourceSubscriptions": ["a:a", "a:b", "a:c", "a:d"] } });
    assert_eq!(status_of(&issuer, tools, "basic", message("subscriptions/listen", &uris)).await, 200);
    assert_eq!(*judged.lock().unwrap(), ["any", "own"]);
}

/// Allows everything, after a while; and counts how often it was asked.
struct Slow(Arc<Mutex<usize>>, Duration);

impl DecisionPoint for Slow {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        Box::pin(async {
            *self.0.lock().unwrap() += 1;
            tokio::time::sleep(self.1).await;
            Ok(decision::Decision::allow())
        })
    }
}

#[tokio::test]
async fn all_policies_of_one_message_have_one_deadline() {
    let issuer = TestIssuer::start().await;
    let asked = Arc::new(Mutex::new(0));
    let point = Slow(asked.clone(), Duration::from_millis(150));
    let builder = ResourceServer::builder(issuer.url(), API).clock(issuer.clock());
    let builder = builder.decision_point(Decider::builder(point).build().unwrap()).max_wait(Duration::from_millis(200));
    let server = builder.build().unwrap();
    let uris: Vec<String> = (0..8).map(|number| format!("a:{number}")).collect();
    let slow = |uri: &String| {
        let id = uri.clone();
        scoped("basic").decide("read", "document", custom("uri", move |_| Some(id.clone())))
    };
    let tools = uris.iter().fold(Tools::new(scoped("basic")), |tools, uri| tools.resource(uri, slow(uri)));
    let guard: Guard = server.guard().mcp("/mcp", passes(), tools);
    let address = serve(guard.into_router().unwrap()).await;
    let token = issuer.resource_token(API).scope("basic").mint();
    let listen = message("subscriptions/listen", &json!({ "notifications": { "resourceSubscriptions": uris } }));
    let url = format!("http://{address}/mcp");
    let seen = send(&client(Http::One), "POST", &url, Some(&token), &[], Some(listen.to_string().into())).await;
    assert_eq!((seen.status, seen.header("retry-after")), (503, "1"), "{}", seen.body);
    let asked = *asked.lock().unwrap();
    assert!((1..=2).contains(&asked), "two of them take longer than the deadline, and {asked} were asked");
}

#[tokio::test]
async fn tool_that_requires_another_sign_in_names_it_in_the_challenge() {
    let strong = read().acr("gold").max_auth_age(Duration::from_secs(60));
    let world = World::start(Tools::new(read()).tool("whoami", read()).tool("delete_all", strong)).await;
    let now = world.issuer.clock().now().unix.as_secs();
    let token = |acr: &str, time: u64| {
        world.issuer.resource_token(API).scope("mcp:read").claim("acr", acr).claim("auth_time", time).mint()
    };
    assert_eq!(world.call(Some(&token("silver", now)), "whoami", json!({})).await.status, 200);
    for weak in [token("silver", now), token("gold", now - 100)] {
        let seen = world.call(Some(&weak), "delete_all", json!({})).await;
        let challenge = seen.header("www-authenticate");
        let expected = "Bearer error=\"insufficient_user_authentication\", acr_values=\"gold\", max_age=\"60\", resource_metadata=\"";
        assert_eq!((seen.status, challenge.starts_with(expected)), (401, true), "{challenge}");
        assert_eq!(seen.json()["remediation"], "step_up");
    }
    assert_eq!(world.call(Some(&token("gold", now)), "delete_all", json!({})).await.status, 200);
    assert_eq!(world.ran.take(), ["whoami", "delete_all"]);
}

#[tokio::test]
async fn a_challenge_names_the_scopes_of_the_call_and_the_basic_ones() {
    let world = World::start(tools()).await;
    let seen = world.call(Some(&world.token("mcp:read")), "delete_all", json!({})).await;
    assert_eq!((seen.status, seen.scope()), (403, "mcp:admin mcp:read"));
    assert!(seen.header("www-authenticate").starts_with("Bearer error=\"insufficient_scope\", scope="));
    assert!(seen.header("www-authenticate").contains("/.well-known/oauth-protected-resource/mcp\""));
    let seen = world.call(None, "delete_all", json!({})).await;
    assert_eq!((seen.status, seen.scope()), (401, "mcp:read"), "not yet known what is called");

    let by_headers = World::start(tools().dangerous_trust_headers()).await;
    let headers = [("mcp-protocol-version", NEW), ("mcp-method", "tools/call"), ("mcp-name", "delete_all")];
    let seen = by_headers.post(None, &headers, modern_call("delete_all").to_string()).await;
    assert_eq!((seen.status, seen.scope()), (401, "mcp:admin mcp:read"));
}

#[tokio::test]
async fn streams_and_ends_of_sessions_need_the_basic_policy() {
    let world = World::start(tools()).await;
    for method in ["GET", "DELETE"] {
        for (token, status) in
            [(None, 401), (Some(world.token("mcp:admin")), 403), (Some(world.token("mcp:read")), 405)]
        {
            let headers = [("accept", "text/event-stream")];
            let seen = send(&client(Http::One), method, &world.url(), token.as_deref(), &headers, None).await;
            assert_eq!(seen.status, status, "{method}: without sessions the service itself says 405");
        }
    }
}

#[tokio::test]
async fn a_policy_for_all_routes_is_one_for_every_call() {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).build().unwrap();
    for (all, status) in [(user(), 200), (machine(), 403)] {
        let guard: Guard = server.guard().mcp("/mcp", passes(), full()).require(all);
        let address = serve(guard.into_router().unwrap()).await;
        let token = issuer.resource_token(API).scope("basic tool prompt resource").mint();
        for message in
            [call("t", json!({})), message("ping", &json!({})), message("resources/read", &json!({ "uri": "a:b" }))]
        {
            let url = format!("http://{address}/mcp");
            let body = Some(message.to_string().into());
            assert_eq!(
                send(&client(Http::One), "POST", &url, Some(&token), &[], body).await.status,
                status,
                "{message}"
            );
        }
    }
}

#[test]
fn the_table_has_a_row_for_each_policy() {
    let server =
        ResourceServer::builder("https://tenant.logto.app/oidc", API).metadata(Metadata::new()).build().unwrap();
    let nested: Guard = server.guard().mcp("/mcp", passes(), full().any_resource(scoped("other")));
    let guard: Guard = server.guard().nest("/v1", nested).require(user());
    assert_eq!(
        guard.to_string(),
        "\
GET,POST,DELETE   /v1/mcp                                    resource and scope basic and user
POST              /v1/mcp tools/call t                       resource and scope tool and user
POST              /v1/mcp prompts/get p                      resource and scope prompt and user
POST              /v1/mcp resources/read a:b                 resource and scope \"resource\" and user
POST              /v1/mcp resources/read *                   resource and scope other and user
GET,HEAD,OPTIONS  /.well-known/oauth-protected-resource/mcp  public
"
    );
    let rows = guard.routes();
    assert_eq!((rows[1].path.as_deref(), rows[1].operation.as_deref()), (Some("/v1/mcp"), Some("tools/call t")));
    assert!(serde_json::to_string(&rows).unwrap().contains("\"operation\":\"tools/call t\""));
}

#[test]
fn what_cannot_be_right_is_found_at_startup() {
    let server = ResourceServer::builder("https://tenant.logto.app/oidc", API).build().unwrap();
    let fault = |tools: Tools| {
        let guard: Guard = server.guard().mcp("/mcp", passes(), tools);
        guard.into_router().unwrap_err().to_string()
    };
    let within = || resource().in_organization(argument("org"));
    for (tools, expected) in [
        (Tools::new(optional(scoped("a"))), "optional"),
        (full().tool("x", optional(scoped("a"))), "tools/call x"),
        (full().tool("x", scoped("a").dangerous_shadow_only()), "not enforced"),
        (full().tool("t", scoped("a")), "twice"),
        (full().tool("", scoped("a")), "empty"),
        (full().any_tool(scoped("a")).any_tool(scoped("b")), "two policies"),
        (full().tool("x", scoped("a b")), "\"a b\""),
        (Tools::new(within()), "argument(\"org\")"),
        (full().prompt("x", within()), "only tools have arguments"),
        (Tools::new(scoped("a").shadow(within())), "argument(\"org\")"),
        (full().prompt("x", scoped("a").shadow(within())), "only tools have arguments"),
        (full().tool("x", scoped("a").shadow(within())).dangerous_trust_headers(), "dangerous_trust_headers"),
        (full().tool("x", within()).dangerous_trust_headers(), "dangerous_trust_headers"),
        (full().any_tool(within()).dangerous_trust_headers(), "dangerous_trust_headers"),
        (full().tool("x", resource().in_organization(argument(""))), "argument(\"\")"),
        (full().tool("x", organization(orgate::policy::path("org"))), "{org}"),
        (full().max_body_bytes(0), "max_body_bytes"),
        (full().max_body_bytes(65 * 1024 * 1024), "max_body_bytes"),
        (full().max_buffered_bytes(1024), "max_buffered_bytes"),
        (full().body_timeout(Duration::ZERO), "body_timeout"),
        (full().session_secret([0_u8; 31]), "session_secret"),
    ] {
        let error = fault(tools);
        assert!(error.contains(expected), "{error} should say {expected}");
    }
    let elsewhere: Guard = server.guard().get("/orders", async || "", within());
    assert!(elsewhere.into_router().unwrap_err().to_string().contains("tool of an MCP server"));
    assert!(server.require(within()).is_err());
    assert!(server.require(scoped("a").shadow(within())).is_err());
}

#[test]
fn tool_that_reads_an_argument_has_its_metadata_document() {
    const OTHER: &str = "https://api.example.com/orders";
    let builder = ResourceServer::builder("https://tenant.logto.app/oidc", API).resource(OTHER);
    let server = builder.metadata(Metadata::new()).build().unwrap();
    let by_header = Tools::new(resource_at(API)).tool("x", resource_at(OTHER).in_organization(header("org")));
    let by_argument = Tools::new(resource_at(API)).tool("x", resource_at(OTHER).in_organization(argument("org")));
    for tools in [by_header, by_argument] {
        let guard: Guard = server.guard().mcp("/mcp", passes(), tools);
        let rows = guard.routes();
        let path = Some("/.well-known/oauth-protected-resource/orders");
        assert!(rows.iter().any(|row| row.path.as_deref() == path), "{guard}");
    }
}

/// The outcome, the route and the operation.
type Decision = (Outcome, Option<String>, Option<String>);

/// Decisions, as an observer sees them.
#[derive(Clone, Default)]
struct Decisions(Arc<Mutex<Vec<Decision>>>);

impl Observer for Decisions {
    fn decided(&self, record: &Record<'_>) {
        let [route, operation] = [record.route(), record.operation()].map(|text| text.map(str::to_owned));
        self.0.lock().unwrap().push((record.outcome(), route, operation));
    }
}

#[tokio::test]
async fn each_request_is_one_record_that_names_what_is_called_and_nothing_that_a_client_invents() {
    let seen = Decisions::default();
    let observer = seen.clone();
    let world = World::built(tools(), false, |builder| builder.observer(observer)).await;
    let token = world.token("mcp:read");
    for (message, outcome, operation) in [
        (call("whoami", json!({})), Outcome::Allow, Some("tools/call whoami")),
        (call("delete_all", json!({})), Outcome::Deny, Some("tools/call delete_all")),
        (call("invented by a client", json!({})), Outcome::Deny, Some("(unnamed)")),
        (message("tasks/invented", &json!({})), Outcome::Deny, Some("(unnamed)")),
        (json!([]), Outcome::Deny, Some("(unnamed)")),
        (message("tools/list", &json!({})), Outcome::Allow, None),
    ] {
        world.post(Some(&token), &[], message.to_string()).await;
        let records = std::mem::take(&mut *seen.0.lock().unwrap());
        assert_eq!(records, [(outcome, Some("/mcp".to_owned()), operation.map(str::to_owned))], "{message}");
    }
}

#[tokio::test]
async fn a_token_for_the_api_acts_in_an_organization_that_an_argument_names() {
    let tenant = TestTenant::start().await;
    tenant.add_resource(API, &["mcp:read", "mcp:admin"]);
    tenant.add_organization_role("admin", RoleType::User, &[]);
    tenant.add_resource_scope_to_organization_role("admin", API, "mcp:admin");
    tenant.add_role("reader", RoleType::User, API, &["mcp:read"]);
    tenant.add_application("agent");
    tenant.add_user("alice");
    tenant.give_role("alice", "reader");
    for organization in ["acme", "globex", "hooli"] {
        tenant.add_organization(organization);
    }
    for organization in ["acme", "globex"] {
        tenant.add_member(organization, "alice");
    }
    tenant.give_organization_role("acme", "alice", "admin");
    let (id, secret) = tenant.management_client();
    let management = LogtoManagement::builder(tenant.origin(), id, secret)
        .management_resource(tenant.management_resource())
        .build()
        .unwrap();
    let issuer = Issuer::new(tenant.issuer().url()).permissions(management);
    let server = ResourceServer::builder(issuer, API).clock(tenant.issuer().clock()).build().unwrap();
    let live = |source| resource().for_member_of(source).scope("mcp:admin").live();
    let ran = Ran::default();
    let tools =
        Tools::new(read()).tool("whoami", live(argument("organization"))).tool("delete_all", live(header("x-org")));
    let guard: Guard = server.guard().mcp("/mcp", service(&ran, false), tools);
    let address = serve(guard.into_router().unwrap()).await;
    let alice = tenant.sign_in("alice", "agent", &["mcp:read", "mcp:admin"]).unwrap();
    let token = alice.refresh(&TokenRequest::resource(API)).unwrap();
    let ask = async |body: String, organization: &str| {
        let headers = [("x-org", organization)];
        send(&client(Http::One), "POST", &format!("http://{address}/mcp"), Some(&token), &headers, Some(body.into()))
            .await
    };
    let acme = ask(call("whoami", json!({ "organization": "acme" })).to_string(), "").await;
    assert_eq!((acme.status, acme.json()["result"]["content"][0]["text"].as_str()), (200, Some("alice in acme")));
    assert_eq!(ask(call("delete_all", json!({ "organization": "globex" })).to_string(), "acme").await.status, 200);
    assert_eq!(ran.take(), ["whoami", "delete_all"]);
    for arguments in [
        json!({ "organization": "globex" }),
        json!({ "organization": "hooli" }),
        json!({ "organization": "" }),
        json!({ "organization": ["acme"] }),
        json!({ "organization": { "id": "acme" } }),
        json!({ "organization": null }),
        json!({}),
        json!(null),
    ] {
        assert_eq!(ask(call("whoami", arguments.clone()).to_string(), "acme").await.status, 403, "{arguments}");
    }
    for arguments in [
        r#"{"organization":"acme","organization":"globex"}"#,
        r#"{"organization":"acme","Organization":"globex"}"#,
        r#"{"organization":"acme","organi\u007aation":"globex"}"#,
        "[]",
    ] {
        let text =
            call("whoami", json!(0)).to_string().replace("\"arguments\":0", &format!("\"arguments\":{arguments}"));
        assert_eq!(ask(text, "").await.status, 400, "{arguments}");
    }
    assert_eq!(ran.take(), [""; 0]);
}
