//! Requests, fetches and changes in any order, on one thread: whoever waits gets something that is true.

use std::collections::VecDeque;
use std::future::Future;

use proptest::prelude::*;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, yield_now};

use super::super::source::{PermissionModel, Permissions};
use super::*;
use crate::change::About;
use crate::future::BoxFuture;
use crate::time::Now;
use crate::token::SubjectKind;

/// Both hands, turned by the test.
#[derive(Clone, Default)]
struct Hands(Arc<Mutex<Duration>>);

impl Hands {
    fn now(&self) -> Duration {
        Duration::from_secs(1000) + *self.0.lock().unwrap()
    }

    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Hands {
    fn now(&self) -> Now {
        Now::new(self.now(), self.now())
    }
}

/// What is true is a number that grows. A fetch reads it when it is called: the oldest thing that it may say.
#[derive(Default)]
struct Issuer {
    truth: AtomicU64,
    pending: Mutex<VecDeque<oneshot::Sender<bool>>>,
    calls: AtomicU64,
    /// Calls under way, and the most there were.
    at_once: Mutex<(u64, u64)>,
}

struct Scripted(Arc<Issuer>);

impl PermissionSource for Scripted {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        let (sender, answered) = oneshot::channel();
        let truth = self.0.truth.load(Ordering::SeqCst);
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        self.0.pending.lock().unwrap().push_back(sender);
        let mut at_once = self.0.at_once.lock().unwrap();
        at_once.0 += 1;
        at_once.1 = at_once.1.max(at_once.0);
        Box::pin(async move {
            let fails = answered.await.unwrap_or(true);
            self.0.at_once.lock().unwrap().0 -= 1;
            if fails { Err(SourceError::new("down")) } else { Ok(Permissions::of([truth.to_string()])) }
        })
    }
}

const AGE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
enum Step {
    /// A request that needs what began after it came.
    Live,
    /// One that needs what is at most 30 s old.
    Fresh,
    /// One that takes what is known, and has it refreshed behind.
    Known,
    /// The client of the oldest request that waits goes away.
    HangUp,
    /// Something changes at the issuer without a notification.
    Silent,
    /// Something changes at the issuer, and it is said.
    Said(u8),
    /// The oldest call is answered, or fails.
    Land {
        fails: bool,
    },
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Live),
        3 => Just(Step::Fresh),
        1 => Just(Step::Known),
        1 => Just(Step::HangUp),
        2 => Just(Step::Silent),
        3 => (0..4_u8).prop_map(Step::Said),
        4 => prop::bool::weighted(0.2).prop_map(|fails| Step::Land { fails }),
        1 => (1..40_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..50)
}

struct Request {
    what: Step,
    /// What a snapshot must be true of at least.
    least: u64,
    came: Duration,
    failures: u64,
    answer: JoinHandle<Result<Arc<Snapshot>, SourceError>>,
}

struct World {
    store: Arc<LivePermissions>,
    source: Source,
    issuer: Arc<Issuer>,
    hands: Hands,
    query: PermissionQuery,
    waiting: Vec<Request>,
    /// The truth when a change was last said.
    said: u64,
    failures: u64,
    /// When a call failed last.
    failed: Option<Duration>,
}

impl World {
    fn new() -> Self {
        let (hands, issuer) = (Hands::default(), Arc::<Issuer>::default());
        let model = PermissionModel::Organization { organization: "acme".into() };
        let source = Source::new(Arc::new(Scripted(issuer.clone())), Arc::default());
        Self {
            store: Arc::new(LivePermissions::new(100, Arc::new(hands.clone()))),
            source,
            issuer,
            hands,
            query: PermissionQuery { issuer_name: "main".into(), subject: "u1".into(), kind: SubjectKind::User, model },
            waiting: Vec::new(),
            said: 0,
            failures: 0,
            failed: None,
        }
    }

    fn truth(&self) -> u64 {
        self.issuer.truth.load(Ordering::SeqCst)
    }

    fn request(&mut self, what: &Step) {
        let (store, source, query) = (self.store.clone(), self.source.clone(), self.query.clone());
        let arrival = store.arrival();
        let (least, need) = match what {
            Step::Live => (self.truth(), Freshness::After(arrival)),
            _ => (self.said, Freshness::Within(AGE, arrival)),
        };
        let answer = tokio::spawn(async move { store.resolve(&source, &query, need).await });
        self.waiting.push(Request {
            what: what.clone(),
            least,
            came: self.hands.now(),
            failures: self.failures,
            answer,
        });
    }

    async fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Live | Step::Fresh => self.request(&step),
            Step::Known => {
                let need = Freshness::Within(AGE, self.store.arrival());
                let known = self.store.known(&self.source, &self.query, need, Some(Duration::from_secs(24)));
                if let Some(known) = known {
                    Self::check(&known, &Step::Known, self.said, self.hands.now())?;
                }
            }
            Step::HangUp => {
                if !self.waiting.is_empty() {
                    self.waiting.remove(0).answer.abort();
                }
            }
            Step::Silent => _ = self.issuer.truth.fetch_add(1, Ordering::SeqCst),
            Step::Said(which) => self.said(which),
            Step::Land { fails } => {
                let next = self.issuer.pending.lock().unwrap().pop_front();
                if let Some(next) = next {
                    if fails {
                        (self.failures, self.failed) = (self.failures + 1, Some(self.hands.now()));
                    }
                    let _ = next.send(fails);
                }
            }
            Step::Pass(seconds) => self.hands.advance(Duration::from_secs(seconds)),
        }
        for _ in 0..20 {
            yield_now().await;
        }
        prop_assert!(self.issuer.at_once.lock().unwrap().1 <= 1, "one fetch at a time");
        self.collect().await
    }

    fn said(&mut self, which: u8) {
        self.said = self.issuer.truth.fetch_add(1, Ordering::SeqCst) + 1;
        let change = match which {
            0 => About::subject("u1"),
            1 => About::member("acme", "u1"),
            2 => About::organization("acme"),
            _ => About::OrganizationTemplate,
        };
        let is_wide = change == About::OrganizationTemplate;
        self.store.invalidate(&self.source, &change, Duration::from_secs(self.said));
        if is_wide {
            // Past the time in which fetches would be spread.
            self.hands.advance(Duration::from_secs(1));
        }
    }

    /// Whoever has an answer has one that is good.
    async fn collect(&mut self) -> Result<(), TestCaseError> {
        let (done, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|request| request.answer.is_finished());
        self.waiting = waiting;
        for request in done {
            match request.answer.await.expect("no panic") {
                Ok(snapshot) => Self::check(&snapshot, &request.what, request.least, request.came)?,
                Err(error) => {
                    let just_before =
                        self.failed.is_some_and(|failed| request.came.saturating_sub(failed) < Duration::from_secs(1));
                    prop_assert!(self.failures > request.failures || just_before, "{error}");
                }
            }
        }
        Ok(())
    }

    fn check(snapshot: &Snapshot, what: &Step, least: u64, came: Duration) -> Result<(), TestCaseError> {
        let says: u64 = snapshot.permissions.scopes().next().unwrap().parse().unwrap();
        prop_assert!(says >= least, "{what:?}: {says} is told, {least} was true when it came");
        if !matches!(what, Step::Live) {
            let oldest = came.checked_sub(AGE).unwrap();
            prop_assert!(snapshot.began_at.monotonic >= oldest, "{what:?}: too old");
        }
        Ok(())
    }

    /// Two landings, the fetch in progress and the next one, and then no request waits.
    async fn end(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..2 {
            self.step(Step::Land { fails: false }).await?;
        }
        prop_assert!(self.waiting.is_empty(), "{} wait for nothing", self.waiting.len());
        Ok(())
    }
}

fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_in_whatever_order(steps in steps()) {
        on_one_thread(async {
            let mut world = World::new();
            for step in steps {
                world.step(step).await?;
            }
            world.end().await
        })?;
    }
}

#[test]
fn a_burst_is_one_fetch_or_two() {
    on_one_thread(async {
        for (what, calls) in [(Step::Fresh, 1), (Step::Live, 2)] {
            let mut world = World::new();
            world.step(what.clone()).await.unwrap();
            for _ in 0..100 {
                world.step(what.clone()).await.unwrap();
            }
            world.end().await.unwrap();
            assert_eq!(world.issuer.calls.load(Ordering::SeqCst), calls, "{what:?}");
        }
    });
}

#[test]
fn what_changes_again_and_again_is_waited_for_no_longer_than_for_four_seconds() {
    on_one_thread(async {
        let mut world = World::new();
        world.step(Step::Fresh).await.unwrap();
        let began = tokio::time::Instant::now();
        while !world.waiting.is_empty() && began.elapsed() < Duration::from_secs(6) {
            world.failures += 1;
            for step in [Step::Said(0), Step::Land { fails: false }] {
                world.step(step).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!((3900..4900).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    });
}

#[test]
fn a_change_for_all_spreads_what_is_fetched_after_it() {
    on_one_thread(async {
        let world = World::new();
        world.store.invalidate(&world.source, &About::OrganizationTemplate, Duration::from_secs(1));
        let arrival = world.store.arrival();
        let now = world.hands.now();
        assert_eq!(world.source.put_off(Freshness::Within(AGE, arrival), now), Some(SPREAD));
        assert_eq!(world.source.put_off(Freshness::After(arrival), now), None, "who needs it now is not put off");
        assert_eq!(world.source.put_off(Freshness::Within(AGE, arrival), now + SPREAD), None);
        world.store.invalidate(&world.source, &About::subject("u1"), Duration::from_secs(1));
        world.store.invalidate(&world.source, &About::OrganizationTemplate, Duration::from_secs(1));
        assert_eq!(world.source.put_off(Freshness::Within(AGE, arrival), now + SPREAD), None, "a replay is no change");
    });
}

#[test]
fn ten_thousand_subjects_stay_within_the_bound() {
    on_one_thread(async {
        let mut world = World::new();
        world.store = Arc::new(LivePermissions::new(1000, Arc::new(world.hands.clone())));
        for number in 0..10_000 {
            world.query.subject = number.to_string().into();
            world.step(Step::Fresh).await.unwrap();
            world.step(Step::Land { fails: false }).await.unwrap();
        }
        assert!(world.waiting.is_empty());
        assert_eq!(world.issuer.calls.load(Ordering::SeqCst), 10_000);
        assert_eq!(world.store.slots.settled().entry_count(), 1000);
        let need = Freshness::Within(AGE, world.store.arrival());
        for (number, is_known) in [(9_999, true), (9_500, true), (0, false), (8_000, false)] {
            world.query.subject = number.to_string().into();
            let known = world.store.known(&world.source, &world.query, need, None);
            assert_eq!(known.is_some(), is_known, "{number}: the least recently used goes first");
        }
    });
}

#[test]
fn entries_share_nothing() {
    on_one_thread(async {
        let mut world = World::new();
        world.step(Step::Fresh).await.unwrap();
        world.end().await.unwrap();
        let need = Freshness::Within(AGE, world.store.arrival());
        let other = Source::new(world.source.ask.clone(), Arc::default());
        assert!(world.store.known(&world.source, &world.query, need, None).is_some());
        assert!(
            world.store.known(&other, &world.query, need, None).is_none(),
            "an entry added later begins with nothing"
        );
        world.store.invalidate(&other, &About::Everything, Duration::from_secs(1));
        assert!(world.store.known(&world.source, &world.query, need, None).is_some());
    });
}

#[test]
fn source_that_hangs_keeps_no_other_one_waiting_and_whoever_had_no_slot_did_not_ask_it() {
    on_one_thread(async {
        let mut world = World::new();
        let hanging = Source::new(Arc::new(Scripted(Arc::default())), Arc::default());
        let mut waiting = Vec::new();
        for subject in 0..400 {
            let (store, source, mut query) = (world.store.clone(), hanging.clone(), world.query.clone());
            query.subject = subject.to_string().into();
            let need = Freshness::After(store.arrival());
            waiting.push(tokio::spawn(async move { store.resolve(&source, &query, need).await }));
        }
        for _ in 0..10 {
            yield_now().await;
        }
        world.step(Step::Live).await.unwrap();
        world.step(Step::Land { fails: false }).await.unwrap();
        assert!(world.waiting.is_empty(), "the other source has slots of its own");
        let mut asked = 0;
        for waiting in waiting {
            asked += usize::from(waiting.await.unwrap().unwrap_err().was_asked());
        }
        assert_eq!(asked, MOST_FETCHES, "the queue is a limit of this process");
    });
}

#[test]
fn subject_leaves_slots_to_others() {
    on_one_thread(async {
        let world = World::new();
        let ask = |subject: &str, organization: usize| {
            let (store, source, mut query) = (world.store.clone(), world.source.clone(), world.query.clone());
            query.subject = subject.into();
            query.model = PermissionModel::Organization { organization: organization.to_string().into() };
            let need = Freshness::After(store.arrival());
            tokio::spawn(async move { store.resolve(&source, &query, need).await })
        };
        let mut waiting: Vec<_> = (0..200).map(|organization| ask("greedy", organization)).collect();
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(world.issuer.calls.load(Ordering::SeqCst), 8);
        waiting.push(ask("another", 0));
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(world.issuer.calls.load(Ordering::SeqCst), 9, "asked at once");
        waiting.iter().for_each(JoinHandle::abort);
    });
}

#[test]
fn fetch_that_ends_with_its_runtime_is_no_failure_of_the_source() {
    let world = World::new();
    let resolve = |need| {
        let (store, source, query) = (world.store.clone(), world.source.clone(), world.query.clone());
        async move { store.resolve(&source, &query, need).await }
    };
    let need = Freshness::After(world.store.arrival());
    on_one_thread(async {
        _ = tokio::time::timeout(Duration::from_millis(10), resolve(need)).await;
    });
    on_one_thread(async {
        let waiting = tokio::spawn(resolve(need));
        while world.issuer.calls.load(Ordering::SeqCst) < 2 {
            yield_now().await;
        }
        world.issuer.pending.lock().unwrap().pop_back().unwrap().send(false).unwrap();
        assert!(waiting.await.unwrap().is_ok());
    });
    assert_eq!(world.store.counts.failures.load(Ordering::SeqCst), 0);
}

#[test]
fn longest_wait_that_a_source_may_ask_for_does_no_harm() {
    struct Patient;
    impl PermissionSource for Patient {
        fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
            Box::pin(std::future::ready(Err(SourceError::new("later").retry_after(Duration::MAX))))
        }
    }
    on_one_thread(async {
        let world = World::new();
        let source = Source::new(Arc::new(Patient), Arc::default());
        let need = Freshness::After(world.store.arrival());
        let error = world.store.resolve(&source, &world.query, need).await.unwrap_err();
        assert_eq!(error.wants_retry_after(), Some(Duration::MAX));
    });
}

#[test]
fn outside_a_runtime_nothing_waits() {
    let world = World::new();
    let need = Freshness::After(world.store.arrival());
    let mut future = std::pin::pin!(world.store.resolve(&world.source, &world.query, need));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = future.as_mut().poll(&mut context) else { panic!("it must end at once") };
    assert!(error.to_string().contains("tokio"), "{error}");
}
