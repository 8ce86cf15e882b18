//! How a token is judged, top to bottom.

use std::sync::Arc;
use std::time::Duration;

use super::claims;
use super::header::UnverifiedHeader;
use super::segments::Segments;
use super::times;
use crate::engine::{MissingKey, Need, Stop};
use crate::explain::{StepName, Steps, shown};
use crate::issuer::Profile;
use crate::issuer::keys::{Arrival, KeyRefusal, Lookup, Sought};
use crate::issuer::{TrustedIssuer, TrustedIssuers};
use crate::json::Object;
use crate::rejection::{Rejection, RejectionKind, Remediation};
use crate::signature::{Algorithm, VerifyingKey};
use crate::time::Now;
use crate::token::received::{Received, difference};
use crate::token::{AccessToken, Provenance};

/// More keys than are tried for one token: those of one set, and those of the set that is fetched to make sure.
const MOST_FAILED: usize = 8;

/// When a key that was not published yet may be.
const RETRY_WITH_NEW_KEY: Duration = Duration::from_secs(30);

/// A key that was waited for: it verifies tokens of its entry, and of no other.
pub(crate) struct AwaitedKey {
    entry: Arc<TrustedIssuer>,
    key: Arc<VerifyingKey>,
    arrival: Arrival,
}

/// How far the search for a token's key has come.
pub(crate) struct Search<'a> {
    pub(crate) awaited: Option<&'a AwaitedKey>,
    /// Keys that did not verify the token.
    pub(crate) failed: &'a mut Vec<Arc<VerifyingKey>>,
    /// Takes down each step, where somebody wants to see them.
    pub(crate) steps: &'a mut Steps,
}

/// Verifies a token: shape, header, issuer, profile, end, key, signature, claims.
///
/// What costs nothing comes first. `permit` is asked before each check of the signature, and held meanwhile.
pub(crate) fn verify<P>(
    token: &str,
    entries: &TrustedIssuers,
    now: Now,
    search: Search<'_>,
    permit: impl FnMut() -> Option<P>,
) -> Result<AccessToken, Stop> {
    let Search { awaited, failed, steps } = search;
    steps.at(StepName::Form, || "a signed JWT: three parts in base64url".to_owned());
    let segments = Segments::decode(token)?;
    steps.at(StepName::Header, || "a JSON object with the name of an asymmetric algorithm, and no `crit`".to_owned());
    let header = UnverifiedHeader::read(segments.header())?;
    steps.found(|| header.shown());
    steps.at(StepName::Issuer, || expected_issuers(entries));
    let unverified =
        Object::parse(segments.payload()).map_err(|error| Rejection::invalid_token(format!("payload: {error}")))?;

    let (issuer, entry) = trusted_entry(&unverified, entries)?;
    let rules = &entry.rules;
    steps.found(|| format!("{}, of the entry {}", shown(issuer), shown(&rules.name)));
    let about = |rejection: Rejection| rejection.about(&rules.name, header.kid.as_deref());
    steps.at(StepName::Algorithm, || expected_algorithms(&rules.algorithms));
    steps.found(|| header.algorithm.to_string());
    if !rules.algorithms.contains(&header.algorithm) {
        let allowed: Vec<&str> = rules.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        let detail = format!("alg {} is not allowed for this issuer, which signs with {allowed:?}", header.algorithm);
        return Err(about(Rejection::invalid_token(detail)).into());
    }
    steps.at(StepName::Type, || expected_type(rules.profile).to_owned());
    check_type(&header, rules.profile).map_err(about)?;
    let times = times::read(&unverified);
    steps.at(StepName::Times, || times::expected(rules.leeway, ", before the signature is checked"));
    steps.found(|| times.as_ref().map_or_else(|_| "unreadable".to_owned(), |times| times::shown(times, now)));
    if let Ok(times) = &times {
        times::judge_unverified_end(times, rules.leeway, now).map_err(about)?;
    }
    let is_new = times.as_ref().is_ok_and(|times| times::is_new(times, now));

    let search = Search { awaited, failed, steps: &mut *steps };
    let key = verifying_key(entry, &header, &segments, search, permit, (now, is_new))?;

    steps.at(StepName::Times, || times::expected(rules.leeway, ""));
    let judged = times.and_then(|times| claims::judge(&unverified, issuer, times, rules, now, steps)).map_err(about)?;
    if let Some(issued_at) = judged.times.issued_at {
        entry.clock.see_token(issued_at.seconds(), now);
    }
    let provenance = Provenance::new(&key, header.kid.as_deref(), rules.leeway);
    Ok(AccessToken::mint(judged, token.as_bytes(), provenance))
}

/// The entry that trusts the unverified `iss`: it picks whose keys apply, and nothing else.
fn trusted_entry<'a>(
    claims: &Object<'_>,
    entries: &'a TrustedIssuers,
) -> Result<(&'a Arc<str>, &'a Arc<TrustedIssuer>), Rejection> {
    let stated = claims.string("iss").map_err(|error| Rejection::invalid_token(error.to_string()))?;
    let trusted = || entries.iter().flat_map(|entry| &entry.rules.issuers).map(|issuer| &**issuer);
    let shown = || trusted().take(5).collect::<Vec<&str>>();
    let stated =
        stated.ok_or_else(|| Rejection::invalid_token(format!("iss is missing, expected one of {:?}", shown())))?;
    entries.trusted(&stated).ok_or_else(|| {
        let (received, near) = (Received(&stated), difference(&stated, trusted()));
        Rejection::invalid_token(format!("iss (unverified) is {received}, expected one of {:?}{near}", shown()))
    })
}

fn expected_issuers(entries: &TrustedIssuers) -> String {
    const MOST: usize = 5;
    let issuers = entries.iter().flat_map(|entry| &entry.rules.issuers);
    format!("one of [{}]", issuers.take(MOST).map(|issuer| shown(issuer)).collect::<Vec<_>>().join(" "))
}

fn expected_algorithms(algorithms: &[Algorithm]) -> String {
    format!("one of [{}]", algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>().join(" "))
}

fn expected_type(profile: Profile) -> &'static str {
    match profile {
        Profile::Rfc9068 => "at+jwt",
        Profile::UntypedJwt => "JWT, at+jwt or none",
    }
}

fn expected_key(header: &UnverifiedHeader<'_>) -> String {
    match &header.kid {
        Some(kid) => format!("a key of the issuer with the kid {}", shown(kid)),
        None => "the one key of the issuer that fits, since the token names none".to_owned(),
    }
}

/// Where the keys of the entry stand.
fn key_set(entry: &TrustedIssuer) -> String {
    let status = entry.keys.status(&entry.rules.name);
    let age =
        status.age().map_or_else(|| "of no known age".to_owned(), |age| format!("fetched {} s ago", age.as_secs()));
    format!("in the key set of {}, which is {} and {age}", shown(&entry.rules.name), status.state().as_str())
}

/// RFC 9068 section 4, RFC 8725 section 3.11: what kind of JWT this is, by its own word.
fn check_type(header: &UnverifiedHeader<'_>, profile: Profile) -> Result<(), Rejection> {
    let is_jwt = || header.typ.is_none() || header.is_type("jwt");
    match profile {
        _ if header.is_type("at+jwt") => Ok(()),
        Profile::UntypedJwt if is_jwt() => Ok(()),
        Profile::Rfc9068 => Err(wrong_type(header, "at+jwt: not an access token by RFC 9068")),
        Profile::UntypedJwt => Err(wrong_type(header, "JWT, at+jwt or none")),
    }
}

fn wrong_type(header: &UnverifiedHeader<'_>, expected: &str) -> Rejection {
    Rejection::invalid_token(match &header.typ {
        Some(typ) => format!("typ is {}, expected {expected}", Received(typ)),
        None => format!("typ is missing, expected {expected}"),
    })
}

/// The key that verifies the signature: the one that the header names, or one of several that are tried.
fn verifying_key<P>(
    entry: &Arc<TrustedIssuer>,
    header: &UnverifiedHeader<'_>,
    segments: &Segments<'_>,
    search: Search<'_>,
    mut permit: impl FnMut() -> Option<P>,
    (now, is_new): (Now, bool),
) -> Result<Arc<VerifyingKey>, Stop> {
    let Search { awaited, failed, steps } = search;
    let awaited = awaited.filter(|awaited| Arc::ptr_eq(&awaited.entry, entry));
    let rejected =
        |detail: String| Stop::from(Rejection::invalid_token(detail).about(&entry.rules.name, header.kid.as_deref()));
    let has_failed = |key: &Arc<VerifyingKey>, failed: &[_]| failed.iter().any(|failed| Arc::ptr_eq(failed, key));
    loop {
        steps.at(StepName::Key, || expected_key(header));
        let key = match awaited {
            Some(awaited) if !has_failed(&awaited.key, failed) => awaited.key.clone(),
            _ => find_key(entry, header, failed, awaited.map(|awaited| awaited.arrival), (now, is_new))?,
        };
        steps.found(|| key_set(entry));
        if key.algorithm() != header.algorithm {
            return Err(rejected(format!("alg {}, but the key is for {}", header.algorithm, key.algorithm())));
        }
        steps.at(StepName::Signature, || format!("a signature by that key and {}", header.algorithm));
        // A key that was tried already is the one that the token names.
        if failed.len() >= MOST_FAILED || has_failed(&key, failed) {
            return Err(rejected("the signature is wrong".to_owned()));
        }
        let permit = permit().ok_or(Stop::from(Need::Permit))?;
        let is_signed = key.verify(segments.signing_input.as_bytes(), segments.signature());
        drop(permit);
        if is_signed {
            return Ok(key);
        }
        if !entry.rules.keys_without_kid {
            return Err(rejected("the signature is wrong".to_owned()));
        }
        steps.found(|| "not by that key: another one is tried".to_owned());
        failed.push(key);
    }
}

fn find_key(
    entry: &Arc<TrustedIssuer>,
    header: &UnverifiedHeader<'_>,
    failed: &[Arc<VerifyingKey>],
    arrival: Option<Arrival>,
    (now, is_new): (Now, bool),
) -> Result<Arc<VerifyingKey>, Stop> {
    let sought = Sought { kid: header.kid.as_deref(), algorithm: header.algorithm, failed };
    match entry.keys.lookup(sought, arrival, now.monotonic) {
        Lookup::Key(key) => Ok(key),
        Lookup::Wait(arrival) => Err(MissingKey::of(entry, sought, arrival, is_new).into()),
        Lookup::Refused(refusal) => Err(without_key(refusal, entry, sought, is_new).into()),
    }
}

impl From<MissingKey> for Stop {
    fn from(missing: MissingKey) -> Self {
        Need::Key(Box::new(missing)).into()
    }
}

impl MissingKey {
    pub(super) fn of(issuer: &Arc<TrustedIssuer>, sought: Sought<'_>, arrival: Arrival, is_new: bool) -> Self {
        let Sought { kid, algorithm, failed } = sought;
        let (issuer, kid, failed) = (issuer.clone(), kid.map(str::to_owned), failed.to_vec());
        Self { issuer, kid, algorithm, arrival, failed, is_new }
    }

    pub(crate) fn sought(&self) -> Sought<'_> {
        Sought { kid: self.kid.as_deref(), algorithm: self.algorithm, failed: &self.failed }
    }

    /// How the wait for the key ended.
    pub(crate) fn awaited(self, outcome: Result<Arc<VerifyingKey>, KeyRefusal>) -> Result<AwaitedKey, Rejection> {
        match outcome {
            Ok(key) => Ok(AwaitedKey { entry: self.issuer, key, arrival: self.arrival }),
            Err(refusal) => Err(without_key(refusal, &self.issuer, self.sought(), self.is_new)),
        }
    }
}

fn without_key(refusal: KeyRefusal, entry: &TrustedIssuer, sought: Sought<'_>, is_new: bool) -> Rejection {
    let tried = sought.failed.len();
    let rejection = match refusal {
        KeyRefusal::NoneFits => Rejection::invalid_token("no key of the issuer fits the token's header"),
        KeyRefusal::NotInSet if tried > 0 => Rejection::new(
            RejectionKind::KeyNotFound,
            Remediation::Refresh,
            format!("the signature is wrong by each of the {tried} keys that were tried"),
        ),
        // Another one would be signed with the same key.
        KeyRefusal::NotInSet if is_new && entry.keys.is_fetched() => Rejection::new(
            RejectionKind::KeyNotFound,
            Remediation::Retry,
            "the kid is not in the issuer's key set, fetched to make sure, and the token is new: the issuer signs with a key that it does not publish there",
        )
        .with_retry_after(RETRY_WITH_NEW_KEY),
        KeyRefusal::NotInSet => Rejection::new(
            RejectionKind::KeyNotFound,
            Remediation::Refresh,
            "the kid is not in the issuer's key set, fetched to make sure",
        ),
        KeyRefusal::Unresolved(retry_after) => Rejection::new(
            RejectionKind::KeyUnresolved,
            Remediation::Retry,
            "unknown key: the budget for fetches is spent, or the wait over",
        )
        .with_retry_after(retry_after),
        KeyRefusal::Unavailable(retry_after) => {
            Rejection::unavailable(retry_after, "the issuer's keys are unavailable")
        }
    };
    rejection.about(&entry.rules.name, sought.kid)
}
