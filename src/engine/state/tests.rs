//! When a signature is checked, and when not. All permits are taken and no request may wait for one: what
//! needs a check receives 503, everything else passes as before.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::change::{About, Change};
use crate::engine::Permits;
use crate::policy::{any_issuer, authenticated, resource};
use crate::server::Builder;
use crate::testing::{Endpoint, TestIssuer, TokenBuilder};
use crate::time::Clock as _;
use crate::tower::RequireLayer;
use crate::{Issuer, ResourceServer};

mod attempts;

const API: &str = "https://api.example.com";
const PASSED: u16 = 200;
const REFUSED: u16 = 401;
const NEEDS_CHECK: u16 = 503;

struct Api {
    issuer: TestIssuer,
    server: ResourceServer,
    layer: RequireLayer,
}

impl Api {
    async fn start() -> Self {
        Self::configured(|builder| builder).await
    }

    async fn configured(change: impl FnOnce(Builder) -> Builder) -> Self {
        let issuer = TestIssuer::start().await;
        Self::of(issuer, change)
    }

    fn of(issuer: TestIssuer, change: impl FnOnce(Builder) -> Builder) -> Self {
        let builder = ResourceServer::builder(Issuer::new(issuer.url()).name("issuer"), API).clock(issuer.clock());
        let builder = builder.max_concurrent_verifications(1).verification_queue(0, Duration::ZERO);
        let server = change(builder).build().unwrap();
        let layer = server.require(authenticated().and(any_issuer())).unwrap();
        Self { issuer, server, layer }
    }

    fn token(&self) -> TokenBuilder {
        self.issuer.resource_token(API)
    }

    fn handle(&self) -> crate::server::IssuerHandle {
        self.server.issuer("issuer").unwrap()
    }

    fn permits(&self) -> &Permits {
        &self.layer.requirement().state().permits
    }

    /// With whatever permits there are.
    async fn send(&self, authorization: impl AsRef<[u8]>) -> u16 {
        let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
        let mut request = Request::new(());
        request.headers_mut().insert("authorization", HeaderValue::from_bytes(authorization.as_ref()).unwrap());
        self.layer.layer(service).oneshot(request).await.unwrap().status().as_u16()
    }

    async fn get(&self, token: impl AsRef<str>) -> u16 {
        self.send(format!("Bearer {}", token.as_ref())).await
    }

    /// Without any permit.
    async fn send_unchecked(&self, authorization: impl AsRef<[u8]>) -> u16 {
        let _all = self.permits().try_acquire().unwrap();
        self.send(authorization).await
    }

    async fn get_unchecked(&self, token: impl AsRef<str>) -> u16 {
        self.send_unchecked(format!("Bearer {}", token.as_ref())).await
    }

    /// A token that passed.
    async fn known(&self) -> String {
        let token = self.token().scope("read:products write:products read:orders write:orders read:members write:members read:invoices write:invoices").mint();
        assert_eq!(self.get_unchecked(&token).await, NEEDS_CHECK);
        assert_eq!(self.get(&token).await, PASSED);
        token
    }
}

#[tokio::test]
async fn a_hit_needs_no_permit() {
    let api = Api::start().await;
    let token = api.known().await;
    for _ in 0..3 {
        assert_eq!(api.get_unchecked(&token).await, PASSED);
    }
    assert_eq!(api.get_unchecked(api.token().mint()).await, NEEDS_CHECK, "another token with the same claims");
}

#[tokio::test]
async fn however_the_same_token_is_sent() {
    let api = Api::start().await;
    let token = api.known().await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  ", "bearer         "] {
        assert_eq!(api.send_unchecked(format!("{scheme} {token}")).await, PASSED, "{scheme:?}");
    }
}

#[tokio::test]
async fn no_cache_no_hit() {
    let api = Api::configured(|builder| builder.token_cache_bytes(0)).await;
    let token = api.known().await;
    assert_eq!(api.get_unchecked(&token).await, NEEDS_CHECK);
    assert_eq!(api.get(&token).await, PASSED);
}

#[tokio::test]
async fn a_server_knows_what_it_verified_itself() {
    let here = Api::start().await;
    let token = here.known().await;
    let strict = Issuer::new(here.issuer.url()).jwks_json(here.issuer.jwks_json());
    let strict = ResourceServer::builder(strict, "https://other.example").clock(here.issuer.clock()).build().unwrap();
    let strict = Api { layer: strict.require(authenticated()).unwrap(), server: strict, ..here };
    let _all: Vec<_> = std::iter::from_fn(|| strict.permits().try_acquire()).collect();
    // It would reject this one after the check.
    let waits = strict.get(&token).await;
    assert_eq!(waits, NEEDS_CHECK);
}

#[tokio::test]
async fn large_entries_are_not_kept() {
    let api = Api::configured(|builder| builder.max_token_bytes(64 * 1024)).await;
    for (filler, is_kept) in [(1_000, true), (4_000, true), (5_600, false), (20_000, false)] {
        let token = api.token().claim("filler", "x".repeat(filler)).mint();
        assert_eq!(api.get(&token).await, PASSED);
        let expected = if is_kept { PASSED } else { NEEDS_CHECK };
        assert_eq!(api.get_unchecked(&token).await, expected, "{} bytes", token.len());
    }
}

/// The bound is on bytes; which of them are kept is the cache's business.
#[tokio::test]
async fn a_flood_of_valid_tokens_evicts() {
    const BOUND: u64 = 256 * 1024;
    let api = Api::configured(|builder| builder.token_cache_bytes(BOUND)).await;
    let tokens: Vec<String> = (0..1_000).map(|_| api.token().mint()).collect();
    for token in &tokens {
        assert_eq!(api.get(token).await, PASSED);
    }
    let mut known = 0_u64;
    for token in &tokens {
        known += u64::from(api.get_unchecked(token).await == PASSED);
    }
    let weighed = known * (u64::try_from(tokens[0].len()).unwrap() + 512);
    assert!(known > 20 && weighed <= BOUND, "{known} known, {weighed} bytes");
}

#[tokio::test]
async fn an_entry_ends_with_its_key() {
    let api = Api::start().await;
    let token = api.known().await;
    api.issuer.rotate();
    api.handle().refresh_keys().await.unwrap();
    assert_eq!(api.get_unchecked(&token).await, PASSED, "its key is still there");
    api.issuer.rotate_without_overlap();
    api.handle().refresh_keys().await.unwrap();
    assert_eq!(api.get_unchecked(&token).await, REFUSED);
}

/// With a hit before, so that there is something settled to be wrong about.
#[tokio::test]
async fn a_hit_ends_with_the_set_that_drops_its_key() {
    let api = Api::start().await;
    let token = api.known().await;
    assert_eq!(api.get_unchecked(&token).await, PASSED);
    api.issuer.rotate_without_overlap();
    assert_eq!(api.get_unchecked(&token).await, PASSED, "nobody has looked yet");
    api.handle().refresh_keys().await.unwrap();
    assert_eq!(api.get_unchecked(&token).await, REFUSED);
    let new = api.known().await;
    assert_eq!(api.get_unchecked(&new).await, PASSED);
}

#[tokio::test]
async fn an_entry_ends_with_another_key_under_its_kid() {
    let api = Api::start().await;
    let token = api.known().await;
    assert_eq!(api.get_unchecked(&token).await, PASSED);
    api.issuer.replace_key_keeping_kid();
    api.handle().refresh_keys().await.unwrap();
    assert_eq!(api.get_unchecked(&token).await, NEEDS_CHECK);
    assert_eq!(api.get(&token).await, REFUSED);
    let new = api.known().await;
    assert_eq!((api.get_unchecked(&new).await, api.get(&token).await), (PASSED, REFUSED));
}

#[tokio::test]
async fn an_entry_ends_with_its_issuer() {
    let api = Api::start().await;
    let token = api.known().await;
    api.handle().remove().unwrap();
    assert_eq!(api.get_unchecked(&token).await, REFUSED);
    api.server.add_issuer(Issuer::new(api.issuer.url()).name("issuer")).unwrap();
    assert_eq!(api.get_unchecked(&token).await, NEEDS_CHECK, "another entry, whatever its name");
    assert_eq!((api.get(&token).await, api.get_unchecked(&token).await), (PASSED, PASSED));
}

#[tokio::test]
async fn a_hit_on_one_route_ends_with_the_issuer_on_all() {
    let mut api = Api::start().await;
    // The set is given: the entry that comes back has the very same keys, and nothing to fetch.
    let entry = || Issuer::new(api.issuer.url()).name("issuer").jwks_json(api.issuer.jwks_json());
    api.handle().remove().unwrap();
    api.server.add_issuer(entry()).unwrap();
    let other = api.server.require(resource().and(any_issuer())).unwrap();
    let token = api.known().await;
    assert_eq!(api.get_unchecked(&token).await, PASSED);
    let entry = entry();
    let first = std::mem::replace(&mut api.layer, other);
    assert_eq!(api.get_unchecked(&token).await, PASSED, "a hit on the other route too");
    api.handle().remove().unwrap();
    assert_eq!(api.get_unchecked(&token).await, REFUSED);
    api.server.add_issuer(entry).unwrap();
    assert_eq!(api.get_unchecked(&token).await, NEEDS_CHECK, "the same name and keys, and not the same entry");
    api.layer = first;
    assert_eq!(api.get_unchecked(&token).await, NEEDS_CHECK);
    assert_eq!((api.get(&token).await, api.get_unchecked(&token).await), (PASSED, PASSED));
}

/// It is judged on every hit, whatever the cache holds.
#[tokio::test]
async fn revoked_between_two_hits() {
    let api = Api::start().await;
    let tokens = ["user_1", "user_2", "user_3"].map(|user| api.token().subject(user).claim("jti", user).mint());
    for token in &tokens {
        assert_eq!((api.get(token).await, api.get_unchecked(token).await), (PASSED, PASSED));
    }
    let at = SystemTime::UNIX_EPOCH + api.issuer.clock().now().unix;
    let [suspended, by_id, other] = &tokens;
    let handle = api.handle();
    handle.apply_change(&Change::suspended(handle.issuer(), "user_1", at)).unwrap();
    handle.apply_change(&Change::not_before(handle.issuer(), About::token("user_2"), at)).unwrap();
    for _ in 0..2 {
        assert_eq!(api.get_unchecked(suspended).await, REFUSED);
        assert_eq!(api.get_unchecked(by_id).await, REFUSED);
        assert_eq!(api.get_unchecked(other).await, PASSED);
    }
    handle.apply_change(&Change::restored(handle.issuer(), "user_1", at + Duration::from_secs(1))).unwrap();
    assert_eq!(api.get_unchecked(suspended).await, PASSED, "the cache held it all the time");
    handle.apply_change(&Change::not_before(handle.issuer(), About::Everyone, at)).unwrap();
    for token in &tokens {
        assert_eq!(api.get_unchecked(token).await, REFUSED);
    }
}

/// Wrong, and said so for the price of reading it: nothing is checked, nothing is fetched.
#[tokio::test]
async fn cheap_rejections() {
    let api = Api::start().await;
    let token = || api.token().forged();
    for wrong in [
        token().expired(),
        token().expired().signed_with_unknown_key(),
        token().issuer("https://other.example"),
        token().issuer("https://other.example").signed_with_unknown_key(),
        token().header("alg", "HS256"),
        token().typ("JWT"),
        token().unsigned(),
    ] {
        assert_eq!(api.get_unchecked(wrong.mint()).await, REFUSED, "{wrong:?}");
    }
    assert_eq!(api.issuer.requests(Endpoint::All), 0);
    _ = api.known().await;
    assert_eq!(api.issuer.requests(Endpoint::All), 2, "discovery, and the keys");
    api.issuer.clock().advance_monotonic(Duration::from_secs(60));
    let expired = token().expired().signed_with_unknown_key().mint();
    assert_eq!(api.get_unchecked(expired).await, REFUSED);
    assert_eq!(api.issuer.requests(Endpoint::All), 2);
}

#[tokio::test]
async fn an_expired_entry_costs_no_check_and_no_fetch() {
    let api = Api::start().await;
    let token = api.known().await;
    // Past the lifetime of the set too, and no issuer could be asked.
    api.issuer.take_down();
    api.issuer.clock().advance(Duration::from_secs(3 * 24 * 3600));
    let requests = api.issuer.requests(Endpoint::All);
    assert_eq!(api.get_unchecked(&token).await, REFUSED);
    assert_eq!((api.get(&token).await, api.issuer.requests(Endpoint::All)), (REFUSED, requests));
    assert!(!api.server.keys()[0].is_fetching());
}

/// A cached token with something changed is another token: it is rejected or checked, and rejected then, and not kept.
#[tokio::test]
async fn ten_thousand_forgeries_of_a_known_token() {
    let api = Api::start().await;
    let token = api.known().await;
    let forgeries = forgeries(&token);
    assert!(forgeries.len() > 10_000, "{}", forgeries.len());
    let mut checked = 0;
    for forged in forgeries {
        let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", &*forged].concat()) else { continue };
        let shown = || String::from_utf8_lossy(&forged).into_owned();
        let unchecked = api.send_unchecked(&value).await;
        assert_ne!(unchecked, PASSED, "{}", shown());
        if unchecked == NEEDS_CHECK {
            checked += 1;
            assert_eq!(api.send(&value).await, REFUSED, "{}", shown());
            assert_eq!(api.send_unchecked(&value).await, NEEDS_CHECK, "{}", shown());
        }
    }
    assert!(checked > 1_000, "{checked}");
    assert_eq!(api.get_unchecked(&token).await, PASSED, "the token itself is still known");
}

/// Every bit of the text, every bit of what it says, and every length.
fn forgeries(token: &str) -> Vec<Vec<u8>> {
    let mut forgeries: Vec<Vec<u8>> = flips(token.as_bytes()).collect();
    let parts: Vec<&str> = token.split('.').collect();
    for (index, part) in parts.iter().enumerate() {
        for flipped in flips(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()) {
            let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            parts[index] = BASE64_URL_SAFE_NO_PAD.encode(flipped);
            forgeries.push(parts.join(".").into_bytes());
        }
    }
    forgeries.extend((0..token.len()).map(|length| token.as_bytes()[..length].to_vec()));
    forgeries.extend((1..token.len()).map(|from| token.as_bytes()[from..].to_vec()));
    forgeries.extend((1..=u8::MAX).map(|byte| [token.as_bytes(), &[byte]].concat()));
    forgeries.extend((1..300).map(|more| [token.as_bytes(), &vec![b'A'; more]].concat()));
    forgeries.extend((1..9).map(|more| [token.as_bytes(), &vec![b'='; more]].concat()));
    forgeries.push(token.to_ascii_lowercase().into_bytes());
    forgeries.push(format!("{token} {token}").into_bytes());
    forgeries
}

fn flips(octets: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..octets.len() * 8).map(|bit| {
        let mut flipped = octets.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}
