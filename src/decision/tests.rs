//! What is remembered, for how long, and what makes it forgotten.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tokio::sync::Notify;

use super::*;
use crate::change::{About, Epoch};
use crate::organization::Organization;
use crate::scoped::ScopedId;
use crate::time::{Clock, Now};
use crate::token::{Subject, SubjectKind};

const ISSUER: &str = "main";

fn verified(issuer_name: &str, id: &str) -> Organization {
    Organization::verified(&ScopedId::new(&issuer_name.into(), id))
}

fn request_of(subject: &str, organization: Option<&str>) -> DecisionRequest {
    let subject = Subject::new(ISSUER.into(), subject.into(), SubjectKind::User);
    let request = DecisionRequest::of(subject, Some("app"), std::iter::empty(), "read", Resource::new("document", "1"));
    match organization {
        Some(id) => request.organization(&verified(ISSUER, id)),
        None => request,
    }
}

fn request() -> DecisionRequest {
    request_of("alice", Some("acme"))
}

fn forget(decider: &Decider, issuer_name: &str, about: &About) {
    decider.invalidate(issuer_name, about, Epoch::next());
}

#[test]
fn lane_is_of_an_entry_and_not_of_its_name() {
    use crate::token::{AccessToken, EntryVersion, IssuerId, NumericDate, Parties, Provenance, Times, Verified};

    let token = |entry| {
        let verified = Verified {
            issuer: "https://issuer.example".into(),
            entry: EntryVersion::of(entry),
            subject: Subject::new(ISSUER.into(), "alice".into(), SubjectKind::User),
            resources: [].into(),
            client_id: None,
            token_id: None,
            scopes: crate::scope::ScopeList::from_text(""),
            audience: [].into(),
            organization: None,
            audience_organization: None,
            parties: Parties::of(Vec::new(), Vec::new()),
            confirmation: None,
            authentication: None,
            times: Times { expires_at: NumericDate::new(1.0).unwrap(), not_before: None, issued_at: None },
        };
        AccessToken::mint(verified, b"{}", Provenance::dangling())
    };
    let tenant = |entry| DecisionRequest::new(&token(entry), "read", Resource::new("document", "1")).lane().tenant;
    let (removed, added) = (IssuerId::unique(), IssuerId::unique());
    assert_eq!(tenant(removed), tenant(removed));
    assert_ne!(tenant(removed), tenant(added));
}

/// Answers what it is told to, then allows.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Result<Decision, DecisionError>>>,
    asked: AtomicUsize,
    /// Runs while a question is open.
    meanwhile: Mutex<Option<Box<dyn Fn() + Send>>>,
}

impl Scripted {
    fn answer(&self, answer: Result<Decision, DecisionError>) {
        self.answers.lock().unwrap().push_back(answer);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl DecisionPoint for Scripted {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if let Some(meanwhile) = &*self.meanwhile.lock().unwrap() {
                meanwhile();
            }
            self.answers.lock().unwrap().pop_front().unwrap_or_else(|| Ok(Decision::allow()))
        })
    }
}

#[derive(Clone, Default)]
struct Hand(Arc<Mutex<Duration>>);

impl Hand {
    fn advance(&self, seconds: u64) {
        *self.0.lock().unwrap() += Duration::from_secs(seconds);
    }
}

impl Clock for Hand {
    fn now(&self) -> Now {
        Now::new(Duration::ZERO, *self.0.lock().unwrap())
    }
}

fn decider() -> (Decider, Arc<Scripted>, Hand) {
    let (point, clock) = (Arc::new(Scripted::default()), Hand::default());
    (Decider::builder(point.clone()).clock(clock.clone()).build().unwrap(), point, clock)
}

async fn allowed(decider: &Decider, request: &DecisionRequest) -> bool {
    decider.decide(request).await.unwrap().is_allowed()
}

#[tokio::test]
async fn an_allow_lives_ten_seconds_and_a_denial_five() {
    let (decider, point, clock) = decider();
    assert!(allowed(&decider, &request()).await);
    clock.advance(9);
    assert!(allowed(&decider, &request()).await);
    assert_eq!(point.asked(), 1);
    clock.advance(1);
    point.answer(Ok(Decision::deny().with_reason("because")));
    assert!(!allowed(&decider, &request()).await);
    clock.advance(4);
    let remembered = decider.decide(&request()).await.unwrap();
    assert_eq!((remembered.is_allowed(), remembered.reason(), point.asked()), (false, Some("because"), 2));
    clock.advance(1);
    assert!(allowed(&decider, &request()).await);
    assert_eq!(point.asked(), 3);
}

#[tokio::test]
async fn a_decision_is_as_old_as_the_call_for_it() {
    let (decider, point, clock) = decider();
    let hand = clock.clone();
    *point.meanwhile.lock().unwrap() = Some(Box::new(move || hand.advance(8)));
    assert!(allowed(&decider, &request()).await);
    clock.advance(1);
    assert!(allowed(&decider, &request()).await);
    assert_eq!(point.asked(), 1);
    clock.advance(1);
    assert!(allowed(&decider, &request()).await);
    assert_eq!(point.asked(), 2);
}

#[tokio::test]
async fn another_request_is_asked_for_itself() {
    let (decider, point, _) = decider();
    let variants = [
        request(),
        request_of("bob", Some("acme")),
        request_of("alice", Some("globex")),
        request_of("alice", None),
        request().subject_property("role", "admin"),
        request().context("role", "admin"),
        request().route("/a"),
        request().method(&http::Method::GET),
    ];
    for (at, request) in variants.iter().enumerate() {
        assert!(allowed(&decider, request).await && allowed(&decider, request).await);
        assert_eq!(point.asked(), at + 1);
    }
}

#[tokio::test]
async fn what_one_may_not_remember_is_not_there_for_another() {
    let (decider, point, _) = decider();
    let (some, none) = (Duration::from_secs(9), Duration::ZERO);
    for (decision, times) in
        [(Decision::allow(), CacheTimes::new(none, some)), (Decision::deny(), CacheTimes::new(some, none))]
    {
        let allow = decision.is_allowed();
        point.answer(Ok(decision));
        assert_eq!(decider.decide_within(&request(), times).await.unwrap().is_allowed(), allow);
        assert_eq!(decider.remembers(), 0);
    }
}

#[tokio::test]
async fn errors_and_obligations_are_not_remembered() {
    let (decider, point, _) = decider();
    point.answer(Err(DecisionError::unavailable("down")));
    point.answer(Ok(Decision::allow().with_obligation(Obligation::new("audit"))));
    point.answer(Ok(Decision::allow().with_obligation(Obligation::new("audit")).handled("audit")));
    point.answer(Ok(Decision::allow().once()));
    assert!(decider.decide(&request()).await.unwrap_err().is_unavailable());
    assert!(!allowed(&decider, &request()).await, "an obligation that nobody understood");
    assert!(allowed(&decider, &request()).await);
    assert!(allowed(&decider, &request()).await);
    assert_eq!((point.asked(), decider.remembers()), (4, 0));
}

#[tokio::test]
async fn a_route_may_want_fresher_decisions() {
    let (decider, point, clock) = decider();
    assert!(allowed(&decider, &request()).await);
    clock.advance(3);
    let short = CacheTimes::new(Duration::from_secs(2), Duration::ZERO);
    assert!(decider.decide_within(&request(), short).await.unwrap().is_allowed());
    assert_eq!(point.asked(), 2, "three seconds are too old for this route");
    assert!(decider.decide_within(&request(), CacheTimes::NONE).await.unwrap().is_allowed());
    assert_eq!(point.asked(), 3);
    let settings = Decider::builder(point.clone()).remember(CacheTimes::NONE).build().unwrap();
    assert!(allowed(&settings, &request()).await && allowed(&settings, &request()).await);
    assert_eq!((point.asked(), settings.remembers()), (5, 0));
}

#[tokio::test]
async fn what_is_too_large_is_not_remembered() {
    let (decider, point, _) = decider();
    let large = request().context("text", "x".repeat(5000));
    assert!(allowed(&decider, &large).await && allowed(&decider, &large).await);
    assert_eq!((point.asked(), decider.remembers()), (2, 0));
}

#[tokio::test]
async fn there_is_an_end_to_what_is_remembered() {
    let point = Arc::new(Scripted::default());
    let decider = Decider::builder(point).max_entries(10).build().unwrap();
    for number in 0..100 {
        assert!(allowed(&decider, &request_of(&number.to_string(), None)).await);
    }
    assert!(decider.remembers() <= 10);
}

#[tokio::test]
async fn what_was_forgotten_is_asked_again() {
    let (decider, point, _) = decider();
    let [alice, bob] = [request(), request_of("bob", Some("globex"))];
    for (at, about) in [About::subject("alice"), About::organization("acme")].into_iter().enumerate() {
        assert!(allowed(&decider, &alice).await && allowed(&decider, &bob).await);
        assert_eq!(point.asked(), 2 + at);
        forget(&decider, ISSUER, &about);
        assert!(allowed(&decider, &bob).await);
        assert_eq!(point.asked(), 2 + at, "bob is not concerned");
        assert!(allowed(&decider, &alice).await);
        assert_eq!(point.asked(), 3 + at);
    }
    decider.forget_all();
    assert!(allowed(&decider, &alice).await && allowed(&decider, &bob).await);
    assert_eq!(point.asked(), 6);
    forget(&decider, "another issuer", &About::subject("alice"));
    forget(&decider, ISSUER, &About::organization("alice"));
    assert!(allowed(&decider, &alice).await);
    assert_eq!(point.asked(), 6);
}

#[tokio::test]
async fn an_allow_that_was_overtaken_is_not_used() {
    let (decider, point, _) = decider();
    let other = decider.clone();
    *point.meanwhile.lock().unwrap() = Some(Box::new(move || forget(&other, ISSUER, &About::subject("alice"))));
    let error = decider.decide(&request()).await.unwrap_err();
    assert!(!error.is_unavailable() && error.retry_after().is_some(), "three attempts are a limit of this process");
    assert_eq!((point.asked(), decider.remembers()), (3, 0));

    point.answer(Ok(Decision::deny()));
    assert!(!allowed(&decider, &request()).await, "a denial is used");
    assert_eq!((point.asked(), decider.remembers()), (4, 0), "and not remembered");

    let requests = [request(), request_of("bob", None)];
    let error = decider.decide_all(&requests).await.unwrap_err();
    assert!(!error.is_unavailable() && error.retry_after().is_some());
    *point.meanwhile.lock().unwrap() = None;
    assert!(decider.decide_all(&requests).await.unwrap().iter().all(Decision::is_allowed));
}

#[tokio::test]
async fn a_batch_is_asked_again_for_what_was_overtaken() {
    let (decider, point, _) = decider();
    let (other, calls) = (decider.clone(), AtomicUsize::new(0));
    *point.meanwhile.lock().unwrap() = Some(Box::new(move || {
        if calls.fetch_add(1, Ordering::SeqCst) == 0 {
            forget(&other, ISSUER, &About::subject("alice"));
        }
    }));
    let decisions = decider.decide_all(&[request(), request_of("bob", None)]).await.unwrap();
    assert!(decisions.iter().all(Decision::is_allowed));
    assert_eq!((point.asked(), decider.remembers()), (3, 2));
}

#[tokio::test]
async fn an_answer_on_its_way_is_asked_again() {
    struct Slow(Notify, Notify, AtomicUsize);
    impl DecisionPoint for Slow {
        fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
            Box::pin(async move {
                let first = self.2.fetch_add(1, Ordering::SeqCst) == 0;
                if first {
                    self.0.notify_one();
                    self.1.notified().await;
                }
                Ok(if first { Decision::allow() } else { Decision::deny() })
            })
        }
    }
    let slow = Arc::new(Slow(Notify::new(), Notify::new(), AtomicUsize::new(0)));
    let decider = Decider::builder(slow.clone()).build().unwrap();
    let asking = tokio::spawn({
        let decider = decider.clone();
        async move { allowed(&decider, &request()).await }
    });
    slow.0.notified().await;
    forget(&decider, ISSUER, &About::organization("acme"));
    slow.1.notify_one();
    assert!(!asking.await.unwrap(), "the old allow does not count");
}

#[tokio::test]
async fn what_was_waited_for_serves_a_question_as_its_times_and_changes_allow() {
    let (decider, point, _) = decider();
    let none = Some(CacheTimes::NONE);
    let wanted = |times, allow_on_error| Wanted { request: request(), times, allow_on_error };
    let ask = async |times| WantedDecisions::new(decider.clone(), vec![wanted(times, false)]).ask().await;
    let serves = |decided: &[Decided], wanted: &Wanted| {
        let view = DecisionView { decider: Some(&decider), decided, route: None };
        view.waited(&decider, wanted).map(|outcome| outcome.ok().map(Decision::is_allowed))
    };
    // Asked for just now, it is as new as any question wants it; from the cache, it is not.
    let now = ask(None).await;
    assert_eq!([None, none].map(|times| serves(&now, &wanted(times, false))), [Some(Some(true)); 2]);
    let mut decided = ask(None).await;
    assert_eq!(point.asked(), 1);
    assert_eq!([None, none].map(|times| serves(&decided, &wanted(times, false))), [Some(Some(true)), None]);

    // After a change an allow does not serve, and a denial does.
    forget(&decider, ISSUER, &About::subject("alice"));
    assert_eq!([serves(&now, &wanted(None, false)), serves(&decided, &wanted(None, false))], [None; 2]);
    point.answer(Ok(Decision::deny()));
    decided.extend(ask(none).await);
    forget(&decider, ISSUER, &About::subject("alice"));
    assert_eq!(serves(&decided, &wanted(none, false)), Some(Some(false)));

    // The error of several questions is not that of each.
    let both = |other| vec![wanted(none, false), Wanted { request: request_of(other, None), ..wanted(none, false) }];
    point.answer(Err(DecisionError::unavailable("down")));
    let batch = WantedDecisions::new(decider.clone(), both("bob")).ask().await;
    assert_eq!([false, true].map(|tolerant| serves(&batch, &wanted(none, tolerant))), [Some(None), None]);
    point.answer(Err(DecisionError::unavailable("down")));
    let alone = ask(none).await;
    assert_eq!([false, true].map(|tolerant| serves(&alone, &wanted(none, tolerant))), [Some(None); 2]);
}

#[tokio::test]
async fn a_batch_asks_for_what_is_not_remembered() {
    struct Short(Arc<Scripted>);
    impl DecisionPoint for Short {
        fn decide<'a>(&'a self, request: &'a DecisionRequest) -> DecisionFuture<'a> {
            self.0.decide(request)
        }
        fn decide_all<'a>(&'a self, requests: &'a [DecisionRequest]) -> DecisionFuture<'a, Vec<Decision>> {
            let count = self.0.asked.fetch_add(requests.len(), Ordering::SeqCst);
            let answers = if count > 90 { requests.len() + 1 } else { requests.len() - 1 };
            Box::pin(std::future::ready(Ok(vec![Decision::allow(); answers])))
        }
    }
    let point = Arc::new(Scripted::default());
    let decider = Decider::builder(point.clone()).build().unwrap();
    assert!(allowed(&decider, &request_of("bob", None)).await);
    let requests = ["alice", "bob", "carol"].map(|id| request_of(id, None));
    point.answer(Ok(Decision::deny()));
    let verdicts: Vec<_> = decider.decide_all(&requests).await.unwrap().iter().map(Decision::is_allowed).collect();
    assert_eq!((verdicts, point.asked()), (vec![false, true, true], 3));
    assert_eq!(decider.decide_all(&requests).await.unwrap().len(), 3);
    assert_eq!(point.asked(), 3);

    let short = Decider::builder(Short(point.clone())).build().unwrap();
    let verdicts: Vec<_> = short.decide_all(&requests).await.unwrap().iter().map(Decision::is_allowed).collect();
    assert_eq!(verdicts, [true, true, false], "what is missing is denied");
    point.asked.store(91, Ordering::SeqCst);
    let other = [request_of("dave", None)];
    assert!(!short.decide_all(&other).await.unwrap_err().is_unavailable(), "more answers than questions");
    let many = vec![request(); MAX_BATCH + 1];
    assert!(decider.decide_all(&many).await.is_err() && decide_each(&*point, &many).await.is_err());
    assert!(decider.decide_all(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_cannot_be_asked() {
    let (decider, point, _) = decider();
    let subject = || Subject::new(ISSUER.into(), "alice".into(), SubjectKind::User);
    let of = |action, kind, id| DecisionRequest::of(subject(), None, [].into_iter(), action, Resource::new(kind, id));
    let foreign = of("read", "document", "1").organization(&verified("other", "acme"));
    for request in
        [of("", "document", "1"), of("read", "", "1"), of("read", "document", ""), request_of("", None), foreign]
    {
        assert!(!decider.decide(&request).await.unwrap_err().is_unavailable());
        assert!(decider.decide_all(&[request]).await.is_err());
    }
    assert_eq!(point.asked(), 0);
}

/// Decides when it is told to.
struct Gate {
    asked: AtomicUsize,
    open: tokio::sync::Semaphore,
    decision: Decision,
}

impl Gate {
    fn new(decision: Decision) -> Arc<Self> {
        Arc::new(Self { asked: AtomicUsize::new(0), open: tokio::sync::Semaphore::new(0), decision })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl DecisionPoint for Gate {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            _ = self.open.acquire().await;
            Ok(self.decision.clone())
        })
    }
}

/// So many requests, begun at once, and then as many once the first calls are under way.
async fn in_two_waves(gate: &Arc<Gate>, times: CacheTimes) -> usize {
    let decider = Decider::builder(gate.clone()).build().unwrap();
    let wave = || {
        (0..50)
            .map(|_| {
                let decider = decider.clone();
                tokio::spawn(async move { decider.decide_within(&request(), times).await })
            })
            .collect::<Vec<_>>()
    };
    let first = wave();
    while gate.asked() == 0 {
        tokio::task::yield_now().await;
    }
    let second = wave();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    gate.open.add_permits(1000);
    for outcome in first.into_iter().chain(second) {
        assert!(outcome.await.unwrap().unwrap().is_allowed());
    }
    gate.asked()
}

#[tokio::test]
async fn hundred_identical_requests_share_one_call() {
    assert_eq!(in_two_waves(&Gate::new(Decision::allow()), CacheTimes::default()).await, 1);
}

#[tokio::test]
async fn request_that_takes_nothing_from_memory_takes_no_answer_that_was_asked_for_before_it_came() {
    assert_eq!(in_two_waves(&Gate::new(Decision::allow()), CacheTimes::NONE).await, 2);
}

#[tokio::test]
async fn decision_for_one_request_is_not_shared() {
    assert_eq!(in_two_waves(&Gate::new(Decision::allow().once()), CacheTimes::default()).await, 100);
}

#[tokio::test]
async fn call_is_not_ended_by_the_request_that_began_it() {
    let gate = Gate::new(Decision::allow());
    let decider = Decider::builder(gate.clone()).build().unwrap();
    let hung_up = tokio::time::timeout(Duration::from_millis(5), decider.decide(&request())).await;
    assert!(hung_up.is_err());
    gate.open.add_permits(1);
    assert!(decider.decide(&request()).await.unwrap().is_allowed());
    assert_eq!(gate.asked(), 1);
}

/// Answers the first call when it is told to, and no other one.
struct FirstOnly {
    asked: AtomicUsize,
    go: Notify,
    answer: Decision,
}

impl DecisionPoint for FirstOnly {
    fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
        Box::pin(async move {
            if self.asked.fetch_add(1, Ordering::SeqCst) > 0 {
                std::future::pending::<()>().await;
            }
            self.go.notified().await;
            Ok(self.answer.clone())
        })
    }
}

/// What a second, equal request is told that came during the call of the first one. The first one is `answered` or hangs.
async fn second_of_two(answer: Decision, times: CacheTimes, is_batch: bool, answered: bool) -> DecisionError {
    let point = Arc::new(FirstOnly { asked: AtomicUsize::new(0), go: Notify::new(), answer });
    let decider = Decider::builder(point.clone()).build().unwrap();
    let ask = || {
        let decider = decider.clone();
        tokio::spawn(async move {
            if is_batch {
                let requests = [request(), request_of("bob", None)].map(|request| (request, Some(times)));
                decider.decide_all_in_time(&requests).await.remove(0).map(|dated| dated.decision)
            } else {
                decider.decide_in_time(&request(), Some(times)).await.map(|dated| dated.decision)
            }
        })
    };
    let first = ask();
    while point.asked.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let second = ask();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    if answered {
        point.go.notify_one();
        assert!(is_batch || first.await.unwrap().is_ok());
    }
    second.await.unwrap().unwrap_err()
}

#[tokio::test]
async fn request_that_sat_out_the_call_of_another_one_finds_no_point_unavailable() {
    let (long, none) = (CacheTimes::default(), CacheTimes::NONE);
    let (denied, once, hung, hung_batch) = tokio::join!(
        second_of_two(Decision::deny(), none, false, true),
        second_of_two(Decision::allow().once(), long, false, true),
        second_of_two(Decision::deny(), none, false, false),
        second_of_two(Decision::deny(), none, true, false),
    );
    for error in [denied, once] {
        assert!(!error.is_unavailable() && error.retry_after().is_some(), "{error}");
    }
    for error in [hung, hung_batch] {
        assert!(error.is_unavailable(), "the point answered nobody: {error}");
    }
}

#[tokio::test]
async fn panic_of_a_point_is_an_error_and_no_decision() {
    struct Buggy;
    impl DecisionPoint for Buggy {
        fn decide<'a>(&'a self, _: &'a DecisionRequest) -> DecisionFuture<'a> {
            Box::pin(async { panic!("a bug") })
        }
    }
    let error = Decider::builder(Buggy).build().unwrap().decide(&request()).await.unwrap_err();
    assert!(!error.is_unavailable() && error.to_string().contains("panicked"), "{error}");
}

#[test]
fn settings_that_must_not_run() {
    let build = |times| Decider::builder(Scripted::default()).remember(times).build();
    assert!(build(CacheTimes::new(Duration::from_secs(300), Duration::from_secs(300))).is_ok());
    assert!(build(CacheTimes::new(Duration::from_secs(301), Duration::ZERO)).is_err());
    assert!(build(CacheTimes::new(Duration::ZERO, Duration::from_secs(301))).is_err());
    assert!(Decider::builder(Scripted::default()).max_entries(1_000_001).build().is_err());
}

#[test]
fn nothing_personal_in_debug() {
    let request = request().subject_property("email", "alice@example.com").context("ip", "10.0.0.1");
    let text = format!("{request:?} {:?} {:?}", request.key(), Property::from("secret"));
    for personal in ["alice", "10.0.0.1", "secret"] {
        assert!(!text.contains(personal), "{text}");
    }
}

/// Few letters, among them those that would confuse a form with separators.
fn word() -> impl Strategy<Value = String> {
    "[a\0,|]{0,2}"
}

fn property() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        (0..3_i64).prop_map(Into::into),
        Just(serde_json::json!(1.0)),
        word().prop_map(Into::into),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            prop::collection::btree_map(word(), inner, 0..3)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

type Told = (
    (String, String, bool, Option<String>, Vec<String>),
    (String, String, String, Option<String>, Option<String>, bool),
    [Vec<(String, serde_json::Value)>; 3],
);

fn told() -> impl Strategy<Value = Told> {
    let properties = || prop::collection::vec((word(), property()), 0..3);
    (
        (word(), word(), any::<bool>(), prop::option::of(word()), prop::collection::vec(word(), 0..3)),
        (word(), word(), word(), prop::option::of(word()), prop::option::of(word()), any::<bool>()),
        [properties(), properties(), properties()],
    )
}

fn asked(
    ((issuer, subject, user, client, scopes), (action, kind, id, organization, route, get), more): &Told,
) -> DecisionRequest {
    let subject_kind = if *user { SubjectKind::User } else { SubjectKind::Machine };
    let subject = Subject::new(issuer.as_str().into(), subject.as_str().into(), subject_kind);
    let json = |value| Property::json(value).unwrap();
    let resource = more[0].iter().fold(Resource::new(kind, id), |all, (name, value)| all.property(name, json(value)));
    let scopes = scopes.iter().map(String::as_str);
    let mut request = DecisionRequest::of(subject, client.as_deref(), scopes, action, resource);
    for (name, value) in &more[1] {
        request = request.subject_property(name, json(value));
    }
    for (name, value) in &more[2] {
        request = request.context(name, json(value));
    }
    if let Some(id) = organization {
        request = request.organization(&verified(issuer, id));
    }
    if let Some(route) = route {
        request = request.route(route);
    }
    if *get { request.method(&http::Method::GET) } else { request }
}

/// All that a point can read, compared field by field.
fn same(a: &DecisionRequest, b: &DecisionRequest) -> bool {
    let names = |request: &DecisionRequest| -> Vec<Option<String>> {
        let optional = [request.client_id(), request.organization_id(), request.matched_route()];
        let fixed = [request.issuer_name(), request.subject_id(), request.action()];
        optional.into_iter().chain(fixed.map(Some)).map(|text| text.map(str::to_owned)).collect()
    };
    names(a) == names(b)
        && a.subject_kind() == b.subject_kind()
        && a.scopes == b.scopes
        && a.resource == b.resource
        && a.method == b.method
        && a.subject_properties == b.subject_properties
        && a.context == b.context
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn two_requests_have_one_key_only_if_they_are_the_same(a in told(), other in told(), part in 0..15_usize) {
        // Independent requests are hardly ever alike: one part of the one is put into the other.
        let mut b = a.clone();
        match part {
            0 => b.0.0 = other.0.0,
            1 => b.0.1 = other.0.1,
            2 => b.0.2 = !a.0.2,
            3 => b.0.3 = other.0.3,
            4 => b.0.4 = other.0.4,
            5 => b.1.0 = other.1.0,
            6 => b.1.1 = other.1.1,
            7 => b.1.2 = other.1.2,
            8 => b.1.3 = other.1.3,
            9 => b.1.4 = other.1.4,
            10 => b.1.5 = !a.1.5,
            11..=13 => b.2[part - 11] = other.2[part - 11].clone(),
            _ => b = other,
        }
        let (a, b) = (asked(&a), asked(&b));
        prop_assert_eq!(a.key() == b.key(), same(&a, &b));
        prop_assert_eq!(a.key(), a.clone().key());
    }
}

/// Whatever is moved over the border between two fields: all texts of two letters at most, in every field.
#[test]
fn no_text_slides_into_the_next_field() {
    let texts = ["", "a", "aa"];
    let mut keys = std::collections::HashSet::new();
    let mut requests = 0;
    for number in 0..3_usize.pow(7) {
        let text = |place: u32| texts[number / 3_usize.pow(place) % 3].to_owned();
        let told = (
            (text(0), text(1), true, Some(text(2)), vec![text(3)]),
            (text(4), text(5), text(6), None, None, false),
            [vec![], vec![], vec![]],
        );
        // No scope is another thing than an empty one, and so is a client.
        let without = ((told.0.0.clone(), told.0.1.clone(), true, None, vec![]), told.1.clone(), told.2.clone());
        keys.insert(asked(&told).key());
        requests += 1;
        if number / 9 % 9 == 0 {
            keys.insert(asked(&without).key());
            requests += 1;
        }
    }
    assert_eq!(keys.len(), requests);
    let arrays = [
        serde_json::json!(["a", "b"]),
        serde_json::json!(["ab"]),
        serde_json::json!([["a"], "b"]),
        serde_json::json!([["a", "b"]]),
    ];
    let keys: std::collections::HashSet<_> =
        arrays.iter().map(|value| request().context("x", Property::json(value).unwrap()).key()).collect();
    assert_eq!(keys.len(), 4);
}
