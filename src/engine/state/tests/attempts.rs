//! Keys that are tried one after the other: each attempt needs a permit, and none is made twice.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::engine::{Need, Stop};
use crate::explain::Steps;
use crate::signature::VerifyingKey;
use crate::token::AccessToken;
use crate::token::verify::{Search, verify};

const ISS: &str = "https://issuer.example";

struct Keys {
    signers: Vec<TestIssuer>,
    server: ResourceServer,
}

impl Keys {
    /// As many keys without `kid`, in this order.
    async fn start(count: usize) -> Self {
        let mut signers = Vec::new();
        for _ in 0..count {
            signers.push(TestIssuer::start().await);
        }
        let keys = signers.iter().map(|signer| {
            let mut set: Value = serde_json::from_str(&signer.jwks_json()).unwrap();
            set["keys"][0].as_object_mut().unwrap().remove("kid");
            set["keys"][0].take()
        });
        let set = json!({ "keys": keys.collect::<Vec<_>>() }).to_string();
        let issuer = Issuer::new(ISS).jwks_json(set).keys_without_kid();
        Self { signers, server: ResourceServer::builder(issuer, API).build().unwrap() }
    }

    fn token(&self, signer: usize) -> String {
        self.signers[signer].resource_token(API).issuer(ISS).without_header("kid").mint()
    }

    /// With so many permits; the number of those that are left.
    fn verify(&self, token: &str, failed: &mut Vec<Arc<VerifyingKey>>, permits: &mut u32) -> Result<AccessToken, Stop> {
        let layer = self.server.require(authenticated()).unwrap();
        let state = layer.requirement().state();
        let search = Search { awaited: None, failed, steps: &mut Steps::default() };
        let permit = || permits.checked_sub(1).map(|left| *permits = left);
        verify(token, &state.entries.load(), state.clock.now(), search, permit)
    }
}

#[tokio::test]
async fn each_attempt_needs_a_permit() {
    let keys = Keys::start(5).await;
    for signer in 0..5 {
        let (mut failed, mut permits) = (Vec::new(), 100);
        let verified = keys.verify(&keys.token(signer), &mut failed, &mut permits);
        assert_eq!(verified.is_ok(), signer < 4, "key {signer}");
        assert_eq!(100 - permits, [1, 2, 3, 4, 4][signer], "key {signer}");
    }
}

#[tokio::test]
async fn attempts_go_on_where_permits_ran_out() {
    let keys = Keys::start(4).await;
    let (token, mut failed) = (keys.token(3), Vec::new());
    for attempt in 1..4 {
        let stop = keys.verify(&token, &mut failed, &mut 1);
        assert!(matches!(stop, Err(Stop::Need(Need::Permit))), "attempt {attempt}");
        assert_eq!(failed.len(), attempt);
    }
    assert!(keys.verify(&token, &mut failed, &mut 1).is_ok());
}
