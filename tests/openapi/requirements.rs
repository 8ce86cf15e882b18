//! What a document requires of a token is what the policies do, for random guards and tokens.

use std::collections::BTreeSet;
use std::convert::Infallible;

use http::Response;
use orgate::mcp::{RequestBody, Tools};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tower::service_fn;

use super::*;

const SCOPES: &[&str] = &["a", "b", "c", "d"];

fn scopes() -> impl Strategy<Value = Vec<&'static str>> {
    vec(prop::sample::select(SCOPES), 1..3)
}

fn word() -> impl Strategy<Value = Policy> {
    prop_oneof![scopes().prop_map(all_of), scopes().prop_map(any_of)]
}

fn policy() -> impl Strategy<Value = Policy> {
    let clause = vec(word(), 0..3).prop_map(|words| words.into_iter().fold(resource(), Policy::and));
    vec(clause, 1..3).prop_map(|clauses| clauses.into_iter().reduce(Policy::or).unwrap())
}

/// What stands around the routes of a guard, from the inside.
#[derive(Clone, Debug)]
enum Around {
    Nested(&'static str),
    Merged,
    Required(Policy),
}

fn around() -> impl Strategy<Value = Vec<Around>> {
    let one = prop_oneof![
        prop::sample::select(&["/v1", "/api"][..]).prop_map(Around::Nested),
        Just(Around::Merged),
        word().prop_map(Around::Required),
    ];
    // More of what is required would be more alternatives than a document is given.
    let some = vec(one, 0..5);
    some.prop_filter("at most two", |some| some.iter().filter(|one| matches!(one, Around::Required(_))).count() < 3)
}

fn held() -> impl Strategy<Value = BTreeSet<&'static str>> {
    btree_set(prop::sample::select(SCOPES), 0..4)
}

/// Whether one of the alternatives is met by these scopes.
fn holds(security: &Value, held: &BTreeSet<&str>) -> bool {
    security.as_array().unwrap().iter().any(|requirement| {
        requirement["logto"].as_array().unwrap().iter().all(|scope| held.contains(scope.as_str().unwrap()))
    })
}

struct World {
    runtime: tokio::runtime::Runtime,
    issuer: TestIssuer,
    server: ResourceServer,
}

impl World {
    fn start() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let issuer = runtime.block_on(TestIssuer::start());
        let server = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).build().unwrap();
        Self { runtime, issuer, server }
    }

    fn token(&self, held: &BTreeSet<&str>) -> String {
        self.issuer.resource_token(API).scope(&held.iter().copied().collect::<Vec<_>>().join(" ")).mint()
    }

    fn ask(&self, router: &Router, method: &str, path: &str, held: &BTreeSet<&str>) -> u16 {
        self.runtime.block_on(ask(router, method, path, Some(&self.token(held))))
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn a_requirement_of_the_document_holds_exactly_when_the_policy_does() {
    let world = World::start();
    let mut runner = TestRunner::new(config());
    let outcome = runner.run(&(policy(), policy(), around(), held()), |(read, write, around, held)| {
        let server = &world.server;
        let mut guard: DocumentedGuard =
            server.documented_guard().routes(routes!(products), read).routes(routes!(new_order), write);
        let mut prefix = String::new();
        for one in around {
            guard = match one {
                Around::Nested(outer) => {
                    prefix = format!("{outer}{prefix}");
                    server.documented_guard().nest(outer, guard)
                }
                Around::Merged => server.documented_guard().merge(guard),
                Around::Required(policy) => guard.require(policy),
            };
        }
        let (router, document) = guard.split_for_parts(Shop::openapi(), &Scheme::new("logto")).unwrap();
        let document = serde_json::to_value(document).unwrap();
        for (method, template, path) in
            [("get", "/products", "/products"), ("post", "/orgs/{org}/orders", "/orgs/acme/orders")]
        {
            let security = &document["paths"][format!("{prefix}{template}")][method]["security"];
            let status = world.ask(&router, &method.to_uppercase(), &format!("{prefix}{path}"), &held);
            prop_assert_eq!(status, if holds(security, &held) { 200 } else { 403 }, "{} {}", prefix, security);
        }
        Ok(())
    });
    outcome.unwrap();
}

/// A tool is no operation of a document, and what its policy requires in one is what it requires.
#[test]
fn requirement_of_a_tool_holds_exactly_when_its_policy_does() {
    let world = World::start();
    let mut runner = TestRunner::new(config());
    let outcome = runner.run(&(policy(), policy(), word(), held()), |(basic, tool, all, held)| {
        let service =
            service_fn(async |_: Request<RequestBody<Body>>| Ok::<_, Infallible>(Response::new(Body::empty())));
        let tools = Tools::new(basic.clone()).tool("t", tool.clone());
        let mcp: Guard = world.server.guard().mcp("/mcp", service, tools);
        let guard: DocumentedGuard = world
            .server
            .documented_guard()
            .routes(routes!(products), resource())
            .undocumented(mcp)
            .require(all.clone());
        let (router, document) = guard.split_for_parts(Shop::openapi(), &Scheme::new("logto")).unwrap();
        prop_assert!(!document.paths.paths.contains_key("/mcp"));
        for (policy, method, params) in
            [(basic, "tools/list", json!({})), (tool, "tools/call", json!({ "name": "t", "arguments": {} }))]
        {
            let security = serde_json::to_value(policy.and(all.clone()).security("logto").unwrap()).unwrap();
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
            let request = Request::post("/mcp")
                .header("authorization", format!("Bearer {}", world.token(&held)))
                .header("content-type", "application/json")
                .body(Body::from(body))
                .unwrap();
            let status = world.runtime.block_on(router.clone().oneshot(request)).unwrap().status().as_u16();
            prop_assert_eq!(status, if holds(&security, &held) { 200 } else { 403 }, "{} {}", method, security);
        }
        Ok(())
    });
    outcome.unwrap();
}
