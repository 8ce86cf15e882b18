//! Hostile input: whatever is made of good tokens, keys and headers is rejected with 400, 401 or 403, and nothing panics.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use orgate::issuer::Algorithm;
use orgate::policy::{authenticated, optional, organization, path, resource};
use orgate::testing::{TestIssuer, TokenBuilder};
use orgate::time::Clock as _;
use orgate::{Issuer, ResourceServer};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt;

const API: &str = "https://api.example.com";
const ROUTES: [&str; 7] =
    ["/resource", "/orgs/acme/members", "/orgs/acme/orders", "/own", "/authenticated", "/optional", "/mixed"];
const ALGORITHMS: [Algorithm; 6] =
    [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa];

/// One API, its issuer with a key for each algorithm, and good tokens of every model and algorithm.
struct World {
    runtime: Runtime,
    issuer: TestIssuer,
    router: Router,
    tokens: Vec<String>,
    /// Which token passes on which route.
    passes: BTreeSet<(String, &'static str)>,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let issuer = runtime.block_on(TestIssuer::builder().algorithm(ALGORITHMS[0]).start());
        let (mut tokens, mut keys) = (Vec::new(), Vec::new());
        for algorithm in ALGORITHMS {
            if algorithm != ALGORITHMS[0] {
                issuer.rotate_to(algorithm);
            }
            tokens.extend(models(&issuer).iter().map(TokenBuilder::mint));
            keys.push(published(&issuer)[0].clone());
        }
        // A rotation leaves only a few keys. All are in the order of their age.
        let left = published(&issuer);
        keys.iter().rev().filter(|key| !left.contains(key)).for_each(|key| issuer.publish(key));
        let server = ResourceServer::builder(issuer.url(), API).clock(issuer.clock()).build().unwrap();
        runtime.block_on(server.ready()).unwrap();
        let mut world = Self { runtime, issuer, router: router(&server), tokens, passes: BTreeSet::new() };
        for (index, token) in world.tokens.iter().enumerate() {
            for route in ROUTES {
                let passes = world.bearer(route, token) == 200;
                let expected: &[&str] = match index % 3 {
                    0 => &["/resource", "/authenticated", "/optional"],
                    1 => &["/orgs/acme/members", "/authenticated", "/optional", "/mixed"],
                    _ => &["/orgs/acme/orders", "/own", "/authenticated", "/optional", "/mixed"],
                };
                assert_eq!(passes, expected.contains(&route), "token {index} on {route}");
                if passes {
                    world.passes.insert((token.clone(), route));
                }
            }
        }
        world
    }

    fn status(&self, router: &Router, route: &str, authorization: HeaderValue) -> u16 {
        let request = Request::get(route).header(AUTHORIZATION, authorization).body(Body::empty()).unwrap();
        self.runtime.block_on(router.clone().oneshot(request)).unwrap().status().as_u16()
    }

    fn bearer(&self, route: &str, token: &str) -> u16 {
        self.status(&self.router, route, HeaderValue::from_str(&format!("Bearer {token}")).unwrap())
    }

    /// Rejected everywhere, or one of the good tokens after all.
    fn refuses(&self, token: &[u8]) -> Result<(), TestCaseError> {
        let Ok(header) = HeaderValue::from_bytes(&[b"Bearer ", token].concat()) else {
            return Err(TestCaseError::fail("not the value of a header: the mutation is wrong"));
        };
        // One space or more stands between the scheme and the token.
        let token = String::from_utf8_lossy(token).trim_start_matches(' ').to_owned();
        for route in ROUTES {
            let status = self.status(&self.router, route, header.clone());
            let passes = self.passes.iter().any(|(good, on)| (good.as_str(), *on) == (&token, route));
            let expected = if passes { status == 200 } else { matches!(status, 400 | 401 | 403) };
            prop_assert!(expected, "{} on {} for {}", status, route, token);
        }
        Ok(())
    }
}

/// The keys of the issuer's set, the newest one first.
fn published(issuer: &TestIssuer) -> Vec<Value> {
    let set: Value = serde_json::from_str(&issuer.jwks_json()).unwrap();
    set["keys"].as_array().unwrap().clone()
}

/// A token of each model, with the scope that its routes ask for.
fn models(issuer: &TestIssuer) -> [TokenBuilder; 3] {
    [issuer.resource_token(API), issuer.organization_token("acme"), issuer.organization_resource_token(API, "acme")]
        .map(|token| token.scope("read write"))
}

fn router(server: &ResourceServer) -> Router {
    let granted = || async { "granted" };
    let member = || organization(path("org")).scope("read");
    let within = || resource().in_organization(path("org")).scope("read");
    let own = resource().in_organization(orgate::policy::any_organization()).scope("read");
    server
        .guard()
        .any("/resource", granted, resource().scope("read"))
        .any("/orgs/{org}/members", granted, member())
        .any("/orgs/{org}/orders", granted, within())
        .any("/own", granted, own.clone())
        .any("/authenticated", granted, authenticated())
        .any("/optional", granted, optional(authenticated()))
        .any("/mixed", granted, organization(orgate::policy::any_organization()).scope("read").or(own))
        .into_router()
        .unwrap()
}

fn runner(cases: u32) -> TestRunner {
    // The keys are other ones in each run, so a stored case would say nothing.
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() })
}

/// One change to a token. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Change {
    /// An octet of the text becomes another.
    Octet(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, Index),
    Repeat(Index, Index),
    Truncate(Index),
    /// A bit of what a segment encodes.
    Bit(usize, Index),
    TruncateDecoded(usize, Index),
    /// A segment of another good token.
    Swap(usize, Index),
    Exchange(usize, usize),
    Drop(usize),
    Append(&'static str),
    Recode(usize, Coding),
    Case(usize, bool),
    /// A member of the header or the claims: set, renamed, or left out.
    Set(usize, &'static str, Value),
    Double(usize, &'static str, Value),
    Rename(usize, Index, &'static str),
    Leave(usize, Index),
    /// Spaces, or escapes, that do not change what the JSON says.
    Respell(usize, bool),
    Sign(&'static [u8]),
}

#[derive(Clone, Copy, Debug)]
enum Coding {
    Padded,
    Standard,
    StandardPadded,
    LastBits,
    Twice,
    Hexadecimal,
    Percent,
    Decoded,
}

const CODINGS: [Coding; 8] = [
    Coding::Padded,
    Coding::Standard,
    Coding::StandardPadded,
    Coding::LastBits,
    Coding::Twice,
    Coding::Hexadecimal,
    Coding::Percent,
    Coding::Decoded,
];

fn visible() -> impl Strategy<Value = u8> {
    // What an HTTP header can hold.
    prop_oneof![6 => 0x20..0x7f_u8, 1 => 0x80..=0xff_u8, 1 => Just(b'\t'), 2 => select(&b".-_=+/~ ,"[..])]
}

/// Changes of the header and the claims.
fn members() -> impl Strategy<Value = Change> {
    let names = [
        "alg",
        "typ",
        "kid",
        "crit",
        "jwk",
        "jku",
        "x5c",
        "b64",
        "zip",
        "enc",
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "nbf",
        "scope",
        "client_id",
        "organization_id",
        "jti",
        "cnf",
        "ALG",
        "Kid",
        "Scope",
        "",
    ];
    let values = vec![
        json!("none"),
        json!("HS256"),
        json!("ES256"),
        json!("RS256"),
        json!("at+jwt"),
        json!("JWT"),
        json!(API),
        json!("acme"),
        json!("other"),
        json!("urn:logto:organization:acme"),
        json!("urn:logto:organization:other"),
        json!("read write admin"),
        json!(["read"]),
        json!([API]),
        json!([API, "urn:logto:organization:acme"]),
        json!(0),
        json!(4_000_000_000_u64),
        json!(-1),
        json!(1e308),
        json!(null),
        json!(true),
        json!({}),
        json!(["exp"]),
        json!("http://127.0.0.1:9/jwks"),
        json!(""),
    ];
    let part = || 0..2_usize;
    let member = (part(), select(names.to_vec()), select(values));
    prop_oneof![
        3 => member.clone().prop_map(|(part, name, value)| Change::Set(part, name, value)),
        2 => member.prop_map(|(part, name, value)| Change::Double(part, name, value)),
        1 => (part(), any::<Index>(), select(names.to_vec())).prop_map(|(part, at, name)| Change::Rename(part, at, name)),
        1 => (part(), any::<Index>()).prop_map(|(part, at)| Change::Leave(part, at)),
        2 => (part(), any::<bool>()).prop_map(|(part, escapes)| Change::Respell(part, escapes)),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let part = || 0..3_usize;
    let index = any::<Index>;
    let text = prop_oneof![
        (index(), visible()).prop_map(|(at, octet)| Change::Octet(at, octet)),
        (index(), prop::collection::vec(visible(), 1..6)).prop_map(|(at, octets)| Change::Insert(at, octets)),
        (index(), index()).prop_map(|(from, to)| Change::Remove(from, to)),
        (index(), index()).prop_map(|(from, to)| Change::Repeat(from, to)),
        index().prop_map(Change::Truncate),
        select(vec![".", "=", "==", ".AAAA", "..", " ", ",", ".e30.AA", "%00"]).prop_map(Change::Append),
    ];
    let segments = prop_oneof![
        3 => (part(), index()).prop_map(|(part, bit)| Change::Bit(part, bit)),
        1 => (part(), index()).prop_map(|(part, at)| Change::TruncateDecoded(part, at)),
        2 => (part(), index()).prop_map(|(part, other)| Change::Swap(part, other)),
        1 => (part(), part()).prop_map(|(one, two)| Change::Exchange(one, two)),
        1 => part().prop_map(Change::Drop),
        2 => (part(), select(&CODINGS[..])).prop_map(|(part, coding)| Change::Recode(part, coding)),
        1 => (part(), any::<bool>()).prop_map(|(part, upper)| Change::Case(part, upper)),
        1 => select(vec![&b""[..], &[0], &[0; 64], &[0xff; 64], &[0; 96], &[0; 132], &[0; 256]]).prop_map(Change::Sign),
    ];
    prop_oneof![text, segments, members()]
}

/// Applies one change. A token that has become too odd for it stays as it is.
fn apply(token: Vec<u8>, change: &Change, others: &[String]) -> Vec<u8> {
    let between = |token: &[u8], from: &Index, to: &Index| {
        let (from, to) = (from.index(token.len() + 1), to.index(token.len() + 1));
        from.min(to)..from.max(to)
    };
    let mut text = token.clone();
    match change {
        Change::Octet(at, octet) if !text.is_empty() => {
            let at = at.index(text.len());
            text[at] = *octet;
        }
        Change::Insert(at, octets) => {
            let at = at.index(text.len() + 1);
            text.splice(at..at, octets.iter().copied());
        }
        Change::Remove(from, to) => _ = text.drain(between(&token, from, to)),
        Change::Repeat(from, to) => {
            let range = between(&token, from, to);
            text.splice(range.end..range.end, token[range].iter().copied());
        }
        Change::Truncate(at) => text.truncate(at.index(token.len() + 1)),
        Change::Append(suffix) => text.extend_from_slice(suffix.as_bytes()),
        _ => return apply_to_segments(&token, change, others).unwrap_or(token),
    }
    text
}

fn apply_to_segments(token: &[u8], change: &Change, others: &[String]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(token).ok()?;
    let mut parts: Vec<String> = text.split('.').map(str::to_owned).collect();
    let decoded = |part: usize| BASE64_URL_SAFE_NO_PAD.decode(parts.get(part)?).ok();
    let object = |part: usize| match serde_json::from_slice(&decoded(part)?).ok()? {
        Value::Object(members) if !members.is_empty() => Some(members),
        _ => None,
    };
    let encoded = |octets: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(octets);
    let (at, changed) = match change {
        Change::Bit(part, bit) => {
            let mut octets = decoded(*part).filter(|octets| !octets.is_empty())?;
            let bit = bit.index(octets.len() * 8);
            octets[bit / 8] ^= 1 << (bit % 8);
            (*part, encoded(&octets))
        }
        Change::TruncateDecoded(part, at) => {
            let octets = decoded(*part)?;
            (*part, encoded(&octets[..at.index(octets.len() + 1)]))
        }
        Change::Swap(part, other) => (*part, other.get(others).split('.').nth(*part)?.to_owned()),
        Change::Exchange(one, two) => {
            let two = parts.get(*two)?.clone();
            (*one, two)
        }
        Change::Drop(part) => {
            if *part < parts.len() {
                parts.remove(*part);
            }
            return Some(parts.join(".").into_bytes());
        }
        Change::Recode(part, coding) => (*part, recode(parts.get(*part)?, *coding)?),
        Change::Case(part, upper) => {
            let part_text = parts.get(*part)?;
            (*part, if *upper { part_text.to_uppercase() } else { part_text.to_lowercase() })
        }
        Change::Set(part, name, value) => {
            let mut members = object(*part)?;
            members.insert((*name).to_owned(), value.clone());
            (*part, encoded(&serde_json::to_vec(&members).ok()?))
        }
        Change::Double(part, name, value) => {
            let members = serde_json::to_string(&object(*part)?).ok()?;
            (*part, encoded(format!("{{{:?}:{value},{}", name, &members[1..]).as_bytes()))
        }
        Change::Rename(part, at, name) => {
            let mut members = object(*part)?;
            let old = at.get(&members.keys().cloned().collect::<Vec<_>>()).clone();
            let value = members.remove(&old)?;
            members.insert((*name).to_owned(), value);
            (*part, encoded(&serde_json::to_vec(&members).ok()?))
        }
        Change::Leave(part, at) => {
            let mut members = object(*part)?;
            let old = at.get(&members.keys().cloned().collect::<Vec<_>>()).clone();
            members.remove(&old);
            (*part, encoded(&serde_json::to_vec(&members).ok()?))
        }
        Change::Respell(part, escapes) => {
            let members = serde_json::to_string(&object(*part)?).ok()?;
            let respelled = if *escapes { members.replace('a', "\\u0061") } else { members.replacen('{', "{ ", 1) };
            (*part, encoded(respelled.as_bytes()))
        }
        Change::Sign(octets) => (2, encoded(octets)),
        _ => return None,
    };
    *parts.get_mut(at)? = changed;
    Some(parts.join(".").into_bytes())
}

/// The same octets in another spelling.
fn recode(part: &str, coding: Coding) -> Option<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let octets = BASE64_URL_SAFE_NO_PAD.decode(part).ok()?;
    Some(match coding {
        Coding::Padded => BASE64_URL_SAFE.encode(octets),
        Coding::Standard => BASE64_STANDARD_NO_PAD.encode(octets),
        Coding::StandardPadded => BASE64_STANDARD.encode(octets),
        Coding::LastBits => {
            let (last, rest) = part.as_bytes().split_last()?;
            let value = ALPHABET.iter().position(|letter| letter == last)?;
            // Where a segment's last character has unused bits, this one has the same used bits.
            let spelled = [rest, &[ALPHABET[value ^ 1]]].concat();
            String::from_utf8(spelled).ok()?
        }
        Coding::Twice => BASE64_URL_SAFE_NO_PAD.encode(part),
        Coding::Hexadecimal => octets.iter().flat_map(|octet| [octet >> 4, octet & 15]).map(hexadecimal).collect(),
        Coding::Percent => {
            part.bytes().flat_map(|byte| ['%', hexadecimal(byte >> 4), hexadecimal(byte & 15)]).collect()
        }
        Coding::Decoded => {
            octets.iter().map(|&octet| if octet.is_ascii_graphic() { octet as char } else { '~' }).collect()
        }
    })
}

fn hexadecimal(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap()
}

#[test]
fn a_changed_token_is_rejected() {
    let world = World::new();
    let kinds = RefCell::new(BTreeSet::new());
    let changed = Cell::new(0);
    let strategy = (any::<Index>(), prop::collection::vec(change(), 1..4));
    let outcome = runner(2000).run(&strategy, |(token, changes)| {
        let original = token.get(&world.tokens).clone().into_bytes();
        let mut token = original.clone();
        for change in &changes {
            let before = token.clone();
            token = apply(token, change, &world.tokens);
            if token != before {
                let name = format!("{change:?}");
                kinds.borrow_mut().insert(name.split('(').next().unwrap_or_default().to_owned());
            }
        }
        changed.set(changed.get() + u32::from(token != original));
        world.refuses(&token)
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(changed.get() > 1600, "only {} of 2000 tokens were changed", changed.get());
    assert_eq!(kinds.borrow().len(), 19, "some kinds of change did nothing: {:?}", kinds.borrow());
}

#[test]
fn a_token_has_one_spelling() {
    let world = World::new();
    let mut respelled = [0; CODINGS.len()];
    for token in &world.tokens {
        for part in 0..3 {
            for (coding, respelled) in CODINGS.into_iter().zip(&mut respelled) {
                let other = apply(token.clone().into_bytes(), &Change::Recode(part, coding), &world.tokens);
                *respelled += u32::from(other != token.as_bytes());
                world.refuses(&other).unwrap();
            }
        }
    }
    assert!(respelled.iter().all(|&count| count > 0), "{respelled:?}");
}

/// The header and the claims are changed *before* they are signed: now it is not the signature that rejects.
#[test]
fn a_signed_token_passes_only_where_its_claims_say_so() {
    let world = World::new();
    let kid = world.issuer.signing_kid();
    let now = world.issuer.clock().now().unix.as_secs_f64();
    let (passed, refused) = (Cell::new(0), Cell::new(0));
    let strategy = (0..3_usize, prop::collection::vec(signed_change(), 1..4));
    let outcome = runner(2000).run(&strategy, |(model, changes)| {
        let [header, payload] = changes.iter().fold(parts(&world.tokens[15 + model]), |[header, payload], change| {
            let token = format!("{}.{}.", encode(&header), encode(&payload));
            parts(&String::from_utf8(apply(token.into_bytes(), change, &world.tokens)).unwrap())
        });
        let token = world.issuer.resource_token(API).raw_header(header.clone()).raw_payload(payload.clone()).mint();
        for route in ROUTES {
            let status = world.bearer(route, &token);
            prop_assert!(matches!(status, 200 | 400 | 401 | 403), "{} on {}", status, route);
            if status != 200 {
                refused.set(refused.get() + 1);
                continue;
            }
            passed.set(passed.get() + 1);
            prop_assert!(names_once(&header) && names_once(&payload), "a member that is named twice");
            let said = format!("{} {}", String::from_utf8_lossy(&header), String::from_utf8_lossy(&payload));
            // What is not looked at may be a number that this model cannot hold.
            let (Ok(header), Ok(claims)) =
                (serde_json::from_slice::<Value>(&header), serde_json::from_slice::<Value>(&payload))
            else {
                let is_json = |octets: &[u8]| serde_json::from_slice::<&serde_json::value::RawValue>(octets).is_ok();
                prop_assert!(is_json(&header) && is_json(&payload), "{}", said);
                continue;
            };
            prop_assert!(is_access_token(&header, &kid), "{}", said);
            prop_assert!(is_valid(&claims, world.issuer.url(), now), "{}", said);
            prop_assert!(may_pass(&claims, route), "{} on {}", said, route);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(passed.get() > 500 && refused.get() > 2000, "{} passed, {} refused", passed.get(), refused.get());
}

/// Changes of what is signed, and of the octets it is written with.
fn signed_change() -> impl Strategy<Value = Change> {
    let octets = (0..2_usize, any::<Index>()).prop_map(|(part, bit)| Change::Bit(part, bit));
    prop_oneof![2 => members(), 1 => octets]
}

fn encode(octets: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}

/// Header and claims, decoded.
fn parts(token: &str) -> [Vec<u8>; 2] {
    let mut parts = token.split('.').map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap());
    [parts.next().unwrap(), parts.next().unwrap()]
}

/// Whether each member of a JSON object is named once.
fn names_once(json: &[u8]) -> bool {
    struct Names(Vec<String>);
    impl<'de> Deserialize<'de> for Names {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Members;
            impl<'de> Visitor<'de> for Members {
                type Value = Names;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                    let mut names = Vec::new();
                    while let Some((name, IgnoredAny)) = map.next_entry()? {
                        names.push(name);
                    }
                    Ok(Names(names))
                }
            }
            deserializer.deserialize_map(Members)
        }
    }
    let Names(names) = serde_json::from_slice(json).unwrap();
    names.iter().collect::<BTreeSet<_>>().len() == names.len()
}

fn is_access_token(header: &Value, kid: &str) -> bool {
    let typ = header["typ"].as_str().unwrap_or_default().to_ascii_lowercase();
    header["alg"] == "EdDSA"
        && matches!(&*typ, "at+jwt" | "application/at+jwt")
        && header.get("kid").is_none_or(|stated| stated == kid)
        && ["crit", "b64", "zip", "enc"].iter().all(|name| header.get(name).is_none())
}

fn is_valid(claims: &Value, issuer: &str, now: f64) -> bool {
    let date = |name: &str| claims.get(name).map(|date| date.as_f64().unwrap_or(f64::NAN));
    claims["iss"] == issuer
        && date("exp").is_some_and(|exp| exp > now - 60.0)
        && date("iat").is_some_and(|iat| iat <= now + 60.0)
        && date("nbf").is_none_or(|nbf| nbf <= now + 60.0)
        && ["sub", "client_id"].iter().all(|name| claims[name].as_str().is_some_and(|text| !text.is_empty()))
        && claims.get("cnf").is_none()
}

fn may_pass(claims: &Value, route: &str) -> bool {
    let audience = claims["aud"].as_array().map_or(vec![&claims["aud"]], |values| values.iter().collect());
    let names = |value: &str| audience.iter().any(|audience| **audience == *value);
    let names_organization =
        audience.iter().any(|value| value.as_str().unwrap().starts_with("urn:logto:organization:"));
    let may_read = claims["scope"].as_str().is_some_and(|scope| scope.split(' ').any(|scope| scope == "read"));
    let organization = claims.get("organization_id");
    let within = names(API) && !names_organization && organization.is_some_and(|id| id.as_str() != Some(""));
    match route {
        "/resource" => may_read && names(API) && !names_organization && organization.is_none(),
        "/orgs/acme/members" => may_read && names("urn:logto:organization:acme") && organization.is_none(),
        "/orgs/acme/orders" => may_read && within && claims["organization_id"] == "acme",
        "/own" => may_read && within,
        "/mixed" => may_read && (within || names_organization && organization.is_none()),
        _ => names(API) || names_organization,
    }
}

#[test]
fn any_authorization_header() {
    let world = World::new();
    let good = &world.tokens[0];
    let schemes = [
        "Bearer ", "bearer ", "BEARER  ", "Bearer", "Bearer\t", "Bearer=", "Bearer,", "BearerX ", "Basic ", "DPoP ", "",
    ];
    let rest = prop_oneof![
        prop::collection::vec(visible(), 0..80),
        prop::collection::vec(select(&b"abcXYZ019-_.=~+/"[..]), 0..80),
        prop::collection::vec(0x20..=0xff_u8, 8000..8400),
    ];
    let outcome = runner(800).run(&(select(schemes.to_vec()), rest, any::<bool>()), |(scheme, rest, twice)| {
        let rest: Vec<u8> = rest.into_iter().filter(|octet| *octet != 0x7f).collect();
        let value = HeaderValue::from_bytes(&[scheme.as_bytes(), &rest].concat()).unwrap();
        for route in ROUTES {
            if twice {
                let request = Request::get(route).header(AUTHORIZATION, value.clone());
                let request = request.header(AUTHORIZATION, format!("Bearer {good}")).body(Body::empty()).unwrap();
                let status = world.runtime.block_on(world.router.clone().oneshot(request)).unwrap().status();
                prop_assert_eq!(status.as_u16(), 400, "{} for {:?}", route, value);
                continue;
            }
            let status = world.status(&world.router, route, value.clone());
            let others = route == "/optional" && !is_bearer(value.as_bytes());
            let expected = if others { status == 200 } else { matches!(status, 400 | 401) };
            prop_assert!(expected, "{} on {} for {:?}", status, route, value);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// Whether the scheme is Bearer, and not one that only begins like it.
fn is_bearer(value: &[u8]) -> bool {
    let scheme: Vec<u8> =
        value.iter().copied().take_while(|octet| !b" \t,\"/()<>@;:\\[]?{}".contains(octet) && *octet < 0x7f).collect();
    scheme.eq_ignore_ascii_case(b"bearer")
}

#[test]
fn a_token_anywhere_else_is_none() {
    let world = World::new();
    let (passing, route) = world.passes.iter().next().unwrap();
    for uri in [format!("{route}?access_token={passing}"), format!("{route}?authorization=Bearer%20{passing}")] {
        for header in ["cookie", "proxy-authorization", "x-authorization"] {
            let request = Request::post(&uri)
                .header(header, format!("Bearer {passing}"))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::from(format!("access_token={passing}")));
            let response = world.runtime.block_on(world.router.clone().oneshot(request.unwrap())).unwrap();
            assert_eq!(response.status(), 401, "{uri} {header}");
        }
    }
}

/// A public key is no secret: a token whose MAC was made with it is rejected.
#[test]
fn a_public_key_is_no_secret() {
    let world = World::new();
    let document: Value = serde_json::from_str(&world.issuer.jwks_json()).unwrap();
    let mut tried = 0;
    for key in document["keys"].as_array().unwrap() {
        let numbers = ["x", "y", "n"].map(|name| key[name].as_str().unwrap_or_default());
        let octets = numbers.map(|number| BASE64_URL_SAFE_NO_PAD.decode(number).unwrap());
        let point = [&[4][..], &octets[0], &octets[1]].concat();
        let texts = [key.to_string(), numbers.concat(), world.issuer.jwks_json(), String::new()];
        for secret in texts.iter().map(String::as_bytes).chain([&*octets.concat(), &point]) {
            for alg in ["HS256", "none", key["alg"].as_str().unwrap_or("RS256")] {
                let header = json!({ "alg": alg, "typ": "at+jwt", "kid": key["kid"] }).to_string();
                let [_, payload] = parts(&world.tokens[0]);
                let message = format!("{}.{}", encode(header.as_bytes()), encode(&payload));
                let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
                world.refuses(format!("{message}.{}", encode(mac.as_ref())).as_bytes()).unwrap();
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 6 * 6 * 3);
}

#[test]
fn a_changed_key_set_verifies_nothing_else() {
    let world = World::new();
    let original: Value = serde_json::from_str(&world.issuer.jwks_json()).unwrap();
    let strangers = [
        world.issuer.resource_token(API).scope("read").forged().mint(),
        world.issuer.resource_token(API).scope("read").signed_with_unknown_key().mint(),
        world.issuer.resource_token(API).scope("read").signed_with_embedded_key().mint(),
    ];
    let names = ["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops", "x5c", "d", "k", "KTY", ""];
    let values = vec![
        json!(null),
        json!(1),
        json!(""),
        json!("AQAB"),
        json!("AQ"),
        json!("AA"),
        json!("A=="),
        json!("RSA"),
        json!("EC"),
        json!("oct"),
        json!("P-256"),
        json!("Ed25519"),
        json!("ES256"),
        json!("RS512"),
        json!("HS256"),
        json!("none"),
        json!("enc"),
        json!("sig"),
        json!(["verify"]),
        json!(["verify", "verify"]),
        json!(["encrypt"]),
        json!([]),
        json!({}),
        json!("k"),
        original["keys"][0]["x"].clone(),
        original["keys"][5]["x"].clone(),
        original["keys"][2]["n"].clone(),
    ];
    let one = prop_oneof![
        3 => (any::<Index>(), select(names.to_vec()), prop::option::weighted(0.8, select(values))).prop_map(KeyChange::Member),
        1 => (any::<Index>(), any::<u8>()).prop_map(KeyChange::Octet),
        1 => (any::<Index>(), any::<Index>()).prop_map(KeyChange::Remove),
    ];
    let (built, passed) = (Cell::new(0), Cell::new(0));
    let outcome = runner(400).run(&prop::collection::vec(one, 1..3), |changes| {
        let mut touched = BTreeSet::new();
        let mut document = original.to_string().into_bytes();
        for change in &changes {
            document = change.apply(document, &mut touched);
        }
        let Ok(text) = String::from_utf8(document) else { return Ok(()) };
        let issuer = Issuer::new(world.issuer.url()).jwks_json(&text);
        let Ok(server) = ResourceServer::builder(issuer, API).clock(world.issuer.clock()).build() else {
            return Ok(());
        };
        built.set(built.get() + 1);
        let router = router(&server);
        let status = |token: &str| {
            world.status(&router, "/resource", HeaderValue::from_str(&format!("Bearer {token}")).unwrap())
        };
        for stranger in &strangers {
            prop_assert_eq!(status(stranger), 401, "{}", text);
        }
        let document: Value = serde_json::from_str(&text).unwrap();
        for (index, key) in original["keys"].as_array().unwrap().iter().rev().enumerate() {
            let answer = status(&world.tokens[index * 3]);
            prop_assert!(matches!(answer, 200 | 401), "{}", answer);
            let number = if key.get("n").is_some() { "n" } else { "x" };
            let is_there = document["keys"].as_array().unwrap().iter().any(|other| other[number] == key[number]);
            prop_assert!(answer == 401 || is_there, "{} verified without its key: {}", key["kid"], text);
            let is_touched = touched.contains(&(5 - index)) || touched.contains(&usize::MAX);
            prop_assert!(answer == 200 || is_touched, "{} was not touched and is gone: {}", key["kid"], text);
            passed.set(passed.get() + usize::from(answer == 200));
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(built.get() > 100 && passed.get() > 400, "{} built, {} passed", built.get(), passed.get());
}

/// One change to a key set: a member of one key, or the text as a whole.
#[derive(Clone, Debug)]
enum KeyChange {
    Member((Index, &'static str, Option<Value>)),
    Octet((Index, u8)),
    Remove((Index, Index)),
}

impl KeyChange {
    /// Notes which key was changed; `usize::MAX` stands for any.
    fn apply(&self, mut document: Vec<u8>, changed: &mut BTreeSet<usize>) -> Vec<u8> {
        match self {
            Self::Member((at, name, value)) => {
                let Ok(mut set) = serde_json::from_slice::<Value>(&document) else { return document };
                let Some(keys) = set.get_mut("keys").and_then(Value::as_array_mut) else { return document };
                let at = at.index(keys.len());
                changed.insert(if *name == "d" { usize::MAX } else { at });
                let Some(key) = keys[at].as_object_mut() else { return document };
                match value {
                    Some(value) => _ = key.insert((*name).to_owned(), value.clone()),
                    None => _ = key.remove(*name),
                }
                return set.to_string().into_bytes();
            }
            Self::Octet((at, octet)) => {
                let at = at.index(document.len());
                document[at] = *octet;
            }
            Self::Remove((from, to)) => {
                let (from, to) = (from.index(document.len()), to.index(document.len()));
                document.drain(from.min(to)..from.max(to));
            }
        }
        changed.insert(usize::MAX);
        document
    }
}
