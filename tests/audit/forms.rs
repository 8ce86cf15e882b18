//! Text, Markdown, JSON, HTML.

use orgate::audit::Tenant;
use orgate::policy::{organization, path, resource};
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
        prop_assert_eq!(&orgate::audit::Report::from_json(&report.to_json()).unwrap(), report);
        let page = report.to_html();
        prop_assert_eq!(page.matches("<th class=\"c\"").count(), 4);
        prop_assert_eq!(page.matches("<td").count(), 4);
        let markdown = report.to_markdown();
        let head = markdown.lines().next().unwrap().replace("\\\\", "").replace("\\|", "");
        prop_assert_eq!(head.matches('|').count(), 7);
    }
}
