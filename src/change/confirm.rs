//! Asks whether suspensions that were loaded still hold.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
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
/// How many suspensions wait for issuers that are not trusted yet.
const MOST_WAITING: usize = 100_000;

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
    ///
    /// Those of issuers that are not trusted yet wait for their entry.
    pub(super) fn confirm(self: &Arc<Self>) {
        let mut unconfirmed = lock(&self.following.unconfirmed);
        let trusted: Vec<_> = unconfirmed.extract_if(|iss, _| self.entry_of(iss).is_some()).collect();
        let (mut room, mut lost) = (MOST_WAITING, 0);
        unconfirmed.retain(|_, suspensions| {
            let left = room.checked_sub(suspensions.len());
            lost += if left.is_none() { suspensions.len() } else { 0 };
            room = left.unwrap_or(room);
            left.is_some()
        });
        drop(unconfirmed);
        if lost > 0 {
            tracing::warn!(target: "orgate", suspensions = lost, "too many suspensions of issuers that are not trusted here: these stay in force");
        }
        if trusted.is_empty() {
            return;
        }
        let driver = match self.driver.running() {
            Ok(driver) => driver,
            Err(error) => return tracing::error!(target: "orgate", %error, "suspensions cannot be confirmed"),
        };
        for (iss, suspensions) in trusted {
            let confirming = Self::confirm_all(Arc::downgrade(self), iss, suspensions.into_iter().collect());
            self.following.keep(driver.runtime().spawn(confirming.boxed()).abort_handle());
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

    /// A log of this process alone, which holds facts from before. `late`: it has them once it was asked twice.
    struct Kept {
        facts: Vec<Fact>,
        late: bool,
    }

    impl Log for Kept {
        fn append<'a>(&'a self, _: &'a [Change]) -> BoxFuture<'a, Result<(), LogError>> {
            Box::pin(ready(Ok(())))
        }

        fn follow(&self, _: Arc<dyn Facts>) -> Box<dyn Updates> {
            Box::new(Keeping { facts: self.facts.clone().into_iter(), late: self.late, is_told: false })
        }

        fn must_be_confirmed(&self) -> bool {
            true
        }
    }

    struct Keeping {
        facts: vec::IntoIter<Fact>,
        late: bool,
        is_told: bool,
    }

    impl Updates for Keeping {
        fn next(&mut self) -> BoxFuture<'_, Option<Update>> {
            if std::mem::take(&mut self.late) {
                return Box::pin(pending());
            }
            match self.facts.next() {
                Some(fact) => Box::pin(ready(Some(Update::Fact(fact)))),
                None if !std::mem::replace(&mut self.is_told, true) => {
                    Box::pin(ready(Some(Update::current(Duration::ZERO))))
                }
                None => Box::pin(pending()),
            }
        }
    }

    const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    const NOON: Duration = Duration::from_secs(1_800_000_000);

    fn suspended(iss: &str) -> Fact {
        let rank = Rank::new(SystemTime::UNIX_EPOCH + NOON - Duration::from_secs(60), true);
        Fact::new(iss, FactKey::suspension("alice"), rank)
    }

    fn entry(iss: &str, says: Says) -> Issuer {
        Issuer::new(iss).jwks_json(KEYS).permissions(says)
    }

    fn server(first: Issuer, log: Kept) -> ResourceServer {
        let builder = ResourceServer::builder(first, "https://api.example.com").clock(TestClock::new(NOON));
        builder.change_log(log).build().unwrap()
    }

    fn is_suspended(server: &ResourceServer, iss: &str) -> bool {
        let changes = &server.state.changes;
        let id = changes.entry_of(iss).unwrap().id();
        changes.revocations.facts(id, changes.clock.now()).iter().any(|(_, rank)| rank.is_strict())
    }

    /// One question that hangs takes five seconds, and there are four.
    async fn lifted(server: &ResourceServer, iss: &str) {
        let lifted = async {
            while is_suspended(server, iss) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(10), lifted).await.expect("the suspension is lifted");
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
    async fn suspension_of_an_issuer_that_is_added_later_is_confirmed_then() {
        let (first, added, set) = ("https://a.example/oidc", "https://b.example/oidc", "https://c.example/oidc");
        let log = Kept { facts: vec![suspended(added), suspended(set)], late: false };
        let server = server(entry(first, Says::NotSuspended), log);
        server.state.changes.follow();
        server.add_issuer(entry(added, Says::NotSuspended)).unwrap();
        server.set_issuers([first, added, set].map(|iss| entry(iss, Says::NotSuspended))).unwrap();
        lifted(&server, added).await;
        lifted(&server, set).await;
        assert!(lock(&server.state.changes.following.unconfirmed).is_empty());
    }

    #[tokio::test]
    async fn suspension_that_a_log_has_later_is_confirmed_once_all_of_it_is_known() {
        let iss = "https://a.example/oidc";
        let server = server(entry(iss, Says::NotSuspended), Kept { facts: vec![suspended(iss)], late: true });
        server.state.changes.follow();
        let seen = async {
            while !server.state.changes.following.is_loaded.load(Ordering::Acquire) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(10), seen).await.expect("the log is taken in");
        lifted(&server, iss).await;
    }

    #[tokio::test]
    async fn source_that_hangs_keeps_no_suspension_of_another_issuer_in_force() {
        let (hanging, good) = ("https://a.example/oidc", "https://b.example/oidc");
        let log = Kept { facts: vec![suspended(hanging), suspended(good)], late: false };
        let builder = ResourceServer::builder(entry(hanging, Says::Nothing), "https://api.example.com");
        let builder = builder.issuer(entry(good, Says::NotSuspended)).clock(TestClock::new(NOON));
        let server = builder.change_log(log).build().unwrap();
        server.state.changes.follow();
        assert!(is_suspended(&server, hanging), "until the source says otherwise");
        lifted(&server, good).await;
        assert!(is_suspended(&server, hanging));
    }
}
