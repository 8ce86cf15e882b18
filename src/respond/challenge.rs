//! `WWW-Authenticate` challenges (RFC 9110 section 11.6.1, RFC 6750 section 3, RFC 9470 section 3, RFC 9728 section 5.1).
//!
//! The parts of a challenge are types that hold only what may stand between two quotes, so no value can end a
//! quoted-string or a header line. Many clients search the whole field for `name=` and take the first match, and some read
//! the first field only. Therefore each scheme has a field of its own, the parameters have a fixed order, and no text
//! contains the name of a parameter followed by `=`.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};

use super::metadata::{Documents, Rejected};
use super::quotable::Quotable;
use super::written::Written;
use crate::rejection::{ErrorCode, Rejection, RejectionKind, StepUp};
use crate::scope::Scope;

/// What all challenges of one server have in common.
#[derive(Clone, Debug)]
pub(crate) struct ChallengeSettings {
    pub(crate) realm: Quotable,
    /// The one address that every challenge names, whatever documents there are.
    pub(crate) resource_metadata: Option<Quotable>,
    pub(crate) documents: Option<Arc<Documents>>,
    /// The algorithms of proofs, where tokens can be sent by the scheme `DPoP`.
    pub(crate) proof_algorithms: Option<Quotable>,
    /// Whether tokens can be sent by the scheme `Bearer`.
    pub(crate) takes_bearer: bool,
}

/// What the challenges of one requirement say.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// What a token should hold: where there is none, or one that is not valid.
    pub(crate) scopes: Vec<Scope>,
    /// What the rest of the same service needs: a client that asks only for what a challenge names keeps it.
    pub(crate) besides: Vec<Scope>,
    /// The resources that a token may be for, the first one first.
    pub(crate) indicators: Vec<Arc<str>>,
    /// Whether a token of any issuer entry will do, for whatever resource that speaks.
    pub(crate) any_issuer: bool,
    pub(crate) written: Written,
}

impl Wanted {
    /// The same, for another requirement.
    pub(crate) fn again(&self) -> Self {
        let Self { scopes, besides, indicators, any_issuer, written: _ } = self;
        Self {
            scopes: scopes.clone(),
            besides: besides.clone(),
            indicators: indicators.clone(),
            any_issuer: *any_issuer,
            written: Written::default(),
        }
    }

    /// The scopes that a client should ask for, all at once.
    fn scopes(&self, rejection: &Rejection) -> Vec<Scope> {
        let named = match rejection.kind() {
            kind if kind.error() == Some(ErrorCode::InsufficientScope) => rejection.required_scopes(),
            // Those of its clause, and only if one of them is missing too.
            RejectionKind::InsufficientUserAuthentication => rejection.required_scopes(),
            kind if kind.status() == StatusCode::UNAUTHORIZED => &self.scopes,
            _ => return Vec::new(),
        };
        let mut scopes: Vec<Scope> = Vec::new();
        for scope in named.iter().chain(self.besides.iter().filter(|_| !named.is_empty())) {
            if !scopes.contains(scope) {
                scopes.push(scope.clone());
            }
        }
        scopes
    }
}

/// One rejection, and what its challenges say beside its error.
struct Said<'a> {
    rejection: &'a Rejection,
    scopes: Vec<Scope>,
    resource_metadata: Option<&'a Quotable>,
}

impl ChallengeSettings {
    /// Adds the challenges to a rejection: one value for each scheme that this server takes, with the tried scheme in front.
    /// Only that one says what was wrong (RFC 9449 section 7.2).
    pub(crate) fn challenge(&self, rejection: Rejection, wanted: &Wanted, rejected: Rejected<'_>) -> Rejection {
        if !rejection.kind().has_challenge() {
            return rejection;
        }
        let indicators = || wanted.indicators.iter().map(|indicator| &**indicator);
        let of_document = || self.documents.as_ref()?.url(indicators(), wanted.any_issuer, rejected);
        let resource_metadata = self.resource_metadata.as_ref().or_else(of_document);
        let challenges = wanted.written.or_write(&rejection, resource_metadata, || {
            let said = Said { rejection: &rejection, scopes: wanted.scopes(&rejection), resource_metadata };
            self.challenges(&said).into_iter().filter_map(Challenge::into_header_value).collect()
        });
        rejection.with_challenges(challenges)
    }

    fn challenges(&self, said: &Said<'_>) -> Vec<Challenge> {
        let bearer = || Challenge::new("Bearer");
        match &self.proof_algorithms {
            None => vec![self.complete(bearer(), said)],
            Some(algorithms) => {
                let proof = Challenge::new("DPoP").with("algs", Value::Text(algorithms));
                match (self.takes_bearer, said.rejection.has_tried_proof()) {
                    (true, true) => vec![self.complete(proof, said), self.with_place(bearer(), said)],
                    (true, false) => vec![self.complete(bearer(), said), proof],
                    // If another scheme was tried, its error stands with the one that is taken.
                    (false, _) => vec![self.complete(proof, said)],
                }
            }
        }
    }

    /// A challenge of a scheme that was not tried.
    fn with_place(&self, mut challenge: Challenge, said: &Said<'_>) -> Challenge {
        if let Some(url) = said.resource_metadata {
            challenge = challenge.with("resource_metadata", Value::Text(url));
        }
        challenge.with("realm", Value::Text(&self.realm))
    }

    fn complete(&self, mut challenge: Challenge, said: &Said<'_>) -> Challenge {
        let kind = said.rejection.kind();
        let error = kind.error();
        if let Some(error) = error {
            challenge = challenge.with("error", Value::Fixed(error.as_str()));
        }
        if let Some(step_up) = said.rejection.step_up() {
            if step_up.acr_values().next().is_some() {
                challenge = challenge.with("acr_values", Value::AcrValues(step_up));
            }
            if let Some(age) = step_up.max_age() {
                challenge = challenge.with("max_age", Value::Seconds(age));
            }
        }
        if !said.scopes.is_empty() {
            challenge = challenge.with("scope", Value::Scopes(&said.scopes));
        }
        if let Some(url) = said.resource_metadata {
            challenge = challenge.with("resource_metadata", Value::Text(url));
        }
        if error.is_some() {
            challenge = challenge.with("error_description", Value::Fixed(said.rejection.description()));
        }
        challenge.with("realm", Value::Text(&self.realm))
    }
}

/// What may be written between the quotes.
#[derive(Clone, Copy)]
enum Value<'a> {
    /// Text of ours, without quote, backslash and `=`.
    Fixed(&'static str),
    Text(&'a Quotable),
    Scopes(&'a [Scope]),
    AcrValues(&'a StepUp),
    Seconds(Duration),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(text) => f.write_str(text),
            Self::Text(text) => f.write_str(text.as_str()),
            Self::Scopes(scopes) => spaced(f, scopes.iter().map(Scope::as_str)),
            Self::AcrValues(step_up) => spaced(f, step_up.acr_values()),
            Self::Seconds(time) => write!(f, "{}", time.as_secs()),
        }
    }
}

fn spaced<'w>(f: &mut fmt::Formatter<'_>, words: impl Iterator<Item = &'w str>) -> fmt::Result {
    words.enumerate().try_for_each(|(at, word)| {
        f.write_str(if at > 0 { " " } else { "" })?;
        f.write_str(word)
    })
}

/// The challenge of one scheme, written parameter by parameter.
struct Challenge {
    text: String,
    has_parameters: bool,
}

impl Challenge {
    fn new(scheme: &'static str) -> Self {
        Self { text: scheme.to_owned(), has_parameters: false }
    }

    fn with(mut self, name: &'static str, value: Value<'_>) -> Self {
        let separator = if self.has_parameters { ", " } else { " " };
        // Writing to a `String` never fails.
        let _ = write!(self.text, "{separator}{name}=\"{value}\"");
        self.has_parameters = true;
        self
    }

    fn into_header_value(self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.text).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rejection::Remediation;

    fn settings(realm: &str) -> ChallengeSettings {
        ChallengeSettings {
            realm: Quotable::new("realm", realm).unwrap(),
            resource_metadata: None,
            documents: None,
            proof_algorithms: None,
            takes_bearer: true,
        }
    }

    fn rejection(kind: RejectionKind, scopes: &[&str]) -> Rejection {
        let required = scopes.iter().map(|scope| Scope::new(scope).unwrap()).collect();
        Rejection::new(kind, Remediation::None, "x").with_scopes(required, vec![])
    }

    fn challenges(settings: &ChallengeSettings, rejection: Rejection) -> Vec<String> {
        challenges_of(settings, rejection, false)
    }

    fn challenges_of(settings: &ChallengeSettings, rejection: Rejection, tried_proof: bool) -> Vec<String> {
        let wanted = Wanted { scopes: vec![Scope::new("a").unwrap()], ..Wanted::default() };
        let request = http::Request::new(()).into_parts().0;
        let rejection = settings.challenge(rejection.tried_proof(tried_proof), &wanted, Rejected::of(&request));
        rejection.challenges().iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn parameters_have_the_order_that_clients_can_read() {
        let url = "https://api.example.com/.well-known/oauth-protected-resource";
        let settings = ChallengeSettings {
            resource_metadata: Some(Quotable::new("url", url).unwrap()),
            ..settings("https://api.example.com")
        };
        assert_eq!(
            challenges(&settings, rejection(RejectionKind::InsufficientScope, &["a", "b"])),
            ["Bearer error=\"insufficient_scope\", scope=\"a b\", \
             resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource\", \
             error_description=\"The access token lacks a required scope.\", realm=\"https://api.example.com\""]
        );
    }

    #[test]
    fn each_kind_has_its_challenge() {
        use RejectionKind as K;
        let settings = settings("https://api.example.com");
        let challenge = |kind| challenges(&settings, rejection(kind, &["a"]));
        assert_eq!(challenge(K::Denied), ["Bearer realm=\"https://api.example.com\""]);
        assert_eq!(challenge(K::MissingToken), ["Bearer scope=\"a\", realm=\"https://api.example.com\""]);
        for scoped in [K::InsufficientScope, K::WrongModel, K::WrongOrganization] {
            assert!(
                challenge(scoped)[0].starts_with("Bearer error=\"insufficient_scope\", scope=\"a\", "),
                "{scoped:?}"
            );
        }
        assert!(!challenge(K::InvalidRequest)[0].contains("scope="));
        assert_eq!(
            challenge(K::RevokedToken),
            ["Bearer error=\"invalid_token\", scope=\"a\", error_description=\"The access token has been revoked.\", \
              realm=\"https://api.example.com\""]
        );
        for none in [K::Hidden, K::Unavailable, K::Misconfigured] {
            assert_eq!(challenge(none), [""; 0], "{none:?}");
        }
    }

    #[test]
    fn step_up_names_contexts_age_and_the_scopes_that_are_missing_too() {
        let settings = settings("https://api.example.com");
        let challenge = |acr: &[&str], age: Option<u64>, scopes: &[&str]| {
            let step_up = StepUp::new(acr, age.map(Duration::from_secs)).unwrap();
            let rejection = rejection(RejectionKind::InsufficientUserAuthentication, scopes).with_step_up(step_up);
            challenges(&settings, rejection).remove(0)
        };
        let rest = "error_description=\"The user must sign in again: the sign-in behind the access token is too weak or \
                    too old.\", realm=\"https://api.example.com\"";
        let error = "Bearer error=\"insufficient_user_authentication\"";
        for (written, expected) in [
            (challenge(&["gold", "silver"], None, &[]), format!("{error}, acr_values=\"gold silver\", {rest}")),
            (challenge(&[], Some(0), &[]), format!("{error}, max_age=\"0\", {rest}")),
            (
                challenge(&["gold"], Some(300), &["b", "c"]),
                format!("{error}, acr_values=\"gold\", max_age=\"300\", scope=\"b c\", {rest}"),
            ),
        ] {
            assert_eq!(written, expected);
        }
    }

    #[test]
    fn the_scheme_that_was_tried_comes_first_and_has_the_error() {
        use RejectionKind as K;
        let both = ChallengeSettings {
            proof_algorithms: Some(Quotable::new("algs", "ES256 EdDSA").unwrap()),
            ..settings("https://api.example.com")
        };
        let challenge = |kind, tried_proof| challenges_of(&both, rejection(kind, &["a"]), tried_proof);
        let (bearer, dpop) = ("Bearer realm=\"https://api.example.com\"", "DPoP algs=\"ES256 EdDSA\"");
        let scoped_bearer = "Bearer scope=\"a\", realm=\"https://api.example.com\"";
        assert_eq!(challenge(K::MissingToken, false), [scoped_bearer, dpop]);
        assert_eq!(
            challenge(K::InvalidToken, false),
            [
                "Bearer error=\"invalid_token\", scope=\"a\", error_description=\"The access token is not valid for this API.\", \
              realm=\"https://api.example.com\"",
                dpop
            ]
        );
        for (kind, error) in [
            (K::InvalidToken, "error=\"invalid_token\", scope=\"a\", error_description="),
            (K::InvalidProof, "error=\"invalid_dpop_proof\", scope=\"a\", error_description="),
            (K::UseNonce, "error=\"use_dpop_nonce\", scope=\"a\", error_description="),
            (K::InsufficientScope, "error=\"insufficient_scope\", scope=\"a\", error_description="),
            (K::InvalidRequest, "error=\"invalid_request\", error_description="),
        ] {
            let challenges = challenge(kind, true);
            assert!(challenges[0].starts_with(&format!("{dpop}, {error}")), "{challenges:?}");
            assert_eq!(challenges[1..], [bearer], "{kind:?}");
        }
        let only = ChallengeSettings { takes_bearer: false, ..both };
        for tried_proof in [true, false] {
            let challenges = challenges_of(&only, rejection(K::InvalidToken, &[]), tried_proof);
            assert_eq!(challenges.len(), 1);
            assert!(challenges[0].starts_with(&format!("{dpop}, error=\"invalid_token\"")), "{challenges:?}");
        }
        assert_eq!(challenges_of(&only, rejection(K::Unavailable, &[]), true), [""; 0]);
    }

    #[test]
    fn what_the_rest_of_the_service_needs_is_asked_for_too() {
        let scopes = |names: &[&str]| names.iter().map(|name| Scope::new(name).unwrap()).collect::<Vec<_>>();
        let wanted = Wanted { scopes: scopes(&["b"]), besides: scopes(&["a", "b"]), ..Wanted::default() };
        let named = |kind, required: &[&str]| {
            wanted.scopes(&rejection(kind, required)).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(named(RejectionKind::InsufficientScope, &["c", "a"]), "c a b");
        assert_eq!(named(RejectionKind::MissingToken, &[]), "b a");
        for kind in [RejectionKind::InsufficientScope, RejectionKind::Denied, RejectionKind::InvalidRequest] {
            assert_eq!(named(kind, &[]), "", "{kind:?}");
        }
    }

    #[test]
    fn what_was_written_once_is_not_taken_for_another_rejection() {
        use RejectionKind as K;
        let url = |text: &str| Some(Quotable::new("url", text).unwrap());
        let settings = |metadata: Option<Quotable>| ChallengeSettings {
            proof_algorithms: Some(Quotable::new("algs", "ES256").unwrap()),
            resource_metadata: metadata,
            ..settings("https://api.example.com")
        };
        let documents = [settings(None), settings(url("https://a.example")), settings(url("https://b.example"))];
        let fresh = || Wanted { scopes: vec![Scope::new("x").unwrap()], ..Wanted::default() };
        let (wanted, request) = (fresh(), http::Request::new(()).into_parts().0);
        let kinds = [K::MissingToken, K::InvalidToken, K::ExpiredToken, K::InsufficientScope, K::WrongModel, K::Denied];
        let scopes: [&[&str]; 3] = [&[], &["a"], &["b"]];
        for _ in 0..2 {
            for (kind, settings) in kinds.iter().flat_map(|kind| documents.iter().map(|settings| (*kind, settings))) {
                for (scopes, tried) in scopes.iter().flat_map(|scopes| [(scopes, false), (scopes, true)]) {
                    let challenge = |wanted: &Wanted| {
                        let rejection = rejection(kind, scopes).tried_proof(tried);
                        settings.challenge(rejection, wanted, Rejected::of(&request)).challenges().to_vec()
                    };
                    assert_eq!(challenge(&wanted), challenge(&fresh()), "{kind:?} {tried} {scopes:?}");
                }
            }
        }
    }

    #[test]
    fn a_scheme_without_parameters_is_a_bare_word() {
        assert_eq!(Challenge::new("DPoP").into_header_value().unwrap(), "DPoP");
        let challenge = Challenge::new("DPoP").with("algs", Value::Fixed("ES256")).with("error", Value::Fixed("x"));
        assert_eq!(challenge.into_header_value().unwrap(), "DPoP algs=\"ES256\", error=\"x\"");
    }

    proptest! {
        #[test]
        fn every_challenge_is_one_header_with_balanced_quotes(realm in any::<String>(), scope in any::<String>()) {
            let (Ok(realm), Ok(scope)) = (Quotable::new("realm", &realm), Scope::new(&scope)) else { return Ok(()) };
            let settings = ChallengeSettings { realm, ..settings("") };
            let rejection = Rejection::new(RejectionKind::InsufficientScope, Remediation::None, "x");
            let values = challenges(&settings, rejection.with_scopes(vec![scope], vec![]));
            prop_assert_eq!(values.len(), 1);
            prop_assert_eq!(values[0].matches('"').count(), 8);
        }
    }
}
