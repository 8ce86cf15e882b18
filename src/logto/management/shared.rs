//! What all subjects have in common: the organization template, the resources, what global roles hold.
//!
//! Nothing here is a cache: an answer serves only who began before it was asked for. So a burst of snapshots asks once or
//! twice for what they share, and none of them rests on something that was read before it began.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::records::Template;
use crate::permissions::source::SourceError;

/// More roles than that, and those known are forgotten: it costs calls and changes no answer.
const MOST_ROLES: usize = 256;

/// The order of what begins: snapshots, and questions that they share.
#[derive(Debug, Default)]
pub(super) struct Order(AtomicU64);

/// A moment in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Order {
    pub(super) fn next(&self) -> Moment {
        Moment(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// Pairs of a resource and something of it.
pub(super) type Pairs = Vec<(String, String)>;

#[derive(Default)]
pub(super) struct Shared {
    pub(super) template: Answer<Template>,
    /// Ids and indicators.
    pub(super) resources: Answer<Pairs>,
    roles: Mutex<HashMap<String, Arc<Answer<Pairs>>>>,
}

impl Shared {
    /// What a global role holds: indicators and scopes.
    pub(super) fn role(&self, id: &str) -> Arc<Answer<Pairs>> {
        let mut roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        if roles.len() >= MOST_ROLES && !roles.contains_key(id) {
            roles.clear();
        }
        roles.entry(id.to_owned()).or_default().clone()
    }
}

/// The last answer to one question.
pub(super) struct Answer<T> {
    /// When it was asked for, and what came of it.
    last: Mutex<Option<(Moment, Outcome<T>)>>,
    /// Whoever has the turn asks; the others wait for what comes of it.
    turn: Semaphore,
}

type Outcome<T> = Result<Arc<T>, SourceError>;

impl<T> Answer<T> {
    /// The answer for a snapshot that began at `began`: one that was asked for since, or `ask`'s.
    pub(super) async fn since(
        &self,
        began: Moment,
        order: &Order,
        ask: impl Future<Output = Result<T, SourceError>>,
    ) -> Outcome<T> {
        let known = || {
            let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.as_ref().filter(|(asked, _)| *asked > began).map(|(_, outcome)| outcome.clone())
        };
        if let Some(outcome) = known() {
            return outcome;
        }
        let _turn = self.turn.acquire().await.map_err(SourceError::new)?;
        if let Some(outcome) = known() {
            return outcome;
        }
        let asked = order.next();
        let outcome = ask.await.map(Arc::new);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((asked, outcome.clone()));
        outcome
    }
}

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self { last: Mutex::new(None), turn: Semaphore::new(1) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn who_began_before_shares() {
        let (order, answer, asked) = (Order::default(), Answer::default(), AtomicUsize::new(0));
        let ask = async || Ok(asked.fetch_add(1, Ordering::SeqCst));
        let (first, second) = (order.next(), order.next());
        assert_eq!(*answer.since(first, &order, ask()).await.unwrap(), 0);
        assert_eq!(*answer.since(second, &order, ask()).await.unwrap(), 0);
        assert_eq!(*answer.since(order.next(), &order, ask()).await.unwrap(), 1);
        assert_eq!(*answer.since(first, &order, ask()).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_burst_asks_twice_and_fails_twice() {
        for fails in [false, true] {
            let shared = Arc::new((Order::default(), Answer::default(), AtomicUsize::new(0)));
            let snapshots = (0..100).map(|number| {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let (order, answer, asked) = &*shared;
                    if number >= 50 {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    let ask = async {
                        asked.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        if fails { Err(SourceError::new("down")) } else { Ok(()) }
                    };
                    answer.since(order.next(), order, ask).await.is_err()
                })
            });
            for snapshot in snapshots.collect::<Vec<_>>() {
                assert_eq!(snapshot.await.unwrap(), fails);
            }
            assert_eq!(shared.2.load(Ordering::SeqCst), 2);
        }
    }

    #[tokio::test]
    async fn who_goes_away_leaves_the_turn_to_the_next() {
        let (order, answer) = (Order::default(), Answer::default());
        let began = order.next();
        let hanging = answer.since(began, &order, std::future::pending());
        assert!(tokio::time::timeout(Duration::from_millis(10), hanging).await.is_err());
        assert_eq!(*answer.since(began, &order, async { Ok(7) }).await.unwrap(), 7);
    }
}
