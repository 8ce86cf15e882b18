//! What real proxies asked while somebody attacked them.

use std::collections::HashMap;

use http::Request;
use http::request::Parts;
use serde_json::Value;

use super::World;
use crate::face::ext_authz::{check, proto};
use crate::face::forward_auth::decide;

pub(super) const ATTACKS: &str = include_str!("../../tests/data/attacks.json");

/// Rejected although nothing was attacked: a header that could replace path, method or certificate reached the authorizer,
/// which the configurations in the guide delete.
const STRICTER: [&str; 2] = ["override-get-to-delete", "client-cert-spoof"];

pub(super) fn fill(text: &str, token: &str) -> String {
    let mut text = text.replace("{{TOKEN}}", token);
    while let Some((before, rest)) = text.split_once("{{REPEAT:") {
        let (what, after) = rest.split_once("}}").unwrap();
        let (letter, count) = what.split_once(':').unwrap();
        text = format!("{before}{}{after}", letter.repeat(count.parse().unwrap()));
    }
    text
}

/// The bytes of the corpus are Latin-1.
pub(super) fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect()
}

/// `None` where a server would reject the head itself.
fn question(head: &str) -> Option<Parts> {
    let mut lines = head.trim_end_matches("\r\n").split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, target) = (first.next().unwrap(), first.next().unwrap());
    let mut request = Request::builder().method(method).uri(latin1(target).as_slice());
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        request = request.header(name, latin1(value.trim()).as_slice());
    }
    request.body(()).ok().map(|request| request.into_parts().0)
}

fn check_request(seen: &Value) -> proto::CheckRequest {
    let text = |name: &str| seen[name].as_str().unwrap_or_default().to_owned();
    let header_map = seen.get("header_map").map(|fields| proto::HeaderMap {
        headers: fields
            .as_array()
            .unwrap()
            .iter()
            .map(|field| proto::HeaderValue {
                key: field[0].as_str().unwrap().to_owned(),
                value: String::new(),
                raw_value: latin1(field[1].as_str().unwrap()),
            })
            .collect(),
    });
    let http = proto::HttpRequest {
        id: text("id"),
        method: text("method"),
        path: text("path"),
        host: text("host"),
        headers: HashMap::new(),
        header_map,
    };
    let request = Some(proto::RequestAttributes { http: Some(http) });
    proto::CheckRequest { attributes: Some(proto::AttributeContext { source: None, request }) }
}

#[tokio::test]
async fn every_question_of_the_corpus_is_decided_as_expected() {
    let attacks: Vec<Value> = serde_json::from_str(ATTACKS).unwrap();
    let mut worlds = HashMap::new();
    for preset in ["nginx", "caddy", "traefik", "envoy_http"] {
        worlds.insert(preset.replace('_', "-"), World::with(preset, "").await);
    }
    let (mut asked, mut wrong, mut stricter) = (0, Vec::new(), 0);
    for attack in &attacks {
        let text = |name: &str| attack[name].as_str().unwrap_or_default();
        let (name, proxy, seen) = (text("name"), text("proxy"), &attack["authorizer_sees"]);
        if seen.is_null() {
            assert_eq!(text("answered_by"), "proxy", "{name} {proxy}");
            continue;
        }
        asked += 1;
        let world = worlds.get(proxy).unwrap_or(&worlds["envoy-http"]);
        let gateway = world.current.load_full();
        let allowed = if proxy == "envoy-grpc" {
            let seen: Value = serde_json::from_str(&fill(&seen.to_string(), &world.token)).unwrap();
            let answer = check(&gateway, check_request(&seen)).await;
            let allowed = matches!(answer.outcome, Some(proto::Outcome::Ok(_)));
            assert_eq!(allowed, answer.status.unwrap().code == 0, "{name}");
            allowed
        } else {
            match question(&fill(seen.as_str().unwrap(), &world.token)) {
                Some(question) => decide(&gateway, &question).await.status() == 200,
                None => false,
            }
        };
        let expected = match text("expected") {
            "allow" => true,
            "deny" => false,
            // The proxy has rewritten the request, and what it made of it is judged.
            _ => attack["status"] == 200 && !attack["application_sees"].is_null(),
        };
        if !allowed && expected && STRICTER.contains(&name) {
            stricter += 1;
        } else if allowed != expected {
            wrong.push(format!("{name} behind {proxy}: allowed {allowed}"));
        }
    }
    assert!(wrong.is_empty(), "{asked} asked, wrong:\n{}", wrong.join("\n"));
    assert!(asked > 380, "{asked}");
    assert!(stricter <= 6, "{stricter}");
}
