use std::sync::Arc;

use http::{Method, Uri};
use orgate::testing::TestIssuer;

use super::World;
use super::world::status;
use crate::explain::{Explained, Format, request};
use crate::gateway::Face;

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
async fn header_that_forward_auth_rejects_is_said_and_what_the_other_faces_do() {
    let world = World::start().await;
    for header in ["X-Original-Host: evil", "x-http-methods: DELETE"] {
        let explained = explained(&world, &Method::GET, "/public/a", &[header]).await;
        let (name, text) = (header.split(':').next().unwrap().to_ascii_lowercase(), explained.print(Format::Text));
        assert!(text.starts_with(&format!("the face forward_auth rejects the header {name}")), "{text}");
        assert!(
            text.contains(": 400")
                && text.ends_with("/public/{*rest} is public: the request passes, with or without a token\n")
        );
        let question = format!(
            "GET /auth HTTP/1.1\r\nHost: a\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /public/a\r\n\
             X-Forwarded-Host: a\r\nConnection: close\r\n{header}\r\n\r\n"
        );
        assert_eq!(status(&world.raw(Face::ForwardAuth, question).await), 400);
        assert_eq!(status(&world.ask("GET /public/a", &format!("{header}\r\n")).await), 200);
    }
    let alone = |text: String| {
        let without = |line: &&str| !line.starts_with("proxy = ") && !line.starts_with("ext_authz = ");
        text.lines().filter(without).collect::<Vec<_>>().join("\n")
    };
    let world = World::of(Arc::new(TestIssuer::start().await), "nginx", alone).await;
    let explained = explained(&world, &Method::GET, "/public/a", &["X-Original-Host: evil"]).await;
    let text = explained.print(Format::Text);
    assert!(matches!(explained, Explained::Unasked(_)) && text.contains(": 400") && !text.contains("passes"), "{text}");
}

#[tokio::test]
async fn identity_headers_of_a_client_are_not_looked_at() {
    let world = World::start().await;
    let headers = ["@-", "x-organization-id: acme", "Orgate: sub=\"admin\""];
    let explained = explained(&world, &Method::GET, "/header/orders", &headers).await;
    let Explained::Judged(_, explanation) = &explained else { panic!("{explained:?}") };
    assert_eq!((explanation.outcome, explanation.shadow.is_none()), ("allow", true), "{explanation}");
}

const WEBHOOK: &str =
    "[[webhooks]]\npath = \"/hooks/logto\"\nissuer = \"customers\"\nsigning_keys = [\"a key of the hook\"]\n";

#[tokio::test]
async fn path_of_webhooks_is_explained_and_listed_as_the_proxy_answers_it() {
    let world = World::with("nginx", WEBHOOK).await;
    let answer = world.ask("POST /hooks/logto", "Authorization: Bearer {{TOKEN}}\r\n").await;
    assert_eq!(status(&answer), 401, "no signature, whatever the token is: {answer}");
    let explained = explained(&world, &Method::POST, "/hooks/logto", &["@-"]).await;
    let text = explained.print(Format::Text);
    assert!(text.starts_with("the face proxy takes the deliveries of issuer customers at this path"), "{text}");
    assert!(text.ends_with("On the other faces:\nno route matches the path: 404\n"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&explained.print(Format::Json)).unwrap();
    assert_eq!(json["others"]["unasked"], "no route matches the path: 404");
    assert!(json["proxy"]["unasked"].is_string(), "{json}");
    let table = crate::routes::table(&world.current.load_full(), crate::routes::Format::Text);
    let row = table.lines().find(|line| line.contains("/hooks/logto")).unwrap();
    assert!(row.starts_with("POST") && row.ends_with("public (signed deliveries of issuer customers)"), "{table}");
}

#[tokio::test]
async fn header_that_forward_auth_rejects_is_said_at_a_path_of_webhooks_too() {
    let world = World::with("nginx", WEBHOOK).await;
    let explained = explained(&world, &Method::POST, "/hooks/logto", &["@-", "X-Original-Host: evil"]).await;
    let text = explained.print(Format::Text);
    let lines: Vec<_> = text.lines().collect();
    let [proxy, on_others, forward_auth, on_the_last, judged] = lines[..] else { panic!("{text}") };
    assert!(proxy.starts_with("the face proxy takes the deliveries of issuer customers"), "{text}");
    assert!(forward_auth.starts_with("the face forward_auth rejects the header x-original-host"), "{text}");
    assert!(forward_auth.contains(": 400") && on_others == on_the_last, "{text}");
    assert_eq!(judged, "no route matches the path: 404");
    let json: serde_json::Value = serde_json::from_str(&explained.print(Format::Json)).unwrap();
    assert!(json["others"]["forward_auth"]["unasked"].as_str().unwrap().contains("400"), "{json}");
    assert_eq!(json["others"]["others"]["unasked"], "no route matches the path: 404");
    let question = "GET /auth HTTP/1.1\r\nHost: a\r\nX-Forwarded-Method: POST\r\nX-Forwarded-Uri: /hooks/logto\r\n\
                    X-Forwarded-Host: a\r\nConnection: close\r\nX-Original-Host: evil\r\n\r\n";
    assert_eq!(status(&world.raw(Face::ForwardAuth, question).await), 400);

    let without = |text: String| {
        let text: Vec<_> = text.lines().filter(|line| !line.starts_with("ext_authz = ")).collect();
        format!("{}\n{WEBHOOK}", text.join("\n"))
    };
    let world = World::of(Arc::new(TestIssuer::start().await), "nginx", without).await;
    let text =
        self::explained(&world, &Method::POST, "/hooks/logto", &["X-Original-Host: evil"]).await.print(Format::Text);
    assert!(text.lines().last().unwrap().contains(": 400") && !text.contains("404"), "{text}");
}
