//! Discovery, a URL, a document: where a set comes from.

use orgate::testing::{Endpoint, Fault, TestIssuer};
use orgate::{Issuer, ResourceServer};

use crate::support::{API, Api, builder, token};

#[tokio::test]
async fn the_key_set_at_a_url() {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new("https://issuer.example/oidc").jwks_uri(issuer.jwks_uri());
    let api = Api::new(ResourceServer::builder(entry, API).clock(issuer.clock()));
    let named = || issuer.resource_token(API).issuer("https://issuer.example/oidc");
    assert!(api.get(named().mint()).await.is_ok());
    assert!(api.get(token(&issuer)).await.is_401("authenticate"), "the issuer is checked all the same");
    issuer.rotate();
    assert!(api.get(named().mint()).await.is_ok());
    assert_eq!((issuer.requests(Endpoint::Discovery), issuer.requests(Endpoint::Keys)), (0, 2));
}

#[tokio::test]
async fn the_key_set_as_a_document() {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).jwks_json(issuer.jwks_json());
    let server = ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap();
    server.ready().await.unwrap();
    let (api, good) = (Api::of(&server), token(&issuer));
    assert!(api.get(&good).await.is_ok());
    assert!(api.get(issuer.resource_token(API).forged().mint()).await.is_401("authenticate"));
    issuer.rotate();
    assert!(api.get(token(&issuer)).await.is_401("refresh"));
    crate::support::pass(&issuer.clock(), 100 * 24 * 3600);
    assert!(api.get(&good).await.is_ok(), "it has no life time");
    assert_eq!(issuer.requests(Endpoint::All), 0);
}

#[tokio::test]
async fn metadata_of_rfc_8414_where_there_is_no_openid_document() {
    for path in ["/oidc", ""] {
        let issuer = TestIssuer::builder().path(path).start().await;
        issuer.fail_next(Endpoint::Discovery, Fault::Status(404));
        assert!(Api::new(builder(&issuer)).get(token(&issuer)).await.is_ok());
        assert_eq!((issuer.requests(Endpoint::Discovery), issuer.requests(Endpoint::Keys)), (2, 1));
    }
}

#[tokio::test]
async fn no_second_place_is_tried_when_the_first_one_fails() {
    for fault in [Fault::Status(500), Fault::Status(429), Fault::Garbage, Fault::WrongIssuer] {
        let issuer = TestIssuer::start().await;
        issuer.fail_next(Endpoint::Discovery, fault.clone());
        assert!(Api::new(builder(&issuer)).get(token(&issuer)).await.is_503(), "{fault:?}");
        assert_eq!((issuer.requests(Endpoint::Discovery), issuer.requests(Endpoint::Keys)), (1, 0), "{fault:?}");
    }
}

#[tokio::test]
async fn several_names_of_one_issuer_share_its_keys() {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).alias("https://auth.example.com/oidc");
    let api = Api::new(ResourceServer::builder(entry, API).clock(issuer.clock()));
    let custom_domain = issuer.resource_token(API).issuer("https://auth.example.com/oidc").mint();
    assert!(api.get(custom_domain).await.is_ok());
    assert!(api.get(token(&issuer)).await.is_ok());
    assert_eq!(issuer.requests(Endpoint::All), 2);
}
