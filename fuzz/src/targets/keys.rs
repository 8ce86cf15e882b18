//! Key sets from a configuration: what is accepted holds a public key, what is written again reads the same, and a token
//! passes only under the key that signed it.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use orgate::{Issuer, ResourceServer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::json::{Raws, object};
use crate::world::{API, ISSUER, Key, Stopped, at_once, replaced, token};

static TOKEN: LazyLock<String> = LazyLock::new(|| token(&json!({})));
static KEY: LazyLock<Key> = LazyLock::new(Key::of_issuer);

/// `$X` stands for the public key of the issuer.
pub(crate) fn run(data: &[u8]) {
    let data = replaced(data, b"$X", KEY.x().as_bytes());
    let Ok(document) = String::from_utf8(data) else { return };
    let Ok(server) = server(&document) else { return };
    assert!(object(document.as_bytes()).is_some(), "not one object with unique members");
    let keys = keys(&document).expect("an array of keys");
    assert!((1..=100).contains(&keys.len()));
    // No key is used that names a member twice, whatever a lenient reader finds in it.
    let keys: Vec<Value> = keys.iter().filter_map(|key| object(key.get().as_bytes())).map(Value::Object).collect();
    assert!(!keys.iter().any(|key| key.get("d").is_some_and(|d| !d.is_null())), "a private key: {document}");
    if at_once(server.verify(&TOKEN)).is_ok() {
        assert!(keys.iter().any(is_issuers), "passed under another key: {document}");
    }
    let [handle] = &*server.issuers() else { panic!("one entry") };
    if let Some(exported) = handle.export_keys().unwrap() {
        let again = self::server(&exported).expect("what was written can be read");
        let [handle] = &*again.issuers() else { panic!("one entry") };
        assert_eq!(handle.export_keys().unwrap().as_ref(), Some(&exported));
        assert_eq!(at_once(again.verify(&TOKEN)).is_ok(), at_once(server.verify(&TOKEN)).is_ok());
    }
}

/// The keys as they are written: one of them may be JSON that no reader of strings takes.
fn keys(document: &str) -> Option<Vec<Box<RawValue>>> {
    let members = serde_json::from_str::<Raws>(document).ok()?.0;
    let (_, keys) = members.into_iter().find(|(name, _)| name == "keys")?;
    serde_json::from_str(keys.get()).ok()
}

fn server(document: &str) -> Result<ResourceServer, orgate::ConfigError> {
    let issuer = Issuer::new(ISSUER).jwks_json(document);
    ResourceServer::builder(issuer, API).clock(Stopped).token_cache_bytes(1 << 20).build()
}

fn is_issuers(key: &Value) -> bool {
    let decoded = |x: &str| URL_SAFE_NO_PAD.decode(x).ok();
    let x = key["x"].as_str().and_then(decoded);
    key["kty"] == "OKP" && key["crv"] == "Ed25519" && key["kid"] == "k" && x.is_some() && x == decoded(&KEY.x())
}
