//! What is logged, and what never is.

use std::time::Duration;

use orgate::policy::resource;

use crate::log::Log;
use crate::support::{Act, Api, World};

const SUBJECT: &str = "subject-4711";

#[tokio::test]
async fn no_subject_no_scope_list_and_no_token() {
    let log = Log::of_everything();
    let world = World::start().await;
    let fresh = || resource().scope("a").fresh_within(Duration::from_secs(30));
    let routes = [
        ("/", resource().scope("a").live()),
        ("/fresh", fresh()),
        ("/stale", fresh().stale_if_error(Duration::from_secs(300))),
        ("/alone", fresh().dangerous_token_only_on_error()),
    ];
    let api = Api::of(&world.server, &routes);
    let mut tokens = Vec::new();
    for (held, act) in [
        (&["only:live"][..], Act::Answer),
        (&["a", "only:live"], Act::Answer),
        (&["a", "only:live"], Act::Fail(None)),
        (&["a", "only:live"], Act::Panic),
    ] {
        world.script.holds(SUBJECT, held);
        world.script.act(act);
        for scope in ["a only:token", "only:token"] {
            for (path, _) in &routes {
                // The same difference every time: issuer and source disagree.
                for _ in 0..4 {
                    let token = world.token(SUBJECT, scope);
                    api.get_at(path, &token).await;
                    tokens.push(token);
                }
                world.pass(31.0);
            }
        }
    }
    let text = log.text();
    for said in [
        "stale permissions serve",
        "the token alone decides",
        "live permissions not fetched",
        "permission source disagree",
    ] {
        assert!(text.contains(said), "{said}");
    }
    let secrets = [SUBJECT, "only:live", "only:token"].map(str::to_owned);
    let parts = tokens.iter().flat_map(|token| token.split('.').skip(1).map(str::to_owned));
    for secret in secrets.into_iter().chain(parts) {
        assert!(!text.contains(&secret), "{secret} is in the log");
    }
    assert!(text.contains("ERROR orgate"), "who disagrees is told loudly");
}
