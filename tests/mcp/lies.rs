//! Clients that say one thing in the headers and another in the body, or say it so that two readers read two things. A tool
//! that the token does not permit never runs.

use serde_json::json;

use super::support::*;

/// Headers, body, and the status that is expected where the service is asked by its body; and where its headers are trusted.
struct Lie {
    what: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    by_body: u16,
    by_headers: u16,
}

fn lie(
    what: &'static str,
    headers: &[(&'static str, &'static str)],
    body: impl Into<Text>,
    (by_body, by_headers): (u16, u16),
) -> Lie {
    Lie { what, headers: headers.to_vec(), body: body.into().0, by_body, by_headers }
}

/// A body, of JSON or not.
struct Text(String);

impl From<serde_json::Value> for Text {
    fn from(json: serde_json::Value) -> Self {
        Self(json.to_string())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text)
    }
}

const VERSION: &str = "mcp-protocol-version";
const METHOD: (&str, &str) = ("mcp-method", "tools/call");
const WHOAMI: (&str, &str) = ("mcp-name", "whoami");

fn lies() -> Vec<Lie> {
    let delete = || call("delete_all", json!({}));
    let modern = || modern_call("delete_all");
    let new = (VERSION, NEW);
    let old = (VERSION, OLD);
    let both = (400, 400);
    vec![
        // The new version: the service compares.
        lie("the name of an allowed tool", &[new, METHOD, WHOAMI], modern(), both),
        lie("another method", &[new, ("mcp-method", "tools/list")], modern(), both),
        lie("another method and a name", &[new, ("mcp-method", "tools/list"), WHOAMI], modern(), both),
        lie("no method header", &[new], modern(), (403, 400)),
        lie("no name header", &[new, METHOD], modern(), (403, 400)),
        lie("a name without a method", &[new, WHOAMI], modern(), both),
        lie("the method twice", &[new, METHOD, ("mcp-method", "tools/list")], modern(), both),
        lie("the name twice", &[new, METHOD, WHOAMI, ("mcp-name", "delete_all")], modern(), both),
        lie("the name twice, the other way", &[new, METHOD, ("mcp-name", "delete_all"), WHOAMI], modern(), both),
        lie("the allowed name in base64", &[new, METHOD, ("mcp-name", "=?base64?d2hvYW1p?=")], modern(), both),
        lie(
            "the forbidden name in base64",
            &[new, METHOD, ("mcp-name", "=?base64?ZGVsZXRlX2FsbA==?=")],
            modern(),
            (403, 403),
        ),
        lie("base64 without padding", &[new, METHOD, ("mcp-name", "=?base64?ZGVsZXRlX2FsbA?=")], modern(), both),
        lie(
            "base64 with an upper-case marker",
            &[new, METHOD, ("mcp-name", "=?BASE64?ZGVsZXRlX2FsbA==?=")],
            modern(),
            both,
        ),
        lie("base64 that is not UTF-8", &[new, METHOD, ("mcp-name", "=?base64?/w==?=")], modern(), both),
        lie("the forbidden name in other letters", &[new, METHOD, ("mcp-name", "DELETE_ALL")], modern(), (400, 403)),
        lie("the method in other letters", &[new, ("mcp-method", "Tools/Call"), WHOAMI], modern(), (400, 404)),
        lie("a name that is no text", &[new, METHOD, ("mcp-name", "wh\u{e4}")], modern(), both),
        lie(
            "headers of a tool without a policy",
            &[new, METHOD, ("mcp-name", "unnamed")],
            modern_call("unnamed"),
            (403, 403),
        ),
        // Versions whose services do not compare.
        lie("an old version and the name of an allowed tool", &[old, METHOD, WHOAMI], delete(), both),
        lie("an old version without names", &[old], delete(), (403, 403)),
        lie("no version and the name of an allowed tool", &[METHOD, WHOAMI], delete(), both),
        lie("no version", &[], delete(), (403, 403)),
        lie("two versions, the old one first", &[old, new, METHOD, WHOAMI], delete(), both),
        lie("two versions, the new one first", &[new, old, METHOD, WHOAMI], delete(), both),
        lie("the old version in the header, the new one in the body", &[old, METHOD, WHOAMI], modern(), both),
        lie("an unknown version", &[(VERSION, "2099-01-01"), METHOD, WHOAMI], delete(), both),
        lie("a version that is none", &[(VERSION, "zzzz-99-99"), METHOD, WHOAMI], delete(), both),
        lie("a version that is no text", &[(VERSION, "2026-07-2\u{e4}"), METHOD, WHOAMI], delete(), both),
        lie("an old version, a method that no policy is about", &[old], message("tasks/list", &json!({})), (200, 200)),
        // Bodies that can be read in two ways.
        lie("a batch", &[old], json!([delete()]), both),
        lie(
            "two names",
            &[old],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","name":"delete_all"}}"#,
            both,
        ),
        lie(
            "two names, the other way",
            &[old],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_all","name":"whoami"}}"#,
            both,
        ),
        lie(
            "two methods",
            &[old],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"delete_all"}}"#,
            both,
        ),
        lie(
            "two params",
            &[old],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami"},"params":{"name":"delete_all"}}"#,
            both,
        ),
        lie(
            "a name in other letters",
            &[old],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","Name":"delete_all"}}"#,
            both,
        ),
        lie(
            "a method in other letters",
            &[old],
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","METHOD":"tools/call","params":{"name":"delete_all"}}"#,
            both,
        ),
        lie(
            "a member that folds to another",
            &[old],
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"whoami\",\"argument\u{17f}\":{}}}",
            both,
        ),
        lie(
            "a name with escapes",
            &[old],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"n\u0061me":"delete\u005fall"}}"#,
            (403, 403),
        ),
        lie("a name that is a list", &[old], message("tools/call", &json!({ "name": ["delete_all"] })), both),
        lie(
            "params that are a list",
            &[old],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["delete_all"]}"#,
            both,
        ),
        lie("something after the message", &[old], format!("{} {}", message("ping", &json!({})), delete()), both),
        lie("a mark in front of the message", &[old], format!("\u{feff}{}", delete()), both),
        lie(
            "a call that is an answer too",
            &[old],
            r#"{"jsonrpc":"2.0","id":1,"result":{},"method":"tools/call","params":{"name":"delete_all"}}"#,
            both,
        ),
        lie("nothing", &[old], "", both),
        // Bodies that are not plain JSON.
        lie("another content type", &[old, ("content-type", "text/plain")], delete(), (415, 415)),
        lie(
            "another character set",
            &[old, ("content-type", "application/json; charset=utf-16")],
            delete(),
            (415, 415),
        ),
        lie(
            "two content types",
            &[old, ("content-type", "application/json"), ("content-type", "text/plain")],
            delete(),
            (415, 415),
        ),
        lie("a content encoding", &[old, ("content-encoding", "gzip")], delete(), (415, 415)),
    ]
}

async fn try_all(tools: orgate::mcp::Tools, expected: impl Fn(&Lie) -> u16) {
    let world = World::start(tools).await;
    let token = world.token("mcp:read");
    for version in [Http::One, Http::Two] {
        let client = client(version);
        for lie in lies() {
            for token in [Some(token.as_str()), None] {
                let seen =
                    send(&client, "POST", &world.url(), token, &lie.headers, Some(lie.body.clone().into())).await;
                let expected = if token.is_some() { expected(&lie) } else { 401 };
                assert_eq!(seen.status, expected, "{version:?}, {}: {}", lie.what, seen.body);
                assert_eq!(world.ran.take(), [""; 0], "{version:?}, {}", lie.what);
            }
        }
        for (headers, body) in [
            (vec![(VERSION, NEW), METHOD, WHOAMI], modern_call("whoami")),
            (vec![(VERSION, NEW), METHOD, ("mcp-name", "=?base64?d2hvYW1p?=")], modern_call("whoami")),
            (vec![(VERSION, OLD)], call("whoami", json!({}))),
            (vec![], call("whoami", json!({}))),
        ] {
            let seen = send(&client, "POST", &world.url(), Some(&token), &headers, Some(body.to_string().into())).await;
            assert_eq!((seen.status, world.ran.take()), (200, vec!["whoami".to_owned()]), "{headers:?}: {}", seen.body);
        }
    }
}

#[tokio::test]
async fn a_forbidden_tool_never_runs_where_bodies_decide() {
    try_all(tools(), |lie| lie.by_body).await;
}

#[tokio::test]
async fn a_forbidden_tool_never_runs_where_headers_are_trusted() {
    try_all(tools().dangerous_trust_headers(), |lie| lie.by_headers).await;
}

/// What rmcp itself would run: the reason for all of this.
#[tokio::test]
async fn without_the_guard_an_old_version_runs_what_the_headers_do_not_name() {
    let ran = Ran::default();
    let address = serve(axum::Router::new().route_service("/mcp", service(&ran, false))).await;
    let headers = [(VERSION, OLD), METHOD, WHOAMI];
    let body = call("delete_all", json!({})).to_string();
    let seen =
        send(&client(Http::One), "POST", &format!("http://{address}/mcp"), None, &headers, Some(body.into())).await;
    assert_eq!((seen.status, ran.take()), (200, vec!["delete_all".to_owned()]));
}

#[tokio::test]
async fn methods_of_http_that_the_protocol_does_not_use_are_rejected() {
    let world = World::start(tools()).await;
    let token = world.token("mcp:read mcp:admin");
    for method in ["PUT", "PATCH", "OPTIONS", "HEAD", "QUERY"] {
        let body = call("delete_all", json!({})).to_string();
        let seen = send(&client(Http::One), method, &world.url(), Some(&token), &[], Some(body.into())).await;
        assert_eq!((seen.status, seen.header("allow")), (405, "GET, POST, DELETE"), "{method}");
    }
    assert_eq!(world.ran.take(), [""; 0]);
}
