//! Event streams that stay open: each is a lease of the gateway.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _};
use tokio::task::JoinHandle;

use crate::measure::Random;
use crate::people::{Truth, User};
use crate::{Soak, USERS};

/// Streams of one HTTP/2 connection.
const EACH: usize = 500;
/// One in so many is a connection of its own through NGINX.
const BEHIND: usize = 20;

impl Soak {
    /// Opens them, a few at a time. Each is opened again when it has ended.
    pub(crate) async fn streams(
        self: Arc<Self>,
        count: usize,
        seed: u64,
    ) -> Result<Vec<JoinHandle<()>>, reqwest::Error> {
        let behind = reqwest::Client::builder().no_proxy().build()?;
        let mut tasks = Vec::with_capacity(count);
        let mut direct = behind.clone();
        for at in 0..count {
            if at.is_multiple_of(EACH) {
                direct = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build()?;
            }
            let client = if at.is_multiple_of(BEHIND) { &behind } else { &direct };
            tasks.push(tokio::spawn(self.clone().stream(at, client.clone(), seed)));
            if at.is_multiple_of(50) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(tasks)
    }

    async fn stream(self: Arc<Self>, at: usize, client: reqwest::Client, seed: u64) {
        let mut random = Random::new(seed * 100_000 + at as u64);
        let (user, is_behind) = (&self.users[at % USERS], at.is_multiple_of(BEHIND));
        let face = &self.faces[usize::from(is_behind)];
        let route = if at.is_multiple_of(3) { "stream" } else { "changes" };
        let url = format!("{face}/orgs/{}/{route}", user.organization);
        while !self.is_over() {
            let mut least = 500;
            let (before, began) = (user.state.lock().unwrap().clone(), Instant::now());
            // Whoever may not pass tries now and then.
            if before.may_pass || random.below(50) == 0 {
                let sent = client.get(&url).bearer_auth(&before.token).send();
                let Some(sent) = self.unless_over(tokio::time::timeout(Duration::from_secs(20), sent)).await else {
                    return;
                };
                let response = sent.ok().and_then(Result::ok);
                let status = response.as_ref().map_or(0, |response| response.status().as_u16());
                self.judge(user, route, status, &before, began).await;
                // As a client does that is told to come again later.
                least = if status == 200 { least } else { 3000 };
                if let Some(response) = response.filter(|_| status == 200) {
                    self.read(user, route, &before, response).await;
                }
            }
            let pause = Duration::from_millis(least + random.below(2 * least as usize) as u64);
            _ = self.unless_over(tokio::time::sleep(pause)).await;
        }
    }

    /// Reads a stream to its end.
    async fn read(&self, user: &User, route: &str, before: &Truth, response: reqwest::Response) {
        user.open.fetch_add(1, Ordering::SeqCst);
        self.tally.open.fetch_add(1, Ordering::Relaxed);
        let mut last = String::new();
        let reading = async {
            let mut body = response.bytes_stream();
            while let Some(Ok(bytes)) = body.next().await {
                last = String::from_utf8_lossy(&bytes).into_owned();
            }
        };
        let has_ended = self.unless_over(reading).await.is_some();
        user.open.fetch_sub(1, Ordering::SeqCst);
        self.tally.open.fetch_sub(1, Ordering::Relaxed);
        if !has_ended {
            return;
        }
        self.tally.ended.fetch_add(1, Ordering::Relaxed);
        let reason = last.split('"').nth(3).unwrap_or("no last event").to_owned();
        *self.tally.reasons.lock().unwrap().entry(reason).or_default() += 1;
        let (ended, has_changed) = (Instant::now(), user.state.lock().unwrap().changes != before.changes);
        let is_right = has_changed || self.is_over() || self.is_excused(ended).await;
        if !is_right {
            self.wrong(format!("{route} of {}, who may pass, has ended: {last:?}", user.id));
        }
    }

    /// `None` if the run is over before.
    async fn unless_over<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut over = self.is_over.subscribe();
        tokio::select! {
            output = future => Some(output),
            () = over.wait_for(|is_over| *is_over).map(drop) => None,
        }
    }
}
