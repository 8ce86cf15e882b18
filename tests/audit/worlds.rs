//! The matrix, and everything else that an audit says of who may call, beside what a real API answers, in random worlds.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use http::HeaderValue;
use orgate::audit::{Audit, RoleLevel, RoleSummary, SubjectType, Verdict};
use orgate::http::HttpClient;
use orgate::policy::resource;
use orgate::server::Builder;
use orgate::testing::{ProbeSubject, Prober, RoleTokens as _, RoleType, TenantTokens, TestTenant, TokenRequest};
use orgate::{Guard, Issuer, ResourceServer};

use crate::random::Random;
use crate::support::{API, InProcess, OTHER, UNKNOWN, handler};
use crate::world::{World, organization_header};

/// More by hand: `ORGATE_AUDIT_WORLDS=2000`.
fn worlds() -> u64 {
    std::env::var("ORGATE_AUDIT_WORLDS").map_or(12, |worlds| worlds.parse().unwrap())
}

/// What is counted, so that a test that compares nothing fails.
#[derive(Debug, Default)]
struct Compared {
    cells: usize,
    sets: usize,
    people: usize,
    verdicts: BTreeSet<&'static str>,
    passed: usize,
    rejected: usize,
}

#[tokio::test]
async fn answers_of_random_apis_are_those_of_the_matrix() {
    let first: u64 = std::env::var("ORGATE_AUDIT_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut compared = Compared::default();
    for seed in first..first + worlds() {
        let mut random = Random::new(seed);
        let world = World::random(&mut random).await;
        compare(&world, &mut random, seed, &mut compared).await;
    }
    println!("{} worlds: {compared:?}", worlds());
    assert_eq!(compared.verdicts.len(), 4, "{compared:?}");
    assert!(compared.cells > 0 && compared.sets > 0 && compared.people > 0, "{compared:?}");
    assert!(compared.passed > 0 && compared.rejected > 0, "{compared:?}");
}

async fn compare(world: &World, random: &mut Random, seed: u64, compared: &mut Compared) {
    let audit = world.guard.audit(&world.tenant).await.unwrap();
    let router = world.guard.clone().into_router().unwrap();
    let client = random.one_of(&["web", "mobile"]);
    let joins = random.once_in(2);
    let tokens =
        TenantTokens::new(&world.tenant, "acme").resource(API).resource(OTHER).resource(UNKNOWN).client(client);
    let tokens = if joins { tokens } else { tokens.without_membership() };
    let conditions = |subject: &ProbeSubject, words: &str| {
        let id = match subject.subjects {
            SubjectType::Machine => tokens.id(subject),
            _ => client.to_owned(),
        };
        let in_organization = subject.roles.iter().any(|(level, _)| *level == RoleLevel::Organization);
        Some(holds(world, words, &id, joins || in_organization))
    };
    let prober = Prober::new(audit.report(), "http://api.example.com")
        .http_client(HttpClient::custom(InProcess(router)))
        .parameter("org", "acme")
        .header(organization_header(), HeaderValue::from_static("acme"))
        .passed_if(|response| Some(response.status() == 200))
        .conditions(conditions);
    for _ in 0..2 {
        world.switches.check.store(random.once_in(2), Ordering::SeqCst);
        world.switches.decision.store(random.once_in(2), Ordering::SeqCst);
        let probe = prober.run(&tokens).await.unwrap();
        assert!(probe.is_clean() && probe.undetermined == 0, "seed {seed}\n{probe}\n{audit}");
        compared.cells += probe.agreed;
    }
    for route in &audit.report().routes {
        compared.verdicts.extend(route.verdicts.iter().map(Verdict::as_str));
    }
    for _ in 0..3 {
        let machines = random.once_in(3);
        let names = if machines { &world.machine_roles } else { &world.user_roles };
        if !names.is_empty() {
            let set = random.some_of(names, 3);
            let kind = if machines { SubjectType::Machine } else { SubjectType::User };
            compare_set(&audit, &prober, &tokens, kind, &set, seed, compared).await;
        }
    }
    compare_people(world, &prober, random, client, seed, compared).await;
}

/// `resource` is another one in each server: a role of one API opens nothing of the other.
#[tokio::test]
async fn cells_of_a_guard_of_two_servers_are_what_each_server_answers() {
    let tenant = TestTenant::start().await;
    for (api, role) in [(API, "clerk"), (OTHER, "biller")] {
        tenant.add_resource(api, &["read"]);
        tenant.add_role(role, RoleType::User, api, &["read"]);
    }
    let server = |builder: Builder| builder.clock(tenant.issuer().clock()).build().unwrap();
    let issuer = || Issuer::new(tenant.issuer().url());
    let orders = server(ResourceServer::builder(issuer().name("shop"), API));
    let bills = server(ResourceServer::builder(issuer().name("bank"), OTHER).issuer("https://other.example/oidc"));
    let stranger = server(ResourceServer::builder("https://other.example/oidc", API));
    let read = || resource().scope("read");
    let bills: Guard = bills.guard().get("/bills", handler, read().issued_by("bank"));
    let guard: Guard = orders.guard().get("/orders", handler, read()).public("/", axum::routing::get(handler));
    let guard = guard.merge(bills).merge(stranger.guard().get("/elsewhere", handler, read()));
    let audit = guard.audit(&tenant).await.unwrap();
    let tokens = TenantTokens::new(&tenant, "acme").resource(API).resource(OTHER).without_membership();
    let prober = Prober::new(audit.report(), "http://api.example.com")
        .http_client(HttpClient::custom(InProcess(guard.into_router().unwrap())))
        .passed_if(|response| Some(response.status() == 200));
    let probe = prober.run(&tokens).await.unwrap();
    assert!(probe.is_clean() && probe.undetermined == 0, "{probe}\n{audit}");
    let cell = |path: &str, role: &str| {
        let report = audit.report();
        let (route, role) = (report.route("GET", path).unwrap(), report.role(RoleLevel::Global, role).unwrap());
        report.verdict(route, role).unwrap().to_string()
    };
    let elsewhere = "never (the server of the route takes no tokens of issuer shop)";
    for (path, clerk, biller) in [
        ("/orders", "yes", "no (lacks read)"),
        ("/bills", "no (lacks read)", "yes"),
        ("/elsewhere", elsewhere, elsewhere),
    ] {
        assert_eq!((&*cell(path, "clerk"), &*cell(path, "biller")), (clerk, biller), "{path}");
    }
}

/// What the words of a report mean in these worlds.
fn holds(world: &World, words: &str, client: &str, is_member: bool) -> bool {
    match words {
        "check flag passes" => world.switches.check.load(Ordering::SeqCst),
        "the decision point allows read document" => world.switches.decision.load(Ordering::SeqCst),
        "it is a member of the organization" => is_member,
        "claim client_id is \"web\"" | "the client is web" => client == "web",
        "the client is one of [web probe-1 probe-3]" => ["web", "probe-1", "probe-3"].contains(&client),
        "the token is bound to its sender (DPoP or mutual TLS)" => false,
        other => panic!("no world knows {other:?}"),
    }
}

/// A set of roles opens a route if one of them does, or a listed set that is a part of it.
async fn compare_set(
    audit: &Audit,
    prober: &Prober<'_>,
    tokens: &TenantTokens<'_>,
    kind: SubjectType,
    names: &[(String, bool)],
    seed: u64,
    compared: &mut Compared,
) {
    let report = audit.report();
    let number = |(name, is_global): &(String, bool)| {
        let level = if *is_global { RoleLevel::Global } else { RoleLevel::Organization };
        report.role(level, name).unwrap()
    };
    let numbers: Vec<usize> = names.iter().map(number).collect();
    let roles: Vec<&RoleSummary> = numbers.iter().map(|number| &report.roles[*number]).collect();
    let subject = ProbeSubject::new(kind, roles);
    let sent = tokens.tokens(&subject).await.unwrap();
    for (at, route) in report.routes.iter().enumerate().filter(|(_, route)| !route.more_combinations) {
        let alone = numbers.iter().map(|number| report.verdict(at, *number).unwrap());
        let without = [match kind {
            SubjectType::Machine => route.any_machine().unwrap(),
            _ => route.any_user().unwrap(),
        }];
        let sets = route.combinations.iter().filter(|set| set.roles.iter().all(|role| numbers.contains(role)));
        let mut verdicts = alone.chain(without).chain(sets.map(|set| &set.verdict));
        let expected = verdicts.any(|verdict| prober.expects(&subject, verdict).unwrap());
        let passed = prober.passes("GET", route.path.as_deref().unwrap(), &sent).await.unwrap().unwrap();
        assert_eq!(passed, expected, "seed {seed}: {} by {subject}\n{audit}", route.label());
        compared.sets += 1;
    }
}

/// Two users and a machine with random roles in two organizations: who the audit says may call, and who may.
async fn compare_people(
    world: &World,
    prober: &Prober<'_>,
    random: &mut Random,
    client: &str,
    seed: u64,
    compared: &mut Compared,
) {
    let tenant = &world.tenant;
    tenant.add_user("alice");
    tenant.add_user("bob");
    tenant.add_machine("nightly");
    for (id, names) in [("alice", &world.user_roles), ("bob", &world.user_roles), ("nightly", &world.machine_roles)] {
        for (role, is_global) in random.some_of(names, 3) {
            if is_global {
                tenant.give_role(id, &role);
                continue;
            }
            let organization = random.one_of(&["acme", "globex"]);
            tenant.add_member(organization, id);
            tenant.give_organization_role(organization, id, &role);
        }
        if random.once_in(3) {
            tenant.add_member("acme", id);
        }
    }
    let audit = world.guard.audit(tenant).with_members().await.unwrap();
    for (id, kind) in [("alice", SubjectType::User), ("bob", SubjectType::User), ("nightly", SubjectType::Machine)] {
        if audit.subject(id).is_err() {
            continue;
        }
        let sent = tokens_of(tenant, id, kind, client);
        let subject = ProbeSubject::new(kind, []);
        let token_client = if kind == SubjectType::Machine { id } else { client };
        for route in &audit.report().routes {
            let path = route.path.as_deref().unwrap();
            let who = audit.who("GET", path, Some("acme")).unwrap();
            let caller = who.callers.iter().find(|caller| caller.id == id);
            let expected = caller.is_some_and(|caller| match &caller.verdict {
                Verdict::Yes => true,
                Verdict::OnlyIf { any_of, .. } => {
                    any_of.iter().any(|all| all.iter().all(|words| holds(world, words, token_client, false)))
                }
                _ => false,
            });
            let passed = prober.passes("GET", path, &sent).await.unwrap().unwrap();
            assert_eq!(passed, expected, "seed {seed}: {} by {id}, {subject}\n{caller:?}\n{audit}", route.label());
            compared.people += 1;
            *(if passed { &mut compared.passed } else { &mut compared.rejected }) += 1;
        }
    }
}

/// Every token for a request about acme.
fn tokens_of(tenant: &TestTenant, id: &str, kind: SubjectType, client: &str) -> Vec<String> {
    let scopes = ["a", "b", "c", "d", "x", "y", "o", "p"];
    let wanted = [API, OTHER, UNKNOWN].into_iter().flat_map(|resource| {
        let alone = TokenRequest::resource(resource);
        [alone.clone(), alone.in_organization("acme")]
    });
    let wanted = wanted.chain([TokenRequest::organization("acme")]);
    if kind == SubjectType::Machine {
        return wanted.filter_map(|request| tenant.machine_token(id, &request.scope(&scopes.join(" "))).ok()).collect();
    }
    let grant = tenant.sign_in(id, client, &scopes).unwrap();
    wanted.filter_map(|request| grant.refresh(&request).ok()).collect()
}
