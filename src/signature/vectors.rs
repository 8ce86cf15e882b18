//! Project Wycheproof's signature vectors, at the level where a key meets a message.
//!
//! What does not fit JWS is left out: ECDSA in DER (JWS has fixed-length `r ‖ s`), other curves, Ed448, a curve with
//! another hash than its own, SHA-1, SHA-224, SHA-3 and truncated SHA-512, and PSS whose MGF hash or salt length is not
//! the hash's own. The sets named `params` and `misc` repeat these numbers under other key encodings or mix such cases.

use wycheproof::TestResult;
use wycheproof::ecdsa::TestName::{EcdsaSecp256r1Sha256P1363, EcdsaSecp384r1Sha384P1363, EcdsaSecp521r1Sha512P1363};
use wycheproof::rsa_pkcs1_verify::TestName as Pkcs1;
use wycheproof::rsa_pss_verify::TestName as Pss;
use wycheproof::{ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use super::*;

/// How many vectors were judged right: valid ones that verify, invalid ones that do not. Those that Wycheproof calls
/// acceptable may go either way, and are not counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    valid: usize,
    invalid: usize,
}

impl Tally {
    fn judge(&mut self, key: &VerifyingKey, message: &[u8], signature: &[u8], expected: TestResult, test: &str) {
        let verifies = key.verify(message, signature);
        match expected {
            TestResult::Valid => {
                assert!(verifies, "{test} is valid and rejected");
                self.valid += 1;
            }
            TestResult::Invalid => {
                assert!(!verifies, "{test} is invalid and accepted");
                self.invalid += 1;
            }
            TestResult::Acceptable => {}
        }
    }

    /// A new version of the vectors may have more, never fewer.
    fn has_at_least(&self, valid: usize, invalid: usize) {
        assert!(self.valid >= valid && self.invalid >= invalid, "{self:?}, not {valid} and {invalid}");
    }
}

/// A number as a JWK writes it: without leading zeros.
fn minimal(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|&&octet| octet == 0).count()..]
}

fn ecdsa(algorithm: Algorithm, set: ecdsa::TestName) -> Tally {
    let mut tally = Tally::default();
    for group in ecdsa::TestSet::load(set).unwrap().test_groups {
        let key = VerifyingKey::new(algorithm, KeyMaterial::Point(&group.key.key)).unwrap();
        for test in group.tests {
            tally.judge(&key, &test.msg, &test.sig, test.result, &format!("{set:?} {}", test.tc_id));
        }
    }
    tally
}

fn pkcs1(algorithm: Algorithm, sets: &[Pkcs1]) -> Tally {
    let mut tally = Tally::default();
    for set in sets {
        for group in rsa_pkcs1_verify::TestSet::load(*set).unwrap().test_groups {
            let (n, e) = (minimal(&group.key.n), minimal(&group.key.e));
            let key = VerifyingKey::new(algorithm, KeyMaterial::Rsa { n, e }).unwrap();
            for test in group.tests {
                tally.judge(&key, &test.msg, &test.sig, test.result, &format!("{set:?} {}", test.tc_id));
            }
        }
    }
    tally
}

fn pss(algorithm: Algorithm, sets: &[Pss]) -> Tally {
    let mut tally = Tally::default();
    for set in sets {
        for group in rsa_pss_verify::TestSet::load(*set).unwrap().test_groups {
            let (n, e) = (minimal(&group.key.n), minimal(&group.key.e));
            let key = VerifyingKey::new(algorithm, KeyMaterial::Rsa { n, e }).unwrap();
            for test in group.tests {
                tally.judge(&key, &test.msg, &test.sig, test.result, &format!("{set:?} {}", test.tc_id));
            }
        }
    }
    tally
}

#[test]
fn es256() {
    ecdsa(Algorithm::Es256, EcdsaSecp256r1Sha256P1363).has_at_least(173, 89);
}

#[test]
fn es384() {
    ecdsa(Algorithm::Es384, EcdsaSecp384r1Sha384P1363).has_at_least(193, 87);
}

#[test]
fn es512() {
    ecdsa(Algorithm::Es512, EcdsaSecp521r1Sha512P1363).has_at_least(231, 87);
}

#[test]
fn ed25519() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = VerifyingKey::new(Algorithm::EdDsa, KeyMaterial::Point(&group.key.pk)).unwrap();
        for test in group.tests {
            tally.judge(&key, &test.msg, &test.sig, test.result, &format!("Ed25519 {}", test.tc_id));
        }
    }
    tally.has_at_least(88, 63);
}

#[test]
fn rs256() {
    let sets = [Pkcs1::Rsa2048Sha256, Pkcs1::Rsa3072Sha256, Pkcs1::Rsa4096Sha256, Pkcs1::Rsa8192Sha256];
    pkcs1(Algorithm::Rs256, &sets).has_at_least(31, 999);
}

#[test]
fn rs384() {
    let sets = [Pkcs1::Rsa2048Sha384, Pkcs1::Rsa3072Sha384, Pkcs1::Rsa4096Sha384, Pkcs1::Rsa8192Sha384];
    pkcs1(Algorithm::Rs384, &sets).has_at_least(28, 1003);
}

#[test]
fn rs512() {
    let sets = [Pkcs1::Rsa2048Sha512, Pkcs1::Rsa3072Sha512, Pkcs1::Rsa4096Sha512, Pkcs1::Rsa8192Sha512];
    pkcs1(Algorithm::Rs512, &sets).has_at_least(30, 1003);
}

#[test]
fn ps256() {
    let sets =
        [Pss::RsaPss2048Sha256Mgf1SaltLen32, Pss::RsaPss3072Sha256Mgf1SaltLen32, Pss::RsaPss4096Sha256Mgf1SaltLen32];
    pss(Algorithm::Ps256, &sets).has_at_least(189, 135);
}

#[test]
fn ps384() {
    let sets = [Pss::RsaPss2048Sha384Mgf1SaltLen48, Pss::RsaPss4096Sha384Mgf1SaltLen48];
    pss(Algorithm::Ps384, &sets).has_at_least(190, 92);
}

#[test]
fn ps512() {
    pss(Algorithm::Ps512, &[Pss::RsaPss4096Sha512Mgf1SaltLen64]).has_at_least(132, 47);
}

/// Other hashes and salts than the algorithm's own are other algorithms: what is valid there is not valid here.
#[test]
fn pss_has_one_hash_and_one_salt_length() {
    for (algorithm, set, valid_there) in [
        (Algorithm::Ps256, Pss::RsaPss2048Sha256Mgf1SaltLen0, 61),
        (Algorithm::Ps256, Pss::RsaPss2048Sha256Mgf1Sha1_20, 63),
        (Algorithm::Ps256, Pss::RsaPss2048Sha1Mgf1SaltLen20, 42),
        (Algorithm::Ps512, Pss::RsaPss4096Sha512Mgf1SaltLen32, 132),
    ] {
        let mut refused = 0;
        for group in rsa_pss_verify::TestSet::load(set).unwrap().test_groups {
            let (n, e) = (minimal(&group.key.n), minimal(&group.key.e));
            let key = VerifyingKey::new(algorithm, KeyMaterial::Rsa { n, e }).unwrap();
            for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
                assert!(!key.verify(&test.msg, &test.sig), "{set:?} {}", test.tc_id);
                refused += 1;
            }
        }
        assert!(refused >= valid_there, "{set:?}: {refused}");
    }
}
