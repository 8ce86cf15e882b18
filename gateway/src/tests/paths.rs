//! Paths that two servers may read differently, through every face.

use super::World;
use super::world::status;
use crate::face::ext_authz::{check, proto};
use crate::face::forward_auth::decide;

const ROUTES: &str = "[[route]]\npath = \"/admin\"\npolicy = \"resource and scope admin\"\nupstream = \"application\"\n\
                      [[route]]\npath = \"/{*rest}\"\npublic = true\nupstream = \"application\"\n";

/// What the three faces answer.
async fn answers(world: &World, target: &str) -> [u16; 3] {
    let gateway = world.current.load_full();
    let question = http::Request::get("/auth")
        .header("x-forwarded-method", "GET")
        .header("x-forwarded-uri", target)
        .header("x-forwarded-host", "api.example.com");
    let asked = decide(&gateway, &question.body(()).unwrap().into_parts().0).await.status().as_u16();
    let http = proto::HttpRequest {
        method: "GET".to_owned(),
        path: target.to_owned(),
        host: "api.example.com".to_owned(),
        ..proto::HttpRequest::default()
    };
    let request = Some(proto::RequestAttributes { http: Some(http) });
    let attributes = Some(proto::AttributeContext { source: None, request });
    let checked = match check(&gateway, proto::CheckRequest { attributes }).await.outcome.unwrap() {
        proto::Outcome::Ok(_) => 200,
        proto::Outcome::Denied(denied) => u16::try_from(denied.status.unwrap().code).unwrap(),
    };
    [status(&world.ask(&format!("GET {target}"), "").await), asked, checked]
}

#[tokio::test]
async fn path_that_an_upstream_may_take_for_a_stricter_one_is_rejected_by_every_face() {
    let world = World::with("nginx", ROUTES).await;
    for (target, expected) in [
        ("/other", 200),
        ("/other;x/admin", 200),
        ("/admin", 401),
        ("/;x/admin", 400),
        ("/;/admin", 400),
        ("/%3bx=1/admin", 400),
        ("/%20/admin", 400),
        ("//admin", 400),
        ("/.../admin", 400),
        ("/a/..%20/admin", 400),
        ("/a/..;x/admin", 400),
        ("/a%2f..%2fadmin", 400),
        ("/%5cadmin", 400),
        ("/%00/admin", 400),
        ("/ADMIN", 404),
        ("/admin;x", 404),
        ("/admin/;x", 404),
        ("/admin%20.", 404),
    ] {
        assert_eq!(answers(&world, target).await, [expected; 3], "{target}");
        let received = world.application.take();
        assert_eq!(received.len(), usize::from(expected == 200), "{target}");
    }
}
