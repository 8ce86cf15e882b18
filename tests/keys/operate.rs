//! What an operator sees and can do: status, events, refresh by hand, seed and export.

use std::future::Future as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use orgate::issuer::keys::{KeyEvent, KeySetState, KeySetStatus};
use orgate::server::Builder;
use orgate::testing::{Endpoint, Fault, TestIssuer};
use orgate::{Issuer, ResourceServer};

use crate::support::{API, Api, builder, pass, token, with_kid};

/// The events of a server, in order.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<KeyEvent>>>);

impl Events {
    fn watch(&self, builder: Builder) -> Builder {
        let events = self.0.clone();
        builder.on_key_event(move |issuer, event| {
            assert!(issuer.starts_with("http://127.0.0.1:"), "the entry's name");
            events.lock().unwrap().push(event.clone());
        })
    }

    fn take(&self) -> Vec<KeyEvent> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// The only event since the last time, if it is a fetch: what was added, removed and kept.
    fn fetched(&self) -> [Vec<String>; 3] {
        match &self.take()[..] {
            [KeyEvent::Fetched { added, removed, kept, .. }] => [added.clone(), removed.clone(), kept.clone()],
            other => panic!("one fetch, not {other:?}"),
        }
    }
}

fn status(server: &ResourceServer) -> KeySetStatus {
    let mut all = server.keys();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[tokio::test]
async fn the_status_follows_the_life_of_a_set() {
    let issuer = TestIssuer::start().await;
    let server = builder(&issuer).build().unwrap();
    let (api, clock, token) = (Api::of(&server), issuer.clock(), token(&issuer));
    let at_first = status(&server);
    assert_eq!((at_first.state(), at_first.is_usable(), at_first.age()), (KeySetState::Empty, false, None));
    assert_eq!(at_first.next_refresh(), Some(Duration::ZERO));

    issuer.fail_next(Endpoint::Keys, Fault::Status(500));
    assert!(api.get(&token).await.is_503());
    assert!(status(&server).last_error().is_some_and(|error| error.contains("500")));
    pass(&clock, 2);

    assert!(api.get(&token).await.is_ok());
    let fresh = status(&server);
    assert_eq!((fresh.state(), fresh.age(), fresh.last_error()), (KeySetState::Fresh, Some(Duration::ZERO), None));
    assert_eq!(fresh.key_ids(), [issuer.signing_kid()]);
    assert_eq!(fresh.issuer_name(), issuer.url());
    // 80 % of ten minutes, give or take a tenth.
    assert!(fresh.next_refresh().is_some_and(|next| (432..=528).contains(&next.as_secs())), "{fresh:?}");

    pass(&clock, 540);
    assert_eq!(
        (status(&server).state(), status(&server).next_refresh()),
        (KeySetState::RefreshDue, Some(Duration::ZERO))
    );
    issuer.fail_always(Endpoint::All, Fault::Status(500));
    pass(&clock, 61);
    assert!(api.get(&token).await.is_ok());
    let stale = status(&server);
    assert_eq!((stale.state(), stale.is_usable()), (KeySetState::Stale, true));
    assert_eq!(stale.age(), Some(Duration::from_secs(601)));

    pass(&clock, 24 * 60 * 60);
    let ended = status(&server);
    assert_eq!((ended.state(), ended.is_usable(), ended.key_ids().len()), (KeySetState::Empty, false, 0));

    issuer.recover();
    issuer.fail_next(Endpoint::Keys, Fault::Hold);
    let waiting = tokio::spawn({
        let (api, token) = (api.clone(), token.clone());
        async move { api.get(token).await }
    });
    issuer.wait_for_requests(Endpoint::Keys, issuer.requests(Endpoint::Keys).max(3)).await;
    assert!(status(&server).is_fetching());
    issuer.release();
    assert!(waiting.await.unwrap().is_ok());
    assert!(!status(&server).is_fetching());
}

#[tokio::test]
async fn a_given_set_is_never_fetched() {
    let issuer = TestIssuer::start().await;
    let entry = Issuer::new(issuer.url()).jwks_json(issuer.jwks_json());
    let server = ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap();
    assert_eq!((status(&server).state(), status(&server).next_refresh()), (KeySetState::Fixed, None));
    assert!(server.issuer(issuer.url()).unwrap().refresh_keys().await.is_ok());
    assert_eq!(issuer.requests(Endpoint::All), 0);
}

#[tokio::test]
async fn events_name_the_keys_that_came_and_went() {
    let issuer = TestIssuer::start().await;
    let events = Events::default();
    let server = events.watch(builder(&issuer)).build().unwrap();
    let refresh = || server.issuer(issuer.url()).unwrap().refresh_keys();
    let first = issuer.signing_kid();

    refresh().await.unwrap();
    assert_eq!(events.fetched(), [vec![first.clone()], vec![], vec![]]);
    refresh().await.unwrap();
    assert_eq!(events.fetched(), [vec![], vec![], vec![first.clone()]], "confirmed by a 304");
    assert_eq!(issuer.not_modified(), 1);

    issuer.rotate();
    let second = issuer.signing_kid();
    refresh().await.unwrap();
    assert_eq!(events.fetched(), [vec![second.clone()], vec![], vec![first.clone()]]);

    issuer.withdraw(&first);
    refresh().await.unwrap();
    assert_eq!(events.fetched(), [vec![], vec![first], vec![second.clone()]]);

    issuer.replace_key_keeping_kid();
    refresh().await.unwrap();
    assert_eq!(events.fetched(), [vec![second.clone()], vec![second], vec![]], "the same kid, and another key");
}

#[tokio::test]
async fn events_of_an_outage() {
    let issuer = TestIssuer::start().await;
    let events = Events::default();
    let (api, clock, token) = (Api::new(events.watch(builder(&issuer))), issuer.clock(), token(&issuer));
    assert!(api.get(&token).await.is_ok());
    events.fetched();

    issuer.fail_always(Endpoint::Keys, Fault::Garbage);
    pass(&clock, 601);
    for _ in 0..3 {
        assert!(api.get(&token).await.is_ok());
    }
    match &events.take()[..] {
        [KeyEvent::Failed { reason, retry_in, .. }, KeyEvent::StaleServed { age, .. }] => {
            assert!(reason.contains("key set at http://127.0.0.1:"), "{reason}");
            assert!((900..=1100).contains(&retry_in.as_millis()), "{retry_in:?}");
            assert_eq!(*age, Some(Duration::from_secs(601)));
        }
        other => panic!("a failure, and one word about stale keys, not {other:?}"),
    }

    issuer.recover();
    pass(&clock, 2);
    assert!(api.get(&token).await.is_ok());
    issuer.wait_for_requests(Endpoint::Keys, 3).await;
    while !events.0.lock().unwrap().contains(&KeyEvent::Recovered) {
        tokio::task::yield_now().await;
    }
    assert!(matches!(&events.take()[..], [KeyEvent::Fetched { .. }, KeyEvent::Recovered]));

    for number in 0..20 {
        api.get(with_kid(&token, &format!("kid-{number}"))).await;
    }
    let suppressed = events.take().iter().filter(|event| **event == KeyEvent::UnknownKidSuppressed).count();
    assert_eq!(suppressed, 1, "said once in five seconds");
}

#[tokio::test]
async fn a_callback_that_panics_ends_nothing() {
    let issuer = TestIssuer::start().await;
    let server = builder(&issuer).on_key_event(|_, event| panic!("{event:?}")).build().unwrap();
    let (api, token) = (Api::of(&server), token(&issuer));
    assert!(api.get(&token).await.is_ok());
    issuer.rotate();
    pass(&issuer.clock(), 5);
    assert!(api.get(issuer.resource_token(API).mint()).await.is_ok());
    for number in 0..5 {
        assert_eq!(api.get(with_kid(&token, &format!("kid-{number}"))).await.status, 401);
    }
    assert!(server.issuer(issuer.url()).unwrap().refresh_keys().await.is_ok());
    assert!(api.get(&token).await.is_ok());
}

#[tokio::test]
async fn a_refresh_by_hand_brings_the_news_at_once() {
    let issuer = TestIssuer::start().await;
    let server = builder(&issuer).build().unwrap();
    let (api, old) = (Api::of(&server), token(&issuer));
    assert!(api.get(&old).await.is_ok());

    issuer.rotate_without_overlap();
    assert!(api.get(&old).await.is_ok(), "nobody has told yet");
    server.issuer(issuer.url()).unwrap().refresh_keys().await.unwrap();
    assert!(api.get(&old).await.is_401("refresh"));
    assert!(api.get(token(&issuer)).await.is_ok());

    issuer.fail_next(Endpoint::Discovery, Fault::Status(502));
    let error = server.issuer(issuer.url()).unwrap().refresh_keys().await.unwrap_err();
    assert!(error.to_string().contains("502") && error.issuer_name() == issuer.url(), "{error}");
    assert!(server.issuer(issuer.url()).unwrap().refresh_keys().await.is_ok(), "a back-off does not stop a hand");
    assert!(server.issuer("nobody").is_err());
}

#[tokio::test]
async fn refreshes_by_hand_share_a_fetch_that_began_after_them() {
    let issuer = TestIssuer::start().await;
    let server = builder(&issuer).build().unwrap();
    issuer.fail_next(Endpoint::Keys, Fault::Hold);
    let early = tokio::spawn(server.issuer(issuer.url()).unwrap().refresh_keys());
    issuer.wait_for_requests(Endpoint::Keys, 1).await;
    let late: Vec<_> = (0..10).map(|_| tokio::spawn(server.issuer(issuer.url()).unwrap().refresh_keys())).collect();
    tokio::task::yield_now().await;
    issuer.release();
    assert!(early.await.unwrap().is_ok());
    for refresh in late {
        assert!(refresh.await.unwrap().is_ok());
    }
    assert_eq!(issuer.requests(Endpoint::Keys), 2, "the one in flight, and one for all who came meanwhile");
}

#[tokio::test]
async fn an_exported_set_starts_a_server_without_its_issuer() {
    let issuer = TestIssuer::start().await;
    let server = builder(&issuer).build().unwrap();
    assert_eq!(server.issuer(issuer.url()).unwrap().export_keys().unwrap(), None);
    server.ready().await.unwrap();
    let exported = server.issuer(issuer.url()).unwrap().export_keys().unwrap().unwrap();

    issuer.take_down();
    let entry = || Issuer::new(issuer.url()).seed_keys(&exported);
    let seeded = |builder: Builder| builder.clock(issuer.clock()).build().unwrap();
    let cold = seeded(ResourceServer::builder(entry(), API));
    let (api, good) = (Api::of(&cold), token(&issuer));
    assert_eq!(status(&cold).state(), KeySetState::Stale);
    assert!(api.get(&good).await.is_ok());
    assert!(api.get(with_kid(&good, "unknown")).await.is_503(), "a seed never answers for an unknown kid");
    let strict = seeded(ResourceServer::builder(entry(), API).serve_stale_keys_for(Duration::ZERO));
    assert!(Api::of(&strict).get(&good).await.is_503(), "a seed counts as past its life time");

    issuer.bring_up();
    pass(&issuer.clock(), 40);
    assert!(api.get(&good).await.is_ok());
    cold.issuer(issuer.url()).unwrap().refresh_keys().await.unwrap();
    assert_eq!(status(&cold).state(), KeySetState::Fresh);

    let wrong = ResourceServer::builder(Issuer::new(issuer.url()).seed_keys("{}"), API).build().unwrap_err();
    assert!(wrong.to_string().contains(issuer.url()), "{wrong}");
}

#[tokio::test]
async fn keys_that_may_be_used_no_more_are_not_exported() {
    let issuer = TestIssuer::start().await;
    let server = builder(&issuer).serve_stale_keys_for(Duration::from_secs(60)).build().unwrap();
    server.ready().await.unwrap();
    pass(&issuer.clock(), 630);
    assert!(server.issuer(issuer.url()).unwrap().export_keys().unwrap().is_some(), "stale");
    pass(&issuer.clock(), 60);
    assert_eq!(server.issuer(issuer.url()).unwrap().export_keys().unwrap(), None, "beyond the bound");
}

#[test]
fn outside_a_runtime_a_refresh_says_so() {
    let issuer_url = "http://127.0.0.1:1/oidc";
    let server = ResourceServer::builder(issuer_url, API).build().unwrap();
    let mut refresh = std::pin::pin!(server.issuer(issuer_url).unwrap().refresh_keys());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = refresh.as_mut().poll(&mut context) else { panic!("an error at once") };
    assert!(error.to_string().contains("runtime"), "{error}");
    let fixed = Issuer::new(issuer_url)
        .jwks_json(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#);
    let fixed = ResourceServer::builder(fixed, API).build().unwrap();
    let mut ready = std::pin::pin!(fixed.ready());
    assert!(matches!(ready.as_mut().poll(&mut context), std::task::Poll::Ready(Ok(()))), "there is nothing to fetch");
}

/// A subscriber that looks at the server while it is told something.
struct Curious(Arc<Mutex<Option<ResourceServer>>>, Arc<std::sync::atomic::AtomicUsize>);

impl tracing::Subscriber for Curious {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "orgate"
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        if let Some(server) = &*self.0.lock().unwrap() {
            self.1.fetch_add(server.keys().len(), std::sync::atomic::Ordering::Relaxed);
        }
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_log_may_look_at_the_keys() {
    let issuer = TestIssuer::start().await;
    issuer.publish(serde_json::json!({ "kty": "oct", "kid": "odd", "k": "AAAA" }));
    let server = builder(&issuer).build().unwrap();
    let looks = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let subscriber = Curious(Arc::new(Mutex::new(Some(server.clone()))), looks.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let api = Api::of(&server);
    assert!(api.get(token(&issuer)).await.is_ok());
    issuer.fail_next(Endpoint::Keys, Fault::Garbage);
    assert!(server.issuer(issuer.url()).unwrap().refresh_keys().await.is_err());
    assert!(api.get("bad").await.status == 401);
    let looks = looks.load(std::sync::atomic::Ordering::Relaxed);
    assert!(looks >= 4, "a set, its odd key, a failure and a refusal were told: {looks}");
}
