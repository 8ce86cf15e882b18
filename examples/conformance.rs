//! The target of the conformance corpus: one server with the corpus's routes, configured by the environment.
//!
//! The corpus's driver starts it; the variables are in the corpus's README. `CORPUS_NOW` fixes the wall clock that
//! claims are judged by; timers run on real time. Beyond that README, `CORPUS_DPOP` is the public URL that proofs of
//! possession name: without it, tokens that are bound to a key are rejected.

use std::env;
use std::time::Duration;

use orgate::change::redis::{AfterLoss, Redis, WhenBehind};
use orgate::issuer::Algorithm;
use orgate::policy::{header, organization, path, resource};
use orgate::time::{Clock, Now, SystemClock};
use orgate::token::binding::Dpop;
use orgate::{Issuer, ResourceServer};

struct CorpusClock {
    wall: Option<Duration>,
    system: SystemClock,
}

impl Clock for CorpusClock {
    fn now(&self) -> Now {
        let now = self.system.now();
        Now::new(self.wall.unwrap_or(now.unix), now.monotonic)
    }
}

fn setting(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

fn seconds(name: &str) -> Result<Duration, Box<dyn std::error::Error>> {
    Ok(Duration::from_secs(setting(name)?.parse()?))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut issuer = Issuer::new(setting("CORPUS_ISSUER")?).algorithms([
        Algorithm::Es384,
        Algorithm::Es256,
        Algorithm::Es512,
        Algorithm::Rs256,
        Algorithm::Ps256,
        Algorithm::EdDsa,
    ]);
    if setting("CORPUS_TYP_MODE")? == "lenient" {
        issuer = issuer.untyped_jwt().organization_tokens();
    }
    let wall = env::var("CORPUS_NOW").is_ok().then(|| seconds("CORPUS_NOW")).transpose()?;
    let mut builder = ResourceServer::builder(issuer, setting("CORPUS_RESOURCE")?)
        .leeway(seconds("CORPUS_LEEWAY")?)
        .verification_queue(1024, Duration::from_secs(1))
        .clock(CorpusClock { wall, system: SystemClock::new() });
    if let Ok(path) = env::var("CORPUS_CHANGE_FILE") {
        builder = builder.change_file(path);
    }
    if let Ok(url) = env::var("CORPUS_REDIS") {
        let redis = Redis::builder(url, "corpus").when_behind(WhenBehind::Refuse).after_loss(AfterLoss::GoOn);
        builder = builder.change_log(redis.build()?);
    }
    if let Ok(url) = env::var("CORPUS_DPOP") {
        builder = builder.dpop(Dpop::new(url));
    }
    let server = builder.build()?;
    if server.change_log().is_some() {
        _ = server.ready().await;
    }

    let guard = server
        .guard()
        .any("/global", granted, resource().scope("read:orders"))
        .any("/orgs/{org}/members", granted, organization(path("org")).scope("invite:member"))
        .any("/orgs/{org}/orders", granted, resource().in_organization(path("org")).scope("read:orders"))
        .any("/any-of", granted, resource().any_of(["a", "b"]))
        .any("/all-of", granted, resource().all_of(["a", "b"]))
        .any("/by-header/orders", granted, resource().in_organization(header("Organization-Id")).scope("read:orders"));

    let listener = tokio::net::TcpListener::bind(setting("CORPUS_LISTEN")?).await?;
    axum::serve(listener, guard.into_router()?).await?;
    Ok(())
}

async fn granted() -> &'static str {
    "granted"
}
