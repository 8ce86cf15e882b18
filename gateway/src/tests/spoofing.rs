//! An identity header that a client sends never reaches the application.

use http::{HeaderMap, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::World;
use super::world::status;
use crate::face::forward_auth::decide;
use crate::gateway::Face;
use crate::net::empty;

const IDENTITY: &str = "[identity]\nheader = \"Orgate\"\nheaders = { subject = \"X-Auth-Subject\", organization = \"authorganization\" }\n";

fn spellings() -> Vec<String> {
    let mut names: Vec<String> =
        ["Orgate", "ORGATE", "orgate", "authorganization", "AuthOrganization", "X-Auth-Subject"]
            .map(str::to_owned)
            .to_vec();
    names.extend("!#$%&'*+.^_`|~".chars().map(|separator| format!("x{separator}auth{separator}subject")));
    names
}

fn assert_no_root(headers: &HeaderMap, context: &str) {
    for (name, value) in headers {
        assert!(!value.as_bytes().windows(4).any(|window| window == b"root"), "{context}: {name}: {value:?}");
    }
}

#[tokio::test]
async fn forged_identity_never_reaches_the_application_through_the_proxy() {
    let world = World::with("nginx", IDENTITY).await;
    for name in spellings() {
        for (line, expected) in [
            ("GET /orgs/acme/orders", 200),
            ("GET /orgs/globex/orders", 403),
            ("GET /public/x", 200),
            ("GET /nowhere", 404),
        ] {
            let forged = format!("Authorization: Bearer {{{{TOKEN}}}}\r\n{name}: root\r\n{name}: root2\r\n");
            let response = world.ask(line, &forged).await;
            assert_eq!(status(&response), expected, "{name} {line}: {response}");
            let received = world.application.take();
            assert_eq!(received.len(), usize::from(expected == 200), "{name} {line}");
            for received in received {
                assert_no_root(&received.head.headers, &name);
                let identity = received.head.headers.get("orgate").map(|value| value.to_str().unwrap().to_owned());
                let known = r#"sub="u1", org="acme", iss="customers", client="web", scope="read:orders", kind=user"#;
                assert_eq!(identity.as_deref(), line.contains("acme").then_some(known), "{name}");
                assert!(!received.head.headers.contains_key("authorization"), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn forged_identity_in_trailers_is_dropped() {
    let world = World::with("nginx", IDENTITY).await;
    let request = format!(
        "POST /orgs/acme/orders HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\nTrailer: Orgate, X-Checksum\r\n\r\n\
         1\r\nx\r\n0\r\nOrgate: root\r\nX_Auth_Subject: root\r\nAuthorization: root\r\nX-Checksum: 5\r\n\r\n",
        world.token
    );
    let response = world.raw(Face::Proxy, request).await;
    assert_eq!(status(&response), 200, "{response}");
    let received = world.application.take().remove(0);
    assert_eq!(received.body, "x");
    assert_no_root(&received.trailers.unwrap_or_default(), "trailers");
    assert_no_root(&received.head.headers, "headers");
}

#[tokio::test]
async fn forged_identity_over_http2_is_dropped() {
    let world = World::with("nginx", IDENTITY).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    for name in spellings() {
        let request = Request::get(format!("http://{}/orgs/acme/orders", world.addresses[&Face::Proxy]))
            .header("authorization", format!("Bearer {}", world.token))
            .header(name.to_ascii_lowercase(), "root")
            .body(empty())
            .unwrap();
        let response = client.request(request).await.unwrap();
        assert_eq!(response.status(), 200, "{name}");
        assert_no_root(&world.application.take().remove(0).head.headers, &name);
    }
}

#[tokio::test]
async fn answer_to_a_proxy_names_every_identity_header() {
    let world = World::with("nginx", IDENTITY).await;
    let ask = async |uri: &str, token: bool| {
        let mut question = Request::get("/auth")
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", uri)
            .header("x-forwarded-host", "api.example.com")
            .header("orgate", "root")
            .header("x_auth_subject", "root");
        if token {
            question = question.header("authorization", format!("Bearer {}", world.token));
        }
        let (question, ()) = question.body(()).unwrap().into_parts();
        decide(&world.current.load_full(), &question).await
    };
    let allowed = ask("/orgs/acme/orders", true).await;
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.headers()["x-auth-subject"], "u1");
    assert_eq!(allowed.headers()["authorganization"], "acme");
    assert_eq!(allowed.headers()["content-length"], "0");
    let public = ask("/public/x", false).await;
    assert_eq!(public.status(), 200);
    for name in ["orgate", "x-auth-subject", "authorganization"] {
        assert_eq!(public.headers()[name], "", "{name}");
    }
    let rejected = ask("/orgs/acme/orders", false).await;
    assert_eq!(rejected.status(), 401);
    assert_eq!(rejected.headers()["x-auth-problem"].as_bytes(), rejected.body());
    assert!(rejected.headers().contains_key("www-authenticate"));
}
