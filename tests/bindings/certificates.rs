//! Tokens that are bound to a client certificate.

use std::net::IpAddr;

use axum::body::Body;
use http::Request;
use orgate::testing::TestCertificate;
use orgate::token::binding::{Dpop, MutualTls, Peer, TrustedPeers};

use super::support::{API, Seen, World, request, send};

/// As a listener would put it into the extensions.
#[derive(Clone)]
struct ClientCertificate(Vec<u8>);

fn connection() -> MutualTls {
    MutualTls::connection(|extensions| Some(&extensions.get::<ClientCertificate>()?.0))
}

fn anybody() -> TrustedPeers {
    TrustedPeers::dangerous_proxy_always_sets_it()
}

fn bound(world: &World, certificate: &TestCertificate) -> String {
    world.issuer.resource_token(API).scope("read:orders").bound_to_certificate(certificate).mint()
}

fn is_refused(seen: &Seen) {
    assert_eq!((seen.status, &*seen.remediation()), (401, "authenticate"), "{seen:?}");
    assert_eq!(seen.challenges().len(), 1);
    assert!(seen.challenges()[0].starts_with("Bearer error=\"invalid_token\", "), "{seen:?}");
}

#[tokio::test]
async fn the_certificate_of_the_connection_must_be_the_tokens() {
    let world = World::built(|builder| builder.mutual_tls(connection())).await;
    let (own, other) = (TestCertificate::generate(), TestCertificate::generate());
    let token = bound(&world, &own);
    let over = async |certificate: Option<&TestCertificate>| {
        let mut request = request("GET", "/orders", "Bearer", &token, &[]);
        if let Some(certificate) = certificate {
            request.extensions_mut().insert(ClientCertificate(certificate.der().to_vec()));
        }
        send(&world.app, request).await
    };
    over(Some(&own)).await.passes();
    over(Some(&own)).await.passes();
    is_refused(&over(Some(&other)).await);
    is_refused(&over(None).await);
}

#[tokio::test]
async fn an_unbound_token_passes_with_any_certificate() {
    let world = World::built(|builder| builder.mutual_tls(connection())).await;
    let token = world.issuer.resource_token(API).scope("read:orders").mint();
    assert_eq!(world.send("Bearer", &token, &[]).await.status, 200);
    let world = World::built(|builder| builder.mutual_tls(connection()).require_sender_constrained()).await;
    let token = world.issuer.resource_token(API).scope("read:orders").mint();
    is_refused(&world.send("Bearer", &token, &[]).await);
}

#[tokio::test]
async fn the_headers_of_proxies_name_the_certificate() {
    type Written = fn(&TestCertificate) -> String;
    let (own, other) = (TestCertificate::generate(), TestCertificate::generate());
    let sources: [(MutualTls, &'static str, Written); 3] = [
        (MutualTls::client_cert_header(anybody()), "client-cert", TestCertificate::client_cert_header),
        (MutualTls::xfcc_header(anybody()), "x-forwarded-client-cert", TestCertificate::xfcc_header),
        (MutualTls::pem_header("x-client-cert", anybody()), "x-client-cert", TestCertificate::escaped_pem),
    ];
    for (source, name, written) in sources {
        let world = World::built(|builder| builder.mutual_tls(source)).await;
        let token = bound(&world, &own);
        let sent = async |headers: &[(&'static str, String)]| send(&world.app, with(&token, headers)).await;
        sent(&[(name, written(&own))]).await.passes();
        for refused in [
            &[][..],
            &[(name, written(&other))],
            &[(name, written(&own)), (name, written(&own))],
            &[(name, written(&other)), (name, written(&own))],
            &[(name, String::new())],
            &[(name, "{http.request.tls.client.certificate_der_base64}".to_owned())],
            &[("x-other", written(&own))],
        ] {
            is_refused(&sent(refused).await);
        }
    }
}

/// Envoy writes URI and DNS names of the client's certificate as they stand there. Whoever has stolen a token makes a
/// certificate of its own.
#[tokio::test]
async fn hash_that_a_client_writes_into_its_certificate_or_header_is_not_envoys() {
    let world = World::built(|builder| builder.mutual_tls(MutualTls::xfcc_header(anybody()))).await;
    let (victim, thief) = (TestCertificate::generate(), TestCertificate::generate());
    let token = bound(&world, &victim);
    let hash = |certificate: &TestCertificate| {
        let header = certificate.xfcc_header();
        header.split(';').find(|pair| pair.starts_with("Hash=")).unwrap().to_owned()
    };
    let (stolen, own) = (hash(&victim), hash(&thief));
    let sent = async |header: String| send(&world.app, with(&token, &[("x-forwarded-client-cert", header)])).await;
    sent(format!("By=p;{stolen};Subject=\"CN=a\";URI=spiffe://a/b;DNS=a.example")).await.passes();
    for header in [
        // SANITIZE_SET with `uri` or `dns`.
        format!("By=p;{own};Subject=\"CN=a\";URI=x,{stolen}"),
        format!("By=p;{own};Subject=\"CN=a\";DNS=x,{stolen}"),
        format!("By=p;{own};URI=x;{stolen}"),
        format!("By=p;{own};URI=\";DNS=\",{stolen}"),
        // APPEND_FORWARD with `subject`: the quote that the client has opened takes Envoy's element in.
        format!("{stolen};X=\",By=p;{own};Subject=\"CN=\\\"x\""),
        format!("{stolen},By=p;{own}"),
    ] {
        is_refused(&sent(header).await);
    }
}

#[tokio::test]
async fn a_header_from_an_untrusted_peer_is_no_certificate() {
    let peers = TrustedPeers::new(|extensions| extensions.get::<Peer>().copied()).network("10.0.0.0/8").unix_sockets();
    let world = World::built(|builder| builder.mutual_tls(MutualTls::client_cert_header(peers))).await;
    let own = TestCertificate::generate();
    let token = bound(&world, &own);
    let from = async |peer: Option<Peer>| {
        let mut request = with(&token, &[("client-cert", own.client_cert_header())]);
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        send(&world.app, request).await
    };
    let ip = |text: &str| Some(Peer::from(text.parse::<IpAddr>().unwrap()));
    from(ip("10.1.2.3")).await.passes();
    from(Some(Peer::UnixSocket)).await.passes();
    is_refused(&from(ip("192.0.2.1")).await);
    is_refused(&from(None).await);
}

#[tokio::test]
async fn without_a_source_a_bound_token_is_rejected_whatever_the_headers_say() {
    let world = World::built(|builder| builder).await;
    let own = TestCertificate::generate();
    let token = bound(&world, &own);
    is_refused(&send(&world.app, with(&token, &[("client-cert", own.client_cert_header())])).await);
}

/// Neither is enough where the issuer has bound the token to both.
#[tokio::test]
async fn a_token_that_is_bound_twice_needs_both() {
    let world = World::built(|builder| builder.mutual_tls(connection()).dpop(Dpop::new(API))).await;
    let own = TestCertificate::generate();
    let cnf = serde_json::json!({ "jkt": world.key.thumbprint(), "x5t#S256": own.thumbprint() });
    let token = world.issuer.resource_token(API).scope("read:orders").claim("cnf", cnf).mint();
    let sent = async |scheme: &str, has_proof: bool, has_certificate: bool| {
        let proof = world.proof(&token).mint();
        let proofs: &[&str] = if has_proof { &[&proof] } else { &[] };
        let mut request = request("GET", "/orders", scheme, &token, proofs);
        if has_certificate {
            request.extensions_mut().insert(ClientCertificate(own.der().to_vec()));
        }
        send(&world.app, request).await
    };
    sent("DPoP", true, true).await.passes();
    for (scheme, has_proof, has_certificate) in [
        ("DPoP", true, false),
        ("DPoP", false, true),
        ("DPoP", false, false),
        ("Bearer", true, true),
        ("Bearer", false, true),
    ] {
        assert_eq!(
            sent(scheme, has_proof, has_certificate).await.status,
            401,
            "{scheme} {has_proof} {has_certificate}"
        );
    }
    let with_certificate = bound(&world, &own);
    let mut as_dpop = request("GET", "/orders", "DPoP", &with_certificate, &[&world.proof(&with_certificate).mint()]);
    as_dpop.extensions_mut().insert(ClientCertificate(own.der().to_vec()));
    send(&world.app, as_dpop).await.is_refused("invalid_token", "authenticate");
}

fn with(token: &str, headers: &[(&'static str, String)]) -> Request<Body> {
    let mut request = request("GET", "/orders", "Bearer", token, &[]);
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}
