//! Issuers whose keys, or tokens, have no names.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orgate::testing::{TestClock, TestIssuer};
use orgate::{Issuer, ResourceServer};
use serde_json::{Value, json};

use crate::support::{API, Answer, Api, origin, pass};

const ISS: &str = "https://issuer.example";

/// One issuer with as many keys as are wanted. Each is a test issuer's, which signs with it.
struct Keys {
    signers: Vec<TestIssuer>,
    clock: TestClock,
    published: Arc<Mutex<Vec<Value>>>,
    requests: Arc<AtomicUsize>,
    url: String,
}

impl Keys {
    async fn start(count: usize) -> Self {
        let clock = TestClock::new(Duration::from_secs(1_800_000_000));
        let mut signers = Vec::new();
        for _ in 0..count {
            signers.push(TestIssuer::builder().clock(clock.clone()).start().await);
        }
        let (published, requests) = (Arc::<Mutex<Vec<Value>>>::default(), Arc::<AtomicUsize>::default());
        let (keys, counter) = (published.clone(), requests.clone());
        let url = origin(move |_, _| {
            counter.fetch_add(1, Ordering::SeqCst);
            let document = json!({ "keys": *keys.lock().unwrap() });
            (200, vec![("content-type", "application/json")], document.to_string().into_bytes())
        });
        Self { signers, clock, published, requests, url: url.await }
    }

    /// Publishes these keys, each under its name if it has one.
    fn publish(&self, keys: &[(usize, Option<&str>)]) {
        let keys = keys.iter().map(|(signer, kid)| {
            let mut set: Value = serde_json::from_str(&self.signers[*signer].jwks_json()).unwrap();
            let mut key = set["keys"][0].take();
            match kid {
                Some(kid) => key["kid"] = json!(kid),
                None => _ = key.as_object_mut().unwrap().remove("kid"),
            }
            key
        });
        *self.published.lock().unwrap() = keys.collect();
    }

    fn publish_unnamed(&self, keys: impl IntoIterator<Item = usize>) {
        self.publish(&keys.into_iter().map(|key| (key, None)).collect::<Vec<_>>());
    }

    fn entry(&self) -> Issuer {
        Issuer::new(ISS).jwks_uri(format!("{}/jwks", self.url))
    }

    fn api(&self, entry: Issuer) -> Api {
        Api::new(ResourceServer::builder(entry, API).clock(self.clock.clone()))
    }

    /// With `keys_without_kid`.
    fn lenient(&self) -> Api {
        self.api(self.entry().keys_without_kid())
    }

    fn token(&self, signer: usize, kid: Option<&str>) -> String {
        let token = self.signers[signer].resource_token(API).issuer(ISS);
        match kid {
            Some(kid) => token.header("kid", kid).mint(),
            None => token.without_header("kid").mint(),
        }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn is_wrong_signature(answer: &Answer) -> bool {
    answer.is_401("authenticate")
}

#[tokio::test]
async fn token_without_kid_is_rejected_where_two_keys_fit() {
    let keys = Keys::start(2).await;
    keys.publish_unnamed([0, 1]);
    let api = keys.api(keys.entry());
    for signer in [0, 1] {
        assert!(is_wrong_signature(&api.get(keys.token(signer, None)).await));
    }
    assert_eq!(keys.requests(), 1);
}

#[tokio::test]
async fn token_without_kid_is_accepted_by_the_first_four_keys_and_not_by_the_fifth() {
    let keys = Keys::start(5).await;
    keys.publish(&[(0, None), (1, Some("b")), (2, None), (3, Some("d")), (4, Some("e"))]);
    let api = keys.lenient();
    for signer in 0..4 {
        let token = keys.token(signer, None);
        assert!(api.get(&token).await.is_ok(), "key {signer}");
        assert!(api.get(&token).await.is_ok(), "key {signer}, again");
    }
    assert_eq!(keys.requests(), 1);
    assert!(api.get(keys.token(4, None)).await.is_401("refresh"));
    assert_eq!(keys.requests(), 2, "fetched once more, to make sure");
    assert!(api.get(keys.token(4, Some("e"))).await.is_ok(), "by its name it is found");
}

#[tokio::test]
async fn forgeries_without_kid_spend_the_budget_and_no_more() {
    let keys = Keys::start(3).await;
    keys.publish_unnamed([0, 1]);
    let api = keys.lenient();
    let good = keys.token(1, None);
    assert!(api.get(&good).await.is_ok());
    let (mut refresh, mut retry) = (0, 0);
    for number in 0..600 {
        if number % 60 == 0 {
            pass(&keys.clock, 6);
        }
        let answer = api.get(keys.token(2, None)).await;
        refresh += usize::from(answer.is_401("refresh"));
        retry += usize::from(answer.is_401("retry"));
        assert!(api.get(&good).await.is_ok());
    }
    assert_eq!(refresh + retry, 600);
    assert_eq!(keys.requests(), 1 + refresh);
    assert!((4..=5).contains(&refresh), "{refresh}");
}

#[tokio::test]
async fn rotation_is_found_by_a_token_without_kid() {
    let keys = Keys::start(3).await;
    keys.publish_unnamed([0]);
    let api = keys.lenient();
    let old = keys.token(0, None);
    assert!(api.get(&old).await.is_ok());
    keys.publish_unnamed([1, 2]);
    pass(&keys.clock, 5);
    assert!(api.get(keys.token(2, None)).await.is_ok());
    assert_eq!(keys.requests(), 2);
    assert!(api.get(keys.token(1, None)).await.is_ok());
    assert_eq!(keys.requests(), 2);
    pass(&keys.clock, 5);
    assert!(api.get(&old).await.is_401("refresh"), "its key is gone, and the cache does not keep it");
}

#[tokio::test]
async fn key_without_kid_answers_for_a_token_that_has_one() {
    let keys = Keys::start(2).await;
    keys.publish_unnamed([0]);
    let token = keys.token(0, Some("x"));
    let (strict, lenient) = (keys.api(keys.entry()), keys.lenient());
    assert!(strict.get(&token).await.is_401("refresh"));
    let requests = keys.requests();
    assert!(lenient.get(&token).await.is_ok());
    assert_eq!(keys.requests(), requests + 1, "the first set suffices");
    assert!(lenient.get(keys.token(1, Some("x"))).await.is_401("refresh"));
    assert_eq!(keys.requests(), requests + 2, "looked up as an unknown name is");
}

#[tokio::test]
async fn key_of_another_name_does_not_answer_for_a_token_that_has_a_kid() {
    let keys = Keys::start(2).await;
    keys.publish(&[(0, Some("a")), (1, None)]);
    let api = keys.lenient();
    assert!(api.get(keys.token(0, Some("x"))).await.is_401("refresh"));
    assert!(api.get(keys.token(1, Some("x"))).await.is_ok());
}

#[tokio::test]
async fn known_kid_is_never_guessed() {
    let keys = Keys::start(3).await;
    keys.publish(&[(0, Some("x")), (1, None)]);
    let api = keys.lenient();
    assert!(api.get(keys.token(0, Some("x"))).await.is_ok());
    for number in 0..20 {
        let answer = api.get(keys.token(1, Some("x"))).await;
        assert!(is_wrong_signature(&answer), "{number}: {answer:?}");
    }
    assert_eq!(keys.requests(), 1, "a wrong signature by a known key costs no fetch");
}

#[tokio::test]
async fn guess_ends_when_a_key_of_that_name_comes() {
    let keys = Keys::start(2).await;
    keys.publish_unnamed([0]);
    let api = keys.lenient();
    let token = keys.token(0, Some("x"));
    assert!(api.get(&token).await.is_ok());
    keys.publish(&[(0, None), (1, Some("x"))]);
    pass(&keys.clock, 5);
    assert!(api.get(keys.token(1, Some("y"))).await.is_401("refresh"), "brings the new set");
    assert!(is_wrong_signature(&api.get(&token).await), "now the name means another key");
}

#[tokio::test]
async fn given_keys_are_tried_and_nothing_is_fetched() {
    let keys = Keys::start(3).await;
    keys.publish_unnamed([0, 1]);
    let set = json!({ "keys": *keys.published.lock().unwrap() }).to_string();
    let api = keys.api(Issuer::new(ISS).jwks_json(set).keys_without_kid());
    assert!(api.get(keys.token(0, None)).await.is_ok() && api.get(keys.token(1, None)).await.is_ok());
    assert!(api.get(keys.token(2, None)).await.is_401("refresh"));
    assert_eq!(keys.requests(), 0);
}

#[tokio::test]
async fn key_that_fails_while_the_issuer_is_down_is_looked_up_later() {
    let keys = Keys::start(2).await;
    keys.publish_unnamed([0]);
    let api = keys.lenient();
    assert!(api.get(keys.token(0, None)).await.is_ok());
    keys.published.lock().unwrap().clear();
    pass(&keys.clock, 5);
    let answer = api.get(keys.token(1, None)).await;
    assert!(answer.is_503() || answer.is_401("retry"), "an empty set proves nothing: {answer:?}");
    keys.publish_unnamed([1]);
    pass(&keys.clock, 60);
    assert!(api.get(keys.token(1, None)).await.is_ok());
}
