//! A change between any two steps of a request: the next request obeys it, and so does the one that waits.
//!
//! Every wait of the engine is a gate. One request runs up to the gate, the change is applied, and then the next request
//! starts: before the first one goes on, or after it has ended. Nothing here depends on time, and nothing runs but what the
//! test polls, the tasks that this made ready, and the log, which is waited for.

mod doubles;
mod world;

use std::time::Duration;

use futures_util::future::join_all;
use orgate::change::{About, Change, Staleness, Update};
use orgate::testing::TestIssuer;

use doubles::Journal;
use world::{Kind, Wait, World};

/// What happens while the request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happens {
    Nothing,
    Suspended,
    SubjectDeleted,
    MemberRemoved,
    OrganizationDeleted,
    NotBeforeOfSubject,
    NotBeforeOfMember,
    NotBeforeOfOrganization,
    NotBeforeOfClient,
    NotBeforeOfToken,
    NotBeforeOfEveryone,
    SubjectEdited,
    MemberEdited,
    OrganizationEdited,
    TemplateEdited,
    ApiPermissionsEdited,
    EverythingEdited,
    IssuerRemoved,
    IssuerUpdated,
    KeyWithdrawn,
    Gap,
}

use Happens::{
    ApiPermissionsEdited, EverythingEdited, Gap, IssuerRemoved, IssuerUpdated, KeyWithdrawn, MemberEdited,
    MemberRemoved, NotBeforeOfClient, NotBeforeOfEveryone, NotBeforeOfMember, NotBeforeOfOrganization,
    NotBeforeOfSubject, NotBeforeOfToken, Nothing, OrganizationDeleted, OrganizationEdited, SubjectDeleted,
    SubjectEdited, Suspended, TemplateEdited,
};

const ALL: [Happens; 21] = [
    Nothing,
    Suspended,
    SubjectDeleted,
    MemberRemoved,
    OrganizationDeleted,
    NotBeforeOfSubject,
    NotBeforeOfMember,
    NotBeforeOfOrganization,
    NotBeforeOfClient,
    NotBeforeOfToken,
    NotBeforeOfEveryone,
    SubjectEdited,
    MemberEdited,
    OrganizationEdited,
    TemplateEdited,
    ApiPermissionsEdited,
    EverythingEdited,
    IssuerRemoved,
    IssuerUpdated,
    KeyWithdrawn,
    Gap,
];

impl Happens {
    /// Whether nothing is rejected by it: what was asked before is asked again, and the answers are others now.
    fn turns_the_truth(self) -> bool {
        matches!(
            self,
            SubjectEdited
                | MemberEdited
                | OrganizationEdited
                | TemplateEdited
                | ApiPermissionsEdited
                | EverythingEdited
                | Gap
        )
    }

    async fn apply(self, world: &World<'_>) {
        let (entry, at) = (world.entry(), world.now());
        let iss = || entry.issuer().to_owned();
        let change = match self {
            Nothing => return,
            Suspended => Change::suspended(iss(), "alice", at),
            SubjectDeleted => Change::subject_deleted(iss(), "alice", at),
            MemberRemoved => Change::member_removed(iss(), "acme", "alice", at),
            OrganizationDeleted => Change::organization_deleted(iss(), "acme", at),
            NotBeforeOfSubject => Change::not_before(iss(), About::subject("alice"), at),
            NotBeforeOfMember => Change::not_before(iss(), About::member("acme", "alice"), at),
            NotBeforeOfOrganization => Change::not_before(iss(), About::organization("acme"), at),
            NotBeforeOfClient => Change::not_before(iss(), About::client("web"), at),
            NotBeforeOfToken => Change::not_before(iss(), About::token("token-1"), at),
            NotBeforeOfEveryone => Change::not_before(iss(), About::Everyone, at),
            SubjectEdited => Change::edited(iss(), About::subject("alice"), at),
            MemberEdited => Change::edited(iss(), About::member("acme", "alice"), at),
            OrganizationEdited => Change::edited(iss(), About::organization("acme"), at),
            TemplateEdited => Change::edited(iss(), About::OrganizationTemplate, at),
            ApiPermissionsEdited => Change::edited(iss(), About::ApiPermissions, at),
            EverythingEdited => Change::edited(iss(), About::Everything, at),
            IssuerRemoved => return entry.remove().unwrap(),
            IssuerUpdated => return entry.update(world.settings().resource("https://other.example")).unwrap(),
            KeyWithdrawn => return world.withdraw_key().await,
            Gap => {
                world.truth.turn();
                return world.log_says(Update::Gap).await;
            }
        };
        if self.turns_the_truth() {
            world.truth.turn();
        }
        entry.apply_change(&change).unwrap();
    }
}

/// Few: a wait that is held must not come to the limit that it has in real time.
const AT_ONCE: usize = 8;

/// When the next request starts.
#[derive(Clone, Copy, Debug)]
enum Next {
    WhileTheFirstWaits,
    AfterTheFirst,
}

#[tokio::test]
async fn change_between_any_two_steps_is_obeyed_by_the_next_request_and_by_the_one_that_waits() {
    let issuer = TestIssuer::start().await;
    let mut cases = Vec::new();
    for (kind, waits) in [(Kind::Jwt, &Wait::OF_JWT[..]), (Kind::Opaque, &Wait::OF_OPAQUE[..])] {
        for (happens, wait) in ALL.iter().flat_map(|happens| waits.iter().map(|wait| (*happens, *wait))) {
            // Of an opaque token no key is known; and a key that is being fetched cannot be withdrawn before it is there.
            if happens == KeyWithdrawn && (kind == Kind::Opaque || wait == Wait::Keys) {
                continue;
            }
            for next in [Next::WhileTheFirstWaits, Next::AfterTheFirst] {
                cases.push(case(&issuer, kind, wait, happens, next));
            }
        }
    }
    assert_eq!(cases.len(), 2 * (10 * ALL.len() - 6));
    // Some are put off for up to half a second: a few at once, each with a server of its own.
    let mut wrong = Vec::new();
    while !cases.is_empty() {
        wrong.extend(join_all(cases.drain(..cases.len().min(AT_ONCE))).await.into_iter().flatten());
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What went wrong, if anything did.
async fn case(issuer: &TestIssuer, kind: Kind, wait: Wait, happens: Happens, next: Next) -> Option<String> {
    let label = format!("{kind:?} {wait:?} {happens:?} {next:?}");
    let world = World::new(issuer, kind, Journal::default());
    world.follows_its_log().await;
    let gate = world.gate(wait);
    gate.shut();
    let mut first = world.first();
    first.runs_until(|| gate.stopped() > 0, &label).await;
    happens.apply(&world).await;
    let (first, second) = match next {
        Next::WhileTheFirstWaits => {
            let mut second = world.next();
            second.runs_a_while().await;
            gate.open();
            // The next one does not wait for the first: it may end before it.
            let second = second.ends(&label).await;
            (first.ends(&label).await, second)
        }
        Next::AfterTheFirst => {
            gate.open();
            let first = first.ends(&label).await;
            (first, world.next().ends(&label).await)
        }
    };
    let refused = |status: u16| (400..404).contains(&status);
    // After the grant, only what rejects tokens is looked at again.
    let may_pass = wait == Wait::Readiness && happens.turns_the_truth();
    let is_right = match happens {
        Nothing => (first, second) == (200, 200),
        _ if may_pass => first == 200 && refused(second),
        // What was obtained for settings of before may leave the outcome unclear.
        _ => (refused(first) || first == 503) && refused(second),
    };
    (!is_right).then(|| format!("{label}: the one that waits {first}, the next one {second}"))
}

/// The log is a wait of the server: requests are rejected until it is loaded, and then obey what was applied meanwhile, here
/// or by the log.
#[tokio::test]
async fn change_while_the_log_is_loaded_is_obeyed_by_the_next_request() {
    let issuer = TestIssuer::start().await;
    for (happens, next) in ALL.iter().flat_map(|happens| [(*happens, false), (*happens, true)]) {
        if matches!(happens, Gap | KeyWithdrawn) || happens.turns_the_truth() {
            continue;
        }
        let label = format!("{happens:?}, by the log: {next}");
        let journal = Journal { staleness: Some(Staleness::refuse_after(Duration::MAX)), ..Journal::default() };
        journal.loading.shut();
        let world = World::new(&issuer, Kind::Jwt, journal.clone());
        assert_eq!(world.next().ends(&label).await, 503, "{label}");
        if next && happens == Suspended {
            let change = Change::suspended(world.entry().issuer().to_owned(), "alice", world.now());
            journal.say(Update::Fact(change.fact().unwrap()));
        } else {
            happens.apply(&world).await;
        }
        assert!(matches!(world.next().ends(&label).await, 401 | 503), "{label}");
        journal.loading.open();
        world.settles().await;
        let expected = if happens == Nothing { 200 } else { 401 };
        assert_eq!(world.next().ends(&label).await, expected, "{label}");
    }
}
