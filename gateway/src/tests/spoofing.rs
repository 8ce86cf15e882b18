//! An identity header that a client sends never reaches the application.

use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::world::status;
use super::{Recorder, World};
use crate::face::ext_authz::{check, proto};
use crate::face::forward_auth::decide;
use crate::gateway::Face;
use crate::net::BoxError;

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
        for (path, expected) in
            [("/orgs/acme/orders", 200_u16), ("/orgs/globex/orders", 403), ("/public/x", 200), ("/nowhere", 404)]
        {
            let name = name.to_ascii_lowercase();
            let trailers = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static("root"))]);
            let frames = [Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x"))), Ok(Frame::trailers(trailers))];
            let request = Request::get(format!("http://{}{path}", world.addresses[&Face::Proxy]))
                .header("authorization", format!("Bearer {}", world.token))
                .header(&name, "root")
                .header(&name, "root2")
                .body(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync())
                .unwrap();
            let response = client.request(request).await.unwrap();
            assert_eq!(response.status(), expected, "{name} {path}");
            let received = world.application.take();
            assert_eq!(received.len(), usize::from(expected == 200), "{name} {path}");
            for received in received {
                assert_no_root(&received.head.headers, &name);
                assert_no_root(&received.trailers.unwrap_or_default(), &name);
            }
        }
    }
}

/// HTTP/1.1 upstreams are sent no trailers at all, and HTTP/2 upstreams those that are not the gateway's.
#[tokio::test]
async fn forged_identity_in_trailers_is_dropped_before_an_upstream_that_reads_them() {
    let application = Recorder::start().await;
    let more = format!(
        "{IDENTITY}[upstream.h2]\nurl = \"http://{}\"\nhttp2 = true\n\
         [[route]]\npath = \"/h2\"\npublic = true\nupstream = \"h2\"\n",
        application.address
    );
    let world = World::with("nginx", &more).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let others = ["authorization", "dpop", "x-original-url", "x_http_method"].map(str::to_owned);
    for name in spellings().into_iter().chain(others) {
        let trailers = HeaderMap::from_iter([
            (name.to_ascii_lowercase().parse().unwrap(), HeaderValue::from_static("root")),
            (HeaderName::from_static("x-checksum"), HeaderValue::from_static("5")),
        ]);
        let frames = [Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"x"))), Ok(Frame::trailers(trailers))];
        let request = Request::post(format!("http://{}/h2", world.addresses[&Face::Proxy]))
            .header("te", "trailers")
            .body(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync())
            .unwrap();
        assert_eq!(client.request(request).await.unwrap().status(), 200, "{name}");
        let trailers = application.take().remove(0).trailers.unwrap();
        assert_no_root(&trailers, &name);
        assert_eq!(trailers["x-checksum"], "5", "{name}");
    }
}

/// What the proxies that ask make of an answer: each field that is set replaces the client's, and what is named goes.
#[tokio::test]
async fn forged_identity_is_overwritten_or_removed_where_a_proxy_asks() {
    let world = World::with("nginx", IDENTITY).await;
    let gateway = world.current.load_full();
    for name in spellings() {
        for (path, expected) in
            [("/orgs/acme/orders", 200_u16), ("/orgs/globex/orders", 403), ("/public/x", 200), ("/nowhere", 404)]
        {
            let authorization = format!("Bearer {}", world.token);
            let question = Request::get("/auth")
                .header("x-forwarded-method", "GET")
                .header("x-forwarded-uri", path)
                .header("x-forwarded-host", "api.example.com")
                .header("authorization", &authorization)
                .header(&name, "root")
                .header(&name, "root2");
            let answer = decide(&gateway, &question.body(()).unwrap().into_parts().0).await;
            assert_eq!(answer.status(), expected, "{name} {path}");
            assert_no_root(answer.headers(), &name);
            let is_complete =
                ["orgate", "x-auth-subject", "authorganization"].map(|own| answer.headers().contains_key(own));
            assert_eq!(is_complete, [expected == 200; 3], "{name} {path}");

            let fields = [
                ("authorization", &*authorization),
                (&name.to_ascii_lowercase(), "root"),
                (&name.to_ascii_lowercase(), "root2"),
            ];
            let fields = fields.map(|(name, value)| proto::HeaderValue {
                key: name.to_owned(),
                value: value.to_owned(),
                raw_value: Vec::new(),
            });
            let http = proto::HttpRequest {
                id: String::new(),
                method: "GET".to_owned(),
                path: path.to_owned(),
                host: "api.example.com".to_owned(),
                headers: HashMap::new(),
                header_map: Some(proto::HeaderMap { headers: fields.to_vec() }),
            };
            let request = Some(proto::RequestAttributes { http: Some(http) });
            let attributes = Some(proto::AttributeContext { source: None, request });
            match check(&gateway, proto::CheckRequest { attributes }).await.outcome.unwrap() {
                proto::Outcome::Ok(allowed) => {
                    assert_eq!(expected, 200, "{name} {path}");
                    let set: Vec<String> =
                        allowed.headers.iter().filter_map(|option| Some(option.header.as_ref()?.key.clone())).collect();
                    let gone = |wanted: &String| set.contains(wanted) != allowed.headers_to_remove.contains(wanted);
                    assert!(gone(&name.to_ascii_lowercase()), "{name} {path}: {allowed:?}");
                    assert!(allowed.headers_to_remove.contains(&"authorization".to_owned()));
                    assert!(!format!("{:?}", allowed.headers).contains("root"), "{name} {path}");
                }
                proto::Outcome::Denied(denied) => {
                    assert_eq!(denied.status.unwrap().code, i32::from(expected), "{name} {path}");
                    assert!(!format!("{:?}", denied.headers).contains("root"), "{name} {path}");
                }
            }
        }
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
