//! Client certificates in headers of a proxy: RFC 9440, Envoy's XFCC, and escaped PEM. A bound token passes only if a second
//! reader finds the same certificate in the one header that there is.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use http::HeaderName;
use orgate::engine::Requirement;
use orgate::policy::resource;
use orgate::token::binding::{MutualTls, TrustedPeers};
use serde_json::json;
use sfv::{BareItem, Parser};

use crate::world::{at_once, encode, header_values, request, server, sha256, token};

/// What the token is bound to; its readers look at no certificate from inside.
const CERTIFICATE: &[u8] = b"certificate";
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));
const NAMES: [&str; 3] = ["client-cert", "x-forwarded-client-cert", "x-client-cert"];

static TOKEN: LazyLock<String> =
    LazyLock::new(|| token(&json!({ "cnf": { "x5t#S256": encode(sha256(CERTIFICATE)) } })));
static REQUIREMENTS: LazyLock<[Requirement; 3]> = LazyLock::new(|| {
    let anybody = TrustedPeers::dangerous_proxy_always_sets_it;
    let sources = [
        MutualTls::client_cert_header(anybody()),
        MutualTls::xfcc_header(anybody()),
        MutualTls::pem_header(NAMES[2], anybody()),
    ];
    sources.map(|source| server().mutual_tls(source).build().unwrap().requirement(resource().mtls()).unwrap())
});

/// The first byte chooses the form; each line is a header of that name.
pub(crate) fn run(data: &[u8]) {
    let Some((form, lines)) = data.split_first() else { return };
    let form = usize::from(*form) % 3;
    let mut parts = request("GET", "/", Some(&format!("Bearer {}", &**TOKEN)));
    let values: Vec<_> = header_values(lines).take(4).collect();
    for value in &values {
        parts.headers.append(HeaderName::from_static(NAMES[form]), value.clone());
    }
    if at_once(REQUIREMENTS[form].authorize(&mut parts)).is_err() {
        return;
    }
    let [only] = &*values else { panic!("passed with {} headers", values.len()) };
    let text = only.to_str().expect("text");
    match form {
        0 => {
            let item: sfv::Item = Parser::new(text).parse().expect("an item of structured fields");
            assert_eq!(item.bare_item, BareItem::ByteSequence(CERTIFICATE.to_vec()), "{text}");
        }
        1 => assert_eq!(only_hash(text), Some(sha256(CERTIFICATE)), "{text}"),
        _ => {
            let pem = replaced_escapes(text);
            let body = pem.split("-----").nth(2).expect("a body");
            let der: String = body.chars().filter(|c| *c > ' ').collect();
            // The reader of PEM does without padding, and does not look at bits that stand for nothing.
            assert_eq!(LENIENT.decode(der.trim_end_matches('=')).as_deref(), Ok(CERTIFICATE), "{text}");
        }
    }
}

/// Of the only element of XFCC, by a reader that goes through it from the left and keeps quotes in mind. A `Hash=` that is not
/// the proxy's, quoted or not, makes it none.
fn only_hash(text: &str) -> Option<Vec<u8>> {
    if text.to_lowercase().split("hash=").count() != 2 || outside_quotes(text, ',').len() != 1 {
        return None;
    }
    let pairs = outside_quotes(text, ';');
    let pairs = pairs.iter().filter_map(|pair| pair.trim().split_once('='));
    let mut hashes = pairs.filter(|(name, _)| name.eq_ignore_ascii_case("hash"));
    let digits = hashes.next()?.1;
    let digits = digits.strip_prefix('"').and_then(|digits| digits.strip_suffix('"')).unwrap_or(digits);
    (0..digits.len() / 2).map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()).collect()
}

fn outside_quotes(text: &str, separator: char) -> Vec<String> {
    let (mut parts, mut is_quoted, mut is_escaped) = (vec![String::new()], false, false);
    for c in text.chars() {
        let ends = c == separator && !is_quoted;
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && is_quoted && !is_escaped;
        if ends { parts.push(String::new()) } else { parts.last_mut().unwrap().push(c) }
    }
    parts
}

fn replaced_escapes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &after[2..];
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out + rest
}
