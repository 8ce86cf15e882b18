//! Asks whether suspensions that were loaded still hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use super::apply::Changes;
use super::change::Change;
use super::fact::{Fact, FactKey};
use crate::flight::Full;
use crate::lock::lock;
use crate::permissions::Source;

/// Between two questions: live permissions are asked for from the same budget.
const PAUSE: Duration = Duration::from_millis(250);
const LIMIT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 4;

/// Asks when a slot of the source is free, beside the fetches of requests. `None` if the source does not say.
async fn ask(source: &Source, subject: &str) -> Option<bool> {
    for attempt in 1..=ATTEMPTS {
        let slot = loop {
            match source.slots.enter(None).await {
                Ok(slot) => break slot,
                Err(Full) => sleep(PAUSE).await,
            }
        };
        let outcome = timeout(LIMIT, source.ask.is_suspended(subject)).await;
        drop(slot);
        let error = match outcome {
            Ok(Ok(answer)) => return answer,
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        if attempt < ATTEMPTS {
            let wanted = error.and_then(|error| error.wants_retry_after()).unwrap_or(PAUSE);
            sleep(wanted.clamp(PAUSE, Duration::from_secs(60))).await;
        }
    }
    None
}

impl Changes {
    /// Asks about what was loaded and may have ended: of each issuer entry by itself, so that one whose source hangs delays none
    /// of another.
    pub(super) fn confirm(self: &Arc<Self>, runtime: &Handle) {
        let unconfirmed = std::mem::take(&mut *lock(&self.following.unconfirmed));
        let mut by_issuer: BTreeMap<Arc<str>, Vec<Fact>> = BTreeMap::new();
        for fact in unconfirmed {
            let Some(entry) = self.entry_of(fact.issuer()) else { continue };
            by_issuer.entry(entry.iss().clone()).or_default().push(fact);
        }
        for (iss, suspensions) in by_issuer {
            let confirming = Self::confirm_all(Arc::downgrade(self), iss, suspensions);
            self.following.keep(runtime.spawn(confirming.boxed()).abort_handle());
        }
    }

    /// A clear no ends the suspension that was loaded, and none that is newer. Without an answer it stays.
    async fn confirm_all(server: Weak<Self>, iss: Arc<str>, suspensions: Vec<Fact>) {
        let (mut lifted, mut unanswered) = (0_u64, 0_u64);
        for fact in suspensions {
            let FactKey::Suspension { subject } = fact.key() else { continue };
            let Some(source) = server.upgrade().and_then(|server| server.permissions_of(&iss)) else { continue };
            match ask(&source, subject).await {
                Some(false) => {
                    let Some(server) = server.upgrade() else { return };
                    let at = fact.rank().at() + Duration::from_millis(1);
                    if server.apply_to(&iss, Change::restored(&*iss, subject.clone(), at)).is_some() {
                        lifted += 1;
                    }
                }
                Some(true) => {}
                None => unanswered += 1,
            }
            sleep(PAUSE).await;
        }
        if lifted > 0 {
            tracing::warn!(target: "orgate", issuer = &*iss, lifted, "suspensions ended while the change log was not open");
        }
        if unanswered > 0 {
            tracing::warn!(target: "orgate", issuer = &*iss, unanswered, "suspensions could not be confirmed: they stay in force");
        }
    }

    fn permissions_of(&self, iss: &str) -> Option<Source> {
        self.entry_of(iss)?.permissions.clone()
    }

    fn apply_to(self: &Arc<Self>, iss: &str, change: Change) -> Option<()> {
        self.apply(self.entry_of(iss)?.id(), [change])
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future as _, pending, ready};
    use std::pin::pin;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Context, Poll, Waker};
    use std::time::SystemTime;
    use std::vec;

    use super::*;
    use crate::change::{Facts, Log, LogError, Rank, Update, Updates};
    use crate::future::BoxFuture;
    use crate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
    use crate::testing::TestClock;
    use crate::{Issuer, ResourceServer};

    #[derive(Default)]
    struct Failing(AtomicU32);

    /// Says of everybody that there is no suspension, or nothing at all, ever.
    #[derive(Clone, Copy, PartialEq)]
    enum Says {
        NotSuspended,
        Nothing,
    }

    impl PermissionSource for Failing {
        fn permissions<'a>(&'a self, _query: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
            Box::pin(async { Ok(Permissions::none()) })
        }

        fn is_suspended<'a>(&'a self, _subject_id: &'a str) -> BoxFuture<'a, Result<Option<bool>, SourceError>> {
            Box::pin(async {
                self.0.fetch_add(1, Ordering::Relaxed);
                Err(SourceError::new("down"))
            })
        }
    }

    impl PermissionSource for Says {
        fn permissions<'a>(&'a self, _query: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
            Box::pin(async { Ok(Permissions::none()) })
        }

        fn is_suspended<'a>(&'a self, _subject_id: &'a str) -> BoxFuture<'a, Result<Option<bool>, SourceError>> {
            Box::pin(async {
                if *self == Self::Nothing {
                    pending::<()>().await;
                }
                Ok(Some(false))
            })
        }
    }

    /// A log of this process alone, which holds facts from before.
    struct Kept(Vec<Fact>);

    impl Log for Kept {
        fn append<'a>(&'a self, _: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>> {
            Box::pin(ready(Ok(())))
        }

        fn follow(&self, _: Arc<dyn Facts>) -> Box<dyn Updates> {
            Box::new(self.0.clone().into_iter())
        }

        fn must_be_confirmed(&self) -> bool {
            true
        }
    }

    impl Updates for vec::IntoIter<Fact> {
        fn next(&mut self) -> BoxFuture<'_, Option<Update>> {
            match Iterator::next(self) {
                Some(fact) => Box::pin(ready(Some(Update::Fact(fact)))),
                None => Box::pin(pending()),
            }
        }
    }

    #[tokio::test]
    async fn failing_source_is_asked_again_only_after_a_pause() {
        let failing = Arc::new(Failing::default());
        let source = Source::new(failing.clone(), Arc::default());
        let mut asking = pin!(ask(&source, "alice"));
        assert_eq!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
        assert_eq!(failing.0.load(Ordering::Relaxed), 1);
        assert_eq!(asking.await, None);
        assert_eq!(failing.0.load(Ordering::Relaxed), ATTEMPTS);
    }

    #[tokio::test]
    async fn question_waits_for_a_slot_of_its_source() {
        let source = Source::new(Arc::new(Says::NotSuspended), Arc::default());
        let mut taken: Vec<_> = std::iter::from_fn(|| source.slots.try_enter(None)).collect();
        let mut asking = pin!(ask(&source, "alice"));
        assert_eq!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
        taken.pop();
        assert_eq!(asking.await, Some(false));
    }

    #[tokio::test]
    async fn source_that_hangs_keeps_no_suspension_of_another_issuer_in_force() {
        const KEYS: &str =
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        const NOON: Duration = Duration::from_secs(1_800_000_000);
        let (hanging, good) = ("https://a.example/oidc", "https://b.example/oidc");
        let suspended = |iss| {
            let rank = Rank::new(SystemTime::UNIX_EPOCH + NOON - Duration::from_secs(60), true);
            Fact::new(iss, FactKey::suspension("alice"), rank)
        };
        let entry = |iss, says: Says| Issuer::new(iss).jwks_json(KEYS).permissions(says);
        let server = ResourceServer::builder(entry(hanging, Says::Nothing), "https://api.example.com")
            .issuer(entry(good, Says::NotSuspended))
            .clock(TestClock::new(NOON))
            .change_log(Kept(vec![suspended(hanging), suspended(good)]))
            .build()
            .unwrap();
        let changes = &server.state.changes;
        changes.follow();
        let is_suspended = |iss| {
            let id = changes.entry_of(iss).unwrap().id();
            changes.revocations.facts(id, changes.clock.now()).iter().any(|(_, rank)| rank.is_strict())
        };
        assert!(is_suspended(hanging), "until the source says otherwise");
        let lifted = async {
            while is_suspended(good) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        // One question that hangs takes five seconds, and there are four.
        timeout(Duration::from_secs(10), lifted).await.expect("the suspension is lifted");
        assert!(is_suspended(hanging));
    }
}
