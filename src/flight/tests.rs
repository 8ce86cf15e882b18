//! Waiters that hang up, code that panics, runtimes that end or stand still.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::launch::End;
use super::*;

const LONG: Duration = Duration::from_secs(20);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn never() -> impl Future<Output = u32> + Send + 'static {
    std::future::pending()
}

#[tokio::test]
async fn everybody_receives_the_value_of_one_task() {
    let (flights, calls) = (SingleFlight::<&str, usize>::default(), Arc::new(AtomicUsize::new(0)));
    let work = || {
        let calls = calls.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            calls.fetch_add(1, Ordering::SeqCst)
        }
    };
    let joined = futures_util::future::join_all((0..100).map(|_| flights.join("a", LONG, work))).await;
    assert!(joined.iter().all(|value| *value == Ok(Ok(0))));
    assert_eq!(flights.join("a", LONG, work).await, Ok(Ok(1)), "a task that has ended is not joined");
    assert_eq!(flights.under_way(), 0);
}

#[tokio::test]
async fn waiter_that_hangs_up_ends_nothing() {
    let flights = SingleFlight::<(), u32>::default();
    let (send, receive) = oneshot::channel::<u32>();
    let receive = Arc::new(std::sync::Mutex::new(Some(receive)));
    let work = || {
        let receive = receive.lock().unwrap().take().expect("one task");
        async move { receive.await.unwrap() }
    };
    let first = tokio::time::timeout(Duration::from_millis(5), flights.join((), LONG, work)).await;
    assert!(first.is_err());
    let (second, ()) = tokio::join!(flights.join((), LONG, work), async {
        yield_now().await;
        send.send(7).unwrap();
    });
    assert_eq!(second, Ok(Ok(7)));
}

#[tokio::test]
async fn panic_is_told_to_everybody_and_the_next_one_starts_another() {
    let flights = SingleFlight::<(), u32>::default();
    let panics = || async {
        yield_now().await;
        panic!("a bug of the client")
    };
    let joined = tokio::join!(flights.join((), LONG, panics), flights.join((), LONG, panics));
    assert_eq!(joined, (Ok(Err(Panicked)), Ok(Err(Panicked))));
    assert_eq!(flights.join((), LONG, || async { 1 }).await, Ok(Ok(1)));
    // At once, before there is a future.
    let caught =
        std::panic::AssertUnwindSafe(flights.join((), LONG, || -> std::future::Ready<u32> { panic!("a bug") }));
    let caught = futures_util::FutureExt::catch_unwind(caught).await;
    assert!(caught.is_err());
    assert_eq!(flights.join((), LONG, || async { 2 }).await, Ok(Ok(2)), "nothing is left behind");
}

#[test]
fn runtime_that_ends_takes_no_other_waiter_along() {
    let flights = Arc::new(SingleFlight::<(), u32>::default());
    let ending = runtime();
    ending.block_on(async {
        let mut hung_up = Box::pin(flights.join((), LONG, never));
        assert!(tokio::time::timeout(Duration::from_millis(5), hung_up.as_mut()).await.is_err());
    });
    let waiting = std::thread::spawn({
        let flights = flights.clone();
        move || runtime().block_on(flights.join((), LONG, || async { 3 }))
    });
    std::thread::sleep(Duration::from_millis(50));
    assert!(!waiting.is_finished(), "it waits for the task of the other runtime");
    drop(ending);
    assert_eq!(waiting.join().unwrap(), Ok(Ok(3)));
}

#[test]
fn runtime_that_stands_still_is_given_up() {
    let flights = SingleFlight::<(), u32>::default();
    let still = runtime();
    still.block_on(async {
        _ = tokio::time::timeout(Duration::from_millis(5), flights.join((), LONG, never)).await;
    });
    let short = Duration::from_millis(30);
    assert_eq!(runtime().block_on(flights.join((), short, || async { 4 })), Err(Unfinished::Late));
    assert_eq!(runtime().block_on(flights.join((), short, || async { 5 })), Ok(Ok(5)));
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let flights = SingleFlight::<(), u32>::default();
    let flight = Flight::default();
    let ends = Arc::new(std::sync::Mutex::new(Vec::new()));
    let landed = ends.clone();
    futures_util::FutureExt::now_or_never(async {
        assert_eq!(flights.join((), LONG, never).await, Err(Unfinished::NoRuntime));
        flight.start(never(), move |end| landed.lock().unwrap().push(end));
        assert_eq!(flight.wait(LONG, || None::<()>).await, Err(Unfinished::NoRuntime));
    })
    .expect("nothing waits");
    assert_eq!(*ends.lock().unwrap(), [End::Lost]);
    assert_eq!(flights.under_way(), 0);
}

#[tokio::test]
async fn task_that_is_replaced_or_left_by_its_owner_lands_as_lost() {
    let ends = Arc::new(std::sync::Mutex::new(Vec::new()));
    let flight = Flight::default();
    for _ in 0..2 {
        let ends = ends.clone();
        flight.start(never(), move |end| ends.lock().unwrap().push(end));
        yield_now().await;
    }
    yield_now().await;
    assert_eq!(*ends.lock().unwrap(), [End::Lost]);
    drop(flight);
    yield_now().await;
    yield_now().await;
    assert_eq!(*ends.lock().unwrap(), [End::Lost, End::Lost]);
}

#[tokio::test]
async fn owner_is_asked_again_after_each_landing_and_no_longer_than_it_may() {
    let flight = Flight::default();
    let landings = Arc::new(AtomicUsize::new(0));
    let mut asked = 0;
    let waited = flight.wait(LONG, || {
        asked += 1;
        let landed = landings.load(Ordering::SeqCst);
        if landed == 3 {
            return Some(landed);
        }
        let landings = landings.clone();
        flight.start(yield_now(), move |_| _ = landings.fetch_add(1, Ordering::SeqCst));
        None
    });
    assert_eq!(waited.await, Ok(3));
    assert_eq!(asked, 4);
    assert_eq!(flight.wait(Duration::from_millis(5), || None::<()>).await, Err(Unfinished::Late));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody asks, on one of three runtimes.
    Join(usize),
    /// The oldest waiter hangs up.
    HangUp,
    /// The oldest task ends, or panics.
    Land(bool),
    /// A runtime ends, and another takes its place.
    EndRuntime(usize),
}

type Work = oneshot::Sender<bool>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, whoever waits on a runtime that is driven receives a value or hears of a panic.
    #[test]
    fn whoever_waits_is_served_whatever_happens(
        steps in prop::collection::vec(
            prop_oneof![
                4 => (0..3_usize).prop_map(Step::Join),
                1 => Just(Step::HangUp),
                2 => prop::bool::weighted(0.8).prop_map(Step::Land),
                2 => (0..3_usize).prop_map(Step::EndRuntime),
            ],
            1..40,
        )
    ) {
        let flights = Arc::new(SingleFlight::<(), bool>::default());
        let tasks: Arc<std::sync::Mutex<Vec<Work>>> = Arc::default();
        let mut runtimes: Vec<Option<Runtime>> = (0..3).map(|_| Some(runtime())).collect();
        let mut waiters = Vec::new();
        // A runtime is driven only here, so that every history is one order.
        let turn = |runtimes: &[Option<Runtime>]| for _ in 0..4 {
            for runtime in runtimes.iter().flatten() {
                runtime.block_on(async { for _ in 0..4 { yield_now().await; } });
            }
        };
        let join = |runtimes: &[Option<Runtime>], at: usize| {
            let (flights, tasks) = (flights.clone(), tasks.clone());
            let work = move || {
                let (send, receive) = oneshot::channel();
                tasks.lock().unwrap().push(send);
                async move { if receive.await.expect("it is told") { true } else { panic!("as told") } }
            };
            runtimes[at].as_ref().unwrap().spawn(async move { flights.join((), LONG, work).await })
        };
        for step in steps {
            match step {
                Step::Join(at) => waiters.push((at, join(&runtimes, at))),
                Step::HangUp if !waiters.is_empty() => waiters.remove(0).1.abort(),
                Step::HangUp => {}
                Step::Land(good) => {
                    let open = tasks.lock().unwrap().iter().position(|task| !task.is_closed());
                    if let Some(at) = open {
                        _ = tasks.lock().unwrap().remove(at).send(good);
                    }
                }
                Step::EndRuntime(at) => {
                    waiters.retain(|(of, _)| *of != at);
                    drop(runtimes[at].take());
                    runtimes[at] = Some(runtime());
                }
            }
            turn(&runtimes);
            prop_assert!(flights.under_way() <= 1);
            prop_assert!(tasks.lock().unwrap().iter().filter(|task| !task.is_closed()).count() <= 1, "one task at a time");
        }
        let open: Vec<_> = tasks.lock().unwrap().drain(..).filter(|task| !task.is_closed()).collect();
        prop_assert!(!open.is_empty() || waiters.iter().all(|(_, waiter)| waiter.is_finished()));
        for task in open {
            _ = task.send(true);
        }
        turn(&runtimes);
        for (at, waiter) in waiters {
            let outcome = runtimes[at].as_ref().unwrap().block_on(waiter).unwrap();
            prop_assert!(matches!(outcome, Ok(Ok(true) | Err(Panicked))), "{outcome:?}");
        }
        prop_assert_eq!(flights.under_way(), 0);
    }
}
