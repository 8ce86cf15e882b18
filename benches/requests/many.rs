//! Much of everything: routes, tokens, threads.

use axum::Router;
use axum::routing::get;
use orgate::issuer::Algorithm;
use orgate::policy::any_of;
use orgate::policy::resource;

use crate::case::{Case, TOKENS, bearer, mint};
use crate::requests::Load;
use crate::rounds::{Rounds, median};
use crate::table::Table;
use crate::threads::{self as throughput, Throughput};
use crate::{BATCH, Effort, Line, bare, guarded, load};

const ROUTES: usize = 1000;

/// A thousand routes, each with a policy of its own, and tokens that pass all of them.
pub(crate) fn routes(rounds: &mut Rounds<'_>, case: &Case) -> [Line; 2] {
    let handler = || async { "things" };
    let paths: Vec<String> = (0..ROUTES).map(|number| format!("/things/{number}")).collect();
    let bare = paths.iter().fold(Router::new(), |router, path| router.route(path, get(handler)));
    let server = case.server();
    let guard = paths.iter().enumerate().fold(server.guard(), |guard, (number, path)| {
        let policy = resource().and(any_of(["read:products".to_owned(), format!("read:thing{number}")]));
        guard.get(path, handler, policy)
    });
    let guarded = guard.into_router().expect("a router");
    // Far apart, so that none is near at hand because of its neighbour.
    let order: Vec<String> = (0..ROUTES).map(|number| paths[number * 317 % ROUTES].clone()).collect();
    [
        Line::add(rounds, &Load::along(bare, order.clone(), &[]), BATCH * 2),
        Line::add(rounds, &Load::along(guarded, order, &case.tokens()), BATCH * 2),
    ]
}

/// So many tokens that live at the same time: what they weigh, and what a hit costs among them.
pub(crate) fn tokens(table: &Table, effort: Effort) {
    let case = Case::new(Algorithm::EdDsa);
    let tokens = mint(&case.token(), effort.tokens);
    let server = case.builder().token_cache_bytes(1 << 30).build().expect("a server");
    let mut all = load(guarded(&server), "/products", &[]);
    let mut used = allocation_counter::AllocationInfo::default();
    for token in &tokens {
        let mut request = all.request(0);
        request.headers_mut().insert("authorization", bearer(token));
        used += allocation_counter::measure(|| all.send(request));
    }
    // What the request itself was made of is freed inside: it was allocated outside.
    let bare_request = {
        let mut request = all.request(0);
        request.headers_mut().insert("authorization", bearer(&tokens[0]));
        allocation_counter::measure(|| all.send(request)).bytes_current
    };
    #[allow(clippy::cast_precision_loss, reason = "far below what a float holds exactly")]
    let each = used.bytes_current as f64 / tokens.len() as f64 - bare_request as f64;
    #[allow(clippy::cast_precision_loss, reason = "far below what a float holds exactly")]
    let token = tokens[0].len() as f64;

    // Other tokens each time, and each in memory that the processor has just written, as a socket's buffer is.
    let mut next = 0_usize;
    let mut some = || {
        let step = || {
            next = (next + 7919) % tokens.len();
            tokens[next].clone()
        };
        std::iter::repeat_with(step).take(32).collect::<Vec<_>>()
    };
    let hits: Vec<f64> =
        (0..effort.rounds * 4).map(|_| load(all.router.clone(), "/products", &some()).each_once()).collect();
    let few = &tokens[..TOKENS];
    let near: Vec<f64> =
        (0..effort.rounds * 4).map(|_| load(all.router.clone(), "/products", &few[..32]).each_once()).collect();

    table.section(&format!("{} tokens that live at once (EdDSA, {token} bytes each)", tokens.len()));
    table.time("hit, the same 32 again and again", median(near), None);
    table.time("hit, others each time", median(hits), None);
    let target = format!("token + 1 KiB = {}", token + 1024.0);
    table.line("memory of each", &format!("{each:.0} B"), None, Some((&target, each <= token + 1024.0)));
}

/// The same work from one thread and from two.
pub(crate) fn threads(table: &Table, effort: Effort) {
    let case = Case::new(Algorithm::Es384);
    let (server, tokens) = (case.server(), case.tokens());
    let [mut hit, other_hit] = [(); 2].map(|()| load(guarded(&server), "/products", &tokens));
    hit.batch(BATCH);
    let [bare, other_bare] = [(); 2].map(|()| load(bare(), "/products", &[]));
    let loads = [[&bare, &bare], [&hit, &hit], [&bare, &other_bare], [&hit, &other_hit]];
    let measured = throughput::measure(&loads, effort.rounds.div_ceil(5), effort.slice);
    let [bare, hit, bare_apart, hit_apart] = &measured[..] else { return };
    table.section("Threads (requests a second, the making of each request included)");
    for (name, rate) in [("bare handler", bare), ("hit", hit)] {
        table.line(&format!("{name}, one thread"), &format!("{:.0}", rate.one), None, None);
        table.line(&format!("{name}, two threads"), &format!("{:.0}", rate.two), None, None);
    }
    let ratios = |bare: &Throughput, hit: &Throughput| format!("{:.2} / {:.2}", bare.two / bare.one, hit.two / hit.one);
    let grows = Some(("hit: more than one thread", hit.two > hit.one));
    table.line("  two threads to one, bare / hit", &ratios(bare, hit), None, grows);
    table.line("  the same, a router for each thread", &ratios(bare_apart, hit_apart), None, None);
}
