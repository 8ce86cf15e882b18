//! Webhooks through the public API: every delivery of a real Logto 1.37, raw bytes and real signatures, and what they
//! revoke of real tokens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::{HeaderMap, HeaderValue};
use orgate::ResourceServer;
use orgate::change::{About, RevocationCounts};
use orgate::logto::webhooks::{
    Change, Event, EventKind, MAX_BODY_BYTES, PayloadError, SigningKeys, WebhookError, verify,
};
use orgate::rejection::{RejectionKind, Remediation};
use orgate::testing::{TestIssuer, TokenBuilder};
use serde::Deserialize;
use static_assertions::assert_impl_all;

assert_impl_all!(SigningKeys: Clone, Send, Sync);
assert_impl_all!(Event: Clone, Send, Sync);
assert_impl_all!(PayloadError: Clone, Send, Sync, std::error::Error);
assert_impl_all!(WebhookError: Copy, Send, Sync, std::error::Error);

const HEADER: &str = "logto-signature-sha-256";
const ORGANIZATION: &str = "9djivbepy5ys";
const RESOURCE: &str = "https://api.example.com";
const USER: &str = "cqcep3ppcqlf";

#[derive(Deserialize)]
struct Recorded {
    signing_key: String,
    signing_key_after_rotation: String,
    deliveries: Vec<Delivery>,
}

#[derive(Deserialize)]
struct Delivery {
    signature: String,
    body_base64: String,
    received_at: String,
}

#[derive(Deserialize)]
struct Step {
    events: Vec<String>,
}

fn recorded() -> Recorded {
    serde_json::from_str(include_str!("golden/logto-1.37/webhooks.json")).unwrap()
}

/// The names of the events that each change raised.
fn matrix() -> Vec<Step> {
    serde_json::from_str(include_str!("golden/logto-1.37/webhook_event_matrix.json")).unwrap()
}

impl Recorded {
    /// The last delivery came after the rotation.
    fn key(&self, delivery: usize) -> &str {
        if delivery < 35 { &self.signing_key } else { &self.signing_key_after_rotation }
    }
}

impl Delivery {
    fn body(&self) -> Vec<u8> {
        BASE64_STANDARD.decode(&self.body_base64).unwrap()
    }
}

fn keys(keys: &[&str]) -> SigningKeys {
    SigningKeys::new(keys).unwrap()
}

fn headers(signature: impl AsRef<[u8]>) -> HeaderMap {
    HeaderMap::from_iter([(HEADER.parse().unwrap(), HeaderValue::from_bytes(signature.as_ref()).unwrap())])
}

fn sign(key: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), body);
    tag.as_ref().iter().fold(String::new(), |mut hex, octet| {
        write!(hex, "{octet:02x}").unwrap();
        hex
    })
}

/// An event that Logto could have sent.
fn event(body: &serde_json::Value) -> Event {
    let body = body.to_string();
    verify(&headers(sign("key", body.as_bytes())), body.as_bytes(), &keys(&["key"])).unwrap()
}

/// Every delivery, verified.
fn events() -> Vec<Event> {
    let recorded = recorded();
    let keys = keys(&[&recorded.signing_key, &recorded.signing_key_after_rotation]);
    recorded.deliveries.iter().map(|row| verify(&headers(&row.signature), &row.body(), &keys).unwrap()).collect()
}

#[test]
fn the_recording_is_whole() {
    let recorded = recorded();
    assert_eq!(recorded.deliveries.len(), 36);
    let names: BTreeSet<String> = events().iter().map(|event| event.name().to_owned()).collect();
    let of_matrix: BTreeSet<String> = matrix().into_iter().flat_map(|step| step.events).collect();
    assert_eq!(names, of_matrix);
    let bodies: Vec<u8> = recorded.deliveries.iter().flat_map(Delivery::body).collect();
    let has = |octets: &[u8]| bodies.windows(octets.len()).any(|window| window == octets);
    assert!(has(b"1e+21") && has("\u{2028}".as_bytes()), "what a JSON library would write otherwise");
}

#[test]
fn each_delivery_means_what_it_should() {
    use About::{ApiPermissions, OrganizationTemplate};
    let (acme, other) = (About::organization(ORGANIZATION), About::organization("76orhid4al98"));
    let subject = || About::subject(USER);
    let expected = [
        ("User.Data.Updated", None),
        ("User.Created", None),
        ("User.Data.Updated", None),
        ("User.Data.Updated", None),
        ("User.SuspensionStatus.Updated", Some(subject())),
        ("User.SuspensionStatus.Updated", Some(subject())),
        ("Organization.Membership.Updated", Some(acme.clone())),
        ("Organization.Membership.Updated", Some(acme.clone())),
        ("Organization.Membership.Updated", Some(acme.clone())),
        ("Organization.Membership.Updated", Some(acme)),
        ("Role.Scopes.Updated", Some(ApiPermissions)),
        ("Role.Scopes.Updated", Some(ApiPermissions)),
        ("OrganizationRole.Scopes.Updated", Some(OrganizationTemplate)),
        ("OrganizationRole.Scopes.Updated", Some(OrganizationTemplate)),
        ("Scope.Created", Some(ApiPermissions)),
        ("Scope.Data.Updated", Some(ApiPermissions)),
        ("Scope.Deleted", Some(ApiPermissions)),
        ("Role.Created", Some(ApiPermissions)),
        ("Role.Scopes.Updated", Some(ApiPermissions)),
        ("Role.Data.Updated", Some(ApiPermissions)),
        ("Role.Deleted", Some(ApiPermissions)),
        ("Organization.Created", None),
        ("Organization.Data.Updated", Some(other.clone())),
        ("Organization.Deleted", Some(other)),
        ("OrganizationRole.Scopes.Updated", Some(OrganizationTemplate)),
        ("OrganizationRole.Created", Some(OrganizationTemplate)),
        ("OrganizationRole.Data.Updated", Some(OrganizationTemplate)),
        ("OrganizationRole.Deleted", Some(OrganizationTemplate)),
        ("OrganizationScope.Created", Some(OrganizationTemplate)),
        ("OrganizationScope.Deleted", Some(OrganizationTemplate)),
        ("User.Deleted", Some(subject())),
        ("PostSignIn", None),
        ("User.Created", None),
        ("PostRegister", None),
        ("User.Data.Updated", None),
        ("User.Data.Updated", None),
    ];
    let events = events();
    assert_eq!(events.len(), expected.len());
    for (at, (event, (name, about))) in events.iter().zip(expected).enumerate() {
        let changes = event.changes("https://issuer.example");
        // The last one says it all: before it stand removed members, and what goes with a suspension.
        let last = changes.last().map(|change| change.about().clone());
        assert_eq!((event.name(), last), (name, about), "delivery {at}");
        assert_ne!(event.kind(), &EventKind::Other, "delivery {at}");
        assert_eq!(event.hook_id(), Some("shjd4cau6ut57zr27h1ek"));
        assert!(event.payload::<serde_json::Value>().unwrap().is_object());
    }
    assert!(matches!(events[10].kind(), EventKind::Role(Change::ScopesUpdated)));
    let suspended = |event: &Event| match event.kind() {
        EventKind::UserSuspensionUpdated { suspended, .. } => *suspended,
        kind => panic!("{kind:?}"),
    };
    assert_eq!((suspended(&events[4]), suspended(&events[5])), (Some(true), Some(false)));
}

/// `createdAt` against the clock of whoever received it.
#[test]
fn each_delivery_was_made_when_it_came() {
    for (event, row) in events().iter().zip(recorded().deliveries) {
        let made = event.created_at().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        // All of them came between 13:34 and 13:36 of one day.
        let of = |from: usize| row.received_at[from..from + 2].parse::<u64>().unwrap();
        let received = 1_795_132_800 + of(11) * 3600 + of(14) * 60 + of(17);
        assert!(made.abs_diff(received) <= 1, "{made} {received}");
    }
}

#[test]
fn one_bit_of_a_body() {
    let recorded = recorded();
    for (at, row) in recorded.deliveries.iter().enumerate() {
        let keys = keys(&[recorded.key(at)]);
        let (headers, mut body) = (headers(&row.signature), row.body());
        for octet in 0..body.len() {
            let bit = 1 << ((octet + at) % 8);
            body[octet] ^= bit;
            assert_eq!(verify(&headers, &body, &keys).unwrap_err(), WebhookError::WrongSignature, "{at}: {octet}");
            body[octet] ^= bit;
        }
        for changed in [&body[1..], &body[..body.len() - 1], &[&body[..], b"\n"].concat(), b""] {
            assert_eq!(verify(&headers, changed, &keys).unwrap_err(), WebhookError::WrongSignature, "{at}");
        }
        assert!(verify(&headers, &body, &keys).is_ok());
    }
}

#[test]
fn one_bit_of_a_signature() {
    let recorded = recorded();
    for (at, row) in recorded.deliveries.iter().enumerate() {
        let keys = keys(&[recorded.key(at)]);
        let body = row.body();
        assert!(verify(&headers(&row.signature), &body, &keys).is_ok(), "{at}");
        for bit in 0..row.signature.len() * 8 {
            let mut signature = row.signature.clone().into_bytes();
            signature[bit / 8] ^= 1 << (bit % 8);
            let Ok(value) = HeaderValue::from_bytes(&signature) else { continue };
            let headers = HeaderMap::from_iter([(HEADER.parse().unwrap(), value)]);
            assert_eq!(verify(&headers, &body, &keys).unwrap_err(), WebhookError::WrongSignature, "{bit}");
        }
        // The same for each bit of the 256 that the text stands for.
        for bit in 0..256 {
            let mut digits = row.signature.clone().into_bytes();
            let digit = u8::from_str_radix(&row.signature[bit / 4..=bit / 4], 16).unwrap() ^ (1 << (bit % 4));
            digits[bit / 4] = format!("{digit:x}").into_bytes()[0];
            assert_eq!(verify(&headers(digits), &body, &keys).unwrap_err(), WebhookError::WrongSignature, "{bit}");
        }
    }
}

#[test]
fn one_bit_of_a_key() {
    let recorded = recorded();
    for (at, row) in recorded.deliveries.iter().enumerate() {
        let (headers, body) = (headers(&row.signature), row.body());
        let right = recorded.key(at);
        assert!(verify(&headers, &body, &keys(&[right])).is_ok(), "{at}");
        for bit in 0..right.len() * 8 {
            let mut key = right.as_bytes().to_vec();
            key[bit / 8] ^= 1 << (bit % 8);
            let Ok(key) = String::from_utf8(key) else { continue };
            let Ok(keys) = SigningKeys::new([&key]) else { continue };
            assert_eq!(verify(&headers, &body, &keys).unwrap_err(), WebhookError::WrongSignature, "{bit}");
        }
    }
}

#[test]
fn several_keys() {
    let recorded = recorded();
    let (old, new) = (&*recorded.signing_key, &*recorded.signing_key_after_rotation);
    let row = &recorded.deliveries[0];
    let check = |signature: &str, all: &[&str]| verify(&headers(signature), &row.body(), &keys(all)).map(|_| ());
    let renewed = sign(new, &row.body());
    for both in [&[old, new], &[new, old]] {
        assert_eq!(check(&row.signature, both), Ok(()));
        assert_eq!(check(&renewed, both), Ok(()));
    }
    assert_eq!(check(&row.signature, &[new, "another"]), Err(WebhookError::WrongSignature));
    assert_eq!(check(&renewed, &[old]), Err(WebhookError::WrongSignature));
}

#[test]
fn the_header_once_and_in_one_form() {
    let recorded = recorded();
    let keys = keys(&[&recorded.signing_key]);
    let (right, body) = (&recorded.deliveries[4].signature, recorded.deliveries[4].body());
    let check = |headers: &HeaderMap| verify(headers, &body, &keys).map(|_| ());
    assert_eq!(check(&HeaderMap::new()), Err(WebhookError::MissingSignature));
    assert_eq!(check(&headers(right)), Ok(()));
    for (first, second) in [(&**right, &**right), ("", right), (right, "")] {
        let mut twice = headers(first);
        twice.append(HEADER, second.parse().unwrap());
        assert_eq!(check(&twice), Err(WebhookError::WrongSignature), "twice");
    }
    let base64 = BASE64_STANDARD.encode(right);
    for wrong in [
        "",
        &right.to_uppercase(),
        &format!("sha256={right}"),
        &format!("0x{right}"),
        &format!(" {right}"),
        &format!("{right} "),
        &format!("{right},{right}"),
        &right[2..],
        &base64,
    ] {
        assert_eq!(check(&headers(wrong)), Err(WebhookError::WrongSignature), "{wrong:?}");
    }
    let mut other = HeaderMap::new();
    other.insert("logto-signature", right.parse().unwrap());
    assert_eq!(check(&other), Err(WebhookError::MissingSignature));
}

#[test]
fn bodies_that_are_no_events() {
    let verdict = |body: &[u8]| verify(&headers(sign("key", body)), body, &keys(&["key"])).map(|_| ()).unwrap_err();
    for body in [&b""[..], b" ", b"null", b"[]", b"{}", b"\xff", b"{\"event\":\"User.Deleted\"}"] {
        assert!(matches!(verdict(body), WebhookError::Unreadable { .. }), "{}", String::from_utf8_lossy(body));
        let wrong = verify(&headers(sign("other", body)), body, &keys(&["key"])).unwrap_err();
        assert_eq!(wrong, WebhookError::WrongSignature, "the signature comes first");
    }
    let padded = |length: usize| {
        let mut body = br#"{"event":"a","createdAt":"2026-11-20T13:34:45.914Z"}"#.to_vec();
        body.resize(length, b' ');
        body
    };
    let body = padded(MAX_BODY_BYTES);
    assert!(verify(&headers(sign("key", &body)), &body, &keys(&["key"])).is_ok());
    let body = padded(MAX_BODY_BYTES + 1);
    assert_eq!(verdict(&body), WebhookError::BodyTooLarge);
    assert_eq!(verify(&HeaderMap::new(), &body, &keys(&["key"])).unwrap_err(), WebhookError::BodyTooLarge);
}

#[test]
fn nothing_secret_is_shown() {
    let recorded = recorded();
    let keys = keys(&[&recorded.signing_key]);
    let shown = format!("{keys:?} {:?}", events());
    for secret in [&*recorded.signing_key, "Tmp", "alice", USER, "isSuspended"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

/// An issuer, an API that trusts it under the name `main`, and what that says of tokens.
struct Verifier {
    issuer: TestIssuer,
    server: ResourceServer,
}

impl Verifier {
    async fn start() -> Self {
        let issuer = TestIssuer::start().await;
        // The moment of the recording.
        issuer.clock().set_wall(Duration::from_secs(1_795_181_800));
        let server = Self::server(&issuer);
        Self { issuer, server }
    }

    fn server(issuer: &TestIssuer) -> ResourceServer {
        let entry = orgate::Issuer::new(issuer.url()).name("main");
        ResourceServer::builder(entry, RESOURCE).clock(issuer.clock()).build().unwrap()
    }

    /// Another API that knows of nothing.
    fn anew(&mut self) {
        self.server = Self::server(&self.issuer);
    }

    fn apply(&self, event: &Event) {
        self.server.issuer("main").unwrap().apply(event).unwrap();
    }

    async fn judge(&self, token: &TokenBuilder) -> Result<(), Remediation> {
        self.server.verify(&token.mint()).await.map(drop).map_err(|rejection| {
            assert_eq!(rejection.kind(), RejectionKind::RevokedToken);
            rejection.remediation()
        })
    }

    fn counts(&self) -> RevocationCounts {
        self.server.revocations()
    }
}

const TOO_OLD: Result<(), Remediation> = Err(Remediation::Refresh);
const BLOCKED: Result<(), Remediation> = Err(Remediation::Authenticate);

const fn seconds(unix: u64) -> Duration {
    Duration::from_secs(unix)
}

/// The recorded life of a user: suspended at :48.856, lifted at :49.571, removed from the organization at :55.951, deleted
/// at 35:13.822.
#[tokio::test]
async fn what_the_recorded_deliveries_revoke() {
    let verifier = Verifier::start().await;
    let at = |second: u64| seconds(1_795_181_640 + second);
    let global = |second| verifier.issuer.resource_token(RESOURCE).subject(USER).issued_at(at(second));
    let member = |second| verifier.issuer.organization_token(ORGANIZATION).subject(USER).issued_at(at(second));
    let within = |second| {
        verifier.issuer.organization_resource_token(RESOURCE, ORGANIZATION).subject(USER).issued_at(at(second))
    };
    let machine = |second| {
        verifier.issuer.organization_token(ORGANIZATION).machine("zv5l2p6pewvz0d94c8sb8").issued_at(at(second))
    };
    let of_deleted =
        |second| verifier.issuer.organization_token("76orhid4al98").subject("p0pv4hoo40e2").issued_at(at(second));
    let (early, late) = (global(48), global(159));
    let mut events = events();
    let rest = events.split_off(5);
    for event in &events {
        verifier.apply(event);
    }
    assert_eq!(verifier.judge(&early).await, BLOCKED, "suspended");
    assert_eq!(verifier.judge(&late).await, BLOCKED, "a token exchange goes on minting");

    let (before_deletion, deletion) = rest.split_at(25);
    for event in before_deletion {
        verifier.apply(event);
    }
    assert_eq!(verifier.judge(&early).await, TOO_OLD, "no longer suspended, and still too old");
    assert_eq!(verifier.judge(&global(49)).await, TOO_OLD);
    assert_eq!(verifier.judge(&global(50)).await, Ok(()), "about no organization");
    for token in [member(55), within(55), machine(56)] {
        assert_eq!(verifier.judge(&token).await, TOO_OLD);
    }
    for token in [member(56), within(56), machine(57), member(50).subject("another"), of_deleted(70)] {
        assert_eq!(verifier.judge(&token).await, Ok(()));
    }
    assert_eq!(verifier.judge(&of_deleted(69)).await, TOO_OLD);

    for event in deletion {
        verifier.apply(event);
    }
    assert_eq!(verifier.judge(&late).await, BLOCKED, "deleted");
    let rows = verifier.counts().rows;
    assert_eq!(rows, 4, "the user, the user and the machine in the organization, the other organization");

    // Nothing of this depends on the order, or on how often a delivery came.
    let tokens =
        [global(48), global(159), member(55), member(56), machine(56), machine(57), of_deleted(69), of_deleted(70)];
    let mut first = Vec::new();
    for token in &tokens {
        first.push(verifier.judge(token).await);
    }
    let again = Verifier::server(&verifier.issuer);
    let all: Vec<&Event> = events.iter().chain(&rest).collect();
    for event in all.iter().rev().chain(&all) {
        again.issuer("main").unwrap().apply(event).unwrap();
    }
    for (token, first) in tokens.iter().zip(first) {
        let verdict = again.verify(&token.mint()).await.map(drop).map_err(|rejection| rejection.remediation());
        assert_eq!(verdict, first);
    }
}

#[tokio::test]
async fn removals_that_are_not_all_named() {
    let mut verifier = Verifier::start().await;
    let issued = seconds(1_795_181_800);
    let token = |issuer: &TestIssuer, subject: &str| issuer.organization_token("o").subject(subject).issued_at(issued);
    let (stayed, removed) = (token(&verifier.issuer, "stayed"), token(&verifier.issuer, "removed"));
    let membership = |members: serde_json::Value| {
        let mut all = serde_json::json!({
            "event": "Organization.Membership.Updated", "createdAt": "2026-11-20T13:36:50.000Z", "organizationId": "o",
        });
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        event(&all)
    };
    let many: Vec<String> = (0..5000).map(|id| id.to_string()).collect();
    for (members, expected) in [
        (serde_json::json!({ "removedUserIds": ["removed"] }), (Ok(()), TOO_OLD)),
        (serde_json::json!({ "removedApplicationIds": ["removed"] }), (Ok(()), TOO_OLD)),
        (serde_json::json!({ "addedUserIds": ["removed"] }), (Ok(()), Ok(()))),
        (serde_json::json!({ "removedUserIds": many }), (TOO_OLD, TOO_OLD)),
        (serde_json::json!({ "method": "PUT" }), (TOO_OLD, TOO_OLD)),
        (serde_json::json!({ "method": "POST" }), (Ok(()), Ok(()))),
    ] {
        verifier.anew();
        let event = membership(members);
        verifier.apply(&event);
        // Once the moment of the event has gone by.
        verifier.issuer.clock().set_wall(seconds(1_795_181_820));
        assert_eq!((verifier.judge(&stayed).await, verifier.judge(&removed).await), expected, "{event:?}");
    }
}

/// Whatever the console's test button is pressed for, and whatever a future Logto may send.
#[tokio::test]
async fn events_that_revoke_nothing() {
    let verifier = Verifier::start().await;
    let names: BTreeSet<String> = matrix().into_iter().flat_map(|step| step.events).collect();
    for name in names.iter().map(String::as_str).chain(["Grant.Revoked", ""]) {
        let invented = event(&serde_json::json!({
            "event": name, "createdAt": "2026-11-20T13:36:50.000Z", "hookId": "h", "userAgent": "fake-user-agent",
            "path": "/fake-path/:id", "method": "POST", "status": 200, "params": { "id": "fake-id" },
            "data": { "result": "success" },
        }));
        verifier.apply(&invented);
    }
    let counts = |verifier: &Verifier| (verifier.counts().rows, verifier.counts().suspensions);
    assert_eq!(counts(&verifier), (0, 0));
    let unclear = event(&serde_json::json!({
        "event": "User.SuspensionStatus.Updated", "createdAt": "2026-11-20T13:36:50.000Z", "data": { "id": "u" },
    }));
    verifier.apply(&unclear);
    assert_eq!(counts(&verifier), (1, 0), "nobody knows what: not before, and no block");
}
