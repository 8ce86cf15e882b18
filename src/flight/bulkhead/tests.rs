use std::task::Poll;

use proptest::prelude::*;

use super::*;

fn who(name: &str) -> Arc<str> {
    name.into()
}

/// Polls once: `None` while it waits.
fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[test]
fn subject_has_half_of_the_slots_and_a_quarter_of_the_queue() {
    let bulkhead = Arc::new(Bulkhead::new(4, 8));
    let (greedy, other) = (who("greedy"), who("other"));
    let mut slots = Vec::new();
    while let Some(slot) = bulkhead.try_enter(Some(&greedy)) {
        slots.push(slot);
    }
    assert_eq!(slots.len(), 2);
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(bulkhead.enter(Some(&greedy)))).collect();
    let polled: Vec<_> = waiting.iter_mut().map(|place| poll(place.as_mut()).map(|slot| slot.is_ok())).collect();
    assert_eq!(polled, [None, None, Some(false)]);
    let mine = [bulkhead.try_enter(Some(&other)), bulkhead.try_enter(Some(&other))];
    assert!(mine.iter().all(Option::is_some));
    assert!(bulkhead.try_enter(Some(&other)).is_none(), "all four are taken");
}

#[test]
fn free_slot_goes_to_whoever_has_the_fewest() {
    let bulkhead = Arc::new(Bulkhead::new(2, 100));
    let (greedy, other) = (who("greedy"), who("other"));
    let (first, second) = (bulkhead.try_enter(Some(&greedy)).unwrap(), bulkhead.try_enter(None).unwrap());
    let mut late: Vec<_> = (0..10).map(|_| Box::pin(bulkhead.enter(Some(&greedy)))).collect();
    assert!(late.iter_mut().all(|place| poll(place.as_mut()).is_none()));
    let mut newcomer = Box::pin(bulkhead.enter(Some(&other)));
    assert!(poll(newcomer.as_mut()).is_none());
    drop(second);
    assert!(poll(newcomer.as_mut()).is_some_and(|slot| slot.is_ok()));
    drop(first);
    assert!(poll(late[0].as_mut()).is_some_and(|slot| slot.is_ok()));
}

#[test]
fn whoever_hangs_up_leaves_the_queue_and_gives_a_granted_slot_back() {
    let bulkhead = Arc::new(Bulkhead::new(1, 2));
    let held = bulkhead.try_enter(None).unwrap();
    let mut first = Box::pin(bulkhead.enter(None));
    let mut second = Box::pin(bulkhead.enter(None));
    assert!(poll(first.as_mut()).is_none() && poll(second.as_mut()).is_none());
    assert_eq!(poll(Box::pin(bulkhead.enter(None)).as_mut()).map(|slot| slot.is_err()), Some(true));
    // Granted, and gone before it was polled.
    drop(held);
    drop(first);
    assert!(poll(second.as_mut()).is_some_and(|slot| slot.is_ok()));
    drop(second);
    assert!(bulkhead.try_enter(None).is_some());
    assert!(bulkhead.lock().waiting.is_empty() && bulkhead.lock().held.is_empty());
}

proptest! {
    #[test]
    fn slots_are_never_exceeded_and_never_lost(steps in prop::collection::vec((0..4_u8, 0..4_usize, 0..8_usize), 0..80)) {
        let bulkhead = Arc::new(Bulkhead::new(3, 8));
        let mut waiting = Vec::new();
        let mut slots = Vec::new();
        for (step, subject, at) in steps {
            match step {
                0 | 1 => {
                    let (bulkhead, subject) = (bulkhead.clone(), who(&subject.to_string()));
                    waiting.push(Box::pin(async move { bulkhead.enter(Some(&subject)).await }));
                }
                2 if !slots.is_empty() => _ = slots.remove(at % slots.len()),
                3 if !waiting.is_empty() => drop(waiting.remove(at % waiting.len())),
                _ => {}
            }
            waiting.retain_mut(|place| match poll(place.as_mut()) {
                None => true,
                Some(entered) => {
                    slots.extend(entered.ok());
                    false
                }
            });
            let state = bulkhead.lock();
            prop_assert_eq!(state.taken, slots.len());
            prop_assert!(state.taken <= 3 && state.waiting.len() == waiting.len());
            prop_assert!(state.held.values().all(|held| (1..=2).contains(held)));
            let could_enter = |waiter: &Waiter| state.held_by(waiter.who.as_ref().unwrap()) < 2;
            prop_assert!(state.taken == 3 || !state.waiting.iter().any(could_enter));
        }
    }
}
