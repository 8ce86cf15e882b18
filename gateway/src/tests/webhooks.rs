//! Deliveries of an issuer, on the proxy's socket or on one of their own.

use std::fmt::Write as _;
use std::sync::Arc;

use orgate::testing::{RoleType, TestTenant, WebhookDelivery};

use super::World;
use super::world::{RESOURCE, status};
use crate::gateway::Face;

async fn deliver(world: &World, face: Face, delivery: &WebhookDelivery) -> u16 {
    let mut request = "POST /webhooks/logto HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n".to_owned();
    for (name, value) in delivery.headers() {
        _ = write!(request, "{name}: {}\r\n", value.to_str().unwrap());
    }
    let body = String::from_utf8_lossy(delivery.body());
    _ = write!(request, "Content-Length: {}\r\n\r\n{body}", body.len());
    status(&world.raw(face, request).await)
}

#[tokio::test]
async fn signed_delivery_suspends_and_a_forged_one_does_not() {
    for face in [Face::Proxy, Face::Webhooks] {
        let tenant = TestTenant::start().await;
        tenant.add_resource(RESOURCE, &["read:orders"]);
        tenant.add_organization_role("clerk", RoleType::User, &[]);
        tenant.add_user("u1");
        let world = World::of(Arc::new(orgate::testing::TestIssuer::start().await), "nginx", |text| {
            let own = if face == Face::Webhooks { "webhooks = \"127.0.0.1:0\"\n" } else { "" };
            let url = text.lines().find(|line| line.starts_with("url = ")).unwrap().to_owned();
            format!(
                "{}\n[[webhooks]]\npath = \"/webhooks/logto\"\nissuer = \"customers\"\nsigning_keys = [\"{}\"]\n",
                text.replacen(&url, &format!("url = \"{}\"", tenant.issuer().url()), 1)
                    .replace("[listen]\n", &format!("[listen]\n{own}")),
                tenant.signing_key()
            )
        })
        .await;
        let token = tenant.issuer().organization_resource_token(RESOURCE, "acme").subject("u1").client("web");
        let headers = format!("Authorization: Bearer {}\r\n", token.scope("read:orders").mint());
        let ask = async || status(&world.ask("GET /orgs/acme/orders", &headers).await);
        assert_eq!(ask().await, 200);
        _ = tenant.take_deliveries();
        tenant.suspend("u1");
        let deliveries = tenant.take_deliveries();
        assert!(!deliveries.is_empty());
        for delivery in &deliveries {
            assert_eq!(deliver(&world, face, &delivery.clone().unsigned()).await, 401);
            // Where deliveries have a socket of their own, they are taken nowhere else.
            let elsewhere = if face == Face::Webhooks { Face::Proxy } else { Face::Admin };
            assert!([404, 405].contains(&deliver(&world, elsewhere, delivery).await));
        }
        assert_eq!(ask().await, 200);
        for delivery in &deliveries {
            assert_eq!(deliver(&world, face, delivery).await, 200);
        }
        assert_eq!(ask().await, 401);
    }
}
