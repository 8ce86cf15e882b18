//! Requests one after the other, each judged by the model.

use std::sync::Arc;
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

    /// One connection: every second one is NGINX's.
    pub(crate) async fn load(self: Arc<Self>, at: usize, seed: u64) {
        let mut random = Random::new(seed * 1000 + at as u64);
        let face = if at.is_multiple_of(2) { &self.gateway } else { &self.nginx };
        while !self.is_over() {
            let user = &self.users[random.below(USERS)];
            let route = if random.below(4) == 0 { "live" } else { "orders" };
            let began = Instant::now();
            let (status, before) = self.ask(face, user, route).await;
            self.judge(user, route, status, &before, began);
            let pause = *self.pause.lock().unwrap();
            tokio::time::sleep(pause.saturating_sub(began.elapsed())).await;
        }
    }

    /// `before`: what was known when the request was sent.
    pub(crate) fn judge(&self, user: &User, route: &str, status: u16, before: &Truth, began: Instant) {
        self.tally.count(status);
        let after = user.state.lock().unwrap().clone();
        let is_certain = before.is_settled && after.is_settled && before.changes == after.changes;
        if !is_certain || self.is_over() {
            return;
        }
        let is_right = match (before.may_pass, status) {
            (true, 200) => true,
            (false, status) => matches!(status, 401 | 403) || status != 200 && self.is_troubled(began),
            // Nothing was wrong with the token, and nothing else is to be told so either.
            (true, status) => status != 200 && self.is_troubled(began),
        };
        if !is_right {
            let name = if before.may_pass { "may pass" } else { "may not pass" };
            self.wrong(format!("{} at {route}, who {name}: {status}", user.id));
        }
    }
}
