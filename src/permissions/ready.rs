//! Whether permission sources could be asked, before the first request needs one.

use std::sync::Arc;
use std::time::Duration;

use super::source_error::SourceError;
use super::store::Source;
use crate::issuer::keys::NotReady;

/// By then a source must have said so.
const DEADLINE: Duration = Duration::from_secs(5);

/// Asks all at once.
pub(crate) async fn all_ready(sources: Vec<(Arc<str>, Source)>) -> Result<(), NotReady> {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        let error = || SourceError::new("there is no tokio runtime to ask it in");
        return sources.into_iter().next().map_or(Ok(()), |(issuer, _)| Err(NotReady::without_source(issuer, error())));
    };
    let late = || SourceError::new(format!("no answer within {} s", DEADLINE.as_secs()));
    let ask = |(issuer, source): (_, Source)| {
        let asked =
            async move { tokio::time::timeout(DEADLINE, source.ask.ready()).await.unwrap_or_else(|_| Err(late())) };
        (issuer, runtime.spawn(asked))
    };
    // Each is started before the first is waited for.
    let waits: Vec<_> = sources.into_iter().map(ask).collect();
    for (issuer, task) in waits {
        let outcome = task.await.unwrap_or_else(|_| Err(SourceError::new("it panicked when it was asked")));
        outcome.map_err(|error| NotReady::without_source(issuer, error))?;
    }
    Ok(())
}
