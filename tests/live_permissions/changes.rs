//! What changes at the issuer, and is told.

use std::time::{Duration, SystemTime};

use orgate::change::{About, Change};
use orgate::policy::{organization, path, resource};
use orgate::time::Clock as _;

use crate::support::{API, Act, Api, World};

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// Who asks for what, by a route that keeps what is known for an hour.
struct Everybody {
    world: World,
    api: Api,
    asked: Vec<(&'static str, String, String)>,
}

impl Everybody {
    async fn start() -> Self {
        let world = World::start().await;
        let hour = Duration::from_secs(3600);
        let routes = [
            ("/api", resource().fresh_within(hour)),
            ("/own/{org}", organization(path("org")).fresh_within(hour)),
            ("/api/{org}", resource().in_organization(path("org")).fresh_within(hour)),
        ];
        let api = Api::of(&world.server, &routes);
        let mut asked = Vec::new();
        for (name, subject, is_machine) in [("user", "u1", false), ("other", "u2", false), ("machine", "m1", true)] {
            world.script.holds(subject, &[]);
            let issuer = &world.issuer;
            let of = |token: orgate::testing::TokenBuilder| {
                if is_machine { token.machine(subject).mint() } else { token.subject(subject).mint() }
            };
            asked.push((name, "/api".to_owned(), of(issuer.resource_token(API))));
            for org in ["acme", "globex"] {
                asked.push((name, format!("/own/{org}"), of(issuer.organization_token(org))));
                asked.push((name, format!("/api/{org}"), of(issuer.organization_resource_token(API, org))));
            }
        }
        let everybody = Self { world, api, asked };
        assert_eq!(everybody.refetched().await.len(), 15);
        assert!(everybody.refetched().await.is_empty());
        everybody
    }

    /// About whom the source is asked anew, when everybody comes.
    async fn refetched(&self) -> Vec<String> {
        let mut refetched = Vec::new();
        for (name, path, token) in &self.asked {
            let before = self.world.script.calls();
            self.api.get_at(path, token).await.is(200, "");
            if self.world.script.calls() > before {
                refetched.push(format!("{name}{path}"));
            }
        }
        refetched
    }

    fn told(&self, about: About, seconds: u64) {
        let (now, long_ago) = (self.world.issuer.clock().now().unix, Duration::from_secs(1000));
        edited(&self.world.server, about, SystemTime::UNIX_EPOCH + now - long_ago + Duration::from_secs(seconds));
        // Past the time in which fetches are spread.
        self.world.pass(1.0);
    }
}

fn member(organization: &str, subject: &str) -> About {
    About::member(organization, subject)
}

fn edited(server: &orgate::ResourceServer, about: About, at: SystemTime) {
    let entry = server.issuer("main").unwrap();
    entry.apply_change(&Change::edited(entry.issuer(), about, at)).unwrap();
}

#[tokio::test]
async fn each_change_drops_what_hangs_on_it() {
    let everybody = Everybody::start().await;
    let user = ["user/api", "user/own/acme", "user/api/acme", "user/own/globex", "user/api/globex"];
    let template: Vec<&str> = [
        &user[..],
        &["other/api", "other/own/acme", "other/api/acme", "other/own/globex", "other/api/globex"],
        &["machine/own/acme", "machine/api/acme", "machine/own/globex", "machine/api/globex"],
    ]
    .concat();
    let acme = [
        "user/api",
        "user/own/acme",
        "user/api/acme",
        "other/api",
        "other/own/acme",
        "other/api/acme",
        "machine/own/acme",
        "machine/api/acme",
    ];
    let api = [
        "user/api",
        "user/api/acme",
        "user/api/globex",
        "other/api",
        "other/api/acme",
        "other/api/globex",
        "machine/api",
        "machine/api/acme",
        "machine/api/globex",
    ];
    for (change, expected) in [
        (About::subject("u1"), &user[..]),
        (About::subject("nobody"), &[]),
        (member("acme", "u1"), &["user/api", "user/own/acme", "user/api/acme"]),
        (member("acme", "m1"), &["machine/own/acme", "machine/api/acme"]),
        (About::organization("acme"), &acme),
        (About::OrganizationTemplate, &template),
        (About::ApiPermissions, &api),
    ] {
        everybody.told(change.clone(), 10);
        assert_eq!(everybody.refetched().await, expected, "{change:?}");
        assert!(everybody.refetched().await.is_empty(), "{change:?}: once");
    }
    everybody.told(About::Everything, 10);
    assert_eq!(everybody.refetched().await.len(), 15);
}

#[tokio::test]
async fn replays_and_reordering_change_nothing() {
    let everybody = Everybody::start().await;
    for (change, seconds, refetched) in [
        (About::subject("u1"), 110, 5),
        (About::subject("u1"), 110, 0),
        (About::subject("u1"), 49, 0),
        (About::subject("u2"), 49, 5),
        (member("acme", "u1"), 108, 3),
        (member("acme", "u1"), 47, 0),
        (About::subject("u1"), 111, 5),
        (About::subject("u1"), 50, 0),
        // By another node of the issuer, whose clock is behind by less than clocks differ.
        (About::subject("u1"), 110, 5),
        (About::subject("u1"), 111, 0),
    ] {
        everybody.told(change.clone(), seconds);
        assert_eq!(everybody.refetched().await.len(), refetched, "{change:?} at {seconds}");
    }
}

#[tokio::test]
async fn edit_after_a_revocation_by_hand_is_news_though_the_clock_of_the_issuer_is_behind() {
    let world = World::start().await;
    world.script.holds("u1", &["a"]);
    let (api, token) =
        (world.api(resource().scope("a").fresh_within(Duration::from_secs(3600))), world.token("u1", "a"));
    let main = world.server.issuer("main").unwrap();
    api.get(&token).await.is(200, "");
    // The token is for no organization, so it is not rejected; what is known of the subject's roles is stale.
    main.revoke(member("acme", "u1")).unwrap();
    world.pass(1.0);
    api.get(&token).await.is(200, "");
    assert_eq!(world.script.calls(), 2);
    // By the issuer's clock, 30 s behind, all of that happened before the revocation.
    for (behind, calls) in [(20, 3), (20, 3), (10, 4), (15, 5)] {
        let now = world.issuer.clock().now().unix;
        edited(&world.server, member("acme", "u1"), SystemTime::UNIX_EPOCH + now - Duration::from_secs(behind));
        world.pass(1.0);
        api.get(&token).await.is(200, "");
        assert_eq!(world.script.calls(), calls, "{behind} s before the revocation");
    }
}

#[tokio::test]
async fn changes_need_an_issuer_that_is_there() {
    let world = World::start().await;
    assert!(world.server.issuer("other").unwrap_err().to_string().contains("main"));
    let main = world.server.issuer("main").unwrap();
    let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    main.apply_change(&Change::edited(main.issuer(), About::Everything, early)).unwrap();
    let of_another = Change::edited("https://other.example", About::Everything, early);
    assert!(main.apply_change(&of_another).unwrap_err().to_string().contains("other.example"));
    let other = world.server.add_issuer(orgate::Issuer::new("https://other.example").name("other")).unwrap();
    other.apply_change(&of_another).unwrap();
    other.remove().unwrap();
    assert!(other.apply_change(&of_another).unwrap_err().to_string().contains("removed"));
}

#[tokio::test]
async fn a_change_in_mid_flight_is_not_lost() {
    let world = World::start().await;
    world.script.holds("u1", &["a"]);
    world.script.act(Act::Hold);
    let hour = Duration::from_secs(3600);
    let (api, token) = (world.api(resource().scope("a").fresh_within(hour)), world.token("u1", "a"));
    let asking = tokio::spawn(async move { (api.get(&token).await, api, token) });
    world.script.wait_for_calls(1).await;
    // The call under way has read what was; then it changes, and that is told before it lands.
    world.script.holds("u1", &[]);
    edited(&world.server, About::subject("u1"), at(0));
    world.script.release();
    world.script.wait_for_calls(2).await;
    world.script.release();
    let (answer, api, token) = asking.await.unwrap();
    answer.is(401, "refresh");
    world.script.act(Act::Answer);
    api.get(&token).await.is(401, "refresh");
    // The second snapshot is kept, but cannot say that it is newer than the token.
    assert_eq!(world.script.calls(), 3);
}

#[tokio::test]
async fn after_a_change_for_all_fetches_are_spread() {
    let everybody = Everybody::start().await;
    edited(&everybody.world.server, About::OrganizationTemplate, at(0));
    let before = everybody.world.script.calls();
    let began = std::time::Instant::now();
    let all = everybody.asked.iter().map(|(_, path, token)| everybody.api.get_at(path, token));
    let (answers, ()) = futures_util::future::join(futures_util::future::join_all(all), async {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert!(everybody.world.script.calls() - before < 14, "not all at once");
    })
    .await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(everybody.world.script.calls() - before, 14);
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
}
