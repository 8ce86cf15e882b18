//! A known token with a proof of possession, beside the signature check of that proof alone.

use std::hint::black_box;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use axum::Router;
use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderValue, Request, StatusCode};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use futures_util::FutureExt as _;
use orgate::issuer::Algorithm;
use orgate::testing::TestProofKey;
use orgate::time::{Clock as _, SystemClock};
use orgate::token::binding::Dpop;
use serde_json::Value;
use tower::Service as _;

use crate::case::{API, Case, TOKENS, signed_parts};
use crate::guarded;
use crate::rounds::{Measured, Rounds, Row, median, nanoseconds, time};
use crate::table::{Table, microseconds};

pub(crate) struct Proofs {
    raw: Row,
    hit: Row,
    allocations: u64,
}

/// One client with one token and one key.
#[derive(Clone)]
struct Client {
    key: TestProofKey,
    token: String,
}

impl Client {
    /// Of now: the clock of a test's issuer stands still.
    fn proof(&self) -> String {
        let now = SystemClock::new().now().unix;
        self.key.proof("GET", format!("{API}/products"), &self.token).issued_at(now).mint()
    }

    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = "/products".parse().expect("a path");
        let value = |text: &str| text.parse::<HeaderValue>().expect("the value of a header");
        request.headers_mut().insert(AUTHORIZATION, value(&format!("DPoP {}", self.token)));
        request.headers_mut().insert("dpop", value(&self.proof()));
        request
    }

    fn parsed_key(&self) -> ParsedPublicKey {
        let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let proof = self.proof();
        let header: Value = serde_json::from_slice(&decode(proof.split('.').next().expect("a header"))).expect("JSON");
        let number = |name: &str| decode(header["jwk"][name].as_str().expect("a number of the key"));
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [vec![4], number("x"), number("y")].concat()).expect("a key")
    }
}

fn send(router: &mut Router, request: Request<Body>) {
    let answer = router.call(request).now_or_never().expect("nothing to wait for");
    assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
}

impl Proofs {
    pub(crate) fn add(rounds: &mut Rounds<'_>, case: &Case) -> Self {
        let key = case.issuer.proof_key_for(Algorithm::Es256);
        let client = Client { token: case.token().bound_to(&key).mint(), key };
        let server = case.builder().dpop(Dpop::new(API)).build().expect("a server");
        let mut router = guarded(&server);
        send(&mut router, client.request());
        let allocations = (0..8)
            .map(|_| {
                let request = client.request();
                allocation_counter::measure(|| send(&mut router, request)).count_total
            })
            .min()
            .unwrap_or_default();
        let (parsed, signer) = (client.parsed_key(), client.clone());
        let raw = rounds.add(move || {
            let proofs: Vec<_> = (0..TOKENS).map(|_| signed_parts(&signer.proof())).collect();
            let check = |(message, signature): &(Vec<u8>, Vec<u8>)| {
                nanoseconds(time(|| {
                    parsed.verify_sig(black_box(message), black_box(signature)).expect("a valid signature");
                }))
            };
            median(proofs.iter().map(check).collect())
        });
        let hit = rounds.add(move || {
            let requests: Vec<_> = (0..TOKENS).map(|_| client.request()).collect();
            median(requests.into_iter().map(|request| nanoseconds(time(|| send(&mut router, request)))).collect())
        });
        Self { raw, hit, allocations }
    }

    pub(crate) fn print(&self, table: &Table, measured: &Measured) {
        table.section("A known token with a DPoP proof (ES256, another proof each time)");
        let raw = measured.median(self.raw);
        table.time("signature check of the proof alone", raw, Some(0));
        let over = measured.compare(self.hit, self.raw, |hit, raw| hit - raw * 1.05);
        let target = format!("check + 5 % + 3 µs = {}", microseconds(raw * 1.05 + 3000.0));
        table.aimed("hit with proof", measured.median(self.hit), Some(self.allocations), &target, over <= 3000.0);
    }
}
