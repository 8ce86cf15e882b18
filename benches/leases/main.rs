//! What leases cost: 100,000 of 20,000 subjects, each of which is asked about. Bytes, one change, and a change that concerns all.
//!
//! ```text
//! cargo bench --bench leases
//! ```

#![allow(missing_docs, reason = "a binary")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark may stop where it stands")]
#![allow(clippy::disallowed_methods, reason = "real time is measured")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use orgate::change::{About, Change};
use orgate::engine::{Grant, Requirement};
use orgate::future::BoxFuture;
use orgate::issuer::Algorithm;
use orgate::lease::Lease;
use orgate::permissions::{PermissionQuery, PermissionSource, Permissions, SourceError};
use orgate::policy::{any_organization, resource};
use orgate::testing::TestIssuer;
use orgate::{Issuer, ResourceServer};

const API: &str = "https://api.example.com";
const SUBJECTS: usize = 20_000;
const EACH: usize = 5;
const BOUND: Duration = Duration::from_secs(600);

/// Everybody may read.
#[derive(Clone, Default)]
struct Source(Arc<AtomicUsize>);

impl PermissionSource for Source {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(Permissions::of(["read"])) })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let subjects = if std::env::args().any(|argument| argument == "quick") { SUBJECTS / 100 } else { SUBJECTS };
    let issuer = TestIssuer::builder().algorithm(Algorithm::EdDsa).start().await;
    let source = Source::default();
    let entry = Issuer::new(issuer.url()).name("main").permissions(source.clone());
    let builder = ResourceServer::builder(entry, API).token_cache_bytes(0).live_permissions(100_000);
    let server = builder.build().expect("a server");
    let policy = resource().in_organization(any_organization()).scope("read").fresh_within(BOUND);
    let requirement = server.requirement(policy).expect("a requirement");
    let tokens: Vec<String> = (0..subjects).map(|number| token(&issuer, number)).collect();
    let (mut grants, mut made) = (Vec::with_capacity(subjects), allocation_counter::AllocationInfo::default());
    for token in &tokens {
        grants.push(grant(&requirement, token).await);
    }
    // The token is held by its leases alone, once the grants are gone.
    let token_bytes = grants[0].token().map_or(0, |token| size_of_val(token) + tokens[0].len());
    let mut leases: Vec<Lease> = Vec::with_capacity(subjects * EACH);
    let began = Instant::now();
    made += allocation_counter::measure(|| {
        for grant in &grants {
            leases.extend((0..EACH).map(|_| grant.lease().expect("a lease")));
        }
    });
    let took = began.elapsed();
    drop(grants);
    let count = leases.len();
    println!("leases                          {count} of {subjects} subjects");
    println!("bytes of each, its token aside  {:.0}", per(made.bytes_current, count));
    println!("the token's text                {token_bytes} bytes, shared by {EACH}");
    println!("made in                         {:.2} us each", per_duration(took, count));

    let handle = server.issuer("main").expect("an entry");
    let at = |change: &dyn Fn(&str, SystemTime) -> Change| {
        let change = change(handle.issuer(), SystemTime::now());
        let began = Instant::now();
        handle.apply_change(&change).expect("a change");
        began.elapsed()
    };
    let strangers =
        (0..100).map(|number| at(&|iss, at| Change::suspended(iss, format!("stranger-{number}"), at))).collect();
    let times: Vec<Duration> =
        (0..subjects / 20).map(|number| at(&|iss, at| Change::suspended(iss, format!("user-{number}"), at))).collect();
    let ended = leases.iter().filter(|lease| lease.is_over()).count();
    println!("a change of a stranger          {:.1} us, median", median(strangers));
    println!(
        "a suspension                    {:.1} us, median; {ended} of {} leases ended",
        median(times),
        subjects / 20 * EACH
    );

    let before = source.0.load(Ordering::Relaxed);
    let template = at(&|iss, at| Change::edited(iss, About::OrganizationTemplate, at));
    println!("a template change               {:.1} ms to apply", per_duration(template, 1) / 1000.0);
    let (began, all) = (Instant::now(), subjects - subjects / 20);
    let mut quarters = Vec::new();
    while source.0.load(Ordering::Relaxed) - before < all {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let asked = source.0.load(Ordering::Relaxed) - before;
        while quarters.len() < 4 && asked * 4 >= all * (quarters.len() + 1) {
            quarters.push(format!("{:.0}", began.elapsed().as_secs_f64() * 1000.0));
        }
        assert!(began.elapsed() < BOUND, "not within the bound");
    }
    let asked = source.0.load(Ordering::Relaxed) - before;
    println!(
        "  asked about {asked} subjects for {} leases; quarters after {} ms",
        server.usage().leases,
        quarters.join(", ")
    );
    server.close();
    assert!(leases.iter().all(Lease::is_over), "closed");
}

fn token(issuer: &TestIssuer, number: usize) -> String {
    let token = issuer.organization_resource_token(API, "acme").subject(format!("user-{number}"));
    token.client("web").scope("read").mint()
}

async fn grant(requirement: &Requirement, token: &str) -> Grant {
    let request = http::Request::get("/orders").header("authorization", format!("Bearer {token}"));
    let (mut parts, ()) = request.body(()).expect("a request").into_parts();
    requirement.authorize(&mut parts).await.expect("a grant")
}

#[allow(clippy::cast_precision_loss, reason = "far below what a float holds exactly")]
fn per(total: i64, count: usize) -> f64 {
    total as f64 / count as f64
}

#[allow(clippy::cast_precision_loss, reason = "far below what a float holds exactly")]
fn per_duration(total: Duration, count: usize) -> f64 {
    total.as_secs_f64() * 1e6 / count as f64
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    per_duration(times[times.len() / 2], 1)
}
