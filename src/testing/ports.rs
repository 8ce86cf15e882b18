//! The ports of test issuers: `add_issuer` accepts plain http on loopback only there.

use std::collections::BTreeSet;
use std::sync::Mutex;

use http::Uri;

use crate::lock::lock;

static PORTS: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

pub(super) fn note(port: u16) {
    lock(&PORTS).insert(port);
}

/// Whether a test issuer of this process listens, or listened, at this origin.
pub(crate) fn is_test_issuer(url: &Uri) -> bool {
    url.host() == Some("127.0.0.1") && url.port_u16().is_some_and(|port| lock(&PORTS).contains(&port))
}
