//! Who may call what: a guard of twelve routes beside the roles of a tenant, in which three mistakes are planted.
//!
//! ```text
//! cargo run --example audit
//! ```
//!
//! It prints the matrix with its findings, writes the page `target/audit.html`, names who may invite members to one
//! organization, and checks rules as a CI step would. The tenant lives in this process; with
//! `orgate::logto::LogtoManagement` in its place the same lines audit a real one.

use axum::routing::get;
use orgate::audit::{FindingKind, Rules, Severity};
use orgate::policy::{any_of, any_organization, authenticated, machine, optional, organization, path, resource, user};
use orgate::testing::{RoleType, TestTenant};
use orgate::{Guard, ResourceServer};

const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tenant = tenant().await;
    let server = ResourceServer::builder(tenant.issuer().url(), API).build()?;
    let audit = guard(&server).audit(&tenant).with_members().await?;
    println!("{audit}");

    let page = "target/audit.html";
    std::fs::create_dir_all("target")?;
    std::fs::write(page, audit.report().to_html())?;
    println!("the page is {page}\n");

    println!("who may invite members to acme:");
    for caller in audit.who("POST", "/orgs/{org}/members", Some("acme"))?.callers {
        let roles: Vec<_> = caller.through.iter().flatten().map(|held| &*held.role).collect();
        println!("  {} {} by {}", caller.subjects, caller.id, roles.join(", "));
    }

    let rules = Rules::new()
        .deny_all(Severity::Error)
        .deny(FindingKind::ManagementApiRole)
        .allow(FindingKind::MachineRouteWithoutMachineRole)
        .separate("POST /orgs/{org}/payments", "POST /orgs/{org}/payments/{id}/approval");
    match audit.check(&rules) {
        Ok(()) => println!("\nthe rules hold"),
        Err(violations) => println!("\n{violations}"),
    }
    Ok(())
}

fn guard(server: &ResourceServer) -> Guard {
    let orders = || resource().in_organization(path("org"));
    server
        .guard()
        .public("/health", get(ok))
        .get("/catalog", ok, optional(resource().scope("read:catalog")))
        .get("/me", ok, authenticated().and(user()))
        // The first mistake: the tenant calls it `write:catalog`.
        .put("/catalog/{id}", ok, resource().scope("write:catalogue"))
        .get("/orgs/{org}/orders", ok, orders().scope("read:orders"))
        .post("/orgs/{org}/orders", ok, orders().scope("write:orders"))
        .delete("/orgs/{org}/orders/{id}", ok, orders().all_of(["write:orders", "delete:orders"]))
        .post("/orgs/{org}/payments", ok, orders().scope("create:payments"))
        .post("/orgs/{org}/payments/{id}/approval", ok, orders().scope("approve:payments"))
        .post("/orgs/{org}/members", ok, organization(path("org")).scope("invite:member"))
        .get("/organization", ok, organization(any_organization()).and(any_of(["read:member", "invite:member"])))
        .post("/export", ok, resource().scope("export:all").and(machine()))
}

async fn ok() -> &'static str {
    "ok"
}

async fn tenant() -> TestTenant {
    let tenant = TestTenant::start().await;
    let permissions = [
        "read:catalog",
        "write:catalog",
        "read:orders",
        "write:orders",
        "delete:orders",
        "create:payments",
        "approve:payments",
        "export:all",
    ];
    tenant.add_resource(API, &permissions);
    for permission in ["read:member", "invite:member"] {
        tenant.add_organization_scope(permission);
    }
    tenant.add_role("catalog-editor", RoleType::User, API, &["read:catalog", "write:catalog"]);
    tenant.add_role("customer", RoleType::User, API, &["read:catalog"]);
    tenant.set_default_role("customer", true);
    // The second mistake: `export:all` went to a role of users, and the route takes machines.
    tenant.add_role("exporter", RoleType::User, API, &["export:all"]);
    for (role, own, of_api) in [
        // The third mistake: who creates payments approves them.
        (
            "owner",
            &["read:member", "invite:member"][..],
            &["read:orders", "write:orders", "delete:orders", "create:payments", "approve:payments"][..],
        ),
        ("clerk", &["read:member"], &["read:orders", "write:orders", "create:payments"]),
        ("auditor", &["read:member"], &["read:orders", "approve:payments"]),
    ] {
        tenant.add_organization_role(role, RoleType::User, own);
        for scope in of_api {
            tenant.add_resource_scope_to_organization_role(role, API, scope);
        }
    }
    tenant.add_organization_role("importer", RoleType::MachineToMachine, &[]);
    tenant.add_resource_scope_to_organization_role("importer", API, "write:orders");
    tenant.add_organization("acme");
    tenant.add_just_in_time_role("acme", "clerk");
    for (user, role) in [("alice", "owner"), ("bob", "clerk")] {
        tenant.add_user(user);
        tenant.add_member("acme", user);
        tenant.give_organization_role("acme", user, role);
    }
    tenant
}
