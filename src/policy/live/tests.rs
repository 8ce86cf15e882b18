use std::sync::Mutex;
use std::sync::atomic::Ordering;

use http::Request;
use proptest::prelude::*;

use super::super::{
    CompiledPolicy, Policy, all_of, any_of, any_organization as of_token, organization, resource, scope,
};
use super::*;
use crate::decision::DecisionView;
use crate::explain::Steps;
use crate::future::BoxFuture;
use crate::issuer::{IssuerRules, ORGANIZATION_URN};
use crate::permissions::{PermissionSource, SourceError};
use crate::policy::{CheckMemory, Granted, SignInView, View};
use crate::scope::ScopeList;
use crate::scoped::ScopedId;
use crate::time::Clock;
use crate::token::{Provenance, Subject, SubjectKind, Times, Verified};

const API: &str = "https://api.example.com";
const NOON: Duration = Duration::from_secs(1_800_000_000);
const LEEWAY: Duration = Duration::from_secs(60);

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Now {
        Now::new(NOON, Duration::from_secs(3600))
    }
}

/// Says what it was told to say.
#[derive(Clone)]
struct Says(Arc<Mutex<Result<Permissions, SourceError>>>);

impl PermissionSource for Says {
    fn permissions<'a>(&'a self, _: &'a PermissionQuery) -> BoxFuture<'a, Result<Permissions, SourceError>> {
        Box::pin(async { self.0.lock().unwrap().clone() })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Api,
    Organization,
    ApiInOrganization,
}

const MODELS: [Of; 3] = [Of::Api, Of::Organization, Of::ApiInOrganization];

impl Of {
    fn policy(self) -> Policy {
        match self {
            Self::Api => resource(),
            Self::Organization => organization(of_token()),
            Self::ApiInOrganization => resource().in_organization(of_token()),
        }
    }

    /// A token of this model, the `number`th of its client, issued so long before noon.
    fn token(self, kind: SubjectKind, scopes: &str, number: usize, before: u64) -> AccessToken {
        let audience = if self == Self::Organization { format!("{ORGANIZATION_URN}acme") } else { API.to_owned() };
        let issued_at = NumericDate::new(NOON.saturating_sub(Duration::from_secs(before)).as_secs_f64());
        let verified = Verified {
            issuer: "https://issuer.example".into(),
            entry: crate::token::EntryVersion::of(crate::token::IssuerId::for_tests("main")),
            subject: Subject::new("main".into(), "u1".into(), kind),
            resources: Arc::from([API.into()]),
            client_id: Some("web".into()),
            token_id: None,
            scopes: ScopeList::from_text(scopes),
            audience_organization: audience.strip_prefix(ORGANIZATION_URN).map(|id| ScopedId::new(&"main".into(), id)),
            parties: crate::token::Parties::of(
                audience.strip_prefix(ORGANIZATION_URN).into_iter().map(Into::into).collect(),
                Vec::new(),
            ),
            audience: vec![audience.into()],
            organization: (self == Self::ApiInOrganization).then(|| ScopedId::new(&"main".into(), "acme")),
            confirmation: None,
            authentication: None,
            times: Times { expires_at: NumericDate::new(2e9).unwrap(), not_before: None, issued_at },
        };
        AccessToken::mint(verified, format!("{self:?}.{number}.").as_bytes(), Provenance::dangling())
    }
}

/// A server's side: what it knows, and whom it asks.
struct Server {
    permissions: Arc<LivePermissions>,
    conversations: Conversations,
    source: Source,
    says: Says,
    runtime: tokio::runtime::Runtime,
}

impl Server {
    fn new(says: Permissions) -> Self {
        let says = Says(Arc::new(Mutex::new(Ok(says))));
        Self {
            permissions: Arc::new(LivePermissions::new(100, Arc::new(Noon))),
            conversations: Conversations::new(),
            source: Source::new(Arc::new(says.clone()), Arc::default()),
            says,
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
        }
    }

    /// One look at a request.
    fn look(
        &self,
        rules: &CompiledPolicy,
        token: &AccessToken,
        arrival: Epoch,
        waited: &[Waited],
    ) -> Result<Granted, Stop> {
        let live = LiveView {
            permissions: &self.permissions,
            conversations: &self.conversations,
            source: Some(&self.source),
            arrival,
            waited,
            serves_known: true,
            now: Noon.now(),
            leeway: LEEWAY,
            lead: -LEEWAY.as_secs_f64(),
            changes: None,
        };
        let decisions = DecisionView { decider: None, decided: &[], route: None };
        let mut view = View {
            live: Some(live),
            decisions,
            sign_in: SignInView { conversations: &self.conversations, now: Noon.now(), lead: &|| 0.0, is_dry: false },
            now: Noon.now(),
            memory: &mut CheckMemory::default(),
            steps: &mut Steps::default(),
            is_dry: false,
            without_decision: false,
        };
        rules.judge(token, &mut Request::new(()).into_parts().0, &mut view)
    }

    fn fetch(&self, wanted: WantedPermissions) -> Waited {
        let WantedPermissions { source, query, need } = wanted;
        let outcome = self.runtime.block_on(self.permissions.resolve(&source, &query, need));
        Waited { query, outcome }
    }

    /// Looks, and waits, until it is decided.
    fn decide(&self, rules: &CompiledPolicy, token: &AccessToken) -> Result<Granted, Rejection> {
        let (arrival, mut waited) = (self.permissions.arrival(), Vec::new());
        for _ in 0..8 {
            match self.look(rules, token, arrival, &waited) {
                Ok(granted) => return Ok(granted),
                Err(Stop::Reject(denial)) => return Err(denial),
                Err(Stop::Need(Need::Permissions(wanted))) => waited.push(self.fetch(*wanted)),
                Err(Stop::Need(_)) => panic!("nobody decides beside"),
            }
        }
        panic!("it is not decided")
    }
}

fn rules(policy: Policy) -> CompiledPolicy {
    CompiledPolicy::compile(policy, &[&IssuerRules::for_tests("main")]).unwrap()
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn names(set: u8) -> Vec<&'static str> {
    (0..4).filter(|bit| set & (1 << bit) != 0).map(|bit| NAMES[bit]).collect()
}

/// All of these, or one of them.
type Rule = (bool, u8);

#[derive(Clone, Debug)]
struct Case {
    of: Of,
    kind: SubjectKind,
    branches: Vec<Vec<Rule>>,
    token: u8,
    /// Nothing if it may not act.
    live: Option<u8>,
}

fn cases() -> impl Strategy<Value = Case> {
    let rule = (any::<bool>(), 1..16_u8);
    let branches = prop::collection::vec(prop::collection::vec(rule, 0..3), 1..4);
    let kind = prop_oneof![Just(SubjectKind::User), Just(SubjectKind::Machine), Just(SubjectKind::Unknown)];
    (prop::sample::select(&MODELS[..]), kind, branches, 0..16_u8, prop::option::weighted(0.85, 0..16_u8))
        .prop_map(|(of, kind, branches, token, live)| Case { of, kind, branches, token, live })
}

/// The table of the design, row by row.
fn by_the_table(case: &Case) -> (u16, &'static str) {
    let p = |branch: &[Rule], set: u8| {
        branch.iter().all(|(all, wanted)| if *all { set & wanted == *wanted } else { set & wanted != 0 })
    };
    let row = |branch: &[Rule]| {
        let live = case.live.is_some_and(|live| p(branch, live));
        let both = case.live.is_some_and(|live| p(branch, case.token & live));
        let is_machine = case.kind == SubjectKind::Machine;
        match (both, p(branch, case.token), live) {
            (true, ..) => (200, ""),
            (false, true, _) => (401, "refresh"),
            (false, false, false) => (403, "none"),
            (false, false, true) if is_machine => (403, "request_scope"),
            (false, false, true) if case.of == Of::Organization => (403, "refresh"),
            (false, false, true) => (403, "reconsent"),
        }
    };
    let order =
        [(200, ""), (403, "refresh"), (403, "request_scope"), (403, "reconsent"), (403, "none"), (401, "refresh")];
    let rows: Vec<_> = case.branches.iter().map(|branch| row(branch)).collect();
    order.into_iter().find(|answer| rows.contains(answer)).expect("a branch")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn judged_by_the_table(case in cases(), fresh in any::<bool>()) {
        let branches = case.branches.iter().map(|branch| {
            let policy = branch.iter().fold(case.of.policy(), |policy, (all, wanted)| {
                policy.and(if *all { all_of(names(*wanted)) } else { any_of(names(*wanted)) })
            });
            if fresh { policy.fresh_within(Duration::from_secs(30)) } else { policy.live() }
        });
        let rules = rules(branches.reduce(Policy::or).unwrap());
        let server = Server::new(case.live.map_or_else(Permissions::none, |live| Permissions::of(names(live))));
        let token = case.of.token(case.kind, &names(case.token).join(" "), 0, 0);
        let answer = match server.decide(&rules, &token) {
            Ok(granted) => {
                let (drift, live) = (granted.drift.unwrap(), case.live.unwrap());
                prop_assert_eq!(drift.lost().collect::<Vec<_>>(), names(case.token & !live));
                prop_assert_eq!(drift.gained().collect::<Vec<_>>(), names(live & !case.token));
                (200, "")
            }
            Err(denial) => (denial.status().as_u16(), denial.remediation().as_str()),
        };
        prop_assert_eq!(answer, by_the_table(&case));
    }
}

fn wants(outcome: Result<Granted, Stop>) -> Option<WantedPermissions> {
    match outcome {
        Err(Stop::Need(Need::Permissions(wanted))) => Some(*wanted),
        _ => None,
    }
}

#[test]
fn what_was_known_before_lets_pass_and_does_not_deny_a_newer_token() {
    let server = Server::new(Permissions::of(["a"]));
    let rules = rules(resource().scope("b").fresh_within(Duration::from_secs(30)).or(resource().scope("a").live()));
    let fresh_a = self::rules(resource().scope("a").fresh_within(Duration::from_secs(30)));
    // Known since noon, before any of these requests came.
    assert!(server.decide(&fresh_a, &Of::Api.token(SubjectKind::User, "a", 0, 0)).is_ok());
    let arrival = server.permissions.arrival();
    assert!(server.look(&fresh_a, &Of::Api.token(SubjectKind::User, "a", 1, 0), arrival, &[]).is_ok());
    // `iat` is cut to seconds, and the leeway is 60 of them: 61 s later it is certain that the source was asked after.
    let only_b = self::rules(resource().scope("b").fresh_within(Duration::from_secs(30)));
    for (before, may_deny) in [(0, false), (60, false), (61, false), (62, true), (3600, true)] {
        let token = Of::Api.token(SubjectKind::User, "b", 2, before);
        let wanted = wants(server.look(&only_b, &token, arrival, &[]));
        assert_eq!(wanted.is_none(), may_deny, "{before} s");
        assert!(wanted.is_none_or(|wanted| wanted.need == Freshness::After(arrival)));
    }
    // One branch is denied by what is known; the other one asks for more.
    let token = Of::Api.token(SubjectKind::User, "a", 3, 3600);
    assert!(
        wants(server.look(&rules, &token, arrival, &[])).is_some_and(|wanted| wanted.need == Freshness::After(arrival))
    );
}

#[test]
fn a_live_branch_does_not_take_what_another_branch_waited_for() {
    let server = Server::new(Permissions::of(["a"]));
    let fresh_a = rules(resource().scope("a").fresh_within(Duration::from_secs(30)));
    let token = Of::Api.token(SubjectKind::User, "a", 0, 3600);
    let before = wants(server.look(&fresh_a, &token, server.permissions.arrival(), &[])).unwrap();
    let waited = [server.fetch(before)];
    // The same as if the fetch had been under way when the request came, and it had waited for its landing.
    let arrival = server.permissions.arrival();
    assert!(server.look(&fresh_a, &token, arrival, &waited).is_ok());
    let both = rules(resource().scope("b").fresh_within(Duration::from_secs(30)).or(resource().scope("a").live()));
    let wanted = wants(server.look(&both, &token, arrival, &waited)).expect("it began before the request came");
    assert_eq!(wanted.need, Freshness::After(arrival));
    let waited = [waited.into_iter().next().unwrap(), server.fetch(wanted)];
    assert!(server.look(&both, &token, arrival, &waited).is_ok());
}

#[test]
fn two_models_do_not_send_a_client_to_and_fro() {
    // The source never agrees, and the issuer goes on.
    let server = Server::new(Permissions::of(["other"]));
    let rules = rules(organization(of_token()).scope("a").live().or(resource().scope("b").live()));
    let mut heard = Vec::new();
    let tokens = [Of::Organization; 4].into_iter().chain([Of::Api; 4]);
    for (number, of) in tokens.enumerate() {
        let denial = server.decide(&rules, &of.token(SubjectKind::User, "a b", number, 0)).unwrap_err();
        heard.push((denial.status().as_u16(), denial.remediation().as_str()));
    }
    let of_model = [(401, "refresh"), (401, "refresh"), (401, "refresh"), (403, "none")];
    assert_eq!(heard, [of_model, of_model].concat());
}

#[test]
fn a_source_that_is_down() {
    let live = || resource().scope("a").live();
    let age = Duration::from_secs(60);
    let down = |server: &Server| {
        let error = SourceError::new("down").retry_after(Duration::from_secs(7));
        *server.says.0.lock().unwrap() = Err(error);
    };
    for (policy, scopes, known, expected) in [
        (live(), "a", None, (503, "retry")),
        (live(), "a", Some("a"), (503, "retry")),
        (live().stale_if_error(age), "a", None, (503, "retry")),
        (live().stale_if_error(age), "a", Some("a"), (200, "")),
        (live().stale_if_error(age), "a", Some("b"), (503, "retry")),
        (live().stale_if_error(age), "b", Some("a"), (503, "retry")),
        (live().dangerous_token_only_on_error(), "a", None, (200, "")),
        (live().dangerous_token_only_on_error(), "a", Some("b"), (200, "")),
        (live().dangerous_token_only_on_error(), "b", Some("a"), (403, "request_scope")),
    ] {
        let server = Server::new(known.map_or_else(Permissions::none, |known| Permissions::of([known])));
        let (what, rules) = (policy.to_string(), rules(policy));
        if known.is_some() {
            let _ = server.decide(&self::rules(live()), &Of::Api.token(SubjectKind::User, "a", 9, 0));
        }
        down(&server);
        let decided = server.decide(&rules, &Of::Api.token(SubjectKind::User, scopes, 0, 0));
        let retry_after = decided.as_ref().err().and_then(Rejection::retry_after);
        let answer =
            decided.map_or_else(|denial| (denial.status().as_u16(), denial.remediation().as_str()), |_| (200, ""));
        assert_eq!(answer, expected, "{what}: {scopes}, known {known:?}");
        assert_eq!(retry_after, (answer.0 == 503).then_some(Duration::from_secs(7)));
        let counts = &server.permissions.counts;
        let counted = [&counts.stale, &counts.token_only].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(
            counted,
            [u64::from(what.contains("stale") && answer.0 == 200), u64::from(what.contains("token only"))]
        );
    }
}

#[test]
fn failure_of_a_live_clause_leaves_another_clause_its_valid_snapshot() {
    let seconds = Duration::from_secs;
    let server = Server::new(Permissions::of(["a"]));
    let fresh_a = || resource().scope("a").fresh_within(seconds(30));
    let token = || Of::Api.token(SubjectKind::User, "a", 0, 3600);
    assert!(server.decide(&rules(fresh_a()), &token()).is_ok());
    *server.says.0.lock().unwrap() = Err(SourceError::new("down"));
    for policy in [resource().scope("b").live().or(fresh_a()), fresh_a().or(resource().scope("b").live())] {
        assert!(server.decide(&rules(policy.clone()), &token()).is_ok(), "{policy}");
    }
    // What asks for more than is known still goes without an answer.
    let both_live = rules(resource().scope("b").live().or(resource().scope("a").live()));
    assert_eq!(server.decide(&both_live, &token()).unwrap_err().status().as_u16(), 503);
    // A snapshot that does not let pass, and that may not deny so new a token, is no answer either: the source is asked once.
    let new = Of::Api.token(SubjectKind::User, "b", 1, 0);
    let fresh_b = || resource().scope("b").fresh_within(seconds(30));
    for (policy, status) in [(fresh_b(), 503), (fresh_b().dangerous_token_only_on_error(), 200)] {
        let decided = server.decide(&rules(policy), &new);
        assert_eq!(decided.map_or_else(|denial| denial.status().as_u16(), |_| 200), status);
    }
}

#[test]
fn a_change_that_was_told_of_ends_what_would_serve_in_need() {
    let server = Server::new(Permissions::of(["a"]));
    let rules = rules(resource().and(scope("a")).live().stale_if_error(Duration::from_secs(60)));
    let token = Of::Api.token(SubjectKind::User, "a", 0, 0);
    assert!(server.decide(&rules, &token).is_ok());
    *server.says.0.lock().unwrap() = Err(SourceError::new("down"));
    assert!(server.decide(&rules, &token).is_ok());
    server.permissions.invalidate(&server.source, &crate::change::About::subject("u1"), NOON);
    assert_eq!(server.decide(&rules, &token).unwrap_err().status().as_u16(), 503);
}

/// What one client hears for a scope, while the source says this.
fn hears(server: &Server, rules: &CompiledPolicy, says: &str, scopes: &str, number: usize) -> (u16, &'static str) {
    *server.says.0.lock().unwrap() = Ok(Permissions::of([says]));
    let decided = server.decide(rules, &Of::Api.token(SubjectKind::User, scopes, number, 0));
    decided.map_or_else(|denial| (denial.status().as_u16(), denial.remediation().as_str()), |_| (200, ""))
}

#[test]
fn a_pass_leaves_the_conversation_where_it_is() {
    let (server, rules) = (Server::new(Permissions::none()), rules(resource().scope("a").live()));
    let hears = |says, scopes, number| hears(&server, &rules, says, scopes, number);
    assert_eq!(hears("a", "", 0), (403, "reconsent"));
    assert_eq!(hears("a", "a", 1), (200, ""));
    assert_eq!(hears("a", "", 2), (403, "reconsent"), "a token that asked for less");
    assert_eq!(hears("a", "", 3), (403, "reconsent"));
    assert_eq!(hears("a", "", 4), (403, "none"));
}

#[test]
fn what_is_lost_and_regained_is_a_new_conversation() {
    let (server, rules) = (Server::new(Permissions::none()), rules(resource().scope("a").live()));
    let hears = |says, scopes, number| hears(&server, &rules, says, scopes, number);
    assert_eq!(hears("a", "", 0), (403, "reconsent"));
    // Lost before the client came back: its new token does not have it, and there is nothing to do.
    assert_eq!(hears("b", "", 1), (403, "none"));
    assert_eq!(hears("a", "", 1), (403, "reconsent"), "another sign-in brings it");
    let heard = [2, 3, 4].map(|number| hears("a", "", number).1);
    assert_eq!(heard, ["reconsent", "reconsent", "none"]);
}
