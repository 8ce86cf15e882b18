use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::nonce::Nonces;
use super::*;
use crate::http::url::PlainHttp;
use crate::signature::sha256;
use crate::token::binding::thumbprint::Thumbprint;

const START: u64 = 1_800_000_000;
const TOKEN: &[u8] = b"a.b.c";
const URL: &str = "https://api.example.com";

fn at(seconds: i64) -> Now {
    Now::new(Duration::from_secs(START.checked_add_signed(seconds).unwrap()), Duration::ZERO)
}

/// A client with its key.
struct Client {
    pair: EcdsaKeyPair,
    jwk: Value,
}

impl Client {
    fn new() -> Self {
        Self::with(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256")
    }

    fn with(curve: &'static EcdsaSigningAlgorithm, crv: &str) -> Self {
        let pair = EcdsaKeyPair::generate(curve).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
        let [x, y] = [x, y].map(|number| URL_SAFE_NO_PAD.encode(number));
        Self { pair, jwk: json!({ "kty": "EC", "crv": crv, "x": x, "y": y }) }
    }

    fn thumbprint(&self) -> Thumbprint {
        key::thumbprint(&Object::parse(self.jwk.to_string().as_bytes()).unwrap()).unwrap()
    }

    fn bound_key(&self) -> BoundKey {
        BoundKey::new(self.thumbprint())
    }

    fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk })
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn proof(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }
}

fn hash(token: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(sha256(token))
}

fn claims() -> Value {
    json!({
        "jti": "id-1",
        "htm": "GET",
        "htu": "https://api.example.com/orders",
        "iat": START,
        "ath": hash(TOKEN),
    })
}

fn with(mut value: Value, name: &str, member: Value) -> Value {
    value[name] = member;
    value
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}

fn rules(nonces: Option<Nonces>) -> ProofRules {
    ProofRules {
        urls: vec![PublicUrl::parse(URL, PlainHttp::Never).unwrap()],
        algorithms: vec![Algorithm::Es256, Algorithm::EdDsa],
        window: Duration::from_secs(60),
        leeway: Duration::from_secs(30),
        nonces: nonces.map(|nonces| nonces.build().unwrap()),
    }
}

fn judge(rules: &ProofRules, client: &Client, proof: &str, now: &Now) -> Result<Proven, ProofError> {
    let key = client.bound_key();
    let presented = Presented { method: "GET", path: "/orders", token_hash: &hash(TOKEN), key: &key };
    rules.verify(proof, &presented, now, || Some(()))
}

fn outcome(proof: &str, client: &Client) -> Result<Proven, ProofError> {
    judge(&rules(None), client, proof, &at(0))
}

fn why(proof: &str, client: &Client) -> String {
    match outcome(proof, client) {
        Err(ProofError::Invalid(detail)) => detail.into_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_proof_passes() {
    let client = Client::new();
    let proven = outcome(&client.proof(&claims()), &client).unwrap();
    assert_eq!(proven.proof, ProofKey::new(&client.thumbprint(), "https://api.example.com/orders", "id-1"));
    assert_eq!(proven.expires_at, at(60 + 30 + 30).unix, "iat, window and leeway twice");
    assert!(!proven.nonce_is_old);
    // Members that are not judged.
    let others = with(with(claims(), "nonce", json!("of another server")), "sub", json!(["x"]));
    assert!(outcome(&client.proof(&others), &client).is_ok());
    let header = with(with(client.header(), "typ", json!("DPoP+JWT")), "kid", json!("x"));
    assert!(outcome(&client.sign(&header.to_string(), &claims().to_string()), &client).is_ok());
}

#[test]
fn the_example_of_rfc_9449_passes() {
    // Section 7.1, with the access token of section 5.
    let proof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0R\
                 scEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMj\
                 U2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9w\
                 cm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWt\
                 zbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    let token = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    let key = BoundKey::new(Thumbprint::from_base64url("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I").unwrap());
    let token_hash = hash(token);
    let presented = Presented { method: "GET", path: "/protectedresource", token_hash: &token_hash, key: &key };
    let now = |seconds| Now::new(Duration::from_secs(seconds), Duration::ZERO);
    let urls = vec![PublicUrl::parse("https://resource.example.org", PlainHttp::Never).unwrap()];
    let rules = ProofRules { urls, ..rules(None) };
    assert!(rules.verify(proof, &presented, &now(1_562_262_618), || Some(())).is_ok());
    let late = rules.verify(proof, &presented, &now(1_562_262_618 + 91), || Some(()));
    assert_eq!(late, Err("iat is 91 s ago, window 60 s, leeway 30 s".into()));
}

#[test]
fn a_claim_that_is_missing_or_wrong_is_rejected() {
    let client = Client::new();
    for name in ["jti", "htm", "htu", "iat", "ath"] {
        assert_eq!(why(&client.proof(&without(claims(), name)), &client), format!("{name} is missing"));
        for bad in [json!(null), json!([]), json!({}), json!(true)] {
            let proof = client.proof(&with(claims(), name, bad));
            assert_eq!(why(&proof, &client), format!("{name} has the wrong type"));
        }
    }
    for (name, bad) in [
        ("jti", json!("")),
        ("jti", json!("x".repeat(129))),
        ("jti", json!(1)),
        ("htm", json!("get")),
        ("htm", json!("POST")),
        ("htm", json!("")),
        ("htu", json!("https://api.example.com/order")),
        ("htu", json!("https://evil.example/orders")),
        ("htu", json!("/orders")),
        ("iat", json!("1800000000")),
        ("ath", json!("")),
        ("ath", json!(URL_SAFE_NO_PAD.encode(sha256(b"a.b.d")))),
        ("ath", json!(format!("{}=", claims()["ath"].as_str().unwrap()))),
        ("nonce", json!(1)),
        ("exp", json!(START - 30)),
        ("exp", json!("never")),
        ("nbf", json!(START + 31)),
    ] {
        assert!(outcome(&client.proof(&with(claims(), name, bad.clone())), &client).is_err(), "{name} {bad}");
    }
    assert!(outcome(&client.proof(&with(claims(), "jti", json!("x".repeat(128)))), &client).is_ok());
    assert!(outcome(&client.proof(&with(claims(), "exp", json!(START - 29))), &client).is_ok());
}

#[test]
fn a_claim_that_is_named_twice_is_rejected() {
    let client = Client::new();
    let twice = claims().to_string().replace('{', "{\"htm\":\"GET\",");
    let proof = client.sign(&client.header().to_string(), &twice);
    assert!(why(&proof, &client).starts_with("payload: "));
    let header = client.header().to_string().replace("\"alg\"", "\"alg\":\"ES256\",\"alg\"");
    assert!(why(&client.sign(&header, &claims().to_string()), &client).starts_with("header: "));
    let header = client.header().to_string().replace("\"kty\"", "\"kty\":\"EC\",\"kty\"");
    assert!(why(&client.sign(&header, &claims().to_string()), &client).starts_with("jwk: "));
}

#[test]
fn a_header_that_is_wrong_is_rejected() {
    let client = Client::new();
    let judged = |header: &Value| outcome(&client.sign(&header.to_string(), &claims().to_string()), &client);
    assert!(judged(&client.header()).is_ok());
    for name in ["typ", "alg", "jwk"] {
        assert!(judged(&without(client.header(), name)).is_err(), "{name}");
        for bad in [json!(null), json!(""), json!([]), json!({}), json!(1)] {
            assert!(judged(&with(client.header(), name, bad.clone())).is_err(), "{name} {bad}");
        }
    }
    for (name, bad) in [
        ("typ", json!("JWT")),
        ("typ", json!("at+jwt")),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("es256")),
        ("alg", json!("ES384")),
        ("alg", json!("EdDSA")),
        ("crit", json!([])),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
        ("jwk", json!(client.jwk.to_string())),
        ("jwk", with(client.jwk.clone(), "d", json!("AAAA"))),
        ("jwk", with(client.jwk.clone(), "k", json!("AAAA"))),
        ("jwk", with(client.jwk.clone(), "use", json!("enc"))),
        ("jwk", with(client.jwk.clone(), "key_ops", json!(["sign"]))),
        ("jwk", with(client.jwk.clone(), "alg", json!("ES384"))),
        ("jwk", with(client.jwk.clone(), "crv", json!("P-384"))),
        ("jwk", with(client.jwk.clone(), "y", client.jwk["x"].clone())),
        ("jwk", without(client.jwk.clone(), "y")),
        ("jwk", json!({ "kty": "oct", "k": "AAAA" })),
    ] {
        assert!(judged(&with(client.header(), name, bad.clone())).is_err(), "{name} {bad}");
    }
    // As browsers export a key.
    let exported = with(with(client.jwk.clone(), "key_ops", json!(["verify"])), "ext", json!(true));
    assert!(judged(&with(client.header(), "jwk", exported)).is_ok());
}

#[test]
fn another_key_is_rejected() {
    let (client, other) = (Client::new(), Client::new());
    let by_other = other.proof(&claims());
    assert_eq!(why(&by_other, &client), "the proof is signed with another key than the token is bound to");
    // The header names the client's key, and another one has signed.
    let forged = other.sign(&client.header().to_string(), &claims().to_string());
    assert_eq!(why(&forged, &client), "the signature of the proof is wrong");
    let p384 = Client::with(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384");
    let header = with(p384.header(), "alg", json!("ES384"));
    let proof = p384.sign(&header.to_string(), &claims().to_string());
    assert_eq!(why(&proof, &p384), "alg ES384 is not allowed for proofs");
    let allowed = ProofRules { algorithms: vec![Algorithm::Es384], ..rules(None) };
    assert!(judge(&allowed, &p384, &proof, &at(0)).is_ok());
}

#[test]
fn what_is_no_compact_jws_is_rejected() {
    let client = Client::new();
    let good = client.proof(&claims());
    let (input, signature) = good.rsplit_once('.').unwrap();
    let with_long_id = client.proof(&with(claims(), "x", json!("x".repeat(8 * 1024))));
    for bad in [
        "",
        ".",
        "..",
        "opaque",
        input,
        &format!("{input}."),
        &format!("{good}.AA"),
        &format!("{good}="),
        &format!("{good}, {good}"),
        &format!(" {good}"),
        &format!("{input}.{}", &signature[..signature.len() - 2]),
        &with_long_id,
    ] {
        assert!(outcome(bad, &client).is_err(), "{bad}");
    }
}

#[test]
fn iat_is_judged_on_both_sides_of_the_clock() {
    let client = Client::new();
    let rules = rules(None);
    for (made_at, passes) in [(-91, false), (-90, true), (0, true), (30, true), (31, false)] {
        let proof = client.proof(&with(claims(), "iat", json!(START.checked_add_signed(made_at).unwrap())));
        assert_eq!(judge(&rules, &client, &proof, &at(0)).is_ok(), passes, "{made_at}");
    }
    for absurd in [json!(-1e300), json!(1e300), json!(-1), json!(0)] {
        assert!(outcome(&client.proof(&with(claims(), "iat", absurd)), &client).is_err());
    }
    let fraction = client.proof(&with(claims(), "iat", json!(1_800_000_000.25)));
    assert_eq!(outcome(&fraction, &client).unwrap().expires_at, at(121).unix, "rounded up");
}

#[test]
fn a_required_nonce_must_be_one_of_this_server() {
    let client = Client::new();
    let rules = rules(Some(Nonces::required().secret([1; 32]).lifetime(Duration::from_secs(40))));
    let nonce = rules.nonces.as_ref().unwrap().current(&at(0));
    let judged = |claims: &Value, seconds| judge(&rules, &client, &client.proof(claims), &at(seconds));
    assert_eq!(judged(&claims(), 0), Err(ProofError::Nonce("a nonce is required")));
    let held = with(claims(), "nonce", json!(nonce));
    assert!(!judged(&held, 0).unwrap().nonce_is_old);
    assert!(judged(&held, 12).unwrap().nonce_is_old, "the response brings a newer one");
    for (bad, seconds) in [(json!("x"), 0), (json!(nonce), 51)] {
        let outcome = judged(&with(claims(), "nonce", bad), seconds);
        assert!(matches!(outcome, Err(ProofError::Nonce(_))), "{outcome:?}");
    }
    // Whatever else is wrong is wrong with a new nonce, too.
    assert!(matches!(judged(&with(claims(), "htm", json!("PUT")), 0), Err(ProofError::Invalid(_))));
}

#[test]
fn a_nonce_takes_the_place_of_a_wrong_clock() {
    let client = Client::new();
    let rules = rules(Some(Nonces::on_demand().secret([1; 32]).lifetime(Duration::from_secs(40))));
    let nonce = rules.nonces.as_ref().unwrap().current(&at(0));
    let judged = |claims: &Value, seconds| judge(&rules, &client, &client.proof(claims), &at(seconds));
    let good = judged(&claims(), 0).unwrap();
    assert_eq!((good.expires_at, good.nonce_is_old), (at(120).unix, true), "no nonce is asked for, and one is offered");
    for iat in [0, START - 3600, START + 3600] {
        let late = with(claims(), "iat", json!(iat));
        assert!(matches!(judged(&late, 0), Err(ProofError::Nonce(_))));
        let proven = judged(&with(late.clone(), "nonce", json!(nonce)), 0).unwrap();
        assert_eq!(proven.expires_at, at(50 + 30).unix, "the end of the nonce, and the leeway");
        assert!(matches!(judged(&with(late, "nonce", json!(nonce)), 51), Err(ProofError::Nonce(_))));
    }
    assert!(matches!(judged(&with(claims(), "nonce", json!("x")), 0), Err(ProofError::Nonce(_))));
    // Of both the later end counts, since either would let it pass.
    let both = judged(&with(claims(), "nonce", json!(nonce)), 0).unwrap();
    assert_eq!(both.expires_at, at(120).unix);
}

#[test]
fn a_key_that_is_known_changes_no_outcome() {
    let (client, other) = (Client::new(), Client::new());
    let (rules, key, token_hash) = (rules(None), client.bound_key(), hash(TOKEN));
    let presented = Presented { method: "GET", path: "/orders", token_hash: &token_hash, key: &key };
    let judge = |proof: &str| rules.verify(proof, &presented, &at(0), || Some(()));
    let is_parsed = |header: &Value| key.parsed(&header["jwk"].to_string(), Algorithm::Es256).is_some();
    let proof = |client: &Client, header: &Value| client.sign(&header.to_string(), &claims().to_string());
    let good = client.header();

    assert!(judge(&proof(&other, &good)).is_err());
    assert!(!is_parsed(&good), "only a valid signature makes a key known");
    assert!(judge(&proof(&client, &good)).is_ok());
    assert!(is_parsed(&good));

    assert!(judge(&proof(&client, &good)).is_ok());
    assert!(judge(&proof(&other, &good)).is_err(), "signed by another key");
    assert!(judge(&proof(&other, &other.header())).is_err(), "another key");
    for (name, value) in [("d", json!("AA")), ("use", json!("enc")), ("alg", json!("ES384"))] {
        let header = with(good.clone(), "jwk", with(client.jwk.clone(), name, value));
        assert!(judge(&proof(&client, &header)).is_err(), "{name}");
    }
    assert!(judge(&proof(&client, &with(good.clone(), "alg", json!("EdDSA")))).is_err());
    let twice = client.header().to_string().replacen("\"kty\":\"EC\"", "\"kty\":\"EC\",\"kty\":\"EC\"", 1);
    assert!(judge(&client.sign(&twice, &claims().to_string())).is_err());
    // The same key, written in another way.
    let spaced = good["jwk"].to_string().replace("\":", "\": ");
    let header = client.header().to_string().replace(&good["jwk"].to_string(), &spaced);
    assert!(judge(&client.sign(&header, &claims().to_string())).is_ok());
    assert!(is_parsed(&good), "the first way stays");
    assert!(key.parsed(&spaced, Algorithm::Es256).is_none());
}

#[test]
fn a_jwk_that_is_long_is_not_kept() {
    let client = Client::new();
    let header = with(client.header(), "jwk", with(client.jwk.clone(), "x-note", json!("x".repeat(1024))));
    let key = client.bound_key();
    let presented = Presented { method: "GET", path: "/orders", token_hash: &hash(TOKEN), key: &key };
    let proof = client.sign(&header.to_string(), &claims().to_string());
    assert!(rules(None).verify(&proof, &presented, &at(0), || Some(())).is_ok());
    assert!(key.parsed(&header["jwk"].to_string(), Algorithm::Es256).is_none());
}

#[test]
fn without_a_permit_no_signature_is_checked() {
    let client = Client::new();
    let key = client.bound_key();
    let presented = Presented { method: "GET", path: "/orders", token_hash: &hash(TOKEN), key: &key };
    let busy = |claims: &Value| rules(None).verify(&client.proof(claims), &presented, &at(0), || None::<()>);
    assert_eq!(busy(&claims()), Err(ProofError::Busy));
    assert!(matches!(busy(&with(claims(), "htm", json!("PUT"))), Err(ProofError::Invalid(_))), "no permit is taken");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_proof_that_was_changed_anywhere_is_rejected(at in any::<prop::sample::Index>(), octet in 0x20..0x7f_u8) {
        let client = Client::new();
        let good = client.proof(&claims());
        let at = at.index(good.len());
        prop_assume!(good.as_bytes()[at] != octet);
        let mut changed = good.into_bytes();
        changed[at] = octet;
        prop_assert!(outcome(&String::from_utf8(changed).unwrap(), &client).is_err());
    }

    #[test]
    fn foreign_input_never_panics(header in any::<String>(), claims in any::<String>(), raw in any::<String>()) {
        let client = Client::new();
        prop_assert!(outcome(&client.sign(&header, &claims), &client).is_err());
        prop_assert!(outcome(&raw, &client).is_err());
    }
}
