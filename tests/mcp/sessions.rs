//! A session belongs to the subject and the client that opened it.

use serde_json::json;

use super::support::*;

const SESSION: &str = "mcp-session-id";

async fn open(world: &World, token: &str) -> String {
    open_over(Http::One, world, token).await
}

async fn open_over(version: Http, world: &World, token: &str) -> String {
    let params = json!({
        "protocolVersion": OLD, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
    });
    let body = message("initialize", &params).to_string();
    let seen = send(&client(version), "POST", &world.url(), Some(token), &[], Some(body.into())).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    let session = seen.header(SESSION).to_owned();
    let body = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    let headers = [(SESSION, &*session), ("mcp-protocol-version", OLD)];
    assert_eq!(world.post(Some(token), &headers, body).await.status, 202);
    session
}

async fn in_session(version: Http, world: &World, method: &str, token: &str, session: &str) -> u16 {
    let headers = [(SESSION, session), ("mcp-protocol-version", OLD)];
    let body = (method == "POST").then(|| call("whoami", json!({})).to_string().into());
    // A stream that is open does not end by itself: the head of the response is enough.
    let response = head(&client(version), method, &world.url(), Some(token), &headers, body).await;
    let status = response.status().as_u16();
    if method == "POST" {
        _ = response.text().await.unwrap();
    }
    status
}

#[tokio::test]
async fn another_users_valid_token_cannot_use_a_session() {
    for version in [Http::One, Http::Two] {
        let world = World::built(tools(), true, |builder| builder).await;
        let alice = world.token_of("alice", "mcp:read");
        let session = open_over(version, &world, &alice).await;
        let ask = async |method: &str, token: &str| in_session(version, &world, method, token, &session).await;
        assert!(session.contains('.'));
        assert_eq!(ask("POST", &alice).await, 200);
        assert_eq!(world.ran.take(), ["whoami"]);
        assert_eq!(ask("GET", &alice).await, 200);

        let other_client = world.issuer.resource_token(API).subject("alice").client("other").scope("mcp:read").mint();
        for stranger in [world.token_of("bob", "mcp:read mcp:admin"), other_client] {
            for method in ["POST", "GET", "DELETE"] {
                assert_eq!(ask(method, &stranger).await, 404, "{version:?} {method}");
            }
        }
        assert_eq!(world.ran.take(), [""; 0]);
        let renewed = world.token_of("alice", "mcp:read mcp:admin");
        assert_eq!(ask("POST", &renewed).await, 200, "a new token of the same user and client");
        assert_eq!(ask("DELETE", &alice).await, 202);
        assert_eq!(ask("POST", &alice).await, 404, "closed");
    }
}

#[tokio::test]
async fn stream_of_a_session_reaches_its_owner_only() {
    for version in [Http::One, Http::Two] {
        let world = World::built(tools(), true, |builder| builder).await;
        let (alice, bob) = (world.token_of("alice", "mcp:read"), world.token_of("bob", "mcp:read"));
        let (hers, his) = (open_over(version, &world, &alice).await, open_over(version, &world, &bob).await);
        for (token, session, status) in
            [(&alice, &hers, 200), (&bob, &his, 200), (&bob, &hers, 404), (&alice, &his, 404)]
        {
            let headers = [(SESSION, session.as_str()), ("mcp-protocol-version", OLD)];
            let stream = head(&client(version), "GET", &world.url(), Some(token), &headers, None).await;
            assert_eq!(stream.status().as_u16(), status, "{version:?}");
            let kind = stream.headers()["content-type"].to_str().unwrap().to_owned();
            assert_eq!(kind.starts_with("text/event-stream"), status == 200, "{version:?} {kind}");
        }
    }
}

#[tokio::test]
async fn an_id_that_was_not_given_out_is_unknown() {
    let world = World::built(tools(), true, |builder| builder).await;
    let alice = world.token_of("alice", "mcp:read");
    let session = open(&world, &alice).await;
    let (own, mac) = session.rsplit_once('.').unwrap();
    let flipped = format!("{own}.{}{}", if mac.starts_with('A') { 'B' } else { 'A' }, &mac[1..]);
    for forged in [own, &*format!("{own}."), &*format!("x{session}"), &*flipped, &*format!("{session}x"), "x"] {
        let body = call("whoami", json!({})).to_string();
        let seen = world.post(Some(&alice), &[(SESSION, forged), ("mcp-protocol-version", OLD)], body).await;
        assert_eq!((seen.status, &seen.json()["error"]["code"]), (404, &json!(-32001)), "{forged}");
    }
    let twice = [(SESSION, &*session), (SESSION, &*session)];
    assert_eq!(world.post(Some(&alice), &twice, call("whoami", json!({})).to_string()).await.status, 400);
    assert_eq!(world.ran.take(), [""; 0]);
}

#[tokio::test]
async fn replicas_with_one_secret_know_the_sessions_of_each_other() {
    let secret = [7_u8; 32];
    let one = World::built(tools().session_secret(secret), true, |builder| builder).await;
    let alice = one.token_of("alice", "mcp:read");
    let session = open(&one, &alice).await;
    let (own, _) = session.rsplit_once('.').unwrap();
    // Whether rmcp at the other replica has it is another matter: a stranger's id is not even passed on.
    let other = one.server.clone();
    let ran = Ran::default();
    let guard: orgate::Guard = other.guard().mcp("/mcp", service(&ran, false), tools().session_secret(secret));
    let address = serve(guard.into_router().unwrap()).await;
    let ask = async |session: &str| {
        let headers = [(SESSION, session), ("mcp-protocol-version", OLD)];
        let body = call("whoami", json!({})).to_string().into();
        send(&client(Http::One), "POST", &format!("http://{address}/mcp"), Some(&alice), &headers, Some(body))
            .await
            .status
    };
    assert_eq!((ask(&session).await, ask(own).await), (200, 404));
    assert!(other.mcp(&tools().session_secret([7_u8; 31])).is_err());
}
