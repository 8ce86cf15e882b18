//! Signature checks: the only file that names the crypto library (besides the minting of test tokens).
//!
//! For tokens asymmetric algorithms only, and one key means one algorithm: it is fixed when the key is parsed, never by a
//! token. The symmetric checks, of webhooks and nonces, have a type of their own.

mod weak;

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self as lc, ParsedPublicKey, RsaParameters, VerificationAlgorithm};

use weak::{has_roca_fingerprint, has_small_order};

/// A signature algorithm for access tokens (RFC 7518 section 3.1, RFC 8037, RFC 9864).
///
/// There is no symmetric one, and there will be none: a resource server that can verify an HMAC can also forge it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384: what a new Logto tenant signs with.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// Ed25519, under its old name `EdDSA` and its RFC 9864 name `Ed25519`.
    EdDsa,
}

impl Algorithm {
    /// Every algorithm, the default allow-list of an issuer.
    pub const ALL: [Self; 10] = [
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::EdDsa,
    ];

    /// Returns the name in a token's header (`EdDSA` for Ed25519).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// By the exact, case-sensitive name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "Ed25519" => Some(Self::EdDsa),
            _ => Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name),
        }
    }

    /// Returns whether the algorithm needs an RSA key.
    #[must_use]
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512)
    }

    fn verification(self) -> Verification {
        match self {
            Self::Es256 => Verification::Point(&lc::ECDSA_P256_SHA256_FIXED, 1 + 2 * 32),
            Self::Es384 => Verification::Point(&lc::ECDSA_P384_SHA384_FIXED, 1 + 2 * 48),
            Self::Es512 => Verification::Point(&lc::ECDSA_P521_SHA512_FIXED, 1 + 2 * 66),
            Self::EdDsa => Verification::Point(&lc::ED25519, 32),
            Self::Rs256 => Verification::Rsa(&lc::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Verification::Rsa(&lc::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Verification::Rsa(&lc::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Verification::Rsa(&lc::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Verification::Rsa(&lc::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Verification::Rsa(&lc::RSA_PSS_2048_8192_SHA512),
        }
    }
}

/// How the crypto library checks an algorithm: on a curve, with the octets of its encoded point, or with RSA.
enum Verification {
    Point(&'static dyn VerificationAlgorithm, usize),
    Rsa(&'static RsaParameters),
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The public numbers of a key, as a JWK states them.
#[derive(Clone, Copy)]
pub(crate) enum KeyMaterial<'a> {
    /// An uncompressed point for ECDSA (`04 ‖ x ‖ y`), the 32 octets for Ed25519.
    Point(&'a [u8]),
    /// Modulus and exponent, big-endian.
    Rsa { n: &'a [u8], e: &'a [u8] },
}

/// A public key, parsed and checked once, for exactly one algorithm.
pub(crate) struct VerifyingKey {
    algorithm: Algorithm,
    parsed: ParsedPublicKey,
}

impl VerifyingKey {
    /// `Err` names what is wrong with the key.
    pub(crate) fn new(algorithm: Algorithm, material: KeyMaterial<'_>) -> Result<Self, &'static str> {
        let parsed = match (algorithm.verification(), material) {
            (Verification::Point(_, octets), KeyMaterial::Point(point)) if point.len() != octets => {
                return Err("a coordinate has the wrong length for the curve");
            }
            (_, KeyMaterial::Point(point)) if algorithm == Algorithm::EdDsa && has_small_order(point) => {
                return Err("an Ed25519 point of small order: anybody could sign for it");
            }
            (Verification::Point(curve, _), KeyMaterial::Point(point)) => {
                ParsedPublicKey::new(curve, point).map_err(|_| "the point is not on the curve")?
            }
            (Verification::Rsa(parameters), KeyMaterial::Rsa { n, e }) => {
                check_rsa_numbers(n, e)?;
                PublicKeyComponents { n, e }
                    .to_parsed_public_key(parameters)
                    .map_err(|_| "not an RSA public key of 2048 to 8192 bits")?
            }
            _ => return Err("the algorithm does not fit the type of the key"),
        };
        Ok(Self { algorithm, parsed })
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Same algorithm, same public numbers.
    pub(crate) fn is_same_key(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.parsed.as_ref() == other.parsed.as_ref()
    }

    /// Both are RSA, or both EC, or both OKP (RFC 7517 section 4.5 tolerates one `kid` only across key types).
    pub(crate) fn has_same_type(&self, other: &Self) -> bool {
        let kind = |key: &Self| (key.algorithm.is_rsa(), key.algorithm == Algorithm::EdDsa);
        kind(self) == kind(other)
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A secret for HMAC with SHA-256 (RFC 2104): shared with the sender of webhooks or by replicas, or the operator's own. Never
/// for a token.
#[derive(Clone)]
pub(crate) struct SharedSecret(hmac::Key);

impl SharedSecret {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// In constant time.
    pub(crate) fn verify(&self, message: &[u8], tag: &[u8; 32]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }

    pub(crate) fn tag(&self, message: &[u8]) -> [u8; 32] {
        let mut tag = [0; 32];
        tag.copy_from_slice(hmac::sign(&self.0, message).as_ref());
        tag
    }
}

/// RFC 7518 section 6.3.1: minimal big-endian numbers, at least 2048 bits, an odd exponent above one. Checked before
/// the library sees them, so that a huge modulus costs nothing.
fn check_rsa_numbers(n: &[u8], e: &[u8]) -> Result<(), &'static str> {
    match n {
        [] | [0, ..] => return Err("the RSA modulus is not written in its minimal form"),
        [.., last] if last % 2 == 0 => return Err("the RSA modulus is even"),
        _ if n.len() > 1024 => return Err("the RSA modulus has more than 8192 bits"),
        [first, ..] if n.len() * 8 - (first.leading_zeros() as usize) < 2048 => {
            return Err("the RSA modulus has less than 2048 bits");
        }
        _ if has_roca_fingerprint(n) => {
            return Err("the RSA modulus comes from a generator whose keys can be factored");
        }
        _ => {}
    }
    match e {
        [] | [0, ..] => Err("the RSA exponent is not written in its minimal form"),
        [1] => Err("the RSA exponent is 1"),
        [.., last] if last % 2 == 0 => Err("the RSA exponent is even"),
        _ if e.len() > 4 => Err("the RSA exponent has more than 32 bits"),
        _ => Ok(()),
    }
}

/// Octets that cannot be guessed; `None` if the system has none.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut octets = [0; N];
    aws_lc_rs::rand::fill(&mut octets).ok().map(|()| octets)
}

/// What stands for a secret where it must not be kept itself.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    digest
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.as_str()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDsa));
        for other in ["none", "None", "HS256", "es384", "ES384 ", "ES256K", "Ed448", "RSA-OAEP", ""] {
            assert_eq!(Algorithm::from_name(other), None, "{other}");
        }
    }

    #[test]
    fn hmac_of_rfc_4231() {
        // Test case 2: a secret shorter than the digest.
        let tag = [
            0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00,
            0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43,
        ];
        let secret = SharedSecret::new(b"Jefe");
        assert!(secret.verify(b"what do ya want for nothing?", &tag));
        assert!(!secret.verify(b"what do ya want for nothing!", &tag));
        assert!(!SharedSecret::new(b"jefe").verify(b"what do ya want for nothing?", &tag));
    }

    #[test]
    fn rsa_numbers() {
        let mut n = vec![0xC0; 256];
        n[255] = 1;
        assert_eq!(check_rsa_numbers(&n, &[1, 0, 1]), Ok(()));
        let even: Vec<u8> = n.iter().copied().take(255).chain([2]).collect();
        let one_bit_short: Vec<u8> = [0x7f].into_iter().chain(n.iter().copied().skip(1)).collect();
        let largest = [n.clone(), vec![1; 768]].concat();
        let padded = [vec![0], n.clone()].concat();
        assert_eq!(check_rsa_numbers(&largest, &[1, 0, 1]), Ok(()));
        for (bad, fault) in [
            (&[][..], "minimal form"),
            (&padded, "minimal form"),
            (&even, "even"),
            (&[n.clone(), vec![1; 769]].concat(), "more than 8192 bits"),
            (&one_bit_short, "less than 2048 bits"),
            (&n[1..], "less than 2048 bits"),
            (&[0xff; 255], "less than 2048 bits"),
        ] {
            let found = check_rsa_numbers(bad, &[1, 0, 1]).unwrap_err();
            assert!(found.contains(fault), "{found}, not {fault}");
        }
        for good in [&[3][..], &[255, 255, 255, 255]] {
            assert_eq!(check_rsa_numbers(&n, good), Ok(()));
        }
        for (bad, fault) in [
            (&[][..], "minimal form"),
            (&[0, 3], "minimal form"),
            (&[1], "is 1"),
            (&[4], "even"),
            (&[1, 0, 0, 0, 1], "more than 32 bits"),
        ] {
            let found = check_rsa_numbers(&n, bad).unwrap_err();
            assert!(found.contains(fault), "{found}, not {fault}");
        }
    }

    #[test]
    fn an_rsa_modulus_that_can_be_factored() {
        // 65537 to the 128th, which every power of it looks like.
        let mut n = vec![1];
        for _ in 0..128 {
            let shifted: Vec<u8> = n.iter().copied().chain([0, 0]).collect();
            let mut carry = 0;
            let mut sum: Vec<u8> = Vec::new();
            for at in 0..shifted.len() {
                let low = n.len().checked_sub(at + 1).map_or(0, |at| n[at]);
                let octets = u16::from(shifted[shifted.len() - 1 - at]) + u16::from(low) + carry;
                sum.insert(0, octets.to_le_bytes()[0]);
                carry = octets >> 8;
            }
            n = sum;
        }
        assert!(has_roca_fingerprint(&n));
        assert!(check_rsa_numbers(&n, &[1, 0, 1]).is_err_and(|why| why.contains("factored")));
        *n.last_mut().unwrap() += 2;
        assert_eq!(check_rsa_numbers(&n, &[1, 0, 1]), Ok(()));
    }

    #[test]
    fn a_point_must_fit_its_curve() {
        for (algorithm, length) in
            [(Algorithm::Es256, 65), (Algorithm::Es384, 97), (Algorithm::Es512, 133), (Algorithm::EdDsa, 32)]
        {
            for wrong in [0, length - 1, length + 1] {
                let key = VerifyingKey::new(algorithm, KeyMaterial::Point(&vec![4; wrong]));
                assert_eq!(key.err(), Some("a coordinate has the wrong length for the curve"), "{algorithm} {wrong}");
            }
        }
        assert!(
            VerifyingKey::new(Algorithm::Es256, KeyMaterial::Point(&[vec![4], vec![0; 64]].concat())).is_err(),
            "(0, 0)"
        );
        assert!(VerifyingKey::new(Algorithm::Rs256, KeyMaterial::Point(&[4; 65])).is_err());
        assert!(VerifyingKey::new(Algorithm::Es256, KeyMaterial::Rsa { n: &[1], e: &[3] }).is_err());
    }

    /// The base point of P-256: `x` and `y`.
    const X: [u8; 32] = [
        0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03,
        0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
    ];
    const Y: [u8; 32] = [
        0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce,
        0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
    ];

    fn point(algorithm: Algorithm, octets: &[u8]) -> Result<VerifyingKey, &'static str> {
        VerifyingKey::new(algorithm, KeyMaterial::Point(octets))
    }

    /// The base point of Ed25519, or another point.
    fn ed25519(first: u8) -> VerifyingKey {
        let mut octets = [0x66; 32];
        octets[0] = first;
        point(Algorithm::EdDsa, &octets).unwrap()
    }

    fn rsa(algorithm: Algorithm) -> VerifyingKey {
        let mut n = [0xC0; 256];
        n[255] = 1;
        VerifyingKey::new(algorithm, KeyMaterial::Rsa { n: &n, e: &[1, 0, 1] }).unwrap()
    }

    #[test]
    fn compressed_point_is_rejected() {
        assert!(point(Algorithm::Es256, &[&[4][..], &X, &Y].concat()).is_ok());
        let compressed = point(Algorithm::Es256, &[&[3][..], &X].concat());
        assert_eq!(compressed.err(), Some("a coordinate has the wrong length for the curve"));
    }

    #[test]
    fn keys_are_the_same_if_algorithm_and_numbers_are() {
        assert!(ed25519(0x58).is_same_key(&ed25519(0x58)));
        assert!(!ed25519(0x58).is_same_key(&ed25519(0x59)));
        assert!(rsa(Algorithm::Rs256).is_same_key(&rsa(Algorithm::Rs256)));
        assert!(!rsa(Algorithm::Rs256).is_same_key(&rsa(Algorithm::Ps256)));
    }

    #[test]
    fn keys_have_the_same_type_whatever_their_numbers() {
        let ec = point(Algorithm::Es256, &[&[4][..], &X, &Y].concat()).unwrap();
        let (okp, rsa_key) = (ed25519(0x58), rsa(Algorithm::Rs256));
        assert!(okp.has_same_type(&ed25519(0x59)) && rsa_key.has_same_type(&rsa(Algorithm::Ps512)));
        for (one, other) in [(&ec, &okp), (&okp, &rsa_key), (&rsa_key, &ec)] {
            assert!(one.has_same_type(one));
            assert!(!one.has_same_type(other) && !other.has_same_type(one), "{one:?} {other:?}");
        }
    }

    #[test]
    fn debug_form_of_a_key_names_its_algorithm() {
        assert_eq!(format!("{:?}", ed25519(0x58)), "VerifyingKey { algorithm: EdDsa, .. }");
    }

    #[test]
    fn random_octets_differ() {
        let [one, other] = [random::<32>().unwrap(), random().unwrap()];
        assert_ne!(one, other);
    }

    #[test]
    fn sha256_of_fips_180() {
        assert_eq!(sha256(b"abc")[..8], [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea]);
    }
}
