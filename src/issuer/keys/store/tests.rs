//! What only shows when threads meet; the rest is tested over HTTP.

use std::future::ready;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::{Request, Response};

use super::*;
use crate::future::BoxFuture;
use crate::http::{Fetch, FetchError};
use crate::issuer::keys::discovery::KeySource;
use crate::issuer::keys::jwk::KeyRules;
use crate::issuer::keys::{Compromised, Generation};
use crate::meter::Meter;
use crate::time::SystemClock;

/// Every document has one key more than the one before: `kid` 0, then 0 and 1, and so on.
#[derive(Default)]
struct Growing(AtomicU32);

impl Fetch for Growing {
    fn fetch(&self, _: Request<Bytes>, _: usize) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let newest = self.0.fetch_add(1, Ordering::Relaxed);
        let keys = (0..=newest).map(|kid| {
            serde_json::json!({
                "kty": "OKP", "kid": kid.to_string(), "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            })
        });
        let document = serde_json::json!({ "keys": keys.collect::<Vec<_>>() });
        Box::pin(ready(Ok(Response::new(Bytes::from(document.to_string())))))
    }
}

fn store() -> KeyStore {
    let origin = Origin {
        name: "issuer".into(),
        source: KeySource::Url("https://issuer.example/jwks".parse().unwrap()),
        rules: KeyRules { algorithms: Algorithm::ALL.to_vec(), rsa_default: Algorithm::Rs256, keys_without_kid: false },
        fetch: Arc::new(Growing::default()),
        allow_http: false,
        compromised: Compromised::default(),
    };
    let life = RefreshSettings {
        stale_for: Duration::ZERO,
        watcher: None,
        generation: Generation::default(),
        meter: Meter::default(),
    };
    KeyStore::fetching(origin, &life, Arc::new(SystemClock::new()), None)
}

/// Asks repeatedly while something is fetched, as requests do that arrive meanwhile.
fn ask_until_settled(store: &KeyStore, kid: &str, arrival: Option<Arrival>) -> Result<(), KeyRefusal> {
    loop {
        match store.ask(Sought::of(Some(kid), Algorithm::EdDsa), arrival, store.0.clock.now().monotonic) {
            Lookup::Key(_) => return Ok(()),
            Lookup::Refused(refusal) => return Err(refusal),
            Lookup::Wait(_) => {}
        }
    }
}

#[tokio::test]
async fn a_refresh_keeps_the_identity_of_unchanged_keys() {
    let store = store();
    let key = async |kid| store.resolve(Sought::of(Some(kid), Algorithm::EdDsa), None).await.unwrap();
    let before = key("0").await;
    key("1").await;
    assert!(Arc::ptr_eq(&before, &key("0").await));
    assert!(store.0.current.load().as_ref().is_some_and(|current| current.document.set.kids().count() == 2));
}

#[tokio::test]
async fn while_a_refresh_is_out_keys_are_looked_at_and_not_asked_for() {
    let store = store();
    let key = Arc::downgrade(&store.resolve(Sought::of(Some("0"), Algorithm::EdDsa), None).await.unwrap());
    let now = store.0.clock.now().monotonic + Duration::from_secs(530);
    let held = || store.holds_until(&key, Some("0"), Algorithm::EdDsa, now);
    assert_eq!(held(), None, "a refresh is due");
    let changes = store.0.fetching.as_ref().unwrap().generation.current();
    assert!(matches!(store.lookup(Sought::of(Some("0"), Algorithm::EdDsa), None, now), Lookup::Key(_)));
    assert!(held().is_some_and(|until| until > now));
    assert_ne!(store.0.fetching.as_ref().unwrap().generation.current(), changes);
}

#[test]
fn outside_a_runtime_nothing_can_be_fetched_and_nothing_wedges() {
    let store = store();
    let now = store.0.clock.now().monotonic;
    for now in [now, now, now + Duration::from_secs(2)] {
        assert!(matches!(
            store.lookup(Sought::of(None, Algorithm::EdDsa), None, now),
            Lookup::Refused(KeyRefusal::Unavailable(_))
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    assert!(matches!(
        store.lookup(Sought::of(None, Algorithm::EdDsa), None, now + Duration::from_secs(60)),
        Lookup::Wait(_)
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn advice_is_followed_with_the_set_that_it_is_about() {
    for _ in 0..300 {
        let store = store();
        let Lookup::Wait(_) = store.lookup(Sought::of(Some("0"), Algorithm::EdDsa), None, Duration::ZERO) else {
            panic!("no set yet")
        };
        let asking = store.clone();
        let first = tokio::task::spawn_blocking(move || ask_until_settled(&asking, "0", None));
        assert_eq!(first.await.unwrap(), Ok(()), "the first set");
        let Lookup::Wait(since) =
            store.lookup(Sought::of(Some("1"), Algorithm::EdDsa), None, store.0.clock.now().monotonic)
        else {
            panic!("a new kid")
        };
        let asking = store.clone();
        let second = tokio::task::spawn_blocking(move || ask_until_settled(&asking, "1", Some(since)));
        assert_eq!(second.await.unwrap(), Ok(()), "the second set");
    }
}
