//! Settings, and how a route table shows them.

use std::time::Duration;

use orgate::policy::resource;
use orgate::testing::TestIssuer;
use orgate::websocket::{BrowserTokens, FirstMessage};
use orgate::{Guard, ResourceServer};

use super::support::{API, PAGE, guard, live};

#[tokio::test]
async fn route_table_names_where_else_a_token_may_be() {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), API).build().unwrap();
    let guard = guard(&server, &FirstMessage::new([PAGE]));
    let table = guard.to_string();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[0],
        "GET,CONNECT  /live              resource and scope read:orders (token in Sec-WebSocket-Protocol from \
         https://app.example.com http://localhost:5173)"
    );
    assert!(lines[1].ends_with("resource and scope read:orders"), "{table}");
    assert!(lines[2].ends_with("(token in first message from https://app.example.com)"), "{table}");
    let json = serde_json::to_value(guard.routes()).unwrap();
    assert_eq!(json[0]["methods"], serde_json::json!(["GET", "CONNECT"]));
    assert_eq!(json[0]["browser_token"], "Sec-WebSocket-Protocol from https://app.example.com http://localhost:5173");
    assert_eq!(json[1].get("browser_token"), None);
}

#[tokio::test]
async fn settings_that_must_not_run_name_the_route_and_the_value() {
    let issuer = TestIssuer::start().await;
    let server = ResourceServer::builder(issuer.url(), API).build().unwrap();
    for (origins, named) in [
        (vec![], "no origin"),
        (vec!["*"], "\"*\""),
        (vec![PAGE, "https://app.example.com/"], "\"https://app.example.com/\""),
        (vec!["http://app.example.com"], "\"http://app.example.com\""),
    ] {
        let tokens = BrowserTokens::new(origins.clone());
        let guard: Guard = server.guard().websocket("/live", live, resource(), &tokens);
        let fault = guard.into_router().unwrap_err().to_string();
        assert!(fault.contains(named) && fault.contains("/live"), "{fault}");
        let fault = server.requirement(resource()).unwrap().with_browser_tokens(&tokens).unwrap_err().to_string();
        assert!(fault.contains(named), "{fault}");
        assert!(server.first_message(resource(), &FirstMessage::new(origins)).is_err());
    }
    let good = || FirstMessage::new([PAGE]);
    for (settings, named) in [
        (good().timeout(Duration::from_millis(99)), "99ms"),
        (good().timeout(Duration::from_secs(61)), "61s"),
        (good().max_waiting(0), "max_waiting 0"),
        (good().max_waiting((1 << 20) + 1), "max_waiting 1048577"),
    ] {
        let guard: Guard = server.guard().first_message("/first", live, resource(), &settings);
        let fault = guard.into_router().unwrap_err().to_string();
        assert!(fault.contains(named) && fault.contains("/first"), "{fault}");
    }
    assert!(server.first_message(resource(), &good().timeout(Duration::from_millis(100)).max_waiting(1)).is_ok());
}
