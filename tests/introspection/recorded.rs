//! What a real Logto answered, judged.

use std::time::Duration;

use orgate::ResourceServer;
use orgate::http::HttpClient;
use orgate::testing::TestClock;
use orgate::token::Introspection;
use serde_json::{Value, json};

use crate::support::{API, Api, World, introspection};

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The verdict on a token of which this was said, at the time when it was said.
async fn verdict(said: &Value, ask: Introspection) -> (u16, String) {
    let world = World::start().await;
    world.endpoint.says(said);
    let at = said["iat"].as_u64().unwrap_or(1_795_181_700) + 1;
    let builder = ResourceServer::builder("http://localhost:3001/oidc", API)
        .http_client(HttpClient::custom(world.endpoint.clone()));
    let builder = builder.clock(TestClock::new(Duration::from_secs(at))).introspection(ask);
    let api = Api::of(&builder.build().unwrap());
    let verdict = api.get("/", "opaque").await.verdict();
    assert_eq!(world.endpoint.count(), 1);
    verdict
}

#[tokio::test]
async fn each_answer() {
    let introspected = recorded(include_str!("../golden/logto-1.37/introspection.json"));
    let revoked = recorded(include_str!("../golden/logto-1.37/revocation.json"));
    let answers = introspected.as_object().unwrap().iter().map(|(name, answer)| (name, &answer["body"]));
    let more = revoked.as_object().unwrap().iter().filter(|(_, answer)| answer.get("active").is_some());
    let (mut active, mut inactive) = (0, 0);
    for (name, said) in answers.chain(more) {
        let is_access_token = *said == json!({ "active": true }) || said["token_type"] == "Bearer";
        let plain = verdict(said, introspection()).await;
        let allowed = verdict(said, introspection().dangerous_introspection_without_audience()).await;
        if is_access_token {
            active += 1;
            assert_eq!(plain, (401, "resource_token".to_owned()), "{name}");
            assert_eq!(allowed, (200, String::new()), "{name}");
        } else {
            inactive += 1;
            assert_eq!(plain, (401, "refresh".to_owned()), "{name}");
            assert_eq!(allowed, plain, "{name}");
        }
    }
    assert_eq!((active, inactive), (5, 8));
    assert_eq!(revoked["refresh_token_after_revoking_opaque"]["active"], true, "among them");
}
