//! How much memory verified tokens take: counted, byte by byte.

use orgate::issuer::Algorithm;
use orgate::testing::{TestIssuer, TokenBuilder};
use orgate::{Issuer, ResourceServer};

use crate::support::{API, Api};

const KIB: i64 = 1024;

async fn api(cache: u64) -> (TestIssuer, Api) {
    api_with_kid(cache, None).await
}

/// With another name for the key than the issuer gave it.
async fn api_with_kid(cache: u64, kid: Option<&str>) -> (TestIssuer, Api) {
    // The algorithm that signs and verifies fastest.
    let issuer = TestIssuer::builder().algorithm(Algorithm::EdDsa).start().await;
    let given = issuer.signing_kid();
    let keys = issuer.jwks_json().replace(&given, kid.unwrap_or(&given));
    let entry = Issuer::new(issuer.url()).name("issuer").jwks_json(keys);
    let builder = ResourceServer::builder(entry, API).clock(issuer.clock());
    let api = Api::new(builder.token_cache_bytes(cache).max_token_bytes(64 * 1024));
    (issuer, api)
}

/// The bytes that stay when so many tokens have passed.
async fn kept(api: &Api, token: &TokenBuilder, count: usize) -> i64 {
    let mut kept = 0;
    for _ in 0..count {
        let token = token.mint();
        kept += allocation_counter::measure(|| {
            let answer = futures_util::FutureExt::now_or_never(api.get(&token));
            assert!(answer.is_some_and(|answer| answer.is_ok()));
        })
        .bytes_current;
    }
    kept
}

/// A token as Logto writes it, of 877 bytes or so.
fn usual(issuer: &TestIssuer) -> TokenBuilder {
    let scopes: Vec<String> = (0..16).map(|number| format!("read:collection{number}")).collect();
    issuer.resource_token(API).scope(&scopes.join(" "))
}

#[tokio::test]
async fn a_token_and_a_kibibyte_each() {
    let (issuer, api) = api(64 * 1024 * 1024).await;
    let token = usual(&issuer);
    let length = i64::try_from(token.mint().len()).unwrap();
    assert!((800..950).contains(&length), "{length}");
    let each = kept(&api, &token, 5_000).await / 5_000;
    println!("{each} bytes for a token of {length}");
    assert!(each <= length + KIB, "{each} bytes for a token of {length}");
}

#[tokio::test]
async fn usage_counts_cached_tokens_and_their_bytes() {
    let (issuer, api) = api(64 * 1024 * 1024).await;
    assert_eq!((api.server.usage().cached_tokens, api.server.usage().cached_token_bytes), (0, 0));
    kept(&api, &usual(&issuer), 3).await;
    let usage = api.server.usage();
    assert_eq!(usage.cached_tokens, 3);
    assert!((3 * 800..3 * 2048).contains(&usage.cached_token_bytes), "{}", usage.cached_token_bytes);
}

#[tokio::test]
async fn what_has_expired_is_given_back_when_it_comes_again() {
    let (issuer, api) = api(64 * 1024 * 1024).await;
    let tokens: Vec<_> = (0..500).map(|_| usual(&issuer).mint()).collect();
    let kept = |is_ok: bool| {
        let ask = |token| futures_util::FutureExt::now_or_never(api.get(token)).unwrap().is_ok();
        let measured = tokens.iter().map(|token| allocation_counter::measure(|| assert_eq!(ask(token), is_ok)));
        measured.map(|measured| measured.bytes_current).sum::<i64>()
    };
    let taken = kept(true);
    issuer.clock().advance(std::time::Duration::from_secs(100_000));
    let given_back = -kept(false);
    assert!(given_back > taken / 2, "{given_back} of {taken} bytes");
}

#[tokio::test]
async fn a_flood_of_valid_tokens_never_outgrows_the_bound() {
    const BOUND: i64 = 512 * KIB;
    let (issuer, api) = api(BOUND as u64).await;
    let token = usual(&issuer);
    let full = kept(&api, &token, 2_000).await;
    // The cache's own tables and its memory of what it evicted come on top.
    assert!((BOUND / 4..BOUND * 5 / 4).contains(&full), "{full} bytes");
    let more = kept(&api, &token, 4_000).await;
    assert!(more < BOUND / 10, "{more} bytes more");
}

/// Tokens that are small to write and large to hold, and such as are just large: the bound is on what they take.
#[tokio::test]
async fn no_token_takes_more_than_it_weighs() {
    const BOUND: i64 = 512 * KIB;
    for filler in [0, 1, 2, 3, 4] {
        let (issuer, api) = api(BOUND as u64).await;
        let token = issuer.resource_token(API);
        let token = match filler {
            0 => token.claim("filler", "x".repeat(4_000)),
            1 => token.scope(&"x ".repeat(700)),
            2 => token.audience(std::iter::once(API).chain(std::iter::repeat_n("x", 80))),
            3 => token.client("x".repeat(1_000)).subject("y".repeat(1_000)),
            _ => issuer.organization_resource_token(API, "x".repeat(1_000)),
        };
        let kept = kept(&api, &token, 300).await;
        println!("{filler}: {kept} bytes");
        // Each is another token, and none is too large to be kept at all.
        assert!((BOUND / 4..BOUND * 5 / 4).contains(&kept), "{filler}: {kept} bytes");
    }
}

/// The key's name is kept twice: in the token, and by itself.
#[tokio::test]
async fn a_long_kid_is_weighed() {
    const BOUND: i64 = 512 * KIB;
    for length in [32, 1_000, 3_000] {
        let kid = "k".repeat(length);
        let (issuer, api) = api_with_kid(BOUND as u64, Some(&kid)).await;
        let kept = kept(&api, &issuer.resource_token(API).header("kid", &kid), 1_000).await;
        println!("{length}: {kept} bytes");
        assert!((BOUND / 4..BOUND * 5 / 4).contains(&kept), "{length}: {kept} bytes");
    }
}

#[tokio::test]
async fn nothing_is_kept_of_what_is_too_large_or_not_wanted() {
    let (issuer, api) = api(64 * 1024 * 1024).await;
    let large = usual(&issuer).claim("filler", "x".repeat(10_000));
    assert_eq!(kept(&api, &large, 100).await, kept(&api, &large, 100).await);
    let after = kept(&api, &large, 100).await;
    let (issuer, off) = self::api(0).await;
    let without = kept(&off, &usual(&issuer), 100).await;
    println!("{after} and {without} bytes");
    assert!(after <= 0 && without <= 0, "{after} and {without} bytes");
}
