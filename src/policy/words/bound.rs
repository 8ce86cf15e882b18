//! Tokens that are worthless to a thief.

use crate::policy::condition::{Bound, Condition};
use crate::policy::value::Policy;

/// Requires a token that is bound to a key or a client certificate, which its sender has proved to hold (RFC 9449, RFC
/// 8705).
///
/// Other tokens are rejected with 401. What the server can check is set by
/// [`Builder::dpop`](crate::server::Builder::dpop) and [`Builder::mutual_tls`](crate::server::Builder::mutual_tls).
pub fn sender_constrained() -> Policy {
    word(Bound { to_key: false, to_certificate: false })
}

/// Requires a token that is bound to a key and came with a proof (RFC 9449).
pub fn dpop() -> Policy {
    word(Bound { to_key: true, to_certificate: false })
}

/// Requires a token that is bound to the sender's certificate (RFC 8705).
pub fn mtls() -> Policy {
    word(Bound { to_key: false, to_certificate: true })
}

fn word(bound: Bound) -> Policy {
    Policy::conditional(Ok(Condition::Bound(bound)))
}

impl Policy {
    /// Adds [`sender_constrained`]: accepts only tokens that are bound to a key or a certificate.
    pub fn sender_constrained(self) -> Self {
        self.and(sender_constrained())
    }

    /// Adds [`dpop`]: accepts only tokens that are bound to a key.
    pub fn dpop(self) -> Self {
        self.and(dpop())
    }

    /// Adds [`mtls`]: accepts only tokens that are bound to a certificate.
    pub fn mtls(self) -> Self {
        self.and(mtls())
    }
}
