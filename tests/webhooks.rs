//! Webhooks through the public API: every delivery of a real Logto 1.37, raw bytes and real signatures, and what they
//! revoke of real tokens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::hmac;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::{HeaderMap, HeaderValue, Request, Response};
use orgate::change::revocations::{Revocation, RevocationList, Revocations, Revoked, apply};
use orgate::engine::Grant;
use orgate::logto::webhooks::{
    Change, Effect, Event, EventKind, MAX_BODY_BYTES, PayloadError, SigningKeys, WebhookError, verify,
};
use orgate::policy::authenticated;
use orgate::testing::{TestIssuer, TokenBuilder};
use orgate::time::{Clock as _, Now};
use orgate::token::Subject;
use orgate::{AccessToken, ResourceServer};
use serde::Deserialize;
use static_assertions::{assert_impl_all, assert_obj_safe};
use tower::{Layer as _, ServiceExt as _, service_fn};

assert_impl_all!(SigningKeys: Clone, Send, Sync);
assert_impl_all!(Event: Clone, Send, Sync);
assert_impl_all!(PayloadError: Clone, Send, Sync, std::error::Error);
assert_impl_all!(WebhookError: Copy, Send, Sync, std::error::Error);
assert_impl_all!(Revoked: Copy, Send, Sync, std::error::Error);
assert_impl_all!(RevocationList: Revocations);
assert_impl_all!(Arc<dyn Revocations>: Revocations);
assert_obj_safe!(Revocations);

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
    use Effect::{ApiPermissions, Nothing, OrganizationTemplate, Subject};
    let acme = Effect::Organization(ORGANIZATION);
    let other = Effect::Organization("76orhid4al98");
    let expected = [
        ("User.Data.Updated", Nothing),
        ("User.Created", Nothing),
        ("User.Data.Updated", Nothing),
        ("User.Data.Updated", Nothing),
        ("User.SuspensionStatus.Updated", Subject(USER)),
        ("User.SuspensionStatus.Updated", Subject(USER)),
        ("Organization.Membership.Updated", acme.clone()),
        ("Organization.Membership.Updated", acme.clone()),
        ("Organization.Membership.Updated", acme.clone()),
        ("Organization.Membership.Updated", acme),
        ("Role.Scopes.Updated", ApiPermissions),
        ("Role.Scopes.Updated", ApiPermissions),
        ("OrganizationRole.Scopes.Updated", OrganizationTemplate),
        ("OrganizationRole.Scopes.Updated", OrganizationTemplate),
        ("Scope.Created", ApiPermissions),
        ("Scope.Data.Updated", ApiPermissions),
        ("Scope.Deleted", ApiPermissions),
        ("Role.Created", ApiPermissions),
        ("Role.Scopes.Updated", ApiPermissions),
        ("Role.Data.Updated", ApiPermissions),
        ("Role.Deleted", ApiPermissions),
        ("Organization.Created", Nothing),
        ("Organization.Data.Updated", other.clone()),
        ("Organization.Deleted", other),
        ("OrganizationRole.Scopes.Updated", OrganizationTemplate),
        ("OrganizationRole.Created", OrganizationTemplate),
        ("OrganizationRole.Data.Updated", OrganizationTemplate),
        ("OrganizationRole.Deleted", OrganizationTemplate),
        ("OrganizationScope.Created", OrganizationTemplate),
        ("OrganizationScope.Deleted", OrganizationTemplate),
        ("User.Deleted", Subject(USER)),
        ("PostSignIn", Nothing),
        ("User.Created", Nothing),
        ("PostRegister", Nothing),
        ("User.Data.Updated", Nothing),
        ("User.Data.Updated", Nothing),
    ];
    let events = events();
    assert_eq!(events.len(), expected.len());
    for (at, (event, (name, effect))) in events.iter().zip(expected).enumerate() {
        assert_eq!((event.name(), event.effect()), (name, effect), "delivery {at}");
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
        assert!(matches!(verdict(body), WebhookError::Unreadable(_)), "{}", String::from_utf8_lossy(body));
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

/// An issuer, an API that trusts it under the name `main`, and the tokens that it verified.
struct Verifier {
    issuer: TestIssuer,
    server: ResourceServer,
}

impl Verifier {
    async fn start() -> Self {
        let issuer = TestIssuer::start().await;
        // The moment of the recording.
        issuer.clock().set_wall(Duration::from_secs(1_795_181_800));
        let entry = orgate::Issuer::new(issuer.url()).name("main");
        let server = ResourceServer::builder(entry, RESOURCE).clock(issuer.clock()).build().unwrap();
        Self { issuer, server }
    }

    /// A verified token: only a server makes one.
    async fn token(&self, token: &TokenBuilder) -> AccessToken {
        let api = self.server.require(authenticated()).unwrap().layer(service_fn(|request: Request<()>| {
            let token = request.extensions().get::<Grant>().and_then(Grant::token).unwrap().clone();
            let mut response = Response::new(String::new());
            response.extensions_mut().insert(token);
            ready(Ok::<_, Infallible>(response))
        }));
        let request = Request::builder().header("authorization", format!("Bearer {}", token.mint())).body(()).unwrap();
        let response = api.oneshot(request).await.unwrap();
        response.extensions().get::<Grant>().and_then(Grant::token).expect("a valid token").clone()
    }

    fn now(&self) -> Now {
        self.issuer.clock().now()
    }
}

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
    let (early, late) = (verifier.token(&global(48)).await, verifier.token(&global(159)).await);
    let list = RevocationList::new();
    let now = verifier.now();
    let mut events = events();
    let rest = events.split_off(5);
    for event in &events {
        apply(&list, "main", event, now);
    }
    assert_eq!(list.judge(&early, now), Err(Revoked::Blocked), "suspended");
    assert_eq!(list.judge(&late, now), Err(Revoked::Blocked), "a token exchange goes on minting");

    let (before_deletion, deletion) = rest.split_at(25);
    for event in before_deletion {
        apply(&list, "main", event, now);
    }
    assert_eq!(list.judge(&early, now), Err(Revoked::NotBefore), "no longer suspended, and still too old");
    assert_eq!(list.judge(&verifier.token(&global(49)).await, now), Err(Revoked::NotBefore));
    assert_eq!(list.judge(&verifier.token(&global(50)).await, now), Ok(()), "about no organization");
    for token in [member(55), within(55), machine(56)] {
        assert_eq!(list.judge(&verifier.token(&token).await, now), Err(Revoked::NotBefore));
    }
    for token in [member(56), within(56), machine(57), member(50).subject("another"), of_deleted(70)] {
        assert_eq!(list.judge(&verifier.token(&token).await, now), Ok(()));
    }
    assert_eq!(list.judge(&verifier.token(&of_deleted(69)).await, now), Err(Revoked::NotBefore));

    for event in deletion {
        apply(&list, "main", event, now);
    }
    assert_eq!(list.judge(&late, now), Err(Revoked::Blocked), "deleted");
    assert_eq!(list.rows(), 4, "the user, the user and the machine in the organization, the other organization");

    // Nothing of this depends on the order, or on how often a delivery came.
    let again = RevocationList::new();
    let all: Vec<&Event> = events.iter().chain(&rest).collect();
    for event in all.iter().rev().chain(&all) {
        apply(&again, "main", event, now);
    }
    for token in
        [global(48), global(159), member(55), member(56), machine(56), machine(57), of_deleted(69), of_deleted(70)]
    {
        let token = verifier.token(&token).await;
        assert_eq!(again.judge(&token, now), list.judge(&token, now));
    }
}

#[tokio::test]
async fn removals_that_are_not_all_named() {
    let verifier = Verifier::start().await;
    let now = verifier.now();
    let token = |subject: &str| verifier.issuer.organization_token("o").subject(subject);
    let (stayed, removed) = (verifier.token(&token("stayed")).await, verifier.token(&token("removed")).await);
    let membership = |members: serde_json::Value| {
        let mut all = serde_json::json!({
            "event": "Organization.Membership.Updated", "createdAt": "2026-11-20T13:36:50.000Z", "organizationId": "o",
        });
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        event(&all)
    };
    let many: Vec<String> = (0..5000).map(|id| id.to_string()).collect();
    let refused = Err(Revoked::NotBefore);
    for (members, expected) in [
        (serde_json::json!({ "removedUserIds": ["removed"] }), (Ok(()), refused)),
        (serde_json::json!({ "removedApplicationIds": ["removed"] }), (Ok(()), refused)),
        (serde_json::json!({ "addedUserIds": ["removed"] }), (Ok(()), Ok(()))),
        (serde_json::json!({ "removedUserIds": many }), (refused, refused)),
        (serde_json::json!({ "method": "PUT" }), (refused, refused)),
        (serde_json::json!({ "method": "POST" }), (Ok(()), Ok(()))),
    ] {
        let list = RevocationList::new();
        let event = membership(members);
        apply(&list, "main", &event, now);
        assert_eq!((list.judge(&stayed, now), list.judge(&removed, now)), expected, "{event:?}");
    }
}

/// Whatever the console's test button is pressed for, and whatever a future Logto may send.
#[tokio::test]
async fn events_that_revoke_nothing() {
    let now = Verifier::start().await.now();
    let names: BTreeSet<String> = matrix().into_iter().flat_map(|step| step.events).collect();
    let list = RevocationList::new();
    for name in names.iter().map(String::as_str).chain(["Grant.Revoked", ""]) {
        let invented = event(&serde_json::json!({
            "event": name, "createdAt": "2026-11-20T13:36:50.000Z", "hookId": "h", "userAgent": "fake-user-agent",
            "path": "/fake-path/:id", "method": "POST", "status": 200, "params": { "id": "fake-id" },
            "data": { "result": "success" },
        }));
        apply(&list, "main", &invented, now);
    }
    assert_eq!((list.rows(), list.suspensions()), (0, 0));
    let unclear = event(&serde_json::json!({
        "event": "User.SuspensionStatus.Updated", "createdAt": "2026-11-20T13:36:50.000Z", "data": { "id": "u" },
    }));
    apply(&list, "main", &unclear, now);
    assert_eq!((list.rows(), list.suspensions()), (1, 0), "nobody knows what: not before, and no block");
}

/// A store of somebody else's, made with the public API alone.
#[tokio::test]
async fn a_store_of_ones_own() {
    #[derive(Default)]
    struct Store(std::sync::Mutex<Vec<String>>);
    impl Revocations for Store {
        fn judge(&self, token: &AccessToken, _: Now) -> Result<(), Revoked> {
            let blocked = self.0.lock().unwrap().iter().any(|subject| subject == token.subject().id());
            if blocked { Err(Revoked::Blocked) } else { Ok(()) }
        }

        fn record(&self, _: &str, revocation: Revocation<'_>, _: Now) {
            if let Revocation::Deletion { subject, .. } = revocation {
                self.0.lock().unwrap().push(subject.to_owned());
            }
        }
    }
    let verifier = Verifier::start().await;
    let token = verifier.token(&verifier.issuer.resource_token(RESOURCE).subject(USER)).await;
    assert_eq!(token.subject().to_string(), Subject::to_string(token.subject()));
    let store: Arc<dyn Revocations> = Arc::new(Store::default());
    for event in events() {
        apply(&store, "main", &event, verifier.now());
    }
    assert_eq!(store.judge(&token, verifier.now()), Err(Revoked::Blocked));
}
