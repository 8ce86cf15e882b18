//! Reading a whole tenant: more calls than one window has, and no part of it left out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::try_join_all;
use tokio::time::{sleep, timeout};

use super::api::{Api, List, Page};
use super::question::Question;
use super::records::{self, Malformed};
use crate::json::Object;
use crate::permissions::SourceError;

/// So many questions are under way.
const AT_A_TIME: usize = 8;
/// A call that could not begin for so long is given up.
const MOST_WAIT: Duration = Duration::from_secs(5 * 60);
/// How often the clock is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// A reading, which leaves a part of the calls to the snapshots of requests.
pub(super) struct Reading<'a>(pub(super) &'a Arc<Api>);

impl Reading<'_> {
    /// A whole list. That of which it is must exist: it was listed a moment ago.
    pub(super) async fn list<T>(
        &self,
        question: Question<'_>,
        read: fn(&Object<'_>) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, SourceError> {
        let mut list = List::default();
        for number in 1.. {
            let page = self.page(question, number).await?;
            if list.add(question, &page, |body| records::read_each(body, read))? {
                break;
            }
        }
        Ok(list.found)
    }

    /// The whole list of each of these ids, in their order.
    pub(super) async fn each<'i, T: Send>(
        &self,
        ids: &'i [String],
        question: fn(&'i str) -> Question<'i>,
        read: fn(&Object<'_>) -> Result<T, Malformed>,
    ) -> Result<Vec<(&'i str, Vec<T>)>, SourceError> {
        let mut lists: Vec<_> = ids.iter().map(|id| (&**id, Vec::new())).collect();
        for some in lists.chunks_mut(AT_A_TIME) {
            let each = some.iter_mut().map(|(id, list)| {
                let reading = async {
                    *list = self.list(question(id), read).await?;
                    Ok(())
                };
                reading.boxed()
            });
            try_join_all(each.collect::<Vec<_>>()).await?;
        }
        Ok(lists)
    }

    /// Waits for its turn as long as the limits or the tenant ask for it. Everything else that fails ends the reading.
    async fn page(&self, question: Question<'_>, number: usize) -> Result<Page, SourceError> {
        let mut waited = Duration::ZERO;
        loop {
            let outcome = match self.0.begin_aside() {
                Ok(asking) => asking.page(question, number).await,
                Err(error) => Err(error),
            };
            let error = match outcome {
                Ok(Some(page)) => return Ok(page),
                Ok(None) => {
                    let name = question.name();
                    return Err(SourceError::new(format!(
                        "{name}: what it is of was removed while the tenant was read"
                    )));
                }
                Err(error) => error,
            };
            let wait = error.wants_retry_after().filter(|wait| waited.saturating_add(*wait) <= MOST_WAIT);
            let Some(wait) = wait else { return Err(error) };
            waited += wait.max(LOOK);
            self.wait(wait).await;
        }
    }

    /// By the clock of the source.
    async fn wait(&self, time: Duration) {
        let until = self.0.transport.now().monotonic.saturating_add(time);
        let turned = async {
            while self.0.transport.now().monotonic < until {
                sleep(LOOK).await;
            }
        };
        // A clock that stands still delays no caller for longer.
        _ = timeout(time, turned).await;
    }
}
