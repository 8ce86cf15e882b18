//! Public JWS vectors, at the signature layer: segments, header, key set, signature. No claims.
//!
//! `vectors.json` holds those of RFC 7515 appendix A, RFC 7520 section 4 and RFC 8037 appendix A. The environment
//! variable `ORGATE_VECTORS` names a larger file of the same form (Project Wycheproof's and the JOSE cookbook's), which is
//! then judged too.

use std::{env, fs};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::header::UnverifiedHeader;
use super::segments::Segments;
use crate::issuer::keys::{KeyRules, KeySet, Selection, Sought};
use crate::signature::Algorithm;

const OWN: &str = include_str!("vectors.json");
/// How many the larger file has at least: a shorter one is another file.
const PUBLIC: usize = 437;

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    jwks: Vec<Box<RawValue>>,
    jws: String,
    /// What a resource server answers: asymmetric algorithms only, and the key's own.
    rs_accepts_signature: bool,
}

impl Vector {
    fn key_set(&self) -> String {
        let keys: Vec<&str> = self.jwks.iter().map(|key| key.get()).collect();
        format!("{{\"keys\":[{}]}}", keys.join(","))
    }

    fn is_accepted(&self) -> bool {
        is_signed(&self.jws, &self.key_set(), self.default_rsa_algorithm())
    }

    /// What the issuer's RSA keys without `alg` mean: a setting, which one vector needs another than the default of.
    fn default_rsa_algorithm(&self) -> Algorithm {
        if self.id == "rfc7520-jws-4-2-rsa-pss-signature" { Algorithm::Ps384 } else { Algorithm::Rs256 }
    }
}

/// Whether the key that the header names, in this key set, verifies the signature.
fn is_signed(jws: &str, key_set: &str, rsa_default: Algorithm) -> bool {
    let rules = KeyRules { algorithms: Algorithm::ALL.to_vec(), rsa_default, keys_without_kid: false };
    let Ok((keys, _)) = KeySet::configured(key_set.as_bytes(), &rules) else { return false };
    let Ok(segments) = Segments::decode(jws) else { return false };
    let Ok(header) = UnverifiedHeader::read(segments.header()) else { return false };
    match keys.select(Sought::of(header.kid.as_deref(), header.algorithm)) {
        Selection::Key(key) => {
            key.algorithm() == header.algorithm && key.verify(segments.signing_input.as_bytes(), segments.signature())
        }
        Selection::NoneFits | Selection::Unknown => false,
    }
}

fn read(text: &str) -> Vec<Vector> {
    serde_json::from_str::<File>(text).unwrap().vectors
}

fn judge(vectors: &[Vector]) {
    let wrong: Vec<&str> = vectors
        .iter()
        .filter(|vector| vector.is_accepted() != vector.rs_accepts_signature)
        .map(|vector| &*vector.id)
        .collect();
    assert!(wrong.is_empty(), "{} of {} judged wrongly: {wrong:?}", wrong.len(), vectors.len());
}

#[test]
fn public_vectors() {
    let own = read(OWN);
    let accepted = own.iter().filter(|vector| vector.rs_accepts_signature).count();
    assert_eq!((own.len(), accepted), (10, 6));
    judge(&own);
    if let Some(path) = env::var_os("ORGATE_VECTORS") {
        let public = read(&fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}")));
        assert!(public.len() >= PUBLIC, "{path:?} has {} vectors, not {PUBLIC}", public.len());
        judge(&public);
    }
}

#[test]
fn every_character_counts() {
    for vector in read(OWN).into_iter().filter(|vector| vector.rs_accepts_signature) {
        let key_set = vector.key_set();
        for at in 0..vector.jws.len() {
            let mut altered = vector.jws.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(!is_signed(&altered, &key_set, vector.default_rsa_algorithm()), "{}: character {at}", vector.id);
        }
    }
}

#[test]
fn no_key_verifies_what_another_signed() {
    let own = read(OWN);
    for signed in own.iter().filter(|vector| vector.rs_accepts_signature) {
        for other in own.iter().filter(|other| other.key_set() != signed.key_set()) {
            for rsa_default in [Algorithm::Rs256, Algorithm::Ps384] {
                let accepted = is_signed(&signed.jws, &other.key_set(), rsa_default);
                assert!(!accepted, "{} with the key of {}", signed.id, other.id);
            }
        }
    }
}
