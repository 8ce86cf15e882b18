//! From Logto's webhooks to Permit.io: what is told, in which order, and what is not lost in silence. Both are doubles on
//! loopback, and every delivery is signed and verified.

#![allow(clippy::needless_pass_by_value, reason = "they read better here")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use orgate::decision::{DecisionPoint as _, Resource};
use orgate::logto::webhooks::{Event, SigningKeys, verify};
use orgate::permit::{LogtoUser, Permit, PermitBridge, PermitBridgeBuilder, PermitUser};
use orgate::testing::{Fault, TestClock, TestDecisionRequest, TestPermit, TestTenant};
use orgate::time::{Clock, Now};
use serde_json::{Value, json};

const ROLE: &str = "member";
const FACTS: &str = "/v2/facts/project-1/environment-1";
/// 2026-11-20T13:00:00Z: events are so many seconds later.
const START: Duration = Duration::from_secs(1_795_179_600);

struct Scene {
    tenant: TestTenant,
    permit: TestPermit,
    clock: TestClock,
    bridge: PermitBridge,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(change: impl FnOnce(PermitBridgeBuilder) -> PermitBridgeBuilder) -> Self {
        let clock = TestClock::new(START + Duration::from_secs(30));
        let (tenant, permit) = (TestTenant::builder().clock(clock.clone()).start().await, TestPermit::start().await);
        permit.permission(ROLE, "read", "document");
        permit.role("admin");
        let facts = Permit::builder(permit.url(), TestPermit::KEY).api(permit.url()).clock(clock.clone());
        let builder = PermitBridge::builder(facts.build().unwrap(), ROLE).clock(clock.clone());
        Self { bridge: change(builder).build().unwrap(), tenant, permit, clock }
    }

    /// A delivery as Logto signs it, `seconds` after some start.
    fn event(&self, name: &str, seconds: u64, rest: Value) -> Event {
        let mut body = json!({
            "event": name,
            "createdAt": format!("2026-11-20T13:{:02}:{:02}.000Z", seconds / 60, seconds % 60),
            "hookId": "hook",
        });
        for (name, value) in rest.as_object().unwrap() {
            body[name] = value.clone();
        }
        let (headers, body) = self.tenant.sign_delivery(body.to_string()).into_parts();
        let keys = SigningKeys::new([self.tenant.signing_key()]).unwrap();
        verify(&headers, &body, &keys).unwrap()
    }

    fn created(&self, user: &str, at: u64) -> Event {
        let data =
            json!({ "id": user, "primaryEmail": format!("{user}@example.com"), "name": "Somebody", "profile": {} });
        self.event("User.Created", at, json!({ "data": data }))
    }

    fn deleted(&self, user: &str, at: u64) -> Event {
        self.event("User.Deleted", at, json!({ "data": { "id": user } }))
    }

    fn joined(&self, user: &str, organization: &str, at: u64) -> Event {
        self.membership(organization, at, json!({ "addedUserIds": [user] }))
    }

    fn left(&self, user: &str, organization: &str, at: u64) -> Event {
        self.membership(organization, at, json!({ "removedUserIds": [user] }))
    }

    fn membership(&self, organization: &str, at: u64, mut rest: Value) -> Event {
        rest["organizationId"] = organization.into();
        self.event("Organization.Membership.Updated", at, rest)
    }

    async fn tell(&self, events: &[Event]) {
        for event in events {
            self.bridge.take(event);
        }
        self.bridge.work_off().await;
    }

    /// What has happened at the tenant since the last time.
    async fn deliver(&self) {
        let keys = SigningKeys::new([self.tenant.signing_key()]).unwrap();
        for delivery in self.tenant.take_deliveries() {
            let (headers, body) = delivery.into_parts();
            self.bridge.take(&verify(&headers, &body, &keys).unwrap());
        }
        self.bridge.work_off().await;
    }

    async fn may_read(&self, user: &str, organization: &str) -> bool {
        let request = TestDecisionRequest::user(user).organization(organization);
        let request = request.wants("read", Resource::new("document", "1"));
        client(&self.permit).decide(&request).await.unwrap().is_allowed()
    }

    fn tenants_of(&self, user: &str) -> Vec<String> {
        self.permit.roles(user).into_iter().map(|(_, tenant)| tenant).collect()
    }

    fn dropped(&self) -> Vec<(String, u64)> {
        self.bridge.status().dropped().map(|(event, count)| (event.to_owned(), count)).collect()
    }
}

fn client(permit: &TestPermit) -> Permit {
    Permit::builder(permit.url(), TestPermit::KEY).api(permit.url()).build().unwrap()
}

fn second(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + START + Duration::from_secs(seconds)
}

#[tokio::test]
async fn the_life_of_a_member() {
    let scene = Scene::new().await;
    scene.tenant.add_user("alice");
    scene.tenant.add_organization("acme");
    scene.tenant.add_organization("globex");
    scene.tenant.add_member("acme", "alice");
    scene.deliver().await;
    assert!(scene.may_read("alice", "acme").await);
    assert!(!scene.may_read("alice", "globex").await);
    scene.tenant.remove_member("acme", "alice");
    scene.tenant.add_member("globex", "alice");
    scene.deliver().await;
    assert!(!scene.may_read("alice", "acme").await);
    assert!(scene.may_read("alice", "globex").await);
    scene.tenant.remove_user("alice");
    scene.deliver().await;
    assert!(!scene.may_read("alice", "globex").await);
    assert!(scene.permit.users().is_empty());
    assert_eq!((scene.bridge.status().pending(), scene.dropped()), (0, vec![]));
}

#[tokio::test]
async fn who_registers_and_who_is_made() {
    let scene = Scene::with(|builder| {
        builder.map_user(|user, event| {
            let plan = event.payload::<Value>().unwrap()["user"]["customData"]["plan"].as_str().map(str::to_owned);
            let user = if let Some(plan) = plan { user.attribute("plan", plan) } else { user };
            user.attribute("source", "logto")
        })
    })
    .await;
    let registered = scene.event(
        "PostRegister",
        1,
        json!({
            "interactionEvent": "Register",
            "userId": "bob",
            "user": {
                "id": "bob", "username": "bob", "primaryEmail": "bob@example.com", "primaryPhone": null, "name": "Bobby",
                "profile": { "givenName": "Bob", "familyName": "Roe" }, "customData": { "plan": "pro" }
            },
        }),
    );
    let empty =
        scene.event("User.Created", 1, json!({ "data": { "id": "carol", "primaryEmail": null, "name": null } }));
    scene.tell(&[registered, empty, scene.created("dave", 1)]).await;
    assert_eq!(
        scene.permit.user::<Value>("bob").unwrap(),
        json!({
            "key": "bob", "email": "bob@example.com", "first_name": "Bob", "last_name": "Roe",
            "attributes": { "plan": "pro", "source": "logto" }
        })
    );
    assert_eq!(
        scene.permit.user::<Value>("carol").unwrap(),
        json!({ "key": "carol", "attributes": { "source": "logto" } })
    );
    assert_eq!(scene.permit.user::<Value>("dave").unwrap()["first_name"], "Somebody");

    // One that does not say who, one of another name, and one that concerns no user.
    scene.permit.take_calls();
    let nobody = scene.event("PostRegister", 2, json!({ "userId": "eve" }));
    let application = scene.membership("acme", 2, json!({ "addedApplicationIds": ["app"] }));
    let other = scene.event("User.Data.Updated", 2, json!({ "data": { "id": "eve" } }));
    let fallback = scene.joined("dave", "default", 2);
    scene.tell(&[nobody, application, other, fallback]).await;
    assert!(scene.permit.take_calls().is_empty());
    assert_eq!(scene.dropped(), [("PostRegister".to_owned(), 1)]);
}

/// Whatever comes twice or late: the end is the same.
#[tokio::test]
async fn every_order_has_the_same_end() {
    for (deleted, expected) in [(false, vec!["globex".to_owned()]), (true, vec![])] {
        for order in permutations(5) {
            let scene = Scene::new().await;
            let events = [
                scene.created("alice", 1),
                scene.joined("alice", "acme", 2),
                scene.left("alice", "acme", 3),
                scene.joined("alice", "globex", 4),
                if deleted { scene.deleted("alice", 5) } else { scene.created("alice", 1) },
            ];
            // Only every other order is worked off in between, so that both the queue and Permit.io see them.
            for at in &order {
                scene.bridge.take(&events[*at]);
                if order[0] % 2 == 0 {
                    scene.bridge.work_off().await;
                }
            }
            scene.tell(&[]).await;
            for replayed in order.iter().rev() {
                scene.tell(&[events[*replayed].clone()]).await;
            }
            assert_eq!(scene.tenants_of("alice"), expected, "{order:?}");
            assert_eq!(scene.permit.users().is_empty(), deleted, "{order:?}");
            assert_eq!((scene.bridge.status().pending(), scene.dropped()), (0, vec![]), "{order:?}");
            if !deleted {
                assert_eq!(scene.permit.user::<Value>("alice").unwrap()["email"], "alice@example.com", "{order:?}");
            }
        }
    }
}

/// All orders of so many things, as many as make a test of some seconds.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    fn extend(so_far: &[usize], count: usize, all: &mut Vec<Vec<usize>>) {
        if so_far.len() == count {
            all.push(so_far.to_vec());
        }
        for next in (0..count).filter(|next| !so_far.contains(next)) {
            extend(&[so_far, &[next]].concat(), count, all);
        }
    }
    let mut all = Vec::new();
    extend(&[], count, &mut all);
    all.into_iter().step_by(3).collect()
}

#[tokio::test]
async fn a_deleted_user_stays_deleted() {
    let scene = Scene::new().await;
    scene.tell(&[scene.created("alice", 1), scene.joined("alice", "acme", 2), scene.deleted("alice", 3)]).await;
    scene.permit.take_calls();
    let replayed = [scene.created("alice", 1), scene.joined("alice", "acme", 2), scene.created("alice", 9)];
    scene.tell(&replayed).await;
    assert!(scene.permit.take_calls().is_empty());
    assert_eq!(scene.bridge.status().stale(), 3);
    assert!(scene.permit.users().is_empty());
}

#[tokio::test]
async fn a_membership_may_be_told_before_its_user() {
    let scene = Scene::new().await;
    scene.tell(&[scene.joined("alice", "acme", 2)]).await;
    assert!(scene.may_read("alice", "acme").await);
    assert_eq!(scene.permit.user::<Value>("alice").unwrap(), json!({ "key": "alice", "attributes": {} }));
    scene.tell(&[scene.created("alice", 1)]).await;
    assert_eq!(scene.permit.user::<Value>("alice").unwrap()["email"], "alice@example.com");
    assert!(scene.may_read("alice", "acme").await);

    // A role that is missing at Permit.io is no reason to write over what is known about a user.
    let scene = Scene::new().await;
    let strange = PermitBridge::builder(client(&scene.permit), "no such role").clock(scene.clock.clone());
    let strange = strange.build().unwrap();
    client(&scene.permit).sync_user(&PermitUser::new("bob").email("bob@example.com")).await.unwrap();
    strange.take(&scene.joined("bob", "acme", 2));
    strange.work_off().await;
    assert_eq!(scene.permit.user::<Value>("bob").unwrap()["email"], "bob@example.com");
    let dropped: Vec<_> = strange.status().dropped().map(|(event, count)| (event.to_owned(), count)).collect();
    assert_eq!(dropped, [("Organization.Membership.Updated".to_owned(), 1)]);
}

#[tokio::test]
async fn who_leaves_keeps_no_role_there() {
    let scene = Scene::new().await;
    scene
        .tell(&[scene.created("alice", 1), scene.joined("alice", "acme", 2), scene.joined("alice", "globex", 2)])
        .await;
    client(&scene.permit).assign_role("alice", "admin", "acme").await.unwrap();
    scene.tell(&[scene.left("alice", "acme", 3), scene.left("nobody", "acme", 3)]).await;
    assert_eq!(scene.tenants_of("alice"), ["globex"]);
    assert_eq!(scene.dropped(), []);
}

#[tokio::test]
async fn what_goes_wrong_in_passing_is_tried_again() {
    let scene = Scene::new().await;
    scene.permit.fail_always("/v2/", Fault::Status(502));
    scene.tell(&[scene.created("alice", 1), scene.joined("alice", "acme", 2)]).await;
    assert_eq!(scene.bridge.status().pending(), 2);
    scene.permit.take_calls();
    scene.bridge.work_off().await;
    assert!(scene.permit.take_calls().is_empty(), "not before its time");
    scene.permit.recover();
    scene.permit.fail_next(&format!("{FACTS}/users"), Fault::retry_after(429, Duration::from_secs(30)));
    scene.clock.advance(Duration::from_secs(1));
    scene.bridge.work_off().await;
    assert_eq!(scene.bridge.status().pending(), 1, "the membership made a user; what is known of her is to come");
    scene.clock.advance(Duration::from_secs(29));
    scene.bridge.work_off().await;
    assert_eq!(scene.bridge.status().pending(), 1);
    scene.clock.advance(Duration::from_secs(1));
    scene.bridge.work_off().await;
    assert_eq!((scene.bridge.status().pending(), scene.dropped()), (0, vec![]));
    assert!(scene.may_read("alice", "acme").await);
    assert_eq!(scene.permit.user::<Value>("alice").unwrap()["email"], "alice@example.com");

    // For an hour, and not for ever.
    scene.permit.fail_always("/v2/", Fault::Status(500));
    scene.tell(&[scene.created("bob", 1)]).await;
    for _ in 0..60 {
        scene.clock.advance(Duration::from_secs(60));
        scene.bridge.work_off().await;
    }
    assert_eq!((scene.bridge.status().pending(), scene.dropped()), (0, vec![("User.Created".to_owned(), 1)]));
}

#[tokio::test]
async fn what_is_rejected_is_counted_and_nobody_is_named() {
    let scene = Scene::new().await;
    scene.permit.fail_always(FACTS, Fault::Status(422));
    scene.tell(&[scene.created("alice", 1), scene.deleted("bob", 1), scene.created("..", 1)]).await;
    assert_eq!(scene.dropped(), [("User.Created".to_owned(), 2), ("User.Deleted".to_owned(), 1)]);
    let user = LogtoUser::new(PermitUser::new("alice")).member_of("acme");
    let shown = format!("{:?} {:?} {user:?}", scene.bridge, scene.bridge.status());
    assert!(!shown.contains("alice") && !shown.contains("bob") && !shown.contains("acme"), "{shown}");
}

#[tokio::test]
async fn a_full_queue_drops_registrations_and_no_removal() {
    let scene = Scene::with(|builder| builder.max_pending(2)).await;
    scene.tell(&[scene.joined("mallory", "acme", 1)]).await;
    assert!(scene.may_read("mallory", "acme").await);
    scene.bridge.take(&scene.created("a", 1));
    scene.bridge.take(&scene.membership("acme", 2, json!({ "addedUserIds": ["b", "c", "d"] })));
    assert_eq!(scene.bridge.status().pending(), 2);
    assert_eq!(scene.dropped(), [("Organization.Membership.Updated".to_owned(), 2)]);
    scene.bridge.take(&scene.deleted("e", 3));
    scene.bridge.take(&scene.left("mallory", "acme", 3));
    assert_eq!(scene.bridge.status().pending(), 4, "removals have room of their own");
    // A later word about what is queued takes its place, and gives its room back.
    scene.bridge.take(&scene.left("b", "acme", 4));
    scene.bridge.take(&scene.deleted("a", 4));
    assert_eq!(scene.bridge.status().pending(), 4);
    scene.bridge.take(&scene.membership("acme", 5, json!({ "addedUserIds": ["f", "g", "h"] })));
    assert_eq!(scene.bridge.status().pending(), 6);
    assert_eq!(scene.dropped(), [("Organization.Membership.Updated".to_owned(), 3)]);
    // A return for which there is no room leaves the removal as it is.
    scene.bridge.take(&scene.joined("mallory", "acme", 6));
    scene.bridge.work_off().await;
    assert!(!scene.may_read("mallory", "acme").await);
    assert_eq!(scene.dropped(), [("Organization.Membership.Updated".to_owned(), 4)]);
    assert_eq!((scene.bridge.status().pending(), scene.bridge.status().lost_removals()), (0, 0));
    // Who was deleted stays so.
    scene.tell(&[scene.created("e", 7)]).await;
    assert_eq!(scene.permit.users(), ["f", "g", "mallory"]);
    for most in [0, 1_000_001] {
        assert!(PermitBridge::builder(client(&scene.permit), ROLE).max_pending(most).build().is_err());
    }
    assert!(PermitBridge::builder(client(&scene.permit), "").build().is_err());
}

#[tokio::test]
async fn a_removal_outlasts_an_outage_and_a_wrong_setup() {
    let not_found = r#"{"error_code":"NOT_FOUND","message":"environment"}"#.to_owned();
    for fault in [
        Fault::Status(502),
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::answer(404, "<html>no such page</html>"),
        // A project or an environment that is gone says the same as a user that is.
        Fault::answer(404, not_found),
    ] {
        let scene = Scene::new().await;
        scene.tell(&[scene.joined("alice", "acme", 1), scene.joined("bob", "acme", 1)]).await;
        scene.permit.fail_always(FACTS, fault.clone());
        scene.tell(&[scene.left("alice", "acme", 2), scene.deleted("bob", 2)]).await;
        for _ in 0..90 {
            scene.clock.advance(Duration::from_secs(60));
            scene.bridge.work_off().await;
        }
        assert_eq!((scene.bridge.status().pending(), scene.dropped()), (2, vec![]), "{fault:?}");
        scene.permit.recover();
        scene.clock.advance(Duration::from_secs(60));
        scene.bridge.work_off().await;
        assert_eq!((scene.bridge.status().pending(), scene.permit.users()), (0, vec!["alice".to_owned()]), "{fault:?}");
        assert!(!scene.may_read("alice", "acme").await, "{fault:?}");
    }
}

#[tokio::test]
async fn a_late_event_takes_away_and_gives_nothing() {
    let scene = Scene::new().await;
    let left = scene.left("alice", "acme", 2);
    scene.tell(&[scene.joined("alice", "acme", 1)]).await;
    scene.tell(std::slice::from_ref(&left)).await;
    // After a restart, or at another replica, years later.
    scene.clock.advance(Duration::from_secs(400));
    let restarted = PermitBridge::builder(client(&scene.permit), ROLE).clock(scene.clock.clone()).build().unwrap();
    for event in [scene.joined("alice", "acme", 1), scene.created("mallory", 1)] {
        restarted.take(&event);
        restarted.work_off().await;
    }
    assert!(!scene.may_read("alice", "acme").await);
    assert_eq!(scene.permit.users(), ["alice"]);
    let dropped: Vec<_> = restarted.status().dropped().map(|(_, count)| count).collect();
    assert_eq!((dropped, restarted.status().lost_removals()), (vec![1, 1], 0));
    client(&scene.permit).assign_role("alice", ROLE, "acme").await.unwrap();
    restarted.take(&left);
    restarted.work_off().await;
    assert!(!scene.may_read("alice", "acme").await);
}

/// It is 13:00:30, and the issuer's clock was wrong by most of an hour for a moment.
#[tokio::test]
async fn a_grant_from_the_future_is_dropped_and_outranks_no_removal() {
    let scene = Scene::new().await;
    scene.tell(&[scene.joined("alice", "acme", 29), scene.joined("bob", "acme", 90)]).await;
    assert!(scene.may_read("alice", "acme").await && scene.may_read("bob", "acme").await, "a minute ahead is believed");
    let dropped = scene.dropped();
    scene
        .tell(&[scene.joined("alice", "acme", 3000), scene.joined("bob", "acme", 91), scene.created("eve", 3000)])
        .await;
    let expected = [("Organization.Membership.Updated".to_owned(), 2), ("User.Created".to_owned(), 1)];
    assert_eq!((dropped, scene.dropped()), (vec![], expected.to_vec()));
    assert!(!scene.permit.users().contains(&"eve".to_owned()));
    // Within the minute that a clock may be ahead.
    scene.tell(&[scene.left("alice", "acme", 40)]).await;
    assert!(!scene.may_read("alice", "acme").await);
    assert_eq!((scene.bridge.status().stale(), scene.bridge.status().lost_removals()), (0, 0));
    // Of the same moment, the removal counts, whichever arrives first.
    scene.tell(&[scene.joined("alice", "acme", 40)]).await;
    assert!(!scene.may_read("alice", "acme").await);
    scene.tell(&[scene.joined("alice", "acme", 41)]).await;
    assert!(scene.may_read("alice", "acme").await);
}

#[tokio::test]
async fn a_removal_from_the_future_counts_as_one_of_now() {
    let scene = Scene::new().await;
    scene.tell(&[scene.joined("alice", "acme", 1), scene.created("bob", 1)]).await;
    scene.tell(&[scene.left("alice", "acme", 3000), scene.deleted("bob", 3000)]).await;
    assert!(!scene.may_read("alice", "acme").await);
    assert_eq!((scene.permit.users(), scene.dropped()), (vec!["alice".to_owned()], vec![]));
    scene.clock.advance(Duration::from_secs(61));
    scene.tell(&[scene.joined("alice", "acme", 91)]).await;
    assert!(scene.may_read("alice", "acme").await, "it does not count for an hour");
    scene.tell(&[scene.left("alice", "acme", 92)]).await;
    assert!(!scene.may_read("alice", "acme").await);
}

#[tokio::test]
async fn closures_of_the_application_may_look_at_the_bridge() {
    let seen: Arc<OnceLock<PermitBridge>> = Arc::default();
    let look = {
        let seen = seen.clone();
        move || seen.get().map(|bridge| bridge.status().pending())
    };
    let mapping = look.clone();
    let scene = Scene::with(|builder| {
        let managing = look.clone();
        builder
            .manages(move |_| managing().is_some())
            .map_user(move |user, _| {
                mapping();
                user
            })
            .clock(Looking(Box::new(move || _ = look()), TestClock::new(START)))
    })
    .await;
    seen.set(scene.bridge.clone()).unwrap();
    let bridge = scene.bridge.clone();
    let events = [scene.created("alice", 1), scene.joined("alice", "acme", 1)];
    let (done, end) = std::sync::mpsc::channel();
    // A lock that is held meanwhile would never be free again.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for event in &events {
                bridge.take(event);
            }
            bridge.work_off().await;
            let list = [LogtoUser::new(PermitUser::new("bob")).member_of("acme")];
            bridge.reconcile(second(2), list).await.unwrap();
            bridge.work_off().await;
        });
        done.send(()).unwrap();
    });
    tokio::task::spawn_blocking(move || {
        end.recv_timeout(Duration::from_secs(20)).expect("a closure waits for the queue");
    })
    .await
    .unwrap();
    assert_eq!(scene.permit.users(), ["alice", "bob"]);
}

/// A clock that does something else first.
struct Looking(Box<dyn Fn() + Send + Sync>, TestClock);

impl Clock for Looking {
    fn now(&self) -> Now {
        (self.0)();
        self.1.now()
    }
}

#[tokio::test]
async fn a_worker_that_goes_away_leaves_its_work() {
    let scene = Scene::new().await;
    scene.permit.fail_next(&format!("{FACTS}/users"), Fault::Hang);
    scene.bridge.take(&scene.created("alice", 1));
    assert!(tokio::time::timeout(Duration::from_millis(300), scene.bridge.work_off()).await.is_err());
    assert_eq!(scene.bridge.status().pending(), 1);
    scene.bridge.work_off().await;
    assert_eq!((scene.bridge.status().pending(), scene.permit.users()), (0, vec!["alice".to_owned()]));

    let working = tokio::spawn(scene.bridge.clone().work());
    scene.bridge.take(&scene.created("bob", 1));
    while scene.bridge.status().pending() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(scene.permit.users(), ["alice", "bob"]);
    working.abort();
}

#[tokio::test]
async fn an_event_that_does_not_say_all() {
    let scene = Scene::new().await;
    let route = |method: &str, matched: &str, user: &str| json!({ "method": method, "matchedRoute": matched, "params": { "id": "acme", "userId": user } });
    let removal = scene.membership("acme", 3, route("DELETE", "/organizations/:id/users/:userId", "alice"));
    scene.tell(&[scene.created("alice", 1), scene.joined("alice", "acme", 2), removal]).await;
    assert_eq!(
        (scene.tenants_of("alice"), scene.dropped()),
        (vec![], vec![]),
        "an older release names whom it removes"
    );
    let addition = scene.membership("acme", 4, route("POST", "/organizations/:id/users", ""));
    scene.tell(&[addition]).await;
    assert_eq!(scene.dropped(), [("Organization.Membership.Updated".to_owned(), 1)], "but not whom it adds");
}

#[tokio::test]
async fn reconciled_with_the_whole_list() {
    let scene = Scene::with(|builder| builder.manages(|tenant| tenant != "elsewhere")).await;
    let permit = client(&scene.permit);
    for (user, tenants) in
        [("alice", &["acme"][..]), ("bob", &["acme", "elsewhere"]), ("ghost", &["acme", "elsewhere", "default"])]
    {
        permit.sync_user(&PermitUser::new(user).email("kept@example.com")).await.unwrap();
        for tenant in tenants {
            permit.sync_tenant(tenant, "").await.unwrap();
            permit.assign_role(user, ROLE, tenant).await.unwrap();
        }
    }
    let list = || {
        let user = |key: &str| LogtoUser::new(PermitUser::new(key));
        let crowd = (0..120).map(|number| LogtoUser::new(PermitUser::new(format!("user-{number}"))).member_of("acme"));
        [user("alice").member_of("acme").member_of("globex"), user("bob"), user("carol").member_of("globex")]
            .into_iter()
            .chain(crowd)
    };
    let found = scene.bridge.reconcile(second(10), list()).await.unwrap();
    assert_eq!((found.users(), found.joins(), found.leaves(), found.deletions(), found.dropped()), (121, 122, 2, 0, 0));
    scene.bridge.work_off().await;
    assert_eq!(scene.tenants_of("alice"), ["acme", "globex"]);
    assert_eq!(scene.tenants_of("bob"), ["elsewhere"]);
    assert_eq!(scene.tenants_of("carol"), ["globex"]);
    assert_eq!(scene.tenants_of("ghost"), ["default", "elsewhere"]);
    assert_eq!(scene.permit.users().len(), 124);
    assert_eq!(scene.permit.user::<Value>("alice").unwrap()["email"], "kept@example.com");

    let again = scene.bridge.reconcile(second(20), list()).await.unwrap();
    assert_eq!((again.users(), again.joins(), again.leaves(), again.deletions(), again.dropped()), (0, 0, 0, 0, 0));
}

#[tokio::test]
async fn a_webhook_that_is_later_than_the_list_counts() {
    let scene = Scene::with(PermitBridgeBuilder::delete_missing).await;
    let list = || ["alice", "bob"].map(|key| LogtoUser::new(PermitUser::new(key)).member_of("acme"));
    scene.tell(&[scene.created("alice", 1), scene.created("bob", 1), scene.joined("alice", "acme", 2)]).await;
    // Read at 5; at 6 bob is deleted, carol comes, and alice leaves.
    scene.tell(&[scene.deleted("bob", 6), scene.created("carol", 6), scene.left("alice", "acme", 6)]).await;
    let found = scene.bridge.reconcile(second(5), list()).await.unwrap();
    scene.bridge.work_off().await;
    assert_eq!((found.users(), found.joins(), found.leaves(), found.deletions()), (0, 0, 0, 0));
    assert_eq!(
        (scene.permit.users(), scene.tenants_of("alice")),
        (vec!["alice".to_owned(), "carol".to_owned()], vec![])
    );

    // Of a list that was read later it is the other way round.
    let found = scene.bridge.reconcile(second(7), list()).await.unwrap();
    scene.bridge.work_off().await;
    assert_eq!((found.joins(), found.deletions()), (1, 1));
    assert_eq!((scene.permit.users(), scene.tenants_of("alice")), (vec!["alice".to_owned()], vec!["acme".to_owned()]));

    scene.permit.fail_always(&format!("{FACTS}/users"), Fault::Body("{}".to_owned()));
    assert!(!scene.bridge.reconcile(second(9), list()).await.unwrap_err().is_passing());
    scene.permit.fail_always(&format!("{FACTS}/users"), Fault::Status(503));
    assert!(scene.bridge.reconcile(second(9), list()).await.unwrap_err().is_passing());
    assert_eq!(scene.bridge.status().pending(), 0, "then nothing is queued");
}

#[tokio::test]
async fn every_difference_is_queued_or_counted() {
    let crowd = |count: usize| (0..count).map(|number| LogtoUser::new(PermitUser::new(format!("user-{number}"))));
    // More than the bridge remembers one by one.
    let scene = Scene::with(|builder| builder.max_pending(1_000_000)).await;
    let found = scene.bridge.reconcile(second(5), crowd(100_500)).await.unwrap();
    assert_eq!((found.users(), found.dropped(), found.superseded()), (100_500, 0, 0));
    assert_eq!(scene.bridge.status().pending(), 100_500);

    // Too little room, and then again with the same list.
    let scene = Scene::with(|builder| builder.max_pending(3)).await;
    let found = scene.bridge.reconcile(second(5), crowd(5)).await.unwrap();
    assert_eq!((found.users(), found.dropped(), found.superseded()), (3, 2, 0));
    scene.bridge.work_off().await;
    let found = scene.bridge.reconcile(second(5), crowd(5)).await.unwrap();
    assert_eq!((found.users(), found.dropped(), found.superseded()), (2, 0, 0));
    scene.bridge.work_off().await;
    assert_eq!(scene.permit.users().len(), 5);

    // A list that is older than what is known is said to be so.
    scene.tell(&[scene.created("later", 6), scene.deleted("user-0", 6)]).await;
    let found = scene.bridge.reconcile(second(4), crowd(2)).await.unwrap();
    assert_eq!((found.users(), found.superseded()), (0, 1), "user-0 is in it, and was deleted");
    // What was said before a list is in the list.
    scene.tell(&[scene.joined("user-1", "acme", 4)]).await;
    assert_eq!(scene.tenants_of("user-1"), Vec::<String>::new());
}

#[tokio::test]
async fn a_deletion_that_was_lost_is_mended_by_the_list() {
    let scene = Scene::with(PermitBridgeBuilder::delete_missing).await;
    scene.tell(&[scene.created("alice", 1), scene.joined("alice", "acme", 1)]).await;
    scene.permit.fail_next(&format!("{FACTS}/users"), Fault::Status(422));
    scene.tell(&[scene.deleted("alice", 2)]).await;
    assert_eq!((scene.bridge.status().lost_removals(), scene.permit.users().len()), (1, 1));
    let found = scene.bridge.reconcile(second(3), []).await.unwrap();
    scene.bridge.work_off().await;
    assert_eq!((found.deletions(), found.superseded()), (1, 0));
    assert!(scene.permit.users().is_empty());
}

#[tokio::test]
async fn a_list_that_ends_early_or_names_somebody_twice() {
    let scene = Scene::new().await;
    scene.tell(&[scene.created("alice", 1), scene.joined("alice", "acme", 1), scene.joined("bob", "acme", 1)]).await;
    let one = json!({ "data": [{ "key": "alice", "roles": [] }], "total_count": 2 });
    scene.permit.fail_next(&format!("{FACTS}/users"), Fault::Body(one.to_string()));
    let list = || {
        let user = |organization: &str| LogtoUser::new(PermitUser::new("alice")).member_of(organization);
        [user("acme"), user("globex"), LogtoUser::new(PermitUser::new("bob")).member_of("acme")]
    };
    assert!(scene.bridge.reconcile(second(2), list()).await.unwrap_err().is_passing());
    let found = scene.bridge.reconcile(second(2), list()).await.unwrap();
    scene.bridge.work_off().await;
    assert_eq!((found.users(), found.joins(), found.leaves()), (0, 1, 0));
    assert_eq!(scene.tenants_of("alice"), ["acme", "globex"]);
    assert_eq!(scene.permit.user::<Value>("alice").unwrap()["email"], "alice@example.com");
}

fn listed(user: &str, organizations: &[&str]) -> LogtoUser {
    organizations.iter().fold(LogtoUser::new(PermitUser::new(user)), |user, of| user.member_of(*of))
}

/// The webhooks that said the opposite later were lost.
#[tokio::test]
async fn queued_membership_is_decided_by_a_list_that_is_read_later() {
    let scene = Scene::new().await;
    scene.tell(&[scene.created("alice", 1), scene.created("bob", 1), scene.joined("bob", "acme", 1)]).await;
    scene.permit.fail_always(&format!("{FACTS}/role_assignments"), Fault::Status(503));
    scene.tell(&[scene.joined("alice", "acme", 2), scene.left("bob", "acme", 2)]).await;
    assert_eq!(scene.bridge.status().pending(), 2);
    let list = [listed("alice", &[]), listed("bob", &["acme"])];
    let found = scene.bridge.reconcile(second(3), list).await.unwrap();
    let pending = scene.bridge.status().pending();
    scene.permit.recover();
    scene.clock.advance(Duration::from_secs(60));
    scene.bridge.work_off().await;
    assert!(!scene.may_read("alice", "acme").await);
    assert!(scene.may_read("bob", "acme").await);
    assert_eq!((found.users(), found.joins(), found.leaves(), found.dropped(), found.superseded()), (0, 1, 1, 0, 0));
    assert_eq!((pending, scene.bridge.status().pending(), scene.dropped()), (2, 0, vec![]), "each replaced one");
}

#[tokio::test]
async fn queued_membership_that_the_list_confirms_or_that_is_later_stays_queued() {
    let scene = Scene::new().await;
    scene.tell(&[scene.created("alice", 1), scene.created("bob", 1)]).await;
    scene.tell(&[scene.joined("bob", "acme", 1), scene.joined("bob", "globex", 1)]).await;
    scene.permit.fail_always(&format!("{FACTS}/role_assignments"), Fault::Status(503));
    scene.tell(&[scene.joined("alice", "acme", 2), scene.left("bob", "acme", 2)]).await;
    scene.tell(&[scene.joined("alice", "globex", 3), scene.left("bob", "globex", 4)]).await;
    let list = [listed("alice", &["acme"]), listed("bob", &["globex"])];
    scene.bridge.reconcile(second(3), list).await.unwrap();
    assert_eq!(scene.bridge.status().pending(), 4);
    scene.permit.recover();
    scene.clock.advance(Duration::from_secs(60));
    scene.bridge.work_off().await;
    assert_eq!(scene.tenants_of("alice"), ["acme", "globex"]);
    assert_eq!(scene.tenants_of("bob"), Vec::<String>::new());
}

#[tokio::test]
async fn queued_user_who_is_not_in_a_list_that_is_read_later_is_not_created() {
    for deletes in [false, true] {
        let scene = Scene::with(|builder| if deletes { builder.delete_missing() } else { builder }).await;
        scene.tell(&[scene.created("bob", 1)]).await;
        scene.permit.fail_always(&format!("{FACTS}/users/"), Fault::Status(503));
        scene.permit.fail_always(&format!("{FACTS}/role_assignments"), Fault::Status(503));
        scene.tell(&[scene.created("alice", 2), scene.joined("alice", "acme", 2), scene.deleted("bob", 2)]).await;
        assert_eq!(scene.bridge.status().pending(), 3);
        let found = scene.bridge.reconcile(second(3), []).await.unwrap();
        assert_eq!((found.leaves(), found.deletions()), if deletes { (0, 2) } else { (1, 0) });
        scene.permit.recover();
        scene.clock.advance(Duration::from_secs(60));
        scene.bridge.work_off().await;
        assert!(scene.permit.users().is_empty(), "neither who was queued nor whose deletion was");
        assert_eq!((scene.bridge.status().pending(), scene.dropped()), (0, vec![]));
    }
}

/// What a list of users that Permit.io sends does not show yet, or no longer.
#[tokio::test]
async fn membership_that_changes_while_users_are_compared_is_decided_by_the_list() {
    for joins in [true, false] {
        for lands_meanwhile in [true, false] {
            let scene = Scene::new().await;
            let case = format!("joins: {joins}, lands meanwhile: {lands_meanwhile}");
            scene.tell(&[scene.created("alice", 1), scene.joined("alice", "globex", 1)]).await;
            let list = listed("alice", &["globex"]);
            let event = if joins { scene.joined("alice", "acme", 2) } else { scene.left("alice", "globex", 2) };
            let bridge = scene.bridge.clone();
            let found = if lands_meanwhile {
                // A whole page, and the next one waits.
                let others = (0..49).map(|number| json!({ "key": format!("other-{number}"), "roles": [] }));
                let alice = json!({ "key": "alice", "roles": [{ "role": ROLE, "tenant": "globex" }] });
                let page: Value = std::iter::once(alice).chain(others).collect();
                scene.permit.fail_next(&format!("{FACTS}/users"), Fault::Body(json!({ "data": page }).to_string()));
                scene.permit.fail_next(&format!("{FACTS}/users"), Fault::Hold);
                scene.permit.take_calls();
                let comparing = tokio::spawn(async move { bridge.reconcile(second(3), [list]).await });
                while scene.permit.calls().len() < 2 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                scene.tell(&[event]).await;
                assert_eq!(scene.bridge.status().pending(), 0, "{case}");
                scene.permit.release();
                comparing.await.unwrap().unwrap()
            } else {
                scene.permit.fail_next(&format!("{FACTS}/role_assignments"), Fault::Hold);
                scene.bridge.take(&event);
                scene.permit.take_calls();
                let working = tokio::spawn(async move { bridge.work_off().await });
                let is_held = || scene.permit.calls().iter().any(|call| call.path().ends_with("/role_assignments"));
                while !is_held() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                let found = scene.bridge.reconcile(second(3), [list]).await.unwrap();
                scene.permit.release();
                working.await.unwrap();
                found
            };
            scene.bridge.work_off().await;
            assert_eq!(scene.tenants_of("alice"), ["globex"], "{case}");
            let expected = if joins { (0, 1) } else { (1, 0) };
            assert_eq!((found.joins(), found.leaves()), expected, "{case}");
            assert_eq!((scene.bridge.status().pending(), scene.dropped()), (0, vec![]), "{case}");
        }
    }
}

#[tokio::test]
async fn membership_that_ends_before_its_turn_is_never_assigned() {
    let scene = Scene::new().await;
    scene.tell(&[scene.created("alice", 1)]).await;
    scene.permit.fail_next(&format!("{FACTS}/role_assignments"), Fault::Hold);
    scene.bridge.take(&scene.joined("alice", "acme", 2));
    scene.bridge.take(&scene.joined("alice", "globex", 2));
    let bridge = scene.bridge.clone();
    let working = tokio::spawn(async move { bridge.work_off().await });
    let assigned = || {
        let calls = scene.permit.calls();
        let assigned =
            calls.iter().filter(|call| call.method() == "POST" && call.path().ends_with("/role_assignments"));
        assigned.map(|call| call.json::<Value>().unwrap()["tenant"].clone()).collect::<Vec<_>>()
    };
    while assigned().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    scene.bridge.take(&scene.left("alice", "globex", 3));
    scene.permit.release();
    working.await.unwrap();
    scene.bridge.work_off().await;
    assert_eq!(assigned(), ["acme"]);
    assert_eq!((scene.tenants_of("alice"), scene.bridge.status().pending()), (vec!["acme".to_owned()], 0));
}
