use http::Request;
use http::header::AUTHORIZATION;

use super::*;
use crate::change::{About, Change};
use crate::engine::Grant;
use crate::future::BoxFuture;
use crate::lease::EndReason;
use crate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use crate::policy::{Policy, resource};
use crate::testing::TestIssuer;
use crate::{Issuer, ResourceServer};

const API: &str = "https://api.example.com";
const LONG: Duration = Duration::from_secs(20);

/// Counts its questions.
#[derive(Clone, Default)]
struct Asked(Arc<AtomicU64>);

impl PermissionSource for Asked {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(Permissions::of(["read"])) })
    }
}

struct World {
    issuer: TestIssuer,
    server: ResourceServer,
    asked: Asked,
}

impl World {
    async fn start() -> Self {
        let (issuer, asked) = (TestIssuer::start().await, Asked::default());
        let entry = Issuer::new(issuer.url()).name("main").permissions(asked.clone());
        let server = ResourceServer::builder(entry, API).clock(issuer.clock()).build().unwrap();
        Self { issuer, server, asked }
    }

    fn token(&self, id: &str, seconds: u64) -> String {
        let token = self.issuer.resource_token(API).subject("alice").scope("read").claim("jti", id);
        token.expires_in(Duration::from_secs(seconds)).mint()
    }

    async fn grant(&self, policy: Policy, token: &str) -> Grant {
        let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}"));
        let mut parts = request.body(()).unwrap().into_parts().0;
        self.server.requirement(policy).unwrap().authorize(&mut parts).await.unwrap()
    }
}

/// How many moments are kept: ends of tokens, and whatever else is due.
fn kept(grant: &Grant) -> (usize, usize) {
    let book = lock(&grant.requirement().state().leases.book);
    (book.ends.len(), book.tasks.len())
}

#[tokio::test]
async fn renewing_a_lease_any_number_of_times_keeps_one_end_of_it() {
    let world = World::start().await;
    let (short, long) = (world.token("short", 600), world.token("long", 1200));
    let grant = world.grant(resource().scope("read"), &short).await;
    let lease = grant.lease().unwrap();
    for _ in 0..1000 {
        lease.renew(&short).await.unwrap();
    }
    assert_eq!(kept(&grant).0, 1, "with the same token");
    for _ in 0..500 {
        lease.renew(&long).await.unwrap();
        lease.renew(&short).await.unwrap();
    }
    assert_eq!(kept(&grant).0, 1, "with tokens of two ends");
    let other = grant.lease().unwrap();
    assert_eq!(kept(&grant).0, 2);
    drop(other);
    assert_eq!(kept(&grant).0, 1);

    let waiting = tokio::spawn(async move { lease.ended().await.reason() });
    world.issuer.clock().advance(Duration::from_secs(655));
    tokio::task::yield_now().await;
    assert_eq!(world.server.usage().leases, 1);
    world.issuer.clock().advance(Duration::from_secs(10));
    assert_eq!(tokio::time::timeout(LONG, waiting).await.unwrap().unwrap(), EndReason::Expired);
    assert_eq!(kept(&grant).0, 0);
}

#[tokio::test]
async fn renewed_lease_ends_with_its_last_token() {
    let world = World::start().await;
    let (short, long) = (world.token("short", 600), world.token("long", 1200));
    let lease = world.grant(resource().scope("read"), &short).await.lease().unwrap();
    lease.renew(&long).await.unwrap();
    let lease = Arc::new(lease);
    let waiting = tokio::spawn({
        let lease = lease.clone();
        async move { lease.ended().await.reason() }
    });
    world.issuer.clock().advance(Duration::from_secs(700));
    tokio::task::yield_now().await;
    assert!(!lease.is_over());
    world.issuer.clock().advance(Duration::from_secs(600));
    assert_eq!(tokio::time::timeout(LONG, waiting).await.unwrap().unwrap(), EndReason::Expired);
}

/// Each edit has the subject asked about at once, and once more within the bound.
#[tokio::test]
async fn edits_of_a_subject_leave_no_more_moments_than_there_are_leases() {
    let world = World::start().await;
    let policy = resource().scope("read").fresh_within(Duration::from_secs(60 * 60));
    let grant = world.grant(policy, &world.token("first", 600)).await;
    let lease = grant.lease().unwrap();
    let entry = world.server.issuer("main").unwrap();
    for _ in 0..300 {
        world.issuer.clock().advance(Duration::from_secs(1));
        let before = world.asked.0.load(Ordering::SeqCst);
        let at = std::time::SystemTime::UNIX_EPOCH + grant.requirement().state().clock.now().unix;
        entry.apply_change(&Change::edited(world.issuer.url(), About::subject("alice"), at)).unwrap();
        let is_asked = async {
            while world.asked.0.load(Ordering::SeqCst) == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, is_asked).await.unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    assert!(!lease.is_over());
    let (_, tasks) = kept(&grant);
    assert!(tasks <= 80, "{tasks}");
}
