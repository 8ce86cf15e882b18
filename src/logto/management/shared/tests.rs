use std::sync::atomic::AtomicUsize;

use super::*;

fn want(began: Moment) -> Want {
    Want { began, after: Moment::default(), oldest: Duration::ZERO, is_content: false }
}

async fn since<T, F>(
    answer: &Answer<T>,
    began: Moment,
    order: &Order,
    ask: impl Fn(()) -> F + Sync,
) -> Result<Arc<T>, SourceError>
where
    T: Send + Sync + 'static,
    F: Future<Output = Result<T, SourceError>> + Send + 'static,
{
    answer.get(want(began), order, || Duration::ZERO, || Some(()), ask).await.map(Option::unwrap)
}

#[tokio::test]
async fn snapshots_that_began_before_share_an_answer() {
    let (order, answer, asked) = (Order::default(), Answer::default(), Arc::<AtomicUsize>::default());
    let ask = |()| {
        let asked = asked.clone();
        async move { Ok(asked.fetch_add(1, Ordering::SeqCst)) }
    };
    let (first, second) = (order.next(), order.next());
    assert_eq!(*since(&answer, first, &order, ask).await.unwrap(), 0);
    assert_eq!(*since(&answer, second, &order, ask).await.unwrap(), 0);
    assert_eq!(*since(&answer, order.next(), &order, ask).await.unwrap(), 1);
    assert_eq!(*since(&answer, first, &order, ask).await.unwrap(), 1);
}

#[tokio::test]
async fn burst_asks_twice_and_fails_twice() {
    for fails in [false, true] {
        let shared = Arc::new((Order::default(), Answer::default(), AtomicUsize::new(0)));
        let snapshots = (0..100).map(|number| {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let (order, answer, _) = &*shared;
                if number >= 50 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                let ask = |()| {
                    let shared = Arc::clone(&shared);
                    async move {
                        shared.2.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        if fails { Err(SourceError::new("down")) } else { Ok(()) }
                    }
                };
                since(answer, order.next(), order, ask).await.is_err()
            })
        });
        for snapshot in snapshots.collect::<Vec<_>>() {
            assert_eq!(snapshot.await.unwrap(), fails);
        }
        assert_eq!(shared.2.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn question_goes_on_when_the_snapshot_that_asked_it_is_dropped() {
    let (order, answer) = (Order::default(), Answer::default());
    let (asked, go_on) = (Arc::<AtomicUsize>::default(), Arc::new(tokio::sync::Notify::new()));
    let ask = |()| {
        let (asked, go_on) = (asked.clone(), go_on.clone());
        async move {
            asked.fetch_add(1, Ordering::SeqCst);
            go_on.notified().await;
            Ok(7)
        }
    };
    let began = order.next();
    assert!(timeout(Duration::from_millis(10), since(&answer, began, &order, ask)).await.is_err());
    go_on.notify_one();
    assert_eq!(*since(&answer, began, &order, ask).await.unwrap(), 7);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn snapshot_without_a_call_keeps_none_from_those_who_have_one() {
    let (order, answer) = (Order::default(), Answer::default());
    let get = async |may_ask: bool| {
        answer
            .get(want(order.next()), &order, || Duration::ZERO, || may_ask.then_some(()), |()| async { Ok(7) })
            .await
            .unwrap()
    };
    let answers = tokio::join!(get(false), get(true), get(false), get(true));
    assert_eq!((answers.1.as_deref(), answers.3.as_deref()), (Some(&7), Some(&7)));
    assert!([answers.0, answers.2].into_iter().flatten().all(|answer| *answer == 7));
}

#[tokio::test]
async fn panic_of_the_client_is_an_error_and_the_next_one_asks_again() {
    let (order, answer) = (Order::default(), Answer::<u8>::default());
    let began = order.next();
    let panics = |()| async { panic!("the client") };
    assert!(since(&answer, began, &order, panics).await.unwrap_err().to_string().contains("panicked"));
    assert_eq!(*since(&answer, began, &order, |()| async { Ok(7) }).await.unwrap(), 7);
}

#[tokio::test]
async fn answer_serves_on_only_where_it_may_not_be_asked_for() {
    let (shared, order) = (Shared::default(), Order::default());
    let answer = shared.role("r");
    let at = Duration::from_secs(100);
    let ask = |say: &'static str| move |()| async move { Ok(vec![(say.to_owned(), String::new())]) };
    let said = |answer: Option<Arc<Pairs>>| answer.map(|pairs| pairs[0].0.clone());
    let get = async |want, may_ask: bool, say| {
        said(answer.get(want, &order, || at, || may_ask.then_some(()), ask(say)).await.unwrap())
    };

    assert_eq!(get(want(order.next()), false, "a").await, None);
    assert_eq!(get(want(order.next()), true, "b").await.as_deref(), Some("b"));
    assert_eq!(get(want(order.next()), false, "c").await.as_deref(), Some("b"));
    let content = Want { is_content: true, ..want(order.next()) };
    assert_eq!(get(content, true, "d").await.as_deref(), Some("b"));
    assert_eq!(get(Want { oldest: at, ..content }, true, "d").await.as_deref(), Some("b"));
    let younger = Want { oldest: at + Duration::from_millis(1), ..want(order.next()) };
    assert_eq!(get(younger, false, "e").await, None);

    shared.forget(&order);
    let after = Want { after: shared.forgotten(), ..want(order.next()) };
    assert_eq!(get(Want { is_content: true, ..after }, false, "f").await, None);
    assert_eq!(get(after, true, "g").await.as_deref(), Some("g"));

    // A failure does not take away what was known.
    let failing = |()| async { Err(SourceError::new("down")) };
    assert!(answer.get(want(order.next()), &order, || at, || Some(()), failing).await.is_err());
    assert_eq!(get(want(order.next()), false, "h").await.as_deref(), Some("g"));
}
