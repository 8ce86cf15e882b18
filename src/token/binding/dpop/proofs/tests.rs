use std::collections::HashMap;
use std::sync::Mutex;

use super::*;
use crate::future::BoxFuture;
use crate::http::url::PlainHttp;
use crate::token::binding::thumbprint::Thumbprint;
use crate::token::binding::{Dpop, ReplayStoreError};

const START: u64 = 1_800_000_000;

fn at(seconds: u64) -> Now {
    Now::new(Duration::from_secs(START + seconds), Duration::ZERO)
}

fn proven(id: &str) -> Proven {
    let proof = ProofKey::new(&Thumbprint::of(b"key"), "https://api.example.com/", id);
    Proven { proof, expires_at: at(180).unix, nonce_is_old: false }
}

fn proofs(dpop: &Dpop) -> Proofs {
    dpop.build(Duration::from_secs(60), PlainHttp::Never).unwrap()
}

fn dpop() -> Dpop {
    Dpop::new("https://api.example.com").dangerous_request_id_header("x-request-id")
}

fn asked(ids: &[&'static str]) -> HeaderMap {
    ids.iter().map(|id| (HeaderName::from_static("x-request-id"), HeaderValue::from_static(id))).collect()
}

/// What replicas share. It fails while it is told to.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Store>>);

type Store = (HashMap<String, String>, Option<Fault>);

#[derive(Clone, Copy)]
enum Fault {
    Fails,
    Hangs,
    Answers(&'static str),
}

impl ReplayStore for Shared {
    fn record<'a>(&'a self, used: &'a ProofUse) -> BoxFuture<'a, Result<Option<String>, ReplayStoreError>> {
        Box::pin(async move {
            let fault = self.0.lock().unwrap().1;
            match fault {
                Some(Fault::Fails) => return Err(ReplayStoreError::new("the store is down")),
                Some(Fault::Hangs) => std::future::pending().await,
                Some(Fault::Answers(text)) => return Ok(Some(text.to_owned())),
                None => {}
            }
            let held = &mut self.0.lock().unwrap().0;
            let earlier = held.get(used.key()).cloned();
            held.entry(used.key().to_owned()).or_insert_with(|| used.mark().to_owned());
            Ok(earlier)
        })
    }
}

/// Records a proof here, and where it is shared.
async fn record(proofs: &Proofs, id: &str, headers: &HeaderMap, seconds: u64) -> Result<(), Unrecorded> {
    match proofs.record(&proven(id), &"user", headers, &at(seconds))? {
        Some(unshared) => proofs.share(&unshared).await,
        None => Ok(()),
    }
}

fn is_replay(outcome: &Result<(), Unrecorded>) -> bool {
    matches!(outcome, Err(Unrecorded::Replayed(_)))
}

#[test]
fn exactly_one_header_is_a_proof() {
    let find = |values: &[&'static str]| {
        let mut headers: HeaderMap =
            values.iter().map(|value| (HeaderName::from_static(HEADER), HeaderValue::from_static(value))).collect();
        Proofs::mark_sensitive(&mut headers);
        let found = Proofs::find(&headers).map(str::to_owned);
        assert!(headers.values().all(HeaderValue::is_sensitive));
        found
    };
    assert_eq!(find(&["a.b.c"]).as_deref(), Ok("a.b.c"));
    assert_eq!(find(&[]), Err("there is no DPoP header".into()));
    assert_eq!(find(&["a.b.c", "a.b.c"]), Err("more than one DPoP header".into()));
}

#[test]
fn a_replay_is_rejected_unless_it_is_the_same_question() {
    let proofs = proofs(&dpop());
    let record =
        |id: &str, headers: &HeaderMap, seconds| proofs.record(&proven(id), &"user", headers, &at(seconds)).map(|_| ());
    assert_eq!(record("1", &asked(&["r1"]), 0), Ok(()));
    assert_eq!(record("1", &asked(&["r1"]), 5), Ok(()));
    assert!(is_replay(&record("1", &asked(&["r1"]), 6)));
    assert!(is_replay(&record("1", &asked(&["r2"]), 1)));
    for (id, none) in [("2", &[][..]), ("3", &[""]), ("4", &["r1", "r1"])] {
        assert_eq!(record(id, &asked(none), 0), Ok(()));
        assert!(is_replay(&record(id, &asked(none), 0)), "{none:?} is the id of no request");
    }
    let without = self::proofs(&Dpop::new("https://api.example.com"));
    assert!(without.record(&proven("1"), &"user", &asked(&["r1"]), &at(0)).is_ok());
    assert!(without.record(&proven("1"), &"user", &asked(&["r1"]), &at(0)).is_err(), "nobody has named the header");
}

#[tokio::test]
async fn a_replay_at_another_replica_is_rejected() {
    let shared = Shared::default();
    let [one, other] = [(); 2].map(|()| proofs(&dpop().replay_store(shared.clone())));
    assert_eq!(record(&one, "1", &asked(&[]), 0).await, Ok(()));
    assert!(is_replay(&record(&other, "1", &asked(&[]), 0).await));
    assert!(is_replay(&record(&other, "1", &asked(&[]), 0).await), "also when it is tried again");
    assert_eq!(record(&other, "2", &asked(&["r"]), 0).await, Ok(()));
    assert_eq!(record(&one, "2", &asked(&["r"]), 4).await, Ok(()), "the same question");
    assert!(is_replay(&record(&one, "2", &asked(&["r"]), 6).await));
}

/// The first question is rejected there, so the second one must not pass because it is known here.
#[tokio::test]
async fn the_same_question_about_a_replay_is_rejected_every_time() {
    let shared = Shared::default();
    let [one, other] = [(); 2].map(|()| proofs(&dpop().replay_store(shared.clone())));
    assert_eq!(record(&one, "1", &asked(&["r1"]), 0).await, Ok(()));
    for _ in 0..3 {
        assert!(is_replay(&record(&other, "1", &asked(&["r2"]), 1).await));
    }
}

#[tokio::test]
async fn a_proof_that_could_not_be_shared_can_be_sent_again() {
    let shared = Shared::default();
    let proofs = proofs(&dpop().replay_store(shared.clone()).replay_timeout(Duration::from_millis(5)));
    for fault in [Fault::Fails, Fault::Hangs] {
        shared.0.lock().unwrap().1 = Some(fault);
        let outcome = record(&proofs, "1", &asked(&[]), 0).await;
        assert!(matches!(outcome, Err(Unrecorded::Unavailable(_))), "{outcome:?}");
    }
    // The client goes away while it waits.
    let unshared = proofs.record(&proven("1"), &"user", &asked(&[]), &at(0)).unwrap().unwrap();
    drop(tokio::time::timeout(Duration::from_millis(1), proofs.share(&unshared)).await);
    shared.0.lock().unwrap().1 = None;
    assert_eq!(record(&proofs, "1", &asked(&[]), 0).await, Ok(()));
    assert!(is_replay(&record(&proofs, "1", &asked(&[]), 0).await));
}

#[tokio::test]
async fn an_earlier_mark_that_cannot_be_read_is_a_replay() {
    let shared = Shared::default();
    let proofs = proofs(&dpop().replay_store(shared.clone()));
    for (id, text) in [("1", ""), ("2", "x"), ("3", "00.0")] {
        shared.0.lock().unwrap().1 = Some(Fault::Answers(text));
        assert!(is_replay(&record(&proofs, id, &asked(&["r"]), 0).await), "{text}");
    }
}

#[test]
fn algorithms_are_named_as_clients_know_them() {
    let names = |dpop: &Dpop| proofs(dpop).algorithm_names().collect::<Vec<_>>().join(" ");
    assert_eq!(names(&dpop()), "ES256 EdDSA Ed25519 ES384 ES512 PS256 PS384 PS512");
    assert_eq!(names(&dpop().algorithms([Algorithm::Rs256])), "RS256");
}
