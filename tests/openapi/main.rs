//! Documents of guards (feature `utoipa`): each operation says what its policy requires.

#![allow(clippy::exhaustive_structs, reason = "as utoipa's macros write them")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_for_each,
    clippy::panic,
    reason = "tests"
)]

mod aide;
mod models;
mod requirements;

use axum::Router;
use axum::body::Body;
use axum::routing::{MethodRouter, any};
use http::Request;
use orgate::axum::{DocumentedGuard, DocumentedRoutes};
use orgate::openapi::{Scheme, describe, describe_public};
use orgate::policy::{Policy, all_of, any_of, machine, optional, organization, path, resource, user};
use orgate::respond::{Metadata, RejectionBody};
use orgate::server::Builder;
use orgate::testing::TestIssuer;
use orgate::token::binding::{Dpop, MutualTls};
use orgate::{Guard, ResourceServer};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::routes;

const ISSUER: &str = "https://tenant.logto.app/oidc";
const API: &str = "https://api.example.com";

#[derive(utoipa::OpenApi)]
#[openapi(info(title = "Shop", version = "1", description = "A shop", license(name = "MIT", identifier = "MIT")), servers((url = "https://api.example.com")))]
struct Shop;

#[derive(serde::Serialize, utoipa::ToSchema)]
struct Order {
    id: u32,
}

/// The orders of an organization
#[utoipa::path(get, path = "/orgs/{org}/orders", params(("org" = String, Path)), responses((status = 200, description = "Orders", body = Vec<Order>)))]
async fn list_orders() -> axum::Json<Vec<Order>> {
    axum::Json(vec![Order { id: 1 }])
}

/// A new order
#[utoipa::path(post, path = "/orgs/{org}/orders", params(("org" = String, Path)), responses((status = 201, description = "Made", body = Order), (status = 403, description = "Too many orders")))]
async fn new_order() -> axum::Json<Order> {
    axum::Json(Order { id: 1 })
}

/// Whether it is up
#[utoipa::path(get, path = "/health", responses((status = 200, description = "Up", body = String)))]
async fn health() -> &'static str {
    "up"
}

/// The products
#[utoipa::path(get, path = "/products", responses((status = 200, description = "Products", body = Vec<String>)))]
async fn products() -> axum::Json<Vec<String>> {
    axum::Json(vec![])
}

#[utoipa::path(get, path = "/files/{*name}", params(("name" = String, Path)), responses((status = 200, description = "A file")))]
async fn file() {}

fn server(change: impl FnOnce(Builder) -> Builder) -> ResourceServer {
    change(ResourceServer::builder(ISSUER, API)).build().unwrap()
}

fn document(guard: DocumentedGuard) -> Value {
    document_with(guard, &Scheme::new("logto"))
}

fn document_with(guard: DocumentedGuard, scheme: &Scheme) -> Value {
    let (_, document) = guard.split_for_parts(Shop::openapi(), scheme).unwrap();
    serde_json::to_value(document).unwrap()
}

fn fault(guard: DocumentedGuard) -> String {
    fault_with(guard, Shop::openapi(), &Scheme::new("logto"))
}

fn fault_with(guard: DocumentedGuard, document: OpenApi, scheme: &Scheme) -> String {
    guard.split_for_parts(document, scheme).map(drop).unwrap_err().to_string()
}

fn within() -> Policy {
    resource().in_organization(path("org"))
}

#[test]
fn an_operation_says_what_its_policy_requires() {
    let guard = server(|builder| builder)
        .documented_guard()
        .routes(routes!(list_orders), within().scope("read:orders").or(organization(path("org")).scope("admin")))
        .routes(routes!(new_order), within().all_of(["read:orders", "write:orders"]).hide_organization())
        .routes(routes!(products), optional(resource().any_of(["read:products", "search"])))
        .public_routes(routes!(health));
    let document = document(guard);
    let orders = &document["paths"]["/orgs/{org}/orders"];
    assert_eq!(orders["get"]["security"], json!([{ "logto": ["read:orders"] }, { "logto": ["admin"] }]));
    assert_eq!(orders["post"]["security"], json!([{ "logto": ["read:orders", "write:orders"] }]));
    let products = &document["paths"]["/products"]["get"];
    assert_eq!(products["security"], json!([{ "logto": ["read:products"] }, { "logto": ["search"] }, {}]));
    let health = &document["paths"]["/health"]["get"];
    assert_eq!((&health["security"], health["responses"].as_object().unwrap().len()), (&json!([]), 1));

    assert!(orders["post"]["description"].as_str().unwrap().contains("Requires: hidden resource in organization"));
    let responses = |operation: &Value| operation["responses"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(responses(&orders["get"]), ["200", "401", "403", "503"]);
    assert_eq!(responses(&orders["post"]), ["201", "401", "403", "404", "503"]);
    assert_eq!(orders["post"]["responses"]["403"]["description"], "Too many orders", "the user's own stays");
    let unauthorized = &orders["get"]["responses"]["401"];
    assert_eq!(unauthorized["headers"]["WWW-Authenticate"]["schema"]["type"], "string");
    let reference = &unauthorized["content"]["application/problem+json"]["schema"]["$ref"];
    assert_eq!(reference, "#/components/schemas/orgate.Problem");
    assert!(orders["get"]["responses"]["503"]["headers"]["Retry-After"].is_object());
    let problem = &document["components"]["schemas"]["orgate.Problem"];
    assert_eq!(problem["required"], json!(["title", "status", "detail"]));
    assert!(document["components"]["schemas"]["Order"].is_object());
    let discovery =
        json!({ "type": "openIdConnect", "openIdConnectUrl": format!("{ISSUER}/.well-known/openid-configuration") });
    assert_eq!(document["components"]["securitySchemes"], json!({ "logto": discovery }));
}

#[test]
fn the_scheme_names_logtos_addresses_and_the_texts_of_scopes() {
    let server = server(|builder| builder.scopes([("read:orders", "See orders"), ("other", "Something else")]));
    let guard = || server.documented_guard().routes(routes!(list_orders), within().scope("read:orders"));
    let flow =
        |document: &Value| document["components"]["securitySchemes"]["logto"]["flows"]["authorizationCode"].clone();
    let logto = flow(&document_with(guard(), &Scheme::logto("logto").scope("more", "More")));
    let scopes = json!({ "read:orders": "See orders", "other": "Something else", "more": "More" });
    let [authorization, token] = ["auth", "token"].map(|name| format!("{ISSUER}/{name}"));
    assert_eq!(logto, json!({ "authorizationUrl": authorization, "tokenUrl": token, "scopes": scopes }));
    let own = Scheme::oauth2("logto", "https://a.example/authorize", "https://a.example/token");
    assert_eq!(flow(&document_with(guard(), &own))["authorizationUrl"], "https://a.example/authorize");
    let other = Scheme::logto("logto").issuer("https://b.example/oidc");
    assert_eq!(flow(&document_with(guard(), &other))["tokenUrl"], "https://b.example/oidc/token");
    for bad in
        [Scheme::new(""), Scheme::new("dpop"), Scheme::oauth2("x", "authorize", "token"), Scheme::new("x").issuer("x")]
    {
        assert!(fault_with(guard(), Shop::openapi(), &bad).contains("security scheme"), "{bad:?}");
    }
}

#[test]
fn bound_tokens_are_schemes_of_their_own() {
    let guard = |server: &ResourceServer, policy: Policy| server.documented_guard().routes(routes!(products), policy);
    let security = |document: &Value| document["paths"]["/products"]["get"]["security"].clone();
    let dpop = server(|builder| builder.dpop(Dpop::new(API)));
    let document_of_any = document(guard(&dpop, resource().scope("a")));
    assert_eq!(security(&document_of_any), json!([{ "logto": ["a"] }]), "accepted, and not required");
    let bound = document(guard(&dpop, resource().scope("a").dpop()));
    assert_eq!(security(&bound), json!([{ "dpop": [], "logto": ["a"] }]));
    assert_eq!(bound["components"]["securitySchemes"]["dpop"]["name"], "DPoP");
    let both = server(|builder| {
        let mutual_tls = MutualTls::connection(|_: &http::Extensions| None);
        builder.dpop(Dpop::new(API)).mutual_tls(mutual_tls).require_sender_constrained()
    });
    let required = document(guard(&both, optional(resource().scope("a"))));
    assert_eq!(security(&required), json!([{ "dpop": [], "logto": ["a"] }, { "logto": ["a"], "mtls": [] }, {}]));
    assert_eq!(required["components"]["securitySchemes"]["mtls"]["type"], "mutualTLS");
}

#[test]
fn prefixes_and_policies_for_all_routes_reach_the_document() {
    let server = server(|builder| builder.metadata(Metadata::new()));
    let inner = server.documented_guard().routes(routes!(list_orders), within().scope("a")).require(all_of(["b"]));
    let merged = server.documented_guard().routes(routes!(products), resource()).public_routes(routes!(health));
    let guard = server.documented_guard().nest("/v1", inner).merge(merged).require(user().and(any_of(["c", "d"])));
    let guard: DocumentedGuard = guard.routes(routes!(file), resource());
    let table = guard.to_string();
    let document = document(guard);
    let security = |path: &str| document["paths"][path]["get"]["security"].clone();
    assert_eq!(security("/v1/orgs/{org}/orders"), json!([{ "logto": ["a", "b", "c"] }, { "logto": ["a", "b", "d"] }]));
    assert_eq!(security("/products"), json!([{ "logto": ["c"] }, { "logto": ["d"] }]));
    assert_eq!(security("/files/{name}"), json!([{ "logto": ["c"] }, { "logto": ["d"] }]));
    assert_eq!(security("/health"), json!([]));
    assert!(
        table.contains("/v1/orgs/{org}/orders") && table.contains("/.well-known/oauth-protected-resource"),
        "{table}"
    );
    assert_eq!(document["paths"].as_object().unwrap().len(), 4, "the metadata is left out");
}

#[tokio::test]
async fn groups_of_one_path_have_their_own_policies_and_nothing_else_is_served() {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).build().unwrap();
    // More than the macro would ever put in: what no operation names is not served, and nothing is open.
    let (schemas, paths, _): DocumentedRoutes<()> = routes!(products);
    let stuffed: MethodRouter = any(async || "open");
    let guard: DocumentedGuard = server
        .documented_guard()
        .routes(routes!(list_orders), within().scope("read"))
        .routes(routes!(new_order), within().scope("write"))
        .routes((schemas, paths, stuffed), resource().scope("read"))
        .public_routes(routes!(health))
        .undocumented(Guard::clone(&server.guard().get("/internal", async || "internal", resource().scope("x"))));
    let (router, document) = guard.split_for_parts(Shop::openapi(), &Scheme::new("logto")).unwrap();
    assert!(!document.paths.paths.contains_key("/internal"));
    let reader = issuer.organization_resource_token(API, "acme").scope("read").mint();
    let global = issuer.resource_token(API).scope("read").mint();
    for (method, path, token, status) in [
        ("GET", "/orgs/acme/orders", Some(&reader), 200),
        ("HEAD", "/orgs/acme/orders", Some(&reader), 200),
        ("POST", "/orgs/acme/orders", Some(&reader), 403),
        ("GET", "/orgs/globex/orders", Some(&reader), 403),
        ("GET", "/orgs/acme/orders", None, 401),
        ("DELETE", "/orgs/acme/orders", None, 405),
        ("GET", "/products", Some(&global), 200),
        ("GET", "/products", None, 401),
        ("POST", "/products", Some(&global), 405),
        ("GET", "/internal", Some(&global), 403),
        ("GET", "/health", None, 200),
    ] {
        assert_eq!(ask(&router, method, path, token.map(String::as_str)).await, status, "{method} {path}");
    }
}

async fn ask(router: &Router, method: &str, path: &str, token: Option<&str>) -> u16 {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
}

#[test]
fn a_document_and_a_router_that_would_differ_are_a_config_error() {
    let server = server(|builder| builder);
    let guard = || server.documented_guard();
    assert!(fault(guard().routes(routes!(products, new_order), resource())).contains("one path"));
    let (schemas, mut paths, endpoint) = routes!(products);
    paths.paths.clear();
    assert!(fault(guard().routes((schemas, paths, endpoint), resource())).contains("one path"));
    let (schemas, mut paths, endpoint) = routes!(products);
    paths.paths.values_mut().for_each(|item| item.get = None);
    assert!(fault(guard().routes((schemas, paths, endpoint), resource())).contains("without an operation"));
    let twice = guard().routes(routes!(products), resource()).routes(routes!(products), user().and(resource()));
    assert!(fault(twice).contains("/products"));
    assert!(fault(guard().routes(routes!(products), resource().scope("a b"))).contains("\"a b\""));
    assert!(fault(guard().routes(routes!(products), within())).contains("{org}"));
    let (_, elsewhere) = utoipa_axum::router::OpenApiRouter::<()>::with_openapi(Shop::openapi())
        .routes(routes!(health))
        .split_for_parts();
    let with = |guard: DocumentedGuard| fault_with(guard, elsewhere.clone(), &Scheme::new("logto"));
    assert!(with(guard().routes(routes!(products), resource())).contains("/health"));
    let said = guard().routes(routes!(products), resource()).allow_operations_without_route();
    assert!(said.clone().split_for_parts(elsewhere.clone(), &Scheme::new("logto")).is_ok());
    assert!(with(said.public_routes(routes!(health))).contains("twice"));
}

#[test]
fn rejections_of_another_shape_have_no_schema_of_ours() {
    let server = server(|builder| builder.rejection_body(|_, _| RejectionBody::empty()));
    let document = document(server.documented_guard().routes(routes!(products), resource().and(machine())));
    let unauthorized = &document["paths"]["/products"]["get"]["responses"]["401"];
    assert_eq!(
        (&unauthorized["content"], &document["components"]["schemas"]["orgate.Problem"]),
        (&json!(null), &json!(null))
    );
}

#[test]
fn who_keeps_another_router_describes_its_items() {
    let (_, mut document) = utoipa_axum::router::OpenApiRouter::<()>::with_openapi(Shop::openapi())
        .routes(routes!(products))
        .routes(routes!(health))
        .split_for_parts();
    let mut components = document.components.take().unwrap_or_default();
    let items = &mut document.paths.paths;
    describe(items.get_mut("/products").unwrap(), &resource().scope("a"), "logto", &mut components).unwrap();
    describe_public(items.get_mut("/health").unwrap());
    document.components = Some(components);
    let document = serde_json::to_value(document).unwrap();
    assert_eq!(document["paths"]["/products"]["get"]["security"], json!([{ "logto": ["a"] }]));
    assert_eq!(document["paths"]["/health"]["get"]["security"], json!([]));
    assert!(document["components"]["schemas"]["orgate.Problem"].is_object());
}

#[test]
fn operations_of_another_server_are_described_as_that_server_judges_them() {
    let own = server(|builder| builder.scopes([("a", "Own")]));
    let other = server(|builder| {
        let builder = builder.scopes([("a", "Other"), ("b", "More")]).dpop(Dpop::new(API)).require_sender_constrained();
        builder.rejection_body(|_, _| RejectionBody::empty())
    });
    let bound = || other.documented_guard().routes(routes!(products), resource().scope("b"));
    let guard = own.documented_guard().routes(routes!(list_orders), within().scope("a")).merge(bound());
    let merged = document_with(guard, &Scheme::logto("logto"));
    let (orders, products) = (&merged["paths"]["/orgs/{org}/orders"]["get"], &merged["paths"]["/products"]["get"]);
    assert_eq!(orders["security"], json!([{ "logto": ["a"] }]));
    assert_eq!(products["security"], json!([{ "dpop": [], "logto": ["b"] }]));
    assert!(orders["responses"]["401"]["content"]["application/problem+json"].is_object());
    assert_eq!(products["responses"]["401"]["content"], json!(null));
    let scopes = &merged["components"]["securitySchemes"]["logto"]["flows"]["authorizationCode"]["scopes"];
    assert_eq!(*scopes, json!({ "a": "Own", "b": "More" }));

    // One scheme cannot be for two issuers, unless somebody says which one.
    let elsewhere = ResourceServer::builder("https://b.example/oidc", API).build().unwrap();
    let two = || elsewhere.documented_guard().routes(routes!(list_orders), within()).merge(bound());
    let error = fault(two());
    assert!(
        error.contains("https://b.example/oidc") && error.contains(ISSUER) && error.contains("/products"),
        "{error}"
    );
    document_with(two(), &Scheme::new("logto").issuer(ISSUER));
    let given = Scheme::oauth2("idp", "https://idp.example/authorize", "https://idp.example/token");
    let given = document_with(two(), &given);
    let flow = &given["components"]["securitySchemes"]["idp"]["flows"]["authorizationCode"];
    assert_eq!(flow["tokenUrl"], "https://idp.example/token", "addresses that are given need no issuer");
    // What only merges has no issuer of its own in it.
    let alone = document_with(elsewhere.documented_guard().merge(bound()), &Scheme::new("logto"));
    let discovery = format!("{ISSUER}/.well-known/openid-configuration");
    assert_eq!(alone["components"]["securitySchemes"]["logto"]["openIdConnectUrl"], discovery);
}

#[test]
fn operation_whose_policy_is_not_enforced_needs_no_token() {
    let policy = || resource().scope("a").dangerous_shadow_only();
    let document = document(server(|builder| builder).documented_guard().routes(routes!(products), policy()));
    let products = &document["paths"]["/products"]["get"];
    assert_eq!(products["security"], json!([{ "logto": ["a"] }, {}]));
    assert_eq!(products["responses"].as_object().unwrap().keys().collect::<Vec<_>>(), ["200"]);
    let description = products["description"].as_str().unwrap();
    assert!(description.contains("Requires nothing, and judges for the record: SHADOW ONLY resource"), "{description}");
}
