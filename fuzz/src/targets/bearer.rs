//! Headers of a request: which credentials are in them, and that only a signed token in the one right place passes.

use std::sync::LazyLock;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use orgate::engine::Requirement;
use orgate::policy::resource;
use serde_json::json;

use crate::challenges;
use crate::world::{at_once, replaced, request, server, token};

static REQUIREMENT: LazyLock<Requirement> =
    LazyLock::new(|| server().build().unwrap().requirement(resource().scope("read")).unwrap());
static TOKEN: LazyLock<String> = LazyLock::new(|| token(&json!({})));

/// Each line is a header, `name: value`, or without a name the value of `Authorization`. `$T` stands for a good token.
pub(crate) fn run(data: &[u8]) {
    let data = replaced(data, b"$T", TOKEN.as_bytes());
    let mut parts = request("GET", "/", None);
    let mut authorizations: Vec<Vec<u8>> = Vec::new();
    for line in data.split(|byte| *byte == b'\n').take(32) {
        let named = line.windows(2).position(|pair| pair == b": ").and_then(|at| {
            let name = HeaderName::from_bytes(&line[..at]).ok()?;
            Some((name, &line[at + 2..]))
        });
        let (name, value) = named.unwrap_or((AUTHORIZATION, line));
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        if name == AUTHORIZATION {
            authorizations.push(value.as_bytes().to_vec());
        }
        parts.headers.append(name, value);
    }
    let outcome = at_once(REQUIREMENT.authorize(&mut parts));
    assert_eq!(outcome.is_ok(), is_good(&authorizations), "{authorizations:?}");
    assert!(
        !authorizations.iter().any(|value| value.starts_with(b"Bearer"))
            || parts.headers.get_all(AUTHORIZATION).iter().all(HeaderValue::is_sensitive)
    );
    if let Err(rejection) = outcome {
        let response = REQUIREMENT.response(rejection, &parts);
        for challenge in response.headers().get_all("www-authenticate") {
            challenges::read(challenge);
        }
        assert!(response.body().len() < 2048, "{} bytes", response.body().len());
    }
}

/// RFC 6750 section 2.1, RFC 9110 section 11.4: exactly one header, the scheme in any case, spaces, and the token.
fn is_good(authorizations: &[Vec<u8>]) -> bool {
    let [only] = authorizations else { return false };
    let Some((scheme, rest)) = only.split_at_checked(6) else { return false };
    let token = rest.iter().position(|byte| *byte != b' ').map(|at| (at, &rest[at..]));
    scheme.eq_ignore_ascii_case(b"bearer")
        && token.is_some_and(|(spaces, found)| spaces > 0 && found == TOKEN.as_bytes())
}
