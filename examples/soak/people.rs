//! Who may pass, and how that changes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use orgate::testing::{RoleType, TestTenant, WebhookDelivery};
use orgate::time::Clock as _;

use crate::measure::Random;
use crate::{API, Soak, USERS};

/// So many may not pass at a time: most streams stay open.
const MOST_TAKEN: usize = 4;
/// Streams of a subject end within this time after its right is gone, also on a machine that is busy.
const END: Duration = Duration::from_secs(30);

/// One subject, a member of one organization.
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) organization: String,
    pub(crate) state: Mutex<Truth>,
    /// Its streams that are open.
    pub(crate) open: AtomicUsize,
}

/// What is known of a subject. While a change is under way, either answer is right.
#[derive(Clone)]
pub(crate) struct Truth {
    pub(crate) may_pass: bool,
    /// Taken out of its organization, not suspended.
    is_removed: bool,
    pub(crate) changes: u64,
    pub(crate) is_settled: bool,
    pub(crate) token: String,
    /// By the issuer's clock: when it changed last, or got its token.
    last_at: Duration,
}

/// Users of a handful of organizations, each with the scope of the routes.
pub(crate) fn all(tenant: &TestTenant) -> Vec<User> {
    tenant.add_resource(API, &["read"]);
    tenant.add_organization_role("reader", RoleType::User, &[]);
    tenant.add_resource_scope_to_organization_role("reader", API, "read");
    for organization in 0..8 {
        tenant.add_organization(&format!("org{organization}"));
    }
    let user = |at: usize| {
        let (id, organization) = (format!("user{at}"), format!("org{}", at % 8));
        tenant.add_user(&id);
        tenant.add_member(&organization, &id);
        tenant.give_organization_role(&organization, &id, "reader");
        let state = Truth {
            may_pass: true,
            is_removed: false,
            changes: 0,
            is_settled: true,
            token: mint(tenant, &id, &organization),
            last_at: Duration::ZERO,
        };
        User { id, organization, state: Mutex::new(state), open: AtomicUsize::new(0) }
    };
    let users = (0..USERS).map(user).collect();
    _ = tenant.take_deliveries();
    users
}

fn mint(tenant: &TestTenant, user: &str, organization: &str) -> String {
    let token = tenant.issuer().organization_resource_token(API, organization).subject(user).client("web");
    token.scope("read").expires_in(Duration::from_secs(7200)).mint()
}

impl Soak {
    /// Takes away and gives back, one subject at a time.
    pub(crate) async fn change(self: Arc<Self>, seed: u64) {
        let (mut random, mut taken) = (Random::new(seed + 5), VecDeque::new());
        while !self.is_over() {
            let at = random.below(USERS);
            if taken.len() < MOST_TAKEN && !taken.contains(&at) {
                self.take_away(&self.users[at], random.below(2) == 0).await;
                taken.push_back(at);
            } else if let Some(at) = taken.pop_front() {
                self.give_back(&self.users[at]).await;
            }
            self.tally.changes.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn take_away(&self, user: &User, is_removed: bool) {
        self.until_later(user).await;
        begin(user);
        if is_removed {
            self.tenant.remove_member(&user.organization, &user.id);
        } else {
            self.tenant.suspend(&user.id);
        }
        let last_at = self.clock.now().unix;
        self.deliver_all().await;
        {
            let mut state = user.state.lock().unwrap();
            (state.is_settled, state.may_pass) = (true, false);
            (state.is_removed, state.last_at) = (is_removed, last_at);
        }
        let since = Instant::now();
        while user.open.load(Ordering::SeqCst) > 0 && !self.is_over() {
            if since.elapsed() > END {
                let open = user.open.load(Ordering::SeqCst);
                return self.wrong(format!(
                    "{} has {open} streams {} s after it was taken away",
                    user.id,
                    END.as_secs()
                ));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn give_back(&self, user: &User) {
        self.until_later(user).await;
        begin(user);
        if user.state.lock().unwrap().is_removed {
            self.tenant.add_member(&user.organization, &user.id);
            self.tenant.give_organization_role(&user.organization, &user.id, "reader");
        } else {
            self.tenant.unsuspend(&user.id);
        }
        user.state.lock().unwrap().last_at = self.clock.now().unix;
        self.deliver_all().await;
        self.until_later(user).await;
        let last_at = self.clock.now().unix;
        let token = mint(&self.tenant, &user.id, &user.organization);
        let mut state = user.state.lock().unwrap();
        (state.is_settled, state.may_pass) = (true, true);
        (state.token, state.last_at) = (token, last_at);
    }

    /// Tokens of the second of a change count as older than it, and the issuer's clock may have been set back.
    async fn until_later(&self, user: &User) {
        let last_at = user.state.lock().unwrap().last_at;
        while self.clock.now().unix < last_at + Duration::from_millis(2100) && !self.is_over() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn deliver_all(&self) {
        for delivery in self.tenant.take_deliveries() {
            self.deliver(&delivery).await;
        }
    }

    /// Until it is acknowledged: a gateway that cannot keep it says so.
    async fn deliver(&self, delivery: &WebhookDelivery) {
        let began = Instant::now();
        loop {
            let request = self.client.post(format!("{}/webhooks/logto", self.faces[0]));
            let request = request.headers(delivery.headers().clone()).body(delivery.body().clone());
            let status = request.send().await.map_or(0, |response| response.status().as_u16());
            if status == 200 {
                return;
            }
            if began.elapsed() > Duration::from_secs(60) {
                return self.wrong(format!("a webhook was not taken within a minute: {status}"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn begin(user: &User) {
    let mut state = user.state.lock().unwrap();
    (state.is_settled, state.changes) = (false, state.changes + 1);
}
