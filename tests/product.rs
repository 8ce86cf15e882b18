//! The API of a small product, as a new user writes it from the README: two models, customers or support, live permissions,
//! webhooks, and one JSON body for every error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use orgate::logto::LogtoManagement;
use orgate::logto::webhooks::SigningKeys;
use orgate::policy::{organization, path, resource, scope};
use orgate::respond::RejectionBody;
use orgate::server::Builder;
use orgate::testing::{RoleType, TestIssuer, TestTenant, TokenRequest};
use orgate::{AccessToken, ConfigError, Guard, Issuer, Organization, ResourceServer};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const API: &str = "https://api.example.com";

/// By the organization's key: its issuer and its id.
type Orders = HashMap<(String, String), Vec<String>>;

#[derive(Clone)]
struct App {
    server: ResourceServer,
    customers: Arc<str>,
    orders: Arc<Mutex<Orders>>,
}

fn envelope(code: &str, message: &str) -> Value {
    json!({ "ok": false, "error": { "code": code, "message": message } })
}

/// The server: customers sign in at one tenant, staff at another.
fn builder(customers: Issuer, staff: Issuer, management: LogtoManagement) -> Builder {
    let customers = customers.name("customers").permissions(management);
    ResourceServer::builder(customers, API).issuer(staff.name("staff")).rejection_body(|rejection, _| {
        let mut body = envelope(rejection.kind().as_str(), rejection.description());
        body["error"]["remediation"] = rejection.remediation().as_str().into();
        RejectionBody::json(&body)
    })
}

fn guard(server: &ResourceServer, hook: SigningKeys) -> Result<Guard<App>, ConfigError> {
    let webhooks = server.issuer("customers")?.webhooks(hook);
    // The model once: orders of the customers' organizations.
    let orders: Guard<App> = server
        .guard()
        .require(resource().in_organization(path("org")).issued_by("customers"))
        .post("/", create_order, scope("write:orders"));
    let customers_or_support = resource()
        .in_organization(path("org"))
        .issued_by("customers")
        .scope("read:orders")
        .or(resource().issued_by("staff").scope("support").about(path("org")));
    let members = || organization(path("org")).issued_by("customers");
    Ok(server
        .guard()
        .get("/products", async || "products", resource().issued_by("customers").scope("read:products"))
        .nest("/orgs/{org}/new-orders", orders)
        .get("/orgs/{org}/orders", list_orders, customers_or_support)
        .post("/orgs/{org}/members", invite, members().scope("invite:members").fresh_within(Duration::from_secs(30)))
        .delete("/orgs/{org}", async || "gone", members().scope("delete:organization").live())
        .public("/webhooks/logto", webhooks.endpoint())
        .public("/ready", get(ready))
        .public_fallback(not_found))
}

fn app(server: &ResourceServer, hook: SigningKeys) -> Result<Router, ConfigError> {
    let state =
        App { server: server.clone(), customers: server.issuer("customers")?.issuer().into(), orders: Arc::default() };
    Ok(guard(server, hook)?.into_router()?.method_not_allowed_fallback(wrong_method).with_state(state))
}

async fn list_orders(State(app): State<App>, org: Organization) -> Json<Vec<String>> {
    // Orders are the customers', whoever asks for them.
    let key = (app.customers.to_string(), org.id().to_owned());
    Json(app.orders.lock().unwrap().get(&key).cloned().unwrap_or_default())
}

async fn create_order(State(app): State<App>, org: Organization, token: AccessToken) -> (StatusCode, String) {
    let (issuer, id) = org.key();
    let order = format!("order of {}", token.subject());
    app.orders.lock().unwrap().entry((issuer.to_owned(), id.to_owned())).or_default().push(order.clone());
    (StatusCode::CREATED, order)
}

async fn invite(org: Organization) -> String {
    format!("invited to {}", org.id())
}

async fn ready(State(app): State<App>) -> StatusCode {
    match app.server.ready().await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(envelope("not_found", "There is no such resource."))).into_response()
}

async fn wrong_method() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, Json(envelope("wrong_method", "No such method."))).into_response()
}

// --- tests ---

struct World {
    tenant: TestTenant,
    staff: TestIssuer,
    app: Router,
}

async fn world() -> World {
    let tenant = TestTenant::start().await;
    let staff = TestIssuer::builder().clock(tenant.issuer().clock()).start().await;
    tenant.add_resource(API, &["read:orders", "write:orders", "read:products"]);
    tenant.add_organization_role("admin", RoleType::User, &["invite:members", "delete:organization"]);
    for scope in ["read:orders", "write:orders"] {
        tenant.add_resource_scope_to_organization_role("admin", API, scope);
    }
    tenant.add_application("web");
    for org in ["acme", "globex"] {
        tenant.add_organization(org);
    }
    tenant.add_user("alice");
    tenant.add_member("acme", "alice");
    tenant.give_organization_role("acme", "alice", "admin");
    let (id, secret) = tenant.management_client();
    let management = LogtoManagement::builder(tenant.origin(), id, secret).build().unwrap();
    let server = builder(Issuer::logto(tenant.origin()), Issuer::new(staff.url()), management)
        .clock(tenant.issuer().clock())
        .build()
        .unwrap();
    let keys = || SigningKeys::new([tenant.signing_key()]).unwrap();
    let app = app(&server, keys()).unwrap();
    drop(tenant.take_deliveries());
    World { tenant, staff, app }
}

impl World {
    async fn send(&self, request: Request<Body>) -> (u16, String) {
        let answer = self.app.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn ask(&self, method: &str, path: &str, token: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn deliver(&self) {
        for delivery in self.tenant.take_deliveries() {
            let (headers, body) = delivery.into_parts();
            let mut request = Request::post("/webhooks/logto").body(Body::from(body)).unwrap();
            *request.headers_mut() = headers;
            assert_eq!(self.send(request).await.0, 200);
        }
    }
}

fn error(body: &str) -> (String, String, String) {
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["ok"], json!(false));
    let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
    (text("code"), text("message"), text("remediation"))
}

#[tokio::test]
async fn customers_and_support() {
    let world = world().await;
    let scopes = ["read:orders", "write:orders", "invite:members", "delete:organization"];
    let grant = world.tenant.sign_in("alice", "web", &scopes).unwrap();
    let orders = grant.refresh(&TokenRequest::resource(API).in_organization("acme")).unwrap();
    assert_eq!(world.ask("POST", "/orgs/acme/new-orders", &orders).await, (201, "order of alice".into()));
    assert_eq!(world.ask("GET", "/orgs/acme/orders", &orders).await, (200, r#"["order of alice"]"#.into()));
    let (status, body) = world.ask("GET", "/orgs/globex/orders", &orders).await;
    assert_eq!((status, error(&body).0.as_str()), (403, "wrong_organization"), "{body}");

    let support = world.staff.resource_token(API).subject("sue").scope("support").mint();
    assert_eq!(world.ask("GET", "/orgs/acme/orders", &support).await, (200, r#"["order of alice"]"#.into()));
    assert_eq!(world.ask("POST", "/orgs/acme/new-orders", &support).await.0, 403);

    for (method, path, status, code) in [
        ("GET", "/nowhere", 404, "not_found"),
        ("PATCH", "/products", 405, "wrong_method"),
        ("POST", "/webhooks/logto", 401, "webhook_signature"),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let (found, body) = world.send(request).await;
        assert_eq!((found, error(&body).0.as_str()), (status, code), "{path}");
    }
    assert_eq!(world.ask("GET", "/ready", "").await.0, 200);
}

#[tokio::test]
async fn what_is_lost() {
    let world = world().await;
    let scopes = ["read:orders", "invite:members", "delete:organization"];
    let grant = world.tenant.sign_in("alice", "web", &scopes).unwrap();
    let org = grant.refresh(&TokenRequest::organization("acme")).unwrap();
    let orders = grant.refresh(&TokenRequest::resource(API).in_organization("acme")).unwrap();
    assert_eq!(world.ask("POST", "/orgs/acme/members", &org).await, (200, "invited to acme".into()));
    assert_eq!(world.ask("DELETE", "/orgs/acme", &org).await.0, 200);

    // Silent at Logto: the live route notices at once.
    world.tenant.take_organization_role("acme", "alice", "admin");
    let (status, body) = world.ask("DELETE", "/orgs/acme", &org).await;
    assert_eq!((status, error(&body).2.as_str()), (401, "refresh"), "{body}");
    assert_eq!(world.ask("GET", "/orgs/acme/orders", &orders).await.0, 200, "until it expires");

    world.tenant.issuer().clock().advance(Duration::from_secs(1));
    world.tenant.remove_member("acme", "alice");
    world.deliver().await;
    let (status, body) = world.ask("GET", "/orgs/acme/orders", &orders).await;
    assert_eq!((status, error(&body).0.as_str()), (401, "revoked_token"), "{body}");
}
