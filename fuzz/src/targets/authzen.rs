//! Answers of an AuthZEN decision point: one allows only if another reading finds `true` and nothing to fulfill.

use std::sync::LazyLock;

use orgate::AccessToken;
use orgate::authzen::AuthZen;
use orgate::decision::{Decider, Decision, DecisionRequest, Resource};
use serde_json::{Map, Value, json};

use crate::canned::Canned;
use crate::json::object;
use crate::world::{Stopped, access_token, in_time};

static TOKEN: LazyLock<AccessToken> = LazyLock::new(|| access_token(&json!({})));

/// The first byte is the status.
pub(crate) fn run(data: &[u8]) {
    let (client, status, body) = Canned::of(data);
    let point = AuthZen::builder("https://pdp.example.com").without_discovery().clock(Stopped);
    let point = point.http_client(client.client()).build().unwrap();
    let decider = Decider::builder(point).clock(Stopped).build().unwrap();
    let asked = |id: &str| DecisionRequest::new(&TOKEN, "read", Resource::new("document", id));
    let (one, two) = in_time(async {
        let two = [asked("2"), asked("3")];
        (decider.decide(&asked("1")).await, decider.decide_all(&two).await)
    });
    if let Ok(one) = one {
        assert_eq!(status, 200);
        check(&one, &object(&body).expect("an object"));
    }
    if let Ok(two) = two {
        assert_eq!((status, two.len()), (200, 2));
        let answer = object(&body).expect("an object");
        let items = answer["evaluations"].as_array().expect("a list");
        for (at, decision) in two.iter().enumerate() {
            // A shorter list stops at the first denial.
            match items.get(at) {
                Some(item) => check(decision, item.as_object().expect("an object")),
                None => assert!(!decision.is_allowed()),
            }
        }
    }
}

fn check(decision: &Decision, answer: &Map<String, Value>) {
    if !decision.is_allowed() {
        return;
    }
    assert_eq!(answer.get("decision"), Some(&Value::Bool(true)), "{answer:?}");
    let context = &answer.get("context").cloned().unwrap_or_default();
    for name in ["obligations", "obligation"] {
        let is_empty = match &context[name] {
            Value::Null => true,
            Value::Array(all) => all.is_empty(),
            _ => false,
        };
        assert!(is_empty || name == "obligation" && context.get("obligations").is_some(), "{answer:?}");
    }
    assert!(decision.reason().is_none_or(|reason| reason.len() <= 1024));
}
