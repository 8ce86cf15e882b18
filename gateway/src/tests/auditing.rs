use orgate::testing::{RoleType, TestTenant};

use crate::audit::{AuditArgs, run};
use crate::compile::{Purpose, compile};
use crate::config::load;
use crate::routes::Format;

const RESOURCE: &str = "https://api.example.com";

async fn tenant() -> TestTenant {
    let tenant = TestTenant::start().await;
    tenant.add_resource(RESOURCE, &["read:orders"]);
    tenant.add_organization_role("clerk", RoleType::User, &[]);
    tenant.add_resource_scope_to_organization_role("clerk", RESOURCE, "read:orders");
    tenant.add_organization("acme");
    tenant
}

/// A configuration with one route whose scope is misspelled.
fn file(folder: &std::path::Path, tenant: &TestTenant, management: bool) -> std::path::PathBuf {
    let (id, secret) = tenant.management_client();
    let table = format!(
        "[issuer.logto_management]\nendpoint = \"{}\"\nclient_id = \"{id}\"\nclient_secret = \"{secret}\"\n",
        tenant.origin()
    );
    let text = format!(
        "[api]\nresource = \"{RESOURCE}\"\npublic_url = \"{RESOURCE}\"\n\
         [listen]\nforward_auth = \"127.0.0.1:0\"\n[forward_auth]\npreset = \"nginx\"\n\
         [[issuer]]\nname = \"customers\"\nurl = \"{}\"\n{}\
         [[route]]\npath = \"/orgs/{{org}}/orders\"\nmethods = [\"GET\"]\n\
         policy = \"resource in organization from path {{org}} and scope read:orders\"\n\
         [[route]]\npath = \"/orgs/{{org}}/export\"\nmethods = [\"POST\"]\n\
         policy = \"resource in organization from path {{org}} and scope read:order\"\n",
        tenant.issuer().url(),
        if management { &table } else { "" },
    );
    let path = folder.join("gateway.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn args(deny: &[&str]) -> AuditArgs {
    AuditArgs {
        format: Format::Json,
        html: None,
        deny: deny.iter().map(ToString::to_string).collect(),
        issuer: None,
        tenant: None,
        roles_only: false,
    }
}

#[tokio::test]
async fn denied_finding_fails_and_the_page_is_written_all_the_same() {
    let (tenant, folder) = (tenant().await, tempfile::tempdir().unwrap());
    let path = file(folder.path(), &tenant, true);
    let gateway = load(&path).and_then(|loaded| compile(loaded, Purpose::Serve)).unwrap();
    let page = folder.path().join("audit.html");
    run(&gateway, &args(&[])).await.unwrap();
    run(&gateway, &args(&["default_role"])).await.unwrap();
    let denying = AuditArgs { html: Some(page.clone()), ..args(&["undefined_scope"]) };
    let error = run(&gateway, &denying).await.unwrap_err().to_string();
    assert!(error.contains("did you mean read:orders?") && error.contains("POST /orgs/{org}/export"), "{error}");
    assert!(std::fs::read_to_string(&page).unwrap().contains("GET /orgs/{org}/orders"));
    assert!(run(&gateway, &args(&["error"])).await.is_err());
    let unknown = run(&gateway, &args(&["undefined_scopes"])).await.unwrap_err().to_string();
    assert!(unknown.contains("undefined_scope,"), "{unknown}");
}

#[tokio::test]
async fn tenant_comes_from_a_file_where_no_management_api_is_set() {
    let (tenant, folder) = (tenant().await, tempfile::tempdir().unwrap());
    let path = file(folder.path(), &tenant, false);
    let gateway = load(&path).and_then(|loaded| compile(loaded, Purpose::Serve)).unwrap();
    let error = run(&gateway, &args(&[])).await.unwrap_err().to_string();
    assert!(error.contains("--tenant FILE"), "{error}");
    let json = folder.path().join("tenant.json");
    std::fs::write(&json, format!(r#"{{"resources":[{{"indicator":"{RESOURCE}","scopes":["read:orders"]}}]}}"#))
        .unwrap();
    let of_file = AuditArgs { tenant: Some(json.clone()), ..args(&["undefined_scope"]) };
    assert!(run(&gateway, &of_file).await.unwrap_err().to_string().contains("read:order "));
    std::fs::write(&json, "{\"rols\":[]}").unwrap();
    let error = run(&gateway, &of_file).await.unwrap_err().to_string();
    assert!(error.contains("tenant.json") && error.contains("rols"), "{error}");
}

#[tokio::test]
async fn path_of_webhooks_that_the_proxy_takes_is_public() {
    let (tenant, folder) = (tenant().await, tempfile::tempdir().unwrap());
    let path = file(folder.path(), &tenant, true);
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text
        .replace("[listen]\n", "[upstream.orders]\nurl = \"http://127.0.0.1:1\"\n[listen]\nproxy = \"127.0.0.1:0\"\n")
        .replace("\npolicy = ", "\nupstream = \"orders\"\npolicy = ");
    let webhooks = "[[webhooks]]\npath = \"/hooks\"\nissuer = \"customers\"\nsigning_keys = [\"a key of the hook\"]\n";
    std::fs::write(&path, text + webhooks).unwrap();
    let gateway = load(&path).and_then(|loaded| compile(loaded, Purpose::Serve)).unwrap();
    let error = run(&gateway, &args(&["public_route"])).await.unwrap_err().to_string();
    assert!(error.contains("POST /hooks is public"), "{error}");
}
