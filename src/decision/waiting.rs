//! How long a decision is waited for, and whose fault it is if there is none by then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::DecisionError;

const LIMIT: Duration = Duration::from_secs(2);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Whether the point gave answers that a decision could not use: they were for another request, or overtaken by an
/// invalidation.
///
/// From then on the point is known to be reachable, and what ends is the patience of this process.
#[derive(Default)]
pub(super) struct Unused(AtomicBool);

impl Unused {
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A point of the application's own may forget to end.
pub(crate) async fn in_time<T>(deciding: impl Future<Output = Result<T, DecisionError>>) -> Result<T, DecisionError> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(DecisionError::wrong("decisions need a tokio runtime"));
    }
    let late = || DecisionError::unavailable(format_args!("no answer within {} s", LIMIT.as_secs()));
    tokio::time::timeout(LIMIT, deciding).await.unwrap_or_else(|_| Err(late()))
}

/// The same, for what notes answers that it could not use.
pub(super) async fn in_time_with<T>(
    unused: &Unused,
    deciding: impl Future<Output = Result<T, DecisionError>>,
) -> Result<T, DecisionError> {
    let in_time = in_time(async { Ok(deciding.await) }).await;
    in_time.unwrap_or_else(|late| {
        let is_ours = late.is_unavailable() && unused.any();
        Err(if is_ours { limit_of_ours("not decided in time: earlier answers could not be used") } else { late })
    })
}

/// The point answered each time, and how often it is asked is a limit of this process.
pub(super) fn overtaken() -> DecisionError {
    limit_of_ours("permissions kept changing while they were asked for; gave up")
}

fn limit_of_ours(detail: impl std::fmt::Display) -> DecisionError {
    DecisionError::wrong(detail).with_retry_after(RETRY_AFTER)
}
