//! Proofs in the requests that a proxy asks about: judged by what the client sent, and once.

use http::request::Parts;
use orgate::testing::TestProofKey;

use super::World;
use super::world::{RESOURCE, status};
use crate::face::ext_authz::{check, proto};
use crate::face::forward_auth::decide;

const PATH: &str = "/orgs/acme/orders";
const URL: &str = "https://api.example.com/orgs/acme/orders";

struct Client {
    world: World,
    key: TestProofKey,
    token: String,
}

impl Client {
    async fn behind(preset: &str) -> Self {
        let world = World::with(preset, "[dpop]\n").await;
        let key = world.issuer.proof_key();
        let token = world.issuer.organization_resource_token(RESOURCE, "acme").subject("u1").client("web");
        let token = token.scope("read:orders").bound_to(&key).mint();
        Self { world, key, token }
    }

    fn proof(&self) -> String {
        self.key.proof("GET", URL, &self.token).mint()
    }

    /// What a proxy asks, with these headers beside those of its preset.
    async fn ask(&self, target: &str, proof: &str, more: &[(&str, &str)]) -> u16 {
        let mut question = http::Request::get(target)
            .header("authorization", format!("DPoP {}", self.token))
            .header("dpop", proof)
            .header("host", "api.example.com");
        if target == "/auth" {
            question = question.header("x-forwarded-method", "GET").header("x-forwarded-uri", PATH);
        }
        for (name, value) in more {
            question = question.header(*name, *value);
        }
        let (question, ()): (Parts, ()) = question.body(()).unwrap().into_parts();
        decide(&self.world.current.load_full(), &question).await.status().as_u16()
    }

    async fn envoy(&self, proof: &str, id: &str, more: &[(&str, &str)]) -> bool {
        let own = [("authorization", format!("DPoP {}", self.token)), ("dpop", proof.to_owned())];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let http = proto::HttpRequest {
            id: id.to_owned(),
            method: "GET".to_owned(),
            headers: own.into_iter().chain(more).collect(),
            path: PATH.to_owned(),
            host: "api.example.com".to_owned(),
            header_map: None,
        };
        let request = Some(proto::RequestAttributes { http: Some(http) });
        let question = proto::CheckRequest { attributes: Some(proto::AttributeContext { source: None, request }) };
        let answer = check(&self.world.current.load_full(), question).await;
        matches!(answer.outcome, Some(proto::Outcome::Ok(_)))
    }
}

#[tokio::test]
async fn question_that_is_repeated_with_the_id_of_its_proxy_passes_again() {
    for preset in ["nginx", "caddy"] {
        let client = Client::behind(preset).await;
        let proof = client.proof();
        let first = [("x-request-id", "1f0e")];
        assert_eq!(client.ask("/auth", &proof, &first).await, 200, "{preset}");
        assert_eq!(client.ask("/auth", &proof, &first).await, 200, "{preset}");
        for other in [
            &[("x-request-id", "1f0f")][..],
            &[("x-request-id", "1F0E")],
            &[("x-request-id", "")],
            &[("x-request-id", "1f0e"), ("x-request-id", "1f0e")],
            &[("x-correlation-id", "1f0e")],
            &[],
        ] {
            assert_eq!(client.ask("/auth", &proof, other).await, 401, "{preset} {other:?}");
        }
        // The id stands for one request: with another proof it is another question.
        assert_eq!(client.ask("/auth", &client.proof(), &first).await, 200, "{preset}");
    }
}

#[tokio::test]
async fn absent_or_empty_id_matches_nothing() {
    let client = Client::behind("nginx").await;
    for id in [&[][..], &[("x-request-id", "")]] {
        let proof = client.proof();
        assert_eq!(client.ask("/auth", &proof, id).await, 200, "{id:?}");
        assert_eq!(client.ask("/auth", &proof, id).await, 401, "{id:?}");
    }
}

#[tokio::test]
async fn every_repeat_is_a_replay_where_the_proxy_tells_no_id() {
    for (preset, target) in [("traefik", "/auth"), ("envoy_http", "/auth/orgs/acme/orders")] {
        let client = Client::behind(preset).await;
        let proof = client.proof();
        let id = [("x-request-id", "1f0e")];
        assert_eq!(client.ask(target, &proof, &id).await, 200, "{preset}");
        assert_eq!(client.ask(target, &proof, &id).await, 401, "{preset}");
    }
}

#[tokio::test]
async fn number_that_envoy_gives_a_request_tells_a_repeated_question() {
    let client = Client::behind("envoy_http").await;
    let proof = client.proof();
    assert!(client.envoy(&proof, "7346811", &[]).await);
    assert!(client.envoy(&proof, "7346811", &[]).await);
    assert!(!client.envoy(&proof, "7346812", &[]).await);
    assert!(!client.envoy(&proof, "", &[]).await);
    // What the client sends is no number of Envoy's.
    let forged = [("x-request-id", "7346811"), ("orgate-request-id", "7346811"), ("orgate_request_id", "7346811")];
    assert!(!client.envoy(&proof, "", &forged).await);
    let unnumbered = client.proof();
    assert!(client.envoy(&unnumbered, "", &[]).await);
    assert!(!client.envoy(&unnumbered, "", &[]).await);
}

/// No face believes a client that names the header in which ids are read.
#[tokio::test]
async fn client_cannot_name_its_own_request() {
    let client = Client::behind("nginx").await;
    for name in ["Orgate-Request-Id", "Orgate_Request_Id", "X-Request-Id"] {
        let proof = client.proof();
        let headers = format!("Authorization: DPoP {}\r\nDPoP: {proof}\r\n{name}: 1f0e\r\n", client.token);
        let request_line = format!("GET {PATH}");
        assert_eq!(status(&client.world.ask(&request_line, &headers).await), 200, "{name}");
        assert_eq!(status(&client.world.ask(&request_line, &headers).await), 401, "{name}");
        let received = client.world.application.take().remove(0).head.headers;
        assert!(received.keys().all(|name| !name.as_str().starts_with("orgate-r")), "{received:?}");
    }
    let proof = client.proof();
    let forged = [("orgate-request-id", "1f0e"), ("x-request-id", "a")];
    assert_eq!(client.ask("/auth", &proof, &forged).await, 400);
}

#[tokio::test]
async fn proof_is_judged_by_the_public_url_and_the_method_of_the_client() {
    let client = Client::behind("nginx").await;
    let proof = |method: &str, url: &str| client.key.proof(method, url, &client.token).mint();
    for (proof, expected) in [
        (proof("GET", URL), 200),
        (proof("GET", "HTTPS://API.example.com:443/orgs/%61cme/orders?query"), 200),
        (proof("POST", URL), 401),
        (proof("GET", "https://api.example.com/auth"), 401),
        (proof("GET", "http://127.0.0.1/orgs/acme/orders"), 401),
        (proof("GET", "https://other.example/orgs/acme/orders"), 401),
        (proof("GET", "https://api.example.com/orgs/globex/orders"), 401),
    ] {
        assert_eq!(client.ask("/auth", &proof, &[("x-forwarded-host", "other.example")]).await, expected, "{proof}");
    }
    // The method of the question is the proxy's own.
    let (mut question, ()) = http::Request::post("/auth").body(()).unwrap().into_parts();
    for (name, value) in [
        ("authorization", format!("DPoP {}", client.token)),
        ("dpop", proof("GET", URL)),
        ("x-forwarded-method", "GET".to_owned()),
        ("x-forwarded-uri", PATH.to_owned()),
    ] {
        question.headers.insert(http::HeaderName::from_static(name), value.parse().unwrap());
    }
    assert_eq!(decide(&client.world.current.load_full(), &question).await.status(), 200);
}
