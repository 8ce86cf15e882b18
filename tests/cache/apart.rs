//! One token in several places: servers, issuer entries and routes judge by their own rules, whatever another one found.

use std::time::Duration;

use orgate::policy::{all_of, authenticated, header, machine, organization, path, resource, resource_at, user};
use orgate::testing::TestIssuer;
use orgate::{Issuer, ResourceServer};

use crate::support::{API, Api, builder};

#[tokio::test]
async fn two_servers_share_nothing() {
    let issuer = TestIssuer::start().await;
    let (lax, strict) = (Api::new(builder(&issuer)), Api::new(builder(&issuer).leeway(Duration::ZERO)));
    let elsewhere = ResourceServer::builder(issuer.url(), "https://elsewhere.example").clock(issuer.clock());
    let elsewhere = Api::new(elsewhere);
    let token = issuer.resource_token(API).expires_in(Duration::from_secs(100)).mint();
    for _ in 0..2 {
        assert!(lax.get(&token).await.is_ok() && strict.get(&token).await.is_ok());
        assert!(elsewhere.get(&token).await.is_401("authenticate"));
    }
    issuer.clock().advance(Duration::from_secs(101));
    assert!(lax.get(&token).await.is_ok() && strict.get(&token).await.is_401("refresh"));
    issuer.rotate_without_overlap();
    lax.server.issuer("issuer").unwrap().refresh_keys().await.unwrap();
    assert!(lax.get(&token).await.is_401("refresh"));
}

#[tokio::test]
async fn two_entries_with_the_same_keys() {
    let issuer = TestIssuer::start().await;
    let other = "https://other.example";
    let entry = Issuer::new(other).name("other").jwks_uri(issuer.jwks_uri()).resource("https://elsewhere.example");
    let api = Api::new(builder(&issuer).issuer(entry));
    let (one, two) = (issuer.resource_token(API).mint(), issuer.resource_token(API).issuer(other).mint());
    for _ in 0..2 {
        assert!(api.get(&one).await.is_ok());
        assert!(api.get(&two).await.is_401("authenticate"), "this entry speaks for another resource");
    }
    // One entry loses its key, and with it its tokens; the other one has its own set.
    let of_two = issuer.resource_token("https://elsewhere.example").issuer(other).mint();
    assert!(api.get(&of_two).await.is_ok());
    issuer.rotate_without_overlap();
    api.server.issuer("issuer").unwrap().refresh_keys().await.unwrap();
    assert!(api.get(&one).await.is_401("retry") && api.get(&of_two).await.is_ok());
    api.server.issuer("other").unwrap().remove().unwrap();
    assert!(api.get(&of_two).await.is_401("authenticate"));
}

#[tokio::test]
async fn every_route_asks_for_itself() {
    let issuer = TestIssuer::start().await;
    let routes = [
        ("/any", authenticated()),
        ("/read", resource().scope("read")),
        ("/write", resource().scope("write")),
        ("/both", resource().and(all_of(["read", "write"]))),
        ("/users", resource().and(user())),
        ("/machines", resource().and(machine())),
        ("/second", resource_at("https://api.example.com/second")),
        ("/orgs/{org}", organization(path("org"))),
        ("/within/{org}", resource().in_organization(path("org"))),
        ("/header", organization(header("x-organization-id"))),
        ("/even", resource().check("even", |facts: &orgate::policy::Facts<'_>| facts.token().subject().id() == "even")),
    ];
    let api = Api::with(builder(&issuer).resource("https://api.example.com/second"), routes);
    let reader = issuer.resource_token(API).scope("read").mint();
    let member = issuer.organization_token("acme").mint();
    let within = issuer.organization_resource_token(API, "acme").mint();
    let machine = issuer.resource_token(API).machine("worker").scope("read write").mint();
    // Each token everywhere, and again: whatever it passed before says nothing about the next route.
    for _ in 0..2 {
        for (path, reads, belongs, is_within, works) in [
            ("/any", 200, 200, 200, 200),
            ("/read", 200, 403, 403, 200),
            ("/write", 403, 403, 403, 200),
            ("/both", 403, 403, 403, 200),
            ("/users", 200, 403, 403, 403),
            ("/machines", 403, 403, 403, 200),
            ("/second", 403, 403, 403, 403),
            ("/orgs/acme", 403, 200, 403, 403),
            ("/orgs/other", 403, 403, 403, 403),
            ("/within/acme", 403, 403, 200, 403),
            ("/within/other", 403, 403, 403, 403),
            ("/header", 403, 403, 403, 403),
            ("/even", 403, 403, 403, 403),
        ] {
            for (token, expected) in [(&reader, reads), (&member, belongs), (&within, is_within), (&machine, works)] {
                assert_eq!(api.get_from(path, token).await.status, expected, "{path}");
            }
        }
    }
}
