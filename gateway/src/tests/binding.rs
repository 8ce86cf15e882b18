//! Tokens that are bound to a key or to a certificate, over the sockets of the gateway.

use std::sync::Arc;

use orgate::testing::{TestCertificate, TestIssuer};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::World;
use super::world::{RESOURCE, converse, status};
use crate::face::ext_authz::{check, proto};
use crate::face::forward_auth::decide;
use crate::gateway::Face;

const PATH: &str = "/orgs/acme/orders";

fn token(issuer: &TestIssuer, certificate: &TestCertificate) -> String {
    let token = issuer.organization_resource_token(RESOURCE, "acme").subject("u1").client("web").scope("read:orders");
    token.bound_to_certificate(certificate).mint()
}

#[tokio::test]
async fn proof_passes_once_and_stays_at_the_gateway() {
    let world = World::with("nginx", "[dpop]\n").await;
    let key = world.issuer.proof_key();
    let token = world.issuer.organization_resource_token(RESOURCE, "acme").subject("u1").client("web");
    let token = token.scope("read:orders").bound_to(&key).mint();
    let proof = key.proof("GET", format!("https://api.example.com{PATH}"), &token).mint();
    let headers = format!("Authorization: DPoP {token}\r\nDPoP: {proof}\r\n");
    let response = world.ask(&format!("GET {PATH}"), &headers).await;
    assert_eq!(status(&response), 200, "{response}");
    let received = world.application.take().remove(0).head.headers;
    assert!(!received.contains_key("dpop") && !received.contains_key("authorization"), "{received:?}");
    let replayed = world.ask(&format!("GET {PATH}"), &headers).await;
    assert_eq!(status(&replayed), 401, "{replayed}");
    assert!(replayed.contains("invalid_dpop_proof"), "{replayed}");
    let stolen = world.ask(&format!("GET {PATH}"), &format!("Authorization: Bearer {token}\r\n")).await;
    assert_eq!(status(&stolen), 401, "{stolen}");
    assert!(world.application.take().is_empty());
}

#[tokio::test]
async fn bound_token_is_rejected_where_no_binding_is_turned_on() {
    let world = World::start().await;
    let token = token(&world.issuer, &TestCertificate::generate());
    let response = world.ask(&format!("GET {PATH}"), &format!("Authorization: Bearer {token}\r\n")).await;
    assert_eq!(status(&response), 401, "{response}");
}

/// Asks over TLS, with this certificate of the client.
async fn ask(world: &World, server: &TestCertificate, own: Option<&TestCertificate>, token: &str) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(server.der().to_vec().into()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        Some(own) => {
            let key = PrivateKeyDer::from_pem_slice(own.private_key_pem().as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![CertificateDer::from(own.der().to_vec())], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    let stream = TcpStream::connect(world.addresses[&Face::Proxy]).await.unwrap();
    let name = ServerName::try_from("client.example").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    let request = format!(
        "GET {PATH} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    // A server that wants a certificate says so after the client's handshake.
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"").await.ok()?;
    Some(converse(stream, request).await).filter(|response| !response.is_empty())
}

fn tls(server: &TestCertificate, client_ca: &str) -> String {
    format!(
        "[tls]\ncert = '''{}'''\nkey = '''{}'''\nclient_ca = '''{client_ca}'''\n",
        server.pem(),
        server.private_key_pem()
    )
}

#[tokio::test]
async fn token_bound_to_a_certificate_passes_with_that_certificate_alone() {
    let [server, own, other] = [(); 3].map(|()| TestCertificate::generate());
    let world = World::with("nginx", &tls(&server, "any")).await;
    let bound = token(&world.issuer, &own);
    for (certificate, token, expected) in [
        (Some(&own), &bound, 200),
        (Some(&other), &bound, 401),
        (None, &bound, 401),
        (None, &world.token, 200),
        (Some(&other), &world.token, 200),
    ] {
        let response = ask(&world, &server, certificate, token).await.unwrap();
        assert_eq!(status(&response), expected, "{response}");
    }
    for received in world.application.take() {
        assert_eq!(received.head.headers["x-forwarded-proto"], "https");
    }
}

#[tokio::test]
async fn certificate_of_the_server_is_replaced_by_a_reload() {
    let [old, new] = [(); 2].map(|()| TestCertificate::generate());
    let world = World::with("nginx", &tls(&old, "none")).await;
    assert_eq!(status(&ask(&world, &old, None, &world.token).await.unwrap()), 200);
    world.reload(|text| text.replace(&tls(&old, "none"), &tls(&new, "none")));
    assert_eq!(status(&ask(&world, &new, None, &world.token).await.unwrap()), 200);
    assert_eq!(ask(&world, &old, None, &world.token).await, None);
}

#[tokio::test]
async fn client_without_a_certificate_of_the_authority_is_not_connected() {
    let [server, own, other] = [(); 3].map(|()| TestCertificate::generate());
    let world = World::with("nginx", &tls(&server, own.pem())).await;
    let bound = token(&world.issuer, &own);
    let response = ask(&world, &server, Some(&own), &bound).await.unwrap();
    assert_eq!(status(&response), 200, "{response}");
    for certificate in [Some(&other), None] {
        assert_eq!(ask(&world, &server, certificate, &world.token).await, None);
    }
    assert_eq!(world.application.take().len(), 1);
}

#[tokio::test]
async fn proxy_that_asks_tells_the_certificate_of_its_client() {
    let (own, other) = (TestCertificate::generate(), TestCertificate::generate());
    let issuer = Arc::new(TestIssuer::start().await);
    let world = World::of(issuer, "nginx", |text| {
        let header = "preset = \"nginx\"\nclient_certificate_header = \"X-Client-Certificate\"\n";
        format!("{}[ext_authz]\nclient_certificates = true\n", text.replace("preset = \"nginx\"\n", header))
    })
    .await;
    let bound = token(&world.issuer, &own);
    let gateway = world.current.load_full();
    for (certificate, expected) in
        [(own.escaped_pem(), 200_u16), (other.escaped_pem(), 401), (String::new(), 401), ("none".to_owned(), 400)]
    {
        let question = http::Request::get("/auth")
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", PATH)
            .header("x-forwarded-host", "api.example.com")
            .header("x-client-certificate", &certificate)
            .header("authorization", format!("Bearer {bound}"));
        let (question, ()) = question.body(()).unwrap().into_parts();
        assert_eq!(decide(&gateway, &question).await.status(), expected, "{certificate}");
        let asked = check(&gateway, envoy(&certificate, &bound)).await;
        assert_eq!(denied(&asked).unwrap_or(200), i32::from(expected), "{certificate}");
    }
    // What a client sends under Envoy's name is no word of Envoy's.
    let mut forged = envoy("", &bound);
    let http = forged.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
    http.headers.insert("x-client-certificate".to_owned(), own.escaped_pem());
    http.headers.insert("x-forwarded-client-cert".to_owned(), own.xfcc_header());
    assert_eq!(denied(&check(&gateway, forged).await), Some(401));
}

/// The header in which a proxy tells a certificate: from a client it never reaches the application, through any face.
#[tokio::test]
async fn certificate_header_of_a_client_never_reaches_the_application() {
    let issuer = Arc::new(TestIssuer::start().await);
    let world = World::of(issuer, "nginx", |text| {
        let header = "preset = \"nginx\"\nclient_certificate_header = \"X-Client-Certificate\"\n";
        text.replace("preset = \"nginx\"\n", header)
    })
    .await;
    let forged = TestCertificate::generate().escaped_pem();
    let gateway = world.current.load_full();
    for name in ["X-Client-Certificate", "x_client_certificate", "X.Client-CERTIFICATE"] {
        for (path, token) in [("/public/x", ""), (PATH, &*world.token)] {
            let headers = format!("Authorization: Bearer {token}\r\n{name}: {forged}\r\n{name}: {forged}\r\n");
            let response = world.ask(&format!("GET {path}"), &headers).await;
            assert_eq!(status(&response), 200, "{name}: {response}");
            let received = world.application.take().remove(0).head.headers;
            assert!(!received.iter().any(|(_, value)| value == &*forged), "{name}: {received:?}");

            let mut asked = envoy("", token);
            let http = asked.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
            http.path = path.to_owned();
            http.headers.insert(name.to_ascii_lowercase(), forged.clone());
            let Some(proto::Outcome::Ok(allowed)) = check(&gateway, asked).await.outcome else { panic!("{name}") };
            assert!(allowed.headers_to_remove.contains(&name.to_ascii_lowercase()), "{name}: {allowed:?}");
        }
        // Where it is the proxy's own word, another spelling is none.
        let question = http::Request::get("/auth")
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", "/public/x")
            .header("x-forwarded-host", "api.example.com")
            .header(name, &forged);
        let expected = if name.contains('-') && !name.contains('.') { 200 } else { 400 };
        let (question, ()) = question.body(()).unwrap().into_parts();
        assert_eq!(decide(&gateway, &question).await.status(), expected, "{name}");
    }
}

/// Each face says how the user must sign in: to a proxy that asks, both schemes in one field.
#[tokio::test]
async fn another_sign_in_is_asked_for_through_every_face() {
    let route =
        "[[route]]\npath = \"/strong\"\npolicy = \"resource and acr gold\"\nupstream = \"application\"\n[dpop]\n";
    let world = World::with("nginx", route).await;
    let gateway = world.current.load_full();
    let weak = world.issuer.resource_token(RESOURCE).mint();
    let strong = world.issuer.resource_token(RESOURCE).claim("acr", "gold").mint();
    let error = "Bearer error=\"insufficient_user_authentication\", acr_values=\"gold\", ";
    let question = |token: &str| {
        let question = http::Request::get("/auth")
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", "/strong")
            .header("x-forwarded-host", "api.example.com")
            .header("authorization", format!("Bearer {token}"));
        question.body(()).unwrap().into_parts().0
    };
    let asks = |token: &str| {
        let mut request = envoy("", token);
        request.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap().path =
            "/strong".to_owned();
        request
    };
    let rejected = decide(&gateway, &question(&weak)).await;
    let challenges: Vec<_> = rejected.headers().get_all("www-authenticate").iter().collect();
    assert_eq!((rejected.status().as_u16(), challenges.len()), (401, 1));
    let challenge = challenges[0].to_str().unwrap();
    assert!(challenge.starts_with(error) && challenge.contains(", DPoP algs=\""), "{challenge}");
    assert!(rejected.headers()["x-auth-problem"].to_str().unwrap().contains("\"remediation\":\"step_up\""));
    assert_eq!(denied(&check(&gateway, asks(&weak)).await), Some(401));
    let proxied = world.ask("GET /strong", &format!("Authorization: Bearer {weak}\r\n")).await;
    assert!(status(&proxied) == 401 && proxied.contains(error), "{proxied}");

    assert_eq!(decide(&gateway, &question(&strong)).await.status(), 200);
    assert_eq!(denied(&check(&gateway, asks(&strong)).await), None);
    let proxied = world.ask("GET /strong", &format!("Authorization: Bearer {strong}\r\n")).await;
    assert_eq!(status(&proxied), 200, "{proxied}");
}

fn envoy(certificate: &str, token: &str) -> proto::CheckRequest {
    let headers = [("authorization".to_owned(), format!("Bearer {token}"))].into();
    let http = proto::HttpRequest {
        id: String::new(),
        method: "GET".to_owned(),
        headers,
        path: PATH.to_owned(),
        host: "api.example.com".to_owned(),
        header_map: None,
    };
    proto::CheckRequest {
        attributes: Some(proto::AttributeContext {
            source: Some(proto::Peer { certificate: certificate.to_owned() }),
            request: Some(proto::RequestAttributes { http: Some(http) }),
        }),
    }
}

fn denied(response: &proto::CheckResponse) -> Option<i32> {
    match response.outcome.as_ref().unwrap() {
        proto::Outcome::Denied(denied) => Some(denied.status.as_ref().unwrap().code),
        proto::Outcome::Ok(_) => None,
    }
}
