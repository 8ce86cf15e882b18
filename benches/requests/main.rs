//! What a request costs: bare, guarded, rejected, and as people guard it by hand. One table, all of it from one run.
//!
//! In process and on one thread unless it says otherwise. Rows are timed in interleaved rounds, so that noise hits all of
//! them alike, and compared within rounds; times differ from machine to machine, ratios less. Nothing is asserted.
//!
//! ```text
//! cargo bench                    # the table, in a minute or two
//! cargo bench -- quick           # a few rounds, to see that it runs
//! ```

#![allow(missing_docs, reason = "a binary")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark may stop where it stands")]

mod by_hand;
mod case;
mod many;
mod observed;
mod proofs;
mod requests;
mod rounds;
mod rows;
mod table;
mod threads;

use std::hint::black_box;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use orgate::ResourceServer;
use orgate::issuer::Algorithm;
use orgate::policy::{organization, path, resource};

use case::{Case, TOKENS, mint, signed_parts};
use requests::Load;
use rounds::{Measured, Rounds, Row, median, nanoseconds, quantile, time};
use table::{Table, microseconds};

/// Requests of one batch of a row that costs about a microsecond.
const BATCH: usize = 512;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    rounds: usize,
    tokens: usize,
    slice: Duration,
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "quick");
    let effort = if quick {
        Effort { rounds: 3, tokens: 1_000, slice: Duration::from_millis(20) }
    } else {
        Effort { rounds: 150, tokens: 100_000, slice: Duration::from_millis(100) }
    };
    let table = Table::start();
    requests(&table, effort);
    many::tokens(&table, effort);
    many::threads(&table, effort);
}

/// Everything that can stand in one round.
fn requests(table: &Table, effort: Effort) {
    let es384 = Case::new(Algorithm::Es384);
    let tokens = es384.tokens();
    let orgs = mint(&es384.organization_token("acme").scope("invite:member"), TOKENS);
    let server = es384.server();
    let (bare, hit) = (load(bare(), "/products", &[]), load(guarded(&server), "/products", &tokens));
    let bare_org = load(self::bare(), "/orgs/acme/members", &[]);
    let hit_org = load(guarded(&server), "/orgs/acme/members", &orgs);

    let algorithms = [Algorithm::Es384, Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];
    let cases = algorithms.map(Case::new);
    let [mut bare_times, mut hit_times, mut clock_times] = [const { Vec::new() }; 3];
    let (mut bare_single, mut hit_single) = (bare.clone(), hit.clone());

    let mut rounds = Rounds::default();
    let bare_row = Line::add(&mut rounds, &bare, BATCH);
    let hit_row = Line::add(&mut rounds, &hit, BATCH);
    let path = std::env::temp_dir().join(format!("orgate-bench-{}", std::process::id()));
    let logged = es384.builder().change_file(&*path).build().expect("a server");
    let logged_row = Line::add(&mut rounds, &load(guarded(&logged), "/products", &tokens), BATCH);
    let bare_org_row = Line::add(&mut rounds, &bare_org, BATCH);
    let hit_org_row = Line::add(&mut rounds, &hit_org, BATCH);
    rounds.add(|| {
        // Busy with nothing else by then, as the thread of a server is.
        for (load, times) in [(&mut bare_single, &mut bare_times), (&mut hit_single, &mut hit_times)] {
            load.batch(BATCH);
            load.one_by_one(BATCH, times);
        }
        clock_times.extend((0..64).map(|_| nanoseconds(time(|| ()))));
        0.0
    });
    let of_algorithms: Vec<ByAlgorithm> = cases.iter().map(|case| ByAlgorithm::add(&mut rounds, case)).collect();
    let refusals = rows::refusals(&mut rounds, &es384, &tokens);
    let policies = rows::policies(&mut rounds, &es384);
    let routes = many::routes(&mut rounds, &es384);
    let observed = observed::Observed::add(&mut rounds, &es384, &tokens);

    let proofs = proofs::Proofs::add(&mut rounds, &es384);

    let measured = rounds.run(effort.rounds);
    for ending in ["", ".lock"] {
        _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
    table.section("A token that is known, beside the handler alone (64 tokens, ES384)");
    bare_row.print(table, &measured, "bare handler");
    hit_row.print_hit(table, &measured, "hit", bare_row, 5);
    logged_row.print(table, &measured, "hit, changes kept in a file");
    let ratio = measured.compare(logged_row.row, hit_row.row, |logged, hit| logged / hit);
    table.line("  times a hit without", &format!("{ratio:.3}"), None, None);
    bare_org_row.print(table, &measured, "bare handler, path with a parameter");
    hit_org_row.print_hit(table, &measured, "hit, organization from the path", bare_org_row, 6);
    let p99 = |times: &Vec<f64>| quantile(times.clone(), 0.99);
    table.time("p99 of the bare handler", p99(&bare_times), None);
    let hit_p99 = p99(&hit_times);
    table.aimed("p99 of a hit", hit_p99, None, "2 µs", hit_p99 < 2000.0);
    table.time("the clock's own time in each p99", quantile(clock_times, 0.5), None);
    for by_algorithm in &of_algorithms {
        by_algorithm.print(table, &measured);
    }
    proofs.print(table, &measured);
    table.section("Refusals (ES384)");
    for (name, row) in &refusals {
        match *name {
            "forged" => of_algorithms[0].print_forged(table, &measured, *row),
            name => {
                let took = measured.median(row.row);
                table.aimed(name, took, Some(row.allocations), "3 µs", took < 3000.0);
            }
        }
    }
    table.section("Policies (a hit each; time beyond the same with resource() alone)");
    let alone = policies[0].1;
    for (name, row) in &policies[1..] {
        let beyond = measured.beyond(row.row, alone.row);
        let more = row.allocations.saturating_sub(alone.allocations);
        table.aimed(name, beyond, Some(more), "0.2 µs", beyond < 200.0);
    }
    observed.print(table, &measured);
    table.section("Routes");
    let [bare_routes, hit_routes] = routes;
    bare_routes.print(table, &measured, "bare handler, 1,000 routes in turn");
    hit_routes.print(table, &measured, "hit, 1,000 routes and policies in turn");
    table.time("  beyond bare", measured.beyond(hit_routes.row, bare_routes.row), None);
}

fn load(router: Router, uri: &str, tokens: &[String]) -> Load {
    Load::new(router, uri, tokens)
}

fn bare() -> Router {
    let handler = || async { "products" };
    Router::new().route("/products", get(handler)).route("/orgs/{org}/members", get(handler))
}

fn guarded(server: &ResourceServer) -> Router {
    let handler = || async { "products" };
    server
        .guard()
        .get("/products", handler, resource().scope("read:products"))
        .get("/orgs/{org}/members", handler, organization(path("org")).scope("invite:member"))
        .into_router()
        .expect("a router")
}

/// A row with the allocations of its requests.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    row: Row,
    allocations: u64,
}

impl Line {
    fn add(rounds: &mut Rounds<'_>, load: &Load, count: usize) -> Self {
        let mut load = load.clone();
        let allocations = load.allocations();
        Self { row: rounds.add(move || load.batch(count)), allocations }
    }

    /// For requests that take long.
    fn slow(rounds: &mut Rounds<'_>, load: &Load) -> Self {
        let mut load = load.clone();
        let allocations = load.allocations();
        Self { row: rounds.add(move || load.each_once()), allocations }
    }

    fn print(self, table: &Table, measured: &Measured, name: &str) {
        table.time(name, measured.median(self.row), Some(self.allocations));
    }

    fn print_hit(self, table: &Table, measured: &Measured, name: &str, bare: Self, most: u64) {
        self.print(table, measured, name);
        let beyond = measured.beyond(self.row, bare.row);
        let more = self.allocations - bare.allocations;
        let met = beyond <= 450.0 && more <= most;
        table.aimed("  beyond bare", beyond, Some(more), &format!("0.45 µs, {most} allocations"), met);
    }
}

/// What one algorithm costs.
struct ByAlgorithm {
    algorithm: Algorithm,
    raw: Row,
    by_hand: Line,
    miss: Line,
    hit: Line,
}

impl ByAlgorithm {
    fn add<'a>(rounds: &mut Rounds<'a>, case: &'a Case) -> Self {
        let (tokens, key) = (case.tokens(), case.parsed_key());
        let signed: Vec<_> = tokens.iter().map(|token| signed_parts(token)).collect();
        let raw = rounds.add(move || {
            let check = |(message, signature): &(Vec<u8>, Vec<u8>)| {
                nanoseconds(time(|| {
                    key.verify_sig(black_box(message), black_box(signature)).expect("a valid signature");
                }))
            };
            median(signed.iter().map(check).collect())
        });
        let by_hand = Line::slow(rounds, &load(by_hand::router(case), "/products", &tokens));
        let fresh = move |tokens: &[String]| load(guarded(&case.server()), "/products", tokens);
        // One token more, in a server of its own: the first request of all is not typical.
        let mut first = fresh(&mint(&case.token(), 9));
        let warmed = first.request(0);
        first.send(warmed);
        let allocations = (1..9)
            .map(|number| {
                let request = first.request(number);
                allocation_counter::measure(|| first.send(request)).count_total
            })
            .min()
            .unwrap_or_default();
        let unseen = tokens.clone();
        let miss = Line { row: rounds.add(move || fresh(&unseen).each_once()), allocations };
        let hit = Line::add(rounds, &load(guarded(&case.server()), "/products", &tokens), BATCH);
        Self { algorithm: case.algorithm, raw, by_hand, miss, hit }
    }

    fn print(&self, table: &Table, measured: &Measured) {
        table.section(&format!("{} (tokens of {} bytes)", self.algorithm, bytes(self.algorithm)));
        let raw = measured.median(self.raw);
        table.time("signature check alone", raw, Some(0));
        self.by_hand.print(table, measured, "by hand, jsonwebtoken");
        let over = measured.compare(self.miss.row, self.raw, |miss, raw| miss - raw * 1.05);
        let target = format!("check + 5 % + 3 µs = {}", microseconds(raw * 1.05 + 3000.0));
        let miss = measured.median(self.miss.row);
        table.aimed("miss", miss, Some(self.miss.allocations), &target, over <= 3000.0);
        self.hit.print(table, measured, "hit");
        let ratio = |row: Row| measured.compare(row, self.by_hand.row, |time, by_hand| by_hand / time);
        let (miss, hit) = (ratio(self.miss.row), ratio(self.hit.row));
        table.line("  by hand costs, times a miss / a hit", &format!("{miss:.2} / {hit:.1}"), None, None);
    }

    /// One check, and never less.
    fn print_forged(&self, table: &Table, measured: &Measured, forged: Line) {
        let (raw, took) = (measured.median(self.raw), measured.median(forged.row));
        let over = measured.compare(forged.row, self.raw, |forged, raw| forged - raw * 1.05);
        let target = format!("check + 5 % + 3 µs = {}", microseconds(raw * 1.05 + 3000.0));
        table.aimed("forged", took, Some(forged.allocations), &target, over <= 3000.0);
    }
}

fn bytes(algorithm: Algorithm) -> usize {
    Case::new(algorithm).token().mint().len()
}
