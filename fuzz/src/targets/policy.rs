//! Policy texts: what is read prints a text that reads as the same, and a server takes it or says why not.

use std::sync::LazyLock;

use orgate::ResourceServer;
use orgate::policy::{Facts, Parser};

use crate::world::{at_once, request, server, token};

static SERVER: LazyLock<ResourceServer> = LazyLock::new(|| server().build().unwrap());
static PARSER: LazyLock<Parser> = LazyLock::new(|| {
    let check = |facts: &Facts<'_>| facts.path("user").is_some();
    Parser::new().check("c", check).custom("l", |_| Some("acme".to_owned()))
});
static TOKEN: LazyLock<String> = LazyLock::new(|| token(&serde_json::json!({})));

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let policy = match PARSER.parse(text) {
        Ok(policy) => policy,
        Err(error) => {
            assert!(error.column() <= text.chars().count() + 1, "{error}");
            assert!(error.to_string().len() < 1024, "{error}");
            return;
        }
    };
    let printed = policy.to_string();
    // A string may be written with escapes that it does not need; a word never grows but by its quotes.
    assert!(printed.len() <= 8 * text.len() + 256, "{printed}");
    let again = PARSER.parse(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
    assert_eq!(again.to_string(), printed);
    let Ok(requirement) = SERVER.requirement(policy) else {
        assert!(SERVER.requirement(again).is_err(), "{printed}");
        return;
    };
    let other = SERVER.requirement(again).unwrap();
    assert_eq!(other.policy(), requirement.policy());
    assert_eq!(format!("{:?}", other.describe()), format!("{:?}", requirement.describe()));
    // Words of these names may also stand in strings.
    let is_optional = text.contains("optional");
    let is_shadow = text.contains("SHADOW");
    let mut stranger = request("GET", "/", None);
    let outcome = at_once(requirement.authorize(&mut stranger));
    assert!(outcome.is_err() || is_optional || is_shadow, "passed without a token: {printed}");
    let verdicts = [&requirement, &other].map(|requirement| {
        let mut parts = request("GET", "/", Some(&format!("Bearer {}", &**TOKEN)));
        let outcome = futures_util::FutureExt::now_or_never(requirement.authorize(&mut parts));
        outcome.map(|outcome| outcome.map(drop).map_err(|rejection| rejection.kind()))
    });
    assert_eq!(verdicts[0], verdicts[1], "{printed}");
}
