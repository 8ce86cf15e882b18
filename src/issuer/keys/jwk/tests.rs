//! The keys are the examples of RFC 7515, RFC 7517 and RFC 8037.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::select::{Selection, Sought};
use super::*;

const RSA: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
const OTHER_RSA: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

fn rules() -> KeyRules {
    KeyRules { algorithms: Algorithm::ALL.to_vec(), rsa_default: Algorithm::Rs256, keys_without_kid: false }
}

fn ec() -> Value {
    json!({
        "kty": "EC", "kid": "a", "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    })
}

fn other_ec() -> Value {
    with(
        ec(),
        json!({
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
        }),
    )
}

fn ec_521() -> Value {
    with(
        ec(),
        json!({
            "crv": "P-521",
            "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
            "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
        }),
    )
}

fn ed() -> Value {
    json!({ "kty": "OKP", "kid": "a", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" })
}

fn rsa() -> Value {
    json!({ "kty": "RSA", "kid": "a", "n": RSA, "e": "AQAB" })
}

/// The key with these members set, or left out where they are null.
#[allow(clippy::needless_pass_by_value, reason = "callers write json!(..) in place")]
fn with(mut key: Value, changes: Value) -> Value {
    let members = key.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    key
}

fn parse_with(keys: &[Value], rules: &KeyRules) -> Result<(KeySet, Vec<String>), String> {
    KeySet::configured(json!({ "keys": keys }).to_string().as_bytes(), rules)
}

fn parse(keys: &[Value]) -> Result<(KeySet, Vec<String>), String> {
    parse_with(keys, &rules())
}

#[track_caller]
fn set(keys: &[Value]) -> KeySet {
    parse(keys).unwrap().0
}

fn chosen<'a>(set: &'a KeySet, kid: Option<&str>, algorithm: Algorithm) -> Option<&'a Arc<VerifyingKey>> {
    match set.select(Sought::of(kid, algorithm)) {
        Selection::Key(key) => Some(key),
        Selection::NoneFits | Selection::Unknown => None,
    }
}

/// The key is skipped for this reason, beside a good one that stays, and its name is not unknown.
#[track_caller]
fn skipped_as(key: &Value, reason: &str, rules: &KeyRules) {
    let good = with(ec(), json!({ "kid": "good" }));
    let (set, skipped) = parse_with(&[key.clone(), good], rules).unwrap();
    assert!(chosen(&set, Some("good"), Algorithm::Es256).is_some());
    assert_eq!(set.keys.len(), 1, "{key}");
    assert!(matches!(&skipped[..], [why] if why.contains(reason)), "{key}: {skipped:?}, not {reason:?}");
    if let Some(kid) = key["kid"].as_str() {
        assert!(matches!(set.select(Sought::of(Some(kid), Algorithm::Es256)), Selection::NoneFits), "{key}");
    }
    assert!(parse_with(std::slice::from_ref(key), rules).unwrap_err().contains(reason), "{key} alone");
}

#[test]
fn a_key_means_one_algorithm() {
    let only = |key: Value, expected: Algorithm| {
        let set = set(std::slice::from_ref(&key));
        let fitting: Vec<_> =
            Algorithm::ALL.into_iter().filter(|algorithm| chosen(&set, Some("a"), *algorithm).is_some()).collect();
        assert_eq!(fitting, [expected], "{key}");
    };
    only(ec(), Algorithm::Es256);
    only(ec_521(), Algorithm::Es512);
    only(with(ec_521(), json!({ "alg": "ES512" })), Algorithm::Es512);
    only(ed(), Algorithm::EdDsa);
    only(with(ed(), json!({ "alg": "Ed25519" })), Algorithm::EdDsa);
    only(rsa(), Algorithm::Rs256);
    only(with(rsa(), json!({ "alg": "PS384" })), Algorithm::Ps384);
    let rules = KeyRules { rsa_default: Algorithm::Rs512, ..rules() };
    let (set, _) = parse_with(&[rsa()], &rules).unwrap();
    assert!(chosen(&set, Some("a"), Algorithm::Rs512).is_some() && chosen(&set, Some("a"), Algorithm::Rs256).is_none());
}

#[test]
fn odd_members_that_do_not_matter() {
    for extra in [
        json!({ "use": "sig", "x5t": "AAAA", "ext": true, "iat": 7 }),
        json!({ "key_ops": ["verify"] }),
        json!({ "key_ops": ["sign", "verify"], "alg": "ES256" }),
    ] {
        let (set, skipped) = parse(&[with(ec(), extra)]).unwrap();
        assert_eq!((set.keys.len(), skipped.len()), (1, 0));
    }
}

#[test]
fn every_reason_to_skip_a_key() {
    let short = BASE64_URL_SAFE_NO_PAD.encode([0xC1; 255]);
    let even = format!("{}g", RSA.strip_suffix('w').unwrap());
    let long = BASE64_URL_SAFE_NO_PAD.encode([0xC1; 1025]);
    for (key, changes, reason) in [
        (rsa(), json!({ "n": short }), "less than 2048 bits"),
        (rsa(), json!({ "n": long }), "more than 8192 bits"),
        (rsa(), json!({ "n": even }), "modulus is even"),
        (rsa(), json!({ "n": "" }), "minimal form"),
        (rsa(), json!({ "n": "a+/=" }), "base64url"),
        (rsa(), json!({ "n": null }), "a member is missing"),
        (rsa(), json!({ "e": "AQ" }), "exponent is 1"),
        (rsa(), json!({ "e": "Ag" }), "exponent is even"),
        (rsa(), json!({ "e": "AQAAAAE" }), "32 bits"),
        (rsa(), json!({ "alg": "RSA-OAEP-256" }), "not a signature algorithm"),
        (rsa(), json!({ "alg": "HS256" }), "not a signature algorithm"),
        (rsa(), json!({ "alg": "ES256" }), "does not fit the key"),
        (ec(), json!({ "alg": "RS256" }), "does not fit the key"),
        (ec(), json!({ "alg": "ES384" }), "does not fit the key"),
        (ec(), json!({ "alg": 7 }), "alg has the wrong type"),
        (ec(), json!({ "alg": "none" }), "not a signature algorithm"),
        (ec(), json!({ "use": "enc" }), "use is not sig"),
        (ec(), json!({ "use": "SIG" }), "use is not sig"),
        (ec(), json!({ "use": 1 }), "wrong type"),
        (ec(), json!({ "key_ops": [] }), "key_ops"),
        (ec(), json!({ "key_ops": ["sign"] }), "key_ops"),
        (ec(), json!({ "key_ops": ["verify", "verify"] }), "key_ops"),
        (ec(), json!({ "key_ops": ["verify", "encrypt"] }), "key_ops"),
        (ec(), json!({ "key_ops": "verify" }), "wrong type"),
        (ec(), json!({ "y": ec()["x"] }), "not on the curve"),
        (ec(), json!({ "x": "AAAA" }), "wrong length"),
        (ec(), json!({ "x": format!("AA{}", ec()["x"].as_str().unwrap()) }), "wrong length"),
        (ec(), json!({ "crv": "P-384" }), "wrong length"),
        (ec(), json!({ "crv": "secp256k1" }), "unknown key type or curve"),
        (ec(), json!({ "crv": "Ed25519" }), "not one of P-256"),
        (ec(), json!({ "kid": 7 }), "kid has the wrong type"),
        (ec(), json!({ "kty": "AKP" }), "unknown key type or curve"),
        (ec(), json!({ "kty": null }), "unknown key type or curve"),
        (ed(), json!({ "x": "AAAA" }), "wrong length"),
        (ed(), json!({ "crv": "Ed448" }), "unknown key type or curve"),
        (ed(), json!({ "crv": "P-256" }), "unknown key type or curve"),
        (ec(), json!({ "kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }), "symmetric"),
    ] {
        skipped_as(&with(key, changes), reason, &rules());
    }
    skipped_as(&json!("a key"), "not one JSON object", &rules());
    skipped_as(&json!(null), "not one JSON object", &rules());
    let es256_only =
        KeyRules { algorithms: vec![Algorithm::Es256], rsa_default: Algorithm::Rs256, keys_without_kid: false };
    skipped_as(&rsa(), "not allowed for this issuer", &es256_only);
}

#[test]
fn a_member_named_twice_voids_the_key_and_not_the_set() {
    let good = with(ec(), json!({ "kid": "good" })).to_string();
    for twice in [r#""kid":"b""#, r#""alg":"ES256","alg":"ES256""#, r#""\u006bid":"b""#] {
        let odd = format!("{{{twice},{}", &ec().to_string()[1..]);
        let (set, skipped) = KeySet::configured(format!(r#"{{"keys":[{odd},{good}]}}"#).as_bytes(), &rules()).unwrap();
        assert_eq!(set.kids().collect::<Vec<_>>(), ["good"]);
        assert!(skipped[0].contains("unique"), "{skipped:?}");
    }
}

#[test]
fn every_reason_to_reject_a_document() {
    for (document, reason) in [
        (String::new(), "not one JSON object"),
        ("[]".to_owned(), "not one JSON object"),
        ("{}".to_owned(), "no member \"keys\""),
        (r#"{"keys":{}}"#.to_owned(), "keys has the wrong type"),
        (r#"{"keys":null}"#.to_owned(), "no member \"keys\""),
        (format!(r#"{{"keys":[{0}],"keys":[{0}]}}"#, ec()), "unique"),
        (r#"{"keys":[]}"#.to_owned(), "no usable key"),
        (json!({ "keys": [with(ec(), json!({ "use": "enc" }))] }).to_string(), "use is not sig"),
        (json!({ "keys": [ec(), with(rsa(), json!({ "d": "AAAA" }))] }).to_string(), "private key"),
        (json!({ "keys": [ec(), with(rsa(), json!({ "qi": "AAAA" }))] }).to_string(), "private key"),
        (json!({ "keys": [ec(), with(rsa(), json!({ "n": "~", "d": "AAAA" }))] }).to_string(), "private key"),
    ] {
        let refused = KeySet::configured(document.as_bytes(), &rules()).unwrap_err();
        assert!(refused.contains(reason), "{document}: {refused}");
    }
}

#[test]
fn null_member_is_absent() {
    let nulls = |names: &[&str]| {
        let mut key = rsa();
        for name in names {
            key[*name] = Value::Null;
        }
        key
    };
    for names in [&["d", "p", "q", "dp", "dq", "qi", "oth"][..], &["alg"], &["x5c", "x5t", "x5u", "use", "key_ops"]] {
        let parsed = KeySet::parse(json!({ "keys": [nulls(names)] }).to_string().as_bytes(), &rules()).unwrap();
        assert!(chosen(&parsed.set, Some("a"), Algorithm::Rs256).is_some(), "{names:?}: {:?}", parsed.skipped);
        assert!(parsed.private.is_empty());
    }
    let anonymous = set(&[nulls(&["kid"])]);
    assert!(chosen(&anonymous, None, Algorithm::Rs256).is_some());
}

#[test]
fn private_key_is_not_used_in_any_form_and_the_rest_is() {
    let good = with(ec(), json!({ "kid": "good" }));
    let public = with(rsa(), json!({ "kid": "public", "alg": "PS512" }));
    for member in PRIVATE_MEMBERS {
        let private = with(rsa(), json!({ member: "AQAB", "use": "enc" }));
        let document = json!({ "keys": [public, private, good] }).to_string();
        let parsed = KeySet::parse(document.as_bytes(), &rules()).unwrap();
        assert_eq!(parsed.set.kids().collect::<Vec<_>>(), ["good"], "{member}");
        assert_eq!(parsed.private[0].kid.as_deref(), Some("a"));
        assert!(matches!(parsed.set.select(Sought::of(Some("public"), Algorithm::Ps512)), Selection::NoneFits));
        let exported = KeySet::parse(parsed.set.to_json().as_bytes(), &rules()).unwrap();
        assert_eq!((exported.set.keys.len(), exported.private.len(), exported.skipped.len()), (1, 0, 0));
    }
}

#[test]
fn private_key_whose_public_half_cannot_be_read_is_reported_too() {
    let private = with(rsa(), json!({ "n": "~", "d": "AQAB" }));
    let parsed = KeySet::parse(json!({ "keys": [private, ec()] }).to_string().as_bytes(), &rules()).unwrap();
    assert_eq!((parsed.private.len(), parsed.set.keys.len()), (1, 1));
}

#[test]
fn rsa_number_with_leading_zero_octets_is_the_same_number() {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
    let padded = |text: &str| {
        let number = BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
        BASE64_URL_SAFE_NO_PAD.encode([vec![0, 0], number].concat())
    };
    let written = with(rsa(), json!({ "n": padded(RSA), "e": padded("AQAB") }));
    let (plain, written) = (set(&[rsa()]), set(&[written]));
    let key = |set: &KeySet| chosen(set, Some("a"), Algorithm::Rs256).unwrap().clone();
    assert!(key(&plain).is_same_key(&key(&written)));
    assert_eq!(plain.keys[0].thumbprint, written.keys[0].thumbprint);
}

#[test]
fn a_hundred_keys_and_no_more() {
    let keys = |count: usize| (0..count).map(|kid| with(ec(), json!({ "kid": kid.to_string() }))).collect::<Vec<_>>();
    assert_eq!(set(&keys(100)).kids().count(), 100);
    assert!(parse(&keys(101)).unwrap_err().contains("101 keys"));
    let odd = vec![json!({}); 101];
    assert!(parse(&odd).unwrap_err().contains("101 keys"), "keys that are not used count too");
}

#[test]
fn two_keys_of_one_type_under_one_kid_are_neither_used() {
    let good = with(ec(), json!({ "kid": "good" }));
    for (one, two) in [
        (ec(), other_ec()),
        (ec(), ec_521()),
        (rsa(), with(rsa(), json!({ "n": OTHER_RSA }))),
        (rsa(), with(rsa(), json!({ "alg": "RS512" }))),
    ] {
        let (set, skipped) = parse(&[one.clone(), good.clone(), two.clone()]).unwrap();
        assert_eq!(set.kids().collect::<Vec<_>>(), ["good"], "{one} {two}");
        assert_eq!(skipped.len(), 2);
        assert!(matches!(set.select(Sought::of(Some("a"), Algorithm::Es256)), Selection::NoneFits));
    }
    assert!(parse(&[ec(), other_ec()]).is_err());
}

#[test]
fn the_same_key_twice_is_one_key() {
    let (set, skipped) = parse(&[ec(), with(ec(), json!({ "use": "sig", "alg": "ES256" }))]).unwrap();
    assert_eq!((set.keys.len(), skipped.len()), (1, 0));
    assert!(chosen(&set, None, Algorithm::Es256).is_some());
    let anonymous = with(ec(), json!({ "kid": null }));
    assert_eq!(self::set(&[anonymous.clone(), anonymous]).keys.len(), 1);
}

#[test]
fn one_kid_for_several_types_is_told_apart_by_the_algorithm() {
    let set = set(&[ec(), rsa(), ed()]);
    for algorithm in [Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa] {
        assert_eq!(chosen(&set, Some("a"), algorithm).unwrap().algorithm(), algorithm);
    }
    assert!(matches!(set.select(Sought::of(Some("a"), Algorithm::Es384)), Selection::NoneFits));
    assert!(matches!(set.select(Sought::of(Some("b"), Algorithm::Es256)), Selection::Unknown));
    assert!(matches!(set.select(Sought::of(Some(""), Algorithm::Es256)), Selection::Unknown));
}

#[test]
fn a_usable_key_beats_an_unusable_one_of_its_name() {
    let set = set(&[with(other_ec(), json!({ "use": "enc" })), ec()]);
    assert!(chosen(&set, Some("a"), Algorithm::Es256).is_some());
}

#[test]
fn without_a_kid_exactly_one_key_must_fit() {
    let named_b = with(other_ec(), json!({ "kid": "b" }));
    let anonymous = with(other_ec(), json!({ "kid": null }));
    assert!(chosen(&set(&[ec(), rsa()]), None, Algorithm::Es256).is_some());
    assert!(chosen(&set(std::slice::from_ref(&anonymous)), None, Algorithm::Es256).is_some());
    for two in [[ec(), named_b], [ec(), anonymous.clone()]] {
        assert!(matches!(set(&two).select(Sought::of(None, Algorithm::Es256)), Selection::NoneFits));
    }
    assert!(matches!(set(&[ec()]).select(Sought::of(None, Algorithm::Es384)), Selection::NoneFits));
    let both = set(&[anonymous.clone(), with(ec_521(), json!({ "kid": null }))]);
    assert!(chosen(&both, None, Algorithm::Es256).is_some() && chosen(&both, None, Algorithm::Es512).is_some());
    assert!(matches!(set(&[anonymous]).select(Sought::of(Some("a"), Algorithm::Es256)), Selection::Unknown));
}

#[test]
fn keys_without_kid_are_tried_one_after_the_other() {
    let rules = KeyRules { keys_without_kid: true, ..rules() };
    let anonymous = |key| with(key, json!({ "kid": null }));
    let (set, _) = parse_with(&[ec(), anonymous(other_ec()), anonymous(rsa())], &rules).unwrap();
    let [named, unnamed] = [0, 1].map(|at| set.keys[at].verifying.clone());
    let next = |kid, failed: &[Arc<VerifyingKey>]| match set.select(Sought { kid, algorithm: Algorithm::Es256, failed })
    {
        Selection::Key(key) => Ok(key.clone()),
        Selection::NoneFits => Err("none fits"),
        Selection::Unknown => Err("unknown"),
    };
    assert!(next(None, &[]).is_ok_and(|key| key.is_same_key(&named)));
    assert!(next(None, std::slice::from_ref(&named)).is_ok_and(|key| key.is_same_key(&unnamed)));
    assert!(matches!(next(None, &[named.clone(), unnamed.clone()]), Err("unknown")));
    assert!(next(Some("a"), &[]).is_ok_and(|key| key.is_same_key(&named)));
    assert!(
        next(Some("a"), std::slice::from_ref(&named)).is_ok_and(|key| key.is_same_key(&named)),
        "named, so it is not guessed"
    );
    assert!(next(Some("b"), &[]).is_ok_and(|key| key.is_same_key(&unnamed)));
    assert!(matches!(next(Some("b"), &[unnamed]), Err("unknown")));
    assert!(matches!(set.select(Sought::of(None, Algorithm::Es512)), Selection::NoneFits), "nothing was tried");
    assert!(matches!(set.select(Sought::of(Some("a"), Algorithm::Rs256)), Selection::NoneFits));
    assert!(matches!(set.select(Sought::of(Some("b"), Algorithm::Es512)), Selection::Unknown));
}

#[test]
fn identity_is_kept_for_unchanged_keys_alone() {
    let named = |key: Value, kid: &str| with(key, json!({ "kid": kid }));
    let old = set(&[named(ec(), "same"), named(rsa(), "replaced"), named(rsa(), "re-meant"), named(ec(), "renamed")]);
    let mut new = set(&[
        named(ec(), "same"),
        named(with(rsa(), json!({ "n": OTHER_RSA })), "replaced"),
        named(with(rsa(), json!({ "alg": "PS256" })), "re-meant"),
        named(ec(), "new name"),
    ]);
    new.carry_over(&old);
    let is_kept = |kid: &str| {
        let key = new.keys.iter().find(|key| key.kid.as_deref() == Some(kid)).unwrap();
        old.keys.iter().any(|old| Arc::ptr_eq(&old.verifying, &key.verifying))
    };
    assert_eq!(["same", "replaced", "re-meant", "new name"].map(is_kept), [true, false, false, false]);
    let replaced = chosen(&new, Some("replaced"), Algorithm::Rs256).unwrap();
    assert!(!replaced.is_same_key(chosen(&old, Some("replaced"), Algorithm::Rs256).unwrap()));
}

/// Any JSON value, with the names and values of key sets among them.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "EC", "RSA", "OKP", "oct", "P-256", "P-521", "Ed25519", "sig", "enc", "verify", "ES256", "RS256", "a", "", RSA,
        "AQAB", "AQ", "é", "AAAA",
    ]);
    let name = prop::sample::select(vec![
        "kty", "kid", "crv", "x", "y", "n", "e", "alg", "use", "key_ops", "d", "k", "keys", "x5c",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner, 0..8).prop_map(|members| json!(members)),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = KeySet::parse(&octets, &rules());
    }

    #[test]
    fn no_key_makes_it_panic_or_voids_the_others(odd in any_json(), changed in any_json(), at in 0..4_usize) {
        let good = with(rsa(), json!({ "kid": "good" }));
        let changes = if changed.is_object() { changed } else { json!({ "x": changed, "n": odd }) };
        let changed = with([ec(), rsa(), ed(), ec_521()][at].clone(), changes);
        prop_assume!(odd["kid"] != "good");
        let thumbprint = |key: &Value| Thumbprint::of(&Object::parse(key.to_string().as_bytes()).unwrap());
        let is_exposed = changed.get("d").is_some() && thumbprint(&changed) == thumbprint(&good);
        let document = json!({ "keys": [odd, good, changed] }).to_string();
        let parsed = KeySet::parse(document.as_bytes(), &rules()).unwrap();
        prop_assert_eq!(chosen(&parsed.set, Some("good"), Algorithm::Rs256).is_none(), is_exposed);
    }

    #[test]
    fn no_flipped_octet_makes_it_panic(at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let mut document = json!({ "keys": [ec(), rsa(), ed()] }).to_string().into_bytes();
        let at = at.index(document.len());
        document[at] = octet;
        if let Ok(parsed) = KeySet::parse(&document, &rules()) {
            prop_assert!(parsed.set.keys.len() + parsed.skipped.len() >= 3);
        }
    }
}
