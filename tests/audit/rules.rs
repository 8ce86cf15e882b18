//! Rules for CI, and the difference between two audits.

use axum::routing::MethodFilter;
use orgate::Guard;
use orgate::audit::{FindingKind, Report, Rules, Severity};
use orgate::policy::{Policy, optional, path, resource, user};
use orgate::testing::{RoleType, TestTenant};

use crate::support::{API, guard, handler, tenant};

fn payments() -> Guard {
    guard().post("/orgs/{org}/payments", handler, resource().in_organization(path("org")).scope("write:orders")).post(
        "/orgs/{org}/approvals",
        handler,
        resource().in_organization(path("org")).scope("approve:orders"),
    )
}

fn apart() -> Rules {
    Rules::new().separate("POST /orgs/{org}/payments", "POST /orgs/{org}/approvals")
}

#[tokio::test]
async fn denied_findings_fail_and_others_do_not() {
    let guard = guard().get("/a", handler, resource().scope("read:order"));
    let audit = guard.audit(&tenant().await).await.unwrap();
    assert_eq!(audit.check(&Rules::new()), Ok(()));
    assert_eq!(audit.check(&Rules::new().deny(FindingKind::PublicRoute)), Ok(()));
    let violations = audit.check(&Rules::new().deny(FindingKind::UndefinedScope)).unwrap_err();
    assert_eq!(violations.findings().len(), 1);
    let text = violations.to_string();
    assert!(text.contains("did you mean read:orders?") && text.contains("code: GET /a"), "{text}");
    let all = audit.check(&Rules::new().deny_all(Severity::Error)).unwrap_err();
    assert_eq!(all.findings().len(), 2, "{all}");
    let rules = Rules::new().deny_all(Severity::Error).allow(FindingKind::UnreachableRoute);
    assert_eq!(audit.check(&rules).unwrap_err().findings().len(), 1);
    assert!(audit.check(&Rules::new().deny_all(Severity::Note)).unwrap_err().findings().len() > 4);
}

#[test]
fn kinds_are_named_as_they_are_written() {
    for kind in FindingKind::ALL {
        assert_eq!(kind.as_str().parse::<FindingKind>().unwrap(), *kind);
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    assert!("undefined_scopes".parse::<FindingKind>().unwrap_err().to_string().contains("undefined_scope,"));
    let severities: Vec<_> = FindingKind::ALL.iter().map(|kind| kind.severity()).collect();
    assert!(severities.is_sorted(), "the worst first");
}

#[tokio::test]
async fn one_role_with_both_duties_is_a_violation() {
    let tenant = tenant().await;
    assert_eq!(payments().audit(&tenant).await.unwrap().check(&apart()), Ok(()));
    tenant.add_organization_role("boss", RoleType::User, &[]);
    for scope in ["write:orders", "approve:orders"] {
        tenant.add_resource_scope_to_organization_role("boss", API, scope);
    }
    let violations = payments().audit(&tenant).await.unwrap().check(&apart()).unwrap_err();
    assert_eq!(violations.findings().len(), 1);
    assert_eq!(violations.findings()[0].kind, FindingKind::SeparationOfDuties);
    assert_eq!(violations.findings()[0].tenant, ["organization role boss"]);
}

#[tokio::test]
async fn one_person_with_both_duties_in_one_organization_is_a_violation() {
    let tenant = tenant().await;
    for user in ["alice", "bob", "carol"] {
        tenant.add_user(user);
    }
    for (organization, user, role) in [
        ("acme", "alice", "admin"),
        ("acme", "alice", "auditor"),
        ("acme", "bob", "admin"),
        ("globex", "bob", "auditor"),
        ("acme", "carol", "admin"),
        ("acme", "carol", "auditor"),
    ] {
        tenant.add_member(organization, user);
        tenant.give_organization_role(organization, user, role);
    }
    tenant.suspend("carol");
    assert_eq!(payments().audit(&tenant).await.unwrap().check(&apart()), Ok(()), "the members were not read");
    let audit = payments().audit(&tenant).with_members().await.unwrap();
    let violations = audit.check(&apart()).unwrap_err();
    let messages: Vec<&str> = violations.findings().iter().map(|finding| &*finding.message).collect();
    assert_eq!(
        messages,
        ["user alice in organization acme reaches both POST /orgs/{org}/payments and POST /orgs/{org}/approvals"],
        "bob has them in two organizations, carol is suspended"
    );
}

#[tokio::test]
async fn rule_about_a_route_that_is_not_there_is_a_violation() {
    let audit = payments().audit(&tenant().await).await.unwrap();
    for (one, other) in [
        ("POST /orgs/{org}/payments", "POST /orgs/{org}/approval"),
        ("GET /orgs/{org}/payments", "POST /orgs/{org}/approvals"),
        ("payments", "POST /orgs/{org}/approvals"),
    ] {
        let violations = audit.check(&Rules::new().separate(one, other)).unwrap_err();
        assert!(violations.to_string().contains("no route answers it"), "{violations}");
    }
}

#[tokio::test]
async fn difference_says_what_was_given_and_taken() {
    let tenant = tenant().await;
    let old = guard()
        .get("/a", handler, resource().scope("read:orders"))
        .get("/b", handler, resource().scope("write:orders"))
        .get("/gone", handler, resource().scope("export"));
    let before = old.audit(&tenant).await.unwrap().report().clone();
    assert!(before.diff(&before).is_empty());

    tenant.remove_scope_from_role("support", API, "read:orders");
    tenant.add_scope_to_role("support", API, "write:orders");
    let new = guard()
        .get("/a", handler, resource().scope("read:orders"))
        .get("/b", handler, resource().scope("write:orders").and(user()).check("hours", |_| true))
        .get("/new", handler, resource());
    let after = new.audit(&tenant).await.unwrap().report().clone();
    let diff = before.diff(&after);
    let text = diff.to_string();
    for line in [
        "- GET /a  support: yes -> no (lacks read:orders)",
        "+ GET /b  support: no (lacks write:orders) -> only if check hours passes",
        "- GET /b  org admin: yes -> only if check hours passes",
        "- GET /gone  robot (machine): yes -> -",
        "~ GET /gone  access: policy -> -",
        "+ GET /new  any user: - -> yes",
        "~ GET /new  access: - -> policy",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.contains("+ note [unused_permission]: no route requires permission export"), "{text}");
    assert_eq!(diff.gained().count(), 1 + after.roles.len() + 2, "{text}");

    let read = Report::from_json(&after.to_json()).unwrap();
    assert_eq!(read, after);
    assert!(after.diff(&read).is_empty());
}

#[tokio::test]
async fn report_that_is_not_whole_is_not_read() {
    let report = payments().audit(&tenant().await).await.unwrap().report().clone();
    let mut value: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    value["routes"][0]["cells"][0] = 99.into();
    assert!(Report::from_json(&value.to_string()).unwrap_err().to_string().contains("is not whole"));
    value["routes"][0]["cells"] = serde_json::json!([]);
    assert!(Report::from_json(&value.to_string()).is_err());
    value["version"] = 2.into();
    assert!(Report::from_json(&value.to_string()).unwrap_err().to_string().contains("version 2"));
    assert!(Report::from_json("{}").is_err());
}

#[tokio::test]
async fn whatever_lets_more_requests_pass_is_gained() {
    let tenant = tenant().await;
    let (x, y) = (|policy: Policy| policy.check("x", |_| true), |policy: Policy| policy.check("y", |_| true));
    let read = || resource().scope("read:orders");
    let report =
        async |policy: Policy| guard().get("/a", handler, policy).audit(&tenant).await.unwrap().report().clone();
    let two = || x(read()).or(y(read()));
    for (before, after, gains, loses) in [
        (read(), optional(read()), true, false),
        (read(), read().dangerous_shadow_only(), true, false),
        (optional(resource()), resource().dangerous_shadow_only(), true, false),
        (y(x(read())), x(read()), true, false),
        (x(read()), two(), true, false),
        (x(read()), y(read()), true, true),
        (read(), read().shadow(resource()), false, false),
    ] {
        let text = format!("({before}) -> ({after})");
        let (before, after) = (report(before).await, report(after).await);
        let (there, back) = (before.diff(&after), after.diff(&before));
        assert_eq!(there.gained().count() > 0, gains, "{text}\n{there}");
        assert_eq!(back.gained().count() > 0, loses, "back from {text}\n{back}");
    }
    let public = guard().public_on("/a", MethodFilter::GET, handler);
    let public = public.audit(&tenant).await.unwrap().report().clone();
    let (open, closed) = (report(optional(resource())).await.diff(&public), public.diff(&report(read()).await));
    assert!(open.gained().any(|change| change.as_str() == "access"), "{open}");
    assert_eq!(closed.gained().count(), 0, "{closed}");
}

#[tokio::test]
async fn roles_with_one_label_are_two_columns() {
    let (before, after) = (tenant().await, tenant().await);
    for tenant in [&before, &after] {
        tenant.add_role("robot (machine)", RoleType::User, API, &[]);
    }
    after.add_scope_to_role("robot (machine)", API, "export");
    let guard = guard().get("/a", handler, resource().scope("export"));
    let report = async |tenant: &TestTenant| guard.audit(tenant).await.unwrap().report().clone();
    let diff = report(&before).await.diff(&report(&after).await);
    assert_eq!(diff.gained().count(), 1, "{diff}");
    assert!(diff.to_string().contains("+ GET /a  robot (machine): no (lacks export) -> yes"), "{diff}");
}

#[tokio::test]
async fn roles_that_suffice_together_are_compared() {
    let tenant = tenant().await;
    for role in ["none", "one"] {
        tenant.add_organization_role(role, RoleType::User, &[]);
    }
    let grant = |role: &str, scope: &str| tenant.add_resource_scope_to_organization_role(role, API, scope);
    grant("one", "write:orders");
    let policy = || resource().in_organization(path("org")).all_of(["write:orders", "approve:orders"]);
    let two = || guard().post("/orgs/{org}/a", handler, policy()).post("/orgs/{org}/b", handler, policy());
    let report = async || two().audit(&tenant).await.unwrap().report().clone();
    let before = report().await;
    grant("none", "approve:orders");
    let after = report().await;
    let there = before.diff(&after).to_string();
    for route in ["a", "b"] {
        let expected = format!("+ POST /orgs/{{org}}/{route}  org none + org one: no (lacks approve:orders) -> yes");
        assert!(there.lines().any(|line| line == expected), "{there}");
    }
    // With `one`, and with `admin`, on each of the two routes.
    assert_eq!(before.diff(&after).gained().count(), 4, "{there}");
    let back = after.diff(&before);
    assert_eq!((back.gained().count(), back.changes.len()), (0, 4), "{back}");

    // What a role opens alone takes nothing from roles that opened it together.
    grant("one", "approve:orders");
    let alone = report().await;
    let changes = after.diff(&alone);
    assert_eq!(changes.gained().count(), 2, "{changes}");
    assert!(!changes.changes.iter().any(|change| change.as_str() == "lost"), "{changes}");
}

#[tokio::test]
async fn row_that_is_gone_is_compared_with_the_one_that_answers_there() {
    let tenant = tenant().await;
    let report = async |guard: Guard| guard.audit(&tenant).await.unwrap().report().clone();
    let strict = || resource().scope("write:orders");
    let wide: [fn(Guard, Policy) -> Guard; 4] = [
        |guard, policy| guard.any("/a/b", handler, policy),
        |guard, policy| guard.get("/a/{x}", handler, policy),
        |guard, policy| guard.get("/{*rest}", handler, policy),
        |guard, policy| guard.fallback(handler, policy),
    ];
    for (number, wide) in wide.into_iter().enumerate() {
        for (loose, is_gain) in [(resource(), true), (strict(), false)] {
            let before = report(wide(guard().get("/a/b", handler, strict()), loose.clone())).await;
            let after = report(wide(guard(), loose)).await;
            let (there, back) = (before.diff(&after), after.diff(&before));
            assert_eq!(there.gained().count() > 0, is_gain, "{number}: {there}");
            assert_eq!(back.gained().count(), 0, "{number}: {back}");
        }
    }
    let one = report(guard().get("/a", handler, strict())).await;
    let both = report(guard().on("/a", MethodFilter::GET.or(MethodFilter::PUT), handler, resource())).await;
    assert!(one.diff(&both).gained().any(|change| change.to_string().contains("-> yes")), "{}", one.diff(&both));
    // A row that is new where nothing answered, or a stricter row.
    for (wide, path) in [("/{*rest}", "/"), ("/x/{*rest}", "/x/"), ("/files/v{n}", "/files/latest")] {
        let wide = || guard().get(wide, handler, resource()).get("/files/{*rest}", handler, strict());
        let wide = || wide().fallback(handler, strict());
        let (before, after) = (report(wide()).await, report(wide().get(path, handler, resource())).await);
        assert!(before.diff(&after).gained().count() > 0, "{path}: {}", before.diff(&after));
    }
    // Nothing answers there: the path has another row, for another method.
    let beside = || guard().post("/a/b", handler, resource()).get("/{*rest}", handler, resource());
    let before = report(beside().get("/a/b", handler, strict())).await;
    let there = before.diff(&report(beside()).await);
    assert_eq!(there.gained().count(), 0, "{there}");
    assert!(!there.is_empty());
}
