use http::{Method, Uri};

use super::World;
use super::world::status;
use crate::explain::{Explained, Format, request};

async fn explained(world: &World, method: &Method, url: &str, headers: &[&str]) -> Explained {
    let headers: Vec<String> = headers.iter().map(ToString::to_string).collect();
    let input = format!("Authorization: Bearer {}\n", world.token);
    let mut request = request(method, &url.parse::<Uri>().unwrap(), &headers, input.as_bytes()).unwrap();
    world.current.load_full().explain(&mut request).await
}

#[tokio::test]
async fn a_request_is_explained_as_the_proxy_answers_it() {
    let world = World::start().await;
    for (method, path, route, kind) in [
        ("GET", "/orgs/acme/orders", "/orgs/{org}/orders", None),
        ("GET", "/orgs/globex/orders", "/orgs/{org}/orders", Some("wrong_organization")),
        ("DELETE", "/orgs/acme/orders/7", "/orgs/{org}/orders/{id}", Some("insufficient_scope")),
    ] {
        let url = format!("https://api.example.com{path}");
        let explained = explained(&world, &method.parse().unwrap(), &url, &["@-"]).await;
        let Explained::Judged(found, explanation) = &explained else { panic!("{explained:?}") };
        assert_eq!((found.as_str(), explanation.kind), (route, kind), "{explanation}");
        let answer = world.ask(&format!("{method} {path}"), "Authorization: Bearer {{TOKEN}}\r\n").await;
        assert_eq!(explanation.response.as_ref().map_or(200, |response| response.status), status(&answer), "{path}");
        for format in [Format::Text, Format::Json] {
            let text = explained.print(format);
            assert!(text.contains(route) && !text.contains(&world.token[..40]) && !text.contains("u1"), "{text}");
        }
    }
}

#[tokio::test]
async fn what_no_policy_is_asked_about_is_said() {
    let world = World::start().await;
    for (method, path, expected) in [
        (Method::GET, "/public/a", "/public/{*rest} is public: the request passes, with or without a token\n"),
        (Method::GET, "/nowhere", "no route matches the path: 404\n"),
        (Method::PUT, "/orgs/acme/orders", "no route with this path accepts the method: 405\n"),
    ] {
        let explained = explained(&world, &method, path, &[]).await;
        assert_eq!(explained.print(Format::Text), expected);
        assert!(explained.print(Format::Json).contains("unasked"));
    }
    let explained = explained(&world, &Method::GET, "/orgs/acme/../globex/orders", &[]).await;
    assert!(explained.print(Format::Text).contains(": 400, before routes are matched"), "{explained:?}");
}

#[tokio::test]
async fn identity_headers_of_a_client_are_not_looked_at() {
    let world = World::start().await;
    let headers = ["@-", "x-organization-id: acme", "Orgate: sub=\"admin\""];
    let explained = explained(&world, &Method::GET, "/header/orders", &headers).await;
    let Explained::Judged(_, explanation) = &explained else { panic!("{explained:?}") };
    assert_eq!((explanation.outcome, explanation.shadow.is_none()), ("allow", true), "{explanation}");
}
