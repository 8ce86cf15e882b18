//! What the layer costs: a trivial axum handler bare, behind the layer, and the signature check alone.
//!
//! In process and on one thread: no socket, no runtime, no fetch. The keys are given, the token is valid, and the
//! response is there at the first poll. `cargo bench --bench layer` ends with the medians side by side.

#![allow(missing_docs, reason = "a binary")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark may stop where it stands")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use criterion::{BatchSize, Bencher, Criterion};
use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode};
use orgate::policy::resource;
use orgate::testing::TestIssuer;
use orgate::{Algorithm, Issuer, ResourceServer};
use serde_json::Value;
use tower::{Layer as _, Service};

const API: &str = "https://api.example.com";
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Es384, Algorithm::Rs256];
const BARE: &str = "handler";
const SIGNATURE: &str = "signature alone";
const LAYER: &str = "layer and handler";

fn main() {
    let results = Path::new(env!("CARGO_TARGET_TMPDIR")).join("criterion");
    let mut criterion = Criterion::default()
        .output_directory(&results)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();

    criterion.bench_function(BARE, |bencher| requests(bencher, app(), ""));
    for algorithm in ALGORITHMS {
        let Case { server, token, key } = Case::new(algorithm);
        let (message, signature) = signed_parts(&token);
        let layer = server.require(resource().scope("read:products")).expect("a policy");

        let mut group = criterion.benchmark_group(algorithm.as_str());
        group.bench_function(SIGNATURE, |bencher| {
            bencher.iter(|| key.verify_sig(black_box(message), black_box(&signature)).expect("a valid signature"));
        });
        group.bench_function(LAYER, |bencher| requests(bencher, layer.layer(app()), &token));
        group.finish();
    }
    criterion.final_summary();
    print_medians(&results);
}

/// One server, one of its tokens, and the key of that token as the crypto library has it.
struct Case {
    server: ResourceServer,
    token: String,
    key: ParsedPublicKey,
}

impl Case {
    fn new(algorithm: Algorithm) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let issuer = runtime.block_on(TestIssuer::builder().algorithm(algorithm).start());
        let entry = Issuer::new(issuer.url()).jwks_json(issuer.jwks_json());
        Self {
            server: ResourceServer::builder(entry, API).build().expect("a server"),
            token: issuer.resource_token(API).scope("read:products write:products").mint(),
            key: parsed_key(algorithm, &issuer.jwks_json()),
        }
    }
}

fn parsed_key(algorithm: Algorithm, jwks: &str) -> ParsedPublicKey {
    let jwks: Value = serde_json::from_str(jwks).expect("a key set");
    let number = |name: &str| decode(jwks["keys"][0][name].as_str().expect("a number of the key"));
    let parsed = if algorithm.is_rsa() {
        PublicKeyComponents { n: number("n"), e: number("e") }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
    } else {
        ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, [vec![4], number("x"), number("y")].concat())
    };
    parsed.expect("a key")
}

fn signed_parts(token: &str) -> (&[u8], Vec<u8>) {
    let (message, signature) = token.rsplit_once('.').expect("a JWT");
    (message.as_bytes(), decode(signature))
}

fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

fn app() -> Router {
    Router::new().route("/products", get(|| async { "products" }))
}

/// Making the request is not measured.
fn requests<S, R>(bencher: &mut Bencher<'_>, mut service: S, token: &str)
where
    S: Service<Request<Body>, Response = Response<R>>,
    S::Error: std::fmt::Debug,
{
    let mut head = Request::get("/products").body(()).expect("a request");
    if !token.is_empty() {
        head.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    }
    bencher.iter_batched(
        || head.clone().map(|()| Body::empty()),
        |request| {
            let response = service.call(request).now_or_never().expect("nothing to wait for").expect("a response");
            assert_eq!(response.status(), StatusCode::OK);
            response
        },
        BatchSize::SmallInput,
    );
}

/// Of what has been measured so far: a filtered run shows older numbers for the rest.
fn print_medians(results: &Path) {
    let median = |path: PathBuf| {
        let estimates = std::fs::read(results.join(path).join("new/estimates.json")).ok()?;
        serde_json::from_slice::<Value>(&estimates).ok()?["median"]["point_estimate"].as_f64()
    };
    let Some(bare) = median(BARE.into()) else { return };
    println!("{:8}{:>12}{:>18}{:>20}{:>10}{:>20}", "median", BARE, SIGNATURE, LAYER, "ratio", "layer's own part");
    for algorithm in ALGORITHMS.map(Algorithm::as_str) {
        let of = |name: &str| median(Path::new(algorithm).join(name));
        let (Some(signature), Some(layer)) = (of(SIGNATURE), of(LAYER)) else { continue };
        let [bare, signature, layer] = [bare, signature, layer].map(|nanoseconds| nanoseconds / 1000.0);
        println!(
            "{algorithm:8}{bare:>9.2} µs{signature:>15.2} µs{layer:>17.2} µs{:>9.2}×{:>17.2} µs",
            layer / signature,
            layer - signature - bare,
        );
    }
}
