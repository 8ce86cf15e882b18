//! Answers of a Permit.io PDP: one allows only if another reading finds `allow` to be `true`.

use std::sync::LazyLock;

use orgate::AccessToken;
use orgate::decision::{Decider, DecisionRequest, Resource};
use orgate::permit::Permit;
use orgate::policy::{header, organization};
use orgate::{Organization, ResourceServer};
use serde_json::{Value, json};

use crate::canned::Canned;
use crate::json::object;
use crate::world::{Stopped, at_once, in_time, request, token};

static MEMBER: LazyLock<(AccessToken, Organization)> = LazyLock::new(|| {
    let more = json!({ "aud": "urn:logto:organization:acme" });
    let issuer = crate::world::issuer().organization_tokens();
    let builder = ResourceServer::builder(issuer, crate::world::API).clock(Stopped);
    let requirement = builder.build().unwrap().requirement(organization(header("x-org"))).unwrap();
    let mut parts = request("GET", "/", Some(&format!("Bearer {}", token(&more))));
    parts.headers.insert("x-org", "acme".parse().unwrap());
    let grant = at_once(requirement.authorize(&mut parts)).unwrap();
    (grant.token().unwrap().clone(), grant.organization().unwrap().clone())
});

/// The first byte is the status.
pub(crate) fn run(data: &[u8]) {
    let (client, status, body) = Canned::of(data);
    let point = Permit::builder("https://pdp.example.com", "key").http_client(client.client()).build().unwrap();
    let decider = Decider::builder(point).clock(Stopped).build().unwrap();
    let (token, organization) = &*MEMBER;
    let asked =
        |id: &str| DecisionRequest::new(token, "read", Resource::new("document", id)).organization(organization);
    let (one, two) = in_time(async {
        let two = [asked("2"), asked("3")];
        (decider.decide(&asked("1")).await, decider.decide_all(&two).await)
    });
    let allows = |answer: &serde_json::Map<String, Value>| answer.get("allow") == Some(&Value::Bool(true));
    if one.is_ok_and(|one| one.is_allowed()) {
        assert_eq!(status, 200);
        assert!(allows(&object(&body).expect("an object")), "{}", String::from_utf8_lossy(&body));
    }
    if let Ok(two) = two {
        assert_eq!((status, two.len()), (200, 2));
        let answer = object(&body).expect("an object");
        let items = answer["allow"].as_array().expect("a list");
        assert!(items.len() <= 2);
        for (at, decision) in two.iter().enumerate() {
            // What the answer did not come to is denied.
            let is_allowed = items.get(at).is_some_and(|item| allows(item.as_object().expect("an object")));
            assert_eq!(decision.is_allowed(), is_allowed);
        }
    }
}
