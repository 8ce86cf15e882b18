//! Live permissions: a tenant and an API in one process, and what they say to a client.
//!
//! Two conversations. Alice is demoted: her token still says admin, the live route does not believe it, and tells her client
//! to get a new one. Then a permission is introduced that her client never asked for: the route tells it to sign in again.

use std::error::Error;

use axum::Router;
use orgate::logto::LogtoManagement;
use orgate::logto::webhooks::SigningKeys;
use orgate::policy::{organization, path};
use orgate::testing::{Grant, RoleType, TestTenant, TokenRequest};
use orgate::{Issuer, ResourceServer};
use serde_json::Value;

const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let tenant = TestTenant::start().await;
    tenant.add_organization_role("admin", RoleType::User, &["invite:members", "read:members"]);
    tenant.add_organization_role("member", RoleType::User, &["read:members"]);
    tenant.add_organization("acme");
    tenant.add_user("alice");
    tenant.add_application("web");
    tenant.add_member("acme", "alice");
    tenant.give_organization_role("acme", "alice", "admin");

    let api = Api::start(&tenant).await?;
    let mut alice = tenant.sign_in("alice", "web", &["invite:members", "read:members"])?;
    let in_acme = TokenRequest::organization("acme");

    println!("A demotion\n");
    let token = alice.refresh(&in_acme)?;
    api.invite("Alice is an admin", &token).await?;
    tenant.take_organization_role("acme", "alice", "admin");
    tenant.give_organization_role("acme", "alice", "member");
    println!("  -- she becomes a member; Logto sends no webhook for that --");
    api.read("her token still says admin: a route that trusts it", &token).await?;
    api.invite("the same token, the live route", &token).await?;
    let token = alice.refresh(&in_acme)?;
    println!("  -- the client drops its token and gets a new one, without a sign-in --");
    api.invite("the new token", &token).await?;
    api.read("and what it may still do", &token).await?;

    println!("\nA permission that is new\n");
    tenant.add_organization_scope("export:members");
    tenant.add_scope_to_organization_role("member", "export:members");
    println!("  -- members may export now, and the client has never asked for that --");
    conversation_about_export(&tenant, &api, &mut alice, &in_acme).await
}

async fn conversation_about_export(
    tenant: &TestTenant,
    api: &Api,
    alice: &mut Grant,
    in_acme: &TokenRequest,
) -> Result<(), Box<dyn Error>> {
    // What Logto does send webhooks for takes effect at once.
    api.deliver(tenant).await?;
    api.export("her token", &alice.refresh(in_acme)?).await?;
    println!("  -- a new token without a sign-in does not bring what was never asked for --");
    api.export("the next token", &alice.refresh(in_acme)?).await?;
    println!("  -- she signs in again, and the client asks for it --");
    *alice = tenant.sign_in("alice", "web", &["read:members", "export:members"])?;
    api.export("the token of the new sign-in", &alice.refresh(in_acme)?).await
}

struct Api {
    address: String,
    client: reqwest::Client,
}

impl Api {
    async fn start(tenant: &TestTenant) -> Result<Self, Box<dyn Error>> {
        let (id, secret) = tenant.management_client();
        let management = LogtoManagement::builder(tenant.origin(), id, secret)
            .management_resource(tenant.management_resource())
            .build()?;
        let issuer = Issuer::new(tenant.issuer().url()).name("tenant").permissions(management);
        let server = ResourceServer::builder(issuer, API).clock(tenant.issuer().clock()).build()?;

        let acme = |scope| organization(path("org")).scope(scope);
        let webhooks = server.issuer("tenant")?.webhooks(SigningKeys::new([tenant.signing_key()])?);
        let app: Router = server
            .guard()
            .get("/orgs/{org}/members", async || "here they are", acme("read:members"))
            .post("/orgs/{org}/members", async || "invited", acme("invite:members").live())
            .get("/orgs/{org}/export", async || "exported", acme("export:members").live())
            .public("/webhooks/logto", webhooks.endpoint())
            .into_router()?;

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, client: reqwest::Client::new() })
    }

    async fn read(&self, who: &str, token: &str) -> Result<(), Box<dyn Error>> {
        self.ask(who, self.client.get(format!("{}/orgs/acme/members", self.address)), token).await
    }

    async fn invite(&self, who: &str, token: &str) -> Result<(), Box<dyn Error>> {
        self.ask(who, self.client.post(format!("{}/orgs/acme/members", self.address)), token).await
    }

    async fn export(&self, who: &str, token: &str) -> Result<(), Box<dyn Error>> {
        self.ask(who, self.client.get(format!("{}/orgs/acme/export", self.address)), token).await
    }

    async fn ask(&self, who: &str, request: reqwest::RequestBuilder, token: &str) -> Result<(), Box<dyn Error>> {
        let answer = request.bearer_auth(token).send().await?;
        let (status, body) = (answer.status(), answer.text().await?);
        let problem: Option<Value> = serde_json::from_str(&body).ok();
        let remediation = problem.as_ref().and_then(|problem| problem.get("remediation")).and_then(Value::as_str);
        println!("  {who}: {} {}", status.as_u16(), remediation.unwrap_or(&body));
        Ok(())
    }

    /// Delivers what the tenant has to say.
    async fn deliver(&self, tenant: &TestTenant) -> Result<(), Box<dyn Error>> {
        for delivery in tenant.take_deliveries() {
            let (headers, body) = delivery.into_parts();
            let url = format!("{}/webhooks/logto", self.address);
            self.client.post(url).headers(headers).body(body).send().await?.error_for_status()?;
        }
        Ok(())
    }
}
