//! The feed says what a live route says, whatever the token and its subject hold.

use orgate::policy::{organization, path, resource};
use orgate::{Guard, Policy};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{API, World};
use crate::world::{Api, FRESH, NAMED};

/// What a token and its subject hold, each a subset of what is named and of one more.
#[derive(Clone, Debug)]
struct Case {
    model: usize,
    is_machine: bool,
    token: Vec<bool>,
    held: Option<Vec<bool>>,
    later: Option<Vec<bool>>,
}

const ALL: [&str; 4] = ["read", "write", "export", "unnamed"];

fn subset(bits: &[bool]) -> Vec<&'static str> {
    ALL.iter().zip(bits).filter(|(_, bit)| **bit).map(|(name, _)| *name).collect()
}

fn case() -> impl Strategy<Value = Case> {
    let bits = || proptest::collection::vec(any::<bool>(), 4);
    let maybe = || proptest::option::weighted(0.9, bits());
    (0_usize..3, any::<bool>(), bits(), maybe(), maybe()).prop_map(|(model, is_machine, token, held, later)| Case {
        model,
        is_machine,
        token,
        held,
        later,
    })
}

fn policy(model: usize) -> Policy {
    match model {
        0 => organization(path("org")),
        1 => resource().in_organization(path("org")),
        _ => resource().for_member_of(path("org")),
    }
}

fn api(world: &World) -> Api {
    let guard: Guard = world.server.guard();
    let guard = (0..3).fold(guard, |guard, model| {
        let feed = orgate::feed::PermissionFeed::new(policy(model).fresh_within(FRESH)).scopes(NAMED);
        let guard = guard.permission_feed(&format!("/{model}/{{org}}/permissions"), feed);
        // Each route is a conversation of its own, which begins as that of the feed does.
        NAMED.iter().fold(guard, |guard, name| {
            let policy = policy(model).user().or(policy(model).machine()).scope(name).fresh_within(FRESH);
            guard.get(&format!("/{model}/{{org}}/{name}"), async || "", policy)
        })
    });
    Api::of(guard)
}

impl World {
    fn grant(&self, subject: &str, model: usize, held: Option<&Vec<bool>>) {
        use orgate::permissions::Permissions;
        let held = held.map(|held| subset(held));
        let permissions = match (held, model) {
            (None, _) => Permissions::none(),
            (Some(scopes), 2) => {
                let scopes = scopes.into_iter().map(Into::into).collect();
                Permissions::of_memberships([("acme", std::sync::Arc::new(scopes))])
            }
            (Some(scopes), _) => Permissions::of(scopes),
        };
        self.script.says(subject, permissions);
    }
}

async fn agrees(world: &World, api: &Api, number: usize, case: &Case) {
    let subject = format!("s{number}");
    let scope = subset(&case.token).join(" ");
    let token = match case.model {
        0 => world.issuer.organization_token("acme"),
        1 => world.issuer.organization_resource_token(API, "acme"),
        _ => world.issuer.resource_token(API),
    };
    let token = token.scope(&scope);
    let token = if case.is_machine { token.machine(&subject) } else { token.subject(&subject) }.mint();
    let model = case.model;
    for (turn, held) in [&case.held, &case.later].into_iter().enumerate() {
        world.grant(&subject, model, held.as_ref());
        world.pass(6.0);
        let feed = api.get(&format!("/{model}/acme/permissions?may=GET+/{model}/acme/read"), &token).await;
        if held.is_none() {
            // A route without a scope says the same.
            assert!([401, 403].contains(&feed.status), "{case:?} {feed:?}");
            continue;
        }
        let said: Value = serde_json::from_str(&feed.body).unwrap();
        assert_eq!(feed.status, 200, "{case:?} {said}");
        let has = |member: &str, name: &str| said[member].as_array().unwrap().iter().any(|word| word == name);
        let mut steps = Vec::new();
        for name in NAMED {
            let route = api.get(&format!("/{model}/acme/{name}"), &token).await;
            let (status, remediation) = route.verdict();
            let (token, held) = (has("token", name), has("held", name));
            assert_eq!(status == 200, token && held, "{case:?} {name} {said}");
            assert_eq!((has("lost", name), has("gained", name)), (token && !held, held && !token), "{case:?} {name}");
            if token != held {
                steps.push(remediation);
            }
            if name == "read" {
                assert_eq!(said["may"]["GET /".to_owned() + &format!("{model}/acme/read")], status == 200, "{case:?}");
            }
        }
        let first =
            ["refresh", "request_scope", "reconsent"].into_iter().find(|step| steps.iter().any(|said| said == step));
        assert_eq!(said["remediation"], first.unwrap_or("none"), "{case:?} turn {turn}: routes say {steps:?}");
        assert!(!said.to_string().contains("unnamed"), "{case:?}");
    }
}

#[test]
fn feed_says_of_each_scope_what_a_live_route_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::start());
    let api = api(&world);
    let number = std::cell::Cell::new(0);
    proptest!(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() }, |(case in case())| {
        number.set(number.get() + 1);
        runtime.block_on(agrees(&world, &api, number.get(), &case));
    });
}
