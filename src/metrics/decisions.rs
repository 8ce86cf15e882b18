//! Counts decisions. The handles of a requirement are made once, so a known token costs a look-up and two additions.

use std::array;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::metrics::{Counter, Histogram};
use arc_swap::ArcSwap;

use super::register::{counter, histogram};
use super::table::{CACHE_HITS, CACHE_MISSES, DECISION_DURATION, DECISIONS, WAIT_DURATION};
use crate::engine::tally::{Tallies, Tally};
use crate::engine::{Outcome, TokenCache, Wait};
use crate::rejection::RejectionKind;

/// The route of requests that no router matched.
const UNMATCHED: &str = "none";
/// The route of all others, where one requirement is used on more routes than that.
const OTHER: &str = "other";
const MAX_ROUTES: usize = 1000;

/// A rejection of any kind, or none.
const KINDS: usize = 32;

/// What a shadow policy may say.
const SHADOWS: [&str; 5] = ["same", "would_allow", "would_deny", "would_differ", "undecided"];

/// What the requirements of a server share.
#[derive(Default)]
pub(super) struct Decisions(Arc<Shared>);

#[derive(Default)]
struct Shared {
    hits: OnceLock<Counter>,
    misses: OnceLock<Counter>,
    durations: [OnceLock<Histogram>; 3],
}

struct RequirementTally {
    shared: Arc<Shared>,
    operation: Option<Box<str>>,
    /// Most requirements are used on one route.
    first: OnceLock<RouteTally>,
    others: ArcSwap<HashMap<Box<str>, Arc<RouteTally>>>,
}

struct RouteTally {
    route: Box<str>,
    /// The route, and what is called there.
    label: Box<str>,
    /// Without a shadow policy, which is usual.
    plain: Cells,
    beside: OnceLock<Box<[Cells; SHADOWS.len()]>>,
}

/// One for each kind of rejection, and the first for none.
struct Cells([OnceLock<Counter>; KINDS]);

impl Tallies for Decisions {
    fn of_requirement(&self, operation: Option<&str>) -> Box<dyn Tally> {
        Box::new(RequirementTally {
            shared: self.0.clone(),
            operation: operation.map(Into::into),
            first: OnceLock::new(),
            others: ArcSwap::default(),
        })
    }
}

impl Tally for RequirementTally {
    fn decided(
        &self,
        route: Option<&str>,
        kind: Option<RejectionKind>,
        shadow: &'static str,
        token: Option<TokenCache>,
    ) {
        let route = route.unwrap_or(UNMATCHED);
        let first = self.first.get_or_init(|| RouteTally::new(route, self.operation.as_deref()));
        if *first.route == *route {
            first.count(kind, shadow);
        } else {
            self.other(route).count(kind, shadow);
        }
        match token {
            Some(TokenCache::Hit) => self.shared.hits.get_or_init(|| counter(&CACHE_HITS, &[])).increment(1),
            Some(TokenCache::Miss) => self.shared.misses.get_or_init(|| counter(&CACHE_MISSES, &[])).increment(1),
            None => {}
        }
    }

    fn took(&self, outcome: Outcome, took: Duration, waits: &[Wait]) {
        if let Some(duration) = self.shared.durations.get(outcome as usize) {
            duration.get_or_init(|| histogram(&DECISION_DURATION, &[outcome.as_str()])).record(took);
        }
        for wait in waits {
            histogram(&WAIT_DURATION, &[wait.what().as_str()]).record(wait.took());
        }
    }
}

impl RequirementTally {
    /// The tally of a route that is not the first.
    fn other(&self, route: &str) -> Arc<RouteTally> {
        let others = self.others.load();
        let route = if others.contains_key(route) || others.len() < MAX_ROUTES { route } else { OTHER };
        if let Some(known) = others.get(route) {
            return known.clone();
        }
        let new = Arc::new(RouteTally::new(route, self.operation.as_deref()));
        self.others.rcu(|others| {
            let mut others = HashMap::clone(others);
            others.entry(route.into()).or_insert_with(|| new.clone());
            others
        });
        self.others.load().get(route).cloned().unwrap_or(new)
    }
}

impl RouteTally {
    fn new(route: &str, operation: Option<&str>) -> Self {
        let label = operation.map_or(route.into(), |operation| format!("{route} {operation}").into());
        let new = Self { route: route.into(), label, plain: Cells::new(), beside: OnceLock::new() };
        // What alerts look at begins with zero: where a counter begins with one, no query sees that it grew.
        for kind in [None, Some(RejectionKind::Unavailable), Some(RejectionKind::Misconfigured)] {
            new.register(kind, "none").increment(0);
        }
        new
    }

    fn count(&self, kind: Option<RejectionKind>, shadow: &'static str) {
        let cells = if shadow == "none" {
            Some(&self.plain)
        } else {
            let beside = self.beside.get_or_init(|| Box::new(array::from_fn(|_| Cells::new())));
            SHADOWS.iter().zip(beside.iter()).find(|(name, _)| **name == shadow).map(|(_, cells)| cells)
        };
        match cells.and_then(|cells| cells.0.get(kind.map_or(0, |kind| 1 + kind as usize))) {
            Some(cell) => cell.get_or_init(|| self.register(kind, shadow)).increment(1),
            None => self.register(kind, shadow).increment(1),
        }
    }

    fn register(&self, kind: Option<RejectionKind>, shadow: &'static str) -> Counter {
        let outcome = match kind.map(RejectionKind::status) {
            None => Outcome::Allow,
            Some(status) if status.is_server_error() => Outcome::Undecided,
            Some(_) => Outcome::Deny,
        };
        let kind = kind.map_or("none", RejectionKind::as_str);
        counter(&DECISIONS, &[&self.label, outcome.as_str(), kind, shadow])
    }
}

impl Cells {
    fn new() -> Self {
        Self(array::from_fn(|_| OnceLock::new()))
    }
}
