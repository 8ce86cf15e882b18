//! Others that fail: nothing is let through that they would have been asked about, and everything else goes on.

use std::sync::Arc;

use orgate::testing::{Fault, RoleType, TestIssuer, TestPdp, TestTenant};

use super::World;
use super::world::{RESOURCE, status};

#[tokio::test]
async fn permission_source_and_keys_that_are_down_reject_what_needs_them() {
    let tenant = TestTenant::start().await;
    tenant.add_resource(RESOURCE, &["read:orders"]);
    tenant.add_organization_role("clerk", RoleType::User, &[]);
    tenant.add_resource_scope_to_organization_role("clerk", RESOURCE, "read:orders");
    tenant.add_organization("acme");
    for user in ["u1", "u2"] {
        tenant.add_user(user);
        tenant.add_member("acme", user);
        tenant.give_organization_role("acme", user, "clerk");
    }
    let (id, secret) = tenant.management_client();
    let world = World::of(Arc::new(TestIssuer::start().await), "nginx", |text| {
        let (before, after) = text.split_once("[listen]").unwrap();
        let (before, _) = before.split_once("[[issuer]]").unwrap();
        format!(
            "{before}[[issuer]]\nname = \"customers\"\nurl = \"{}\"\n[issuer.logto_management]\nendpoint = \"{}\"\n\
             client_id = \"{id}\"\nclient_secret = \"{secret}\"\n[listen]{after}\n\
             [[route]]\npath = \"/live/{{org}}\"\nupstream = \"application\"\n\
             policy = \"resource in organization from path {{org}} and live and scope read:orders\"\n",
            tenant.issuer().url(),
            tenant.origin(),
        )
    })
    .await;
    let token = |user: &str| {
        let token = tenant.issuer().organization_resource_token(RESOURCE, "acme").subject(user).client("web");
        format!("Authorization: Bearer {}\r\n", token.scope("read:orders").mint())
    };
    let ask = async |path: &str, user: &str| world.ask(&format!("GET {path}"), &token(user)).await;
    for path in ["/live/acme", "/orgs/acme/orders"] {
        assert_eq!(status(&ask(path, "u1").await), 200, "{path}");
    }
    tenant.issuer().take_down();
    // Another subject: what was answered just now is not asked about again.
    let response = ask("/live/acme", "u2").await;
    assert!(status(&response) == 503 && response.contains("retry-after: "), "{response}");
    // Known keys serve on.
    assert_eq!(status(&ask("/orgs/acme/orders", "u2").await), 200);
    assert_eq!(status(&world.ask("GET /public/x", "").await), 200);
    tenant.issuer().bring_up();
    for _ in 0..100 {
        if status(&ask("/live/acme", "u2").await) == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the source was never asked again");
}

#[tokio::test]
async fn decision_point_that_is_down_rejects_what_it_would_have_decided() {
    let pdp = TestPdp::start().await;
    pdp.judge(|question| question.resource_id().starts_with('7'));
    let world = World::of(Arc::new(TestIssuer::start().await), "nginx", |text| {
        format!(
            "{text}\n[decision_point]\nkind = \"authzen\"\nurl = \"{}\"\n\
             [[route]]\npath = \"/documents/{{id}}\"\nupstream = \"application\"\n\
             policy = \"resource in any organization and decide read document from path {{id}}\"\n",
            pdp.url()
        )
    })
    .await;
    let ask = async |path: &str| world.ask(&format!("GET {path}"), "Authorization: Bearer {{TOKEN}}\r\n").await;
    assert_eq!(status(&ask("/documents/7").await), 200);
    assert_eq!(status(&ask("/documents/8").await), 403);
    // Each time another document: what was decided just now is not asked about again.
    for (id, fault) in [("70", Fault::Status(500)), ("71", Fault::Body("no decision".to_owned()))] {
        pdp.fail_always(fault);
        let response = ask(&format!("/documents/{id}")).await;
        assert_eq!(status(&response), 503, "{response}");
        pdp.recover();
    }
    pdp.take_down();
    assert_eq!(status(&ask("/documents/72").await), 503);
    assert_eq!(status(&ask("/orgs/acme/orders").await), 200);
}
