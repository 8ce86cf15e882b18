//! Text, Markdown, JSON, HTML.

use orgate::ResourceServer;
use orgate::audit::{Report, RouteSummary, Rules, Tenant};
use orgate::policy::{organization, path, resource};
use orgate::route::{Access, RouteDescription};
use proptest::prelude::*;

use crate::support::{API, guard, handler, tenant};

#[tokio::test]
async fn text_is_a_table_with_numbered_notes() {
    let guard = guard().get("/orders", handler, resource().scope("read:orders")).post(
        "/orgs/{org}/members",
        handler,
        organization(path("org")).scope("invite:member"),
    );
    let tenant = Tenant::from_json(
        r#"{"resources":[{"indicator":"https://api.example.com","scopes":["read:orders"]}],
            "organization_permissions":["invite:member"],
            "roles":[{"name":"support","type":"user","permissions":[{"resource":"https://api.example.com","scopes":["read:orders"]}]}],
            "organization_roles":[{"name":"admin","type":"user","organization_permissions":["invite:member"]}]}"#,
    )
    .unwrap();
    let audit = guard.audit(&tenant).await.unwrap();
    assert_eq!(
        audit.to_string(),
        "\
route                     any user  any machine  support    org admin
GET /orders               no [1]    no [1]       yes        no [1]
POST /orgs/{org}/members  no [2]    no [2]       never [3]  yes

[1] lacks read:orders
[2] lacks invite:member
[3] only organization roles grant organization permissions
"
    );
    let markdown = audit.report().to_markdown();
    assert!(
        markdown.starts_with(
            "| route | policy | any user | any machine | support | org admin |\n|---|---|---|---|---|---|\n"
        )
    );
    assert!(
        markdown
            .contains("| GET /orders | resource and scope read:orders | no \\[1\\] | no \\[1\\] | yes | no \\[1\\] |")
    );
}

const ORDERS: &str = r#"{"resources":[{"indicator":"https://api.example.com","scopes":["orders:read","orders:all"]}],
    "roles":[{"name":"support","type":"user","permissions":[{"resource":"https://api.example.com","scopes":["orders:read"]}]}]}"#;

#[tokio::test]
async fn texts_of_scopes_are_in_every_form_where_the_server_has_them() {
    let builder = || ResourceServer::builder("https://tenant.logto.app/oidc", API);
    let texts = [("orders:read", "See <orders>"), ("orders:all", "Change them"), ("unused", "Not on any route")];
    let server = builder().scopes(texts).build().unwrap();
    let routes = |scope| vec![RouteDescription::new(["GET"], "/orders", Access::from(&resource().scope(scope)))];
    let tenant = Tenant::from_json(ORDERS).unwrap();
    let audit = server.audit(routes("orders:read"), &tenant).await.unwrap();
    let report = audit.report();
    assert_eq!(report.scopes.iter().collect::<Vec<_>>(), [(&"orders:read".to_owned(), &"See <orders>".to_owned())]);
    assert_eq!(report.routes[0].scopes, ["orders:read"]);
    assert!(audit.to_string().contains("\nscopes:\n  orders:read: See <orders>\n"), "{audit}");
    assert!(report.to_markdown().contains("| scope | permits |\n|---|---|\n| orders:read | See &lt;orders\\> |\n"));
    let page = report.to_html();
    let row = page.split("<tr>").find(|row| row.contains("GET /orders")).unwrap();
    assert!(row.contains("<small class=\"s\"><bdi>orders:read: See &lt;orders&gt;</bdi></small></th>"), "{row}");
    assert!(!page.contains("Not on any route"));
    assert_eq!(&Report::from_json(&report.to_json()).unwrap(), report);

    let without = builder().build().unwrap().audit(routes("orders:read"), &tenant).await.unwrap();
    assert!(without.report().scopes.is_empty() && !without.to_string().contains("scopes:"));
    assert!(!without.report().to_json().contains("\"scopes\": {"));
}

#[tokio::test]
async fn operations_of_one_path_are_rows_of_their_own() {
    let server = ResourceServer::builder("https://tenant.logto.app/oidc", API).build().unwrap();
    let tool = |name: &str, scope: &str| {
        let access = Access::from(&resource().scope(scope));
        RouteDescription::new(["POST"], "/mcp", access).operation(format!("tools/call {name}"))
    };
    let basic = RouteDescription::new(["GET", "POST"], "/mcp", Access::from(&resource()));
    let routes = |delete| vec![basic.clone(), tool("list", "orders:read"), tool("delete", delete)];
    let tenant = Tenant::from_json(ORDERS).unwrap();
    let audit = server.audit(routes("orders:all"), &tenant).await.unwrap();
    let report = audit.report();
    let labels: Vec<String> = report.routes.iter().map(RouteSummary::label).collect();
    assert_eq!(labels, ["GET,POST /mcp", "POST /mcp tools/call list", "POST /mcp tools/call delete"]);
    for (path, number) in [("/mcp", Some(0)), ("/mcp tools/call list", Some(1)), ("/mcp tools/call delete", Some(2))] {
        assert_eq!(report.route("POST", path), number, "{path}");
    }
    assert_eq!(report.route("POST", "/mcptools/call list"), None);
    assert_eq!(report.route("GET", "/mcp tools/call list"), None);
    let lax = server.audit(routes("orders:read"), &tenant).await.unwrap();
    let gained = report.diff(lax.report());
    let gained: Vec<String> = gained.gained().map(ToString::to_string).collect();
    assert!(gained.iter().any(|line| line.contains("/mcp tools/call delete  support: ")), "{gained:?}");
    let apart = Rules::new().separate("POST /mcp tools/call list", "POST /mcp tools/call delete");
    assert!(audit.check(&apart).is_ok());
    let both = lax.check(&apart).unwrap_err();
    assert!(both.findings()[0].message.contains("POST /mcp tools/call delete"), "{both}");
}

#[tokio::test]
async fn page_needs_nothing_else_and_lets_nothing_else_run() {
    let audit = guard().get("/a", handler, resource().scope("read:order")).audit(&tenant().await).await.unwrap();
    let page = audit.report().to_html();
    let policy = page.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"), "{policy}");
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("<style").count(), 1);
    for outside in ["src=", "href=", "url(", "@import", "style=\"", "onclick", "<link", "<img", "<iframe"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[tokio::test]
async fn hostile_names_stay_text_in_every_form() {
    let name = "</bdi><script>alert(1)</script>\"'|`\n\u{1b}[31m\u{202e}";
    let mut tenant = Tenant::default();
    let mut resource_ = orgate::audit::Resource::new(API, [name]);
    resource_.management_api = true;
    tenant.resources.push(resource_);
    let mut role = orgate::audit::Role::new(name, orgate::audit::SubjectType::User);
    role.permissions.push(orgate::audit::Grants::new(API, [name]));
    role.default = true;
    tenant.roles.push(role);
    tenant.organization_permissions.push(name.to_owned());
    let audit = guard().get("/a", handler, resource().scope("x")).audit(&tenant).await.unwrap();
    let report = audit.report();
    let page = report.to_html();
    assert_eq!(page.matches("<script").count(), 1, "the page's own");
    assert!(!page.contains("</bdi><script") && page.contains("&lt;script&gt;"));
    for text in [page, report.to_markdown(), report.to_string()] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
    }
    assert!(!report.to_markdown().contains("<script"));
    assert_eq!(
        report.to_markdown().lines().filter(|line| line.starts_with('|')).count(),
        3 + 2 + report.findings.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn names_of_any_kind_are_read_back_and_stay_in_their_place(name in "\\PC{1,12}", other in "[\\x00-\\x7f]{1,8}") {
        prop_assume!(name != other);
        let mut tenant = Tenant::default();
        for name in [&name, &other] {
            tenant.roles.push(orgate::audit::Role::new(name.clone(), orgate::audit::SubjectType::User));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let audit = runtime.block_on(async { guard().get("/a", handler, resource().scope("x")).audit(&tenant).await });
        let audit = audit.unwrap();
        let report = audit.report();
        prop_assert_eq!(&Report::from_json(&report.to_json()).unwrap(), report);
        let page = report.to_html();
        prop_assert_eq!(page.matches("<th class=\"c\"").count(), 4);
        prop_assert_eq!(page.matches("<td").count(), 4);
        let markdown = report.to_markdown();
        let head = markdown.lines().next().unwrap().replace("\\\\", "").replace("\\|", "");
        prop_assert_eq!(head.matches('|').count(), 7);
    }
}
