//! Permissions that reach the client: a tenant, an API and a page, in one process. `cargo run --example permission_feed`
//!
//! Open the page that it prints. An administrator changes what two people may do, with Logto's webhooks and without; their
//! pages learn it from the feed, refresh their tokens, ask for consent, and end.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use orgate::axum::ws::LeasedSocket;
use orgate::feed::PermissionFeed;
use orgate::lease::Lease;
use orgate::logto::LogtoManagement;
use orgate::logto::webhooks::SigningKeys;
use orgate::policy::{organization, path};
use orgate::testing::{Grant, RoleType, TestTenant, TokenRequest};
use orgate::websocket::BrowserTokens;
use orgate::{AccessToken, Issuer, Policy, ResourceServer};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::broadcast;

const API: &str = "https://api.example.com";
const ORG: &str = "acme";
/// How long a change may go unnoticed that no webhook tells of.
const BOUND: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let tenant = tenant().await;
    let server = server(&tenant)?;
    let webhooks = server.issuer("tenant")?.webhooks(SigningKeys::new([tenant.signing_key()])?);
    let world =
        Arc::new(World { tenant, origin: origin.clone(), client: reqwest::Client::new(), sessions: Mutex::default() });
    let (messages, _) = broadcast::channel(64);

    let feed = PermissionFeed::new(acme()).scopes(["read:orders", "create:orders", "export:orders"]);
    let app: Router = server
        .guard()
        .get("/orgs/{org}/orders", async || "two orders", acme().scope("read:orders"))
        .post("/orgs/{org}/orders", async || "ordered", acme().scope("create:orders"))
        .get("/orgs/{org}/export", async || "exported", acme().scope("export:orders"))
        .permission_feed("/orgs/{org}/permissions", feed)
        .websocket(
            "/orgs/{org}/chat",
            async move |upgrade: WebSocketUpgrade, token: AccessToken, lease: Lease| {
                let who = token.subject().to_string();
                let upgrade = upgrade.protocols(["chat"]);
                upgrade.on_upgrade(async move |socket| chat(LeasedSocket::new(lease, socket), who, messages).await)
            },
            acme().scope("read:orders"),
            &BrowserTokens::new([&*origin]),
        )
        .public("/webhooks/logto", webhooks.endpoint())
        .public("/", get(async || Html(include_str!("permission_feed.html"))))
        .public("/permissions.js", get(client))
        .public_router("/tenant", administration(world.clone()))
        .public_router("/session", sessions(world))
        .into_router()?;

    println!("# Serving {origin}\n");
    println!("# 200: the page, in a browser too");
    println!("curl {origin}/");
    println!("# 401: the feed needs a token");
    println!("curl {origin}/orgs/{ORG}/permissions/events");
    axum::serve(listener, app).await?;
    Ok(())
}

/// A token for the organization, whose subject is looked at again.
fn acme() -> Policy {
    organization(path("org")).fresh_within(BOUND)
}

fn server(tenant: &TestTenant) -> Result<ResourceServer, Box<dyn Error>> {
    let (id, secret) = tenant.management_client();
    let management = LogtoManagement::builder(tenant.origin(), id, secret)
        .management_resource(tenant.management_resource())
        .build()?;
    let issuer = Issuer::new(tenant.issuer().url()).name("tenant").permissions(management);
    Ok(ResourceServer::builder(issuer, API).clock(tenant.issuer().clock()).build()?)
}

async fn tenant() -> TestTenant {
    let tenant = TestTenant::start().await;
    tenant.add_organization_role("admin", RoleType::User, &["read:orders", "create:orders"]);
    tenant.add_organization_role("member", RoleType::User, &["read:orders"]);
    tenant.add_organization(ORG);
    tenant.add_application("web");
    for (user, role) in [("alice", "admin"), ("bob", "member")] {
        tenant.add_user(user);
        tenant.add_member(ORG, user);
        tenant.give_organization_role(ORG, user, role);
    }
    _ = tenant.take_deliveries();
    // The clock of tests stands still.
    let clock = tenant.issuer().clock();
    tokio::spawn(async move {
        let mut last = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let now = tokio::time::Instant::now();
            clock.advance(now - last);
            last = now;
        }
    });
    tenant
}

/// The module of `clients/permissions`.
async fn client() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript")], include_str!("../clients/permissions/dist/permissions.js"))
}

/// Passes messages on until the right to read ends: then the socket is closed, and says what the client can do.
async fn chat(mut socket: LeasedSocket, who: String, messages: broadcast::Sender<String>) {
    let mut others = messages.subscribe();
    loop {
        tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => _ = messages.send(format!("{who}: {text}")),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            Ok(message) = others.recv() => {
                if socket.send(Message::Text(message.into())).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The tenant, and what the SDK of each page would hold.
struct World {
    tenant: TestTenant,
    origin: String,
    client: reqwest::Client,
    sessions: Mutex<Vec<Grant>>,
}

type Shared = State<Arc<World>>;

#[derive(Deserialize)]
struct Webhook {
    webhook: bool,
}

#[derive(Deserialize)]
struct SignIn {
    scopes: String,
}

/// What Logto's console does.
fn administration(world: Arc<World>) -> Router {
    let roles =
        async |State(world): Shared, Path((role, user)): Path<(String, String)>, Query(query): Query<Webhook>| {
            world.change(&role, &user);
            world.tell(query.webhook, &role, &user).await
        };
    let introduce = async |State(world): Shared, Query(query): Query<Webhook>| {
        world.tenant.add_organization_scope("export:orders");
        for role in ["member", "admin"] {
            world.tenant.add_scope_to_organization_role(role, "export:orders");
        }
        world.tell(query.webhook, "introduced export:orders", "").await
    };
    Router::new().route("/{what}/{user}", post(roles)).route("/introduce", post(introduce)).with_state(world)
}

/// What Logto's SDK does for a page.
fn sessions(world: Arc<World>) -> Router {
    let sign_in = async |State(world): Shared, Path(user): Path<String>, Query(query): Query<SignIn>| {
        let scopes: Vec<&str> = query.scopes.split(' ').collect();
        match world.tenant.sign_in(&user, "web", &scopes) {
            Ok(grant) => {
                let mut sessions = world.sessions.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                sessions.retain(|session| session.user() != user);
                sessions.push(grant);
                StatusCode::NO_CONTENT.into_response()
            }
            Err(refused) => (StatusCode::BAD_REQUEST, refused.to_string()).into_response(),
        }
    };
    let token = async |State(world): Shared, Path(user): Path<String>| -> Response {
        let sessions = world.sessions.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(session) = sessions.iter().find(|session| session.user() == user) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        match session.refresh(&TokenRequest::organization(ORG)) {
            Ok(token) => token.into_response(),
            Err(refused) => (StatusCode::BAD_REQUEST, refused.to_string()).into_response(),
        }
    };
    Router::new().route("/{user}/sign-in", post(sign_in)).route("/{user}/token", post(token)).with_state(world)
}

impl World {
    fn change(&self, what: &str, user: &str) {
        let (role, other) = match what {
            "admin" => ("admin", "member"),
            "member" => ("member", "admin"),
            _ => return self.tenant.suspend(user),
        };
        self.tenant.take_organization_role(ORG, user, other);
        self.tenant.give_organization_role(ORG, user, role);
    }

    /// Delivers what the tenant has to say, if it is to say anything.
    async fn tell(&self, webhook: bool, what: &str, user: &str) -> Response {
        let is_role = matches!(what, "admin" | "member");
        if is_role {
            self.tenant.touch_user(user);
        }
        let mut deliveries = self.tenant.take_deliveries();
        if is_role {
            // Logto tells of the roles of members in builds after 1.42 only.
            let told = deliveries.pop().and_then(|told| serde_json::from_slice::<Value>(told.body()).ok());
            let created_at = told.as_ref().and_then(|told| told.get("createdAt"));
            let event = serde_json::json!({
                "event": "Organization.UserRoles.Updated", "organizationId": ORG, "userIds": [user], "createdAt": created_at,
            });
            deliveries.push(self.tenant.sign_delivery(event.to_string()));
        }
        let count = if webhook { deliveries.len() } else { 0 };
        for delivery in deliveries.into_iter().take(count) {
            let (headers, body) = delivery.into_parts();
            let url = format!("{}/webhooks/logto", self.origin);
            let sent = self.client.post(url).headers(headers).body(body).send().await;
            if !sent.is_ok_and(|response| response.status().is_success()) {
                return StatusCode::BAD_GATEWAY.into_response();
            }
        }
        format!("{what} {user} ({count} webhooks)").into_response()
    }
}
