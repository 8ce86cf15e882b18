//! Public keys that somebody without the private one can sign for.

/// Whether a forged signature can pass an Ed25519 key: its point has a small order (1, 2, 4 or 8), so that one signature
/// fits every message, or every eighth. These are all the ways to write such a point, beside the bit of the sign.
pub(super) fn has_small_order(point: &[u8]) -> bool {
    const ORDER_8: [u8; 32] = *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05";
    const OTHER_ORDER_8: [u8; 32] = *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a";
    let Some((last, others)) = point.split_last() else { return true };
    let last = last & 0x7f;
    let is = |known: &[u8; 32]| known.split_last() == Some((&last, others));
    // y = 0 and 1; p - 1, and 0 and 1 once more as p and p + 1.
    let is_near_zero = last == 0 && matches!(others, [0 | 1, rest @ ..] if rest.iter().all(|&octet| octet == 0));
    let is_near_p =
        last == 0x7f && matches!(others, [0xec..=0xee, rest @ ..] if rest.iter().all(|&octet| octet == 0xff));
    is_near_zero || is_near_p || is(&ORDER_8) || is(&OTHER_ORDER_8)
}

/// CVE-2017-15361: a generator whose primes are powers of 65537 modulo every small prime, and the modulus with them.
/// Of all other moduli one in two hundred million looks like that.
pub(super) fn has_roca_fingerprint(n: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107,
        109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.iter().all(|&prime| {
        let residue = n.iter().fold(0, |residue, &octet| (residue * 256 + u32::from(octet)) % prime);
        let powers = std::iter::successors(Some(1), |power| Some(power * (65537 % prime) % prime));
        powers.take(prime as usize).any(|power| power == residue)
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, KeyMaterial, VerifyingKey};
    use super::*;

    /// The little-endian number with these first, last and other octets.
    fn number(first: u8, others: u8, last: u8) -> Vec<u8> {
        let mut point = vec![others; 32];
        (point[0], point[31]) = (first, last);
        point
    }

    #[test]
    fn an_ed25519_key_of_small_order_is_rejected() {
        let order_8 = [
            [0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0],
            [0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05],
        ];
        let other_order_8 = [
            [0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f],
            [0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a],
        ];
        let weak = [
            number(0, 0, 0),
            number(1, 0, 0),
            order_8.concat(),
            other_order_8.concat(),
            number(0xec, 0xff, 0x7f),
            number(0xed, 0xff, 0x7f),
            number(0xee, 0xff, 0x7f),
        ];
        for mut point in weak {
            for sign in [0, 0x80] {
                point[31] = point[31] & 0x7f | sign;
                let key = VerifyingKey::new(Algorithm::EdDsa, KeyMaterial::Point(&point));
                assert_eq!(
                    key.err(),
                    Some("an Ed25519 point of small order: anybody could sign for it"),
                    "{point:02x?}"
                );
            }
        }
        // The base point, and what only looks alike.
        assert!(VerifyingKey::new(Algorithm::EdDsa, KeyMaterial::Point(&number(0x58, 0x66, 0x66))).is_ok());
        for strong in [number(2, 0, 0), number(0xeb, 0xff, 0x7f), number(1, 0xff, 0x7f), number(0xec, 0, 0)] {
            assert!(!has_small_order(&strong), "{strong:02x?}");
        }
    }

    /// Why: the neutral element, for which one signature fits every message.
    #[test]
    fn one_signature_would_fit_every_message() {
        let neutral =
            aws_lc_rs::signature::ParsedPublicKey::new(&aws_lc_rs::signature::ED25519, number(1, 0, 0)).unwrap();
        let signature = [number(0x58, 0x66, 0x66), number(1, 0, 0)].concat();
        for message in ["one", "another", ""] {
            assert!(neutral.verify_sig(message.as_bytes(), &signature).is_ok());
        }
    }
}
