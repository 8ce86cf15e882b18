//! The document of a guard with every kind of policy: `every_model.json`, which validators read in CI.

use http::Extensions;
use orgate::Issuer;
use orgate::decision::{Decider, Decision, DecisionFuture, DecisionPoint, DecisionRequest};
use orgate::logto::LogtoManagement;
use orgate::policy::{any_organization, authenticated, resource_at, sender_constrained};

use super::*;

const OTHER: &str = "https://api.example.com/other";
const DOCUMENT: &str = include_str!("every_model.json");

struct Always;

impl DecisionPoint for Always {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        Box::pin(async { Ok(Decision::allow()) })
    }
}

fn server() -> ResourceServer {
    let management = LogtoManagement::builder("https://tenant.logto.app", "app", "secret").build().unwrap();
    let issuer = Issuer::new(ISSUER).permissions(management);
    ResourceServer::builder(issuer, API)
        .resource(OTHER)
        .decision_point(Decider::builder(Always).build().unwrap())
        .dpop(Dpop::new(API))
        .mutual_tls(MutualTls::connection(|_: &Extensions| None))
        .scopes([("a", "To a"), ("b", "To b"), ("c", "To c"), ("d", "To d")])
        .build()
        .unwrap()
}

/// The same operation at another path, under another id.
fn at(path: &str, routes: DocumentedRoutes<()>) -> DocumentedRoutes<()> {
    let (schemas, mut paths, endpoint) = routes;
    let mut item = std::mem::take(&mut paths.paths).into_values().next().unwrap();
    for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
        operation.operation_id = Some(path.trim_matches('/').replace(['/', '{', '}'], "_"));
    }
    paths.paths.insert(path.to_owned(), item);
    (schemas, paths, endpoint)
}

fn policies() -> Vec<(&'static str, Policy)> {
    vec![
        ("resource", resource().scope("a").any_of(["b", "c"])),
        ("elsewhere", resource_at(OTHER).all_of(["a", "b"])),
        ("authenticated", authenticated().user()),
        ("organization-of-the-token", organization(any_organization()).scope("a")),
        ("clauses", resource().scope("a").and(any_of(["b", "c"])).or(organization(any_organization()).scope("d"))),
        ("optional", optional(resource().scope("a"))),
        ("machine", resource().scope("a").machine().client(["robot"])),
        ("claims", resource().claim("tier", "gold").claim_contains("groups", "staff").scope("a")),
        ("check", resource().check("even", |_| true).scope("a")),
        ("live", resource().scope("a").live()),
        ("key", resource().scope("a").dpop()),
        ("certificate", resource().scope("a").mtls()),
        ("bound", resource().scope("a").and(sender_constrained())),
        ("shadow", resource().scope("a").shadow(resource().scope("b"))),
        ("shadow-only", resource().scope("a").dangerous_shadow_only()),
    ]
}

fn policies_of_organizations() -> Vec<(&'static str, Policy)> {
    vec![
        ("in", resource().in_organization(path("org")).scope("a")),
        ("of", organization(path("org")).scope("a").hide_organization()),
        ("member", resource().for_member_of(path("org")).scope("a").live()),
        ("about", resource().about(path("org")).scope("a").decide("read", "order", path("org"))),
    ]
}

#[test]
fn document_of_every_model_is_the_one_that_validators_read() {
    let mut guard: DocumentedGuard = server().documented_guard().public_routes(routes!(health));
    for (name, policy) in policies() {
        guard = guard.routes(at(&format!("/{name}"), routes!(products)), policy);
    }
    for (name, policy) in policies_of_organizations() {
        guard = guard.routes(at(&format!("/orgs/{{org}}/{name}"), routes!(list_orders)), policy);
    }
    let placed = at("/orgs/{org}/of", routes!(new_order));
    let (schemas, mut paths, endpoint) = placed;
    let placed_item = paths.paths.get_mut("/orgs/{org}/of").unwrap();
    placed_item.post.as_mut().unwrap().operation_id = Some("place".to_owned());
    guard = guard.routes((schemas, paths, endpoint), organization(path("org")).all_of(["a", "b"]));
    let (_, document) = guard.split_for_parts(Shop::openapi(), &Scheme::logto("logto")).unwrap();
    let text = document.to_pretty_json().unwrap() + "\n";
    if text != DOCUMENT {
        let new = concat!(env!("CARGO_TARGET_TMPDIR"), "/every_model.json");
        std::fs::write(new, text).unwrap();
        panic!("the document is another one now: look at {new}, and put it in place of tests/openapi/every_model.json");
    }
}
