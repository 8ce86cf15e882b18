//! Asks whether suspensions that were loaded still hold.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::apply::Changes;
use super::change::Change;
use super::fact::{Fact, FactKey};
use crate::permissions::PermissionSource;

/// Between two questions: live permissions are asked for from the same budget.
const PAUSE: Duration = Duration::from_millis(250);
const LIMIT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 4;

/// `None` if the source does not say.
async fn ask(source: &dyn PermissionSource, subject: &str) -> Option<bool> {
    for attempt in 1..=ATTEMPTS {
        let error = match tokio::time::timeout(LIMIT, source.is_suspended(subject)).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        if attempt < ATTEMPTS {
            let wanted = error.and_then(|error| error.wants_retry_after()).unwrap_or(PAUSE);
            tokio::time::sleep(wanted.clamp(PAUSE, Duration::from_secs(60))).await;
        }
    }
    None
}

impl Changes {
    /// A clear no ends the suspension that was loaded, and none that is newer. Without an answer it stays.
    pub(super) async fn confirm_all(server: Weak<Self>, suspensions: Vec<Fact>) {
        let (mut lifted, mut unanswered) = (0_u64, 0_u64);
        for fact in suspensions {
            let FactKey::Suspension { subject } = fact.key() else { continue };
            let Some(source) = server.upgrade().and_then(|server| server.permissions_of(fact.issuer())) else {
                continue;
            };
            match ask(&*source, subject).await {
                Some(false) => {
                    let Some(server) = server.upgrade() else { return };
                    let at = fact.rank().at() + Duration::from_millis(1);
                    if server.apply_to(fact.issuer(), Change::restored(fact.issuer(), subject.clone(), at)).is_some() {
                        lifted += 1;
                    }
                }
                Some(true) => {}
                None => unanswered += 1,
            }
            tokio::time::sleep(PAUSE).await;
        }
        if lifted > 0 {
            tracing::warn!(target: "orgate", lifted, "suspensions ended while the change log was not open");
        }
        if unanswered > 0 {
            tracing::warn!(target: "orgate", unanswered, "suspensions could not be confirmed: they stay in force");
        }
    }

    fn permissions_of(&self, iss: &str) -> Option<Arc<dyn PermissionSource>> {
        Some(self.entry_of(iss)?.permissions.as_ref()?.ask.clone())
    }

    fn apply_to(self: &Arc<Self>, iss: &str, change: Change) -> Option<()> {
        self.apply(self.entry_of(iss)?.id(), [change])
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::future::BoxFuture;
    use crate::permissions::{PermissionQuery, Permissions, SourceError};

    #[derive(Default)]
    struct Failing(AtomicU32);

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

    #[tokio::test]
    async fn failing_source_is_asked_again_only_after_a_pause() {
        let source = Failing::default();
        let mut asking = pin!(ask(&source, "alice"));
        assert_eq!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
        assert_eq!(source.0.load(Ordering::Relaxed), 1);
        assert_eq!(asking.await, None);
        assert_eq!(source.0.load(Ordering::Relaxed), ATTEMPTS);
    }
}
