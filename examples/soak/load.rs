//! Requests one after the other, each judged by the model.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::measure::Random;
use crate::people::{Truth, User};
use crate::{Soak, USERS};

impl Soak {
    pub(crate) async fn ask(&self, at: &str, user: &User, route: &str) -> (u16, Truth) {
        let before = user.state.lock().unwrap().clone();
        let url = format!("{at}/orgs/{}/{route}", user.organization);
        let response = self.client.get(url).bearer_auth(&before.token).send().await;
        (response.map_or(0, |response| response.status().as_u16()), before)
    }

    /// One connection to one face.
    pub(crate) async fn load(self: Arc<Self>, at: usize, seed: u64) {
        let mut random = Random::new(seed * 1000 + at as u64);
        let face = &self.faces[at % self.faces.len()];
        while !self.is_over() {
            let user = &self.users[random.below(USERS)];
            let route = if random.below(4) == 0 { "live" } else { "orders" };
            let began = Instant::now();
            let (status, before) = self.ask(face, user, route).await;
            self.judge(user, route, status, &before, began).await;
            let pause = *self.pause.lock().unwrap();
            tokio::time::sleep(pause.saturating_sub(began.elapsed())).await;
        }
    }

    /// `before`: what was known when the request was sent.
    pub(crate) async fn judge(&self, user: &User, route: &str, status: u16, before: &Truth, began: Instant) {
        self.tally.count(status);
        let after = user.state.lock().unwrap().clone();
        let is_certain = before.is_settled && after.is_settled && before.changes == after.changes;
        if !is_certain || self.is_over() {
            return;
        }
        let is_right = match (before.may_pass, status) {
            (true, 200) | (false, 401 | 403) => true,
            // Not even a fault makes an answer wrong: it makes that there is none.
            (_, 200 | 401 | 403) => false,
            _ => self.is_excused(began).await,
        };
        if !self.is_troubled(began) {
            self.tally.strict.fetch_add(1, Ordering::Relaxed);
        }
        if !is_right {
            let name = if before.may_pass { "may pass" } else { "may not pass" };
            self.wrong(format!("{} at {route}, who {name}: {status}", user.id));
        }
    }
}
