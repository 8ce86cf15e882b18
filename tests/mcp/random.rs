//! Requests as no client would write them, against rmcp: whatever runs, the token permits.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::support::*;

/// A text in one of the ways in which somebody might write it to be read in two.
fn spelled(word: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(word.to_owned()),
        1 => Just(word.to_uppercase()),
        1 => Just(format!("{word} ")),
        1 => Just(word.replacen('a', "\\u0061", 1)),
        1 => Just(word.replacen('s', "\u{17f}", 1)),
        1 => Just(word.replacen('/', "\\/", 1)),
    ]
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_flat_map(spelled)
}

const TOOLS: &[&str] = &["whoami", "delete_all", "delete_all", "unnamed"];
const METHODS: &[&str] = &["tools/call", "tools/call", "tools/call", "tools/list", "ping", "tasks/get"];
const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

fn params() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        5 => (one_of(&["name"]), one_of(TOOLS)).prop_map(|(name, tool)| format!("\"{name}\":\"{tool}\"")),
        2 => Just("\"arguments\":{}".to_owned()),
        2 => Just(META.to_owned()),
        1 => one_of(TOOLS).prop_map(|tool| format!("\"uri\":\"{tool}\"")),
        1 => one_of(TOOLS).prop_map(|tool| format!("\"name\":[\"{tool}\"]")),
    ];
    vec(member, 1..4).prop_map(|members| format!("{{{}}}", members.join(",")))
}

fn body() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        1 => Just("\"jsonrpc\":\"2.0\"".to_owned()),
        3 => (one_of(&["method"]), one_of(METHODS)).prop_map(|(name, method)| format!("\"{name}\":\"{method}\"")),
        3 => (one_of(&["params"]), params()).prop_map(|(name, params)| format!("\"{name}\":{params}")),
        1 => Just("\"result\":{}".to_owned()),
    ];
    let object = vec(member, 0..4).prop_map(|members| {
        let more = [&["\"jsonrpc\":\"2.0\"".to_owned(), "\"id\":1".to_owned()][..], &members].concat();
        format!("{{{}}}", more.join(","))
    });
    let call = (one_of(METHODS), params()).prop_map(|(method, params)| {
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{params}}}")
    });
    prop_oneof![
        4 => call.boxed(),
        4 => object.clone().boxed(),
        1 => object.clone().prop_map(|one| format!("[{one}]")).boxed(),
        1 => (object.clone(), object).prop_map(|(one, two)| format!("{one}{two}")).boxed(),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let version =
        prop::sample::select(&[NEW, NEW, OLD, "2025-03-26", "2026-07-29", "9", ""][..]).prop_map(str::to_owned);
    let base64 =
        prop::sample::select(&["=?base64?d2hvYW1p?=", "=?base64?ZGVsZXRlX2FsbA==?=", "=?BASE64?d2hvYW1p?="][..]);
    let header = prop_oneof![
        3 => version.prop_map(|version| ("mcp-protocol-version", version)),
        3 => one_of(METHODS).prop_map(|method| ("mcp-method", method)),
        3 => one_of(TOOLS).prop_map(|tool| ("mcp-name", tool)),
        1 => base64.prop_map(|name| ("mcp-name", name.to_owned())),
    ];
    vec(header, 0..5)
}

/// Headers and body, most of them at odds; of those that agree, the body may still be written in another way.
fn request() -> impl Strategy<Value = (Vec<(&'static str, String)>, String)> {
    let agreeing = (prop::sample::select(TOOLS), any::<bool>()).prop_map(|(tool, is_modern)| {
        let headers = [("mcp-protocol-version", NEW), ("mcp-method", "tools/call"), ("mcp-name", tool)];
        let headers = headers.map(|(name, value)| (name, value.to_owned())).to_vec();
        if is_modern {
            (headers, modern_call(tool).to_string())
        } else {
            (Vec::new(), call(tool, serde_json::json!({})).to_string())
        }
    });
    prop_oneof![3 => (headers(), body()), 1 => agreeing]
}

#[test]
fn whatever_runs_the_token_permits() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let worlds = runtime
        .block_on(async { [World::start(tools()).await, World::start(tools().dangerous_trust_headers()).await] });
    let clients = [client(Http::One), client(Http::Two)];
    let ran_at_all = std::cell::Cell::new(0);
    let every = ProptestConfig::default();
    let config = ProptestConfig { failure_persistence: None, cases: every.cases.div_ceil(4), ..every };
    let mut runner = TestRunner::new(config);
    let holds = runner.run(&request(), |(headers, body)| {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for (world, client) in worlds.iter().flat_map(|world| clients.iter().map(move |client| (world, client))) {
            for (scope, permitted) in [("mcp:read", "whoami"), ("mcp:admin", "delete_all"), ("other", "")] {
                let token = world.token(scope);
                let sent = Some(body.clone().into());
                let seen = runtime.block_on(send(client, "POST", &world.url(), Some(&token), &headers, sent));
                let ran = world.ran.take();
                prop_assert!(ran.iter().all(|tool| tool == permitted), "{scope} ran {ran:?}: {}", seen.status);
                ran_at_all.set(ran_at_all.get() + ran.len());
            }
        }
        Ok(())
    });
    holds.unwrap();
    assert!(ran_at_all.get() > 0, "some of these requests are good ones");
}
