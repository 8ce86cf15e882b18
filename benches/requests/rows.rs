//! Rows of what servers say no to, and of what routes ask for.

use std::time::Duration;

use axum::http::StatusCode;
use orgate::policy::{Policy, resource};
use orgate::time::{Clock, Now, SystemClock};
use orgate::{Issuer, ResourceServer};

use crate::case::{API, Case, ISSUER, TOKENS, mint, runtime};
use crate::rounds::Rounds;
use crate::{BATCH, Line, guarded, load};

/// The wall clock runs, timers stand still: a spent budget stays spent.
struct Standing(SystemClock);

impl Clock for Standing {
    fn now(&self) -> Now {
        Now::new(self.0.now().unix, Duration::from_secs(3600))
    }
}

pub(crate) fn refusals(rounds: &mut Rounds<'_>, case: &Case, good: &[String]) -> Vec<(&'static str, Line)> {
    let server = case.server();
    let token = case.token();
    let several = |token: orgate::testing::TokenBuilder| mint(&token, 8);
    // Its keys are fetched, so that an unknown kid is a question; and the budget for such questions is spent.
    let entry = Issuer::new(ISSUER).jwks_uri(case.issuer.jwks_uri());
    let fetching = ResourceServer::builder(entry, API).clock(Standing(SystemClock::new())).build().expect("a server");
    let mut unknown = load(guarded(&fetching), "/products", &several(token.clone().signed_with_unknown_key()))
        .refused(StatusCode::UNAUTHORIZED);
    runtime().block_on(async {
        fetching.ready().await.expect("keys");
        for number in 0..8 {
            let request = unknown.request(number);
            _ = tower::Service::call(&mut unknown.router, request).await;
        }
    });
    let cases = [
        ("missing", 401, Vec::new()),
        ("malformed: two words", 400, vec!["a b".to_owned()]),
        ("malformed: no base64url", 401, vec![good[0].replacen(".ey", ".~y", 1)]),
        ("alg not allowed", 401, several(token.clone().header("alg", "RS256"))),
        ("wrong issuer", 401, several(token.clone().issuer("https://other.logto.app/oidc"))),
        ("expired", 401, several(token.clone().expired())),
        ("forged", 401, several(token.forged())),
    ];
    let mut lines: Vec<_> = cases
        .into_iter()
        .map(|(name, status, tokens)| {
            let status = StatusCode::from_u16(status).expect("a status");
            let load = load(guarded(&server), "/products", &tokens).refused(status);
            (name, if name == "forged" { Line::slow(rounds, &load) } else { Line::add(rounds, &load, BATCH) })
        })
        .collect();
    lines.push(("unknown kid, budget spent", Line::add(rounds, &unknown, BATCH)));
    lines
}

/// Policies of one node and of more than twenty, and a token with eighteen scopes.
pub(crate) fn policies(rounds: &mut Rounds<'_>, case: &Case) -> Vec<(&'static str, Line)> {
    let scopes: Vec<String> = (0..18).map(|number| format!("read:thing{number}")).collect();
    let tokens = mint(&case.issuer.resource_token(API).issuer(ISSUER).scope(&scopes.join(" ")), TOKENS);
    let every = scopes[..9].iter().fold(resource().user(), |policy, scope| policy.scope(scope));
    let branches = |scopes: [&str; 6]| scopes.into_iter().map(|scope| resource().scope(scope)).reduce(Policy::or);
    let first = branches(["read:thing9", "no:1", "no:2", "no:3", "no:4", "no:5"]).expect("a branch");
    let last = branches(["no:1", "no:2", "no:3", "no:4", "no:5", "read:thing9"]).expect("a branch");
    let cases = [
        ("resource()", resource()),
        ("11 words, 10 `and`", every),
        ("12 words, 6 `and`, 5 `or`, first passes", first),
        ("12 words, 6 `and`, 5 `or`, last passes", last),
    ];
    let server = case.server();
    let route = |policy| server.guard().get("/products", || async { "products" }, policy).into_router();
    let lines = cases.into_iter().map(|(name, policy)| {
        let load = load(route(policy).expect("a router"), "/products", &tokens);
        (name, Line::add(rounds, &load, BATCH))
    });
    lines.collect()
}
